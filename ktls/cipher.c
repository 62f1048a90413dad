/* SPDX-License-Identifier: MIT */

/*
 * The table of ciphers, in the kernel's terms. Every suite here has a 12-byte nonce and a 16-byte
 * tag; they differ in the length of the key, in how many bytes of the nonce the kernel calls salt,
 * and in how many of them TLS 1.2 carries in each record. The structs that setsockopt takes follow
 * from that row alone: version, cipher, iv, key, salt, number of the record. The asserts hold the
 * rows to <linux/tls.h>.
 */

#include <assert.h>
#include <stddef.h>

#include <linux/tls.h>

#include "ktls/kern.h"

enum row_limit {
	HEADER_LEN = 5,	    /* type, version, length (RFC 8446 5.1) */
	INNER_TYPE_LEN = 1, /* RFC 8446 5.2 */
};

/* clang-format off */
#define ROW(index, text, KERNEL, key, salt, explicit) \
	[index] = { .name = text, .id = TLS_CIPHER_##KERNEL, .key_len = key, .salt_len = salt, \
		    .explicit_len = explicit, \
		    .info_len = sizeof(struct tls_crypto_info) + KERN_IV_LEN + (key) + 8 }

static const struct kern_cipher ciphers[_KTLS_CIPHER_N] = {
	ROW(KTLS_AES_128_GCM, "AES-128-GCM", AES_GCM_128, 16, 4, 8),
	ROW(KTLS_AES_256_GCM, "AES-256-GCM", AES_GCM_256, 32, 4, 8),
	ROW(KTLS_AES_128_CCM, "AES-128-CCM", AES_CCM_128, 16, 4, 8),
	ROW(KTLS_CHACHA20_POLY1305, "CHACHA20-POLY1305", CHACHA20_POLY1305, 32, 0, 0),
};

/* What the kernel says of the same ciphers: lengths, order of the members and no hole between. */
#define ASSERT_ROW(KERNEL, type, key_length, salt_length) \
	static_assert(TLS_CIPHER_##KERNEL##_KEY_SIZE == (key_length), "key"); \
	static_assert(TLS_CIPHER_##KERNEL##_SALT_SIZE == (salt_length), "salt"); \
	static_assert(TLS_CIPHER_##KERNEL##_IV_SIZE == KERN_IV_LEN - (salt_length), "iv"); \
	static_assert(TLS_CIPHER_##KERNEL##_TAG_SIZE == KERN_TAG_LEN, "tag"); \
	static_assert(TLS_CIPHER_##KERNEL##_REC_SEQ_SIZE == 8, "record number"); \
	static_assert(offsetof(struct type, iv) == 4, "iv"); \
	static_assert(offsetof(struct type, key) == 4 + KERN_IV_LEN - (salt_length), "key"); \
	static_assert(offsetof(struct type, salt) == \
		      4 + KERN_IV_LEN - (salt_length) + (key_length), "salt"); \
	static_assert(offsetof(struct type, rec_seq) == 4 + KERN_IV_LEN + (key_length), \
		      "rec_seq"); \
	static_assert(sizeof(struct type) == 4 + KERN_IV_LEN + (key_length) + 8, "size"); \
	static_assert(sizeof(struct type) <= KERN_CRYPTO_MAX, "room")

ASSERT_ROW(AES_GCM_128, tls12_crypto_info_aes_gcm_128, 16, 4);
ASSERT_ROW(AES_GCM_256, tls12_crypto_info_aes_gcm_256, 32, 4);
ASSERT_ROW(AES_CCM_128, tls12_crypto_info_aes_ccm_128, 16, 4);
ASSERT_ROW(CHACHA20_POLY1305, tls12_crypto_info_chacha20_poly1305, 32, 0);
/* clang-format on */

static_assert(sizeof(struct tls_crypto_info) == 4, "the head of every struct");
static_assert(KTLS_TLS_1_2 == TLS_1_2_VERSION, "the wire's version is the kernel's");
static_assert(KTLS_TLS_1_3 == TLS_1_3_VERSION, "the wire's version is the kernel's");

const struct kern_cipher *kern_cipher(unsigned int cipher)
{
	return cipher < _KTLS_CIPHER_N ? &ciphers[cipher] : NULL;
}

size_t kern_record_overhead(unsigned int protocol, unsigned int cipher)
{
	const struct kern_cipher *row = kern_cipher(cipher);

	if (!row)
		return 0;
	if (protocol == KTLS_TLS_1_3)
		return HEADER_LEN + INNER_TYPE_LEN + KERN_TAG_LEN;
	if (protocol == KTLS_TLS_1_2)
		return (size_t)HEADER_LEN + row->explicit_len + KERN_TAG_LEN;
	return 0;
}
