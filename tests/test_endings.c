/* SPDX-License-Identifier: MIT */

/*
 * How a connection ends: that closing right behind the last byte loses nothing, what an end
 * answers, and what is left of a connection without its socket. Userspace protection;
 * kernel_endings.c does the same with the kernel's.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "ending.h"
#include "kit.h"
#include "pair.h"
#include "pool.h"
#include "reset.h"

enum {
	ALL_WAYS = 144, /* each once */
	UPLOADS = 8,
	PATIENCE_MS = 5000,
	LEN = 1000000,
};

static void begin(void)
{
	ending_begin(KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
}

TestSuite(unit, .init = begin, .fini = ending_end);

/* Nothing is lost */

Test(unit, closing_behind_the_last_byte_loses_nothing)
{
	ending_run_all_ways(ALL_WAYS);
}

Test(unit, a_client_that_writes_and_closes_without_reading_is_heard_to_the_end)
{
	ending_run_uploads(UPLOADS);
}

Test(unit, a_peer_that_sends_all_the_while_gets_every_byte)
{
	ending_run_response_to_a_talker();
}

Test(unit, a_peer_that_writes_before_it_reads_is_read_until_it_does)
{
	ending_run_both_write_first();
}

Test(unit, at_its_deadline_the_socket_is_closed_whatever_the_peer_does)
{
	ending_run_deadlines();
}

/* What an end answers */

static struct pair open_pair(int i)
{
	const struct ending ending = {
		.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
	};

	return ending_open(&ending);
}

/* The subject is the client; its socket is gone now. */
static void expect_closed(struct pair *pair)
{
	struct ktls_conn *conn = pair->conn[PAIR_CLIENT];

	cr_assert(fcntl(pair->fd[PAIR_CLIENT], F_GETFD) < 0 && errno == EBADF);
	pair->fd[PAIR_CLIENT] = -1;
	cr_assert(ktls_conn_shutdown(conn, KTLS_NOW) == -ENOTCONN);
	cr_assert(ktls_conn_shutdown_and_close(conn, KTLS_NOW) == -ENOTCONN);
}

static void expect_state(const struct pair *pair, enum ktls_state state)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(pair->conn[PAIR_CLIENT], &info, sizeof(info)));
	cr_assert(info.state == state, "%s", ktls_state_name(info.state));
}

/* Ours leaves at once, theirs is waited for. */
static void expect_to_wait_for_theirs(struct ktls_conn *conn)
{
	for (int again = 0; again < 2; again++)
		cr_assert(ktls_conn_shutdown_and_close(conn, KTLS_NOW) == KTLS_WANT_READ);
}

/* With unread bytes on the way, of which nobody hears. */
static void say_something(const struct pair *pair)
{
	size_t n;

	cr_assert(!ktls_conn_write(pair->conn[PAIR_SERVER], "something", 9, KTLS_NOW, &n));
}

Test(unit, closing_is_done_when_the_peers_close_notify_came)
{
	for (int i = 0; i < 4; i++) {
		struct pair pair = open_pair(i);
		bool theirs_first = i & 2;

		if (!theirs_first)
			expect_to_wait_for_theirs(pair.conn[0]);
		say_something(&pair);
		cr_assert(!ktls_conn_shutdown(pair.conn[1], KTLS_NOW));
		cr_assert(
			!ktls_conn_shutdown_and_close(pair.conn[0], ktls_deadline_in(PATIENCE_MS)));
		expect_state(&pair, KTLS_STATE_CLOSED);
		expect_closed(&pair);
		pair_free(&pair);
	}
}

Test(unit, closing_a_connection_that_has_ended_both_ways_is_done_at_once)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i);

		pair_close(&pair);
		cr_assert(!ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW));
		expect_closed(&pair);
		pair_free(&pair);
	}
}

Test(unit, closing_says_that_the_transport_ended_without_close_notify)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i);

		expect_to_wait_for_theirs(pair.conn[0]);
		say_something(&pair);
		shutdown(pair.fd[1], SHUT_WR);
		cr_assert(ktls_conn_shutdown_and_close(
				  pair.conn[0], ktls_deadline_in(PATIENCE_MS)) == KTLS_CLOSED);
		expect_state(&pair, KTLS_STATE_CLOSED);
		expect_closed(&pair);
		pair_free(&pair);
	}
}

Test(unit, a_reset_is_an_end_while_the_peers_is_waited_for)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i);

		expect_to_wait_for_theirs(pair.conn[0]);
		reset_by(&pair, PAIR_SERVER);
		cr_assert(ktls_conn_shutdown_and_close(
				  pair.conn[0], ktls_deadline_in(PATIENCE_MS)) == KTLS_CLOSED);
		expect_closed(&pair);
		pair_free(&pair);
	}
}

