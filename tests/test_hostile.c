/* SPDX-License-Identifier: MIT */

/*
 * A peer with the right keys and bad manners: what must end the connection does, with the right
 * code and the right alert; what must be borne is. Userspace protection; kernel_hostile.c has the
 * kernel's, and test_rekey.c the peers that change keys.
 */

#include <criterion/criterion.h>
#include <string.h>

#include "attacker.h"

enum {
	EMPTY_MAX = 32, /* data records without data that are borne in a row */
	BOTH = 0,	/* protocols */
	ANYBODY = -1,	/* victims */
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };
static const uint8_t zeros[KERN_PAYLOAD_MAX + 1];

static struct attacker new_attacker(enum ktls_protocol protocol, enum pair_end victim)
{
	return attacker_new(protocol, victim, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
}

/* One record that must end the connection. */
struct offence {
	const char *name;
	int protocol; /* enum ktls_protocol, or BOTH */
	int victim;   /* enum pair_end, or ANYBODY */
	uint8_t type;
	const char *bytes;
	size_t len;
	bool raw; /* the bytes are the record as it is */
	int code;
	enum ktls_alert alert;
};

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct offence offences[] = {
	{ "heartbeat", KTLS_TLS_1_3, ANYBODY, 24, BYTES("\1\0\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "heartbeat", KTLS_TLS_1_2, ANYBODY, 24, BYTES("\1\0\0"), false, -KTLS_E_BAD_RECORD,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "type 255", BOTH, ANYBODY, 255, BYTES("\1"), false, 0, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "protected change_cipher_spec", KTLS_TLS_1_3, ANYBODY, 20, BYTES("\1"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "protected change_cipher_spec", KTLS_TLS_1_2, ANYBODY, 20, BYTES("\1"), false,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "bare change_cipher_spec", BOTH, ANYBODY, 0, BYTES("\x14\3\3\0\1\1"), true,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "an empty handshake record", BOTH, ANYBODY, 22, BYTES(""), false, -KTLS_E_BAD_RECORD,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "an empty alert", BOTH, ANYBODY, 21, BYTES(""), false, -KTLS_E_BAD_RECORD,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "too much plaintext", BOTH, ANYBODY, 23, (const char *)zeros, sizeof(zeros), false,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_RECORD_OVERFLOW },
	{ "a length too big", BOTH, ANYBODY, 0, BYTES("\x17\3\3\x41\x01\0\0\0"), true,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_RECORD_OVERFLOW },
	{ "the biggest length", BOTH, ANYBODY, 0, BYTES("\x17\3\3\xff\xff\0\0\0"), true,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_RECORD_OVERFLOW },
	{ "the version of SSL 3", BOTH, ANYBODY, 0, BYTES("\x17\3\0\0\x20"), true,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "no version at all", BOTH, ANYBODY, 0, BYTES("\x17\0\0\0\x20"), true, -KTLS_E_BAD_RECORD,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "HTTP", BOTH, ANYBODY, 0, BYTES("GET / HTTP/1.1\r\n\r\n"), true, -KTLS_E_BAD_RECORD,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "a bare alert", KTLS_TLS_1_3, ANYBODY, 0, BYTES("\x15\3\3\0\2\2\x28"), true,
	  -KTLS_E_BAD_RECORD, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "a bare alert", KTLS_TLS_1_2, ANYBODY, 0, BYTES("\x15\3\3\0\2\2\x28"), true,
	  -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC },
	{ "a bare close_notify", KTLS_TLS_1_2, ANYBODY, 0, BYTES("\x15\3\3\0\2\1\0"), true,
	  -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC },
	{ "a record without room for a tag", BOTH, ANYBODY, 0,
	  BYTES("\x17\3\3\0\x0f---------------"), true, -KTLS_E_BAD_MAC,
	  KTLS_ALERT_BAD_RECORD_MAC },
	{ "an empty body", BOTH, ANYBODY, 0, BYTES("\x17\3\3\0\0"), true, -KTLS_E_BAD_MAC,
	  KTLS_ALERT_BAD_RECORD_MAC },
	{ "half an alert", BOTH, ANYBODY, 21, BYTES("\2"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_DECODE_ERROR },
	{ "two alerts in a record", BOTH, ANYBODY, 21, BYTES("\1\x5a\1\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_DECODE_ERROR },
	{ "a ticket to a server", KTLS_TLS_1_3, PAIR_SERVER, 22, BYTES("\4\0\0\1\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "a ticket after the handshake", KTLS_TLS_1_2, PAIR_CLIENT, 22, BYTES("\4\0\0\1\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "Finished", BOTH, ANYBODY, 22, BYTES("\x14\0\0\1\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "CertificateRequest", BOTH, PAIR_CLIENT, 22, BYTES("\x0d\0\0\1\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "ClientHello", KTLS_TLS_1_3, PAIR_SERVER, 22, BYTES("\1\0\0\1\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "ClientHello to a client", BOTH, PAIR_CLIENT, 22, BYTES("\1\0\0\1\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "HelloRequest", KTLS_TLS_1_3, PAIR_CLIENT, 22, BYTES("\0\0\0\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "HelloRequest to a server", BOTH, PAIR_SERVER, 22, BYTES("\0\0\0\0"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	{ "a huge ticket", KTLS_TLS_1_3, PAIR_CLIENT, 22, BYTES("\4\xff\xff\xff----"), false,
	  -KTLS_E_PROTOCOL, KTLS_ALERT_ILLEGAL_PARAMETER },
	{ "KeyUpdate", KTLS_TLS_1_2, ANYBODY, 22, BYTES("\x18\0\0\1\0"), false, -KTLS_E_PROTOCOL,
	  KTLS_ALERT_UNEXPECTED_MESSAGE },
};

static void commit_offence(const struct offence *offence, enum ktls_protocol protocol,
			   enum pair_end victim, size_t buffer_len)
{
	struct attacker attacker = new_attacker(protocol, victim);
	int code = offence->code;

	if (!code) /* where the type stands outside, the header is at fault */
		code = protocol == KTLS_TLS_1_3 ? -KTLS_E_PROTOCOL : -KTLS_E_BAD_RECORD;
	attacker.buffer_len = buffer_len;
	attacker_expect_alive(&attacker, offence->name);
	if (offence->raw)
		attacker_send_raw(&attacker, offence->bytes, offence->len);
	else
		attacker_send(&attacker, offence->type, offence->bytes, offence->len);
	attacker_expect_failure(&attacker, code, offence->alert, offence->name);
	attacker_free(&attacker);
}

Test(unit, one_bad_record_ends_the_connection_and_the_peer_is_told)
{
	for (size_t i = 0; i < 4 * sizeof(offences) / sizeof(offences[0]); i++) {
		const struct offence *offence = &offences[i / 4];
		enum ktls_protocol protocol = protocols[i % 2];
		enum pair_end victim = i & 2 ? PAIR_SERVER : PAIR_CLIENT;

		if ((offence->protocol && offence->protocol != (int)protocol) ||
		    (offence->victim != ANYBODY && offence->victim != (int)victim))
			continue;
		commit_offence(offence, protocol, victim, i & 2 ? 1 : 4096);
	}
}

Test(unit, any_bit_changed_makes_a_record_a_forgery)
{
	static const char text[] = "the quick brown fox";
	const size_t bits = (5 + sizeof(text) + 17) * 8;

	/* Behind the header, whose bits have other answers; all bits of the tag too. */
	for (size_t bit = 5 * 8; bit < bits; bit += bit % 5 + 1) {
		struct attacker attacker = new_attacker(protocols[bit % 2], (bit / 2) % 2);

		attacker_expect_alive(&attacker, "before");
		attacker_send_flipped(&attacker, text, sizeof(text), bit);
		attacker_expect_failure(&attacker, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC,
					"a bit changed");
		attacker_free(&attacker);
	}
}

Test(unit, a_record_repeated_left_out_or_out_of_order_is_a_forgery)
{
	static const int shifts[] = { -1, 1, 2 };

	for (int i = 0; i < 6; i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], i % 2);

		attacker_expect_alive(&attacker, "before");
		attacker.keys[KTLS_TX].seq += (uint64_t)shifts[i / 2];
		attacker_send(&attacker, KERN_RECORD_DATA, "again", 5);
		attacker_expect_failure(&attacker, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC,
					"another number");
		attacker_free(&attacker);
	}
}

/* Data before the offence is delivered; the offence comes with the next read. */
Test(unit, what_came_before_an_offence_is_delivered)
{
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], i / 2);

		attacker.buffer_len = i & 1 ? 7 : 4096;
		attacker_send(&attacker, KERN_RECORD_DATA, zeros, 1000);
		attacker_send(&attacker, KERN_RECORD_DATA, zeros, 1000);
		attacker_send_flipped(&attacker, zeros, 1000, 100);
		attacker_expect_failure(&attacker, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC,
					"a forgery behind data");
		cr_assert(attacker.got == 2000, "%zu", attacker.got);
		attacker_free(&attacker);
	}
}

/* Empty records, padding */

Test(unit, some_empty_data_records_are_borne_and_a_flood_is_not)
{
	for (int i = 0; i < 4; i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], i / 2);

		for (int round = 0; round < 3; round++) {
			for (int n = 0; n < EMPTY_MAX; n++)
				attacker_send(&attacker, KERN_RECORD_DATA, NULL, 0);
			attacker_expect_alive(&attacker, "empty records, then data");
		}
		for (int n = 0; n <= EMPTY_MAX; n++)
			attacker_send(&attacker, KERN_RECORD_DATA, NULL, 0);
		attacker_expect_failure(&attacker, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
					"a flood of empty records");
		attacker_free(&attacker);
	}
}

Test(unit, a_record_of_padding_alone_is_refused)
{
	static const size_t paddings[] = { 0, 1, 100, KERN_PAYLOAD_MAX };

	for (size_t i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_3, i % 2);

		attacker_send_padded(&attacker, 0, NULL, 0, paddings[i]);
		attacker_expect_failure(&attacker, -KTLS_E_BAD_RECORD,
					KTLS_ALERT_UNEXPECTED_MESSAGE, "no type, only padding");
		attacker_free(&attacker);
	}
}

Test(unit, padding_of_any_length_is_taken_off)
{
	for (size_t padding = 0; padding <= KERN_PAYLOAD_MAX; padding += padding / 2 + 1) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_3, padding % 2);
		size_t room = KERN_PAYLOAD_MAX - padding, len = room < 50 ? room : 50;

		attacker_send_padded(&attacker, KERN_RECORD_DATA, zeros, len, padding);
		cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
		cr_assert(attacker.got == len, "%zu of padding", padding);
		attacker_send_padded(&attacker, KERN_RECORD_ALERT, "\1\x5a", 2, padding % 1000);
		attacker_expect_alive(&attacker, "padded");
		attacker_free(&attacker);
	}
}

