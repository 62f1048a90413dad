/* SPDX-License-Identifier: MIT */

/*
 * Sessions that outlive their connection: tickets as a debt of the first write, the session they
 * yield, what resumes and what must not, and early data with its replays.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "conn.h"
#include "handshake.h"
#include "kit.h"
#include "pair.h"
#include "pki.h"
#include "visit.h"

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

Test(unit, a_session_is_resumed_again_and_again)
{
	for (int i = 0; i < 2; i++) {
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct ktls_config *server =
			visit_config(KTLS_SERVER, protocols[i], KTLS_OFFLOAD_NEVER, 2);
		struct visit_session session;

		cr_assert(!visit(client, server, NULL, &session));
		for (int round = 0; round < 5; round++) {
			cr_assert(session.len, "%s: no session", ktls_protocol_name(protocols[i]));
			cr_assert(visit(client, server, &session, &session));
		}
		ktls_config_unref(client);
		ktls_config_unref(server);
	}
}

Test(unit, no_tickets_are_made_or_taken_unless_wanted)
{
	for (int i = 0; i < 4; i++) {
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, protocols[i / 2], KTLS_OFFLOAD_NEVER, i % 2);
		struct ktls_config *server =
			visit_config(KTLS_SERVER, protocols[i / 2], KTLS_OFFLOAD_NEVER, !(i % 2));
		struct visit_session session;

		cr_assert(!visit(client, server, NULL, &session));
		cr_assert(!session.len);
		ktls_config_unref(client);
		ktls_config_unref(server);
	}
}

Test(unit, a_server_that_never_writes_sends_no_ticket_and_one_that_does_sends_them_in_front)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 2);
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 2);
	struct pair pair = visit_connect(client, server, NULL, NULL);
	struct ktls_conn *conn = pair.conn[PAIR_SERVER];
	uint8_t peeked[4096];
	ssize_t got;
	size_t n;

	pair_move(&pair, PAIR_CLIENT, 1000, 100);
	cr_assert(recv(pair.fd[PAIR_CLIENT], peeked, sizeof(peeked), MSG_PEEK | MSG_DONTWAIT) < 0 &&
		  errno == EAGAIN);

	/* One call, one segment: tickets, then the byte. */
	cr_assert(!ktls_conn_write(conn, "!", 1, KTLS_NOW, &n));
	kit_wait(pair.fd[PAIR_CLIENT], POLLIN);
	got = recv(pair.fd[PAIR_CLIENT], peeked, sizeof(peeked), MSG_PEEK | MSG_DONTWAIT);
	cr_assert(got > 5 && (size_t)got > 5 + ((size_t)peeked[3] << 8 | peeked[4]),
		  "more than the record of the tickets is there");
	cr_assert_eq(visit_info(conn).records[KTLS_TX], 2);
	cr_assert_null(conn->resume);
	pair_free(&pair);
	ktls_config_unref(client);
	ktls_config_unref(server);
}

Test(unit, a_client_keeps_the_handshake_only_until_its_tickets_came)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 2);
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 2);
	struct ktls_config *silent = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 0);
	struct pair pair = visit_connect(client, server, NULL, NULL);

	cr_assert_not_null(pair.conn[PAIR_CLIENT]->handshake);
	pair_move(&pair, PAIR_SERVER, 1, 1);
	cr_assert_null(pair.conn[PAIR_CLIENT]->handshake);
	pair_free(&pair);

	pair = visit_connect(client, silent, NULL, NULL);
	pair_move(&pair, PAIR_SERVER, 1 << 19, 1 << 16);
	cr_assert_not_null(pair.conn[PAIR_CLIENT]->handshake);
	pair_move(&pair, PAIR_SERVER, 1 << 20, 1 << 16);
	cr_assert_null(pair.conn[PAIR_CLIENT]->handshake, "a limit has passed");
	pair_free(&pair);
	ktls_config_unref(client);
	ktls_config_unref(server);
	ktls_config_unref(silent);
}

static char *new_ticket_file(void)
{
	char path[] = "/tmp/ktls-tickets-XXXXXX";
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	close(fd);
	unlink(path);
	cr_assert(!ktls_ticket_file_rotate(path));
	return strdup(path);
}

