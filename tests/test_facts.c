/* SPDX-License-Identifier: MIT */

/*
 * What is kept of a handshake because the config asked: certificates and exported secrets, at both
 * ends, for as long as is promised; and nothing where nobody asked.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "conn.h"
#include "facts.h"
#include "pair.h"
#include "pki.h"
#include "visit.h"

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };
static const char *const names[] = { "localhost" };
static const char label[] = "EXPORTER-libktls-test";

enum {
	LEN = 48,
};

static bool shows_certificate; /* the next pair's client */

static void configure(struct ktls_config *config, enum pair_end end)
{
	struct pki_pem authority = pki_authority();

	cr_assert(!ktls_config_set_keep_chain(config));
	cr_assert(!ktls_config_add_exporter(config, label, LEN));
	cr_assert(
		!ktls_config_add_exporter(config, KTLS_CHANNEL_BINDING, KTLS_CHANNEL_BINDING_LEN));
	if (shows_certificate && end == PAIR_SERVER) {
		cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
		cr_assert(!ktls_config_set_client_auth(config, KTLS_CLIENT_AUTH_REQUEST));
	}
	if (shows_certificate && end == PAIR_CLIENT) {
		struct pki_identity identity = pki_issue(PKI_CLIENT, false, names, 1);

		cr_assert(!ktls_config_add_identity(config, identity.chain.data, identity.chain.len,
						    identity.key.data, identity.key.len));
		pki_identity_free(&identity);
	}
}

static struct pair open_pair(enum ktls_protocol protocol)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocol;
	options.configure = configure;
	return pair_open(&options);
}

/* Certificates */

/* What one end shows is what the other has seen. */
static void expect_same_leaf(const struct ktls_conn *shower, const struct ktls_conn *seer)
{
	const void *shown, *seen;
	size_t shown_len, seen_len;

	cr_assert(!ktls_conn_get_local_certificate(shower, &shown, &shown_len));
	cr_assert(!ktls_conn_get_peer_certificate(seer, 0, &seen, &seen_len));
	cr_assert(shown_len > 100 && shown_len == seen_len && !memcmp(shown, seen, seen_len));
	cr_assert_eq(*(const uint8_t *)seen, 0x30, "no DER");
}

static void expect_no_leaf(const struct ktls_conn *conn, bool local)
{
	const void *der = "untouched";
	size_t len = 77;
	int r = local ? ktls_conn_get_local_certificate(conn, &der, &len)
		      : ktls_conn_get_peer_certificate(conn, 0, &der, &len);

	cr_assert_eq(r, -ENODATA, "%s", ktls_strerrorname(r));
	cr_assert(len == 77 && !strcmp(der, "untouched"));
}

Test(unit, the_certificates_that_were_shown_are_kept_at_both_ends)
{
	for (int i = 0; i < 4; i++) {
		struct pair pair;
		struct ktls_conn **conn = pair.conn;

		shows_certificate = i / 2;
		pair = open_pair(protocols[i % 2]);
		expect_same_leaf(conn[PAIR_SERVER], conn[PAIR_CLIENT]);
		if (shows_certificate) {
			expect_same_leaf(conn[PAIR_CLIENT], conn[PAIR_SERVER]);
		} else {
			expect_no_leaf(conn[PAIR_CLIENT], true);
			expect_no_leaf(conn[PAIR_SERVER], false);
		}
		pair_free(&pair);
	}
}

