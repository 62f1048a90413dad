/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PKI_H
#define TESTS_PKI_H

/*
 * Throw-away certificates, made when a test asks. One authority signs what is not said to be
 * otherwise; keys live only as long as the process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pki_pem {
	char *data;
	size_t len;
};

/* A certificate and its key, as PEM. */
struct pki_identity {
	struct pki_pem chain;
	struct pki_pem key;
};

enum pki_kind {
	PKI_GOOD,
	PKI_EXPIRED,
	PKI_NOT_YET,
	PKI_SELF_SIGNED,
	PKI_FOREIGN, /* signed by an authority that nobody knows */
	PKI_CLIENT,  /* for a client */
	PKI_STAPLED, /* promises to come with a response of OCSP (RFC 7633) */
};

/* What a certificate says that it is for, byte by byte: tags of GeneralName (RFC 5280 4.2.1.6). */
enum pki_san_tag {
	PKI_SAN_EMAIL = 0x81,
	PKI_SAN_DNS = 0x82,
	PKI_SAN_URI = 0x86,
	PKI_SAN_IP = 0x87,
};

struct pki_san {
	enum pki_san_tag tag;
	const char *bytes;
	size_t len; /* 0: up to the NUL */
};

/* For the names (DNS names and addresses), with an ECDSA P-256 key, or RSA 2048. Ends the test on
 * failure. */
struct pki_identity pki_issue(enum pki_kind kind, bool rsa, const char *const *names, size_t n);

/* Good but for its names: this CN, and these in the extension; n < 0: there is none. */
struct pki_identity pki_issue_for(const char *cn, const struct pki_san *sans, int n);

enum {
	PKI_DEPTH_MAX = 20,
};

/* For localhost, below n authorities, the first of which is the known one: n + 1 certificates. */
struct pki_identity pki_issue_below(unsigned int n);

/* The SHA-256 of the SubjectPublicKeyInfo of its leaf. */
void pki_pin(const struct pki_identity *identity, uint8_t ret_sha256[32]);

void pki_identity_free(struct pki_identity *identity);

/* The known authority itself. */
struct gnutls_x509_crt_int;
struct gnutls_x509_privkey_int;
void pki_get_authority(struct gnutls_x509_crt_int **ret_crt,
		       struct gnutls_x509_privkey_int **ret_key);

/* The authority's certificate as PEM. Lives as long as the process. */
struct pki_pem pki_authority(void);

/* The same in other forms; to be freed with gnutls_free(). */
struct pki_pem pki_der(const struct pki_pem *pem);
struct pki_pem pki_encrypted(const struct pki_pem *key, const char *password);

/* Writes a PEM to a new file under /tmp; returns its path, to be freed. */
char *pki_write(const struct pki_pem *pem);

#endif
