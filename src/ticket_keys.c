/* SPDX-License-Identifier: MIT */

/*
 * Which master key sealed a ticket. GnuTLS (lib/stek.c, as of 3.7.9) divides time into periods of
 * three ticket lifetimes, and seals the tickets of a period with
 *
 *   SHA3-512(be64(period) || master) = name (16 bytes) || cipher key || MAC key
 *
 * The name is in the clear at the ticket's beginning. We derive it for each master and the periods
 * around now, and so tell whose a ticket is without opening it. Were a future GnuTLS to name its
 * keys otherwise, no name would be found, every session would be given the current master, and
 * tickets would still be resumed until the next rotation.
 *
 * GnuTLS opens tickets of this period and the last one. Those of the next, from a machine whose
 * clock is ahead, are recognised here as ours all the same: their time may come before they are
 * opened.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#include <ktls/error.h>

#include "base/deadline.h"
#include "ticket_keys.h"

#define PERIOD_NONE UINT64_MAX

enum {
	LIFETIMES_PER_PERIOD = 3,
	LIFETIME_MAX_S = 604800, /* where gnutls_db_set_cache_expiration() cuts */
	PERIOD_LEN = 8,
	PERIODS_N = 3, /* the last, this, the next */
	LOOK_AGAIN_NS = 1000000000,
};

struct ktls_ticket_keys {
	pthread_mutex_t lock;
	struct ktls_ticket_masters masters;
	char *path; /* NULL: the masters stay */
	char *name; /* that the masters are bound to, or NULL */
	struct stat file;
	uint64_t look_ns; /* at the file not before this */
	uint64_t period_s;
	uint64_t period; /* that names[] are of, or PERIOD_NONE */
	uint8_t names[KTLS_TICKET_KEYS_N][PERIODS_N][KTLS_TICKET_NAME_LEN];
};

struct derivation {
	uint8_t input[PERIOD_LEN + KTLS_TICKET_KEY_LEN];
	uint8_t output[KTLS_TICKET_KEY_LEN];
};

KTLS_DEFINE_WIPE(derivation);

static bool bind_masters(struct ktls_ticket_masters *masters, const char *name)
{
	_cleanup_(ktls_ticket_masters_wipe) struct ktls_ticket_masters bound;

	if (!name)
		return true;
	for (size_t i = 0; i < KTLS_TICKET_KEYS_N; i++) {
		if (gnutls_hmac_fast(GNUTLS_MAC_SHA512, masters->keys[i], KTLS_TICKET_KEY_LEN, name,
				     strlen(name), bound.keys[i]) < 0)
			return false;
	}
	*masters = bound;
	return true;
}

static bool derive_name(const uint8_t master[KTLS_TICKET_KEY_LEN], uint64_t period,
			uint8_t ret_name[KTLS_TICKET_NAME_LEN])
{
	_cleanup_(derivation_wipe) struct derivation derivation;

	for (size_t i = 0; i < PERIOD_LEN; i++)
		derivation.input[i] = (uint8_t)(period >> 8 * (PERIOD_LEN - 1 - i));
	memcpy(derivation.input + PERIOD_LEN, master, KTLS_TICKET_KEY_LEN);
	if (gnutls_hash_fast(GNUTLS_DIG_SHA3_512, derivation.input, sizeof(derivation.input),
			     derivation.output) < 0)
		return false;
	memcpy(ret_name, derivation.output, KTLS_TICKET_NAME_LEN);
	return true;
}

