/* SPDX-License-Identifier: MIT */

/*
 * Certificates that were taken back: revocation lists, and responses of OCSP that servers staple.
 * Each in both versions.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "outcome.h"
#include "pair.h"
#include "pki.h"
#include "revoking.h"
#include "visit.h"

static enum ktls_protocol protocol_of(int i)
{
	return i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
}

static struct pki_identity issue(enum pki_kind kind)
{
	static const char *const names[] = { "localhost" };

	return pki_issue(kind, false, names, 1);
}

static void add_identity(struct ktls_config *config, const struct pki_identity *identity)
{
	cr_assert(!ktls_config_add_identity(config, identity->chain.data, identity->chain.len,
					    identity->key.data, identity->key.len));
}

static struct ktls_config *new_config(enum ktls_role role, enum ktls_protocol protocol,
				      const struct pki_identity *identity)
{
	struct pki_pem authority = pki_authority();
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, role));
	cr_assert(!ktls_config_set_protocols(config, protocol, protocol));
	cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	if (identity)
		add_identity(config, identity);
	return config;
}

static void add_list(struct ktls_config *config, const struct pki_identity *identities, size_t n)
{
	struct pki_pem list = revoking_list(identities, n), der = pki_der(&list);

	/* Either form: one by memory, the other by a file. */
	if (config && n % 2) {
		cr_assert(!ktls_config_add_revocations(config, list.data, list.len), "%s",
			  ktls_config_error(config));
	} else {
		char *path = pki_write(&der);

		cr_assert(!ktls_config_add_revocations_file(config, path), "%s",
			  ktls_config_error(config));
		unlink(path);
		free(path);
	}
	gnutls_free(list.data);
	gnutls_free(der.data);
}

static void add_staple(struct ktls_config *config, const struct pki_identity *identity,
		       enum revoking_answer answer)
{
	struct pki_pem response = revoking_response(identity, answer);

	cr_assert(!ktls_config_add_staple(config, response.data, response.len), "%d: %s", answer,
		  ktls_config_error(config));
	free(response.data);
}

/* Lists */

Test(unit, a_server_on_the_list_of_its_issuer_is_refused)
{
	for (int i = 0; i < 8; i++) {
		struct pki_identity identities[] = { issue(PKI_GOOD), issue(PKI_GOOD) };
		struct ktls_config *client = new_config(KTLS_CLIENT, protocol_of(i), NULL);
		struct ktls_config *server =
			new_config(KTLS_SERVER, protocol_of(i), &identities[0]);
		struct pair pair;

		/* On the list: another one; nobody; both of them; it alone. */
		if (i / 2 == 0)
			add_list(client, &identities[1], 1);
		else if (i / 2 == 1)
			add_list(client, NULL, 0);
		else
			add_list(client, identities, i / 2 == 2 ? 2 : 1);
		pair = pair_join(client, server, "localhost", 0);
		if (i / 2 < 2)
			outcome_success(&pair, "not listed");
		else
			outcome_failure(&pair, PAIR_CLIENT, -KTLS_E_PEER_REVOKED,
					"certificate_revoked", "listed");
		pair_free(&pair);
		for (int n = 0; n < 2; n++)
			pki_identity_free(&identities[n]);
	}
}

Test(unit, a_client_on_the_list_of_its_issuer_is_refused)
{
	for (int i = 0; i < 2; i++) {
		struct pki_identity good = issue(PKI_GOOD), bad = issue(PKI_CLIENT);
		struct ktls_config *client = new_config(KTLS_CLIENT, protocol_of(i), &bad);
		struct ktls_config *server = new_config(KTLS_SERVER, protocol_of(i), &good);
		struct pair pair;

		cr_assert(!ktls_config_set_client_auth(server, KTLS_CLIENT_AUTH_REQUIRE));
		add_list(server, &bad, 1);
		pair = pair_join(client, server, "localhost", 0);
		outcome_failure(&pair, PAIR_SERVER, -KTLS_E_PEER_REVOKED, "certificate_revoked",
				ktls_protocol_name(protocol_of(i)));
		pair_free(&pair);
		pki_identity_free(&good);
		pki_identity_free(&bad);
	}
}

Test(unit, what_is_no_list_is_refused_with_a_sentence)
{
	struct ktls_config *config = new_config(KTLS_CLIENT, KTLS_TLS_1_3, NULL);
	struct pki_pem list = revoking_list(NULL, 0), authority = pki_authority();

	cr_assert_eq(ktls_config_add_revocations(NULL, "x", 1), -EINVAL);
	cr_assert_eq(ktls_config_add_revocations(config, NULL, 1), -EINVAL);
	cr_assert_eq(ktls_config_add_revocations(config, "x", (1 << 25) + 1), -EINVAL);
	cr_assert_eq(ktls_config_add_revocations_file(config, NULL), -EINVAL);
	cr_assert_eq(ktls_config_add_revocations_file(config, "/nonexistent"), -ENOENT);
	cr_assert(strstr(ktls_config_error(config), "/nonexistent"));
	for (int i = 0; i < 4; i++) {
		char nonsense[] = "nonsense";
		const struct pki_pem bad[] = {
			{ nonsense, 8 }, { nonsense, 0 }, authority, { list.data, list.len / 2 }
		};

		cr_assert(ktls_config_add_revocations(config, bad[i].data, bad[i].len) ==
				  -KTLS_E_BAD_REVOCATION,
			  "%d", i);
		cr_assert(strstr(ktls_config_error(config), "To do:"), "%d: %s", i,
			  ktls_config_error(config));
	}
	gnutls_free(list.data);
	ktls_config_unref(config);
}

