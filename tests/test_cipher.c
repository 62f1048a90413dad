/* SPDX-License-Identifier: MIT */

/* The table of ciphers. Figures from the RFCs named, not from the table. */

#include <criterion/criterion.h>

#include "ktls/kern.h"

static const struct {
	const char *name;
	unsigned int cipher;
	size_t key_len, salt_len, explicit_len;
	size_t overhead_12, overhead_13;
} rows[] = {
	/* RFC 5288 3, RFC 6655 3: 4 implicit bytes, 8 explicit. RFC 7905 2: none explicit. */
	{ "AES-128-GCM", KTLS_AES_128_GCM, 16, 4, 8, 5 + 8 + 16, 5 + 1 + 16 },
	{ "AES-256-GCM", KTLS_AES_256_GCM, 32, 4, 8, 5 + 8 + 16, 5 + 1 + 16 },
	{ "AES-128-CCM", KTLS_AES_128_CCM, 16, 4, 8, 5 + 8 + 16, 5 + 1 + 16 },
	{ "CHACHA20-POLY1305", KTLS_CHACHA20_POLY1305, 32, 0, 0, 5 + 16, 5 + 1 + 16 },
};

Test(unit, every_cipher_has_a_row_with_the_lengths_of_its_rfc)
{
	cr_assert_eq(sizeof(rows) / sizeof(rows[0]), (size_t)_KTLS_CIPHER_N);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct kern_cipher *row = kern_cipher(rows[i].cipher);

		cr_assert_not_null(row, "%s", rows[i].name);
		cr_assert_str_eq(row->name, rows[i].name);
		cr_assert_eq(row->key_len, rows[i].key_len, "%s", rows[i].name);
		cr_assert_eq(row->salt_len, rows[i].salt_len, "%s", rows[i].name);
		cr_assert_eq(row->explicit_len, rows[i].explicit_len, "%s", rows[i].name);
		cr_assert_eq(row->info_len, 4 + 12 + rows[i].key_len + 8, "%s", rows[i].name);
	}
}

Test(unit, a_record_adds_what_its_rfc_says)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(kern_record_overhead(KTLS_TLS_1_2, rows[i].cipher),
			     rows[i].overhead_12, "%s", rows[i].name);
		cr_assert_eq(kern_record_overhead(KTLS_TLS_1_3, rows[i].cipher),
			     rows[i].overhead_13, "%s", rows[i].name);
	}
}

Test(unit, an_unknown_cipher_has_no_row_and_an_unknown_protocol_no_overhead)
{
	cr_assert_null(kern_cipher(_KTLS_CIPHER_N));
	cr_assert_null(kern_cipher(~0u));
	cr_assert_eq(kern_record_overhead(KTLS_TLS_1_3, _KTLS_CIPHER_N), 0);
	cr_assert_eq(kern_record_overhead(0x0302, KTLS_AES_128_GCM), 0);
}
