/* SPDX-License-Identifier: MIT */
#ifndef KTLS_CIPHERS_H
#define KTLS_CIPHERS_H

/*
 * The AEADs of the connections that were active last. One costs some 750 bytes, more than all else
 * that a connection is: so they belong to the config, which has as many as it has buffers, and an
 * idle connection's is taken away when another needs one. (Giving them other keys would be simpler
 * still; GnuTLS 3.7.9's gnutls_aead_cipher_set_key() makes a wrong GHASH key of a second one.) Any
 * thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "aead.h"

struct ktls_ciphers;

/* What a direction remembers of its own; zeros: nothing yet. */
struct ktls_cipher_ref {
	uint64_t owner;
	uint32_t slot;
};

/* At most n in use at once. -ENOMEM. */
int ktls_ciphers_new(struct ktls_ciphers **ret_ciphers, size_t n);
/* None may be in use. Takes NULL; returns NULL. */
struct ktls_ciphers *ktls_ciphers_free(struct ktls_ciphers *ciphers);

/* The direction's cipher, in use until it is given back; made of the key, if it has none any more.
 * -ENOMEM, -KTLS_E_CRYPTO. */
int ktls_ciphers_take(struct ktls_ciphers *ciphers, struct ktls_cipher_ref *ref,
		      unsigned int cipher, const uint8_t *key, struct ktls_aead **ret_aead);
void ktls_ciphers_give(struct ktls_ciphers *ciphers, const struct ktls_cipher_ref *ref);

/* The direction needs it, or its key, no more; not while it is in use. */
void ktls_ciphers_forget(struct ktls_ciphers *ciphers, struct ktls_cipher_ref *ref);

#endif