/* A fleet: what one sealed another opens, through rotations, also with a file that is one late. */
Test(unit, servers_that_share_a_file_resume_each_others_sessions_through_a_rotation)
{
	for (int i = 0; i < 2; i++) {
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct ktls_config *servers[2];
		char *path = new_ticket_file();
		struct visit_session session;

		for (int s = 0; s < 2; s++) {
			servers[s] = visit_config(KTLS_SERVER, protocols[i], KTLS_OFFLOAD_NEVER, 1);
			cr_assert(!ktls_config_set_ticket_file(servers[s], path));
		}
		cr_assert(!visit(client, servers[0], NULL, &session));
		cr_assert(visit(client, servers[1], &session, &session));
		cr_assert(visit(client, servers[0], &session, &session));
		cr_assert(!ktls_ticket_file_rotate(path));
		for (int s = 0; s < 2; s++) {
			ktls_config_unref(servers[s]);
			servers[s] = visit_config(KTLS_SERVER, protocols[i], KTLS_OFFLOAD_NEVER, 1);
			cr_assert(!ktls_config_set_ticket_file(servers[s], path));
			cr_assert(visit(client, servers[s], &session, &session), "rotated");
		}
		for (int s = 0; s < 2; s++)
			ktls_config_unref(servers[s]);
		ktls_config_unref(client);
		unlink(path);
		free(path);
	}
}

Test(unit, a_session_that_does_not_fit_is_refused)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *careless =
		visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct visit_session good, unverified, bad;
	struct ktls_conn *conn;
	int fd[2];
	size_t len;

	cr_assert(!ktls_config_set_insecure_no_verify(careless));
	cr_assert(!visit(client, server, NULL, &good));
	cr_assert(!visit(careless, server, NULL, &unverified));
	pair_sockets(fd, 0);
	cr_assert(!ktls_conn_new(&conn, client, fd[0]));
	cr_assert_eq(ktls_conn_set_session(conn, good.data, good.len), -KTLS_E_BAD_SESSION,
		     "no name is set");
	cr_assert(!ktls_conn_set_server_name(conn, "other.example"));
	cr_assert_eq(ktls_conn_set_session(conn, good.data, good.len), -KTLS_E_BAD_SESSION,
		     "another name");
	cr_assert(!ktls_conn_set_server_name(conn, "localhost"));
	cr_assert_eq(ktls_conn_set_session(conn, unverified.data, unverified.len),
		     -KTLS_E_BAD_SESSION, "not verified");
	for (len = 0; len <= 8 + strlen("localhost"); len++)
		cr_assert_eq(ktls_conn_set_session(conn, good.data, len), -KTLS_E_BAD_SESSION);
	for (len = 0; len < 8; len++) {
		bad = good;
		bad.data[len] ^= 0x40;
		cr_assert_eq(ktls_conn_set_session(conn, bad.data, bad.len), -KTLS_E_BAD_SESSION);
	}
	cr_assert_eq(ktls_conn_set_session(conn, NULL, 1), -EINVAL);
	cr_assert_eq(ktls_conn_get_session(conn, bad.data, 1, &len), -ENODATA);
	cr_assert_eq(ktls_conn_set_early_data(conn, "x", 1), -EINVAL, "no session");
	cr_assert(!ktls_conn_set_session(conn, good.data, good.len));
	/* GnuTLS's part is looked at when the handshake begins. */
	cr_assert(!ktls_conn_set_session(conn, good.data, 40));
	cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), -KTLS_E_BAD_SESSION);
	ktls_conn_free(conn);
	/* One that was verified serves the careless, too. */
	cr_assert(visit(careless, server, &good, NULL));
	close(fd[0]);
	close(fd[1]);
	ktls_config_unref(client);
	ktls_config_unref(careless);
	ktls_config_unref(server);
}

Test(unit, the_room_for_a_session_is_told)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct pair pair = visit_connect(client, server, NULL, NULL);
	struct visit_session session;

	cr_assert_eq(ktls_conn_get_session(pair.conn[PAIR_CLIENT], NULL, 0, &session.len),
		     -ENODATA);
	pair_move(&pair, PAIR_SERVER, 1, 1);
	cr_assert_eq(ktls_conn_get_session(pair.conn[PAIR_CLIENT], NULL, 0, &session.len), -ENOSPC);
	cr_assert(session.len && !ktls_conn_get_session(pair.conn[PAIR_CLIENT], session.data,
							session.len, &session.len));
	pair_free(&pair);
	ktls_config_unref(client);
	ktls_config_unref(server);
}

