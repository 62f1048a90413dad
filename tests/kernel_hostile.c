/* SPDX-License-Identifier: MIT */

/*
 * A peer with the right keys and bad manners, while the kernel opens its records: what the kernel
 * says of them comes out as the same codes and alerts. Key changes as each kernel can.
 */

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>

#include "attacker.h"
#include "kit.h"

enum {
	EMPTY_MAX = 32,
	FLOOD = 1000, /* records */
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };
static const uint8_t zeros[KERN_PAYLOAD_MAX + 1];

TestSuite(kernel, .init = kit_require_tls);

/* RX in the kernel, and TX too for every second one. */
static struct attacker new_attacker(enum ktls_protocol protocol, int i)
{
	return attacker_new(protocol, i & 1 ? PAIR_SERVER : PAIR_CLIENT,
			    i & 2 ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER,
			    KTLS_OFFLOAD_REQUIRED);
}

struct offence {
	const char *name;
	int protocol; /* enum ktls_protocol; 0: both */
	uint8_t type;
	const char *bytes;
	size_t len;
	bool raw;
	int code;
	enum ktls_alert alert;
};

#define BYTES(literal) (literal), sizeof(literal) - 1

/* Behind a header there is some more: the kernel looks when the nonce of TLS 1.2 is there too. */
static const struct offence offences[] = {
	{ "heartbeat", 0, 24, BYTES("\1\0\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "change_cipher_spec", 0, 20, BYTES("\1"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "an empty handshake record", 0, 22, BYTES(""), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "an empty alert", 0, 21, BYTES(""), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "half an alert", 0, 21, BYTES("\2"), false, -KTLS_E_PROTOCOL, KTLS_ALERT_DECODE_ERROR },
	{ "two alerts", 0, 21, BYTES("\1\x5a\1\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_DECODE_ERROR },
	{ "the biggest length", 0, 0, BYTES("\x17\3\3\xff\xff------------"), true,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_RECORD_OVERFLOW },
	{ "the version of SSL 3", 0, 0, BYTES("\x17\3\0\0\x20------------"), true,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "HTTP", 0, 0, BYTES("GET / HTTP/1.1\r\n\r\n"), true, -KTLS_E_BAD_RECORD,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "an empty body", 0, 0, BYTES("\x17\3\3\0\0\x17\3\3\0\0\x17\3\3\0\0"), true,
	  -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC },
	{ "a bare alert", 0, 0, BYTES("\x15\3\3\0\2\2\x28------------"), true, -KTLS_E_BAD_MAC,
	  KTLS_ALERT_BAD_RECORD_MAC },
	{ "a bare change_cipher_spec", 0, 0, BYTES("\x14\3\3\0\1\1------------"), true,
	  -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC },
	{ "type 255", 0, 255, BYTES("\1"), false, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "Finished", 0, 22, BYTES("\x14\0\0\1\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "a KeyUpdate in TLS 1.2", KTLS_TLS_1_2, 22, BYTES("\x18\0\0\1\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "a KeyUpdate with request 2", KTLS_TLS_1_3, 22, BYTES("\x18\0\0\1\2"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_ILLEGAL_PARAMETER },
	{ "a KeyUpdate of two bytes", KTLS_TLS_1_3, 22, BYTES("\x18\0\0\2\0\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_DECODE_ERROR },
	{ "a KeyUpdate and a byte", KTLS_TLS_1_3, 22, BYTES("\x18\0\0\1\0-"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "fatal internal_error", 0, 21, BYTES("\2\x50"), false, -KTLS_E_ALERT, KTLS_ALERT_NONE },
};

Test(kernel, one_bad_record_ends_the_connection_and_the_peer_is_told)
{
	for (size_t i = 0; i < 2 * sizeof(offences) / sizeof(offences[0]); i++) {
		const struct offence *offence = &offences[i / 2];
		enum ktls_protocol protocol = protocols[i % 2];

		if (offence->protocol && offence->protocol != (int)protocol)
			continue;
		struct attacker attacker = new_attacker(protocol, (int)(i / 2));

		attacker.buffer_len = i / 2 % 3 ? 4096 : 1;
		attacker_expect_alive(&attacker, offence->name);
		if (offence->raw)
			attacker_send_raw(&attacker, offence->bytes, offence->len);
		else
			attacker_send(&attacker, offence->type, offence->bytes, offence->len);
		attacker_expect_failure(&attacker, offence->code, offence->alert, offence->name);
		attacker_free(&attacker);
	}
}

Test(kernel, a_changed_bit_is_a_forgery)
{
	static const size_t bits[] = { 13 * 8, 20 * 8 + 3, 40 * 8 + 7 };

	for (size_t i = 0; i < 2 * sizeof(bits) / sizeof(bits[0]); i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], (int)i);

		attacker_expect_alive(&attacker, "before");
		attacker_send_flipped(&attacker, zeros, 100, bits[i / 2]);
		attacker_expect_failure(&attacker, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC,
					"a bit changed");
		attacker_free(&attacker);
	}
}

Test(kernel, some_empty_data_records_are_borne)
{
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], i);

		for (int n = 0; n < EMPTY_MAX; n++)
			attacker_send(&attacker, KERN_RECORD_DATA, NULL, 0);
		attacker_expect_alive(&attacker, "empty records, then data");
		attacker_free(&attacker);
	}
}

/* The kernel swallows them without a word; they cost no more than they do the sender, and what
 * comes between them is delivered. */
Test(kernel, a_flood_of_empty_data_records_is_borne)
{
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], i);

		for (int n = 0; n < FLOOD; n++)
			attacker_send(&attacker, KERN_RECORD_DATA, "data", n % EMPTY_MAX ? 0 : 4);
		while (attacker.got < 4 * ((FLOOD + EMPTY_MAX - 1) / EMPTY_MAX)) {
			kit_wait(attacker.pair.fd[attacker.end], POLLIN);
			cr_assert_eq(attacker_victim_reads(&attacker), KTLS_WANT_READ);
		}
		attacker_expect_alive(&attacker, "a flood of empty records");
		attacker_free(&attacker);
	}
}

Test(kernel, padding_is_taken_off_but_is_no_record_alone)
{
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_3, i);

		attacker_send_padded(&attacker, KERN_RECORD_DATA, zeros, 50, 1000);
		cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
		cr_assert(attacker.got == 50);
		attacker_send_padded(&attacker, KERN_RECORD_ALERT, "\1\x5a", 2, 100);
		attacker_expect_alive(&attacker, "padded");
		attacker_send_padded(&attacker, 0, NULL, 0, 100);
		attacker_expect_failure(&attacker, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC,
					"no type, only padding");
		attacker_free(&attacker);
	}
}

