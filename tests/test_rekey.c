/* SPDX-License-Identifier: MIT */

/*
 * KeyUpdate (RFC 8446 4.6.3) against a peer that counts for itself: taken at once, answered before
 * the next byte and only once, and refused in every form but the right one.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "attacker.h"
#include "config.h"
#include "pool.h"
#include "rekeying.h"

enum {
	MANY = 1000,
	FILE_MIB = 64,
};

static const char update[] = "\x18\0\0\1\0";
static const char update_please[] = "\x18\0\0\1\1";

enum {
	UPDATE_LEN = sizeof(update) - 1,
};

static struct attacker new_attacker(enum pair_end victim)
{
	return attacker_new(KTLS_TLS_1_3, victim, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
}

static void send_update(struct attacker *attacker, bool please)
{
	attacker_send(attacker, KERN_RECORD_HANDSHAKE, please ? update_please : update, UPDATE_LEN);
	attacker_next_key(attacker, KTLS_TX);
}

/* The victim's own KeyUpdate, which asks for none, comes before its next byte. */
static void expect_update(struct attacker *attacker)
{
	uint8_t data[JUDGE_RECORD_MAX], type;
	size_t len;

	cr_assert(attacker_receive(attacker, &type, data, &len));
	cr_assert(type == KERN_RECORD_HANDSHAKE && len == UPDATE_LEN, "type %u", type);
	cr_assert(!memcmp(data, update, len));
	attacker_next_key(attacker, KTLS_RX);
}

Test(unit, a_new_key_is_taken_at_once)
{
	for (int victim = 0; victim < 2; victim++) {
		struct attacker attacker = new_attacker(victim);
		struct ktls_info info;

		attacker_expect_alive(&attacker, "before");
		send_update(&attacker, false);
		attacker_expect_alive(&attacker, "after");
		cr_assert(!ktls_conn_get_info(attacker.victim, &info, sizeof(info)));
		cr_assert(info.key_updates[KTLS_RX] == 1 && info.key_updates[KTLS_TX] == 0);
		cr_assert(info.records[KTLS_RX] == 1, "numbers begin again");
		attacker_free(&attacker);
	}
}

Test(unit, a_request_is_answered_before_the_next_byte)
{
	for (int victim = 0; victim < 2; victim++) {
		struct attacker attacker = new_attacker(victim);
		uint8_t data[JUDGE_RECORD_MAX], type;
		struct ktls_info info;
		size_t len;

		send_update(&attacker, true);
		cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
		cr_assert(!ktls_conn_write(attacker.victim, "data", 4, KTLS_NOW, &len));
		expect_update(&attacker);
		cr_assert(attacker_receive(&attacker, &type, data, &len));
		cr_assert(type == KERN_RECORD_DATA && len == 4);
		cr_assert(!ktls_conn_get_info(attacker.victim, &info, sizeof(info)));
		cr_assert(info.key_updates[KTLS_RX] == 1 && info.key_updates[KTLS_TX] == 1);
		attacker_expect_alive(&attacker, "afterwards");
		attacker_free(&attacker);
	}
}

Test(unit, many_requests_are_owed_one_answer)
{
	struct attacker attacker = new_attacker(PAIR_SERVER);
	size_t len;

	for (int i = 0; i < 20; i++)
		send_update(&attacker, true);
	cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
	cr_assert(!ktls_conn_write(attacker.victim, "", 0, KTLS_NOW, &len));
	expect_update(&attacker);
	attacker_expect_alive(&attacker, "afterwards");
	attacker_free(&attacker);
}