Test(unit, a_session_older_than_its_life_is_not_resumed)
{
	for (int i = 0; i < 2; i++) {
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct ktls_config *server =
			visit_config(KTLS_SERVER, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct visit_session session;

		cr_assert(!ktls_config_set_ticket_lifetime(server, 1));
		cr_assert(!visit(client, server, NULL, &session));
		usleep(2200000);
		cr_assert(!visit(client, server, &session, NULL), "%s",
			  ktls_protocol_name(protocols[i]));
		ktls_config_unref(client);
		ktls_config_unref(server);
	}
}

/* A server that asks for less must not be the way around one that asks for more. */
Test(unit, a_session_without_a_certificate_does_not_open_a_server_that_requires_one)
{
	for (int i = 0; i < 2; i++) {
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct ktls_config *open =
			visit_config(KTLS_SERVER, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct ktls_config *strict =
			visit_config(KTLS_SERVER, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct pki_pem authority = pki_authority();
		char *path = new_ticket_file();
		struct visit_session session;
		struct pair pair;
		int rc[2];

		cr_assert(!ktls_config_set_ticket_file(open, path));
		cr_assert(!ktls_config_set_ticket_file(strict, path));
		cr_assert(!ktls_config_add_trust(strict, authority.data, authority.len));
		cr_assert(!ktls_config_set_client_auth(strict, KTLS_CLIENT_AUTH_REQUIRE));
		cr_assert(!visit(client, open, NULL, &session));
		cr_assert(visit(client, open, &session, NULL));
		pair = pair_join(client, strict, "localhost", 0);
		cr_assert(
			!ktls_conn_set_session(pair.conn[PAIR_CLIENT], session.data, session.len));
		pair_handshake(&pair, rc);
		cr_assert_eq(rc[PAIR_SERVER], -KTLS_E_PEER_CERTIFICATE, "%s",
			     ktls_strerrorname(rc[PAIR_SERVER]));
		pair_free(&pair);
		ktls_config_unref(open);
		unlink(path);
		free(path);
	}
}

/* Early data */

static struct ktls_config *new_early_server(void)
{
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);

	cr_assert(!ktls_config_set_early_data(server, VISIT_EARLY_LIMIT));
	return server;
}

Test(unit, early_data_arrives_apart)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = new_early_server();
	struct visit_session session;
	char full[VISIT_EARLY_LIMIT + 1];

	memset(full, 'f', VISIT_EARLY_LIMIT);
	full[VISIT_EARLY_LIMIT] = '\0';
	cr_assert(!visit(client, server, NULL, &session));
	visit_early(client, server, &session, "GET / early", KTLS_EARLY_DATA_ACCEPTED);
	cr_assert(visit(client, server, &session, &session));
	visit_early(client, server, &session, full, KTLS_EARLY_DATA_ACCEPTED);
	ktls_config_unref(client);
	ktls_config_unref(server);
}

Test(unit, early_data_beyond_the_limit_or_unwanted_is_reported_lost)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = new_early_server();
	struct ktls_config *plain = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct visit_session session;
	char more[VISIT_EARLY_LIMIT + 2];

	memset(more, 'm', VISIT_EARLY_LIMIT + 1);
	more[VISIT_EARLY_LIMIT + 1] = '\0';
	cr_assert(!visit(client, server, NULL, &session));
	visit_early(client, server, &session, more, KTLS_EARLY_DATA_REJECTED);
	visit_early(client, plain, &session, "unwanted", KTLS_EARLY_DATA_REJECTED);
	cr_assert(!visit(client, plain, NULL, &session));
	visit_early(client, plain, &session, "never allowed", KTLS_EARLY_DATA_REJECTED);
	ktls_config_unref(client);
	ktls_config_unref(server);
	ktls_config_unref(plain);
}

