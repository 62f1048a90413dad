/* SPDX-License-Identifier: MIT */

/*
 * GnuTLS's AEAD and HKDF, in the terms of a record layer. One-shot calls over contiguous memory, in
 * place: measured, that is as fast as its scatter-gather calls, and the record is built where it
 * leaves from anyway.
 */

#include <assert.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include <ktls/error.h>
#include <ktls/info.h>

#include "aead.h"
#include "ktls/kern.h"

static const struct {
	gnutls_cipher_algorithm_t algorithm;
	gnutls_mac_algorithm_t hash; /* of the TLS 1.3 suite (RFC 8446 B.4) */
	uint8_t hash_len;
} ciphers[_KTLS_CIPHER_N] = {
	[KTLS_AES_128_GCM] = { GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_SHA256, 32 },
	[KTLS_AES_256_GCM] = { GNUTLS_CIPHER_AES_256_GCM, GNUTLS_MAC_SHA384, 48 },
	[KTLS_AES_128_CCM] = { GNUTLS_CIPHER_AES_128_CCM, GNUTLS_MAC_SHA256, 32 },
	[KTLS_CHACHA20_POLY1305] = { GNUTLS_CIPHER_CHACHA20_POLY1305, GNUTLS_MAC_SHA256, 32 },
};

/* struct ktls_aead is GnuTLS's handle under a name of ours, so that no header needs theirs. */
static gnutls_aead_cipher_hd_t handle_of(struct ktls_aead *aead)
{
	return (gnutls_aead_cipher_hd_t)(void *)aead;
}

int ktls_aead_new(struct ktls_aead **ret_aead, unsigned int cipher, const uint8_t *key)
{
	gnutls_datum_t datum = { (uint8_t *)key, kern_cipher(cipher)->key_len };
	gnutls_aead_cipher_hd_t handle;
	int r;

	r = gnutls_aead_cipher_init(&handle, ciphers[cipher].algorithm, &datum);
	if (r < 0)
		return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -KTLS_E_CRYPTO;
	*ret_aead = (struct ktls_aead *)(void *)handle;
	return 0;
}

struct ktls_aead *ktls_aead_free(struct ktls_aead *aead)
{
	if (aead)
		gnutls_aead_cipher_deinit(handle_of(aead));
	return NULL;
}

int ktls_aead_seal(struct ktls_aead *aead, const uint8_t nonce[12], const uint8_t *aad,
		   size_t aad_len, uint8_t *data, size_t len)
{
	size_t sealed_len = len + KERN_TAG_LEN;
	int r;

	r = gnutls_aead_cipher_encrypt(handle_of(aead), nonce, KERN_IV_LEN, aad, aad_len,
				       KERN_TAG_LEN, data, len, data, &sealed_len);
	if (r < 0)
		return -KTLS_E_CRYPTO;
	assert(sealed_len == len + KERN_TAG_LEN);
	return 0;
}

int ktls_aead_open(struct ktls_aead *aead, const uint8_t nonce[12], const uint8_t *aad,
		   size_t aad_len, uint8_t *data, size_t len)
{
	size_t opened_len = len;

	if (gnutls_aead_cipher_decrypt(handle_of(aead), nonce, KERN_IV_LEN, aad, aad_len,
				       KERN_TAG_LEN, data, len, data, &opened_len) < 0)
		return -KTLS_E_BAD_MAC;
	assert(opened_len == len - KERN_TAG_LEN);
	return 0;
}

size_t ktls_aead_hash_len(unsigned int cipher)
{
	return ciphers[cipher].hash_len;
}

/* struct HkdfLabel { uint16 length; opaque label<7..255>; opaque context<0..255>; } */
static size_t write_hkdf_label(uint8_t *info, const char *label, size_t len)
{
	static const char prefix[] = "tls13 ";
	size_t prefix_len = sizeof(prefix) - 1, label_len = strlen(label);

	info[0] = (uint8_t)(len >> 8);
	info[1] = (uint8_t)len;
	info[2] = (uint8_t)(prefix_len + label_len);
	memcpy(info + 3, prefix, prefix_len);
	memcpy(info + 3 + prefix_len, label, label_len);
	info[3 + prefix_len + label_len] = 0;
	return 4 + prefix_len + label_len;
}

int ktls_aead_expand_label(unsigned int cipher, const uint8_t *secret, const char *label,
			   uint8_t *ret_out, size_t len)
{
	uint8_t info[4 + 6 + 32];
	gnutls_datum_t secret_datum = { (uint8_t *)secret, ciphers[cipher].hash_len };
	gnutls_datum_t info_datum = { info, 0 };

	assert(strlen(label) <= 32);
	info_datum.size = (unsigned int)write_hkdf_label(info, label, len);
	if (gnutls_hkdf_expand(ciphers[cipher].hash, &secret_datum, &info_datum, ret_out, len) < 0)
		return -KTLS_E_CRYPTO;
	return 0;
}
