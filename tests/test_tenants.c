/* SPDX-License-Identifier: MIT */

/*
 * Several tenants on one server: whose name the client asks for decides all that is the config's,
 * and nothing of one tenant is another's. What arrives in pieces is in test_tenants_wire.c.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "config.h"
#include "pki.h"
#include "tenancy.h"
#include "tenants.h"
#include "visit.h"

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

static void move_and_end(struct pair *pair)
{
	pair_move(pair, PAIR_CLIENT, 50000, 7000);
	pair_move(pair, PAIR_SERVER, 50000, 7000);
	pair_close(pair);
	pair_free(pair);
}

/* Choosing */

Test(unit, each_tenant_answers_for_its_name_with_its_certificate_and_protocol)
{
	static const char *const alpn[] = { "of-a", "of-b", "of-all-b", "of-base" };
	static const struct {
		const char *name, *alpn;
	} rows[] = {
		{ "a.example", "of-a" },	{ "A.Example", "of-a" },
		{ "b.example", "of-b" },	{ "x.b.example", "of-all-b" },
		{ "X.y.b.example", "of-base" }, { "other.example", "of-base" },
		{ "example", "of-base" },
	};
	static const char *const base_names[] = { "other.example", "x.y.b.example", "example" };
	struct ktls_config *server = tenancy_server("base.example", "of-base");

	for (int i = 0; i < 3; i++)
		tenancy_add_identity(server, base_names[i]);
	tenancy_add(server, "*.B.example", tenancy_server("*.b.example", "of-all-b"));
	tenancy_add(server, "b.example.", tenancy_server("b.example", "of-b"));
	tenancy_add(server, "a.example", tenancy_server("a.example", "of-a"));
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct ktls_config *client = tenancy_client(alpn, 4);
		struct pair pair;

		cr_assert(!ktls_config_set_protocols(client, protocols[i % 2], protocols[i % 2]));
		pair = tenancy_meet(client, ktls_config_ref(server), rows[i / 2].name);
		cr_assert_str_eq(visit_info(pair.conn[PAIR_SERVER]).alpn, rows[i / 2].alpn, "%s",
				 rows[i / 2].name);
		cr_assert_str_eq(visit_info(pair.conn[PAIR_CLIENT]).alpn, rows[i / 2].alpn);
		cr_assert(!strcasecmp(visit_info(pair.conn[PAIR_SERVER]).server_name,
				      rows[i / 2].name));
		move_and_end(&pair);
	}
	ktls_config_unref(server);
}

/* An address is not sent; and no wildcard stands for nothing. */
Test(unit, a_client_that_names_nobody_is_the_base_configs)
{
	static const char *const alpn[] = { "of-a", "of-base" };
	struct ktls_config *server = tenancy_server("127.0.0.1", "of-base");
	struct pair pair;

	tenancy_add(server, "*.example", tenancy_server("127.0.0.1", "of-a"));
	pair = tenancy_meet(tenancy_client(alpn, 2), server, "127.0.0.1");
	cr_assert_str_eq(visit_info(pair.conn[PAIR_CLIENT]).alpn, "of-base");
	cr_assert_null(visit_info(pair.conn[PAIR_SERVER]).server_name);
	move_and_end(&pair);
}

Test(unit, names_are_found_among_many)
{
	struct ktls_config *config = tenancy_server("base.example", NULL);
	struct ktls_config *tenant = tenancy_server("a.example", NULL);
	char name[64], longest[300];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%s%d.example", i % 3 ? "" : "*.", i * 7 % 200);
		cr_assert(!ktls_config_add_tenant(config, name, tenant));
	}
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%s%d.Example.", i % 3 ? "" : "x.", i * 7 % 200);
		cr_assert(ktls_tenants_find(&config->tenants, name), "%s", name);
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t len = 250; len < 256; len++) {
		longest[len] = '\0';
		cr_assert_null(ktls_tenants_find(&config->tenants, longest));
		longest[len] = 'a';
	}
	cr_assert_null(ktls_tenants_find(&config->tenants, ""));
	cr_assert_null(ktls_tenants_find(&config->tenants, "."));
	cr_assert_null(ktls_tenants_find(&config->tenants, ".0.example"));
	cr_assert_null(ktls_tenants_find(&config->tenants, "*.0.example.org"));
	ktls_config_unref(config);
	ktls_config_unref(tenant);
}

