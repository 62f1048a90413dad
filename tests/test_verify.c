/* SPDX-License-Identifier: MIT */

/*
 * Who the peer is, as the caller says: verifiers, verdicts that come later, pinned keys. Each in
 * both versions, and by a client as by a server that asks for certificates.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/abstract.h>
#include <string.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "outcome.h"
#include "pair.h"
#include "pki.h"
#include "verifying.h"
#include "visit.h"

enum {
	PATIENCE_MS = 20000,
};

static enum ktls_state state_of(const struct pair *pair, enum pair_end end)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(pair->conn[end], &info, sizeof(info)));
	return info.state;
}

/* At once */

Test(unit, a_verifier_replaces_the_default_and_is_called_once)
{
	for (int i = 0; i < VERIFYING_CASES; i++) {
		struct verifying_witness witness = { .answer = 0 };
		struct pair pair = verifying_pair(i, verifying_self_signed(), &witness);

		outcome_success(&pair, verifying_name(i));
		cr_assert(witness.calls == 1 && witness.n == 1, "%s: %d calls", verifying_name(i),
			  witness.calls);
		cr_assert_eq(ktls_conn_set_verdict(pair.conn[verifying_judge(i)], 0), -EINVAL,
			     "none was asked for");
		pair_free(&pair);
	}
}

Test(unit, a_verifier_sees_the_whole_chain_leaf_first)
{
	for (int i = 0; i < VERIFYING_CASES; i++) {
		struct verifying_witness witness = { .answer = 0 };
		struct pair pair = verifying_pair(i, pki_issue_below(2), &witness);

		outcome_success(&pair, verifying_name(i));
		cr_assert(witness.calls == 1 && witness.n == 3 && witness.in_order,
			  "%s: %d calls, %zu certificates", verifying_name(i), witness.calls,
			  witness.n);
		pair_free(&pair);
	}
}

Test(unit, what_a_verifier_answers_is_why_the_connection_failed)
{
	static const struct {
		int answer, error;
	} rows[] = {
		{ -EPERM, -EPERM },
		{ -KTLS_E_PEER_REVOKED, -KTLS_E_PEER_REVOKED },
		{ 1, -EINVAL }, /* means nothing, and is no yes */
	};

	for (int i = 0; i < 3 * VERIFYING_CASES; i++) {
		struct verifying_witness witness = { .answer = rows[i / VERIFYING_CASES].answer };
		struct pair pair =
			verifying_pair(i % VERIFYING_CASES, verifying_self_signed(), &witness);

		outcome_failure(&pair, verifying_judge(i % VERIFYING_CASES),
				rows[i / VERIFYING_CASES].error, "bad_certificate",
				verifying_name(i));
		cr_assert(strstr(ktls_conn_error(pair.conn[verifying_judge(i % VERIFYING_CASES)]),
				 "verifier"),
			  "%s", ktls_conn_error(pair.conn[verifying_judge(i % VERIFYING_CASES)]));
		cr_assert(witness.calls == 1);
		pair_free(&pair);
	}
}

Test(unit, a_client_that_is_asked_and_has_no_certificate_needs_no_verdict)
{
	for (int i = 2; i < VERIFYING_CASES; i++) {
		struct pki_identity identity = verifying_self_signed();
		struct verifying_witness witness = { .answer = -EPERM };
		struct ktls_config *client, *server;
		struct pair pair;

		cr_assert(!ktls_config_new(&client, KTLS_CLIENT));
		cr_assert(!ktls_config_new(&server, KTLS_SERVER));
		cr_assert(!ktls_config_set_protocols(client, verifying_protocol(i),
						     verifying_protocol(i)));
		cr_assert(!ktls_config_set_insecure_no_verify(client));
		cr_assert(!ktls_config_set_client_auth(server, KTLS_CLIENT_AUTH_REQUEST));
		cr_assert(!ktls_config_set_verifier(server, verifying_look, &witness));
		cr_assert(!ktls_config_add_pinned_key(server, (const uint8_t[32]){ 0 }));
		verifying_add(server, &identity);
		pki_identity_free(&identity);
		pair = pair_join(client, server, NULL, 0);
		outcome_success(&pair, verifying_name(i));
		cr_assert(!witness.calls);
		pair_free(&pair);
	}
}

