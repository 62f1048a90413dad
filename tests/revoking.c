/* SPDX-License-Identifier: MIT */

/* Revocation lists with GnuTLS, and responses of OCSP (RFC 6960 4.2), for which it has no writer:
 * see revoking.h. */

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "must.h"
#include "revoking.h"

enum {
	HOUR = 3600,
	DAY = 24 * HOUR,
	DER_MAX = 2048,
	HASH_LEN = 20,	/* SHA-1, which names the issuer */
	POINT_LEN = 65, /* of P-256, the end of its SubjectPublicKeyInfo */
};

static gnutls_x509_crt_t import(const struct pki_identity *identity)
{
	const gnutls_datum_t pem = { (unsigned char *)identity->chain.data,
				     (unsigned int)identity->chain.len };
	gnutls_x509_crt_t crt;

	MUST(gnutls_x509_crt_init(&crt));
	MUST(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM));
	return crt;
}

struct pki_pem revoking_list(const struct pki_identity *identities, size_t n)
{
	static const uint8_t number[] = { 1 };
	gnutls_x509_crt_t authority;
	gnutls_x509_privkey_t key;
	gnutls_x509_crl_t crl;
	gnutls_datum_t out;
	time_t now = time(NULL);

	pki_get_authority(&authority, &key);
	MUST(gnutls_x509_crl_init(&crl));
	MUST(gnutls_x509_crl_set_version(crl, 2));
	for (size_t i = 0; i < n; i++) {
		gnutls_x509_crt_t crt = import(&identities[i]);

		MUST(gnutls_x509_crl_set_crt(crl, crt, now - HOUR));
		gnutls_x509_crt_deinit(crt);
	}
	MUST(gnutls_x509_crl_set_this_update(crl, now - HOUR));
	MUST(gnutls_x509_crl_set_next_update(crl, now + DAY));
	MUST(gnutls_x509_crl_set_number(crl, number, sizeof(number)));
	MUST(gnutls_x509_crl_sign2(crl, authority, key, GNUTLS_DIG_SHA256, 0));
	MUST(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &out));
	gnutls_x509_crl_deinit(crl);
	return (struct pki_pem){ (char *)out.data, out.size };
}

/* DER, from the inside out */

struct der {
	uint8_t bytes[DER_MAX];
	size_t len;
};

static void put(struct der *der, const void *bytes, size_t len)
{
	if (der->len + len > sizeof(der->bytes))
		abort();
	if (!len)
		return;
	memcpy(der->bytes + der->len, bytes, len);
	der->len += len;
}

static void put_value(struct der *der, uint8_t tag, const void *bytes, size_t len)
{
	const uint8_t header[] = { tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len };
	const uint8_t small[] = { tag, (uint8_t)len };
	const uint8_t medium[] = { tag, 0x81, (uint8_t)len };

	if (len < 0x80)
		put(der, small, sizeof(small));
	else if (len < 0x100)
		put(der, medium, sizeof(medium));
	else
		put(der, header, sizeof(header));
	put(der, bytes, len);
}

/* Everything so far becomes the content of one value. */
static void wrap(struct der *der, uint8_t tag)
{
	struct der inner = *der;

	der->len = 0;
	put_value(der, tag, inner.bytes, inner.len);
}

static void put_time(struct der *der, time_t when)
{
	struct tm tm;
	char text[32];
	size_t len = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", gmtime_r(&when, &tm));

	put_value(der, 0x18, text, len);
}

static void put_hash(struct der *der, const void *bytes, size_t len)
{
	uint8_t hash[HASH_LEN];

	MUST(gnutls_hash_fast(GNUTLS_DIG_SHA1, bytes, len, hash));
	put_value(der, 0x04, hash, sizeof(hash));
}

/* CertID */
static void put_id(struct der *der, gnutls_x509_crt_t crt, gnutls_x509_crt_t authority)
{
	static const uint8_t sha1[] = { 0x30, 9, 0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a, 0x05, 0 };
	struct der id = { .len = 0 };
	gnutls_pubkey_t key;
	gnutls_datum_t name, spki;
	uint8_t serial[64];
	size_t serial_len = sizeof(serial);

	MUST(gnutls_pubkey_init(&key));
	MUST(gnutls_pubkey_import_x509(key, authority, 0));
	MUST(gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &spki));
	MUST(gnutls_x509_crt_get_raw_dn(authority, &name));
	MUST(gnutls_x509_crt_get_serial(crt, serial, &serial_len));
	put(&id, sha1, sizeof(sha1));
	put_hash(&id, name.data, name.size);
	put_hash(&id, spki.data + spki.size - POINT_LEN, POINT_LEN);
	put_value(&id, 0x02, serial, serial_len);
	wrap(&id, 0x30);
	put(der, id.bytes, id.len);
	gnutls_free(name.data);
	gnutls_free(spki.data);
	gnutls_pubkey_deinit(key);
}

