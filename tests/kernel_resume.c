/* SPDX-License-Identifier: MIT */

/*
 * Sessions over the kernel's records: tickets leave through TX as a record of their own in front of
 * the first byte, arrive through RX where the reader never sees them, and early data, which was
 * before the keys, arrives apart.
 */

#include <criterion/criterion.h>

#include "conn.h"
#include "kit.h"
#include "visit.h"

enum {
	ROUNDS = 3,
};

TestSuite(kernel, .init = kit_require_tls);

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

/* At once where it is said, even if a KeyUpdate would be the end of it. */
static enum ktls_offload offload_of(bool kernel)
{
	return kernel ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER;
}

Test(kernel, tickets_pass_through_the_kernel_and_resume)
{
	for (int i = 0; i < 8; i++) {
		enum ktls_protocol protocol = protocols[i % 2];
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, protocol, offload_of(i & 2), 1);
		struct ktls_config *server =
			visit_config(KTLS_SERVER, protocol, offload_of(i & 4), 2);
		struct visit_session session;

		cr_assert(!visit(client, server, NULL, &session));
		for (int round = 0; round < ROUNDS; round++) {
			cr_assert(session.len, "row %d: no session", i);
			cr_assert(visit(client, server, &session, &session), "row %d", i);
		}
		ktls_config_unref(client);
		ktls_config_unref(server);
	}
}

Test(kernel, tickets_are_the_first_record_of_a_server_that_writes_and_none_of_one_that_does_not)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, offload_of(true), 1);
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, offload_of(true), 2);
	struct pair pair = visit_connect(client, server, NULL, NULL);
	struct ktls_conn *conn = pair.conn[PAIR_SERVER];
	size_t n;

	pair_move(&pair, PAIR_CLIENT, 100000, 10000);
	cr_assert_eq(visit_info(conn).records[KTLS_TX], 0);
	cr_assert(!ktls_conn_write(conn, "!", 1, KTLS_NOW, &n));
	cr_assert_eq(visit_info(conn).records[KTLS_TX], 2);
	cr_assert_null(conn->resume);
	pair_free(&pair);
	ktls_config_unref(client);
	ktls_config_unref(server);
}

Test(kernel, early_data_comes_apart_from_what_the_kernel_opens)
{
	for (int i = 0; i < 4; i++) {
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, KTLS_TLS_1_3, offload_of(i & 1), 1);
		struct ktls_config *server =
			visit_config(KTLS_SERVER, KTLS_TLS_1_3, offload_of(i & 2), 1);
		struct visit_session session;

		cr_assert(!ktls_config_set_early_data(server, VISIT_EARLY_LIMIT));
		cr_assert(!visit(client, server, NULL, &session));
		visit_early(client, server, &session, "GET / early", KTLS_EARLY_DATA_ACCEPTED);
		visit_early(client, server, &session, "GET / again", KTLS_EARLY_DATA_ACCEPTED);
		ktls_config_unref(client);
		ktls_config_unref(server);
	}
}
