/* SPDX-License-Identifier: MIT */

/* A table of those that have any; see peers.h. */

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
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
	pthread_mutex_t lock; /* held for some instructions, twice in the life of a connection */
	unsigned int limit;
	uint64_t secret; /* who knows it could choose addresses of one bucket */
	struct peer *buckets[BUCKETS];
};

int peers_new(struct peers **ret_peers, unsigned int limit)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	pthread_mutex_init(&peers->lock, NULL);
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
	if (peers)
		pthread_mutex_destroy(&peers->lock);
	free(peers);
	return NULL;
}

void peers_strip(struct ktls_address *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	address->port = 0;
	if (address->family != AF_INET6 || memcmp(address->bytes, mapped, sizeof(mapped)) != 0)
		return;
	address->family = AF_INET;
	address->scope_id = 0;
	memcpy(address->bytes, address->bytes + sizeof(mapped), 4);
	memset(address->bytes + 4, 0, sizeof(mapped));
}

/* IPv4 takes the place of prefixes that are not given out (RFC 4291 2.5). */
static uint64_t key_of(const struct ktls_address *address)
{
	bool is_ipv4 = address->family == AF_INET;
	uint64_t key = 0;

	memcpy((uint8_t *)&key + (is_ipv4 ? KEY_LEN / 2 : 0), address->bytes,
	       is_ipv4 ? KEY_LEN / 2 : KEY_LEN);
	return key;
}

static struct peer **bucket_of(struct peers *peers, uint64_t key)
{
	uint64_t mixed = (key ^ peers->secret) * UINT64_C(0x9e3779b97f4a7c15);

	return &peers->buckets[(mixed ^ mixed >> 32) * peers->secret >> 52];
}

/* A new one if there is none; NULL: no memory. */
static struct peer *find(struct peers *peers, uint64_t key)
{
	struct peer **bucket = bucket_of(peers, key);
	struct peer *peer = *bucket;

	while (peer && peer->key != key)
		peer = peer->next;
	if (peer)
		return peer;
	peer = malloc(sizeof(*peer));
	if (!peer)
		return NULL;
	*peer = (struct peer){ .next = *bucket, .key = key };
	*bucket = peer;
	return peer;
}

int peers_enter(struct peers *peers, const struct ktls_address *address, struct peer **ret_peer)
{
	struct peer *peer;
	int r = 0;

	pthread_mutex_lock(&peers->lock);
	peer = find(peers, key_of(address));
	if (!peer)
		r = -ENOMEM;
	else if (peer->n >= peers->limit)
		r = -EUSERS;
	else
		peer->n++;
	pthread_mutex_unlock(&peers->lock);
	if (!r)
		*ret_peer = peer;
	return r;
}

static void take_out(struct peers *peers, struct peer *peer)
{
	struct peer **at = bucket_of(peers, peer->key);

	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	free(peer);
}

void peers_leave(struct peers *peers, struct peer *peer)
{
	if (!peer)
		return;
	pthread_mutex_lock(&peers->lock);
	if (!--peer->n)
		take_out(peers, peer);
	pthread_mutex_unlock(&peers->lock);
}