/* Ours shows no longer one: this server is GnuTLS. */
static int serve_long(struct ktls_conn *client, int fd, const struct pki_identity *identity)
{
	const gnutls_datum_t chain = { (unsigned char *)identity->chain.data,
				       (unsigned int)identity->chain.len };
	const gnutls_datum_t key = { (unsigned char *)identity->key.data,
				     (unsigned int)identity->key.len };
	gnutls_certificate_credentials_t credentials;
	gnutls_pcert_st pcerts[PKI_DEPTH_MAX];
	unsigned int n = PKI_DEPTH_MAX;
	gnutls_privkey_t private;
	int rc;

	cr_assert(!gnutls_certificate_allocate_credentials(&credentials));
	cr_assert(!gnutls_pcert_list_import_x509_raw(pcerts, &n, &chain, GNUTLS_X509_FMT_PEM, 0));
	cr_assert(!gnutls_privkey_init(&private));
	cr_assert(!gnutls_privkey_import_x509_raw(private, &key, GNUTLS_X509_FMT_PEM, NULL, 0));
	cr_assert(!gnutls_certificate_set_key(credentials, NULL, 0, pcerts, (int)n, private));
	rc = outcome_with_gnutls(client, fd, credentials);
	gnutls_certificate_free_credentials(credentials);
	return rc;
}

Test(unit, a_longer_chain_than_sixteen_is_not_looked_at)
{
	for (int i = 0; i < 4; i++) {
		unsigned int n = i / 2 ? 17 : 16;
		struct pki_identity identity = pki_issue_below(n - 1);
		struct verifying_witness witness = { .answer = 0 };
		struct pair pair = verifying_pair(i % 2, verifying_self_signed(), &witness);
		int rc = serve_long(pair.conn[PAIR_CLIENT], pair.fd[PAIR_SERVER], &identity);

		cr_assert(rc == (n == 16 ? 0 : -KTLS_E_PEER_CERTIFICATE), "%u: %s: %s", n,
			  ktls_strerrorname(rc), ktls_conn_error(pair.conn[PAIR_CLIENT]));
		cr_assert(witness.n == (n == 16 ? 16 : 0), "%zu", witness.n);
		pki_identity_free(&identity);
		pair_free(&pair);
	}
}

/* Later */

