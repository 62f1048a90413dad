/* SPDX-License-Identifier: MIT */

/*
 * Who the peer is. A verdict of the caller's that comes later is waited for within GnuTLS: its
 * verify function answers GNUTLS_E_AGAIN, and is entered again, with nothing done between, in each
 * version and role (3.7.9). Only where a client resumes in TLS 1.3 it is not called: there the
 * Finished is held back.
 *
 * The chain is GnuTLS's to follow; whether the leaf is for the name is ours (RFC
 * 9525, names.c), and which fault is named first, and told to the peer.
 */

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/uio.h>

#include <ktls/verify.h>

#include "base/secret.h"
#include "config.h"
#include "conn.h"
#include "handshake.h"
#include "names.h"
#include "verify.h"

static void free_crt(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

static void free_response(gnutls_ocsp_resp_t *response)
{
	if (*response)
		gnutls_ocsp_resp_deinit(*response);
}

/* 0, or a code of GnuTLS's. */
static int import_leaf(gnutls_session_t session, gnutls_x509_crt_t *ret_leaf)
{
	unsigned int n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	_cleanup_(free_crt) gnutls_x509_crt_t leaf = NULL;
	int r;

	if (!chain || !n)
		return GNUTLS_E_NO_CERTIFICATE_FOUND;
	r = gnutls_x509_crt_init(&leaf);
	if (r >= 0)
		r = gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER);
	if (r < 0)
		return r;
	*ret_leaf = leaf;
	leaf = NULL;
	return 0;
}

enum {
	BAD_STAPLE = GNUTLS_CERT_MISSING_OCSP_STATUS | GNUTLS_CERT_INVALID_OCSP_STATUS |
		     GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED |
		     GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE,
};

/* From the most telling to the least: an expired certificate may be untrusted for that alone. */
static int judge(gnutls_x509_crt_t leaf, unsigned int status, enum ktls_alert *ret_alert)
{
	if (status & GNUTLS_CERT_REVOKED) {
		*ret_alert = KTLS_ALERT_CERTIFICATE_REVOKED;
		return -KTLS_E_PEER_REVOKED;
	}
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND) {
		*ret_alert = KTLS_ALERT_UNKNOWN_CA;
		return gnutls_x509_crt_check_issuer(leaf, leaf) ? -KTLS_E_PEER_SELF_SIGNED
								: -KTLS_E_PEER_UNTRUSTED;
	}
	if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) {
		*ret_alert = KTLS_ALERT_CERTIFICATE_EXPIRED;
		return -KTLS_E_PEER_EXPIRED;
	}
	*ret_alert = KTLS_ALERT_BAD_CERTIFICATE;
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
		return -KTLS_E_PEER_NAME;
	if (!(status & BAD_STAPLE))
		return -KTLS_E_PEER_CERTIFICATE;
	*ret_alert = KTLS_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE; /* RFC 6066 8 */
	return -KTLS_E_PEER_STAPLE;
}

/* A response that says "good" of the leaf. GnuTLS has verified whatever was stapled, but takes "try
 * later" and "unknown" for no objection. */
static bool has_good_staple(gnutls_session_t session)
{
	_cleanup_(free_response) gnutls_ocsp_resp_t response = NULL;
	unsigned int status;
	gnutls_datum_t der;

	return gnutls_ocsp_status_request_get2(session, 0, &der) >= 0 &&
	       gnutls_ocsp_resp_init(&response) >= 0 &&
	       gnutls_ocsp_resp_import(response, &der) >= 0 &&
	       gnutls_ocsp_resp_get_status(response) == GNUTLS_OCSP_RESP_SUCCESSFUL &&
	       gnutls_ocsp_resp_get_single(response, 0, NULL, NULL, NULL, NULL, &status, NULL, NULL,
					   NULL, NULL) >= 0 &&
	       status == GNUTLS_OCSP_CERT_GOOD;
}

/* The chain (RFC 5280) and, of a server, the name. 0, or -KTLS_E_PEER_... and the alert that says
 * so. */