/* Staples */

struct row {
	const char *what;
	enum pki_kind kind;
	bool staples;
	enum revoking_answer answer;
	bool required;
	int error;
};

static const struct row rows[] = {
	{ "good", PKI_GOOD, true, REVOKING_GOOD, false, 0 },
	{ "good, and required", PKI_GOOD, true, REVOKING_GOOD, true, 0 },
	{ "good, and promised", PKI_STAPLED, true, REVOKING_GOOD, false, 0 },
	{ "none", PKI_GOOD, false, REVOKING_GOOD, false, 0 },
	{ "none, but required", PKI_GOOD, false, REVOKING_GOOD, true, -KTLS_E_PEER_STAPLE },
	{ "none, but promised", PKI_STAPLED, false, REVOKING_GOOD, false, -KTLS_E_PEER_STAPLE },
	{ "unknown", PKI_GOOD, true, REVOKING_UNKNOWN, false, 0 },
	{ "unknown, but required", PKI_GOOD, true, REVOKING_UNKNOWN, true, -KTLS_E_PEER_STAPLE },
	{ "forged", PKI_GOOD, true, REVOKING_FORGED, false, -KTLS_E_PEER_STAPLE },
};

Test(unit, a_stapled_response_is_believed_if_it_is_valid)
{
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i / 2];
		struct pki_identity identity = issue(row->kind);
		struct ktls_config *client = new_config(KTLS_CLIENT, protocol_of((int)i), NULL);
		struct ktls_config *server =
			new_config(KTLS_SERVER, protocol_of((int)i), &identity);
		struct pair pair;

		if (row->staples)
			add_staple(server, &identity, row->answer);
		if (row->required)
			cr_assert(!ktls_config_set_require_staple(client));
		pair = pair_join(client, server, "localhost", 0);
		if (row->error)
			outcome_failure(&pair, PAIR_CLIENT, row->error,
					"bad_certificate_status_response", row->what);
		else
			outcome_success(&pair, row->what);
		pair_free(&pair);
		pki_identity_free(&identity);
	}
}

/* What our server would not staple; this one is GnuTLS, told not to look. */
static int serve_staple(struct ktls_conn *client, int fd, const struct pki_identity *identity,
			enum revoking_answer answer)
{
	const gnutls_datum_t chain = { (unsigned char *)identity->chain.data,
				       (unsigned int)identity->chain.len };
	const gnutls_datum_t key = { (unsigned char *)identity->key.data,
				     (unsigned int)identity->key.len };
	struct pki_pem response = revoking_response(identity, answer);
	const gnutls_datum_t staple = { (unsigned char *)response.data,
					(unsigned int)response.len };
	gnutls_certificate_credentials_t credentials;
	int rc;

	cr_assert(!gnutls_certificate_allocate_credentials(&credentials));
	gnutls_certificate_set_flags(credentials, GNUTLS_CERTIFICATE_SKIP_OCSP_RESPONSE_CHECK);
	cr_assert(!gnutls_certificate_set_x509_key_mem(credentials, &chain, &key,
						       GNUTLS_X509_FMT_PEM));
	cr_assert(gnutls_certificate_set_ocsp_status_request_mem(credentials, &staple, 0,
								 GNUTLS_X509_FMT_DER) >= 0);
	free(response.data);
	rc = outcome_with_gnutls(client, fd, credentials);
	gnutls_certificate_free_credentials(credentials);
	return rc;
}

Test(unit, a_response_that_says_no_or_nothing_is_no_proof)
{
	static const struct {
		enum revoking_answer answer;
		bool required;
		int error;
	} cases[] = {
		{ REVOKING_GOOD, true, 0 },
		{ REVOKING_REVOKED, false, -KTLS_E_PEER_REVOKED },
		{ REVOKING_REVOKED, true, -KTLS_E_PEER_REVOKED },
		{ REVOKING_EXPIRED, false, -KTLS_E_PEER_STAPLE },
		{ REVOKING_EXPIRED, true, -KTLS_E_PEER_STAPLE },
		{ REVOKING_TRY_LATER, false, 0 },
		{ REVOKING_TRY_LATER, true, -KTLS_E_PEER_STAPLE },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_identity identity = issue(PKI_GOOD);
		struct ktls_config *client = new_config(KTLS_CLIENT, protocol_of((int)i), NULL);
		struct ktls_config *server =
			new_config(KTLS_SERVER, protocol_of((int)i), &identity);
		struct pair pair;
		int rc;

		if (cases[i / 2].required)
			cr_assert(!ktls_config_set_require_staple(client));
		pair = pair_join(client, server, "localhost", 0);
		rc = serve_staple(pair.conn[PAIR_CLIENT], pair.fd[PAIR_SERVER], &identity,
				  cases[i / 2].answer);
		cr_assert(rc == cases[i / 2].error, "case %zu: %s: %s", i, ktls_strerrorname(rc),
			  ktls_conn_error(pair.conn[PAIR_CLIENT]));
		pair_free(&pair);
		pki_identity_free(&identity);
	}
}