/* Nothing of the judge's says yes: the other end is not done, or hears nothing more. */
static void expect_pause(struct pair *pair, int i, const struct verifying_witness *witness)
{
	enum pair_end judge = verifying_judge(i);
	const void *der = NULL;
	char byte;
	size_t n = 0;
	int rc[2];

	verifying_settle(pair, rc);
	cr_assert(rc[judge] == KTLS_WANT_VERDICT, "%s: %s", verifying_name(i),
		  ktls_strerrorname(rc[judge]));
	cr_assert(ktls_conn_handshake(pair->conn[judge], ktls_deadline_in(PATIENCE_MS)) ==
			  KTLS_WANT_VERDICT,
		  "it cannot be waited for");
	cr_assert(state_of(pair, judge) == KTLS_STATE_HANDSHAKE);
	cr_assert(!ktls_conn_get_peer_certificate(pair->conn[judge], 0, &der, &n) && n && der);
	cr_assert_eq(ktls_conn_get_peer_certificate(pair->conn[judge], 1, &der, &n), -ENODATA);
	cr_assert_eq(ktls_conn_write(pair->conn[judge], "x", 1, KTLS_NOW, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_read(pair->conn[judge], &byte, 1, KTLS_NOW, &n), -ENOTCONN);
	/* A client of TLS 1.3 has nothing to wait for after its Finished. */
	if (judge == PAIR_SERVER && verifying_protocol(i) == KTLS_TLS_1_3)
		cr_assert(!rc[!judge] && ktls_conn_read(pair->conn[!judge], &byte, 1, KTLS_NOW,
							&n) == KTLS_WANT_READ);
	else
		cr_assert(rc[!judge] == KTLS_WANT_READ, "%s: %s", verifying_name(i),
			  ktls_strerrorname(rc[!judge]));
	cr_assert(witness->calls == 1, "%s: %d calls", verifying_name(i), witness->calls);
	cr_assert_eq(ktls_conn_set_verdict(pair->conn[!judge], 0), -EINVAL);
	cr_assert_eq(ktls_conn_set_verdict(pair->conn[judge], KTLS_WANT_VERDICT), -EINVAL);
}

Test(unit, a_verdict_that_comes_later_is_waited_for)
{
	for (int i = 0; i < VERIFYING_CASES; i++) {
		struct verifying_witness witness = { .answer = KTLS_WANT_VERDICT };
		struct pair pair = verifying_pair(i, verifying_self_signed(), &witness);
		struct ktls_conn *judge = pair.conn[verifying_judge(i)];

		cr_assert_eq(ktls_conn_set_verdict(judge, 0), -EINVAL, "before the handshake");
		expect_pause(&pair, i, &witness);
		cr_assert(!ktls_conn_set_verdict(judge, 0));
		cr_assert_eq(ktls_conn_set_verdict(judge, 0), -EALREADY);
		cr_assert_eq(ktls_conn_set_verdict(judge, -EPERM), -EALREADY);
		outcome_success(&pair, verifying_name(i));
		cr_assert_eq(ktls_conn_set_verdict(judge, -EPERM), -EALREADY);
		cr_assert(witness.calls == 1);
		pair_free(&pair);
	}
}

Test(unit, a_late_no_is_told_to_the_peer)
{
	for (int i = 0; i < VERIFYING_CASES; i++) {
		struct verifying_witness witness = { .answer = KTLS_WANT_VERDICT };
		struct pair pair = verifying_pair(i, verifying_self_signed(), &witness);
		struct ktls_conn *judge = pair.conn[verifying_judge(i)];

		expect_pause(&pair, i, &witness);
		cr_assert(!ktls_conn_set_verdict(judge, -EPERM));
		cr_assert_eq(ktls_conn_set_verdict(judge, 0), -EALREADY);
		outcome_failure(&pair, verifying_judge(i), -EPERM, "bad_certificate",
				verifying_name(i));
		cr_assert_eq(ktls_conn_set_verdict(judge, 0), -EALREADY);
		pair_free(&pair);
	}
}

Test(unit, verdicts_may_come_from_outside_without_a_verifier)
{
	for (int i = 0; i < 2 * VERIFYING_CASES; i++) {
		struct pki_identity identity = verifying_self_signed();
		int verdict = i < VERIFYING_CASES ? 0 : -ETIME, rc[2];
		struct ktls_config *config[2];
		struct pair pair;

		verifying_configs(i, &identity, config);
		pki_identity_free(&identity);
		cr_assert(!ktls_config_set_external_verdict(config[verifying_judge(i)]));
		pair = pair_join(config[0], config[1], NULL, 0);
		verifying_settle(&pair, rc);
		cr_assert(rc[verifying_judge(i)] == KTLS_WANT_VERDICT);
		cr_assert(!ktls_conn_set_verdict(pair.conn[verifying_judge(i)], verdict));
		if (verdict)
			outcome_failure(&pair, verifying_judge(i), verdict, "bad_certificate",
					verifying_name(i));
		else
			outcome_success(&pair, verifying_name(i));
		pair_free(&pair);
	}
}

Test(unit, a_connection_may_be_given_up_while_its_verdict_is_waited_for)
{
	for (int i = 0; i < VERIFYING_CASES; i++) {
		struct verifying_witness witness = { .answer = KTLS_WANT_VERDICT };
		struct pair pair = verifying_pair(i, verifying_self_signed(), &witness);

		expect_pause(&pair, i, &witness);
		cr_assert_eq(ktls_conn_shutdown(pair.conn[verifying_judge(i)], KTLS_NOW),
			     -ENOTCONN);
		pair_free(&pair);
	}
}

/* Again */

/* A client with a verifier, that resumes: what the verifier said the second time counts. */
struct return_visit {
	struct ktls_config *config[2];
	struct verifying_witness witness;
	struct visit_session session;
};

static void visit_first(struct return_visit *again, enum ktls_protocol protocol)
{
	*again = (struct return_visit){ 0 };
	again->config[0] = visit_config(KTLS_CLIENT, protocol, KTLS_OFFLOAD_NEVER, 1);
	again->config[1] = visit_config(KTLS_SERVER, protocol, KTLS_OFFLOAD_NEVER, 1);
	cr_assert(!ktls_config_set_verifier(again->config[0], verifying_look, &again->witness));
	cr_assert(!visit(again->config[0], again->config[1], NULL, &again->session));
	cr_assert(again->witness.calls == 1 && again->session.len);
	again->witness.calls = 0;
}

static struct pair return_pair(struct return_visit *again)
{
	struct pair pair = pair_join(ktls_config_ref(again->config[0]),
				     ktls_config_ref(again->config[1]), "localhost", 0);

	cr_assert(!ktls_conn_set_session(pair.conn[0], again->session.data, again->session.len));
	return pair;
}

static void end_visits(struct return_visit *again, struct pair *pair)
{
	pair_free(pair);
	ktls_config_unref(again->config[0]);
	ktls_config_unref(again->config[1]);
}

static bool is_resumed(const struct pair *pair)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(pair->conn[PAIR_CLIENT], &info, sizeof(info)));
	return info.resumed;
}

