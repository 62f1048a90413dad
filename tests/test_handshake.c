/* SPDX-License-Identifier: MIT */

/*
 * Handshakes that must and must not succeed: whom each end believes, what they must share, and what
 * both say when it fails. The end that finds the fault answers its own code; the other one hears
 * the alert that the RFCs name. Garbage has a file of its own, test_garbage.c.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "conn.h"
#include "outcome.h"
#include "pair.h"
#include "pki.h"

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

/* What both ends are made of; what is not said is good. */
struct setting {
	enum pki_kind server;
	const char *server_name; /* in its certificate; default localhost */
	const char *asked;	 /* by the client; default localhost, "" for none */
	bool insecure;
	enum ktls_client_auth auth;
	bool client_has;
	enum pki_kind client;
	enum ktls_protocol protocol;
};

static struct ktls_config *new_config(enum ktls_role role, const struct setting *setting)
{
	struct pki_pem authority = pki_authority();
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, role));
	if (setting->protocol)
		cr_assert(!ktls_config_set_protocols(config, setting->protocol, setting->protocol));
	if (role == KTLS_CLIENT && setting->insecure)
		cr_assert(!ktls_config_set_insecure_no_verify(config));
	else
		cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	if (role == KTLS_SERVER)
		cr_assert(!ktls_config_set_client_auth(config, setting->auth));
	return config;
}

static void add_identity(struct ktls_config *config, enum pki_kind kind, const char *name)
{
	struct pki_identity identity = pki_issue(kind, false, &name, 1);

	cr_assert(!ktls_config_add_identity(config, identity.chain.data, identity.chain.len,
					    identity.key.data, identity.key.len),
		  "%s", ktls_config_error(config));
	pki_identity_free(&identity);
}

static struct pair new_pair(const struct setting *setting)
{
	struct ktls_config *client = new_config(KTLS_CLIENT, setting);
	struct ktls_config *server = new_config(KTLS_SERVER, setting);
	const char *asked = setting->asked ? setting->asked : "localhost";

	add_identity(server, setting->server,
		     setting->server_name ? setting->server_name : "localhost");
	if (setting->client_has)
		add_identity(client, setting->client, "somebody");
	return pair_join(client, server, *asked ? asked : NULL, 0);
}

/* Whom a client believes */

struct belief {
	const char *name;
	struct setting setting;
	int error; /* 0: it works */
	const char *alert;
};

static const struct belief servers[] = {
	{ "good", { 0 }, 0, NULL },
	{ "a dot at the end", { .asked = "localhost." }, 0, NULL },
	{ "capitals", { .asked = "LocalHost" }, 0, NULL },
	{ "a wildcard", { .server_name = "*.example.org", .asked = "www.example.org" }, 0, NULL },
	{ "IPv4", { .server_name = "127.0.0.1", .asked = "127.0.0.1" }, 0, NULL },
	{ "IPv6", { .server_name = "::1", .asked = "::1" }, 0, NULL },
	{ "IPv6 in full", { .server_name = "::1", .asked = "0:0:0:0:0:0:0:1" }, 0, NULL },
	{ "wrong name", { .asked = "example.org" }, -KTLS_E_PEER_NAME, "bad_certificate" },
	{ "a name below", { .asked = "www.localhost" }, -KTLS_E_PEER_NAME, "bad_certificate" },
	{ "a wildcard for two labels",
	  { .server_name = "*.example.org", .asked = "a.b.example.org" },
	  -KTLS_E_PEER_NAME,
	  "bad_certificate" },
	{ "wrong address",
	  { .server_name = "127.0.0.1", .asked = "127.0.0.2" },
	  -KTLS_E_PEER_NAME,
	  "bad_certificate" },
	{ "an address for a name", { .asked = "127.0.0.1" }, -KTLS_E_PEER_NAME, "bad_certificate" },
	{ "expired", { .server = PKI_EXPIRED }, -KTLS_E_PEER_EXPIRED, "certificate_expired" },
	{ "not yet valid", { .server = PKI_NOT_YET }, -KTLS_E_PEER_EXPIRED, "certificate_expired" },
	{ "self-signed", { .server = PKI_SELF_SIGNED }, -KTLS_E_PEER_SELF_SIGNED, "unknown_ca" },
	{ "foreign", { .server = PKI_FOREIGN }, -KTLS_E_PEER_UNTRUSTED, "unknown_ca" },
	{ "for a client", { .server = PKI_CLIENT }, -KTLS_E_PEER_CERTIFICATE, "bad_certificate" },
};

