/* SPDX-License-Identifier: MIT */

/*
 * Groups, FIPS and suites by name: what is offered, what comes of it, and that both ends say the
 * same. Whether GnuTLS is in FIPS mode is said here, for the library as for the tests.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "pair.h"
#include "visit.h"

static const enum ktls_group groups[] = { KTLS_GROUP_X25519, KTLS_GROUP_SECP256R1,
					  KTLS_GROUP_SECP384R1, KTLS_GROUP_SECP521R1,
					  KTLS_GROUP_X448 };
static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

enum {
	GROUPS_N = sizeof(groups) / sizeof(groups[0]),
};

static unsigned int fips_mode = GNUTLS_FIPS140_DISABLED;

/* GnuTLS's own, for whoever is linked to this. */
unsigned int gnutls_fips140_mode_enabled(void)
{
	return fips_mode;
}

/* What the next pair's ends are set to: by enum pair_end. */
static const enum ktls_group *set[2];
static size_t set_n[2];

static void configure(struct ktls_config *config, enum pair_end end)
{
	if (set_n[end])
		cr_assert(!ktls_config_set_groups(config, set[end], set_n[end]));
}

static struct pair new_pair(enum ktls_protocol protocol, const enum ktls_group *client,
			    size_t client_n, const enum ktls_group *server, size_t server_n)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocol;
	options.configure = configure;
	set[PAIR_CLIENT] = client;
	set_n[PAIR_CLIENT] = client_n;
	set[PAIR_SERVER] = server;
	set_n[PAIR_SERVER] = server_n;
	return pair_new(&options);
}

static void expect_group(struct pair *pair, enum ktls_group group)
{
	int rc[2];

	pair_handshake(pair, rc);
	for (int end = 0; end < 2; end++) {
		cr_assert(!rc[end], "%s: %s", ktls_group_name(group),
			  ktls_conn_error(pair->conn[end]));
		cr_assert_str_eq(ktls_group_name(visit_info(pair->conn[end]).group),
				 ktls_group_name(group));
	}
	pair_free(pair);
}

static struct ktls_config *new_config(void)
{
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, KTLS_CLIENT));
	return config;
}

/* Groups */

Test(unit, groups_are_known_and_named_once)
{
	static const enum ktls_group twice[] = { KTLS_GROUP_X448, KTLS_GROUP_X448 };
	static const enum ktls_group unknown[] = { (enum ktls_group)0x0100 };
	static const enum ktls_group six[6] = { 0 };
	struct ktls_config *config = new_config();

	for (size_t n = 1; n <= GROUPS_N; n++)
		cr_assert(!ktls_config_set_groups(config, groups, n));
	cr_assert_eq(ktls_config_set_groups(NULL, groups, 1), -EINVAL);
	cr_assert_eq(ktls_config_set_groups(config, groups, 0), -EINVAL);
	cr_assert_eq(ktls_config_set_groups(config, NULL, 1), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "at least one group"));
	cr_assert_eq(ktls_config_set_groups(config, six, 6), -EINVAL);
	cr_assert_eq(ktls_config_set_groups(config, twice, 2), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "twice"));
	cr_assert_eq(ktls_config_set_groups(config, unknown, 1), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "unknown"));
	ktls_config_unref(config);
}

Test(unit, each_group_has_a_name_of_its_own)
{
	for (int i = 0; i < GROUPS_N; i++)
		for (int j = 0; j < GROUPS_N; j++)
			cr_assert_eq(!strcmp(ktls_group_name(groups[i]),
					     ktls_group_name(groups[j])),
				     i == j);
	cr_assert_str_eq(ktls_group_name(KTLS_GROUP_X25519), "X25519");
	cr_assert_str_eq(ktls_group_name(0), "none");
	cr_assert_str_eq(ktls_group_name(0x11d), "none");
}

