/* SPDX-License-Identifier: MIT */

/*
 * Ciphers that directions share: more directions than slots, taken away and made anew, forgotten;
 * and by many threads at once, see stress_ciphers.c.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "aead.h"
#include "ciphers.h"
#include "config.h"
#include "ktls/kern.h"
#include "pair.h"

enum {
	SLOTS = 4,
	DIRECTIONS = 10,
	CONNS = 6,
};

struct direction {
	struct ktls_cipher_ref ref;
	uint8_t key[KERN_KEY_MAX];
	struct ktls_aead *aead;
};

static struct ktls_ciphers *new_ciphers(size_t n)
{
	struct ktls_ciphers *ciphers;

	cr_assert(!ktls_ciphers_new(&ciphers, n));
	return ciphers;
}

static void take(struct ktls_ciphers *ciphers, struct direction *direction)
{
	cr_assert(!ktls_ciphers_take(ciphers, &direction->ref, KTLS_AES_128_GCM, direction->key,
				     &direction->aead));
}

static void give(struct ktls_ciphers *ciphers, struct direction *direction)
{
	ktls_ciphers_give(ciphers, &direction->ref);
}

static void name_keys(struct direction *directions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memset(directions[i].key, (int)i + 1, sizeof(directions[i].key));
}

Test(unit, a_direction_that_comes_back_finds_its_own)
{
	struct ktls_ciphers *ciphers = new_ciphers(SLOTS);
	struct direction directions[SLOTS] = { 0 };
	struct ktls_aead *first[SLOTS];

	name_keys(directions, SLOTS);
	for (int i = 0; i < SLOTS; i++) {
		take(ciphers, &directions[i]);
		first[i] = directions[i].aead;
	}
	for (int i = 0; i < SLOTS; i++)
		give(ciphers, &directions[i]);
	for (int i = SLOTS; i--;) {
		uint64_t owner = directions[i].ref.owner;

		take(ciphers, &directions[i]);
		cr_assert(directions[i].aead == first[i] && directions[i].ref.owner == owner);
		give(ciphers, &directions[i]);
	}
	ktls_ciphers_free(ciphers);
}

Test(unit, the_one_given_back_first_is_taken_away_first)
{
	struct ktls_ciphers *ciphers = new_ciphers(2);
	struct direction directions[3] = { 0 };
	uint64_t owner;

	name_keys(directions, 3);
	for (int i = 0; i < 2; i++) {
		take(ciphers, &directions[i]);
		give(ciphers, &directions[i]);
	}
	take(ciphers, &directions[0]);
	give(ciphers, &directions[0]);
	owner = directions[0].ref.owner;

	take(ciphers, &directions[2]);
	cr_assert(directions[2].ref.slot == directions[1].ref.slot);
	give(ciphers, &directions[2]);

	take(ciphers, &directions[0]);
	cr_assert(directions[0].ref.owner == owner, "the other one was older");
	give(ciphers, &directions[0]);
	owner = directions[1].ref.owner;
	take(ciphers, &directions[1]);
	cr_assert(directions[1].ref.owner != owner, "made anew under a new number");
	give(ciphers, &directions[1]);
	ktls_ciphers_free(ciphers);
}

/* Every one in use has a slot, a number and a cipher that no other has. */
Test(unit, those_in_use_are_never_taken_away)
{
	struct ktls_ciphers *ciphers = new_ciphers(SLOTS);
	struct direction directions[DIRECTIONS] = { 0 };
	bool used[DIRECTIONS] = { false };
	unsigned int in_use = 0, state = 1;

	name_keys(directions, DIRECTIONS);
	for (int round = 0; round < 20000; round++) {
		state = state * 1103515245 + 12345;
		unsigned int i = (state >> 16) % DIRECTIONS;

		if (used[i]) {
			give(ciphers, &directions[i]);
			used[i] = false;
			in_use--;
		} else if (in_use < SLOTS) {
			take(ciphers, &directions[i]);
			used[i] = true;
			in_use++;
		} else {
			ktls_ciphers_forget(ciphers, &(struct ktls_cipher_ref){ 0 });
		}
		for (unsigned int a = 0; a < DIRECTIONS; a++)
			for (unsigned int b = 0; b < a; b++)
				cr_assert(!used[a] || !used[b] ||
					  (directions[a].ref.slot != directions[b].ref.slot &&
					   directions[a].aead != directions[b].aead));
		if (!used[i] && state >> 30 == 3)
			ktls_ciphers_forget(ciphers, &directions[i].ref);
	}
	for (unsigned int i = 0; i < DIRECTIONS; i++)
		if (used[i])
			give(ciphers, &directions[i]);
	ktls_ciphers_free(ciphers);
}

Test(unit, what_is_forgotten_is_the_next_to_be_used_and_the_others_stay)
{
	struct ktls_ciphers *ciphers = new_ciphers(3);
	struct direction directions[4] = { 0 };
	uint32_t slot;
	uint64_t owner;

	name_keys(directions, 4);
	for (int i = 0; i < 3; i++) {
		take(ciphers, &directions[i]);
		give(ciphers, &directions[i]);
	}
	slot = directions[1].ref.slot;
	ktls_ciphers_forget(ciphers, &directions[1].ref);
	cr_assert(!directions[1].ref.owner);
	ktls_ciphers_forget(ciphers, &directions[1].ref);
	take(ciphers, &directions[3]);
	cr_assert(directions[3].ref.slot == slot);
	give(ciphers, &directions[3]);
	for (int i = 0; i < 3; i += 2) {
		owner = directions[i].ref.owner;
		take(ciphers, &directions[i]);
		cr_assert(directions[i].ref.owner == owner, "%d", i);
		give(ciphers, &directions[i]);
	}
	ktls_ciphers_free(ciphers);
}

/* Forgetting what another has by now takes nothing from it. */
Test(unit, who_was_taken_away_forgets_only_itself)
{
	struct ktls_ciphers *ciphers = new_ciphers(1);
	struct direction directions[2] = { 0 };
	struct ktls_aead *aead;

	name_keys(directions, 2);
	take(ciphers, &directions[0]);
	give(ciphers, &directions[0]);
	take(ciphers, &directions[1]);
	aead = directions[1].aead;
	ktls_ciphers_forget(ciphers, &directions[0].ref);
	give(ciphers, &directions[1]);
	take(ciphers, &directions[1]);
	cr_assert(directions[1].aead == aead);
	give(ciphers, &directions[1]);
	ktls_ciphers_free(ciphers);
}

/* Connections that share one buffer and one cipher take it from each other with every call. */
Test(unit, a_connection_whose_cipher_was_taken_away_works)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair first, pairs[CONNS];

	for (int protocol = KTLS_TLS_1_2; protocol <= KTLS_TLS_1_3; protocol++) {
		options.protocol = protocol;
		options.pool = 1;
		first = pair_open(&options);
		for (int i = 0; i < CONNS; i++) {
			int rc[2];

			pairs[i] = pair_join(ktls_config_ref(first.config[0]),
					     ktls_config_ref(first.config[1]), "localhost", 0);
			pair_handshake(&pairs[i], rc);
			cr_assert(!rc[0] && !rc[1]);
		}
		for (int round = 0; round < 5; round++) {
			pair_move(&first, round % 2, 50000, 1000);
			for (int i = 0; i < CONNS; i++)
				pair_move(&pairs[i], (i + round) % 2, 20000, 5000);
		}
		for (int i = 0; i < CONNS; i++) {
			pair_close(&pairs[i]);
			pair_free(&pairs[i]);
		}
		pair_close(&first);
		pair_free(&first);
	}
}
