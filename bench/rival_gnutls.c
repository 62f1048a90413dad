/* SPDX-License-Identifier: MIT */

/* GnuTLS alone; see rival_gnutls.h. */

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "rival_gnutls.h"

/* Those of the library. */
#define PRIORITY_ALL                                                                   \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"  \
	"-MAC-ALL:+AEAD:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+AES-128-CCM:+CHACHA20-" \
	"POLY1305"
#define PRIORITY_ONE_1_2                                                                \
	"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL:+AEAD:" \
	"-CIPHER-ALL:+AES-128-GCM"
#define PRIORITY_ONE                                                                    \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL:+AEAD:" \
	"-CIPHER-ALL:+AES-128-GCM"

enum {
	DAY = 86400,
	SERIAL_LEN = 16,
	KEY_MAX = 32,
	NONCE_LEN = 12,
	HEADER_LEN = 5,
	TAG_LEN = 16,
	HASH_LEN = 32,
};

struct rival {
	gnutls_certificate_credentials_t certificates;
	gnutls_priority_t priority;
	gnutls_datum_t ticket_key;
};

const char *rival_version(void)
{
	return gnutls_check_version(NULL);
}

/* struct rival_session is GnuTLS's under a name of ours. */
static gnutls_session_t session_of(struct rival_session *session)
{
	return (gnutls_session_t)(void *)session;
}

static void must(int rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, gnutls_strerror(rc));
}

static void sign_certificate(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	static const char name[] = "localhost";
	uint8_t serial[SERIAL_LEN];
	time_t now = time(NULL);

	must(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)), "serial");
	serial[0] &= 0x7f;
	must(gnutls_x509_crt_set_version(crt, 3), "version");
	must(gnutls_x509_crt_set_serial(crt, serial, sizeof(serial)), "serial");
	must(gnutls_x509_crt_set_activation_time(crt, now - DAY), "times");
	must(gnutls_x509_crt_set_expiration_time(crt, now + DAY), "times");
	must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
						  (unsigned int)strlen(name), GNUTLS_FSAN_SET),
	     "name");
	must(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE), "usage");
	must(gnutls_x509_crt_set_key(crt, key), "key");
	must(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), "signing");
}

static gnutls_x509_privkey_t make_key(bool rsa)
{
	unsigned int bits = rsa ? 2048 : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
	gnutls_x509_privkey_t key;

	must(gnutls_x509_privkey_init(&key), "making a key");
	must(gnutls_x509_privkey_generate(key, rsa ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA, bits, 0),
	     "making a key");
	return key;
}

struct bench_identity rival_make_identity(bool rsa)
{
	gnutls_x509_privkey_t key = make_key(rsa);
	gnutls_datum_t chain_pem, key_pem;
	gnutls_x509_crt_t crt;

	must(gnutls_x509_crt_init(&crt), "making a certificate");
	sign_certificate(crt, key);
	must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &chain_pem), "exporting");
	must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem), "exporting");
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return (struct bench_identity){ (char *)chain_pem.data, chain_pem.size,
					(char *)key_pem.data, key_pem.size };
}

void rival_free_identity(struct bench_identity *identity)
{
	gnutls_free(identity->chain);
	gnutls_free(identity->key);
}

struct rival *rival_new(const struct bench_identity *identity, bool one_suite,
			enum ktls_protocol protocol)
{
	const char *one = protocol == KTLS_TLS_1_2 ? PRIORITY_ONE_1_2 : PRIORITY_ONE;
	const gnutls_datum_t chain = { (unsigned char *)identity->chain,
				       (unsigned int)identity->chain_len };
	const gnutls_datum_t key = { (unsigned char *)identity->key,
				     (unsigned int)identity->key_len };
	struct rival *rival = calloc(1, sizeof(*rival));

	if (!rival)
		bench_die("no memory");
	must(gnutls_certificate_allocate_credentials(&rival->certificates), "credentials");
	must(gnutls_certificate_set_x509_key_mem(rival->certificates, &chain, &key,
						 GNUTLS_X509_FMT_PEM),
	     "identity");
	must(gnutls_priority_init(&rival->priority, one_suite ? one : PRIORITY_ALL, NULL),
	     "priorities");
	must(gnutls_session_ticket_key_generate(&rival->ticket_key), "ticket key");
	return rival;
}

struct rival *rival_free(struct rival *rival)
{
	gnutls_certificate_free_credentials(rival->certificates);
	gnutls_priority_deinit(rival->priority);
	gnutls_free(rival->ticket_key.data);
	free(rival);
	return NULL;
}

static void wait_for(gnutls_session_t session, int fd)
{
	struct pollfd pollfd = {
		.fd = fd,
		.events = gnutls_record_get_direction(session) ? POLLOUT : POLLIN,
	};

	poll(&pollfd, 1, -1);
}

struct rival_session *rival_open(struct rival *rival, int fd, bool polling)
{
	unsigned int flags = GNUTLS_SERVER | GNUTLS_NO_SIGNAL | (polling ? GNUTLS_NONBLOCK : 0);
	gnutls_session_t session;
	int rc, nonblocking = polling;

	if (polling && ioctl(fd, FIONBIO, &nonblocking))
		bench_die("making a socket non-blocking");
	must(gnutls_init(&session, flags), "session");
	must(gnutls_priority_set(session, rival->priority), "session");
	must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, rival->certificates),
	     "session");
	gnutls_transport_set_int(session, fd);
	do {
		rc = gnutls_handshake(session);
		if (rc == GNUTLS_E_AGAIN)
			wait_for(session, fd);
	} while (rc < 0 && !gnutls_error_is_fatal(rc));
	must(rc, "handshake");
	return (struct rival_session *)(void *)session;
}