Test(unit, both_ends_tell_the_group_that_the_key_was_agreed_in)
{
	for (int i = 0; i < 2 * GROUPS_N; i++) {
		/* P-256 is the certificate's, which TLS 1.2 wants to see offered. */
		const enum ktls_group client[] = { groups[i / 2], i / 2 == 1
									  ? KTLS_GROUP_X448
									  : KTLS_GROUP_SECP256R1 };
		struct pair pair = new_pair(protocols[i % 2], client, 2, &groups[i / 2], 1);

		cr_assert_eq(visit_info(pair.conn[PAIR_CLIENT]).group, 0, "before the handshake");
		expect_group(&pair, groups[i / 2]);
	}
}

Test(unit, a_server_takes_the_group_that_the_client_likes_best)
{
	static const enum ktls_group reversed[] = { KTLS_GROUP_SECP521R1, KTLS_GROUP_SECP256R1 };
	struct pair pair;

	for (int i = 0; i < 2; i++) {
		pair = new_pair(protocols[i], NULL, 0, NULL, 0);
		expect_group(&pair, KTLS_GROUP_X25519);
		pair = new_pair(protocols[i], reversed, 2, NULL, 0);
		expect_group(&pair, KTLS_GROUP_SECP521R1);
	}
}

/* In TLS 1.3 this is a HelloRetryRequest. */
Test(unit, a_server_takes_what_the_client_likes_less_if_that_is_all_it_has)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = new_pair(protocols[i], NULL, 0, &groups[2], 1);

		expect_group(&pair, KTLS_GROUP_SECP384R1);
	}
}

Test(unit, ends_that_share_no_group_say_so)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = new_pair(protocols[i], &groups[0], 1, &groups[2], 1);
		int rc[2];

		pair_handshake(&pair, rc);
		cr_assert(rc[PAIR_SERVER] == -KTLS_E_NO_SHARED_SUITE, "%s: %s",
			  ktls_strerrorname(rc[PAIR_SERVER]),
			  ktls_conn_error(pair.conn[PAIR_SERVER]));
		cr_assert(rc[PAIR_CLIENT] == -KTLS_E_ALERT, "%s",
			  ktls_strerrorname(rc[PAIR_CLIENT]));
		pair_free(&pair);
	}
}

Test(unit, a_session_that_is_resumed_tells_the_group_of_its_own_handshake)
{
	static struct visit_session session;

	for (int i = 0; i < 2; i++) {
		struct ktls_config *client =
			visit_config(KTLS_CLIENT, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct ktls_config *server =
			visit_config(KTLS_SERVER, protocols[i], KTLS_OFFLOAD_NEVER, 1);
		struct pair pair;

		visit(client, server, NULL, &session);
		pair = visit_connect(client, server, &session, NULL);
		for (int end = 0; end < 2; end++) {
			struct ktls_info info = visit_info(pair.conn[end]);

			cr_assert(info.resumed);
			cr_assert_eq(info.group, i ? KTLS_GROUP_X25519 : 0);
		}
		pair_free(&pair);
		ktls_config_unref(client);
		ktls_config_unref(server);
	}
}

Test(unit, a_frozen_connection_keeps_its_group)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_open(&options);
	struct ktls_conn *thawed;
	uint8_t frozen[4096];
	size_t len;

	cr_assert(!ktls_conn_freeze(pair.conn[PAIR_SERVER], frozen, sizeof(frozen), &len));
	cr_assert(!ktls_conn_thaw(&thawed, pair.config[PAIR_SERVER], pair.fd[PAIR_SERVER], frozen,
				  len));
	cr_assert_eq(visit_info(thawed).group, KTLS_GROUP_X25519);
	ktls_conn_free(thawed);
	pair_free(&pair);
}

/* FIPS */

Test(unit, fips_is_refused_where_gnutls_is_not_in_that_mode)
{
	static const unsigned int modes[] = { GNUTLS_FIPS140_DISABLED, GNUTLS_FIPS140_LAX,
					      GNUTLS_FIPS140_LOG, GNUTLS_FIPS140_SELFTESTS };
	struct ktls_config *config = new_config();

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		fips_mode = modes[i];
		cr_assert_eq(ktls_config_require_fips(config), -EOPNOTSUPP, "mode %u", modes[i]);
		cr_assert(strstr(ktls_config_error(config), "not in its FIPS mode. To do:"), "%s",
			  ktls_config_error(config));
	}
	cr_assert_eq(ktls_config_require_fips(NULL), -EINVAL);
	ktls_config_unref(config);
}