/* What is the tenant's */

static void ask_for_certificates(struct ktls_config *config)
{
	struct pki_pem authority = pki_authority();

	cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	cr_assert(!ktls_config_set_client_auth(config, KTLS_CLIENT_AUTH_REQUIRE));
}

Test(unit, one_tenant_asks_for_a_certificate_and_the_other_does_not)
{
	for (int asks_base = 0; asks_base < 2; asks_base++) {
		struct ktls_config *strict = tenancy_server("strict.example", NULL);
		struct ktls_config *open = tenancy_server("open.example", NULL);
		struct ktls_config *server = asks_base ? strict : open;
		struct pair pair;
		int rc[2];

		ask_for_certificates(strict);
		if (asks_base)
			tenancy_add(strict, "open.example", open);
		else
			tenancy_add(open, "strict.example", strict);
		for (int i = 0; i < 2; i++) {
			struct ktls_config *client = tenancy_client(NULL, 0);

			cr_assert(!ktls_config_set_protocols(client, protocols[i], protocols[i]));
			pair = tenancy_meet(ktls_config_ref(client), ktls_config_ref(server),
					    "open.example");
			move_and_end(&pair);
			pair = pair_join(client, ktls_config_ref(server), "strict.example", 0);
			pair_handshake(&pair, rc);
			cr_assert_eq(rc[PAIR_SERVER], -KTLS_E_PEER_CERTIFICATE, "%s",
				     ktls_strerrorname(rc[PAIR_SERVER]));
			pair_free(&pair);
		}
		ktls_config_unref(server);
	}
}

/* All differ from the base's, both ways. */
Test(unit, versions_ciphers_groups_and_tickets_are_the_tenants)
{
	static const enum ktls_cipher aes = KTLS_AES_256_GCM, chacha = KTLS_CHACHA20_POLY1305;
	static const enum ktls_group p384 = KTLS_GROUP_SECP384R1, x25519 = KTLS_GROUP_X25519;
	struct ktls_config *old = tenancy_server("old.example", NULL);
	struct ktls_config *new = tenancy_server("new.example", NULL);

	cr_assert(!ktls_config_set_protocols(old, KTLS_TLS_1_2, KTLS_TLS_1_2));
	cr_assert(!ktls_config_set_ciphers(old, &aes, 1));
	cr_assert(!ktls_config_set_groups(old, &p384, 1));
	cr_assert(!ktls_config_set_tickets(old, 0));
	cr_assert(!ktls_config_set_protocols(new, KTLS_TLS_1_3, KTLS_TLS_1_3));
	cr_assert(!ktls_config_set_ciphers(new, &chacha, 1));
	cr_assert(!ktls_config_set_groups(new, &x25519, 1));
	for (int base = 0; base < 2; base++) {
		struct ktls_config *server = tenancy_server("base.example", NULL);

		cr_assert(!ktls_config_set_protocols(server, protocols[base], protocols[base]));
		cr_assert(!ktls_config_set_tickets(server, base));
		cr_assert(!ktls_config_add_tenant(server, "old.example", old));
		cr_assert(!ktls_config_add_tenant(server, "new.example", new));
		for (int is_new = 0; is_new < 2; is_new++) {
			struct pair pair =
				tenancy_meet(tenancy_client(NULL, 0), ktls_config_ref(server),
					     is_new ? "new.example" : "old.example");
			struct ktls_info info = visit_info(pair.conn[PAIR_SERVER]);
			uint8_t session[VISIT_SESSION_MAX];
			size_t len;
			int r;

			cr_assert_eq(info.protocol, is_new ? KTLS_TLS_1_3 : KTLS_TLS_1_2);
			cr_assert_eq(info.cipher, is_new ? chacha : aes);
			cr_assert_eq(info.group, is_new ? x25519 : p384);
			pair_move(&pair, PAIR_SERVER, 10, 10);
			r = ktls_conn_get_session(pair.conn[PAIR_CLIENT], session, sizeof(session),
						  &len);
			cr_assert_eq(r, is_new ? 0 : -ENODATA, "%s", ktls_strerrorname(r));
			pair_free(&pair);
		}
		ktls_config_unref(server);
	}
	ktls_config_unref(old);
	ktls_config_unref(new);
}