Test(unit, resuming_is_no_way_around_the_verifier)
{
	for (int i = 0; i < 6; i++) {
		struct return_visit again;
		struct pair pair;
		int rc[2];

		visit_first(&again, verifying_protocol(i));
		pair = return_pair(&again);
		again.witness.answer = (const int[]){ 0, -EPERM, KTLS_WANT_VERDICT }[i / 2];
		if (i / 2 == 2) {
			expect_pause(&pair, i & 1, &again.witness);
			cr_assert(state_of(&pair, PAIR_SERVER) == KTLS_STATE_HANDSHAKE);
			cr_assert(!ktls_conn_set_verdict(pair.conn[0], 0));
		}
		if (again.witness.answer < 0) {
			outcome_failure(&pair, PAIR_CLIENT, -EPERM, "bad_certificate",
					verifying_name(i));
		} else {
			pair_handshake(&pair, rc);
			cr_assert(!rc[0] && !rc[1] && is_resumed(&pair));
		}
		cr_assert(again.witness.calls == 1 && again.witness.n == 1, "%s: %d",
			  verifying_name(i), again.witness.calls);
		end_visits(&again, &pair);
	}
}

Test(unit, a_late_no_to_a_session_that_resumes_is_told_to_the_peer)
{
	for (int i = 0; i < 2; i++) {
		struct return_visit again;
		struct pair pair;

		visit_first(&again, verifying_protocol(i));
		pair = return_pair(&again);
		again.witness.answer = KTLS_WANT_VERDICT;
		expect_pause(&pair, i, &again.witness);
		cr_assert(!ktls_conn_set_verdict(pair.conn[0], -EPERM));
		outcome_failure(&pair, PAIR_CLIENT, -EPERM, "bad_certificate", verifying_name(i));
		end_visits(&again, &pair);
	}
}

/* Pinned keys */

enum pin_beside {
	BESIDE_DEFAULT,
	BESIDE_VERIFIER,
	BESIDE_LATE_VERDICT,
	BESIDE_INSECURE,
	BESIDE_N,
};

static void set_beside(struct ktls_config *config, enum pin_beside beside,
		       struct verifying_witness *witness)
{
	struct pki_pem authority = pki_authority();

	if (beside == BESIDE_DEFAULT)
		cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	else if (beside == BESIDE_INSECURE)
		cr_assert(!ktls_config_set_insecure_no_verify(config));
	else
		cr_assert(!ktls_config_set_verifier(config, verifying_look, witness));
	witness->answer = beside == BESIDE_LATE_VERDICT ? KTLS_WANT_VERDICT : 0;
}

/* `good`: the second of the pins is the peer's. */
static struct pair pinned_pair(int i, enum pin_beside beside, bool good,
			       struct verifying_witness *witness)
{
	static const char *const names[] = { "localhost" };
	enum pair_end judge = verifying_judge(i);
	struct pki_identity identity =
		pki_issue(judge == PAIR_CLIENT ? PKI_GOOD : PKI_CLIENT, false, names, 1);
	struct ktls_config *config[2];
	uint8_t pin[32] = { 0 };

	verifying_configs(i, &identity, config);
	set_beside(config[judge], beside, witness);
	cr_assert(!ktls_config_add_pinned_key(config[judge], pin));
	pki_pin(&identity, pin);
	pin[31] ^= !good;
	cr_assert(!ktls_config_add_pinned_key(config[judge], pin));
	pki_identity_free(&identity);
	return pair_join(config[0], config[1], "localhost", 0);
}

Test(unit, pinned_keys_count_beside_every_other_check)
{
	for (int i = 0; i < 2 * BESIDE_N * VERIFYING_CASES; i++) {
		enum pin_beside beside = (enum pin_beside)(i / VERIFYING_CASES % BESIDE_N);
		bool good = i >= BESIDE_N * VERIFYING_CASES;
		struct verifying_witness witness = { 0 };
		struct pair pair = pinned_pair(i, beside, good, &witness);
		int rc[2];

		if (beside == BESIDE_LATE_VERDICT) {
			verifying_settle(&pair, rc);
			cr_assert(!ktls_conn_set_verdict(pair.conn[verifying_judge(i)], 0));
		}
		if (good)
			outcome_success(&pair, verifying_name(i));
		else
			outcome_failure(&pair, verifying_judge(i), -KTLS_E_PEER_KEY,
					"bad_certificate", verifying_name(i));
		pair_free(&pair);
	}
}

