/* SPDX-License-Identifier: MIT */

/* What was seen is refused until it has expired, and nothing else, but for want of room. */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

enum {
	KEY_LEN = 48,
	NOW = 1700000000,
	LATER = NOW + 10,
};

/* A key whose end looks like an HMAC's, another for each number (splitmix64). */
static void make_key(uint64_t number, uint8_t ret_key[KEY_LEN])
{
	for (size_t i = 0; i < KEY_LEN; i += sizeof(number)) {
		uint64_t z = number * (KEY_LEN / sizeof(number)) + i / sizeof(number) + 1;

		z *= 0x9e3779b97f4a7c15;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		z ^= z >> 31;
		memcpy(ret_key + i, &z, sizeof(z));
	}
}

static struct ktls_replay *replay_of(size_t entries)
{
	struct ktls_replay *replay;

	cr_assert_eq(ktls_replay_new(&replay, entries), 0);
	return replay;
}

static int add(struct ktls_replay *replay, uint64_t number, uint64_t now_s, uint64_t expires_s)
{
	uint8_t key[KEY_LEN];

	make_key(number, key);
	return ktls_replay_add(replay, key, sizeof(key), now_s, expires_s);
}

Test(unit, a_table_is_neither_empty_nor_boundless)
{
	struct ktls_replay *replay = NULL;

	cr_assert_eq(ktls_replay_new(&replay, 0), -EINVAL);
	cr_assert_eq(ktls_replay_new(&replay, (size_t)KTLS_REPLAY_ENTRIES_MAX + 1), -EINVAL);
	cr_assert_eq(ktls_replay_new(&replay, SIZE_MAX), -EINVAL);
	cr_assert_null(replay);
	cr_assert_null(ktls_replay_free(NULL));
}

Test(unit, what_was_seen_is_refused)
{
	struct ktls_replay *replay = replay_of(1000);

	for (uint64_t i = 0; i < 500; i++)
		cr_assert_eq(add(replay, i, NOW, LATER), 0, "%d", (int)i);
	for (uint64_t i = 0; i < 500; i++)
		cr_assert_eq(add(replay, i, LATER - 1, LATER + 10), -EEXIST, "%d", (int)i);
	ktls_replay_free(replay);
}

Test(unit, what_was_refused_is_not_remembered_for_longer)
{
	struct ktls_replay *replay = replay_of(1);

	cr_assert_eq(add(replay, 1, NOW, LATER), 0);
	cr_assert_eq(add(replay, 1, NOW, LATER + 10), -EEXIST);
	cr_assert_eq(add(replay, 1, LATER, LATER + 10), 0);
	ktls_replay_free(replay);
}

Test(unit, what_has_expired_is_new)
{
	struct ktls_replay *replay = replay_of(1);

	cr_assert_eq(add(replay, 1, NOW, LATER), 0);
	cr_assert_eq(add(replay, 1, LATER - 1, LATER), -EEXIST);
	cr_assert_eq(add(replay, 1, LATER, LATER + 10), 0);
	cr_assert_eq(add(replay, 1, LATER, LATER + 10), -EEXIST);
	ktls_replay_free(replay);
}

/* Only its end: what precedes it may differ, or be missing. */
Test(unit, a_key_is_known_by_its_end)
{
	struct ktls_replay *replay = replay_of(1);
	uint8_t key[KEY_LEN];

	make_key(1, key);
	cr_assert_eq(ktls_replay_add(replay, key, sizeof(key), NOW, LATER), 0);
	key[KEY_LEN - KTLS_REPLAY_ID_LEN - 1] ^= 1;
	cr_assert_eq(ktls_replay_add(replay, key, sizeof(key), NOW, LATER), -EEXIST);
	cr_assert_eq(ktls_replay_add(replay, key + KEY_LEN - KTLS_REPLAY_ID_LEN, KTLS_REPLAY_ID_LEN,
				     NOW, LATER),
		     -EEXIST);
	for (size_t i = KEY_LEN - KTLS_REPLAY_ID_LEN; i < KEY_LEN; i++) {
		key[i] ^= 1;
		cr_assert_eq(ktls_replay_add(replay, key, sizeof(key), NOW, LATER), 0, "%zu", i);
		key[i] ^= 1;
	}
	ktls_replay_free(replay);
}