Test(kernel, tickets_are_swallowed_and_renegotiation_is_refused)
{
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(protocols[i / 2], (i & 1) << 1);
		uint8_t data[JUDGE_RECORD_MAX], type, ticket[300] = { 4, 0, 1, 40 };
		size_t len;

		attacker.buffer_len = i & 1 ? 1 : 4096;
		if (attacker.protocol == KTLS_TLS_1_3) {
			attacker_send(&attacker, KERN_RECORD_HANDSHAKE, ticket, sizeof(ticket));
		} else {
			attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\0\0\0\0", 4);
			cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
			cr_assert(attacker_receive(&attacker, &type, data, &len));
			cr_assert(type == KERN_RECORD_ALERT && data[1] == 100);
		}
		attacker_expect_alive(&attacker, "afterwards");
		attacker_free(&attacker);
	}
}

Test(kernel, nothing_is_read_after_close_notify_and_writing_goes_on)
{
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], i);
		uint8_t data[JUDGE_RECORD_MAX], type;
		size_t len;

		attacker_send(&attacker, KERN_RECORD_DATA, zeros, 10);
		attacker_send(&attacker, KERN_RECORD_ALERT, "\1\0", 2);
		attacker_send(&attacker, KERN_RECORD_DATA, zeros, 10);
		for (int again = 0; again < 3; again++)
			cr_assert(attacker_victim_reads(&attacker) == KTLS_EOF);
		cr_assert(attacker.got == 10);
		cr_assert(!ktls_conn_write(attacker.victim, "bye", 3, KTLS_NOW, &len) && len == 3);
		cr_assert(attacker_receive(&attacker, &type, data, &len) && len == 3);
		attacker_free(&attacker);
	}
}