/* Nobody has the server's config any more when its connection is met. */
Test(unit, a_connection_keeps_its_tenant_alive)
{
	struct ktls_config *server = tenancy_server("base.example", NULL);
	struct pair pair;
	int rc[2];

	tenancy_add(server, "a.example", tenancy_server("a.example", "h2"));
	pair = pair_join(tenancy_client((const char *[]){ "h2" }, 1), server, "a.example", 0);
	pair.config[PAIR_SERVER] = ktls_config_unref(server);
	pair_handshake(&pair, rc);
	cr_assert(!rc[PAIR_CLIENT] && !rc[PAIR_SERVER]);
	cr_assert_str_eq(visit_info(pair.conn[PAIR_SERVER]).alpn, "h2");
	move_and_end(&pair);
}

/* Tickets */

static bool resumes(struct ktls_config *server, const char *kept_at, const char *brought_to)
{
	const char *const names[] = { kept_at, brought_to };
	uint8_t session[VISIT_SESSION_MAX];
	struct ktls_config *client = tenancy_client(NULL, 0);
	bool resumed = false;
	size_t len;

	cr_assert(!ktls_config_set_insecure_no_verify(client));
	for (int i = 0; i < 2; i++) {
		struct pair pair =
			pair_join(ktls_config_ref(client), ktls_config_ref(server), names[i], 0);
		int rc[2];

		/* As a client that takes no notice of names would. */
		if (i) {
			size_t name_len = strlen(brought_to);

			cr_assert_eq(name_len, strlen(kept_at), "the header says how long");
			memcpy(session + 8, brought_to, name_len);
			cr_assert(!ktls_conn_set_session(pair.conn[PAIR_CLIENT], session, len));
		}
		pair_handshake(&pair, rc);
		cr_assert(!rc[0] && !rc[1], "%s", ktls_conn_error(pair.conn[PAIR_SERVER]));
		resumed = visit_info(pair.conn[PAIR_SERVER]).resumed;
		cr_assert_eq(visit_info(pair.conn[PAIR_CLIENT]).resumed, resumed);
		pair_move(&pair, PAIR_SERVER, 10, 10);
		if (!i)
			cr_assert(!ktls_conn_get_session(pair.conn[PAIR_CLIENT], session,
							 sizeof(session), &len));
		pair_close(&pair);
		pair_free(&pair);
	}
	ktls_config_unref(client);
	return resumed;
}

/* Also where all have their keys from one file, and where one config has two names. */
Test(unit, a_ticket_is_good_for_its_own_name_alone)
{
	static const char *const names[] = { "a.example", "b.example", "c.example", "d.example" };
	char path[] = "/tmp/libktls-test-XXXXXX";

	close(mkstemp(path));
	unlink(path);
	cr_assert(!ktls_ticket_file_rotate(path));
	for (int i = 0; i < 4; i++) {
		struct ktls_config *server = tenancy_server(names[0], NULL);
		struct ktls_config *tenants[] = { tenancy_server(names[1], NULL),
						  tenancy_server(names[2], NULL) };
		struct ktls_config *all[] = { server, tenants[0], tenants[1] };

		for (int j = 0; j < 3; j++) {
			cr_assert(!ktls_config_set_protocols(all[j], protocols[i % 2],
							     protocols[i % 2]));
			if (i / 2)
				cr_assert(!ktls_config_set_ticket_file(all[j], path));
		}
		cr_assert(!ktls_config_add_tenant(server, names[1], tenants[0]));
		tenancy_add(server, names[2], tenants[1]);
		tenancy_add(server, names[3], tenants[0]);
		for (int from = 0; from < 4; from++)
			for (int to = 0; to < 4; to++)
				cr_assert_eq(resumes(server, names[from], names[to]), from == to,
					     "%d: %s to %s", i, names[from], names[to]);
		ktls_config_unref(server);
	}
	unlink(path);
}

