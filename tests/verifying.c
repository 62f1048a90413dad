/* SPDX-License-Identifier: MIT */

/* See verifying.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <poll.h>

#include "verifying.h"

enum {
	ROUNDS = 40,
};

enum ktls_protocol verifying_protocol(int i)
{
	return i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
}

enum pair_end verifying_judge(int i)
{
	return i & 2 ? PAIR_SERVER : PAIR_CLIENT;
}

const char *verifying_name(int i)
{
	static const char *const names[VERIFYING_CASES] = { "TLS 1.2, client", "TLS 1.3, client",
							    "TLS 1.2, server", "TLS 1.3, server" };

	return names[i % VERIFYING_CASES];
}

static gnutls_x509_crt_t import(const struct iovec *der)
{
	const gnutls_datum_t datum = { der->iov_base, (unsigned int)der->iov_len };
	gnutls_x509_crt_t crt;

	cr_assert(!gnutls_x509_crt_init(&crt));
	cr_assert(!gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER));
	return crt;
}

int verifying_look(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n)
{
	struct verifying_witness *witness = context;
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	cr_assert(info.state == KTLS_STATE_HANDSHAKE);
	cr_assert_eq(ktls_conn_set_verdict(conn, 0), -EINVAL, "before it is asked for");
	witness->calls++;
	witness->n = n;
	witness->in_order = true;
	for (size_t i = 0; i + 1 < n; i++) {
		gnutls_x509_crt_t crt = import(&chain[i]), issuer = import(&chain[i + 1]);

		witness->in_order &= gnutls_x509_crt_check_issuer(crt, issuer) != 0;
		gnutls_x509_crt_deinit(crt);
		gnutls_x509_crt_deinit(issuer);
	}
	return witness->answer;
}

void verifying_add(struct ktls_config *config, const struct pki_identity *identity)
{
	cr_assert(!ktls_config_add_identity(config, identity->chain.data, identity->chain.len,
					    identity->key.data, identity->key.len));
}

void verifying_configs(int i, const struct pki_identity *identity, struct ktls_config *config[2])
{
	cr_assert(!ktls_config_new(&config[PAIR_CLIENT], KTLS_CLIENT));
	cr_assert(!ktls_config_new(&config[PAIR_SERVER], KTLS_SERVER));
	for (int end = 0; end < 2; end++) {
		cr_assert(!ktls_config_set_protocols(config[end], verifying_protocol(i),
						     verifying_protocol(i)));
		verifying_add(config[end], identity);
	}
	if (verifying_judge(i) == PAIR_SERVER) {
		cr_assert(!ktls_config_set_insecure_no_verify(config[PAIR_CLIENT]));
		cr_assert(!ktls_config_set_client_auth(config[PAIR_SERVER],
						       KTLS_CLIENT_AUTH_REQUIRE));
	}
}

struct pair verifying_pair(int i, struct pki_identity identity, struct verifying_witness *witness)
{
	struct ktls_config *config[2];

	verifying_configs(i, &identity, config);
	pki_identity_free(&identity);
	cr_assert(!ktls_config_set_verifier(config[verifying_judge(i)], verifying_look, witness));
	return pair_join(config[0], config[1], NULL, 0);
}

struct pki_identity verifying_self_signed(void)
{
	static const char *const names[] = { "nobody.example" };

	return pki_issue(PKI_SELF_SIGNED, false, names, 1);
}

void verifying_settle(struct pair *pair, int rc[2])
{
	for (int round = 0; round < ROUNDS; round++) {
		for (int end = 0; end < 2; end++)
			rc[end] = ktls_conn_handshake(pair->conn[end], KTLS_NOW);
		poll(NULL, 0, 1);
	}
}