Test(unit, the_largest_record_is_taken)
{
	for (int i = 0; i < 2; i++) {
		struct attacker attacker = new_attacker(protocols[i], i);

		attacker_send(&attacker, KERN_RECORD_DATA, zeros, KERN_PAYLOAD_MAX);
		cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
		cr_assert(attacker.got == KERN_PAYLOAD_MAX);
		attacker_expect_alive(&attacker, "a full record");
		attacker_free(&attacker);
	}
}

/* Alerts */

static bool is_borne(enum ktls_protocol protocol, unsigned int level, unsigned int alert)
{
	return alert == KTLS_ALERT_USER_CANCELED || (protocol == KTLS_TLS_1_2 && level == 1);
}

Test(unit, an_alert_is_the_end_but_for_the_few_that_are_not)
{
	static const uint8_t alerts[] = { 10, 20, 22, 40, 42,  45,  47,	 48,  50,  51,
					  70, 71, 80, 90, 100, 109, 116, 120, 200, 255 };

	for (size_t i = 0; i < 4 * sizeof(alerts); i++) {
		const uint8_t bytes[] = { i & 2 ? 2 : 1, alerts[i / 4] };
		struct attacker attacker = new_attacker(protocols[i % 2], (i / 8) % 2);

		attacker.buffer_len = i & 1 ? 1 : 4096;
		attacker_send(&attacker, KERN_RECORD_ALERT, bytes, sizeof(bytes));
		if (is_borne(protocols[i % 2], bytes[0], bytes[1])) {
			attacker_expect_alive(&attacker, ktls_alert_name(bytes[1]));
		} else {
			attacker_expect_failure(&attacker, -KTLS_E_ALERT, KTLS_ALERT_NONE,
						ktls_alert_name(bytes[1]));
			cr_assert(strstr(ktls_conn_error(attacker.victim),
					 ktls_alert_name(bytes[1])));
		}
		attacker_free(&attacker);
	}
}