Test(unit, a_thousand_new_keys_both_ways_with_data_between)
{
	struct attacker attacker = new_attacker(PAIR_CLIENT);
	struct ktls_info info;

	for (int i = 0; i < MANY; i++) {
		uint8_t data[JUDGE_RECORD_MAX], type;
		size_t len;

		attacker_send(&attacker, KERN_RECORD_DATA, "ping", 4);
		send_update(&attacker, true);
		attacker_send(&attacker, KERN_RECORD_DATA, "ping", 4);
		cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ, "%d: %s", i,
			  ktls_conn_error(attacker.victim));
		cr_assert(attacker.got == 8 * (size_t)(i + 1));
		cr_assert(!ktls_conn_write(attacker.victim, "pong", 4, KTLS_NOW, &len));
		expect_update(&attacker);
		cr_assert(attacker_receive(&attacker, &type, data, &len) && len == 4);
	}
	cr_assert(!ktls_conn_get_info(attacker.victim, &info, sizeof(info)));
	cr_assert(info.key_updates[KTLS_RX] == MANY && info.key_updates[KTLS_TX] == MANY);
	attacker_free(&attacker);
}

/* A message may come in pieces, each record for itself, as long as nothing else comes between. */
Test(unit, an_update_in_pieces_is_taken)
{
	for (size_t cut = 1; cut < UPDATE_LEN; cut++) {
		struct attacker attacker = new_attacker(cut % 2);

		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, update, cut);
		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, update + cut, UPDATE_LEN - cut);
		attacker_next_key(&attacker, KTLS_TX);
		attacker_expect_alive(&attacker, "in two pieces");
		attacker_free(&attacker);
	}
}

Test(unit, an_update_with_data_between_its_pieces_is_refused)
{
	for (size_t cut = 1; cut < UPDATE_LEN; cut++) {
		struct attacker attacker = new_attacker(cut % 2);

		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, update, cut);
		attacker_send(&attacker, KERN_RECORD_DATA, "data", 4);
		attacker_expect_failure(&attacker, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
					"data within a KeyUpdate");
		attacker_free(&attacker);
	}
}

Test(unit, an_update_of_another_form_is_refused)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t len;
		enum ktls_alert alert;
	} rows[] = {
		{ "request 2", "\x18\0\0\1\2", 5, KTLS_ALERT_ILLEGAL_PARAMETER },
		{ "request 255", "\x18\0\0\1\xff", 5, KTLS_ALERT_ILLEGAL_PARAMETER },
		{ "no request", "\x18\0\0\0", 4, KTLS_ALERT_DECODE_ERROR },
		{ "two bytes", "\x18\0\0\2\0\0", 6, KTLS_ALERT_DECODE_ERROR },
		{ "a huge length", "\x18\xff\xff\xff\0", 5, KTLS_ALERT_DECODE_ERROR },
		{ "a byte behind it", "\x18\0\0\1\0-", 6, KTLS_ALERT_UNEXPECTED_MESSAGE },
		{ "another behind it", "\x18\0\0\1\0\x18\0\0\1\0", 10,
		  KTLS_ALERT_UNEXPECTED_MESSAGE },
	};

	for (size_t i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct attacker attacker = new_attacker(i % 2);

		attacker.buffer_len = i & 2 ? 1 : 4096;
		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, rows[i / 4].bytes, rows[i / 4].len);
		attacker_expect_failure(&attacker, -KTLS_E_PROTOCOL, rows[i / 4].alert,
					rows[i / 4].name);
		attacker_free(&attacker);
	}
}

/* A message must not straddle a change (RFC 8446 5.1). Behind half a message the KeyUpdate is none:
 * it is the message's rest, as far as that goes. */
Test(unit, a_message_that_straddles_a_new_key_is_refused)
{
	static const struct {
		const char *half;
		size_t len;
		bool client_only;
		int code;
		enum ktls_alert alert;
	} rows[] = {
		{ "\4\0\1\0--", 6, true, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC },
		{ "\4\0", 2, true, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC },
		{ "\x18", 1, false, -KTLS_E_PROTOCOL, KTLS_ALERT_DECODE_ERROR },
		{ "\x18\0\0", 3, false, -KTLS_E_PROTOCOL, KTLS_ALERT_DECODE_ERROR },
		{ "\x18\0\0\1", 4, false, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE },
	};

	for (size_t i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct attacker attacker;

		if (rows[i / 4].client_only && i % 2 == PAIR_SERVER)
			continue;
		attacker = new_attacker(i % 2);
		attacker.buffer_len = i & 2 ? 1 : 4096;
		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, rows[i / 4].half, rows[i / 4].len);
		send_update(&attacker, false);
		attacker_send(&attacker, KERN_RECORD_DATA, "data", 4);
		attacker_expect_failure(&attacker, rows[i / 4].code, rows[i / 4].alert,
					"a message across a new key");
		attacker_free(&attacker);
	}
}