Test(unit, a_client_believes_who_is_vouched_for_and_named)
{
	for (size_t i = 0; i < 2 * sizeof(servers) / sizeof(servers[0]); i++) {
		const struct belief *row = &servers[i / 2];
		struct setting setting = row->setting;

		setting.protocol = protocols[i % 2];
		struct pair pair = new_pair(&setting);

		if (row->error)
			outcome_failure(&pair, PAIR_CLIENT, row->error, row->alert, row->name);
		else
			outcome_success(&pair, row->name);
		pair_free(&pair);
	}
}

Test(unit, a_client_that_says_insecure_believes_anybody)
{
	for (size_t i = 0; i < 2 * sizeof(servers) / sizeof(servers[0]); i++) {
		struct setting setting = servers[i / 2].setting;

		setting.protocol = protocols[i % 2];
		setting.insecure = true;
		setting.asked = i & 2 ? "" : "example.net";
		struct pair pair = new_pair(&setting);

		outcome_success(&pair, servers[i / 2].name);
		pair_free(&pair);
	}
}

Test(unit, a_client_without_a_name_says_nothing_to_anybody)
{
	struct setting setting = { .asked = "" };
	struct pair pair = new_pair(&setting);
	char byte;

	cr_assert_eq(ktls_conn_handshake(pair.conn[0], KTLS_NOW), -KTLS_E_NO_NAME);
	cr_assert(strstr(ktls_conn_error(pair.conn[0]), "ktls_conn_set_server_name()"));
	outcome_stays_failed(pair.conn[0], -KTLS_E_NO_NAME);
	cr_assert(recv(pair.fd[1], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	pair_free(&pair);
}

/* Whom a server believes */

static const struct belief clients[] = {
	{ "asked, none", { .auth = KTLS_CLIENT_AUTH_REQUEST }, 0, NULL },
	{ "asked, good",
	  { .auth = KTLS_CLIENT_AUTH_REQUEST, .client_has = true, .client = PKI_CLIENT },
	  0,
	  NULL },
	{ "required, good",
	  { .auth = KTLS_CLIENT_AUTH_REQUIRE, .client_has = true, .client = PKI_CLIENT },
	  0,
	  NULL },
	{ "not asked, foreign", { .client_has = true, .client = PKI_FOREIGN }, 0, NULL },
	{ "required, for a server",
	  { .auth = KTLS_CLIENT_AUTH_REQUIRE, .client_has = true, .client = PKI_GOOD },
	  -KTLS_E_PEER_CERTIFICATE,
	  "bad_certificate" },
};

Test(unit, a_server_believes_clients_that_are_vouched_for)
{
	for (size_t i = 0; i < 2 * sizeof(clients) / sizeof(clients[0]); i++) {
		const struct belief *row = &clients[i / 2];
		struct setting setting = row->setting;

		setting.protocol = protocols[i % 2];
		struct pair pair = new_pair(&setting);

		if (row->error)
			outcome_failure(&pair, PAIR_SERVER, row->error, row->alert, row->name);
		else
			outcome_success(&pair, row->name);
		pair_free(&pair);
	}
}

Test(unit, a_server_that_requires_a_certificate_refuses_who_has_none)
{
	for (int i = 0; i < 2; i++) {
		struct setting setting = { .auth = KTLS_CLIENT_AUTH_REQUIRE,
					   .protocol = protocols[i] };
		struct pair pair = new_pair(&setting);

		/* RFC 5246 7.4.6, RFC 8446 4.4.2.4. */
		outcome_failure(&pair, PAIR_SERVER, -KTLS_E_PEER_CERTIFICATE,
				protocols[i] == KTLS_TLS_1_3 ? "certificate_required"
							     : "handshake_failure",
				ktls_protocol_name(protocols[i]));
		pair_free(&pair);
	}
}

/*
 * GnuTLS's client keeps back what no authority that the server named has signed, and so does ours;
 * others do not. This one is GnuTLS, told to show what it has.
 */
static int show_to_server(enum pki_kind kind, enum ktls_client_auth auth,
			  enum ktls_protocol protocol, struct ktls_conn **ret_server,
			  struct pair *pair)
{
	struct setting setting = { .auth = auth, .protocol = protocol };
	struct pki_identity identity = pki_issue(kind, false, (const char *[]){ "somebody" }, 1);
	const gnutls_datum_t chain = { (unsigned char *)identity.chain.data,
				       (unsigned int)identity.chain.len };
	const gnutls_datum_t key = { (unsigned char *)identity.key.data,
				     (unsigned int)identity.key.len };
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	int rc = GNUTLS_E_AGAIN, server_rc = KTLS_WANT_READ;
	char byte;

	*pair = new_pair(&setting);
	*ret_server = pair->conn[PAIR_SERVER];
	cr_assert(!gnutls_certificate_allocate_credentials(&credentials));
	cr_assert(!gnutls_certificate_set_x509_key_mem(credentials, &chain, &key,
						       GNUTLS_X509_FMT_PEM));
	cr_assert(
		!gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_FORCE_CLIENT_CERT));
	cr_assert(!gnutls_set_default_priority(session));
	cr_assert(!gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
	gnutls_transport_set_int(session, pair->fd[PAIR_CLIENT]);
	while (rc == GNUTLS_E_AGAIN || server_rc == KTLS_WANT_READ) {
		if (rc == GNUTLS_E_AGAIN)
			rc = gnutls_handshake(session);
		if (server_rc == KTLS_WANT_READ)
			server_rc = ktls_conn_handshake(*ret_server, KTLS_NOW);
	}
	if (!rc)
		while ((rc = (int)gnutls_record_recv(session, &byte, 1)) == GNUTLS_E_AGAIN &&
		       server_rc < 0)
			;
	cr_assert(rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_FATAL_ALERT_RECEIVED, "%s",
		  gnutls_strerror(rc));
	rc = rc == GNUTLS_E_AGAIN ? -1 : (int)gnutls_alert_get(session);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	pki_identity_free(&identity);
	return rc;
}

Test(unit, a_server_refuses_client_certificates_by_their_fault)
{
	static const struct {
		enum pki_kind kind;
		int error;
		int alert;
	} rows[] = {
		{ PKI_CLIENT, 0, -1 },
		{ PKI_FOREIGN, -KTLS_E_PEER_UNTRUSTED, GNUTLS_A_UNKNOWN_CA },
		{ PKI_SELF_SIGNED, -KTLS_E_PEER_SELF_SIGNED, GNUTLS_A_UNKNOWN_CA },
		{ PKI_EXPIRED, -KTLS_E_PEER_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED },
		{ PKI_NOT_YET, -KTLS_E_PEER_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED },
	};

	for (size_t i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct ktls_conn *server;
		struct pair pair;
		int alert, rc;

		alert = show_to_server(rows[i / 4].kind,
				       i & 2 ? KTLS_CLIENT_AUTH_REQUEST : KTLS_CLIENT_AUTH_REQUIRE,
				       protocols[i % 2], &server, &pair);
		rc = ktls_conn_handshake(server, KTLS_NOW);
		cr_assert(rc == rows[i / 4].error, "row %zu: %s: %s", i, ktls_strerrorname(rc),
			  ktls_conn_error(server));
		cr_assert(alert == rows[i / 4].alert, "row %zu: alert %d", i, alert);
		pair_free(&pair);
	}
}

/* What both must share */

static struct pair new_limited(const struct setting *setting, enum ktls_protocol client,
			       enum ktls_protocol server)
{
	struct ktls_config *configs[] = { new_config(KTLS_CLIENT, setting),
					  new_config(KTLS_SERVER, setting) };

	cr_assert(!ktls_config_set_protocols(configs[0], client, client));
	cr_assert(!ktls_config_set_protocols(configs[1], server, server));
	add_identity(configs[1], PKI_GOOD, "localhost");
	return pair_join(configs[0], configs[1], "localhost", 0);
}

Test(unit, no_shared_protocol)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = new_limited(&(struct setting){ 0 }, protocols[i], protocols[!i]);

		outcome_failure(&pair, PAIR_SERVER, -KTLS_E_NO_SHARED_PROTOCOL, "protocol_version",
				ktls_protocol_name(protocols[i]));
		pair_free(&pair);
	}
}

