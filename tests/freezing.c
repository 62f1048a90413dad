/* SPDX-License-Identifier: MIT */

/* What must come of freezing; see freezing.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "flow.h"
#include "freezing.h"
#include "frozen.h"
#include "kit.h"
#include "outside.h"
#include "rekeying.h"

enum {
	SMALL = 4096,
	FLOW_LEN = 300000,
	CALL_MS = 20000,
	READ_MS = 50, /* what has come is read much sooner */
	KEY_UPDATE = 24,
	NEW_SESSION_TICKET = 4,
	ALMOST_A_LOOK = 63, /* one message before a read looks at its deadline */
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

static enum pair_end other(enum pair_end end)
{
	return end == PAIR_CLIENT ? PAIR_SERVER : PAIR_CLIENT;
}

/* In the flow */

static void swap_now_and_then(struct flow *flow)
{
	for (int end = 0; end < 2; end++)
		if (rand() % 4 == 0)
			frozen_swap(flow->pair, (enum pair_end)end);
}

static void flow_through(struct pair *pair, enum pair_end from, enum flow_call call)
{
	struct flow flow = { .pair = pair,
			     .from = from,
			     .call = call,
			     .len = FLOW_LEN,
			     .chunk = 30000,
			     .step = swap_now_and_then };

	flow_run_whole(&flow);
}

