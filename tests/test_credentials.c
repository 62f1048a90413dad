/* SPDX-License-Identifier: MIT */

/*
 * What no config allows, however careless: ciphers without a certificate, and a client that
 * believes somebody because it was given nothing.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "outcome.h"
#include "pair.h"
#include "pki.h"

enum {
	ROUNDS = 40,
};

enum carelessness {
	CAREFUL,
	INSECURE,
	BELIEVES_ALL,
	CARELESSNESS_N,
};

static int believe(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n)
{
	(void)context;
	(void)conn;
	(void)chain;
	(void)n;
	return 0;
}

static struct ktls_config *new_config(enum ktls_role role, enum carelessness carelessness)
{
	static const char *const names[] = { "localhost" };
	struct pki_pem authority = pki_authority();
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, role));
	cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	if (role == KTLS_SERVER) {
		cr_assert(!ktls_config_add_identity_self_signed(config, names, 1));
		cr_assert(!ktls_config_set_client_auth(config, KTLS_CLIENT_AUTH_REQUEST));
	}
	if (carelessness == INSECURE)
		cr_assert(!ktls_config_set_insecure_no_verify(config));
	if (carelessness == BELIEVES_ALL)
		cr_assert(!ktls_config_set_verifier(config, believe, NULL));
	return config;
}

/* The other end is GnuTLS with nothing but ciphers for which nobody needs a certificate. */
struct anonymous {
	gnutls_session_t session;
	gnutls_anon_client_credentials_t client;
	gnutls_anon_server_credentials_t server;
};

static void begin_anonymous(struct anonymous *anonymous, enum ktls_role role, int fd)
{
	const char *priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH:+ANON-DH";

	cr_assert(!gnutls_init(&anonymous->session,
			       (role == KTLS_CLIENT ? GNUTLS_CLIENT : GNUTLS_SERVER) |
				       GNUTLS_NONBLOCK));
	cr_assert(!gnutls_priority_set_direct(anonymous->session, priority, NULL));
	cr_assert(!gnutls_anon_allocate_client_credentials(&anonymous->client));
	cr_assert(!gnutls_anon_allocate_server_credentials(&anonymous->server));
	cr_assert(!gnutls_credentials_set(anonymous->session, GNUTLS_CRD_ANON,
					  role == KTLS_CLIENT ? (void *)anonymous->client
							      : (void *)anonymous->server));
	gnutls_transport_set_int(anonymous->session, fd);
}

static void end_anonymous(struct anonymous *anonymous)
{
	gnutls_deinit(anonymous->session);
	gnutls_anon_free_client_credentials(anonymous->client);
	gnutls_anon_free_server_credentials(anonymous->server);
}

static bool goes_on(int rc)
{
	return rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED;
}

/* So that what is refused below is known to be possible. */
Test(unit, two_that_want_to_be_anonymous_can)
{
	struct anonymous client, server;
	int fd[2], rc[2] = { GNUTLS_E_AGAIN, GNUTLS_E_AGAIN };

	pair_sockets(fd, 0);
	for (int end = 0; end < 2; end++)
		cr_assert(!fcntl(fd[end], F_SETFL, O_NONBLOCK));
	begin_anonymous(&client, KTLS_CLIENT, fd[0]);
	begin_anonymous(&server, KTLS_SERVER, fd[1]);
	for (int round = 0; round < ROUNDS && (goes_on(rc[0]) || goes_on(rc[1])); round++) {
		rc[0] = goes_on(rc[0]) ? gnutls_handshake(client.session) : rc[0];
		rc[1] = goes_on(rc[1]) ? gnutls_handshake(server.session) : rc[1];
		poll(NULL, 0, 1);
	}
	cr_assert(!rc[0] && !rc[1], "%s, %s", gnutls_strerror(rc[0]), gnutls_strerror(rc[1]));
	end_anonymous(&client);
	end_anonymous(&server);
	close(fd[0]);
	close(fd[1]);
}