static int check_chain(const struct ktls_conn *conn, enum ktls_alert *ret_alert)
{
	gnutls_session_t session = conn->handshake->session;
	bool client = conn->config->role == KTLS_CLIENT;
	_cleanup_(free_crt) gnutls_x509_crt_t leaf = NULL;
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(client ? GNUTLS_KP_TLS_WWW_SERVER
						 : GNUTLS_KP_TLS_WWW_CLIENT),
	};
	unsigned int status;

	*ret_alert = KTLS_ALERT_BAD_CERTIFICATE;
	if (import_leaf(session, &leaf) < 0 ||
	    gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0)
		return -KTLS_E_PEER_CERTIFICATE;
	if (client && !ktls_name_fits(leaf, conn->server_name))
		status |= GNUTLS_CERT_UNEXPECTED_OWNER;
	if (conn->config->verify.require_staple && !has_good_staple(session))
		status |= GNUTLS_CERT_MISSING_OCSP_STATUS;
	return status ? judge(leaf, status, ret_alert) : 0;
}

/* A client that was only asked may have no certificate. */
static bool may_be_nobody(const struct ktls_conn *conn)
{
	unsigned int n;

	return conn->config->client_auth == KTLS_CLIENT_AUTH_REQUEST &&
	       !gnutls_certificate_get_peers(conn->handshake->session, &n);
}

size_t ktls_verify_chain(const struct ktls_conn *conn, struct iovec *ret_chain, size_t max)
{
	unsigned int n = 0;
	const gnutls_datum_t *chain =
		conn->handshake ? gnutls_certificate_get_peers(conn->handshake->session, &n) : NULL;

	if (!chain || n > max)
		return 0;
	for (unsigned int i = 0; i < n; i++)
		ret_chain[i] = (struct iovec){ chain[i].data, chain[i].size };
	return n;
}

/* The caller's verifier. KTLS_WANT_VERDICT, or its answer. */
static int ask(struct ktls_conn *conn)
{
	const struct ktls_verify *verify = &conn->config->verify;
	struct iovec chain[KTLS_CHAIN_MAX];
	size_t n;
	int r;

	if (conn->verdict == KTLS_VERDICT_ASKED)
		return KTLS_WANT_VERDICT;
	if (conn->verdict == KTLS_VERDICT_GIVEN)
		return conn->handshake->verdict;
	n = ktls_verify_chain(conn, chain, KTLS_CHAIN_MAX);
	if (!n)
		return -KTLS_E_PEER_CERTIFICATE;
	r = verify->verify(verify->context, conn, chain, n);
	if (r == KTLS_WANT_VERDICT)
		conn->verdict = KTLS_VERDICT_ASKED;
	else if (r > 0) /* an answer that means nothing is no yes */
		r = -EINVAL;
	conn->handshake->refused = r < 0;
	return r;
}

static int check_pins(const struct ktls_conn *conn)
{
	const struct ktls_verify *verify = &conn->config->verify;
	_cleanup_(free_crt) gnutls_x509_crt_t leaf = NULL;
	uint8_t pin[KTLS_PIN_LEN];
	size_t len = sizeof(pin);

	if (!verify->pins_n)
		return 0;
	if (import_leaf(conn->handshake->session, &leaf) < 0 ||
	    gnutls_x509_crt_get_key_id(leaf, GNUTLS_KEYID_USE_SHA256, pin, &len) < 0)
		return -KTLS_E_PEER_CERTIFICATE;
	for (size_t i = 0; i < verify->pins_n; i++) {
		if (!memcmp(verify->pins[i], pin, sizeof(pin)))
			return 0;
	}
	return -KTLS_E_PEER_KEY;
}

