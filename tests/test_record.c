/* SPDX-License-Identifier: MIT */

/* Records as bytes, against RFC 8448's trace and against each other. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/error.h>

#include "kit.h"
#include "record.h"
#include "secrets.h"

/* RFC 8448 3: the client's first application record, and where its key came from. */
static const struct ktls_secret client_secret = {
	.bytes = { 0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8,
		   0x88, 0x9b, 0xce, 0x65, 0x52, 0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf,
		   0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5 },
};
static const uint8_t client_key[] = { 0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9,
				      0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f, 0x50, 0x51 };
static const uint8_t client_iv[] = { 0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08,
				     0x57, 0x90, 0x33, 0xe5, 0x23, 0xd9 };
static const uint8_t client_record[] = {
	0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
	0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
	0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
	0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
	0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4,
};

enum {
	TRACE_PAYLOAD_LEN = 50, /* bytes 0, 1, 2, ... */
};

Test(unit, keys_are_those_of_rfc_8448)
{
	struct kern_keys keys;

	cr_assert_eq(ktls_secret_keys(&client_secret, KTLS_AES_128_GCM, &keys), 0);

	cr_assert_arr_eq(keys.key, client_key, sizeof(client_key));
	cr_assert_arr_eq(keys.iv, client_iv, sizeof(client_iv));
	cr_assert_eq(keys.seq, 0);
}

Test(unit, a_sealed_record_is_that_of_rfc_8448)
{
	uint8_t record[KTLS_RECORD_MAX];
	struct ktls_aead *aead;
	struct kern_keys keys;

	cr_assert_eq(ktls_secret_keys(&client_secret, KTLS_AES_128_GCM, &keys), 0);
	cr_assert_eq(ktls_aead_new(&aead, keys.cipher, keys.key), 0);
	for (uint8_t i = 0; i < TRACE_PAYLOAD_LEN; i++)
		record[ktls_record_payload_offset(&keys) + i] = i;

	cr_assert_eq(ktls_record_seal(aead, &keys, 0, KERN_RECORD_DATA, record, TRACE_PAYLOAD_LEN,
				      0),
		     0);

	cr_assert_arr_eq(record, client_record, sizeof(client_record));
	ktls_aead_free(aead);
}

Test(unit, the_next_secret_is_another_and_always_the_same)
{
	struct ktls_secret next, again, after;

	cr_assert_eq(ktls_secret_next(&client_secret, KTLS_AES_128_GCM, &next), 0);
	cr_assert_eq(ktls_secret_next(&client_secret, KTLS_AES_128_GCM, &again), 0);
	cr_assert_eq(ktls_secret_next(&next, KTLS_AES_128_GCM, &after), 0);

	cr_assert_arr_eq(next.bytes, again.bytes, 32);
	cr_assert_arr_neq(next.bytes, client_secret.bytes, 32);
	cr_assert_arr_neq(after.bytes, next.bytes, 32);
}

/* Seals len bytes as record number seq of the suite, into record; returns the record's length. */
static size_t seal(const struct kit_suite *suite, uint64_t seq, uint8_t type, uint8_t *record,
		   size_t len, struct kern_keys *ret_keys, struct ktls_aead **ret_aead)
{
	kit_keys(suite, seq, ret_keys);
	cr_assert_eq(ktls_aead_new(ret_aead, suite->cipher, ret_keys->key), 0);
	for (size_t i = 0; i < len; i++)
		record[ktls_record_payload_offset(ret_keys) + i] = kit_byte(i);
	cr_assert_eq(ktls_record_seal(*ret_aead, ret_keys, seq, type, record, len, 0), 0);
	return len + kern_record_overhead(suite->protocol, suite->cipher);
}