/* The mode may have been left between the two. */
Test(unit, fips_that_was_required_is_there_at_the_first_connection_or_there_is_none)
{
	struct ktls_config *config = new_config();
	struct ktls_conn *conn;
	int fd[2];

	fips_mode = GNUTLS_FIPS140_STRICT;
	cr_assert(!ktls_config_set_insecure_no_verify(config));
	cr_assert(!ktls_config_require_fips(config));
	pair_sockets(fd, 0);
	fips_mode = GNUTLS_FIPS140_LAX;
	cr_assert_eq(ktls_conn_new(&conn, config, fd[0]), -EOPNOTSUPP);
	cr_assert(strstr(ktls_config_error(config), "FIPS"));
	fips_mode = GNUTLS_FIPS140_STRICT;
	cr_assert(!ktls_conn_new(&conn, config, fd[0]), "%s", ktls_config_error(config));
	ktls_conn_free(conn);
	ktls_config_unref(config);
	close(fd[0]);
	close(fd[1]);
}

/* Suites by name */

static const char *algorithms(const struct ktls_conn *conn)
{
	static char text[KTLS_ALGORITHMS_SIZE];

	cr_assert(!ktls_conn_get_algorithms(conn, text, sizeof(text)));
	return text;
}

Test(unit, before_the_handshake_there_are_all_suites_and_afterwards_the_one)
{
	static const char all[] = "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384,"
				  "TLS_AES_128_CCM_SHA256,TLS_CHACHA20_POLY1305_SHA256,"
				  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,"
				  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,"
				  "TLS_ECDHE_ECDSA_WITH_AES_128_CCM,"
				  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,"
				  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,"
				  "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,"
				  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);
	int rc[2];

	for (int end = 0; end < 2; end++)
		cr_assert_str_eq(algorithms(pair.conn[end]), all);
	cr_assert(ktls_conn_handshake(pair.conn[PAIR_CLIENT], KTLS_NOW) == KTLS_WANT_READ);
	cr_assert_str_eq(algorithms(pair.conn[PAIR_CLIENT]), all, "in the middle of it");
	pair_handshake(&pair, rc);
	for (int end = 0; end < 2; end++)
		cr_assert_str_eq(algorithms(pair.conn[end]), "TLS_AES_128_GCM_SHA256");
	pair_close(&pair);
	cr_assert_str_eq(algorithms(pair.conn[PAIR_CLIENT]), "TLS_AES_128_GCM_SHA256");
	pair_free(&pair);
}

Test(unit, what_the_config_left_out_is_not_among_the_suites)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair;
	int rc[2];

	options.protocol = KTLS_TLS_1_2;
	options.cipher = KTLS_CHACHA20_POLY1305;
	pair = pair_new(&options);
	cr_assert_str_eq(algorithms(pair.conn[PAIR_CLIENT]),
			 "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,"
			 "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256");
	pair_handshake(&pair, rc);
	cr_assert_str_eq(algorithms(pair.conn[PAIR_CLIENT]),
			 "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
	pair_free(&pair);
}

Test(unit, suites_that_do_not_fit_are_not_cut)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_open(&options);
	char text[KTLS_ALGORITHMS_SIZE] = "untouched";
	size_t len = strlen(algorithms(pair.conn[0]));

	cr_assert_eq(ktls_conn_get_algorithms(NULL, text, sizeof(text)), -EINVAL);
	cr_assert_eq(ktls_conn_get_algorithms(pair.conn[0], NULL, sizeof(text)), -EINVAL);
	cr_assert_eq(ktls_conn_get_algorithms(pair.conn[0], text, 0), -EINVAL);
	cr_assert_eq(ktls_conn_get_algorithms(pair.conn[0], text, len), -ENOSPC);
	cr_assert_str_eq(text, "untouched");
	cr_assert(!ktls_conn_get_algorithms(pair.conn[0], text, len + 1));
	cr_assert_eq(strlen(text), len);
	pair_free(&pair);
}