/* SingleResponse */
static void put_answer(struct der *der, gnutls_x509_crt_t crt, gnutls_x509_crt_t authority,
		       enum revoking_answer answer)
{
	time_t now = time(NULL), next = answer == REVOKING_EXPIRED ? now - HOUR : now + DAY;
	struct der next_update = { .len = 0 }, revoked = { .len = 0 };

	put_id(der, crt, authority);
	put_time(&revoked, now - HOUR);
	if (answer == REVOKING_REVOKED)
		put_value(der, 0xa1, revoked.bytes, revoked.len);
	else
		put_value(der, answer == REVOKING_UNKNOWN ? 0x82 : 0x80, NULL, 0);
	put_time(der, now - 2 * HOUR);
	put_time(&next_update, next);
	put_value(der, 0xa0, next_update.bytes, next_update.len);
	wrap(der, 0x30);
}

/* ResponseData */
static struct der response_data(gnutls_x509_crt_t crt, gnutls_x509_crt_t authority,
				enum revoking_answer answer)
{
	struct der data = { .len = 0 }, answers = { .len = 0 };
	gnutls_datum_t name;

	MUST(gnutls_x509_crt_get_raw_dn(authority, &name));
	put_value(&data, 0xa1, name.data, name.size);
	gnutls_free(name.data);
	put_time(&data, time(NULL) - 2 * HOUR);
	put_answer(&answers, crt, authority, answer);
	wrap(&answers, 0x30);
	put(&data, answers.bytes, answers.len);
	wrap(&data, 0x30);
	return data;
}

/* BasicOCSPResponse */
static struct der sign(const struct der *data, gnutls_x509_privkey_t key, bool forged)
{
	static const uint8_t ecdsa_sha256[] = { 0x30, 10,   0x06, 8, 0x2a, 0x86,
						0x48, 0xce, 0x3d, 4, 3,	   2 };
	const gnutls_datum_t signed_bytes = { (unsigned char *)data->bytes,
					      (unsigned int)data->len - forged };
	struct der basic = { .len = 0 }, bits = { .bytes = { 0 }, .len = 1 };
	gnutls_privkey_t private;
	gnutls_datum_t signature;

	MUST(gnutls_privkey_init(&private));
	MUST(gnutls_privkey_import_x509(private, key, 0));
	MUST(gnutls_privkey_sign_data(private, GNUTLS_DIG_SHA256, 0, &signed_bytes, &signature));
	put(&basic, data->bytes, data->len);
	put(&basic, ecdsa_sha256, sizeof(ecdsa_sha256));
	put(&bits, signature.data, signature.size);
	put_value(&basic, 0x03, bits.bytes, bits.len);
	wrap(&basic, 0x30);
	gnutls_free(signature.data);
	gnutls_privkey_deinit(private);
	return basic;
}

struct pki_pem revoking_response(const struct pki_identity *identity, enum revoking_answer answer)
{
	static const uint8_t successful[] = { 0x0a, 1, 0 }, try_later[] = { 0x0a, 1, 3 };
	static const uint8_t ocsp_basic[] = { 0x06, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1 };
	gnutls_x509_crt_t crt = import(identity), authority;
	struct der response = { .len = 0 }, bytes = { .len = 0 }, data, basic;
	gnutls_x509_privkey_t key;
	struct pki_pem out;

	pki_get_authority(&authority, &key);
	data = response_data(crt, authority, answer);
	basic = sign(&data, key, answer == REVOKING_FORGED);
	put(&bytes, ocsp_basic, sizeof(ocsp_basic));
	put_value(&bytes, 0x04, basic.bytes, basic.len);
	wrap(&bytes, 0x30);
	if (answer == REVOKING_TRY_LATER) {
		put(&response, try_later, sizeof(try_later));
	} else {
		put(&response, successful, sizeof(successful));
		put_value(&response, 0xa0, bytes.bytes, bytes.len);
	}
	wrap(&response, 0x30);
	gnutls_x509_crt_deinit(crt);
	out = (struct pki_pem){ malloc(response.len), response.len };
	memcpy(out.data, response.bytes, response.len);
	return out;
}
