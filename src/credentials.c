/* SPDX-License-Identifier: MIT */

/* Certificates, keys and trust, with GnuTLS; see credentials.h. */

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "credentials.h"
#include "suites.h"
#include "verify.h"

enum {
	CHAIN_MAX = 16,
	SERIAL_LEN = 16,
	SELF_SIGNED_DAYS = 30,
	CLOCK_SLACK_S = 3600,
};

struct ktls_credentials {
	gnutls_certificate_credentials_t certificates;
	gnutls_priority_t priority;
	unsigned int identities;
	bool has_trust;
};

/* A chain as GnuTLS holds it. */
struct chain {
	gnutls_x509_crt_t crts[CHAIN_MAX];
	unsigned int n;
};

static void free_chain(struct chain *chain)
{
	for (unsigned int i = 0; i < chain->n; i++)
		gnutls_x509_crt_deinit(chain->crts[i]);
	chain->n = 0;
}

static void free_key(gnutls_x509_privkey_t *key)
{
	if (*key)
		gnutls_x509_privkey_deinit(*key);
}

static bool is_pem(const gnutls_datum_t *data)
{
	return memmem(data->data, data->size, "-----BEGIN", 10);
}

int ktls_credentials_new(struct ktls_credentials **ret_credentials)
{
	struct ktls_credentials *credentials = calloc(1, sizeof(*credentials));

	if (!credentials)
		return -ENOMEM;
	if (gnutls_certificate_allocate_credentials(&credentials->certificates) < 0) {
		free(credentials);
		return -ENOMEM;
	}
	*ret_credentials = credentials;
	return 0;
}

struct ktls_credentials *ktls_credentials_free(struct ktls_credentials *credentials)
{
	if (!credentials)
		return NULL;
	gnutls_certificate_free_credentials(credentials->certificates);
	if (credentials->priority)
		gnutls_priority_deinit(credentials->priority);
	free(credentials);
	return NULL;
}

bool ktls_credentials_has_identity(const struct ktls_credentials *credentials)
{
	return credentials->identities > 0;
}

bool ktls_credentials_has_trust(const struct ktls_credentials *credentials)
{
	return credentials->has_trust;
}

/* Identity */

static int import_chain(struct ktls_config *config, const gnutls_datum_t *data, struct chain *chain)
{
	int r;

	chain->n = CHAIN_MAX;
	r = gnutls_x509_crt_list_import(chain->crts, &chain->n, data,
					is_pem(data) ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER,
					GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	if (r <= 0) {
		chain->n = 0;
		return ktls_config_fail(config, -KTLS_E_BAD_CERTIFICATE,
					"reading the certificate chain: %s. To do: give PEM, leaf "
					"first, or one certificate as DER",
					gnutls_strerror(r));
	}
	chain->n = (unsigned int)r;
	return 0;
}

static int import_key(struct ktls_config *config, const gnutls_datum_t *data,
		      gnutls_x509_privkey_t *ret_key)
{
	int r = gnutls_x509_privkey_init(ret_key);

	if (r < 0)
		return -ENOMEM;
	r = gnutls_x509_privkey_import2(
		*ret_key, data, is_pem(data) ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER, NULL, 0);
	if (r < 0)
		return ktls_config_fail(config, -KTLS_E_BAD_KEY,
					"reading the private key: %s. To do: give it as PEM or "
					"DER, unencrypted",
					gnutls_strerror(r));
	return 0;
}

static int add_pair(struct ktls_config *config, struct chain *chain, gnutls_x509_privkey_t key)
{
	int r = gnutls_certificate_set_x509_key(config->credentials->certificates, chain->crts,
						(int)chain->n, key);

	if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return ktls_config_fail(
			config, -KTLS_E_KEY_MISMATCH,
			"adding an identity: the private key does not belong to the "
			"first certificate of the chain. To do: put the leaf first, "
			"or give its key");
	if (r < 0)
		return ktls_config_fail(config, -KTLS_E_BAD_CERTIFICATE, "adding an identity: %s",
					gnutls_strerror(r));
	config->credentials->identities++;
	return 0;
}

int ktls_credentials_add_identity(struct ktls_config *config, const void *chain_data,
				  size_t chain_len, const void *key_data, size_t key_len)
{
	const gnutls_datum_t chain_datum = { (unsigned char *)chain_data, (unsigned int)chain_len };
	const gnutls_datum_t key_datum = { (unsigned char *)key_data, (unsigned int)key_len };
	_cleanup_(free_key) gnutls_x509_privkey_t key = NULL;
	_cleanup_(free_chain) struct chain chain = { .n = 0 };
	int r;

	r = import_chain(config, &chain_datum, &chain);
	if (r < 0)
		return r;
	r = import_key(config, &key_datum, &key);
	if (r < 0)
		return r;
	return add_pair(config, &chain, key);
}

/* Self-signed */

static int set_name(gnutls_x509_crt_t crt, const char *name)
{
	uint8_t address[16];
	unsigned int len = 0;

	if (inet_pton(AF_INET, name, address) == 1)
		len = 4;
	else if (inet_pton(AF_INET6, name, address) == 1)
		len = 16;
	if (len)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, len,
							    GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
						    (unsigned int)strlen(name), GNUTLS_FSAN_APPEND);
}