Test(unit, a_pinned_key_excuses_nothing)
{
	struct pki_identity identity = verifying_self_signed();
	struct ktls_config *config[2];
	struct pki_pem authority = pki_authority();
	struct pair pair;
	uint8_t pin[32];

	verifying_configs(1, &identity, config);
	pki_pin(&identity, pin);
	pki_identity_free(&identity);
	cr_assert(!ktls_config_add_trust(config[0], authority.data, authority.len));
	cr_assert(!ktls_config_add_pinned_key(config[0], pin));
	pair = pair_join(config[0], config[1], "nobody.example", 0);
	outcome_failure(&pair, PAIR_CLIENT, -KTLS_E_PEER_SELF_SIGNED, "unknown_ca", "pinned");
	pair_free(&pair);
}

/* A pin that was not there when the session was made. */
Test(unit, resuming_is_no_way_around_a_pinned_key)
{
	for (int i = 0; i < 2; i++) {
		struct return_visit again;
		struct pair pair;

		visit_first(&again, verifying_protocol(i));
		ktls_config_unref(again.config[0]);
		again.config[0] =
			visit_config(KTLS_CLIENT, verifying_protocol(i), KTLS_OFFLOAD_NEVER, 1);
		cr_assert(!ktls_config_add_pinned_key(again.config[0], (const uint8_t[32]){ 1 }));
		pair = return_pair(&again);
		outcome_failure(&pair, PAIR_CLIENT, -KTLS_E_PEER_KEY, "bad_certificate",
				verifying_name(i));
		end_visits(&again, &pair);
	}
}

/* Setting it */

Test(unit, a_server_that_asks_for_no_certificate_can_verify_none)
{
	for (int i = 0; i < 2; i++) {
		struct pki_identity identity = verifying_self_signed();
		struct ktls_config *config;
		struct ktls_conn *conn;
		int fd[2];

		cr_assert(!ktls_config_new(&config, KTLS_SERVER));
		verifying_add(config, &identity);
		pki_identity_free(&identity);
		if (i)
			cr_assert(!ktls_config_set_external_verdict(config));
		else
			cr_assert(!ktls_config_add_pinned_key(config, (const uint8_t[32]){ 0 }));
		pair_sockets(fd, 0);
		cr_assert_eq(ktls_conn_new(&conn, config, fd[0]), -EINVAL);
		cr_assert(strstr(ktls_config_error(config), "ktls_config_set_client_auth()"), "%s",
			  ktls_config_error(config));
		close(fd[0]);
		close(fd[1]);
		ktls_config_unref(config);
	}
}

Test(unit, what_is_set_wrongly_is_refused_with_a_sentence)
{
	struct verifying_witness witness = { .answer = -EPERM };
	struct ktls_config *config[2];
	struct pki_pem authority = pki_authority();
	struct pki_identity identity = pki_issue_below(2);
	struct pair pair;

	cr_assert_eq(ktls_config_set_verifier(NULL, verifying_look, NULL), -EINVAL);
	cr_assert_eq(ktls_config_set_external_verdict(NULL), -EINVAL);
	cr_assert_eq(ktls_config_add_pinned_key(NULL, (const uint8_t[32]){ 0 }), -EINVAL);
	cr_assert_eq(ktls_conn_set_verdict(NULL, 0), -EINVAL);
	verifying_configs(1, &identity, config);
	pki_identity_free(&identity);
	cr_assert_eq(ktls_config_add_pinned_key(config[0], NULL), -EINVAL);
	cr_assert(*ktls_config_error(config[0]));
	/* NULL is the default again. */
	cr_assert(!ktls_config_set_verifier(config[0], verifying_look, &witness));
	cr_assert(!ktls_config_set_verifier(config[0], NULL, NULL));
	cr_assert(!ktls_config_add_trust(config[0], authority.data, authority.len));
	pair = pair_join(config[0], config[1], "localhost", 0);
	cr_assert_eq(ktls_config_set_verifier(config[0], verifying_look, NULL), -EBUSY);
	cr_assert_eq(ktls_config_set_external_verdict(config[0]), -EBUSY);
	cr_assert_eq(ktls_config_add_pinned_key(config[0], (const uint8_t[32]){ 0 }), -EBUSY);
	outcome_success(&pair, "the default again");
	pair_free(&pair);
	cr_assert(!ktls_config_new(&config[0], KTLS_CLIENT));
	for (int i = 0; i < 16; i++)
		cr_assert(!ktls_config_add_pinned_key(config[0], (const uint8_t[32]){ 0 }));
	cr_assert_eq(ktls_config_add_pinned_key(config[0], (const uint8_t[32]){ 0 }), -EINVAL);
	cr_assert(strstr(ktls_config_error(config[0]), "16"));
	ktls_config_unref(config[0]);
}
