/* SPDX-License-Identifier: MIT */

/*
 * A hash table without a hash: what is asked for ends in an HMAC, the binder of a ClientHello,
 * whose bits are as good as any hash's. Each half of them names a bucket, and a new key goes to the
 * emptier one: so buckets fill evenly (first -ENOSPC with more than four fifths of a table taken,
 * with random keys), and an answer costs a few cache lines. A client that knows its ticket's key
 * can choose among binders, and so fill two buckets; that refuses early data to itself and to whom
 * chance sends there, no more than filling the table by honest means would.
 *
 * 128 bits of a key are enough. Two keys are taken for one by chance once in 2^128 / 32 questions;
 * who computes two that agree has but his own early data refused. A false match never accepts
 * anything: refused early data comes again after the handshake.
 *
 * Nothing that has not expired is ever driven out to make room: it could be replayed then.
 */

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

struct entry {
	uint8_t id[KTLS_REPLAY_ID_LEN];
	uint64_t expires_s; /* free from then on; 0: never used */
};

struct bucket {
	struct entry entries[KTLS_REPLAY_BUCKET_N];
};

struct room {
	size_t n;
	struct entry *entry; /* one of them */
};

struct ktls_replay {
	pthread_mutex_t lock;
	size_t mask; /* buckets, a power of two, less one */
	struct bucket *buckets;
};

int ktls_replay_new(struct ktls_replay **ret_replay, size_t entries)
{
	size_t n = 2;
	struct ktls_replay *replay;

	if (!entries || entries > KTLS_REPLAY_ENTRIES_MAX)
		return -EINVAL;
	while (n * KTLS_REPLAY_BUCKET_N / 4 * 3 < entries)
		n *= 2;
	replay = calloc(1, sizeof(*replay));
	if (!replay)
		return -ENOMEM;
	replay->buckets = calloc(n, sizeof(replay->buckets[0]));
	if (!replay->buckets) {
		free(replay);
		return -ENOMEM;
	}
	replay->mask = n - 1;
	pthread_mutex_init(&replay->lock, NULL);
	*ret_replay = replay;
	return 0;
}

struct ktls_replay *ktls_replay_free(struct ktls_replay *replay)
{
	if (!replay)
		return NULL;
	pthread_mutex_destroy(&replay->lock);
	free(replay->buckets);
	free(replay);
	return NULL;
}

/* Where a key may lie: one place from each half of what is kept of it. */
static struct bucket *bucket_of(struct ktls_replay *replay,
				const uint8_t half[KTLS_REPLAY_ID_LEN / 2])
{
	uint64_t hash;

	memcpy(&hash, half, sizeof(hash));
	return &replay->buckets[hash & replay->mask];
}

/* All of a bucket is looked at: a key may lie behind a place that became free later. Whether it is
 * there; if not, how much room is, and where. */
static bool is_in(struct bucket *bucket, const uint8_t id[KTLS_REPLAY_ID_LEN], uint64_t now_s,
		  struct room *ret_room)
{
	struct room room = { 0 };

	for (size_t i = 0; i < KTLS_REPLAY_BUCKET_N; i++) {
		struct entry *entry = &bucket->entries[i];

		if (entry->expires_s <= now_s)
			room = (struct room){ .n = room.n + 1, .entry = entry };
		else if (!memcmp(entry->id, id, KTLS_REPLAY_ID_LEN))
			return true;
	}
	*ret_room = room;
	return false;
}

static int add(struct ktls_replay *replay, const uint8_t id[KTLS_REPLAY_ID_LEN], uint64_t now_s,
	       uint64_t expires_s)
{
	struct room room, other;

	if (is_in(bucket_of(replay, id), id, now_s, &room) ||
	    is_in(bucket_of(replay, id + KTLS_REPLAY_ID_LEN / 2), id, now_s, &other))
		return -EEXIST;
	if (other.n > room.n)
		room = other;
	if (!room.n)
		return -ENOSPC;
	memcpy(room.entry->id, id, KTLS_REPLAY_ID_LEN);
	room.entry->expires_s = expires_s;
	return 0;
}

int ktls_replay_add(struct ktls_replay *replay, const void *key, size_t len, uint64_t now_s,
		    uint64_t expires_s)
{
	int r;

	assert(len >= KTLS_REPLAY_ID_LEN);
	pthread_mutex_lock(&replay->lock);
	r = add(replay, (const uint8_t *)key + len - KTLS_REPLAY_ID_LEN, now_s, expires_s);
	pthread_mutex_unlock(&replay->lock);
	return r;
}