Test(unit, a_chain_is_kept_in_its_order)
{
	struct pki_identity leaf = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_pem authority = pki_authority(),
		       der[2] = { pki_der(&leaf.chain), pki_der(&authority) };
	struct pki_pem chain = { NULL, leaf.chain.len + authority.len };
	struct ktls_config *client, *server;
	struct pair pair;
	const void *seen;
	size_t len;
	int rc[2];

	chain.data = malloc(chain.len);
	memcpy(chain.data, leaf.chain.data, leaf.chain.len);
	memcpy(chain.data + leaf.chain.len, authority.data, authority.len);
	cr_assert(!ktls_config_new(&client, KTLS_CLIENT) && !ktls_config_new(&server, KTLS_SERVER));
	cr_assert(!ktls_config_add_identity(server, chain.data, chain.len, leaf.key.data,
					    leaf.key.len));
	cr_assert(!ktls_config_add_trust(client, authority.data, authority.len));
	cr_assert(!ktls_config_set_keep_chain(client));
	pair = pair_join(client, server, "localhost", 0);
	pair_handshake(&pair, rc);
	for (size_t i = 0; i < 2; i++) {
		cr_assert(!ktls_conn_get_peer_certificate(pair.conn[PAIR_CLIENT], i, &seen, &len));
		cr_assert(len == der[i].len && !memcmp(seen, der[i].data, len), "number %zu", i);
		gnutls_free(der[i].data);
	}
	cr_assert_eq(ktls_conn_get_peer_certificate(pair.conn[PAIR_CLIENT], 2, &seen, &len),
		     -ENODATA);
	cr_assert_eq(ktls_conn_get_peer_certificate(pair.conn[PAIR_CLIENT], SIZE_MAX, &seen, &len),
		     -ENODATA);
	pair_free(&pair);
	free(chain.data);
	pki_identity_free(&leaf);
}

/* Exporters */

static void export(const struct ktls_conn *conn, const char *of, uint8_t ret_bytes[LEN])
{
	size_t len = strcmp(of, label) ? KTLS_CHANNEL_BINDING_LEN : LEN;
	int r = ktls_conn_export(conn, of, ret_bytes, len);

	cr_assert(!r, "%s", ktls_strerrorname(r));
}

static void expect_same_secrets(const struct pair *pair, uint8_t ret_bytes[LEN])
{
	static const uint8_t zeros[LEN];
	uint8_t bytes[2][2][LEN] = { 0 };

	for (int end = 0; end < 2; end++) {
		export(pair->conn[end], label, bytes[end][0]);
		export(pair->conn[end], KTLS_CHANNEL_BINDING, bytes[end][1]);
	}
	for (int i = 0; i < 2; i++) {
		cr_assert(!memcmp(bytes[0][i], bytes[1][i], LEN));
		cr_assert(memcmp(bytes[0][i], zeros, LEN) != 0);
	}
	cr_assert(memcmp(bytes[0][0], bytes[0][1], KTLS_CHANNEL_BINDING_LEN) != 0);
	memcpy(ret_bytes, bytes[0][0], LEN);
}

Test(unit, both_ends_export_the_same_and_each_connection_something_else)
{
	for (int i = 0; i < 2; i++) {
		uint8_t bytes[2][LEN];

		for (int j = 0; j < 2; j++) {
			struct pair pair = open_pair(protocols[i]);

			expect_same_secrets(&pair, bytes[j]);
			pair_close(&pair);
			expect_same_secrets(&pair, bytes[j]);
			pair_free(&pair);
		}
		cr_assert(memcmp(bytes[0], bytes[1], LEN) != 0);
	}
}

/* The client has the first handshake's certificates; nobody has shown one. */
Test(unit, a_session_that_is_resumed_has_facts_of_its_own)
{
	static struct visit_session session;

	for (int i = 0; i < 2; i++) {
		struct ktls_config *config[2];
		const void *der;
		uint8_t bytes[LEN];
		struct pair pair;
		size_t len;

		for (int end = 0; end < 2; end++) {
			config[end] = visit_config(end == PAIR_CLIENT ? KTLS_CLIENT : KTLS_SERVER,
						   protocols[i], KTLS_OFFLOAD_NEVER, 1);
			configure(config[end], end);
		}
		visit(config[0], config[1], NULL, &session);
		pair = visit_connect(config[0], config[1], &session, NULL);
		cr_assert(visit_info(pair.conn[0]).resumed);
		expect_same_secrets(&pair, bytes);
		cr_assert(!ktls_conn_get_peer_certificate(pair.conn[PAIR_CLIENT], 0, &der, &len));
		for (int end = 0; end < 2; end++)
			expect_no_leaf(pair.conn[end], true);
		pair_free(&pair);
		for (int end = 0; end < 2; end++)
			ktls_config_unref(config[end]);
	}
}