/* What the client's first flight was, to be sent again by somebody who saw it pass. */
static size_t first_flight(struct ktls_config *client, const struct visit_session *session,
			   uint8_t *ret_flight, size_t size)
{
	struct ktls_conn *conn;
	ssize_t n;
	int fd[2];

	pair_sockets(fd, 0);
	cr_assert(!ktls_conn_new(&conn, client, fd[0]));
	cr_assert(!ktls_conn_set_server_name(conn, "localhost"));
	cr_assert(!ktls_conn_set_session(conn, session->data, session->len));
	cr_assert(!ktls_conn_set_early_data(conn, "pay me", 6));
	cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), KTLS_WANT_READ);
	usleep(20000);
	n = recv(fd[1], ret_flight, size, MSG_DONTWAIT);
	cr_assert(n > 0 && (size_t)n < size);
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
	return (size_t)n;
}

/* Whether the server takes the early data of the flight. Its sender has no keys to go on with. */
static bool server_accepts(struct ktls_config *server, const uint8_t *flight, size_t len)
{
	struct ktls_conn *conn;
	bool accepted;
	int fd[2];

	pair_sockets(fd, 0);
	cr_assert(!ktls_conn_new(&conn, server, fd[1]));
	cr_assert(send(fd[0], flight, len, 0) == (ssize_t)len);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), KTLS_WANT_READ);
		usleep(5000);
	}
	accepted = gnutls_session_get_flags(conn->handshake->session) & GNUTLS_SFLAGS_EARLY_DATA;
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
	return accepted;
}

struct store {
	unsigned int calls;
	int answer;
};

static int store_add(void *context, const void *key, size_t len, uint64_t expires_s)
{
	struct store *store = context;

	cr_assert(key && len >= 32 && expires_s > (uint64_t)time(NULL));
	store->calls++;
	return store->answer;
}

Test(unit, a_replayed_flight_is_refused)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = new_early_server();
	struct visit_session session;
	uint8_t flight[8192];
	size_t len;

	cr_assert(!visit(client, server, NULL, &session));
	len = first_flight(client, &session, flight, sizeof(flight));
	cr_assert(server_accepts(server, flight, len));
	cr_assert(!server_accepts(server, flight, len), "a replay");
	cr_assert(!server_accepts(server, flight, len), "another");
	visit_early(client, server, &session, "another hello", KTLS_EARLY_DATA_ACCEPTED);
	ktls_config_unref(client);
	ktls_config_unref(server);
}

Test(unit, a_store_of_the_callers_decides)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = new_early_server();
	struct store store = { .answer = 0 };
	struct visit_session session;

	cr_assert(!ktls_config_set_replay_store(server, store_add, &store));
	cr_assert(!visit(client, server, NULL, &session));
	visit_early(client, server, &session, "first", KTLS_EARLY_DATA_ACCEPTED);
	store.answer = -EEXIST;
	visit_early(client, server, &session, "second", KTLS_EARLY_DATA_REJECTED);
	cr_assert_eq(store.calls, 2);
	ktls_config_unref(client);
	ktls_config_unref(server);
}

Test(unit, what_is_out_of_range_is_refused_in_words)
{
	struct ktls_config *client, *server;

	cr_assert(!ktls_config_new(&client, KTLS_CLIENT));
	cr_assert(!ktls_config_new(&server, KTLS_SERVER));
	cr_assert_eq(ktls_config_set_tickets(client, 9), -EINVAL);
	cr_assert_eq(ktls_config_set_ticket_lifetime(server, 0), -EINVAL);
	cr_assert_eq(ktls_config_set_ticket_lifetime(server, 604801), -EINVAL);
	cr_assert_eq(ktls_config_set_early_data(server, 65537), -EINVAL);
	cr_assert_neq(*ktls_config_error(server), '\0');
	cr_assert_eq(ktls_config_set_ticket_lifetime(client, 1), -EINVAL);
	cr_assert_eq(ktls_config_set_early_data(client, 1), -EINVAL);
	cr_assert_eq(ktls_config_set_ticket_file(client, "/dev/null"), -EINVAL);
	cr_assert_eq(ktls_config_set_replay_store(client, store_add, NULL), -EINVAL);
	cr_assert_eq(ktls_config_set_ticket_file(server, NULL), -EINVAL);
	cr_assert_eq(ktls_config_set_ticket_file(server, "/nonexistent/file"), -ENOENT);
	cr_assert_neq(*ktls_config_error(server), '\0');
	ktls_config_unref(client);
	ktls_config_unref(server);
}