Test(unit, no_config_lets_anonymous_ciphers_in)
{
	for (int i = 0; i < 2 * CARELESSNESS_N; i++) {
		enum pair_end ours = i & 1 ? PAIR_SERVER : PAIR_CLIENT;
		struct pair pair = pair_join(new_config(KTLS_CLIENT, (enum carelessness)(i / 2)),
					     new_config(KTLS_SERVER, (enum carelessness)(i / 2)),
					     "localhost", 0);
		struct anonymous other;
		int rc = KTLS_WANT_READ, theirs = GNUTLS_E_AGAIN;

		begin_anonymous(&other, ours == PAIR_CLIENT ? KTLS_SERVER : KTLS_CLIENT,
				pair.fd[!ours]);
		for (int round = 0; round < ROUNDS; round++) {
			if (rc == KTLS_WANT_READ)
				rc = ktls_conn_handshake(pair.conn[ours], KTLS_NOW);
			if (goes_on(theirs))
				theirs = gnutls_handshake(other.session);
			/* GnuTLS leaves its alerts to whoever calls it. */
			if (theirs < 0 && !goes_on(theirs) && ours == PAIR_CLIENT)
				gnutls_alert_send_appropriate(other.session, theirs);
			poll(NULL, 0, 1);
		}
		cr_assert(rc == (ours == PAIR_CLIENT ? -KTLS_E_ALERT : -KTLS_E_NO_SHARED_SUITE),
			  "row %d: %s: %s", i, ktls_strerrorname(rc),
			  ktls_conn_error(pair.conn[ours]));
		cr_assert(theirs < 0 && !goes_on(theirs));
		outcome_stays_failed(pair.conn[ours], rc);
		end_anonymous(&other);
		pair_free(&pair);
	}
}

/* Nothing given */

static struct pair strange_server(enum pki_kind kind, struct ktls_config *client)
{
	static const char *const names[] = { "localhost" };
	struct pki_identity identity = pki_issue(kind, false, names, 1);
	struct ktls_config *server;

	cr_assert(!ktls_config_new(&server, KTLS_SERVER));
	cr_assert(!ktls_config_add_identity(server, identity.chain.data, identity.chain.len,
					    identity.key.data, identity.key.len));
	pki_identity_free(&identity);
	return pair_join(client, server, "localhost", 0);
}

/* -KTLS_E_BAD_TRUST, on a machine that trusts nobody, is as good a refusal, and sooner. */
static bool system_trusts_nobody(struct ktls_config *config)
{
	struct ktls_conn *conn = NULL;
	int fd[2], r;

	pair_sockets(fd, 0);
	r = ktls_conn_new(&conn, config, fd[0]);
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
	cr_assert(!r || r == -KTLS_E_BAD_TRUST, "%s", ktls_config_error(config));
	return r < 0;
}

Test(unit, a_client_that_was_given_nothing_believes_only_whom_the_system_trusts)
{
	static const struct {
		enum pki_kind kind;
		int error;
	} rows[] = {
		{ PKI_SELF_SIGNED, -KTLS_E_PEER_SELF_SIGNED },
		{ PKI_GOOD, -KTLS_E_PEER_UNTRUSTED },
	};

	for (int i = 0; i < 2; i++) {
		struct ktls_config *client;
		struct pair pair;

		cr_assert(!ktls_config_new(&client, KTLS_CLIENT));
		/* No path is a path to less. */
		cr_assert_eq(ktls_config_add_identity_file(client, "", ""), -ENOENT);
		cr_assert_eq(ktls_config_add_identity(client, "", 0, "", 0),
			     -KTLS_E_BAD_CERTIFICATE);
		cr_assert_eq(ktls_config_add_trust_file(client, ""), -ENOENT);
		cr_assert_eq(ktls_config_add_trust(client, "", 0), -KTLS_E_BAD_TRUST);
		if (system_trusts_nobody(client)) {
			ktls_config_unref(client);
			continue;
		}
		pair = strange_server(rows[i].kind, client);
		outcome_failure(&pair, PAIR_CLIENT, rows[i].error, "unknown_ca", "given nothing");
		pair_free(&pair);
	}
}
