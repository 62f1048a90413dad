/* SPDX-License-Identifier: MIT */

/* Certificates for tests, with GnuTLS; see pki.h. */

#include <arpa/inet.h>
#include <assert.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "must.h"
#include "pki.h"

#define DAY 86400

struct signer {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

static gnutls_x509_privkey_t make_key(bool rsa)
{
	gnutls_x509_privkey_t key;

	MUST(gnutls_x509_privkey_init(&key));
	if (rsa)
		MUST(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0));
	else
		MUST(gnutls_x509_privkey_generate(
			key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	return key;
}

static gnutls_x509_crt_t begin_crt(gnutls_x509_privkey_t key, const char *name, time_t from,
				   time_t to)
{
	gnutls_x509_crt_t crt;
	uint8_t serial[16];

	MUST(gnutls_x509_crt_init(&crt));
	MUST(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)));
	serial[0] = 1;
	MUST(gnutls_x509_crt_set_version(crt, 3));
	MUST(gnutls_x509_crt_set_serial(crt, serial, sizeof(serial)));
	MUST(gnutls_x509_crt_set_activation_time(crt, from));
	MUST(gnutls_x509_crt_set_expiration_time(crt, to));
	MUST(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					   (unsigned int)strlen(name)));
	MUST(gnutls_x509_crt_set_key(crt, key));
	return crt;
}

static struct signer make_authority(const char *name, const struct signer *above)
{
	struct signer signer = { .key = make_key(false) };
	time_t now = time(NULL);

	signer.crt = begin_crt(signer.key, name, now - DAY, now + DAY);
	MUST(gnutls_x509_crt_set_basic_constraints(signer.crt, 1, -1));
	MUST(gnutls_x509_crt_set_key_usage(signer.crt, GNUTLS_KEY_KEY_CERT_SIGN));
	above = above ? above : &signer;
	MUST(gnutls_x509_crt_sign2(signer.crt, above->crt, above->key, GNUTLS_DIG_SHA256, 0));
	return signer;
}

static const struct signer *authority(bool foreign)
{
	static struct signer known, unknown;

	if (foreign) {
		if (!unknown.crt)
			unknown = make_authority("An authority that nobody knows", NULL);
		return &unknown;
	}
	if (!known.crt)
		known = make_authority("An authority for tests", NULL);
	return &known;
}

static void add_name(gnutls_x509_crt_t crt, const char *name)
{
	uint8_t address[16];
	unsigned int len = 0;

	if (inet_pton(AF_INET, name, address) == 1)
		len = 4;
	else if (inet_pton(AF_INET6, name, address) == 1)
		len = 16;
	if (len)
		MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, len,
							  GNUTLS_FSAN_APPEND));
	else
		MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
							  (unsigned int)strlen(name),
							  GNUTLS_FSAN_APPEND));
}

static struct pki_pem export_crt(gnutls_x509_crt_t crt)
{
	gnutls_datum_t out;

	MUST(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &out));
	return (struct pki_pem){ (char *)out.data, out.size };
}

static struct pki_pem export_key(gnutls_x509_privkey_t key)
{
	gnutls_datum_t out;

	MUST(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &out));
	return (struct pki_pem){ (char *)out.data, out.size };
}

static void promise_staple(gnutls_x509_crt_t crt)
{
	gnutls_x509_tlsfeatures_t features;

	MUST(gnutls_x509_tlsfeatures_init(&features));
	MUST(gnutls_x509_tlsfeatures_add(features, 5)); /* status_request */
	MUST(gnutls_x509_crt_set_tlsfeatures(crt, features));
	gnutls_x509_tlsfeatures_deinit(features);
}

/* Signs, exports and frees. */
static struct pki_identity finish(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
				  enum pki_kind kind)
{
	struct signer self = { crt, key };
	const struct signer *signer =
		kind == PKI_SELF_SIGNED ? &self : authority(kind == PKI_FOREIGN);
	struct pki_identity identity;

	if (kind == PKI_STAPLED)
		promise_staple(crt);
	MUST(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
	MUST(gnutls_x509_crt_set_key_purpose_oid(
		crt, kind == PKI_CLIENT ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER, 0));
	MUST(gnutls_x509_crt_sign2(crt, signer->crt, signer->key, GNUTLS_DIG_SHA256, 0));
	identity = (struct pki_identity){ export_crt(crt), export_key(key) };
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return identity;
}

struct pki_identity pki_issue(enum pki_kind kind, bool rsa, const char *const *names, size_t n)
{
	time_t now = time(NULL);
	time_t from = kind == PKI_NOT_YET ? now + DAY : now - 2 * DAY;
	time_t to = kind == PKI_EXPIRED ? now - DAY : now + 2 * DAY;
	gnutls_x509_privkey_t key = make_key(rsa);
	gnutls_x509_crt_t crt = begin_crt(key, n ? names[0] : "nobody", from, to);

