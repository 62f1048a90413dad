/* SPDX-License-Identifier: MIT */

/*
 * Many threads on few slots: each seals with its own key and opens again, so that a cipher that is
 * another's shows. A plain program: ThreadSanitizer and Criterion do not go together.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers.h"
#include "ktls/kern.h"
#include "record.h"

enum {
	THREADS = 6,
	DIRECTIONS = 5, /* of each thread */
	ROUNDS = 20000,
	LEN = 100,
};

static struct ktls_ciphers *ciphers;
static atomic_uint faults;

struct direction {
	struct kern_keys keys;
	struct ktls_cipher_ref ref;
};

static bool protects(struct direction *direction)
{
	uint8_t record[LEN + 64], type, *payload;
	const size_t offset = ktls_record_payload_offset(&direction->keys);
	struct ktls_aead *aead;
	enum ktls_alert alert;
	size_t len = LEN + kern_record_overhead(direction->keys.protocol, direction->keys.cipher);
	bool fine;

	if (ktls_ciphers_take(ciphers, &direction->ref, direction->keys.cipher, direction->keys.key,
			      &aead))
		return false;
	memset(record + offset, direction->keys.key[0], LEN);
	fine = !ktls_record_seal(aead, &direction->keys, direction->keys.seq, 23, record, LEN, 0) &&
	       !ktls_record_open(aead, &direction->keys, record, len, &type, &payload, &len,
				 &alert) &&
	       len == LEN && payload[LEN - 1] == direction->keys.key[0];
	direction->keys.seq++;
	ktls_ciphers_give(ciphers, &direction->ref);
	return fine;
}

static void *live(void *arg)
{
	struct direction directions[DIRECTIONS];
	unsigned int id = (unsigned int)(size_t)arg, state = id;

	memset(directions, 0, sizeof(directions));
	for (unsigned int i = 0; i < DIRECTIONS; i++) {
		directions[i].keys.protocol = i % 2 ? KTLS_TLS_1_2 : KTLS_TLS_1_3;
		directions[i].keys.cipher = (uint16_t)(i % _KTLS_CIPHER_N);
		memset(directions[i].keys.key, (int)(id * DIRECTIONS + i + 1), KERN_KEY_MAX);
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct direction *direction;

		state = state * 1103515245 + 12345;
		direction = &directions[(state >> 16) % DIRECTIONS];
		if (!protects(direction))
			atomic_fetch_add(&faults, 1);
		if (state >> 28 == 0)
			ktls_ciphers_forget(ciphers, &direction->ref);
	}
	for (unsigned int i = 0; i < DIRECTIONS; i++)
		ktls_ciphers_forget(ciphers, &directions[i].ref);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	/* As many as can be in use at once. */
	if (ktls_ciphers_new(&ciphers, THREADS))
		return EXIT_FAILURE;
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, live, (void *)i))
			return EXIT_FAILURE;
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ktls_ciphers_free(ciphers);
	if (faults)
		fprintf(stderr, "%u records were not what they should be\n", faults);
	return faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
