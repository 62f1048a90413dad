/* SPDX-License-Identifier: MIT */
#ifndef KTLS_REPLAY_H
#define KTLS_REPLAY_H

/*
 * Remembers which early data was seen (RFC 8446 8.2): whoever copied a ClientHello may send it
 * again, and its early data must not be accepted twice. A table of fixed size, made once; any
 * thread. It knows what this process saw since it was made: what came before, or came to another
 * process with the same ticket keys, the caller must refuse by other means.
 */

#include <stddef.h>
#include <stdint.h>

enum {
	KTLS_REPLAY_ID_LEN = 16,   /* of a key's end is kept */
	KTLS_REPLAY_BUCKET_N = 16, /* entries; a key may lie in two buckets */
	KTLS_REPLAY_ENTRIES_MAX = 1 << 24,
};

struct ktls_replay;

/* Room for `entries` (a table a third larger, rounded up to a power of two, is full nowhere before
 * it holds them). -EINVAL: none, or more than KTLS_REPLAY_ENTRIES_MAX; -ENOMEM. */
int ktls_replay_new(struct ktls_replay **ret_replay, size_t entries);
/* Takes NULL; returns NULL. */
struct ktls_replay *ktls_replay_free(struct ktls_replay *replay);

/*
 * Whether a key is new. Its last KTLS_REPLAY_ID_LEN bytes or more are the end of an HMAC. Times are
 * seconds of one clock, CLOCK_REALTIME's. 0: it is, and is remembered until expires_s. -EEXIST: it
 * was seen. -ENOSPC: there is no room for it among what has not expired; the caller refuses, as if
 * it had been seen.
 */
int ktls_replay_add(struct ktls_replay *replay, const void *key, size_t len, uint64_t now_s,
		    uint64_t expires_s);

#endif