/* 0, KTLS_WANT_VERDICT, or what is wrong with the peer. */
static int check_peer(struct ktls_conn *conn)
{
	struct ktls_handshake *handshake = conn->handshake;
	int r = 0;

	if (may_be_nobody(conn))
		return 0;
	handshake->verify_alert = KTLS_ALERT_BAD_CERTIFICATE;
	if (conn->config->verify.verify) {
		r = ask(conn);
	} else if (!conn->config->insecure_no_verify) {
		r = check_chain(conn, &handshake->verify_alert);
	}
	return r ? r : check_pins(conn);
}

int ktls_verify_peer(gnutls_session_t session)
{
	struct ktls_conn *conn = gnutls_session_get_ptr(session);
	struct ktls_handshake *handshake = conn->handshake;
	int r;

	if (handshake->verified)
		return 0;
	r = check_peer(conn);
	if (r == KTLS_WANT_VERDICT)
		return GNUTLS_E_AGAIN;
	handshake->verified = !r;
	handshake->verify_error = r;
	return r ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

/* What the session remembers may have been shown to a config that asks for less, or have expired
 * since. */
int ktls_verify_resumed(struct ktls_conn *conn)
{
	const struct ktls_config *config = conn->config;
	gnutls_session_t session = conn->handshake->session;

	if (!gnutls_session_is_resumed(session) ||
	    (config->role == KTLS_SERVER && config->client_auth == KTLS_CLIENT_AUTH_NONE))
		return 0;
	return ktls_verify_peer(session);
}

bool ktls_verify_comes_last(const struct ktls_conn *conn)
{
	return conn->config->role == KTLS_CLIENT && !conn->handshake->verified &&
	       gnutls_session_is_resumed(conn->handshake->session);
}

/* The caller's side */

bool ktls_verify_is_default(const struct ktls_config *config)
{
	return !config->verify.verify && !config->insecure_no_verify;
}

bool ktls_verify_is_off(const struct ktls_config *config)
{
	return !config->verify.verify && config->insecure_no_verify;
}

int ktls_verify_check(struct ktls_config *config)
{
	if (config->role == KTLS_SERVER && config->client_auth == KTLS_CLIENT_AUTH_NONE &&
	    (config->verify.verify || config->verify.pins_n))
		return ktls_config_fail(
			config, -EINVAL,
			"making a connection: there is a verifier or a pinned key, and clients are "
			"asked for no certificate. To do: call ktls_config_set_client_auth()");
	return 0;
}

int ktls_config_set_verifier(struct ktls_config *config,
			     int (*verify)(void *context, struct ktls_conn *conn,
					   const struct iovec *chain, size_t n),
			     void *context)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	config->verify.verify = verify;
	config->verify.context = context;
	return 0;
}

static int verify_later(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n)
{
	(void)context;
	(void)conn;
	(void)chain;
	(void)n;
	return KTLS_WANT_VERDICT;
}

int ktls_config_set_external_verdict(struct ktls_config *config)
{
	return ktls_config_set_verifier(config, verify_later, NULL);
}

int ktls_conn_set_verdict(struct ktls_conn *conn, int verdict)
{
	if (!conn || verdict > 0)
		return -EINVAL;
	if (conn->verdict == KTLS_VERDICT_GIVEN)
		return -EALREADY;
	if (conn->verdict != KTLS_VERDICT_ASKED || !conn->handshake)
		return -EINVAL;
	conn->verdict = KTLS_VERDICT_GIVEN;
	conn->handshake->verdict = verdict;
	conn->handshake->refused = verdict < 0;
	return 0;
}

int ktls_config_add_pinned_key(struct ktls_config *config, const uint8_t sha256[KTLS_PIN_LEN])
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!sha256 || config->verify.pins_n == KTLS_PINS_MAX)
		return ktls_config_fail_value(config, "at most 16 pinned keys, of 32 bytes");
	memcpy(config->verify.pins[config->verify.pins_n++], sha256, KTLS_PIN_LEN);
	return 0;
}

int ktls_config_set_require_staple(struct ktls_config *config)
{
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (config->role != KTLS_CLIENT)
		return ktls_config_fail_value(config, "only a client can require a staple");
	config->verify.require_staple = true;
	return 0;
}
