/* SPDX-License-Identifier: MIT */
#ifndef KTLS_AEAD_H
#define KTLS_AEAD_H

/*
 * What userspace protection needs of a cryptographic library: AEAD in place, and HKDF-Expand-Label.
 * The only place, beside the handshake, that knows GnuTLS; nothing here is a primitive of our own.
 */

#include <stddef.h>
#include <stdint.h>

struct ktls_aead;

/* A cipher with its key (copied), for enum ktls_cipher. -ENOMEM, -KTLS_E_CRYPTO. */
int ktls_aead_new(struct ktls_aead **ret_aead, unsigned int cipher, const uint8_t *key);
struct ktls_aead *ktls_aead_free(struct ktls_aead *aead);

/* Encrypts data[0..len) in place and puts the 16-byte tag behind it. -KTLS_E_CRYPTO. */
int ktls_aead_seal(struct ktls_aead *aead, const uint8_t nonce[12], const uint8_t *aad,
		   size_t aad_len, uint8_t *data, size_t len);

/* Decrypts data[0..len), which ends with the tag, in place to len - 16 bytes. -KTLS_E_BAD_MAC. */
int ktls_aead_open(struct ktls_aead *aead, const uint8_t nonce[12], const uint8_t *aad,
		   size_t aad_len, uint8_t *data, size_t len);

/* The length of the hash of a TLS 1.3 suite with this cipher, and so of its traffic secrets. */
size_t ktls_aead_hash_len(unsigned int cipher);

/* HKDF-Expand-Label(secret, label, "", len) with that hash (RFC 8446 7.1). -KTLS_E_CRYPTO. */
int ktls_aead_expand_label(unsigned int cipher, const uint8_t *secret, const char *label,
			   uint8_t *ret_out, size_t len);

#endif