/* Two servers of a fleet. */
Test(unit, tenants_of_one_name_on_two_servers_with_one_file_share_their_tickets)
{
	char path[] = "/tmp/libktls-test-XXXXXX";
	struct ktls_config *servers[2], *client = tenancy_client(NULL, 0);
	uint8_t session[VISIT_SESSION_MAX];
	size_t len = 0;

	close(mkstemp(path));
	unlink(path);
	for (int i = 0; i < 2; i++) {
		struct ktls_config *tenant = tenancy_server("a.example", NULL);

		cr_assert(!ktls_ticket_file_rotate(path));
		servers[i] = tenancy_server("base.example", NULL);
		cr_assert(!ktls_config_set_ticket_file(tenant, path));
		tenancy_add(servers[i], "a.example", tenant);
	}
	for (int i = 0; i < 4; i++) {
		struct pair pair = pair_join(ktls_config_ref(client),
					     ktls_config_ref(servers[i % 2]), "a.example", 0);
		int rc[2];

		if (i)
			cr_assert(!ktls_conn_set_session(pair.conn[PAIR_CLIENT], session, len));
		pair_handshake(&pair, rc);
		cr_assert_eq(visit_info(pair.conn[PAIR_SERVER]).resumed, i > 0);
		pair_move(&pair, PAIR_SERVER, 10, 10);
		cr_assert(!ktls_conn_get_session(pair.conn[PAIR_CLIENT], session, sizeof(session),
						 &len));
		pair_free(&pair);
	}
	for (int i = 0; i < 2; i++)
		ktls_config_unref(servers[i]);
	ktls_config_unref(client);
	unlink(path);
}

/* Adding */

static void refused(struct ktls_config *config, const char *name, struct ktls_config *tenant,
		    int code, const char *words)
{
	int r = ktls_config_add_tenant(config, name, tenant);

	cr_assert(r == code, "%s: %s", ktls_strerrorname(r), ktls_config_error(config));
	cr_assert(strstr(ktls_config_error(config), words), "\"%s\" lacks \"%s\"",
		  ktls_config_error(config), words);
}

Test(unit, a_tenant_is_a_whole_server_with_a_name_of_its_own)
{
	static const char *const bad[] = { "",		 ".",	       "*",
					   "*.",	 "a..example", "*.*.example",
					   "a*.example", "127.0.0.1",  "*.127.0.0.1",
					   "::1" };
	struct ktls_config *server = tenancy_server("base.example", NULL);
	struct ktls_config *tenant = tenancy_server("a.example", NULL);
	struct ktls_config *client = tenancy_client(NULL, 0), *empty;

	cr_assert(!ktls_config_new(&empty, KTLS_SERVER));
	cr_assert_eq(ktls_config_add_tenant(NULL, "a.example", tenant), -EINVAL);
	refused(server, "a.example", NULL, -EINVAL, "only a server");
	refused(server, "a.example", client, -EINVAL, "only a server");
	refused(client, "a.example", tenant, -EINVAL, "only a server");
	refused(server, "a.example", server, -EINVAL, "no tenants of its own");
	refused(server, NULL, tenant, -EINVAL, "DNS name");
	cr_assert(!ktls_config_set_insecure_plaintext(empty));
	refused(server, "a.example", empty, -EINVAL, "without TLS");
	ktls_config_unref(empty);
	cr_assert(!ktls_config_new(&empty, KTLS_SERVER));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(server, bad[i], tenant, -EINVAL, "DNS name");
	refused(server, "a.example", empty, -KTLS_E_NO_IDENTITY,
		"a.example: making a connection: the server has no certificate");
	cr_assert(!ktls_config_add_tenant(server, "a.example", tenant));
	refused(server, "A.example", tenant, -EINVAL, "taken");
	refused(tenant, "base.example", server, -EBUSY, "To do:");
	ktls_config_unref(tenant);
	tenant = tenancy_server("b.example", NULL);
	refused(tenant, "base.example", server, -EINVAL, "no tenants of its own");
	ktls_config_unref(tenant);
	ktls_config_unref(empty);
	ktls_config_unref(client);
	ktls_config_unref(server);
}

/* Several identities of one config */

Test(unit, the_certificates_of_one_config_are_chosen_by_name_too)
{
	static const char *const asked[] = { "a.example", "b.example", "c.example", "x.d.example" };
	struct ktls_config *server = tenancy_server("*.d.example", NULL);

	for (int i = 0; i < 3; i++)
		tenancy_add_identity(server, asked[i]);
	for (int i = 0; i < 2 * 4; i++) {
		struct ktls_config *client = tenancy_client(NULL, 0);
		struct pair pair;

		cr_assert(!ktls_config_set_protocols(client, protocols[i % 2], protocols[i % 2]));
		pair = tenancy_meet(client, ktls_config_ref(server), asked[i / 2]);
		move_and_end(&pair);
	}
	ktls_config_unref(server);
}