Test(unit, bad_records_are_an_end_while_the_peers_is_waited_for)
{
	static const uint8_t record[] = { 23, 3, 3, 0, 32, [36] = 1 };

	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i);

		expect_to_wait_for_theirs(pair.conn[0]);
		cr_assert(send(pair.fd[1], record, sizeof(record), 0) == sizeof(record));
		cr_assert(ktls_conn_shutdown_and_close(
				  pair.conn[0], ktls_deadline_in(PATIENCE_MS)) == KTLS_CLOSED);
		expect_state(&pair, KTLS_STATE_FAILED);
		cr_assert(*ktls_conn_error(pair.conn[0]));
		expect_closed(&pair);
		pair_free(&pair);
	}
}

Test(unit, a_reset_that_takes_our_last_bytes_is_an_error)
{
	for (int i = 0; i < 4; i++) {
		const struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.buffer_bytes = 4096,
		};
		struct pair pair = ending_open(&ending);
		static uint8_t bytes[LEN];
		size_t n;
		int rc;

		cr_assert(ktls_conn_write(pair.conn[0], bytes, LEN, KTLS_NOW, &n) ==
			  KTLS_WANT_WRITE);
		cr_assert(ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW) == KTLS_WANT_WRITE);
		reset_by(&pair, PAIR_SERVER);
		rc = i & 2 ? ktls_conn_shutdown(pair.conn[0], ktls_deadline_in(PATIENCE_MS))
			   : ktls_conn_shutdown_and_close(pair.conn[0], KTLS_FOREVER);
		cr_assert(rc == -ECONNRESET || rc == -EPIPE, "%s", ktls_strerrorname(rc));
		if (i & 2)
			cr_assert(ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW) == rc);
		expect_state(&pair, KTLS_STATE_FAILED);
		expect_closed(&pair);
		pair_free(&pair);
	}
}

/* Of a peer that was done */

Test(unit, a_reset_that_answers_only_our_close_notify_is_an_end_in_order)
{
	reset_run_of_close_notify();
}

Test(unit, a_peer_that_closes_over_what_it_has_not_read_is_an_error)
{
	reset_run_of_unread_bytes();
}

Test(unit, bytes_behind_the_peers_end_that_nobody_took_are_an_error)
{
	reset_run_of_bytes_behind_the_end();
}

/* What is left without a socket */

Test(unit, before_it_is_open_a_connection_is_only_closed)
{
	for (int begun = 0; begun < 2; begun++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		struct pair pair = pair_new(&options);
		char byte;
		size_t n;
		int rc;

		if (begun)
			cr_assert(ktls_conn_handshake(pair.conn[0], KTLS_NOW) == KTLS_WANT_READ);
		cr_assert(!ktls_conn_shutdown_and_close(pair.conn[0], KTLS_FOREVER));
		expect_state(&pair, KTLS_STATE_FAILED);
		expect_closed(&pair);
		cr_assert(ktls_conn_handshake(pair.conn[0], KTLS_NOW) == -ENOTCONN);
		cr_assert(ktls_conn_read(pair.conn[0], &byte, 1, KTLS_NOW, &n) == -ENOTCONN);
		cr_assert(ktls_conn_write(pair.conn[0], "x", 1, KTLS_NOW, &n) == -ENOTCONN);
		/* The peer's answer to what was begun may find nobody. */
		rc = ktls_conn_handshake(pair.conn[1], ktls_deadline_in(PATIENCE_MS));
		cr_assert(rc == KTLS_CLOSED || (begun && (rc == -ECONNRESET || rc == -EPIPE)));
		pair_free(&pair);
	}
}

Test(unit, what_is_known_of_a_connection_outlives_its_socket)
{
	for (int i = 0; i < 4; i++) {
		struct pair pair = open_pair(i);
		struct ktls_info before, after;
		uint64_t n64;
		char byte;
		size_t n;

		pair_move(&pair, PAIR_CLIENT, 100000, 30000);
		pair_move(&pair, PAIR_SERVER, 100000, 30000);
		pair_close(&pair);
		cr_assert(!ktls_conn_get_info(pair.conn[0], &before, sizeof(before)));
		cr_assert(!ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW));
		cr_assert(!ktls_conn_get_info(pair.conn[0], &after, sizeof(after)));
		cr_assert(!memcmp(&before, &after, sizeof(after)) && after.records[KTLS_TX] > 6);
		expect_closed(&pair);

		/* The same number again: nobody may touch it. */
		pair.fd[0] = dup(pair.fd[1]);
		cr_assert(ktls_conn_read(pair.conn[0], &byte, 1, KTLS_FOREVER, &n) == KTLS_EOF);
		cr_assert(ktls_conn_write(pair.conn[0], "x", 1, KTLS_FOREVER, &n) == -EPIPE);
		cr_assert(ktls_conn_sendfile(pair.conn[0], 0, 0, 1, KTLS_FOREVER, &n64) == -EPIPE);
		cr_assert_str_eq(ktls_conn_error(pair.conn[0]), "");
		pair_free(&pair);
	}
}

Test(unit, the_socket_of_a_frozen_connection_is_not_closed)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i);
		static uint8_t frozen[LEN];
		size_t len;

		cr_assert(!ktls_conn_freeze(pair.conn[0], frozen, sizeof(frozen), &len));
		cr_assert(ktls_conn_shutdown_and_close(pair.conn[0], KTLS_FOREVER) == -ENOTCONN);
		cr_assert(!pair_thaw(&pair, PAIR_CLIENT, frozen, len));
		pair_move(&pair, PAIR_CLIENT, 1000, 100);
		pair_close(&pair);
		cr_assert(!ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW));
		expect_closed(&pair);
		pair_free(&pair);
	}
}

