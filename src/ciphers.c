/* SPDX-License-Identifier: MIT */

/*
 * Slots, of which those not in use form a ring, from the one that was given back first (the next to
 * be taken away) to the one given back last. A slot knows its owner by a number that is never used
 * again, so a direction that comes back sees whether it still is.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/secret.h"
#include "ciphers.h"

struct slot {
	struct ktls_aead *aead;
	uint64_t owner;
	uint32_t older, newer; /* in the ring */
};

struct ktls_ciphers {
	pthread_mutex_t lock;
	uint64_t owners; /* numbers given out */
	uint32_t n;
	struct slot slots[]; /* n, and the ring's anchor: newer is its first, older its last */
};

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

static pthread_mutex_t *lock(struct ktls_ciphers *ciphers)
{
	pthread_mutex_lock(&ciphers->lock);
	return &ciphers->lock;
}

static void ring_remove(struct ktls_ciphers *ciphers, uint32_t i)
{
	struct slot *slot = &ciphers->slots[i];

	ciphers->slots[slot->older].newer = slot->newer;
	ciphers->slots[slot->newer].older = slot->older;
}

static void ring_insert_behind(struct ktls_ciphers *ciphers, uint32_t older, uint32_t i)
{
	struct slot *slot = &ciphers->slots[i];

	slot->older = older;
	slot->newer = ciphers->slots[older].newer;
	ciphers->slots[slot->newer].older = i;
	ciphers->slots[older].newer = i;
}

int ktls_ciphers_new(struct ktls_ciphers **ret_ciphers, size_t n)
{
	struct ktls_ciphers *ciphers;

	ciphers = calloc(1, sizeof(*ciphers) + (n + 1) * sizeof(ciphers->slots[0]));
	if (!ciphers)
		return -ENOMEM;
	pthread_mutex_init(&ciphers->lock, NULL);
	ciphers->n = (uint32_t)n;
	ciphers->slots[n].older = ciphers->slots[n].newer = (uint32_t)n;
	for (uint32_t i = 0; i < n; i++)
		ring_insert_behind(ciphers, ciphers->n, i);
	*ret_ciphers = ciphers;
	return 0;
}

struct ktls_ciphers *ktls_ciphers_free(struct ktls_ciphers *ciphers)
{
	if (!ciphers)
		return NULL;
	for (uint32_t i = 0; i < ciphers->n; i++)
		ktls_aead_free(ciphers->slots[i].aead);
	pthread_mutex_destroy(&ciphers->lock);
	free(ciphers);
	return NULL;
}

/* The direction's slot, out of the ring; *ret_evicted: what another left in it. */
static struct slot *claim(struct ktls_ciphers *ciphers, struct ktls_cipher_ref *ref,
			  struct ktls_aead **ret_evicted)
{
	_cleanup_(unlock) pthread_mutex_t *locked __attribute__((unused)) = lock(ciphers);
	struct slot *slot;

	*ret_evicted = NULL;
	if (!ref->owner || ciphers->slots[ref->slot].owner != ref->owner) {
		ref->slot = ciphers->slots[ciphers->n].newer;
		ref->owner = ++ciphers->owners;
		slot = &ciphers->slots[ref->slot];
		*ret_evicted = slot->aead;
		slot->aead = NULL;
		slot->owner = ref->owner;
	}
	ring_remove(ciphers, ref->slot);
	return &ciphers->slots[ref->slot];
}

int ktls_ciphers_take(struct ktls_ciphers *ciphers, struct ktls_cipher_ref *ref,
		      unsigned int cipher, const uint8_t *key, struct ktls_aead **ret_aead)
{
	struct ktls_aead *evicted;
	struct slot *slot = claim(ciphers, ref, &evicted);
	int r = 0;

	ktls_aead_free(evicted);
	if (!slot->aead)
		r = ktls_aead_new(&slot->aead, cipher, key);
	if (r < 0) {
		slot->aead = NULL;
		ktls_ciphers_give(ciphers, ref);
		return r;
	}
	*ret_aead = slot->aead;
	return 0;
}

void ktls_ciphers_give(struct ktls_ciphers *ciphers, const struct ktls_cipher_ref *ref)
{
	_cleanup_(unlock) pthread_mutex_t *locked __attribute__((unused)) = lock(ciphers);

	ring_insert_behind(ciphers, ciphers->slots[ciphers->n].older, ref->slot);
}

void ktls_ciphers_forget(struct ktls_ciphers *ciphers, struct ktls_cipher_ref *ref)
{
	struct ktls_aead *evicted = NULL;
	struct slot *slot = &ciphers->slots[ref->slot];

	if (!ref->owner)
		return;
	pthread_mutex_lock(&ciphers->lock);
	if (slot->owner == ref->owner) {
		evicted = slot->aead;
		slot->aead = NULL;
		slot->owner = 0;
		ring_remove(ciphers, ref->slot);
		ring_insert_behind(ciphers, ciphers->n, ref->slot);
	}
	pthread_mutex_unlock(&ciphers->lock);
	ktls_aead_free(evicted);
	*ref = (struct ktls_cipher_ref){ 0 };
}
