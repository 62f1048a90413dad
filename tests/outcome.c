/* SPDX-License-Identifier: MIT */

/* See outcome.h. */

#include <criterion/criterion.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <string.h>

#include "outcome.h"

enum {
	PATIENCE_MS = 5000,
	ROUNDS = 40, /* of a millisecond each */
};

void outcome_stays_failed(struct ktls_conn *conn, int error)
{
	struct ktls_info info;
	uint64_t n64;
	char byte = 0;
	size_t n;

	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	cr_assert(info.state == KTLS_STATE_FAILED, "%s", ktls_state_name(info.state));
	cr_assert(*ktls_conn_error(conn), "it failed without a word");
	cr_assert(ktls_conn_handshake(conn, KTLS_NOW) == error);
	cr_assert(ktls_conn_read(conn, &byte, 1, KTLS_NOW, &n) == error && !n);
	cr_assert(ktls_conn_write(conn, &byte, 1, KTLS_NOW, &n) == error && !n);
	cr_assert(ktls_conn_sendfile(conn, 0, 0, 0, KTLS_NOW, &n64) == error && !n64);
	cr_assert(ktls_conn_shutdown(conn, KTLS_NOW) == error);
}

/* A client of TLS 1.3 is done before the server has judged it, and hears of that when it reads. */
static int last_answer(struct ktls_conn *conn, int rc)
{
	char byte;
	size_t n;

	return rc ? rc : ktls_conn_read(conn, &byte, 1, ktls_deadline_in(PATIENCE_MS), &n);
}

void outcome_failure(struct pair *pair, enum pair_end finder, int error, const char *alert,
		     const char *what)
{
	struct ktls_conn *other = pair->conn[!finder];
	int rc[2];

	pair_handshake(pair, rc);
	cr_assert(rc[finder] == error, "%s: %s, not %s: %s", what, ktls_strerrorname(rc[finder]),
		  ktls_strerrorname(error), ktls_conn_error(pair->conn[finder]));
	outcome_stays_failed(pair->conn[finder], error);
	rc[!finder] = last_answer(other, rc[!finder]);
	cr_assert(rc[!finder] == -KTLS_E_ALERT, "%s: the other end: %s: %s", what,
		  ktls_strerrorname(rc[!finder]), ktls_conn_error(other));
	cr_assert(strstr(ktls_conn_error(other), alert), "%s: \"%s\" lacks %s", what,
		  ktls_conn_error(other), alert);
	outcome_stays_failed(other, -KTLS_E_ALERT);
}

void outcome_success(struct pair *pair, const char *what)
{
	int rc[2];

	pair_handshake(pair, rc);
	for (int end = 0; end < 2; end++)
		cr_assert(!rc[end], "%s: end %d: %s", what, end, ktls_conn_error(pair->conn[end]));
	pair_move(pair, PAIR_CLIENT, 1000, 100);
	pair_move(pair, PAIR_SERVER, 1000, 100);
	pair_close(pair);
}

int outcome_with_gnutls(struct ktls_conn *client, int fd,
			struct gnutls_certificate_credentials_st *credentials)
{
	gnutls_session_t session;
	int rc = KTLS_WANT_READ;

	cr_assert(!gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK));
	cr_assert(!gnutls_set_default_priority(session));
	cr_assert(!gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
	gnutls_transport_set_int(session, fd);
	for (int round = 0; round < ROUNDS && rc == KTLS_WANT_READ; round++) {
		rc = ktls_conn_handshake(client, KTLS_NOW);
		gnutls_handshake(session);
		poll(NULL, 0, 1);
	}
	gnutls_deinit(session);
	return rc;
}