static int fill_self_signed(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
			    const char *const *names, size_t n)
{
	uint8_t serial[SERIAL_LEN];
	time_t now = time(NULL);
	int bad = 0;

	bad |= gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)) < 0;
	serial[0] &= 0x7f; /* RFC 5280 4.1.2.2: positive */
	bad |= gnutls_x509_crt_set_version(crt, 3) < 0;
	bad |= gnutls_x509_crt_set_serial(crt, serial, sizeof(serial)) < 0;
	bad |= gnutls_x509_crt_set_activation_time(crt, now - CLOCK_SLACK_S) < 0;
	bad |= gnutls_x509_crt_set_expiration_time(crt, now + SELF_SIGNED_DAYS * 86400) < 0;
	bad |= gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, names[0],
					     (unsigned int)strlen(names[0])) < 0;
	for (size_t i = 0; i < n; i++)
		bad |= set_name(crt, names[i]) < 0;
	bad |= gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE) < 0;
	bad |= gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0) < 0;
	bad |= gnutls_x509_crt_set_key(crt, key) < 0;
	bad |= gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) < 0;
	return bad ? -KTLS_E_CRYPTO : 0;
}

int ktls_credentials_add_self_signed(struct ktls_config *config, const char *const *names, size_t n)
{
	_cleanup_(free_key) gnutls_x509_privkey_t key = NULL;
	_cleanup_(free_chain) struct chain chain = { .n = 0 };
	int r;

	if (gnutls_x509_privkey_init(&key) < 0 || gnutls_x509_crt_init(&chain.crts[0]) < 0)
		return -ENOMEM;
	chain.n = 1;
	r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (!r)
		r = fill_self_signed(chain.crts[0], key, names, n);
	if (r < 0)
		return ktls_config_fail(config, -KTLS_E_CRYPTO,
					"making a self-signed certificate for %s failed", names[0]);
	return add_pair(config, &chain, key);
}

/* Trust */

int ktls_credentials_add_trust(struct ktls_config *config, const void *data, size_t len)
{
	const gnutls_datum_t datum = { (unsigned char *)data, (unsigned int)len };
	int r;

	r = gnutls_certificate_set_x509_trust_mem(config->credentials->certificates, &datum,
						  is_pem(&datum) ? GNUTLS_X509_FMT_PEM
								 : GNUTLS_X509_FMT_DER);
	if (r <= 0)
		return ktls_config_fail(
			config, -KTLS_E_BAD_TRUST,
			"reading trust anchors: %s. To do: give certificates as PEM, "
			"or one as DER",
			r < 0 ? gnutls_strerror(r) : "there are none");
	config->credentials->has_trust = true;
	return 0;
}

/* Revocation */

int ktls_credentials_add_revocations(struct ktls_config *config, const void *data, size_t len)
{
	const gnutls_datum_t datum = { (unsigned char *)data, (unsigned int)len };
	int r;

	r = gnutls_certificate_set_x509_crl_mem(config->credentials->certificates, &datum,
						is_pem(&datum) ? GNUTLS_X509_FMT_PEM
							       : GNUTLS_X509_FMT_DER);
	if (r <= 0)
		return ktls_config_fail(config, -KTLS_E_BAD_REVOCATION,
					"reading revocation lists: %s. To do: give CRLs as PEM, or "
					"one as DER",
					r < 0 ? gnutls_strerror(r) : "there are none");
	return 0;
}

int ktls_credentials_add_staple(struct ktls_config *config, const void *data, size_t len)
{
	const gnutls_datum_t datum = { (unsigned char *)data, (unsigned int)len };
	struct ktls_credentials *credentials = config->credentials;
	int r;

	if (!credentials->identities)
		return ktls_config_fail_value(
			config, "an OCSP response is for the identity before it: there is none");
	r = gnutls_certificate_set_ocsp_status_request_mem(
		credentials->certificates, &datum, credentials->identities - 1,
		is_pem(&datum) ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER);
	if (r < 0)
		return ktls_config_fail(config, -KTLS_E_BAD_REVOCATION,
					"reading an OCSP response: %s. To do: give the one for the "
					"leaf of the last identity, as DER or PEM",
					r == GNUTLS_E_EXPIRED ? "it says revoked, or has expired"
							      : gnutls_strerror(r));
	return 0;
}

static bool wants_system_trust(const struct ktls_config *config)
{
	return config->role == KTLS_CLIENT && ktls_verify_is_default(config) &&
	       !config->credentials->has_trust;
}

static int load_system_trust(struct ktls_config *config)
{
	int r = gnutls_certificate_set_x509_system_trust(config->credentials->certificates);

	if (r > 0)
		return 0;
	return ktls_config_fail(config, -KTLS_E_BAD_TRUST,
				"loading the system's trust anchors: %s. To do: install "
				"ca-certificates, or name some with ktls_config_add_trust_file()",
				r < 0 ? gnutls_strerror(r) : "there are none");
}

/* Priorities */

/* Its other modes log, or leave it to the caller. */
bool ktls_credentials_is_fips(void)
{
	return gnutls_fips140_mode_enabled() == GNUTLS_FIPS140_STRICT;
}

gnutls_priority_t ktls_credentials_priority(const struct ktls_credentials *credentials)
{
	return credentials->priority;
}

int ktls_credentials_freeze(struct ktls_config *config)
{
	int r = 0;

	if (wants_system_trust(config))
		r = load_system_trust(config);
	return r < 0 ? r : ktls_suites_make_priority(config, &config->credentials->priority);
}

int ktls_credentials_apply(const struct ktls_config *config, gnutls_session_t session)
{
	const struct ktls_credentials *credentials = config->credentials;

	if (gnutls_priority_set(session, credentials->priority) < 0 ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials->certificates) < 0)
		return -KTLS_E_CRYPTO;
	return 0;
}
