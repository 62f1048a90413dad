/* SPDX-License-Identifier: MIT */

/* Connections in userspace, frozen and thawed: what survives, what is refused, what is left. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/limits.h>

#include "attacker.h"
#include "conn.h"
#include "flow.h"
#include "freezing.h"
#include "frozen.h"
#include "kit.h"
#include "seam.h"

enum {
	IDLE_LEN_MAX = 600,
	SMALL = 4096,
	CALL_MS = 5000,
	LONG = 600000,
	EARLY_LIMIT = 4096,
	SESSION_MAX = 16384,
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

static uint8_t bytes[FROZEN_MAX];

/* From process to process */

static void relay_all(enum ktls_protocol protocol, enum pair_end end)
{
	for (unsigned int cipher = 0; cipher < _KTLS_CIPHER_N; cipher++) {
		for (int small = 0; small < 2; small++) {
			frozen_relay(&(struct frozen_plan){
				.end = end,
				.protocol = protocol,
				.cipher = (int)cipher,
				.tx = KTLS_OFFLOAD_NEVER,
				.rx = KTLS_OFFLOAD_NEVER,
				.buffer_bytes = small ? SMALL : 0,
				.by_sendfile = cipher % 2 == (unsigned int)small,
				.to_send = small ? LONG / 4 : LONG,
				.to_see = small ? LONG / 4 : LONG,
				.hops = 7,
				.seed = 1000 + cipher * 2 + (unsigned int)small,
			});
		}
	}
}

Test(unit, a_tls12_client_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_2, PAIR_CLIENT);
}

Test(unit, a_tls12_server_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_2, PAIR_SERVER);
}

Test(unit, a_tls13_client_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_3, PAIR_CLIENT);
}

Test(unit, a_tls13_server_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_3, PAIR_SERVER);
}

Test(unit, a_connection_outlives_its_program)
{
	for (int i = 0; i < 4; i++)
		frozen_relay(&(struct frozen_plan){ .end = i % 2 ? PAIR_SERVER : PAIR_CLIENT,
						    .protocol = protocols[i / 2],
						    .cipher = -1,
						    .tx = KTLS_OFFLOAD_NEVER,
						    .rx = KTLS_OFFLOAD_NEVER,
						    .buffer_bytes = SMALL,
						    .by_exec = true,
						    .to_send = LONG / 4,
						    .to_see = LONG / 4,
						    .hops = 3,
						    .seed = 7 + (uint32_t)i });
}

/* In place */