Test(unit, a_record_under_the_old_key_is_a_forgery)
{
	for (int victim = 0; victim < 2; victim++) {
		struct attacker attacker = new_attacker(victim);

		attacker_send(&attacker, KERN_RECORD_HANDSHAKE, update, UPDATE_LEN);
		attacker_send(&attacker, KERN_RECORD_DATA, "data", 4);
		attacker_expect_failure(&attacker, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC,
					"the old key");
		attacker_free(&attacker);
	}
}

/* Ours */

Test(unit, a_key_changes_when_asked)
{
	rekeying_when_asked(KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
}

Test(unit, a_key_changes_over_a_full_socket)
{
	rekeying_over_a_full_socket(KTLS_OFFLOAD_NEVER);
}

Test(unit, a_key_changes_a_thousand_times_during_a_file)
{
	rekeying_during_a_file(KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER,
			       (uint64_t)flow_setting("KTLS_TEST_MIB", FILE_MIB) << 20, MANY);
}

static void expect_update_answer(struct ktls_conn *conn, int code)
{
	for (int which = 0; which < _KTLS_KEY_UPDATE_N; which++) {
		int r = ktls_conn_update_key(conn, which, KTLS_NOW);

		cr_assert(r == code, "%s, not %s", ktls_strerrorname(r), ktls_strerrorname(code));
	}
}

Test(unit, a_key_cannot_change_before_after_and_in_tls_12)
{
	for (int i = 0; i < 4; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		enum pair_end end = i % 2;
		struct pair pair;
		int rc[2];

		options.protocol = i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
		pair = pair_new(&options);
		expect_update_answer(pair.conn[end], -ENOTCONN);
		pair_handshake(&pair, rc);
		cr_assert(!rc[0] && !rc[1]);
		cr_assert(ktls_conn_update_key(NULL, 0, KTLS_NOW) == -EINVAL);
		cr_assert(ktls_conn_update_key(pair.conn[end], _KTLS_KEY_UPDATE_N, KTLS_NOW) ==
			  -EINVAL);
		if (options.protocol == KTLS_TLS_1_2)
			expect_update_answer(pair.conn[end], -EOPNOTSUPP);
		pair_move(&pair, PAIR_CLIENT, 1000, 100);
		pair_move(&pair, PAIR_SERVER, 1000, 100);
		cr_assert(!ktls_conn_shutdown(pair.conn[end], KTLS_NOW));
		expect_update_answer(pair.conn[end], -EPIPE);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, a_change_that_finds_no_buffer_is_made_with_the_next_call)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct ktls_pool *pool;
	struct pair pair;
	uint8_t *buffer;

	options.protocol = KTLS_TLS_1_3;
	options.pool = 1;
	pair = pair_open(&options);
	pool = pair.config[PAIR_CLIENT]->pool;
	buffer = ktls_pool_take(pool);
	expect_update_answer(pair.conn[PAIR_CLIENT], KTLS_WANT_BUFFER);
	cr_assert(ktls_conn_update_key(pair.conn[PAIR_CLIENT], 0, ktls_deadline_in(5)) ==
		  KTLS_TIMEDOUT);
	ktls_pool_give(pool, buffer);
	cr_assert(!ktls_conn_update_key(pair.conn[PAIR_CLIENT], 0, KTLS_NOW));
	pair_move(&pair, PAIR_CLIENT, 1000, 100);
	pair_close(&pair);
	pair_free(&pair);
}
