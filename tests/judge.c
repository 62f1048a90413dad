/* SPDX-License-Identifier: MIT */

/* Records by the letter of the RFCs; see judge.h. */

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "tests/judge.h"

enum layout {
	HEADER_LEN = 5,
	EXPLICIT_LEN = 8,
	IMPLICIT_LEN = 4,
	AAD_MAX = 13,
};

static const struct {
	gnutls_cipher_algorithm_t algorithm;
	size_t key_len;
	bool explicit_nonce; /* in TLS 1.2 */
} ciphers[_KTLS_CIPHER_N] = {
	[KTLS_AES_128_GCM] = { GNUTLS_CIPHER_AES_128_GCM, 16, true },
	[KTLS_AES_256_GCM] = { GNUTLS_CIPHER_AES_256_GCM, 32, true },
	[KTLS_AES_128_CCM] = { GNUTLS_CIPHER_AES_128_CCM, 16, true },
	[KTLS_CHACHA20_POLY1305] = { GNUTLS_CIPHER_CHACHA20_POLY1305, 32, false },
};

static void put_be(uint8_t *at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> 8 * (len - 1 - i));
}

static bool is_explicit(const struct kern_keys *keys)
{
	return keys->protocol == KTLS_TLS_1_2 && ciphers[keys->cipher].explicit_nonce;
}

/* Implicit and explicit part side by side, or IV xor number. */
static void make_nonce(const struct kern_keys *keys, const uint8_t *explicit_part,
		       uint8_t nonce[12])
{
	memcpy(nonce, keys->iv, 12);
	if (is_explicit(keys)) {
		memcpy(nonce + IMPLICIT_LEN, explicit_part, EXPLICIT_LEN);
		return;
	}
	for (size_t i = 0; i < 8; i++)
		nonce[4 + i] ^= (uint8_t)(keys->seq >> 8 * (7 - i));
}

/* TLS 1.3: the header. TLS 1.2: number, type, version, length of the plaintext. */
static size_t make_aad(const struct kern_keys *keys, const uint8_t *header, size_t plain_len,
		       uint8_t aad[AAD_MAX])
{
	if (keys->protocol == KTLS_TLS_1_3) {
		memcpy(aad, header, HEADER_LEN);
		return HEADER_LEN;
	}
	put_be(aad, keys->seq, 8);
	memcpy(aad + 8, header, 3);
	put_be(aad + 11, plain_len, 2);
	return AAD_MAX;
}

static gnutls_aead_cipher_hd_t open_cipher(const struct kern_keys *keys)
{
	gnutls_datum_t key = { (uint8_t *)keys->key, (unsigned int)ciphers[keys->cipher].key_len };
	gnutls_aead_cipher_hd_t cipher;

	cr_assert_eq(gnutls_aead_cipher_init(&cipher, ciphers[keys->cipher].algorithm, &key), 0);
	return cipher;
}

size_t judge_seal(const struct kern_keys *keys, uint8_t type, const void *data, size_t len,
		  size_t padding, uint8_t ret_record[JUDGE_RECORD_MAX + 5])
{
	const bool is_13 = keys->protocol == KTLS_TLS_1_3;
	const size_t prefix_len = HEADER_LEN + (is_explicit(keys) ? (size_t)EXPLICIT_LEN : 0);
	const size_t inner_len = is_13 ? len + 1 + padding : len;
	uint8_t inner[JUDGE_RECORD_MAX] = { 0 }, nonce[12], aad[AAD_MAX];
	size_t out_len = JUDGE_RECORD_MAX + HEADER_LEN - prefix_len, aad_len;
	gnutls_aead_cipher_hd_t cipher = open_cipher(keys);

	cr_assert_leq(inner_len + KERN_TAG_LEN + prefix_len, JUDGE_RECORD_MAX + HEADER_LEN);
	if (len)
		memcpy(inner, data, len);
	if (is_13)
		inner[len] = type;

	ret_record[0] = is_13 ? KERN_RECORD_DATA : type;
	put_be(ret_record + 1, KTLS_TLS_1_2, 2);
	put_be(ret_record + 3, prefix_len - HEADER_LEN + inner_len + KERN_TAG_LEN, 2);
	put_be(ret_record + HEADER_LEN, keys->seq, prefix_len - HEADER_LEN);

	make_nonce(keys, ret_record + HEADER_LEN, nonce);
	aad_len = make_aad(keys, ret_record, inner_len, aad);
	cr_assert_eq(gnutls_aead_cipher_encrypt(cipher, nonce, sizeof(nonce), aad, aad_len,
						KERN_TAG_LEN, inner, inner_len,
						ret_record + prefix_len, &out_len),
		     0);
	gnutls_aead_cipher_deinit(cipher);
	return prefix_len + out_len;
}

size_t judge_record_len(const uint8_t header[5])
{
	return HEADER_LEN + ((size_t)header[3] << 8 | header[4]);
}

int judge_open(const struct kern_keys *keys, const uint8_t *record, size_t record_len,
	       uint8_t *ret_type, uint8_t *ret_data, size_t *ret_len)
{
	const size_t prefix_len = HEADER_LEN + (is_explicit(keys) ? (size_t)EXPLICIT_LEN : 0);
	uint8_t nonce[12], aad[AAD_MAX];
	size_t len = record_len, aad_len;
	gnutls_aead_cipher_hd_t cipher;
	int r;

	if (record_len != judge_record_len(record) || record_len < prefix_len + KERN_TAG_LEN ||
	    record[1] != 3 || record[2] != 3)
		return -EBADMSG;

	cipher = open_cipher(keys);
	make_nonce(keys, record + HEADER_LEN, nonce);
	aad_len = make_aad(keys, record, record_len - prefix_len - KERN_TAG_LEN, aad);
	r = gnutls_aead_cipher_decrypt(cipher, nonce, sizeof(nonce), aad, aad_len, KERN_TAG_LEN,
				       record + prefix_len, record_len - prefix_len, ret_data,
				       &len);
	gnutls_aead_cipher_deinit(cipher);
	if (r < 0)
		return -EBADMSG;

	*ret_type = record[0];
	*ret_len = len;
	if (keys->protocol == KTLS_TLS_1_2)
		return 0;
	while (len && !ret_data[len - 1])
		len--;
	if (!len || record[0] != KERN_RECORD_DATA)
		return -EBADMSG;
	*ret_type = ret_data[len - 1];
	*ret_len = len - 1;
	return 0;
}