Test(unit, no_shared_suite)
{
	static const enum ktls_cipher mine = KTLS_AES_128_GCM, theirs = KTLS_CHACHA20_POLY1305;

	for (int i = 0; i < 2; i++) {
		struct setting setting = { .protocol = protocols[i] };
		struct ktls_config *client = new_config(KTLS_CLIENT, &setting);
		struct ktls_config *server = new_config(KTLS_SERVER, &setting);

		add_identity(server, PKI_GOOD, "localhost");
		cr_assert(!ktls_config_set_ciphers(client, &mine, 1));
		cr_assert(!ktls_config_set_ciphers(server, &theirs, 1));
		struct pair pair = pair_join(client, server, "localhost", 0);

		outcome_failure(&pair, PAIR_SERVER, -KTLS_E_NO_SHARED_SUITE, "handshake_failure",
				ktls_protocol_name(protocols[i]));
		pair_free(&pair);
	}
}

static struct pair new_alpn(enum ktls_protocol protocol, const char *const *client, size_t client_n,
			    const char *const *server, size_t server_n)
{
	struct setting setting = { .protocol = protocol };
	struct ktls_config *configs[] = { new_config(KTLS_CLIENT, &setting),
					  new_config(KTLS_SERVER, &setting) };

	add_identity(configs[1], PKI_GOOD, "localhost");
	cr_assert(!ktls_config_set_alpn(configs[0], client, client_n));
	cr_assert(!ktls_config_set_alpn(configs[1], server, server_n));
	return pair_join(configs[0], configs[1], "localhost", 0);
}