/* The session remembers the response, too. */
Test(unit, a_session_that_resumes_has_proved_it)
{
	for (int i = 0; i < 2; i++) {
		struct pki_identity identity = issue(PKI_STAPLED);
		struct ktls_config *client = new_config(KTLS_CLIENT, protocol_of(i), NULL);
		struct ktls_config *server = new_config(KTLS_SERVER, protocol_of(i), &identity);
		struct visit_session session;

		add_staple(server, &identity, REVOKING_GOOD);
		cr_assert(!ktls_config_set_require_staple(client));
		cr_assert(!ktls_config_set_tickets(client, 1));
		cr_assert(!visit(client, server, NULL, &session));
		cr_assert(visit(client, server, &session, NULL), "%s",
			  ktls_protocol_name(protocol_of(i)));
		ktls_config_unref(client);
		ktls_config_unref(server);
		pki_identity_free(&identity);
	}
}

/* Nor is it a way around a list that came since. */
Test(unit, a_session_of_whom_was_revoked_since_is_not_resumed)
{
	for (int i = 0; i < 2; i++) {
		struct pki_identity identity = issue(PKI_GOOD);
		struct ktls_config *client = new_config(KTLS_CLIENT, protocol_of(i), NULL);
		struct ktls_config *wiser = new_config(KTLS_CLIENT, protocol_of(i), NULL);
		struct ktls_config *server = new_config(KTLS_SERVER, protocol_of(i), &identity);
		struct visit_session session;
		struct pair pair;

		cr_assert(!ktls_config_set_tickets(client, 1));
		cr_assert(!visit(client, server, NULL, &session));
		add_list(wiser, &identity, 1);
		pair = pair_join(wiser, server, "localhost", 0);
		cr_assert(!ktls_conn_set_session(pair.conn[0], session.data, session.len));
		outcome_failure(&pair, PAIR_CLIENT, -KTLS_E_PEER_REVOKED, "certificate_revoked",
				ktls_protocol_name(protocol_of(i)));
		pair_free(&pair);
		ktls_config_unref(client);
		pki_identity_free(&identity);
	}
}

Test(unit, what_cannot_be_stapled_is_refused_with_a_sentence)
{
	struct pki_identity identity = issue(PKI_GOOD), other = issue(PKI_GOOD);
	struct ktls_config *config = new_config(KTLS_SERVER, KTLS_TLS_1_3, NULL);
	struct pki_pem foreign = revoking_response(&other, REVOKING_GOOD);
	struct pki_pem good = revoking_response(&identity, REVOKING_GOOD);
	struct pki_pem revoked = revoking_response(&identity, REVOKING_REVOKED);
	struct pki_pem expired = revoking_response(&identity, REVOKING_EXPIRED);
	char *path = pki_write(&good);

	cr_assert_eq(ktls_config_add_staple(NULL, "x", 1), -EINVAL);
	cr_assert_eq(ktls_config_add_staple(config, NULL, 1), -EINVAL);
	cr_assert_eq(ktls_config_add_staple_file(config, NULL), -EINVAL);
	cr_assert_eq(ktls_config_add_staple(config, good.data, good.len), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "identity"), "%s", ktls_config_error(config));
	cr_assert_eq(ktls_config_set_require_staple(config), -EINVAL);
	cr_assert(strstr(ktls_config_error(config), "client"));
	cr_assert_eq(ktls_config_set_require_staple(NULL), -EINVAL);
	add_identity(config, &identity);
	for (int i = 0; i < 6; i++) {
		char nonsense[] = "nonsense";
		const struct pki_pem bad[] = { { nonsense, 8 }, { nonsense, 0 },
					       foreign,		{ good.data, good.len / 2 },
					       revoked,		expired };

		cr_assert(ktls_config_add_staple(config, bad[i].data, bad[i].len) ==
				  -KTLS_E_BAD_REVOCATION,
			  "%d", i);
		cr_assert(strstr(ktls_config_error(config), "To do:"), "%d: %s", i,
			  ktls_config_error(config));
	}
	cr_assert_eq(ktls_config_add_staple_file(config, "/nonexistent"), -ENOENT);
	cr_assert(!ktls_config_add_staple_file(config, path), "%s", ktls_config_error(config));
	unlink(path);
	free(path);
	free(foreign.data);
	free(revoked.data);
	free(expired.data);
	free(good.data);
	pki_identity_free(&identity);
	pki_identity_free(&other);
	ktls_config_unref(config);
}