Test(unit, bytes_by_every_call_flow_through_freezes_of_both_ends)
{
	freezing_in_the_flow(KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
}

Test(unit, what_is_owed_and_half_read_survives)
{
	freezing_what_is_owed(KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
}

Test(unit, every_end_survives)
{
	freezing_at_the_ends(KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
}

Test(unit, a_fault_found_behind_data_is_found_again)
{
	struct attacker attacker =
		attacker_new(KTLS_TLS_1_3, PAIR_SERVER, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
	char got[1000];
	size_t n;

	attacker_send(&attacker, KERN_RECORD_DATA, "data", 4);
	attacker_send_flipped(&attacker, "more", 4, 100);
	kit_wait(attacker.pair.fd[PAIR_SERVER], POLLIN);
	usleep(20000);
	cr_assert(!ktls_conn_read(attacker.victim, got, sizeof(got), KTLS_NOW, &n));
	cr_assert(n == 4 && attacker.victim->half[KTLS_RX].user.error);
	frozen_swap(&attacker.pair, PAIR_SERVER);
	attacker.victim = attacker.pair.conn[PAIR_SERVER];
	attacker_expect_failure(&attacker, -KTLS_E_BAD_MAC, KTLS_ALERT_BAD_RECORD_MAC, "thawed");
	attacker_free(&attacker);
}

/* Size, and what is refused */

Test(unit, an_idle_connection_is_small)
{
	for (int i = 0; i < 2 * 2 * _KTLS_CIPHER_N; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		struct pair pair;
		size_t len;

		options.protocol = protocols[i / 2 % 2];
		options.cipher = i / 4;
		pair = pair_open(&options);
		pair_move(&pair, PAIR_SERVER, 10, 10);
		pair_move(&pair, PAIR_CLIENT, 10, 10);
		cr_assert_eq(ktls_conn_freeze(pair.conn[i % 2], NULL, 0, &len), -ENOSPC);
		cr_assert(len <= IDLE_LEN_MAX, "%s: %zu", pair_name(&options), len);
		/* Nothing has changed. */
		for (size_t size = 0; size < len; size += 37)
			cr_assert_eq(ktls_conn_freeze(pair.conn[i % 2], bytes, size, &len),
				     -ENOSPC);
		pair_move(&pair, PAIR_SERVER, 1000, 10);
		pair_move(&pair, PAIR_CLIENT, 1000, 10);
		cr_assert(!ktls_conn_freeze(pair.conn[i % 2], bytes, len, &len));
		frozen_thaw(&pair, (enum pair_end)(i % 2), bytes, len);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, what_is_no_open_connection_is_not_frozen)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);
	struct ktls_conn *conn = pair.conn[PAIR_CLIENT];
	size_t len = 77;
	int rc[2];

	cr_assert_eq(ktls_conn_freeze(conn, bytes, FROZEN_MAX, &len), -ENOTCONN);
	cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), KTLS_WANT_READ);
	cr_assert_eq(ktls_conn_freeze(conn, bytes, FROZEN_MAX, &len), -ENOTCONN);
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1]);
	cr_assert_eq(ktls_conn_freeze(NULL, bytes, FROZEN_MAX, &len), -EINVAL);
	cr_assert_eq(ktls_conn_freeze(conn, NULL, 1, &len), -EINVAL);
	cr_assert_eq(ktls_conn_freeze(conn, bytes, FROZEN_MAX, NULL), -EINVAL);
	cr_assert_eq(len, 77);
	pair_close(&pair);
	cr_assert_eq(ktls_conn_shutdown_and_close(conn, ktls_deadline_in(CALL_MS)), KTLS_DONE);
	pair.fd[PAIR_CLIENT] = -1;
	cr_assert_eq(ktls_conn_freeze(conn, bytes, FROZEN_MAX, &len), -ENOTCONN, "no socket");
	conn = pair.conn[PAIR_SERVER];
	ktls_conn_fail(conn, -KTLS_E_BAD_MAC, "for a test");
	cr_assert_eq(ktls_conn_freeze(conn, bytes, FROZEN_MAX, &len), -KTLS_E_BAD_MAC);
	pair_free(&pair);
}