static const char *const web[] = { "h2", "http/1.1" };
static const char *const web_reversed[] = { "http/1.1", "h2" };
static const char *const mail[] = { "imap" };

Test(unit, no_shared_application_protocol)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = new_alpn(protocols[i], web, 2, mail, 1);

		outcome_failure(&pair, PAIR_SERVER, -KTLS_E_NO_SHARED_ALPN,
				"no_application_protocol", ktls_protocol_name(protocols[i]));
		pair_free(&pair);
	}
}

Test(unit, an_application_protocol_is_chosen_if_both_name_one)
{
	static const struct {
		const char *const *client, *const *server;
		size_t client_n, server_n;
		const char *chosen;
	} rows[] = {
		{ web, web, 2, 2, "h2" },	    { web + 1, web, 1, 2, "http/1.1" },
		{ web, web + 1, 2, 1, "http/1.1" }, { NULL, web, 0, 2, NULL },
		{ web, NULL, 2, 0, NULL },	    { NULL, NULL, 0, 0, NULL },
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair pair =
			new_alpn(protocols[i % 2], rows[i / 2].client, rows[i / 2].client_n,
				 rows[i / 2].server, rows[i / 2].server_n);
		struct ktls_info info;

		outcome_success(&pair, "ALPN");
		for (int end = 0; end < 2; end++) {
			cr_assert(!ktls_conn_get_info(pair.conn[end], &info, sizeof(info)));
			if (rows[i / 2].chosen)
				cr_assert_str_eq(info.alpn, rows[i / 2].chosen);
			else
				cr_assert_null(info.alpn);
		}
		pair_free(&pair);
	}
}

/* "best first" is said of each side's list: the server's counts. */
Test(unit, the_servers_preference_of_application_protocols_counts)
{
	struct pair pair = new_alpn(0, web, 2, web_reversed, 2);
	struct ktls_info info;

	outcome_success(&pair, "ALPN");
	cr_assert(!ktls_conn_get_info(pair.conn[PAIR_SERVER], &info, sizeof(info)));
	cr_assert_str_eq(info.alpn, "http/1.1");
	pair_free(&pair);
}

/* What a connection knows, says and keeps */

