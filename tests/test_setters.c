/* SPDX-License-Identifier: MIT */

/*
 * Every call that sets something, in two tables (tests/lint/symbols.py holds them to be complete):
 * none takes NULL, none changes a config that has connections, and none a connection whose
 * handshake has begun.
 */

#include <assert.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <ktls/ktls.h>

#include "pair.h"
#include "visit.h"

struct result {
	const char *name;
	int r;
};

enum {
	RESULTS_MAX = 64,
};

static int verify(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n)
{
	(void)context;
	(void)conn;
	(void)chain;
	(void)n;
	return 0;
}

#define RESULT(function, ...)                     \
	{                                         \
#function, function(__VA_ARGS__), \
	}

/* What each says to it, with arguments that make sense. */
static size_t set_config(struct ktls_config *config, struct ktls_config *tenant,
			 struct result ret_results[RESULTS_MAX])
{
	static const char *const names[] = { "localhost" };
	static const enum ktls_cipher cipher = KTLS_AES_128_GCM;
	static const enum ktls_group group = KTLS_GROUP_X25519;
	static const uint8_t pin[32];
	const struct result results[] = {
		RESULT(ktls_config_add_exporter, config, "EXPORTER-x", 32),
		RESULT(ktls_config_add_identity, config, "x", 1, "x", 1),
		RESULT(ktls_config_add_identity_file, config, "/", "/"),
		RESULT(ktls_config_add_identity_self_signed, config, names, 1),
		RESULT(ktls_config_add_pinned_key, config, pin),
		RESULT(ktls_config_add_revocations, config, "x", 1),
		RESULT(ktls_config_add_revocations_file, config, "/"),
		RESULT(ktls_config_add_staple, config, "x", 1),
		RESULT(ktls_config_add_staple_file, config, "/"),
		RESULT(ktls_config_add_tenant, config, "a.example", tenant),
		RESULT(ktls_config_add_trust, config, "x", 1),
		RESULT(ktls_config_add_trust_file, config, "/"),
		RESULT(ktls_config_require_fips, config),
		RESULT(ktls_config_set_alpn, config, names, 1),
		RESULT(ktls_config_set_buffers, config, 1),
		RESULT(ktls_config_set_ciphers, config, &cipher, 1),
		RESULT(ktls_config_set_client_auth, config, KTLS_CLIENT_AUTH_NONE),
		RESULT(ktls_config_set_early_data, config, 1),
		RESULT(ktls_config_set_external_verdict, config),
		RESULT(ktls_config_set_first_records, config, 1400, 65536, 1000),
		RESULT(ktls_config_set_groups, config, &group, 1),
		RESULT(ktls_config_set_insecure_no_verify, config),
		RESULT(ktls_config_set_insecure_plaintext, config),
		RESULT(ktls_config_set_keep_chain, config),
		RESULT(ktls_config_set_key_records, config, 1),
		RESULT(ktls_config_set_offload, config, KTLS_TX, KTLS_OFFLOAD_AUTO, 0),
		RESULT(ktls_config_set_padding, config, 1),
		RESULT(ktls_config_set_protocols, config, KTLS_TLS_1_2, KTLS_TLS_1_3),
		RESULT(ktls_config_set_replay_store, config, NULL, NULL),
		RESULT(ktls_config_set_require_staple, config),
		RESULT(ktls_config_set_ticket_file, config, "/"),
		RESULT(ktls_config_set_ticket_lifetime, config, 1),
		RESULT(ktls_config_set_tickets, config, 1),
		RESULT(ktls_config_set_verifier, config, verify, NULL),
	};

	static_assert(sizeof(results) <= RESULTS_MAX * sizeof(results[0]), "room");
	memcpy(ret_results, results, sizeof(results));
	return sizeof(results) / sizeof(results[0]);
}

static void expect(const struct result *results, size_t n, int code)
{
	for (size_t i = 0; i < n; i++)
		cr_assert(results[i].r == code, "%s: %s, not %s", results[i].name,
			  ktls_strerrorname(results[i].r), ktls_strerrorname(code));
}

static struct ktls_config *new_server(void)
{
	static const char *const names[] = { "localhost" };
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, KTLS_SERVER));
	cr_assert(!ktls_config_add_identity_self_signed(config, names, 1));
	return config;
}

Test(unit, no_setter_of_configs_takes_null)
{
	struct ktls_config *tenant = new_server();
	struct result results[RESULTS_MAX];

	expect(results, set_config(NULL, tenant, results), -EINVAL);
	ktls_config_unref(tenant);
}

Test(unit, no_setter_changes_a_config_that_has_connections)
{
	struct ktls_config *tenant = new_server();
	struct pair_options options = PAIR_OPTIONS_USER;
	struct result results[RESULTS_MAX];
	struct pair pair = pair_new(&options);

	for (int end = 0; end < 2; end++) {
		expect(results, set_config(pair.config[end], tenant, results), -EBUSY);
		cr_assert(strstr(ktls_config_error(pair.config[end]), "it has connections already"),
			  "%s", ktls_config_error(pair.config[end]));
	}
	pair_free(&pair);
	ktls_config_unref(tenant);
}

static size_t set_conn(struct ktls_conn *conn, const struct visit_session *session,
		       struct result ret_results[RESULTS_MAX])
{
	const struct result results[] = {
		RESULT(ktls_conn_set_server_name, conn, "localhost"),
		RESULT(ktls_conn_set_session, conn, session->data, session->len),
		RESULT(ktls_conn_set_early_data, conn, "x", 1),
	};

	memcpy(ret_results, results, sizeof(results));
	return sizeof(results) / sizeof(results[0]);
}

/* The verdict is the one that is for later: ktls_conn_set_verdict() has tests of its own. */
Test(unit, no_setter_changes_a_connection_whose_handshake_has_begun)
{
	static struct visit_session session;
	struct ktls_config *client = visit_config(KTLS_CLIENT, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct ktls_config *server = visit_config(KTLS_SERVER, KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, 1);
	struct result results[RESULTS_MAX];
	struct pair pair;

	expect(results, set_conn(NULL, &session, results), -EINVAL);
	visit(client, server, NULL, &session);
	pair = pair_join(client, server, "localhost", 0);
	expect(results, set_conn(pair.conn[PAIR_CLIENT], &session, results), 0);
	cr_assert_eq(ktls_conn_handshake(pair.conn[PAIR_CLIENT], KTLS_NOW), KTLS_WANT_READ);
	expect(results, set_conn(pair.conn[PAIR_CLIENT], &session, results), -EISCONN);
	pair_free(&pair);
}