/* Every call. */
static void expect_dead(struct ktls_conn *conn, enum pair_end end)
{
	struct iovec iov = { bytes, 10 };
	struct ktls_info info;
	int file = kit_file(10);
	uint64_t n64;
	size_t n;

	cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), -ENOTCONN);
	cr_assert_eq(ktls_conn_read(conn, bytes, 10, KTLS_FOREVER, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_readv(conn, &iov, 1, KTLS_FOREVER, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_write(conn, bytes, 10, KTLS_FOREVER, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_writev(conn, &iov, 1, KTLS_FOREVER, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_sendfile(conn, file, 0, 10, KTLS_FOREVER, &n64), -ENOTCONN);
	cr_assert_eq(ktls_conn_update_key(conn, KTLS_KEY_UPDATE_BOTH, KTLS_FOREVER), -ENOTCONN);
	cr_assert_eq(ktls_conn_freeze(conn, bytes, FROZEN_MAX, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_shutdown(conn, KTLS_FOREVER), -ENOTCONN);
	cr_assert_eq(ktls_conn_shutdown_and_close(conn, KTLS_FOREVER), -ENOTCONN);
	if (end == PAIR_SERVER)
		cr_assert_eq(ktls_conn_read_early_data(conn, bytes, 10, &n), -ENOTCONN);
	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	cr_assert_eq(info.state, KTLS_STATE_FROZEN);
	close(file);
}

Test(unit, a_frozen_connection_is_dead_and_its_socket_lives)
{
	static const struct seam_fault count = { .calls = SEAM_ALL };
	static uint8_t kept[FROZEN_MAX];

	for (int end = 0; end < 2; end++) {
		struct pair pair = frozen_pair(KTLS_TLS_1_3, (enum pair_end)end, KTLS_OFFLOAD_NEVER,
					       KTLS_OFFLOAD_NEVER, 0);
		size_t len = frozen_take(&pair, (enum pair_end)end, kept);

		seam_begin(pair.fd[end], &count, NULL);
		expect_dead(pair.conn[end], (enum pair_end)end);
		cr_assert_eq(seam.counted, 0, "the socket is not ours to touch");
		seam_end();
		frozen_thaw(&pair, (enum pair_end)end, kept, len);
		pair_move(&pair, PAIR_CLIENT, 1000, 1000);
		pair_move(&pair, PAIR_SERVER, 1000, 1000);
		pair_close(&pair);
		pair_free(&pair);
	}
}

static int thaw_as(const struct pair *pair, enum pair_end config, enum pair_end end,
		   const uint8_t *data, size_t len)
{
	struct ktls_conn *conn = NULL;
	int r = ktls_conn_thaw(&conn, pair->config[config], pair->fd[end], data, len);

	cr_assert_eq(!r, conn != NULL);
	ktls_conn_free(conn);
	return r;
}

Test(unit, bytes_of_another_role_or_length_are_refused)
{
	struct pair pair =
		frozen_pair(KTLS_TLS_1_3, PAIR_CLIENT, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER, 0);
	size_t len = frozen_take(&pair, PAIR_CLIENT, bytes);

	cr_assert_eq(thaw_as(&pair, PAIR_SERVER, PAIR_CLIENT, bytes, len), -KTLS_E_BAD_FROZEN);
	for (size_t cut = 0; cut < len; cut++)
		cr_assert_eq(thaw_as(&pair, PAIR_CLIENT, PAIR_CLIENT, bytes, cut),
			     -KTLS_E_BAD_FROZEN, "%zu of %zu", cut, len);
	cr_assert_eq(thaw_as(&pair, PAIR_CLIENT, PAIR_CLIENT, bytes, len + 1), -KTLS_E_BAD_FROZEN);
	cr_assert_eq(thaw_as(&pair, PAIR_CLIENT, PAIR_CLIENT, NULL, len), -EINVAL);
	cr_assert_eq(ktls_conn_thaw(NULL, pair.config[0], pair.fd[0], bytes, len), -EINVAL);
	frozen_thaw(&pair, PAIR_CLIENT, bytes, len);
	pair_move(&pair, PAIR_CLIENT, 1000, 1000);
	pair_close(&pair);
	pair_free(&pair);
}

Test(unit, no_byte_that_is_wrong_does_harm_to_a_client)
{
	freezing_garbage(PAIR_CLIENT);
}

Test(unit, no_byte_that_is_wrong_does_harm_to_a_server)
{
	freezing_garbage(PAIR_SERVER);
}

/* A server with a record half sent and one half read, which needs two buffers. */
Test(unit, it_waits_for_buffers_to_be_thawed)
{
	struct pair pair = frozen_pair(KTLS_TLS_1_3, PAIR_SERVER, KTLS_OFFLOAD_NEVER,
				       KTLS_OFFLOAD_NEVER, SMALL);
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair narrow;
	uint8_t byte;
	size_t len, n;

	cr_assert_eq(ktls_conn_write(pair.conn[PAIR_SERVER], bytes, LONG / 2, KTLS_NOW, &n),
		     KTLS_WANT_WRITE);
	cr_assert(!ktls_conn_write(pair.conn[PAIR_CLIENT], "ab", 2, KTLS_NOW, &n));
	cr_assert(!ktls_conn_read(pair.conn[PAIR_SERVER], &byte, 1, ktls_deadline_in(CALL_MS), &n));
	len = frozen_take(&pair, PAIR_SERVER, bytes);
	cr_assert_gt(len, IDLE_LEN_MAX);
	options.pool = 1;
	narrow = pair_new(&options);
	cr_assert_eq(thaw_as(&narrow, PAIR_SERVER, PAIR_SERVER, bytes, len), KTLS_WANT_BUFFER);
	frozen_thaw(&pair, PAIR_SERVER, bytes, len);
	cr_assert(!ktls_conn_read(pair.conn[PAIR_SERVER], &byte, 1, KTLS_NOW, &n) && byte == 'b');
	pair_free(&pair);
	pair_free(&narrow);
}

/* Sessions */

static void configure(struct ktls_config *config, enum pair_end end)
{
	if (end == PAIR_CLIENT)
		cr_assert(!ktls_config_set_tickets(config, 1));
	else
		cr_assert(!ktls_config_set_early_data(config, EARLY_LIMIT));
}

static struct pair open_with_tickets(enum ktls_protocol protocol)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocol;
	options.configure = configure;
	return pair_open(&options);
}

static struct pair open_again(const struct pair *pair, const uint8_t *session, size_t len,
			      const char *early)
{
	struct pair again = pair_join(ktls_config_ref(pair->config[0]),
				      ktls_config_ref(pair->config[1]), "localhost", 0);
	int rc[2];

	cr_assert(!ktls_conn_set_session(again.conn[PAIR_CLIENT], session, len));
	if (early)
		cr_assert(!ktls_conn_set_early_data(again.conn[PAIR_CLIENT], early, strlen(early)));
	pair_handshake(&again, rc);
	cr_assert(!rc[0] && !rc[1]);
	return again;
}

Test(unit, tickets_that_are_owed_are_sent_after_the_thaw_and_resume)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_with_tickets(protocols[i]), again;
		uint8_t session[SESSION_MAX];
		size_t len;

		frozen_swap(&pair, PAIR_SERVER);
		frozen_swap(&pair, PAIR_SERVER);
		pair_move(&pair, PAIR_SERVER, 1, 1);
		cr_assert(
			!ktls_conn_get_session(pair.conn[PAIR_CLIENT], session, SESSION_MAX, &len));
		again = open_again(&pair, session, len, NULL);
		cr_assert(flow_info(&again, PAIR_CLIENT).resumed);
		frozen_swap(&again, PAIR_CLIENT);
		frozen_swap(&again, PAIR_SERVER);
		cr_assert(flow_info(&again, PAIR_SERVER).resumed);
		pair_move(&again, PAIR_SERVER, 1000, 100);
		pair_move(&again, PAIR_CLIENT, 1000, 100);
		pair_close(&again);
		pair_free(&again);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, a_client_that_waits_for_tickets_drops_them_after_the_thaw)
{
	struct pair pair = open_with_tickets(KTLS_TLS_1_3);
	size_t len;

	frozen_swap(&pair, PAIR_CLIENT);
	pair_move(&pair, PAIR_SERVER, 1000, 100);
	cr_assert_eq(ktls_conn_get_session(pair.conn[PAIR_CLIENT], NULL, 0, &len), -ENODATA);
	pair_move(&pair, PAIR_CLIENT, 1000, 100);
	pair_close(&pair);
	pair_free(&pair);
}

Test(unit, early_data_must_be_read_before)
{
	struct pair pair = open_with_tickets(KTLS_TLS_1_3), early;
	uint8_t session[SESSION_MAX], got[100];
	size_t len, n;

	pair_move(&pair, PAIR_SERVER, 1, 1);
	cr_assert(!ktls_conn_get_session(pair.conn[PAIR_CLIENT], session, SESSION_MAX, &len));
	early = open_again(&pair, session, len, "early");
	cr_assert_eq(ktls_conn_freeze(early.conn[PAIR_SERVER], bytes, FROZEN_MAX, &n), -EBUSY);
	cr_assert(!ktls_conn_read_early_data(early.conn[PAIR_SERVER], got, 2, &n) && n == 2);
	cr_assert_eq(ktls_conn_freeze(early.conn[PAIR_SERVER], bytes, FROZEN_MAX, &n), -EBUSY);
	cr_assert(!ktls_conn_read_early_data(early.conn[PAIR_SERVER], got, 100, &n) && n == 3);
	frozen_swap(&early, PAIR_SERVER);
	frozen_swap(&early, PAIR_CLIENT);
	cr_assert_eq(flow_info(&early, PAIR_SERVER).early_data, KTLS_EARLY_DATA_ACCEPTED);
	pair_move(&early, PAIR_SERVER, 1000, 100);
	pair_move(&early, PAIR_CLIENT, 1000, 100);
	pair_close(&early);
	pair_free(&early);
	pair_free(&pair);
}