static void expect_sni(const char *name, const char *seen)
{
	struct setting setting = { .server_name = name, .asked = name };
	struct pair pair = new_pair(&setting);
	struct ktls_info info;

	outcome_success(&pair, name);
	cr_assert(!ktls_conn_get_info(pair.conn[PAIR_SERVER], &info, sizeof(info)));
	if (seen)
		cr_assert_str_eq(info.server_name, seen);
	else
		cr_assert_null(info.server_name, "%s was sent", info.server_name);
	pair_free(&pair);
}

Test(unit, the_server_sees_the_name_it_was_called_by_but_no_address)
{
	expect_sni("www.example.org", "www.example.org");
	expect_sni("127.0.0.1", NULL);
	expect_sni("::1", NULL);
}

Test(unit, the_name_can_be_changed_until_the_handshake_begins)
{
	struct setting setting = { .asked = "example.org" };
	struct pair pair = new_pair(&setting);
	char long_name[256];

	memset(long_name, 'a', 255);
	long_name[255] = '\0';
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[0], ""), -EINVAL);
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[0], "."), -EINVAL);
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[0], long_name), -EINVAL);
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[0], NULL), -EINVAL);
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[1], "localhost"), -EINVAL);
	cr_assert(!ktls_conn_set_server_name(pair.conn[0], "localhost"));
	cr_assert(ktls_conn_handshake(pair.conn[0], KTLS_NOW) == KTLS_WANT_READ);
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[0], "localhost"), -EISCONN);
	outcome_success(&pair, "the last name");
	pair_free(&pair);
}

Test(unit, nothing_is_read_or_written_before_the_handshake_is_done)
{
	struct pair pair = new_pair(&(struct setting){ 0 });
	uint64_t n64;
	char byte = 0;
	size_t n;

	for (int begun = 0; begun < 2; begun++) {
		cr_assert_eq(ktls_conn_read(pair.conn[0], &byte, 1, KTLS_NOW, &n), -ENOTCONN);
		cr_assert_eq(ktls_conn_write(pair.conn[0], &byte, 1, KTLS_NOW, &n), -ENOTCONN);
		cr_assert_eq(ktls_conn_sendfile(pair.conn[0], 0, 0, 1, KTLS_NOW, &n64), -ENOTCONN);
		cr_assert_eq(ktls_conn_shutdown(pair.conn[0], KTLS_NOW), -ENOTCONN);
		cr_assert(ktls_conn_handshake(pair.conn[0], KTLS_NOW) == KTLS_WANT_READ);
	}
	outcome_success(&pair, "afterwards");
	pair_free(&pair);
}

Test(unit, the_session_of_gnutls_is_freed_when_the_handshake_is_done)
{
	struct pair pair = new_pair(&(struct setting){ 0 });

	outcome_success(&pair, "handshake");
	for (int end = 0; end < 2; end++) {
		cr_assert_null(pair.conn[end]->handshake);
		cr_assert(ktls_conn_handshake(pair.conn[end], KTLS_NOW) == 0, "again is done");
	}
	pair_free(&pair);
}

static off_t file_size(const char *path)
{
	struct stat stat_;

	return stat(path, &stat_) ? -1 : stat_.st_size;
}

/* GnuTLS reads the variable when it first has a secret to tell: the handshake by itself at the end
 * shows that it does read it here. */
Test(unit, sslkeylogfile_logs_nothing)
{
	char path[] = "/tmp/libktls-test-XXXXXX";

	close(mkstemp(path));
	cr_assert(!setenv("SSLKEYLOGFILE", path, 1));
	for (int i = 0; i < 2; i++) {
		struct setting setting = { .protocol = protocols[i] };
		struct pair pair = new_pair(&setting);

		outcome_success(&pair, "handshake");
		pair_free(&pair);
	}
	cr_assert_eq(file_size(path), 0);
	struct ktls_conn *server;
	struct pair pair;

	show_to_server(PKI_CLIENT, KTLS_CLIENT_AUTH_NONE, 0, &server, &pair);
	pair_free(&pair);
	cr_assert(file_size(path) > 0, "GnuTLS alone did not log either");
	unlink(path);
}