enum {
	ROOM = 2 * KTLS_REPLAY_BUCKET_N, /* for keys that share their buckets */
};

/* Keys for the same two buckets, the last one of the table and the first, as a client may choose
 * them. */
static int add_neighbour(struct ktls_replay *replay, uint64_t number, uint64_t now_s,
			 uint64_t expires_s)
{
	uint64_t halves[2] = { UINT64_MAX ^ number << 32, 0 };

	return ktls_replay_add(replay, halves, sizeof(halves), now_s, expires_s);
}

Test(unit, where_it_is_full_it_refuses_and_forgets_nothing)
{
	struct ktls_replay *replay = replay_of(1000);

	for (uint64_t i = 0; i < ROOM; i++)
		cr_assert_eq(add_neighbour(replay, i, NOW, LATER + i), 0);
	cr_assert_eq(add_neighbour(replay, ROOM, NOW, LATER), -ENOSPC);
	for (uint64_t i = 0; i < ROOM; i++)
		cr_assert_eq(add_neighbour(replay, i, NOW, LATER), -EEXIST);
	cr_assert_eq(add(replay, 1, NOW, LATER), 0, "elsewhere there is room");

	/* The first one goes, another comes, and what came after the first is still known. */
	cr_assert_eq(add_neighbour(replay, ROOM, LATER, LATER + 100), 0);
	cr_assert_eq(add_neighbour(replay, 0, LATER, LATER + 100), -ENOSPC);
	for (uint64_t i = 1; i <= ROOM; i++)
		cr_assert_eq(add_neighbour(replay, i, LATER, LATER + 100), -EEXIST);
	ktls_replay_free(replay);
}

/* Both halves of these name one bucket. */
Test(unit, one_bucket_is_room_for_as_many_as_it_has)
{
	struct ktls_replay *replay = replay_of(1000);

	for (uint64_t i = 0; i <= KTLS_REPLAY_BUCKET_N; i++) {
		uint64_t halves[2] = { i << 32, 0 };

		cr_assert_eq(ktls_replay_add(replay, halves, sizeof(halves), NOW, LATER),
			     i < KTLS_REPLAY_BUCKET_N ? 0 : -ENOSPC);
	}
	ktls_replay_free(replay);
}

Test(unit, a_table_of_any_size_holds_what_was_asked_for)
{
	for (size_t n = 1; n <= 100000; n = n * 2 + 7) {
		struct ktls_replay *replay = replay_of(n);

		for (uint64_t i = 0; i < n; i++)
			cr_assert_eq(add(replay, i, NOW, LATER), 0, "%zu of %zu", (size_t)i, n);
		ktls_replay_free(replay);
	}
}

Test(unit, a_million_are_remembered)
{
	enum {
		MILLION = 1000000,
	};
	struct ktls_replay *replay = replay_of(MILLION);

	for (uint64_t i = 0; i < MILLION; i++)
		cr_assert_eq(add(replay, i, NOW, LATER), 0, "%d", (int)i);
	for (uint64_t i = 0; i < MILLION; i++)
		cr_assert_eq(add(replay, i, NOW, LATER), -EEXIST, "%d", (int)i);
	for (uint64_t i = MILLION; i < 2 * MILLION; i++)
		cr_assert_eq(add(replay, i, LATER, LATER + 10), 0, "%d", (int)i);
	ktls_replay_free(replay);
}

/* Two threads that were handed the same keys. */

enum {
	RACE_N = 100000,
};

static pthread_barrier_t race_begin;

static void *race(void *data)
{
	struct ktls_replay *replay = data;
	size_t won = 0;

	pthread_barrier_wait(&race_begin);
	for (uint64_t i = 0; i < RACE_N; i++)
		won += add(replay, i, NOW, LATER) == 0;
	return (void *)won;
}

Test(unit, of_two_threads_one_is_first)
{
	struct ktls_replay *replay = replay_of(2 * RACE_N);
	pthread_t threads[2];
	size_t won = 0;

	cr_assert_eq(pthread_barrier_init(&race_begin, NULL, 2), 0);
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, race, replay), 0);
	for (size_t i = 0; i < 2; i++) {
		void *result;

		cr_assert_eq(pthread_join(threads[i], &result), 0);
		won += (size_t)result;
	}
	cr_assert_eq(won, RACE_N);
	pthread_barrier_destroy(&race_begin);
	ktls_replay_free(replay);
}
