/* SPDX-License-Identifier: MIT */

/* Sessions that are kept and brought again; see visit.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "pki.h"
#include "visit.h"

static const char *const names[] = { "localhost", "other.example" };

struct ktls_config *visit_config(enum ktls_role role, enum ktls_protocol protocol,
				 enum ktls_offload offload, unsigned int tickets)
{
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, role));
	cr_assert(!ktls_config_set_protocols(config, protocol, protocol));
	cr_assert(!ktls_config_set_tickets(config, tickets));
	cr_assert(!ktls_config_set_offload(config, KTLS_TX, offload, 0));
	cr_assert(!ktls_config_set_offload(config, KTLS_RX, offload, 0));
	if (role == KTLS_SERVER) {
		struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 2);

		cr_assert(!ktls_config_add_identity(config, identity.chain.data, identity.chain.len,
						    identity.key.data, identity.key.len));
		pki_identity_free(&identity);
	} else {
		struct pki_pem authority = pki_authority();

		cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	}
	return config;
}

struct pair visit_connect(struct ktls_config *client, struct ktls_config *server,
			  const struct visit_session *session, const char *early)
{
	struct pair pair =
		pair_join(ktls_config_ref(client), ktls_config_ref(server), "localhost", 0);
	struct ktls_conn *conn = pair.conn[PAIR_CLIENT];
	int rc[2];

	if (session)
		cr_assert(!ktls_conn_set_session(conn, session->data, session->len));
	if (early)
		cr_assert(!ktls_conn_set_early_data(conn, early, strlen(early)));
	pair_handshake(&pair, rc);
	for (int end = 0; end < 2; end++)
		cr_assert(!rc[end], "end %d: %s", end, ktls_conn_error(pair.conn[end]));
	return pair;
}

struct ktls_info visit_info(const struct ktls_conn *conn)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	return info;
}

bool visit(struct ktls_config *client, struct ktls_config *server,
	   const struct visit_session *session, struct visit_session *ret_session)
{
	struct pair pair = visit_connect(client, server, session, NULL);
	bool resumed = visit_info(pair.conn[PAIR_CLIENT]).resumed;

	cr_assert_eq(visit_info(pair.conn[PAIR_SERVER]).resumed, resumed);
	pair_move(&pair, PAIR_CLIENT, 10, 10);
	pair_move(&pair, PAIR_SERVER, 10, 10);
	if (ret_session) {
		int r = ktls_conn_get_session(pair.conn[PAIR_CLIENT], ret_session->data,
					      VISIT_SESSION_MAX, &ret_session->len);

		if (r < 0)
			ret_session->len = 0;
		cr_assert(!r || r == -ENODATA);
	}
	pair_close(&pair);
	pair_free(&pair);
	return resumed;
}

static void expect_early(struct ktls_conn *server, const char *expected)
{
	char bytes[VISIT_EARLY_LIMIT + 1];
	size_t got = 0, n;

	do {
		cr_assert(!ktls_conn_read_early_data(server, bytes + got, 7, &n));
		got += n;
	} while (n);
	cr_assert(got == strlen(expected) && !memcmp(bytes, expected, got), "%zu bytes", got);
}

void visit_early(struct ktls_config *client, struct ktls_config *server,
		 const struct visit_session *session, const char *early,
		 enum ktls_early_data outcome)
{
	struct pair pair = visit_connect(client, server, session, early);
	bool accepted = outcome == KTLS_EARLY_DATA_ACCEPTED;

	cr_assert_eq(visit_info(pair.conn[PAIR_CLIENT]).early_data, outcome);
	cr_assert_eq(visit_info(pair.conn[PAIR_SERVER]).early_data,
		     accepted ? KTLS_EARLY_DATA_ACCEPTED : KTLS_EARLY_DATA_NONE);
	expect_early(pair.conn[PAIR_SERVER], accepted ? early : "");
	pair_move(&pair, PAIR_CLIENT, 100000, 5000);
	pair_move(&pair, PAIR_SERVER, 100000, 5000);
	pair_close(&pair);
	pair_free(&pair);
}