/* A KeyUpdate that is right: taken where the kernel can, else the end, with close_notify. */
Test(kernel, a_new_key_is_taken_or_the_orderly_end)
{
	struct ktls_probe probe;

	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_3, i);

		attacker_expect_alive(&attacker, "before");
		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\x18\0\0\1\0", 5);
		attacker_next_key(&attacker, KTLS_TX);
		if (probe.rekey[KTLS_RX]) {
			attacker_expect_failure(&attacker, -KTLS_E_REKEY, KTLS_ALERT_CLOSE_NOTIFY,
						"a new key");
			cr_assert(strstr(ktls_conn_error(attacker.victim),
					 "ktls_config_set_offload()"));
		} else {
			attacker_expect_alive(&attacker, "under the new key");
		}
		attacker_free(&attacker);
	}
}

Test(kernel, requested_keys_are_answered_before_the_next_byte)
{
	struct ktls_probe probe;
	struct ktls_info info;

	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	if (probe.rekey[KTLS_RX] || probe.rekey[KTLS_TX])
		cr_skip_test("this kernel's tls changes no keys");
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_3, i);
		uint8_t data[JUDGE_RECORD_MAX], type;
		size_t len;

		for (int round = 0; round < 50; round++) {
			attacker_send(&attacker, KERN_RECORD_DATA, "ping", 4);
			attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\x18\0\0\1\1", 5);
			attacker_next_key(&attacker, KTLS_TX);
			cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ, "%s",
				  ktls_conn_error(attacker.victim));
			cr_assert(!ktls_conn_write(attacker.victim, "pong", 4, KTLS_NOW, &len));
			cr_assert(attacker_receive(&attacker, &type, data, &len));
			cr_assert(type == KERN_RECORD_HANDSHAKE && len == 5);
			attacker_next_key(&attacker, KTLS_RX);
			cr_assert(attacker_receive(&attacker, &type, data, &len));
			cr_assert(type == KERN_RECORD_DATA && len == 4);
		}
		cr_assert(!ktls_conn_get_info(attacker.victim, &info, sizeof(info)));
		cr_assert(info.key_updates[KTLS_RX] == 50 && info.key_updates[KTLS_TX] == 50);
		cr_assert(info.protection[KTLS_RX] == KTLS_PROTECTION_KERNEL);
		attacker_free(&attacker);
	}
}

/* A message must not straddle a change (RFC 8446 5.1). A kernel that changes keys stops at any
 * message that begins like a KeyUpdate, and goes on only with a new key, which none of these gets;
 * without one it is as in userspace. */
Test(kernel, a_message_that_straddles_a_new_key_is_refused)
{
	static const struct {
		const char *half;
		size_t len;
		int code;
		enum ktls_alert alert;
	} rows[] = {
		{ "\4\0\1\0--", 6, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC },
		{ "\x18\0\0", 3, -KTLS_E_PROTOCOL, KTLS_ALERT_DECODE_ERROR },
		{ "\x18\0\0\1", 4, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	};
	struct ktls_probe probe;

	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	for (size_t i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool stops = !probe.rekey[KTLS_RX];
		struct attacker attacker;

		/* Tickets are for clients. */
		if (i < 4 && i & 1)
			continue;
		attacker = new_attacker(KTLS_TLS_1_3, (int)(i % 4));
		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, rows[i / 4].half, rows[i / 4].len);
		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\x18\0\0\1\0", 5);
		attacker_next_key(&attacker, KTLS_TX);
		attacker_send(&attacker, KERN_RECORD_DATA, "data", 4);
		attacker_expect_failure(&attacker, stops ? -KTLS_E_REKEY : rows[i / 4].code,
					stops ? KTLS_ALERT_INTERNAL_ERROR : rows[i / 4].alert,
					"a message across a new key");
		attacker_free(&attacker);
	}
}

/* In pieces it is legal, and nobody's habit: the kernel, which looks at its first byte alone, asks
 * for the new key before the rest can be read. */
Test(kernel, an_update_in_pieces_is_taken_or_the_end)
{
	struct ktls_probe probe;

	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_3, i);

		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\x18\0", 2);
		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\0\1\0", 3);
		attacker_next_key(&attacker, KTLS_TX);
		attacker_expect_failure(&attacker, -KTLS_E_REKEY,
					probe.rekey[KTLS_RX] ? KTLS_ALERT_CLOSE_NOTIFY
							     : KTLS_ALERT_INTERNAL_ERROR,
					"a KeyUpdate in two records");
		attacker_free(&attacker);
	}
}