/* GnuTLS as a client that has no extended_master_secret. */
Test(unit, tls12_without_extended_master_secret_exports_nothing)
{
	gnutls_certificate_credentials_t credentials;
	struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 1);
	int fd[2], ours = KTLS_WANT_READ, theirs = GNUTLS_E_AGAIN;
	struct ktls_config *config;
	struct ktls_conn *conn;
	gnutls_session_t session;
	uint8_t bytes[LEN];

	pair_sockets(fd, 0);
	cr_assert(!ktls_config_new(&config, KTLS_SERVER));
	cr_assert(!ktls_config_add_identity(config, identity.chain.data, identity.chain.len,
					    identity.key.data, identity.key.len));
	configure(config, PAIR_SERVER);
	cr_assert(!ktls_conn_new(&conn, config, fd[1]));
	cr_assert(!gnutls_certificate_allocate_credentials(&credentials));
	cr_assert(!gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK));
	cr_assert(!gnutls_priority_set_direct(
		session, "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH", NULL));
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_transport_set_int(session, fd[0]);
	cr_assert(!fcntl(fd[0], F_SETFL, O_NONBLOCK));
	while (ours > 0 || theirs == GNUTLS_E_AGAIN) {
		if (theirs == GNUTLS_E_AGAIN)
			theirs = gnutls_handshake(session);
		if (ours > 0)
			ours = ktls_conn_handshake(conn, KTLS_NOW);
	}
	cr_assert(!ours && !theirs, "%s: %s", ktls_conn_error(conn), gnutls_strerror(theirs));
	cr_assert_eq(ktls_conn_export(conn, label, bytes, LEN), -ENODATA);
	cr_assert_eq(ktls_conn_export(conn, KTLS_CHANNEL_BINDING, bytes, KTLS_CHANNEL_BINDING_LEN),
		     -ENODATA);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	ktls_conn_free(conn);
	ktls_config_unref(config);
	pki_identity_free(&identity);
	close(fd[0]);
	close(fd[1]);
}

/* Their life */

Test(unit, nobody_who_did_not_ask_has_facts)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_open(&options);
	uint8_t bytes[LEN];

	for (int end = 0; end < 2; end++) {
		cr_assert_null(pair.conn[end]->facts);
		expect_no_leaf(pair.conn[end], true);
		expect_no_leaf(pair.conn[end], false);
		cr_assert_eq(ktls_conn_export(pair.conn[end], label, bytes, LEN), -ENODATA);
	}
	pair_free(&pair);
}

Test(unit, there_are_no_facts_before_the_handshake_is_done)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	const void *der;
	uint8_t bytes[LEN];
	struct pair pair;
	size_t len;

	options.configure = configure;
	pair = pair_new(&options);
	for (int begun = 0; begun < 2; begun++) {
		const struct ktls_conn *conn = pair.conn[PAIR_CLIENT];

		cr_assert_eq(ktls_conn_get_peer_certificate(conn, 0, &der, &len), -ENOTCONN);
		cr_assert_eq(ktls_conn_get_local_certificate(conn, &der, &len), -ENOTCONN);
		cr_assert_eq(ktls_conn_export(conn, label, bytes, LEN), -ENOTCONN);
		ktls_conn_handshake(pair.conn[PAIR_CLIENT], KTLS_NOW);
	}
	pair_free(&pair);
}

/* Certificates stay, for whoever has a pointer to them. */
Test(unit, secrets_are_wiped_when_the_connection_fails)
{
	struct pair pair = open_pair(KTLS_TLS_1_3);
	struct ktls_conn *conn = pair.conn[PAIR_CLIENT];
	uint8_t bytes[LEN];
	const void *der;
	size_t len, n;

	export(conn, label, bytes);
	cr_assert_eq(write(pair.fd[PAIR_SERVER], "GET / HTTP/1.1\r\n", 16), 16);
	cr_assert_eq(ktls_conn_read(conn, bytes, LEN, KTLS_FOREVER, &n), -KTLS_E_BAD_RECORD);
	cr_assert_eq(ktls_conn_export(conn, label, bytes, LEN), -KTLS_E_BAD_RECORD);
	cr_assert(!ktls_conn_get_peer_certificate(conn, 0, &der, &len));
	pair_free(&pair);
}