Test(unit, closing_gives_back_buffers_and_descriptors)
{
	unsigned int fds = kit_count_fds();

	for (int i = 0; i < 4; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		static uint8_t bytes[LEN];
		size_t n;

		options.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
		options.pool = 1;
		options.buffer_bytes = 4096;
		struct pair pair = pair_open(&options);

		/* Ours lies in the one buffer until the deadline, which theirs would need. */
		cr_assert(ktls_conn_write(pair.conn[0], bytes, LEN, KTLS_NOW, &n) ==
			  KTLS_WANT_WRITE);
		say_something(&pair);
		cr_assert(ktls_conn_shutdown_and_close(pair.conn[0], ktls_deadline_in(20)) ==
			  KTLS_TIMEDOUT);
		pair.fd[0] = -1;
		uint8_t *buffer = ktls_pool_take(pair.config[0]->pool);

		cr_assert_not_null(buffer);
		ktls_pool_give(pair.config[0]->pool, buffer);
		pair_free(&pair);
	}
	cr_assert(kit_count_fds() == fds);
}

Test(unit, without_a_buffer_closing_wants_one_and_the_socket_stays)
{
	for (int i = 0; i < 2; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;

		options.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
		options.pool = 1;
		struct pair pair = pair_open(&options);
		struct ktls_pool *pool = pair.config[0]->pool;
		uint8_t *buffer = ktls_pool_take(pool);

		cr_assert(ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW) == KTLS_WANT_BUFFER);
		ktls_pool_give(pool, buffer);
		expect_to_wait_for_theirs(pair.conn[0]);
		say_something(&pair);
		buffer = ktls_pool_take(pool);
		cr_assert(ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW) == KTLS_WANT_BUFFER);
		ktls_pool_give(pool, buffer);
		cr_assert(!ktls_conn_shutdown(pair.conn[1], KTLS_NOW));
		cr_assert(!ktls_conn_shutdown_and_close(pair.conn[0], KTLS_FOREVER));
		expect_closed(&pair);
		pair_free(&pair);
	}
}

Test(unit, closing_nothing_is_an_argument_that_makes_no_sense)
{
	cr_assert(ktls_conn_shutdown_and_close(NULL, KTLS_NOW) == -EINVAL);
}

/* Half of it */

Test(unit, after_either_end_the_other_direction_goes_on)
{
	for (int i = 0; i < 4; i++) {
		struct pair pair = open_pair(i);
		enum pair_end first = i & 2 ? PAIR_SERVER : PAIR_CLIENT;
		uint64_t n64;
		char byte;
		size_t n;

		for (int again = 0; again < 2; again++)
			cr_assert(!ktls_conn_shutdown(pair.conn[first], KTLS_NOW));
		cr_assert(ktls_conn_write(pair.conn[first], "x", 1, KTLS_NOW, &n) == -EPIPE && !n);
		cr_assert(ktls_conn_write(pair.conn[first], "", 0, KTLS_NOW, &n) == -EPIPE);
		cr_assert(ktls_conn_sendfile(pair.conn[first], 0, 0, 1, KTLS_NOW, &n64) == -EPIPE);
		pair_move(&pair, !first, LEN, 40000);
		cr_assert(ktls_conn_read(pair.conn[!first], &byte, 1, ktls_deadline_in(PATIENCE_MS),
					 &n) == KTLS_EOF);
		pair_move(&pair, !first, LEN, 1000);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* What a reader is told after its own end: close_notify, a cut, a reset are three answers. */
Test(unit, after_our_end_theirs_is_told_apart)
{
	for (int i = 0; i < 6; i++) {
		struct pair pair = open_pair(i);
		char got[9];
		size_t n;
		int rc, kind = i / 2;

		cr_assert(!ktls_conn_shutdown(pair.conn[0], KTLS_NOW));
		if (kind < 2)
			say_something(&pair);
		if (kind == 0)
			cr_assert(!ktls_conn_shutdown(pair.conn[1], KTLS_NOW));
		else if (kind == 1)
			shutdown(pair.fd[1], SHUT_WR);
		else
			reset_by(&pair, PAIR_SERVER);
		if (kind < 2)
			cr_assert(!ktls_conn_read(pair.conn[0], got, sizeof(got),
						  ktls_deadline_in(PATIENCE_MS), &n) &&
				  n == 9);
		for (int again = 0; again < 2; again++) {
			static const int answers[] = { KTLS_EOF, KTLS_CLOSED, -ECONNRESET };

			rc = ktls_conn_read(pair.conn[0], got, 1, ktls_deadline_in(PATIENCE_MS),
					    &n);
			cr_assert(rc == answers[kind] && !n, "%d: %s", kind, ktls_strerrorname(rc));
		}
		pair_free(&pair);
	}
}
