/* SPDX-License-Identifier: MIT */

/* A table of those that have any; see peers.h. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "peers.h"

enum {
	BUCKETS = 4096, /* a power of two */
	KEY_LEN = 8,
};

struct peer {
	struct peer *next;
	uint64_t key;
	unsigned int n;
};

struct peers {
	unsigned int limit;
	uint64_t secret; /* who knows it could choose addresses of one bucket */
	struct peer *buckets[BUCKETS];
};

int peers_new(struct peers **ret_peers, unsigned int limit)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	peers->limit = limit;
	/* Without random numbers it is only not secret. */
	(void)!getrandom(&peers->secret, sizeof(peers->secret), GRND_NONBLOCK);
	peers->secret |= 1;
	*ret_peers = peers;
	return 0;
}

struct peers *peers_free(struct peers *peers)
{
	for (size_t i = 0; peers && i < BUCKETS; i++)
		assert(!peers->buckets[i]);
	free(peers);
	return NULL;
}

/* IPv4 is the same within IPv6, and has a prefix of its own (RFC 4291 2.5.5.2). */
static uint64_t key_of(const struct ktls_address *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *bytes = address->bytes;
	uint64_t key = 0;

	if (address->family == AF_INET6 && memcmp(bytes, mapped, sizeof(mapped)) != 0) {
		memcpy(&key, bytes, KEY_LEN);
		return key;
	}
	bytes += address->family == AF_INET6 ? sizeof(mapped) : 0;
	memcpy((uint8_t *)&key + KEY_LEN / 2, bytes, 4);
	return key;
}

static struct peer **bucket_of(struct peers *peers, uint64_t key)
{
	uint64_t mixed = (key ^ peers->secret) * UINT64_C(0x9e3779b97f4a7c15);

	return &peers->buckets[(mixed ^ mixed >> 32) * peers->secret >> 52];
}

int peers_enter(struct peers *peers, const struct ktls_address *address, struct peer **ret_peer)
{
	uint64_t key = key_of(address);
	struct peer **bucket = bucket_of(peers, key);
	struct peer *peer = *bucket;

	while (peer && peer->key != key)
		peer = peer->next;
	if (peer && peer->n >= peers->limit)
		return -EUSERS;
	if (!peer) {
		peer = malloc(sizeof(*peer));
		if (!peer)
			return -ENOMEM;
		*peer = (struct peer){ .next = *bucket, .key = key };
		*bucket = peer;
	}
	peer->n++;
	*ret_peer = peer;
	return 0;
}

void peers_leave(struct peers *peers, struct peer *peer)
{
	struct peer **at;

	if (!peer || --peer->n)
		return;
	at = bucket_of(peers, peer->key);
	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	free(peer);
}
