/* SPDX-License-Identifier: MIT */

/* Early data that does not fit into the socket at once: the handshake goes on when there is room,
 * and what was sent is what arrives. */

#include <criterion/criterion.h>
#include <string.h>

#include "visit.h"

enum {
	EARLY_LIMIT = 65536,
	EARLY_LEN = 60000,
	SMALL_BUFFERS = 4096,
};

static char early[EARLY_LEN + 1];

static void expect_early_data(struct ktls_conn *server, size_t len)
{
	static char bytes[EARLY_LEN];
	size_t n = 0;

	cr_assert(!ktls_conn_read_early_data(server, bytes, sizeof(bytes), &n));
	cr_assert(n == len && !memcmp(bytes, early, n), "%zu bytes came", n);
}

static void connect_over_small_buffers(struct ktls_config *client, struct ktls_config *server,
				       const struct visit_session *session,
				       enum ktls_early_data outcome)
{
	struct pair pair = pair_join(ktls_config_ref(client), ktls_config_ref(server), "localhost",
				     SMALL_BUFFERS);
	int rc[2];

	cr_assert(!ktls_conn_set_session(pair.conn[0], session->data, session->len));
	cr_assert(!ktls_conn_set_early_data(pair.conn[0], early, EARLY_LEN));

	pair_handshake(&pair, rc);

	cr_assert(!rc[0] && !rc[1], "client: %s, server: %s", ktls_conn_error(pair.conn[0]),
		  ktls_conn_error(pair.conn[1]));
	cr_assert_eq(visit_info(pair.conn[0]).early_data, outcome);
	expect_early_data(pair.conn[1], outcome == KTLS_EARLY_DATA_ACCEPTED ? EARLY_LEN : 0);
	pair_move(&pair, PAIR_CLIENT, 100000, 5000);
	pair_close(&pair);
	pair_free(&pair);
}

Test(unit, early_data_may_be_more_than_the_socket_takes)
{
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	static struct visit_session session;

	memset(early, 'e', EARLY_LEN);
	cr_assert(!ktls_config_set_early_data(server, EARLY_LIMIT));
	visit(client, server, NULL, &session);

	connect_over_small_buffers(client, server, &session, KTLS_EARLY_DATA_ACCEPTED);
	connect_over_small_buffers(client, server, &session, KTLS_EARLY_DATA_ACCEPTED);

	ktls_config_unref(client);
	ktls_config_unref(server);
}