/* By the clock that GnuTLS asks. */
static bool derive_names(struct ktls_ticket_keys *keys)
{
	uint64_t period = (uint64_t)time(NULL) / keys->period_s;

	if (period == keys->period)
		return true;
	keys->period = PERIOD_NONE;
	for (size_t i = 0; i < KTLS_TICKET_KEYS_N; i++) {
		for (size_t j = 0; j < PERIODS_N; j++) {
			if (!derive_name(keys->masters.keys[i], period - 1 + j, keys->names[i][j]))
				return false;
		}
	}
	keys->period = period;
	return true;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that cannot be used now changes nothing: `file` is still the old one's, so it is tried
 * again. */
static void look_again(struct ktls_ticket_keys *keys)
{
	uint64_t now_ns = ktls_deadline_clock();
	_cleanup_(ktls_ticket_masters_wipe) struct ktls_ticket_masters masters;
	const char *what;
	struct stat file;

	if (!keys->path || now_ns < keys->look_ns)
		return;
	keys->look_ns = now_ns + LOOK_AGAIN_NS;
	if (stat(keys->path, &file) || is_same(&file, &keys->file))
		return;
	if (ktls_ticket_file_read(keys->path, &masters, &file, &what) ||
	    !bind_masters(&masters, keys->name))
		return;
	keys->masters = masters;
	keys->file = file;
	keys->period = PERIOD_NONE;
}

static const uint8_t *find(struct ktls_ticket_keys *keys, const uint8_t *name)
{
	if (!derive_names(keys))
		return NULL;
	for (size_t i = 0; i < KTLS_TICKET_KEYS_N; i++) {
		for (size_t j = 0; j < PERIODS_N; j++) {
			if (!memcmp(keys->names[i][j], name, KTLS_TICKET_NAME_LEN))
				return keys->masters.keys[i];
		}
	}
	return NULL;
}

bool ktls_ticket_keys_find(struct ktls_ticket_keys *keys, const uint8_t name[KTLS_TICKET_NAME_LEN],
			   uint8_t ret_key[KTLS_TICKET_KEY_LEN])
{
	const uint8_t *key;

	pthread_mutex_lock(&keys->lock);
	look_again(keys);
	key = find(keys, name);
	if (key)
		memcpy(ret_key, key, KTLS_TICKET_KEY_LEN);
	pthread_mutex_unlock(&keys->lock);
	return key;
}

void ktls_ticket_keys_choose(struct ktls_ticket_keys *keys, const uint8_t *name,
			     uint8_t ret_key[KTLS_TICKET_KEY_LEN])
{
	const uint8_t *key;

	pthread_mutex_lock(&keys->lock);
	look_again(keys);
	key = name ? find(keys, name) : NULL;
	memcpy(ret_key, key ? key : keys->masters.keys[KTLS_TICKET_CURRENT], KTLS_TICKET_KEY_LEN);
	pthread_mutex_unlock(&keys->lock);
}

static int load(struct ktls_ticket_keys *keys, const char *path, const char **ret_what)
{
	if (!path)
		return ktls_ticket_masters_make(&keys->masters);
	keys->path = strdup(path);
	if (!keys->path)
		return -ENOMEM;
	keys->look_ns = ktls_deadline_clock() + LOOK_AGAIN_NS;
	return ktls_ticket_file_read(path, &keys->masters, &keys->file, ret_what);
}

int ktls_ticket_keys_new(struct ktls_ticket_keys **ret_keys, const char *path,
			 unsigned int lifetime_s, const char **ret_what)
{
	struct ktls_ticket_keys *keys;
	int r;

	/* GnuTLS would divide by it. */
	if (!lifetime_s)
		return -EINVAL;
	keys = calloc(1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	pthread_mutex_init(&keys->lock, NULL);
	keys->period = PERIOD_NONE;
	keys->period_s = (lifetime_s < LIFETIME_MAX_S ? lifetime_s : LIFETIME_MAX_S) *
			 (uint64_t)LIFETIMES_PER_PERIOD;
	r = load(keys, path, ret_what);
	if (r < 0) {
		ktls_ticket_keys_free(keys);
		return r;
	}
	*ret_keys = keys;
	return 0;
}

int ktls_ticket_keys_bind(struct ktls_ticket_keys *keys, const char *name)
{
	keys->name = strdup(name);
	if (!keys->name)
		return -ENOMEM;
	return bind_masters(&keys->masters, name) ? 0 : -KTLS_E_CRYPTO;
}

struct ktls_ticket_keys *ktls_ticket_keys_free(struct ktls_ticket_keys *keys)
{
	if (!keys)
		return NULL;
	pthread_mutex_destroy(&keys->lock);
	free(keys->path);
	free(keys->name);
	explicit_bzero(keys, sizeof(*keys));
	free(keys);
	return NULL;
}