Test(unit, nothing_is_read_after_close_notify_and_writing_goes_on)
{
	for (int i = 0; i < 8; i++) {
		struct attacker attacker = new_attacker(protocols[i % 2], i / 4);
		const uint8_t bytes[] = { i & 2 ? 2 : 1, 0 };
		uint8_t data[JUDGE_RECORD_MAX], type;
		struct ktls_info info;
		size_t len;

		attacker_send(&attacker, KERN_RECORD_DATA, zeros, 10);
		attacker_send(&attacker, KERN_RECORD_ALERT, bytes, 2);
		attacker_send(&attacker, KERN_RECORD_DATA, zeros, 10);
		attacker_send_raw(&attacker, "garbage", 7);
		for (int again = 0; again < 3; again++)
			cr_assert(attacker_victim_reads(&attacker) == KTLS_EOF);
		cr_assert(attacker.got == 10);
		cr_assert(!ktls_conn_get_info(attacker.victim, &info, sizeof(info)));
		cr_assert(info.state == KTLS_STATE_CLOSING);
		cr_assert(!ktls_conn_write(attacker.victim, "bye", 3, KTLS_NOW, &len) && len == 3);
		cr_assert(attacker_receive(&attacker, &type, data, &len) && len == 3);
		cr_assert(!ktls_conn_shutdown(attacker.victim, KTLS_NOW));
		cr_assert(attacker_receive(&attacker, &type, data, &len));
		cr_assert(type == KERN_RECORD_ALERT && !memcmp(data, "\1\0", 2));
		cr_assert(!ktls_conn_get_info(attacker.victim, &info, sizeof(info)));
		cr_assert(info.state == KTLS_STATE_CLOSED);
		attacker_free(&attacker);
	}
}