void freezing_in_the_flow(enum ktls_offload tx, enum ktls_offload rx)
{
	srand(1);
	for (int i = 0; i < 8; i++) {
		enum pair_end end = (enum pair_end)(i / 2 % 2);
		struct pair pair = frozen_pair(protocols[i % 2], end, tx, rx, i / 4 ? SMALL : 0);

		for (int call = 0; call < FLOW_CALLS_N; call++) {
			flow_through(&pair, end, (enum flow_call)call);
			flow_through(&pair, other(end), (enum flow_call)call);
		}
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* Debts and halves */

static void read_all(struct pair *pair, enum pair_end end)
{
	uint8_t bytes[100];
	size_t n;

	kit_wait(pair->fd[end], POLLIN);
	cr_assert_eq(ktls_conn_read(pair->conn[end], bytes, sizeof(bytes),
				    ktls_deadline_in(READ_MS), &n),
		     KTLS_TIMEDOUT, "%s", ktls_conn_error(pair->conn[end]));
}

static void move_both_ways(struct pair *pair)
{
	pair_move(pair, PAIR_CLIENT, 20000, 3000);
	pair_move(pair, PAIR_SERVER, 20000, 3000);
}

static void owed_update(enum pair_end end, enum ktls_offload tx, enum ktls_offload rx)
{
	struct pair pair = frozen_pair(KTLS_TLS_1_3, end, tx, rx, 0);

	cr_assert(!ktls_conn_update_key(pair.conn[other(end)], KTLS_KEY_UPDATE_BOTH,
					ktls_deadline_in(CALL_MS)));
	read_all(&pair, end);
	cr_assert_eq(flow_info(&pair, end).key_updates[KTLS_RX], 1);
	frozen_swap(&pair, end);
	cr_assert_eq(flow_info(&pair, end).key_updates[KTLS_TX], 0);
	move_both_ways(&pair);
	cr_assert_eq(flow_info(&pair, end).key_updates[KTLS_TX], 1);
	cr_assert_eq(flow_info(&pair, other(end)).key_updates[KTLS_RX], 1);
	frozen_swap(&pair, end);
	move_both_ways(&pair);
	pair_close(&pair);
	pair_free(&pair);
}

/* The peer's KeyUpdate in five records, and a freeze after each. The kernel's tls (7.2) takes the
 * first byte for the whole message, and wants the new key before it gives out the next. */
static void half_an_update(enum pair_end end, enum ktls_offload tx, enum ktls_offload rx)
{
	static const uint8_t message[] = { KEY_UPDATE, 0, 0, 1, 0 };
	struct pair pair = frozen_pair(KTLS_TLS_1_3, end, tx, rx, 0);
	struct ktls_conn *peer = pair.conn[other(end)];

	move_both_ways(&pair);
	for (size_t i = 0; i < sizeof(message); i++) {
		cr_assert(!ktls_post_send(peer, KERN_RECORD_HANDSHAKE, message + i, 1));
		read_all(&pair, end);
		frozen_swap(&pair, end);
	}
	peer->rekey.announced = true;
	cr_assert(!ktls_rekey_send(peer));
	move_both_ways(&pair);
	cr_assert_eq(flow_info(&pair, end).key_updates[KTLS_RX], 1);
	pair_close(&pair);
	pair_free(&pair);
}

static void half_a_ticket(enum ktls_offload tx, enum ktls_offload rx)
{
	static const uint8_t begin[] = { NEW_SESSION_TICKET, 0, 0, 100, 1, 2, 3 };
	static const uint8_t rest[97];
	struct pair pair = frozen_pair(KTLS_TLS_1_3, PAIR_CLIENT, tx, rx, 0);
	struct ktls_conn *peer = pair.conn[PAIR_SERVER];

	move_both_ways(&pair);
	cr_assert(!ktls_post_send(peer, KERN_RECORD_HANDSHAKE, begin, sizeof(begin)));
	read_all(&pair, PAIR_CLIENT);
	frozen_swap(&pair, PAIR_CLIENT);
	cr_assert(!ktls_post_send(peer, KERN_RECORD_HANDSHAKE, rest, sizeof(rest)));
	move_both_ways(&pair);
	pair_close(&pair);
	pair_free(&pair);
}

/* Read by a buffer of one byte, by a call whose time is over in the middle. */
static void half_an_alert(enum ktls_protocol protocol, enum pair_end end, enum ktls_offload tx,
			  enum ktls_offload rx)
{
	struct pair pair = frozen_pair(protocol, end, tx, rx, 0);
	uint8_t byte;
	size_t n;

	move_both_ways(&pair);
	cr_assert(!ktls_conn_shutdown(pair.conn[other(end)], ktls_deadline_in(CALL_MS)));
	kit_wait(pair.fd[end], POLLIN);
	pair.conn[end]->post.messages = ALMOST_A_LOOK;
	outside_begin(pair.conn[end]);
	cr_assert_eq(ktls_conn_read(pair.conn[end], &byte, 1, 1, &n), KTLS_TIMEDOUT);
	outside_end();
	cr_assert_eq(pair.conn[end]->post.alert_len, 1);
	frozen_swap(&pair, end);
	cr_assert_eq(ktls_conn_read(pair.conn[end], &byte, 1, ktls_deadline_in(CALL_MS), &n),
		     KTLS_EOF);
	pair_move(&pair, end, 1000, 100);
	pair_close(&pair);
	pair_free(&pair);
}

void freezing_what_is_owed(enum ktls_offload tx, enum ktls_offload rx)
{
	bool rx_changes = rekeying_is_possible(KTLS_RX, rx);

	half_a_ticket(tx, rx);
	for (int i = 0; i < 4; i++) {
		enum pair_end end = (enum pair_end)(i % 2);

		half_an_alert(protocols[i / 2], end, tx, rx);
		if (i < 2 && rx == KTLS_OFFLOAD_NEVER)
			half_an_update(end, tx, rx);
		if (i < 2 && rx_changes && rekeying_is_possible(KTLS_TX, tx))
			owed_update(end, tx, rx);
	}
}

/* The ends */

static int read_end(struct pair *pair, enum pair_end end)
{
	uint8_t byte;
	size_t n;

	return ktls_conn_read(pair->conn[end], &byte, 1, ktls_deadline_in(CALL_MS), &n);
}

static void shut(struct pair *pair, enum pair_end end)
{
	int r = ktls_conn_shutdown(pair->conn[end], ktls_deadline_in(CALL_MS));

	cr_assert(!r, "%s: %s", ktls_strerrorname(r), ktls_conn_error(pair->conn[end]));
}

static void expect_closed(struct pair *pair, enum pair_end end)
{
	size_t n;

	cr_assert_eq(flow_info(pair, end).state, KTLS_STATE_CLOSED);
	cr_assert_eq(ktls_conn_write(pair->conn[end], "x", 1, KTLS_NOW, &n), -EPIPE);
	cr_assert_eq(read_end(pair, end), KTLS_EOF);
	cr_assert(!ktls_conn_shutdown(pair->conn[end], KTLS_NOW));
}

static void ours_first(struct pair *pair, enum pair_end end)
{
	shut(pair, end);
	frozen_swap(pair, end);
	cr_assert_eq(read_end(pair, other(end)), KTLS_EOF);
	pair_move(pair, other(end), 50000, 7000);
	frozen_swap(pair, end);
	pair_move(pair, other(end), 50000, 7000);
	shut(pair, other(end));
	cr_assert_eq(read_end(pair, end), KTLS_EOF);
	frozen_swap(pair, end);
	expect_closed(pair, end);
}

static void theirs_first(struct pair *pair, enum pair_end end)
{
	shut(pair, other(end));
	cr_assert_eq(read_end(pair, end), KTLS_EOF);
	frozen_swap(pair, end);
	cr_assert_eq(read_end(pair, end), KTLS_EOF);
	pair_move(pair, end, 50000, 7000);
	frozen_swap(pair, end);
	pair_move(pair, end, 50000, 7000);
	shut(pair, end);
	cr_assert_eq(read_end(pair, other(end)), KTLS_EOF);
	frozen_swap(pair, end);
	expect_closed(pair, end);
}

static void without_a_notify(struct pair *pair, enum pair_end end)
{
	shutdown(pair->fd[other(end)], SHUT_WR);
	cr_assert_eq(read_end(pair, end), KTLS_CLOSED);
	frozen_swap(pair, end);
	cr_assert_eq(read_end(pair, end), KTLS_CLOSED);
	pair_move(pair, end, 50000, 7000);
	shut(pair, end);
	cr_assert_eq(read_end(pair, other(end)), KTLS_EOF);
	frozen_swap(pair, end);
	cr_assert_eq(flow_info(pair, end).state, KTLS_STATE_CLOSED);
}

/* Nothing that was accepted is lost, whoever finishes it. */
static void in_the_middle_of_ours(struct pair *pair, enum pair_end end)
{
	static uint8_t bytes[1 << 20];
	size_t sent, seen = 0, n;
	int r = 0, shutting = KTLS_WANT_WRITE;

	cr_assert_eq(ktls_conn_write(pair->conn[end], bytes, sizeof(bytes), KTLS_NOW, &sent),
		     KTLS_WANT_WRITE);
	while (r >= 0 && r != KTLS_EOF) {
		if (shutting)
			shutting = ktls_conn_shutdown(pair->conn[end], KTLS_NOW);
		cr_assert(!shutting || shutting == KTLS_WANT_WRITE, "%s",
			  ktls_conn_error(pair->conn[end]));
		frozen_swap(pair, end);
		if (shutting)
			shutting = ktls_conn_shutdown(pair->conn[end], KTLS_NOW);
		r = ktls_conn_read(pair->conn[other(end)], bytes, sizeof(bytes),
				   ktls_deadline_in(1), &n);
		seen += n;
	}
	cr_assert(r == KTLS_EOF && seen == sent, "%zu of %zu bytes came", seen, sent);
	cr_assert(!shutting);
}

void freezing_at_the_ends(enum ktls_offload tx, enum ktls_offload rx)
{
	static void (*const endings[])(struct pair *, enum pair_end) = { ours_first, theirs_first,
									 without_a_notify,
									 in_the_middle_of_ours };
	enum {
		N = sizeof(endings) / sizeof(*endings)
	};

	for (int i = 0; i < 4 * N; i++) {
		enum pair_end end = (enum pair_end)(i % 2);
		struct pair pair = frozen_pair(protocols[i / 2 % 2], end, tx, rx, SMALL);

		endings[i / 4](&pair, end);
		pair_free(&pair);
	}
}

/* Garbage */

/* Whatever it answers: it answers. */
static void use(struct ktls_conn *conn, int peer_fd, const uint8_t *records, size_t len)
{
	static uint8_t bytes[FROZEN_MAX];
	struct ktls_info info;
	size_t n;
	int r;

	cr_assert_eq(send(peer_fd, records, len, MSG_DONTWAIT), (ssize_t)len);
	r = ktls_conn_write(conn, "written", 7, KTLS_NOW, &n);
	for (int i = 0; i < 10 && r >= 0; i++)
		r = ktls_conn_read(conn, bytes, 5, KTLS_NOW, &n);
	ktls_conn_update_key(conn, KTLS_KEY_UPDATE_BOTH, KTLS_NOW);
	ktls_conn_get_info(conn, &info, sizeof(info));
	cr_assert_not_null(ktls_conn_error(conn));
	ktls_conn_shutdown(conn, KTLS_NOW);
	ktls_conn_freeze(conn, bytes, sizeof(bytes), &n);
}

/* On a socket of its own: to a connection in userspace one is as good as another. */
static bool try_bytes(struct ktls_config *config, const uint8_t *bytes, size_t len,
		      const uint8_t *records, size_t records_len)
{
	struct ktls_conn *conn = NULL;
	int fd[2], r;

	pair_sockets(fd, 0);
	r = ktls_conn_thaw(&conn, config, fd[0], bytes, len);
	cr_assert(!r || r == -KTLS_E_BAD_FROZEN, "%s", ktls_strerrorname(r));
	if (!r)
		use(conn, fd[1], records, records_len);
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
	return !r;
}

void freezing_garbage(enum pair_end end)
{
	static const uint8_t changes[] = { 0x01, 0x80, 0xff };
	static uint8_t bytes[FROZEN_MAX], records[4096];
	struct pair pair =
		frozen_pair(KTLS_TLS_1_3, end, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER, 0);
	size_t len, n, thawed = 0;
	ssize_t records_len;

	cr_assert(!ktls_conn_write(pair.conn[other(end)], "read half", 9, KTLS_NOW, &n));
	cr_assert(!ktls_conn_read(pair.conn[end], bytes, 4, ktls_deadline_in(CALL_MS), &n));
	cr_assert(!ktls_conn_write(pair.conn[other(end)], "coming", 6, KTLS_NOW, &n));
	cr_assert(!ktls_conn_update_key(pair.conn[other(end)], KTLS_KEY_UPDATE_BOTH, KTLS_NOW));
	usleep(20000);
	records_len = recv(pair.fd[end], records, sizeof(records), MSG_DONTWAIT);
	cr_assert_gt(records_len, 0);
	len = frozen_take(&pair, end, bytes);
	cr_assert(try_bytes(pair.config[end], bytes, len, records, (size_t)records_len));
	for (size_t at = 0; at < len; at++) {
		for (size_t i = 0; i < sizeof(changes); i++) {
			bytes[at] ^= changes[i];
			thawed += try_bytes(pair.config[end], bytes, len, records,
					    (size_t)records_len);
			bytes[at] ^= changes[i];
		}
	}
	cr_assert_lt(thawed, 3 * len);
	pair_free(&pair);
}
