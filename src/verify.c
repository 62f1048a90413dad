/* SPDX-License-Identifier: MIT */

/*
 * Who the peer is. The chain is GnuTLS's to follow; whether the leaf is for the name is ours (RFC
 * 9525, names.c), and which fault is named first, and told to the peer.
 */

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

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
	return -KTLS_E_PEER_CERTIFICATE;
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
	return status ? judge(leaf, status, ret_alert) : 0;
}

int ktls_verify_peer(gnutls_session_t session)
{
	struct ktls_conn *conn = gnutls_session_get_ptr(session);
	struct ktls_handshake *handshake = conn->handshake;
	const struct ktls_config *config = conn->config;
	unsigned int n;

	if (config->insecure_no_verify)
		return 0;
	/* A client that was only asked may have none. */
	if (config->client_auth == KTLS_CLIENT_AUTH_REQUEST &&
	    !gnutls_certificate_get_peers(session, &n))
		return 0;
	handshake->verify_error = check_chain(conn, &handshake->verify_alert);
	return handshake->verify_error ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

/* It may have been to a server that asks for less, or have expired since. */
int ktls_verify_resumed(struct ktls_conn *conn)
{
	const struct ktls_config *config = conn->config;
	gnutls_session_t session = conn->handshake->session;

	if (!gnutls_session_is_resumed(session) ||
	    (config->role == KTLS_SERVER && config->client_auth == KTLS_CLIENT_AUTH_NONE))
		return 0;
	return ktls_verify_peer(session);
}