/* Messages that are borne */

Test(unit, tickets_are_swallowed_whole_or_in_pieces)
{
	uint8_t ticket[300] = { 4, 0, 1, 40 };

	for (size_t piece = 1; piece <= sizeof(ticket); piece += piece / 2 + 1) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_3, PAIR_CLIENT);

		attacker.buffer_len = piece % 2 ? 1 : 4096;
		for (size_t at = 0; at < sizeof(ticket); at += piece)
			attacker_send(&attacker, KERN_RECORD_HANDSHAKE, ticket + at,
				      sizeof(ticket) - at < piece ? sizeof(ticket) - at : piece);
		attacker_expect_alive(&attacker, "a ticket");
		cr_assert(attacker.got == 100);
		attacker_free(&attacker);
	}
}

Test(unit, data_in_the_middle_of_a_message_is_refused)
{
	struct attacker attacker = new_attacker(KTLS_TLS_1_3, PAIR_CLIENT);

	attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\4\0\1\0--", 6);
	attacker_send(&attacker, KERN_RECORD_DATA, "data", 4);
	attacker_expect_failure(&attacker, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
				"data within a ticket");
	attacker_free(&attacker);
}

/* Asked to negotiate again, TLS 1.2 says no, and goes on. */
Test(unit, renegotiation_is_refused_and_the_connection_goes_on)
{
	for (int victim = 0; victim < 2; victim++) {
		struct attacker attacker = new_attacker(KTLS_TLS_1_2, victim);
		uint8_t data[JUDGE_RECORD_MAX], type;
		size_t len;

		for (int round = 0; round < 5; round++) {
			if (victim == PAIR_CLIENT)
				attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\0\0\0\0", 4);
			else
				attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\1\0\0\5hello", 9);
			cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
			cr_assert(attacker_receive(&attacker, &type, data, &len));
			cr_assert(type == KERN_RECORD_ALERT && len == 2);
			cr_assert(data[0] == 1 && data[1] == KTLS_ALERT_NO_RENEGOTIATION);
			attacker_expect_alive(&attacker, "refused");
		}
		attacker_free(&attacker);
	}
}