Test(unit, each_suite_opens_what_it_sealed)
{
	static const size_t lens[] = { 0, 1, 15, 16, 17, 1000, KERN_PAYLOAD_MAX };
	static const uint64_t seqs[] = { 0, 1, 255, 256, 0x0102030405060708u };
	static uint8_t record[KTLS_RECORD_MAX];

	for (int s = 0; s < KIT_SUITES_N; s++) {
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			const struct kit_suite *suite = &kit_suites[s];
			struct ktls_aead *aead;
			struct kern_keys keys;
			enum ktls_alert alert;
			uint8_t type, *payload;
			size_t n, len = seal(suite, seqs[i % 5], KERN_RECORD_DATA, record, lens[i],
					     &keys, &aead);

			cr_assert_eq(ktls_record_length(&keys, record, len, &alert), (int)len, "%s",
				     suite->name);
			cr_assert_eq(ktls_record_open(aead, &keys, record, len, &type, &payload, &n,
						      &alert),
				     0, "%s of %zu bytes", suite->name, lens[i]);
			cr_assert(type == KERN_RECORD_DATA && n == lens[i]);
			for (size_t b = 0; b < n; b++)
				cr_assert_eq(payload[b], kit_byte(b));
			ktls_aead_free(aead);
		}
	}
}

Test(unit, a_changed_bit_anywhere_does_not_authenticate)
{
	static uint8_t sealed[KTLS_RECORD_MAX], record[KTLS_RECORD_MAX];

	for (int s = 0; s < KIT_SUITES_N; s++) {
		struct ktls_aead *aead;
		struct kern_keys keys;
		size_t len = seal(&kit_suites[s], 7, KERN_RECORD_DATA, sealed, 33, &keys, &aead);

		for (size_t bit = 0; bit < 8 * len; bit++) {
			enum ktls_alert alert = KTLS_ALERT_NONE;
			uint8_t type, *payload;
			size_t n;

			memcpy(record, sealed, len);
			record[bit / 8] ^= (uint8_t)(1u << bit % 8);
			/* TLS 1.2 takes version and length of the header from elsewhere. */
			if (kit_suites[s].protocol == KTLS_TLS_1_2 && bit >= 8 && bit < 40)
				continue;
			cr_assert_eq(ktls_record_open(aead, &keys, record, len, &type, &payload, &n,
						      &alert),
				     -KTLS_E_BAD_MAC, "%s bit %zu", kit_suites[s].name, bit);
			cr_assert_eq(alert, KTLS_ALERT_BAD_RECORD_MAC);
		}
		ktls_aead_free(aead);
	}
}

Test(unit, the_wrong_number_does_not_authenticate)
{
	static uint8_t record[KTLS_RECORD_MAX];

	for (int s = 0; s < KIT_SUITES_N; s++) {
		struct ktls_aead *aead;
		struct kern_keys keys;
		enum ktls_alert alert;
		uint8_t type, *payload;
		size_t n, len = seal(&kit_suites[s], 7, KERN_RECORD_DATA, record, 33, &keys, &aead);

		keys.seq = 8;
		cr_assert_eq(ktls_record_open(aead, &keys, record, len, &type, &payload, &n,
					      &alert),
			     -KTLS_E_BAD_MAC, "%s", kit_suites[s].name);
		ktls_aead_free(aead);
	}
}