	for (size_t i = 0; i < n; i++)
		add_name(crt, names[i]);
	return finish(crt, key, kind);
}

/* Each name, and all of them, are shorter than 128 bytes: a length is one byte. */
static void add_sans(gnutls_x509_crt_t crt, const struct pki_san *sans, int n)
{
	uint8_t der[128] = { 0x30 };
	size_t at = 2;

	for (int i = 0; i < n; i++) {
		size_t len = sans[i].len ? sans[i].len : strlen(sans[i].bytes);

		assert(at + 2 + len <= sizeof(der));
		der[at++] = (uint8_t)sans[i].tag;
		der[at++] = (uint8_t)len;
		memcpy(der + at, sans[i].bytes, len);
		at += len;
	}
	der[1] = (uint8_t)(at - 2);
	MUST(gnutls_x509_crt_set_extension_by_oid(crt, GNUTLS_X509EXT_OID_SAN, der, at, 0));
}

struct pki_identity pki_issue_for(const char *cn, const struct pki_san *sans, int n)
{
	time_t now = time(NULL);
	gnutls_x509_privkey_t key = make_key(false);
	gnutls_x509_crt_t crt = begin_crt(key, cn, now - DAY, now + DAY);

	if (n >= 0)
		add_sans(crt, sans, n);
	return finish(crt, key, PKI_GOOD);
}

static void append(struct pki_pem *to, gnutls_x509_crt_t crt)
{
	struct pki_pem pem = export_crt(crt);

	to->data = gnutls_realloc(to->data, to->len + pem.len);
	if (!to->data)
		abort();
	memcpy(to->data + to->len, pem.data, pem.len);
	to->len += pem.len;
	gnutls_free(pem.data);
}

struct pki_identity pki_issue_below(unsigned int n)
{
	gnutls_x509_privkey_t key = make_key(false);
	time_t now = time(NULL);
	gnutls_x509_crt_t crt = begin_crt(key, "localhost", now - DAY, now + DAY);
	struct signer signers[PKI_DEPTH_MAX] = { *authority(false) };
	struct pki_identity identity;
	char name[32];

	assert(n && n <= PKI_DEPTH_MAX);
	for (unsigned int i = 1; i < n; i++) {
		snprintf(name, sizeof(name), "An authority of depth %u", i);
		signers[i] = make_authority(name, &signers[i - 1]);
	}
	add_name(crt, "localhost");
	MUST(gnutls_x509_crt_sign2(crt, signers[n - 1].crt, signers[n - 1].key, GNUTLS_DIG_SHA256,
				   0));
	identity = (struct pki_identity){ export_crt(crt), export_key(key) };
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	for (unsigned int i = n; i > 0; i--) {
		append(&identity.chain, signers[i - 1].crt);
		if (i == 1)
			break;
		gnutls_x509_crt_deinit(signers[i - 1].crt);
		gnutls_x509_privkey_deinit(signers[i - 1].key);
	}
	return identity;
}

void pki_pin(const struct pki_identity *identity, uint8_t ret_sha256[32])
{
	const gnutls_datum_t key = { (unsigned char *)identity->key.data,
				     (unsigned int)identity->key.len };
	gnutls_privkey_t private;
	gnutls_pubkey_t public;
	gnutls_datum_t spki;

	MUST(gnutls_privkey_init(&private));
	MUST(gnutls_privkey_import_x509_raw(private, &key, GNUTLS_X509_FMT_PEM, NULL, 0));
	MUST(gnutls_pubkey_init(&public));
	MUST(gnutls_pubkey_import_privkey(public, private, 0, 0));
	MUST(gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &spki));
	MUST(gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, ret_sha256));
	gnutls_free(spki.data);
	gnutls_pubkey_deinit(public);
	gnutls_privkey_deinit(private);
}

void pki_identity_free(struct pki_identity *identity)
{
	gnutls_free(identity->chain.data);
	gnutls_free(identity->key.data);
	*identity = (struct pki_identity){ 0 };
}

void pki_get_authority(gnutls_x509_crt_t *ret_crt, gnutls_x509_privkey_t *ret_key)
{
	*ret_crt = authority(false)->crt;
	*ret_key = authority(false)->key;
}

struct pki_pem pki_authority(void)
{
	static struct pki_pem pem;

	if (!pem.data)
		pem = export_crt(authority(false)->crt);
	return pem;
}

struct pki_pem pki_der(const struct pki_pem *pem)
{
	const gnutls_datum_t in = { (unsigned char *)pem->data, (unsigned int)pem->len };
	gnutls_datum_t out;

	MUST(gnutls_pem_base64_decode2(NULL, &in, &out));
	return (struct pki_pem){ (char *)out.data, out.size };
}

struct pki_pem pki_encrypted(const struct pki_pem *key, const char *password)
{
	const gnutls_datum_t in = { (unsigned char *)key->data, (unsigned int)key->len };
	gnutls_x509_privkey_t privkey;
	gnutls_datum_t out;

	MUST(gnutls_x509_privkey_init(&privkey));
	MUST(gnutls_x509_privkey_import(privkey, &in, GNUTLS_X509_FMT_PEM));
	MUST(gnutls_x509_privkey_export2_pkcs8(privkey, GNUTLS_X509_FMT_PEM, password,
					       GNUTLS_PKCS_PBES2_AES_256, &out));
	gnutls_x509_privkey_deinit(privkey);
	return (struct pki_pem){ (char *)out.data, out.size };
}

char *pki_write(const struct pki_pem *pem)
{
	char *path = strdup("/tmp/libktls-test-XXXXXX");
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, pem->data, pem->len) != (ssize_t)pem->len)
		abort();
	close(fd);
	return path;
}