struct rival_session *rival_close(struct rival_session *session)
{
	gnutls_deinit(session_of(session));
	return NULL;
}

void rival_write(struct rival_session *session, const void *bytes, size_t len)
{
	const char *at = bytes;
	ssize_t n;

	while (len) {
		n = gnutls_record_send(session_of(session), at, len);
		if (n < 0 && gnutls_error_is_fatal((int)n))
			must((int)n, "writing");
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
}

/* For a loop */

struct rival_session *rival_begin(struct rival *rival, int fd)
{
	gnutls_session_t session;
	int nonblocking = 1;

	if (ioctl(fd, FIONBIO, &nonblocking))
		bench_die("making a socket non-blocking");
	must(gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL | GNUTLS_NONBLOCK), "session");
	must(gnutls_priority_set(session, rival->priority), "session");
	must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, rival->certificates),
	     "session");
	must(gnutls_session_ticket_enable_server(session, &rival->ticket_key), "session");
	gnutls_transport_set_int(session, fd);
	return (struct rival_session *)(void *)session;
}

/* A client that goes in the middle of anything has ended. */
static int condition_of(gnutls_session_t session, ssize_t rc)
{
	if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED)
		return gnutls_record_get_direction(session) ? KTLS_WANT_WRITE : KTLS_WANT_READ;
	if (rc < 0 && !gnutls_error_is_fatal((int)rc))
		return KTLS_WANT_READ;
	return rc < 0 ? KTLS_EOF : 0;
}

int rival_try_handshake(struct rival_session *session)
{
	return condition_of(session_of(session), gnutls_handshake(session_of(session)));
}

int rival_try_read(struct rival_session *session, void *bytes, size_t len, size_t *ret_n)
{
	ssize_t n = gnutls_record_recv(session_of(session), bytes, len);

	*ret_n = n > 0 ? (size_t)n : 0;
	return n ? condition_of(session_of(session), n) : KTLS_EOF;
}

int rival_try_write(struct rival_session *session, const void *bytes, size_t len, size_t *ret_n)
{
	ssize_t n = gnutls_record_send(session_of(session), bytes, len);

	*ret_n = n > 0 ? (size_t)n : 0;
	return condition_of(session_of(session), n);
}

struct rival_session *rival_end(struct rival_session *session)
{
	int fd = gnutls_transport_get_int(session_of(session));

	gnutls_bye(session_of(session), GNUTLS_SHUT_WR);
	gnutls_deinit(session_of(session));
	close(fd);
	return NULL;
}

/* The cipher alone */

struct rival_cipher *rival_cipher_new(unsigned int cipher)
{
	static const gnutls_cipher_algorithm_t algorithms[_KTLS_CIPHER_N] = {
		[KTLS_AES_128_GCM] = GNUTLS_CIPHER_AES_128_GCM,
		[KTLS_AES_256_GCM] = GNUTLS_CIPHER_AES_256_GCM,
		[KTLS_AES_128_CCM] = GNUTLS_CIPHER_AES_128_CCM,
		[KTLS_CHACHA20_POLY1305] = GNUTLS_CIPHER_CHACHA20_POLY1305,
	};
	uint8_t bytes[KEY_MAX] = { 0 };
	gnutls_datum_t key = { bytes,
			       (unsigned int)gnutls_cipher_get_key_size(algorithms[cipher]) };
	gnutls_aead_cipher_hd_t handle;

	must(gnutls_aead_cipher_init(&handle, algorithms[cipher], &key), "a cipher");
	return (struct rival_cipher *)(void *)handle;
}

struct rival_cipher *rival_cipher_free(struct rival_cipher *cipher)
{
	gnutls_aead_cipher_deinit((gnutls_aead_cipher_hd_t)(void *)cipher);
	return NULL;
}

void rival_seal(struct rival_cipher *cipher, const void *bytes, size_t len, void *ret_sealed)
{
	static const uint8_t nonce[NONCE_LEN], header[HEADER_LEN];
	size_t sealed = len + TAG_LEN;

	must(gnutls_aead_cipher_encrypt((gnutls_aead_cipher_hd_t)(void *)cipher, nonce, NONCE_LEN,
					header, HEADER_LEN, TAG_LEN, bytes, len, ret_sealed,
					&sealed),
	     "sealing");
}

/* struct rival_signer is a key of GnuTLS's under a name of ours. */
static gnutls_privkey_t key_of(struct rival_signer *signer)
{
	return (gnutls_privkey_t)(void *)signer;
}

struct rival_signer *rival_signer_new(bool rsa)
{
	gnutls_x509_privkey_t key = make_key(rsa);
	gnutls_privkey_t signer;

	must(gnutls_privkey_init(&signer), "a signer");
	must(gnutls_privkey_import_x509(signer, key, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE),
	     "a signer");
	return (struct rival_signer *)(void *)signer;
}

struct rival_signer *rival_signer_free(struct rival_signer *signer)
{
	gnutls_privkey_deinit(key_of(signer));
	return NULL;
}

void rival_sign(struct rival_signer *signer)
{
	static unsigned char zeros[HASH_LEN];
	const gnutls_datum_t hash = { zeros, HASH_LEN };
	bool rsa = gnutls_privkey_get_pk_algorithm(key_of(signer), NULL) == GNUTLS_PK_RSA;
	gnutls_datum_t signature;

	must(gnutls_privkey_sign_hash2(key_of(signer),
				       rsa ? GNUTLS_SIGN_RSA_PSS_RSAE_SHA256
					   : GNUTLS_SIGN_ECDSA_SHA256,
				       0, &hash, &signature),
	     "signing");
	gnutls_free(signature.data);
}