Test(unit, a_header_is_refused_with_the_alert_that_the_rfc_names)
{
	static const struct {
		const char *name;
		uint8_t header[5];
		int protocol;
		int want;
		enum ktls_alert alert;
	} rows[] = {
		{ "part of a header", { 23, 3 }, KTLS_TLS_1_3, 0, KTLS_ALERT_NONE },
		{ "the largest",
		  { 23, 3, 3, 0x41, 0x00 },
		  KTLS_TLS_1_3,
		  5 + 16640,
		  KTLS_ALERT_NONE },
		{ "one more",
		  { 23, 3, 3, 0x41, 0x01 },
		  KTLS_TLS_1_3,
		  -KTLS_E_BAD_RECORD,
		  KTLS_ALERT_RECORD_OVERFLOW },
		{ "TLS 1.0",
		  { 23, 3, 1, 0, 40 },
		  KTLS_TLS_1_3,
		  -KTLS_E_BAD_RECORD,
		  KTLS_ALERT_UNEXPECTED_MESSAGE },
		{ "a bare alert",
		  { 21, 3, 3, 0, 2 },
		  KTLS_TLS_1_3,
		  -KTLS_E_BAD_RECORD,
		  KTLS_ALERT_UNEXPECTED_MESSAGE },
		{ "CCS",
		  { 20, 3, 3, 0, 1 },
		  KTLS_TLS_1_3,
		  -KTLS_E_BAD_RECORD,
		  KTLS_ALERT_UNEXPECTED_MESSAGE },
		{ "CCS in 1.2",
		  { 20, 3, 3, 0, 1 },
		  KTLS_TLS_1_2,
		  -KTLS_E_BAD_RECORD,
		  KTLS_ALERT_UNEXPECTED_MESSAGE },
		{ "an unknown type",
		  { 99, 3, 3, 0, 40 },
		  KTLS_TLS_1_2,
		  -KTLS_E_BAD_RECORD,
		  KTLS_ALERT_UNEXPECTED_MESSAGE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kern_keys keys = { .protocol = (uint16_t)rows[i].protocol };
		enum ktls_alert alert = KTLS_ALERT_NONE;

		cr_assert_eq(ktls_record_length(&keys, rows[i].header, rows[i].want ? 5 : 2,
						&alert),
			     rows[i].want, "%s", rows[i].name);
		cr_assert_eq(alert, rows[i].alert, "%s", rows[i].name);
	}
}

/* A TLS 1.3 record whose inner plaintext is these bytes as they are, type included. */
static int open_inner(const uint8_t *inner, size_t len, enum ktls_alert *ret_alert)
{
	static uint8_t record[KTLS_RECORD_MAX + 1000];
	const struct kit_suite *suite = &kit_suites[4];
	struct ktls_aead *aead;
	struct kern_keys keys;
	uint8_t type, *payload;
	size_t n;
	int rc;

	/* Seal adds the type itself: it is the last byte. */
	kit_keys(suite, 0, &keys);
	cr_assert_eq(ktls_aead_new(&aead, suite->cipher, keys.key), 0);
	memcpy(record + 5, inner, len - 1);
	cr_assert_eq(ktls_record_seal(aead, &keys, 0, inner[len - 1], record, len - 1, 0), 0);
	rc = ktls_record_open(aead, &keys, record, len + 21, &type, &payload, &n, ret_alert);
	ktls_aead_free(aead);
	return rc ? rc : (int)n;
}

Test(unit, padding_is_taken_off_and_only_padding_is_refused)
{
	static const uint8_t zeros[100];
	static const uint8_t padded[] = { 'h', 'i', 23, 0, 0, 0 };
	static const uint8_t empty_data[] = { 23, 0 };
	static const uint8_t empty_alert[] = { 21, 0 };
	enum ktls_alert alert;

	cr_assert_eq(open_inner(padded, sizeof(padded), &alert), 2);
	cr_assert_eq(open_inner(empty_data, sizeof(empty_data), &alert), 0);
	cr_assert_eq(open_inner(zeros, sizeof(zeros), &alert), -KTLS_E_BAD_RECORD);
	cr_assert_eq(alert, KTLS_ALERT_UNEXPECTED_MESSAGE);
	cr_assert_eq(open_inner(empty_alert, sizeof(empty_alert), &alert), -KTLS_E_BAD_RECORD);
	cr_assert_eq(alert, KTLS_ALERT_UNEXPECTED_MESSAGE);
}

Test(unit, every_alert_has_a_name)
{
	cr_assert_str_eq(ktls_alert_name(KTLS_ALERT_CLOSE_NOTIFY), "close_notify");
	cr_assert_str_eq(ktls_alert_name(KTLS_ALERT_UNKNOWN_CA), "unknown_ca");
	cr_assert_str_eq(ktls_alert_name(250), "unknown");
	cr_assert_str_eq(ktls_alert_name(100000), "unknown");
}