Test(unit, a_thawed_connection_has_no_facts)
{
	struct pair pair = open_pair(KTLS_TLS_1_3);
	struct ktls_conn *thawed, *conn = pair.conn[PAIR_SERVER];
	uint8_t frozen[4096], bytes[LEN];
	size_t len;

	cr_assert(!ktls_conn_freeze(conn, frozen, sizeof(frozen), &len));
	cr_assert_eq(ktls_conn_export(conn, label, bytes, LEN), -ENOTCONN);
	cr_assert(!ktls_conn_thaw(&thawed, pair.config[PAIR_SERVER], pair.fd[PAIR_SERVER], frozen,
				  len));
	expect_no_leaf(thawed, true);
	cr_assert_eq(ktls_conn_export(thawed, label, bytes, LEN), -ENODATA);
	ktls_conn_free(thawed);
	pair_free(&pair);
}

/* What is refused */

Test(unit, exporters_have_labels_and_lengths)
{
	static const char *const own[] = { "key expansion",	     "master secret",
					   "client finished",	     "server finished",
					   "extended master secret", "key expansion and more" };
	char longest[KTLS_EXPORT_LABEL_MAX + 2] = { 0 };
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, KTLS_CLIENT));
	memset(longest, 'x', sizeof(longest) - 1);
	cr_assert_eq(ktls_config_add_exporter(NULL, label, LEN), -EINVAL);
	cr_assert_eq(ktls_config_set_keep_chain(NULL), -EINVAL);
	cr_assert_eq(ktls_config_add_exporter(config, NULL, LEN), -EINVAL);
	cr_assert_eq(ktls_config_add_exporter(config, "", LEN), -EINVAL);
	cr_assert_eq(ktls_config_add_exporter(config, longest, LEN), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "63 bytes"));
	cr_assert_eq(ktls_config_add_exporter(config, label, 0), -EINVAL);
	cr_assert_eq(ktls_config_add_exporter(config, label, 65), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "1 to 64"));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		cr_assert_eq(ktls_config_add_exporter(config, own[i], LEN), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "TLS's own"));
	for (int i = 0; i < KTLS_EXPORTERS_MAX; i++) {
		longest[KTLS_EXPORT_LABEL_MAX - i] = '\0';
		cr_assert(!ktls_config_add_exporter(config, longest, KTLS_EXPORT_MAX));
		cr_assert_eq(ktls_config_add_exporter(config, longest, 1), -EINVAL);
	}
	cr_assert_eq(ktls_config_add_exporter(config, "ninth", 1), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "at most 8"));
	ktls_config_unref(config);
}

Test(unit, what_is_asked_for_must_be_what_was_exported)
{
	struct pair pair = open_pair(KTLS_TLS_1_3);
	const struct ktls_conn *conn = pair.conn[PAIR_CLIENT];
	uint8_t bytes[LEN + 1] = "untouched";
	const void *der;
	size_t len;

	cr_assert_eq(ktls_conn_export(conn, label, bytes, LEN - 1), -EINVAL);
	cr_assert_eq(ktls_conn_export(conn, label, bytes, LEN + 1), -EINVAL);
	cr_assert_eq(ktls_conn_export(conn, "another", bytes, LEN), -ENODATA);
	cr_assert_eq(ktls_conn_export(conn, NULL, bytes, LEN), -EINVAL);
	cr_assert_eq(ktls_conn_export(conn, label, NULL, LEN), -EINVAL);
	cr_assert_eq(ktls_conn_export(NULL, label, bytes, LEN), -EINVAL);
	cr_assert_str_eq((const char *)bytes, "untouched");
	cr_assert_eq(ktls_conn_get_peer_certificate(NULL, 0, &der, &len), -EINVAL);
	cr_assert_eq(ktls_conn_get_peer_certificate(conn, 0, NULL, &len), -EINVAL);
	cr_assert_eq(ktls_conn_get_peer_certificate(conn, 0, &der, NULL), -EINVAL);
	cr_assert_eq(ktls_conn_get_local_certificate(NULL, &der, &len), -EINVAL);
	cr_assert_eq(ktls_conn_get_local_certificate(conn, NULL, &len), -EINVAL);
	cr_assert_eq(ktls_conn_get_local_certificate(conn, &der, NULL), -EINVAL);
	pair_free(&pair);
}
