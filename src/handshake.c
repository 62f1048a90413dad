/* SPDX-License-Identifier: MIT */

/*
 * The handshake, by GnuTLS. When it is done, what goes on is taken out of its session (handover.c).
 *
 * GnuTLS reads records exactly, header then body, so what follows the last handshake record is
 * still in the socket, and the first record after it is the first of the connection's own. It is
 * told to send no tickets by itself: a server's handshake must never wait for a client that writes
 * before it reads.
 */

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/deadline.h"
#include "base/sys.h"
#include "config.h"
#include "conn.h"
#include "credentials.h"
#include "handshake.h"
#include "names.h"
#include "resume.h"
#include "tenants.h"
#include "transport.h"
#include "verify.h"

enum {
	RECORD_TYPE_MIN = 20, /* what can begin a record of any TLS */
	RECORD_TYPE_MAX = 23,
	DRAIN_LEN = 4096,
	DRAIN_MAX = 16,		/* reads */
	RECEIVED_MAX = 1 << 18, /* bytes of a handshake; GnuTLS keeps a message of up to 16 MiB */
};

struct ktls_handshake *ktls_handshake_free(struct ktls_handshake *handshake)
{
	if (!handshake)
		return NULL;
	gnutls_deinit(handshake->session);
	ktls_flight_done(&handshake->flight);
	explicit_bzero(handshake, sizeof(*handshake));
	free(handshake);
	return NULL;
}

/* Transport */

/* The rest of what was pushed, to TCP. -1 with errno. */
static int push_rest(struct ktls_conn *conn)
{
	struct ktls_handshake *handshake = conn->handshake;
	int r = ktls_flight_go_on(&handshake->flight, conn);

	if (r < 0)
		errno = handshake->socket_errno = -r;
	return r < 0 ? -1 : 0;
}

/* All is accepted: GnuTLS never hears that the socket is full. */
static ssize_t push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int iovcnt)
{
	struct ktls_conn *conn = ptr;
	struct ktls_handshake *handshake = conn->handshake;
	struct ktls_cursor cursor = { .iov = iov, .count = iovcnt };
	int r = ktls_flight_add(&handshake->flight, conn, iov, iovcnt);

	if (!r)
		return (ssize_t)ktls_cursor_left(&cursor);
	handshake->socket_errno = -r;
	gnutls_transport_set_errno(handshake->session, -r);
	return -1;
}

/* Waits here, within GnuTLS: a handshake that is left and entered again computes the Finished it
 * expects once more. */
static int receive(struct ktls_conn *conn, void *buf, size_t len, size_t *ret_n)
{
	uint64_t deadline_ns = conn->handshake->deadline_ns;
	int r;

	for (;;) {
		r = ktls_transport_receive(conn, buf, len, ret_n);
		if (r != -EAGAIN || deadline_ns == KTLS_NOW)
			return r;
		if (push_rest(conn) < 0)
			return -errno;
		r = ktls_transport_wait(
			conn,
			ktls_flight_waits(&conn->handshake->flight) ? POLLIN | POLLOUT : POLLIN,
			deadline_ns);
		if (r)
			return r < 0 ? r : -EAGAIN;
	}
}

static void keep_last(struct ktls_handshake *handshake, const uint8_t *bytes, size_t len)
{
	size_t kept = sizeof(handshake->last), new = len < kept ? len : kept;

	memmove(handshake->last, handshake->last + new, kept - new);
	memcpy(handshake->last + kept - new, bytes + len - new, new);
	handshake->received += len;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *buf, size_t len)
{
	struct ktls_conn *conn = ptr;
	struct ktls_handshake *handshake = conn->handshake;
	uint8_t first;
	size_t n = 0;
	int r;

	if (handshake->received > RECEIVED_MAX + conn->config->early_data_bytes) {
		gnutls_transport_set_errno(handshake->session, EMSGSIZE);
		return -1;
	}
	r = receive(conn, buf, len, &n);
	if (r < 0) {
		if (r != -EAGAIN)
			handshake->socket_errno = -r;
		gnutls_transport_set_errno(handshake->session, -r);
	} else if (!n) {
		handshake->ended = true;
	} else if (!handshake->heard) {
		first = *(const uint8_t *)buf;
		handshake->heard = true;
		handshake->not_tls = first < RECORD_TYPE_MIN || first > RECORD_TYPE_MAX;
	}
	keep_last(handshake, buf, n);
	return r < 0 ? -1 : (ssize_t)n;
}

/* Callbacks of GnuTLS */

static int keep_secrets(gnutls_session_t session, gnutls_record_encryption_level_t level,
			const void *secret_read, const void *secret_write, size_t len)
{
	struct ktls_conn *conn = gnutls_session_get_ptr(session);

	if (level != GNUTLS_ENCRYPTION_LEVEL_APPLICATION)
		return 0;
	if (len > KTLS_SECRET_MAX)
		return GNUTLS_E_INTERNAL_ERROR;
	if (secret_read)
		memcpy(conn->handshake->secrets[KTLS_RX].bytes, secret_read, len);
	if (secret_write)
		memcpy(conn->handshake->secrets[KTLS_TX].bytes, secret_write, len);
	return 0;
}

/* Beginning */

static int set_alpn(const struct ktls_config *config, gnutls_session_t session)
{
	gnutls_datum_t protocols[KTLS_ALPN_MAX];

	if (!config->alpn_n)
		return 0;
	for (size_t i = 0; i < config->alpn_n; i++)
		protocols[i] = (gnutls_datum_t){ (unsigned char *)config->alpn[i],
						 (unsigned int)strlen(config->alpn[i]) };
	return gnutls_alpn_set_protocols(
		session, protocols, (unsigned int)config->alpn_n,
		config->role == KTLS_SERVER ? GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE
					    : 0);
}

static int set_role(const struct ktls_conn *conn, gnutls_session_t session)
{
	static const gnutls_certificate_request_t requests[_KTLS_CLIENT_AUTH_N] = {
		[KTLS_CLIENT_AUTH_NONE] = GNUTLS_CERT_IGNORE,
		[KTLS_CLIENT_AUTH_REQUEST] = GNUTLS_CERT_REQUEST,
		[KTLS_CLIENT_AUTH_REQUIRE] = GNUTLS_CERT_REQUIRE,
	};
	const char *name = conn->server_name;

	if (conn->config->role == KTLS_SERVER) {
		gnutls_certificate_server_set_request(session, requests[conn->config->client_auth]);
		return 0;
	}
	if (!name || ktls_name_is_address(name)) /* RFC 6066 3: no literal addresses */
		return 0;
	return gnutls_server_name_set(session, GNUTLS_NAME_DNS, name, strlen(name));
}

/* The rest of what the config says: a server's, once it is known which one that is. */
static int set_terms(struct ktls_conn *conn, gnutls_session_t session)
{
	if (set_alpn(conn->config, session) < 0 || set_role(conn, session) < 0)
		return -KTLS_E_CRYPTO;
	return ktls_resume_apply(conn, session);
}

/* The first ClientHello: GnuTLS has read nothing of it yet, and has only credentials and
 * priorities, which a tenant's take the place of. */
static int meet_client(struct ktls_conn *conn)
{
	gnutls_session_t session = conn->handshake->session;
	struct ktls_config *config = ktls_config_ref(conn->config);
	const struct ktls_tenant *tenant =
		ktls_tenants_find(&config->tenants, conn->handshake->hello.server_name);
	struct ktls_ticket_keys *keys = config->resumption ? config->resumption->keys : NULL;
	int r = 0;

	conn->handshake->met = true;
	if (tenant) {
		keys = tenant->keys;
		ktls_conn_set_config(conn, tenant->config);
		r = ktls_credentials_apply(conn->config, session);
	}
	if (!r)
		r = set_terms(conn, session);
	if (!r)
		ktls_resume_choose_key(conn, keys);
	ktls_config_unref(config);
	return r < 0 ? GNUTLS_E_INTERNAL_ERROR : 0;
}

static int look_at_message(gnutls_session_t session, unsigned int type, unsigned int when,
			   unsigned int incoming, const gnutls_datum_t *message)
{
	struct ktls_conn *conn = gnutls_session_get_ptr(session);
	struct ktls_handshake *handshake = conn->handshake;
	char name[KTLS_HELLO_SERVER_NAME_SIZE];

	(void)when;
	if (!incoming)
		return 0;
	memcpy(name, handshake->hello.server_name, sizeof(name));
	ktls_hello_look(&handshake->hello, type, message->data, message->size);
	if (type == GNUTLS_HANDSHAKE_FINISHED && ktls_verify_comes_last(conn))
		ktls_flight_hold(&handshake->flight);
	if (conn->config->role != KTLS_SERVER ||
	    (type != GNUTLS_HANDSHAKE_CLIENT_HELLO && type != GNUTLS_HANDSHAKE_CLIENT_HELLO_V2))
		return 0;
	if (!handshake->met)
		return meet_client(conn);
	/* After a HelloRetryRequest; another name would be another tenant's (RFC 8446 4.1.2). */
	return strcmp(name, handshake->hello.server_name) ? GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER : 0;
}

static int set_session(struct ktls_conn *conn, gnutls_session_t session)
{
	int r;

	r = ktls_credentials_apply(conn->config, session);
	if (r < 0)
		return r;
	gnutls_session_set_ptr(session, conn);
	gnutls_session_set_verify_function(session, ktls_verify_peer);
	gnutls_handshake_set_secret_function(session, keep_secrets);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
					   look_at_message);
	/* GnuTLS would obey SSLKEYLOGFILE by itself: secrets are never logged unasked. */
	gnutls_session_set_keylog_function(session, NULL);
	gnutls_transport_set_ptr(session, conn);
	gnutls_transport_set_vec_push_function(session, push);
	gnutls_transport_set_pull_function(session, pull);
	return conn->config->role == KTLS_CLIENT ? set_terms(conn, session) : 0;
}

int ktls_handshake_begin(struct ktls_conn *conn)
{
	bool client = conn->config->role == KTLS_CLIENT;
	int r = ktls_conn_check_name(conn);

	if (r < 0)
		return r;
	conn->handshake = calloc(1, sizeof(*conn->handshake));
	if (!conn->handshake)
		return -ENOMEM;
	r = gnutls_init(&conn->handshake->session, (client ? GNUTLS_CLIENT : GNUTLS_SERVER) |
							   GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
							   GNUTLS_NO_AUTO_REKEY |
							   ktls_resume_flags(conn->config));
	if (r < 0) {
		free(conn->handshake);
		conn->handshake = NULL;
		return -ENOMEM;
	}
	ktls_conn_set_state(conn, KTLS_STATE_HANDSHAKE);
	r = set_session(conn, conn->handshake->session);
	if (r < 0)
		return ktls_conn_fail(conn, r, "preparing the handshake: %s", ktls_strerror(r));
	return 0;
}

/* Failing */

static int error_of(const struct ktls_handshake *handshake, int r)
{
	static const struct {
		int gnutls;
		int error;
	} table[] = {
		{ GNUTLS_E_FATAL_ALERT_RECEIVED, -KTLS_E_ALERT },
		{ GNUTLS_E_UNSUPPORTED_VERSION_PACKET, -KTLS_E_NO_SHARED_PROTOCOL },
		{ GNUTLS_E_NO_CIPHER_SUITES, -KTLS_E_NO_SHARED_SUITE },
		{ GNUTLS_E_UNKNOWN_CIPHER_SUITE, -KTLS_E_NO_SHARED_SUITE },
		{ GNUTLS_E_NO_COMMON_KEY_SHARE, -KTLS_E_NO_SHARED_SUITE },
		{ GNUTLS_E_INSUFFICIENT_CREDENTIALS, -KTLS_E_NO_SHARED_SUITE },
		{ GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM, -KTLS_E_NO_SHARED_SUITE },
		{ GNUTLS_E_NO_APPLICATION_PROTOCOL, -KTLS_E_NO_SHARED_ALPN },
		{ GNUTLS_E_NO_CERTIFICATE_FOUND, -KTLS_E_PEER_CERTIFICATE },
		{ GNUTLS_E_CERTIFICATE_REQUIRED, -KTLS_E_PEER_CERTIFICATE },
		{ GNUTLS_E_CERTIFICATE_ERROR, -KTLS_E_PEER_CERTIFICATE },
		{ GNUTLS_E_RECORD_OVERFLOW, -KTLS_E_BAD_RECORD },
		{ GNUTLS_E_DECRYPTION_FAILED, -KTLS_E_BAD_MAC },
		{ GNUTLS_E_MEMORY_ERROR, -ENOMEM },
		{ GNUTLS_E_INTERNAL_ERROR, -KTLS_E_CRYPTO },
	};

	if (handshake->socket_errno)
		return -handshake->socket_errno;
	if (handshake->not_tls)
		return -KTLS_E_NOT_TLS;
	if (handshake->verify_error)
		return handshake->verify_error;
	if (handshake->ended)
		return KTLS_CLOSED;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].gnutls == r)
			return table[i].error;
	}
	return -KTLS_E_PROTOCOL;
}

/* An alert that is followed by a close while the peer's bytes lie unread would be lost in the reset
 * (RFC 1122 4.2.2.13): takes away what is there. */
static void drain_input(struct ktls_conn *conn)
{
	uint8_t bytes[DRAIN_LEN];
	size_t n = 1;

	for (int i = 0; i < DRAIN_MAX && n; i++) {
		if (ktls_transport_receive(conn, bytes, sizeof(bytes), &n) < 0)
			return;
	}
}

static bool is_tls13(gnutls_session_t session)
{
	return gnutls_protocol_get_version(session) == GNUTLS_TLS1_3;
}

/* A client that does not like our certificate may have no keys yet, and says so in the clear
 * (OpenSSL's does): to GnuTLS, which waits for a protected record, that is one that does not
 * authenticate. */
static bool ends_with_bare_alert(const struct ktls_handshake *handshake)
{
	static const uint8_t header[] = { KERN_RECORD_ALERT, 3, 3, 0, KTLS_ALERT_LEN };

	return !memcmp(handshake->last, header, sizeof(header));
}

/* GnuTLS's server looks for a suite of TLS 1.2 before it asks whether both offer that version, and
 * one of TLS 1.2 alone does not look at the client's versions. */
static int true_cause(const struct ktls_conn *conn, int r)
{
	if (conn->handshake->received > RECEIVED_MAX + conn->config->early_data_bytes)
		return GNUTLS_E_HANDSHAKE_TOO_LARGE;
	if (r == GNUTLS_E_DECRYPTION_FAILED && ends_with_bare_alert(conn->handshake))
		return GNUTLS_E_FATAL_ALERT_RECEIVED;
	if (r == GNUTLS_E_NO_CIPHER_SUITES && !is_tls13(conn->handshake->session) &&
	    (conn->handshake->hello.no_tls12 || conn->config->protocol_min == KTLS_TLS_1_3))
		return GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
	return r;
}

/* GnuTLS would say decode_error of a missing certificate in TLS 1.2 (RFC 5246 7.4.6). */
static void send_alert(gnutls_session_t session, int r)
{
	if (r == GNUTLS_E_NO_CERTIFICATE_FOUND && !is_tls13(session))
		gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
	else
		gnutls_alert_send_appropriate(session, r);
}

static void tell_peer(struct ktls_conn *conn, int r)
{
	struct ktls_handshake *handshake = conn->handshake;

	if (handshake->socket_errno || handshake->ended || r == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return;
	ktls_flight_release(&handshake->flight);
	if (handshake->verify_error)
		gnutls_alert_send(handshake->session, GNUTLS_AL_FATAL,
				  (gnutls_alert_description_t)handshake->verify_alert);
	else
		send_alert(handshake->session, r);
	push_rest(conn);
	drain_input(conn);
}

static int handshake_failed(struct ktls_conn *conn, int r)
{
	struct ktls_handshake *handshake = conn->handshake;
	const char *peer = conn->server_name ? conn->server_name : "the client";
	int error = error_of(handshake, r);
	unsigned int alert;

	tell_peer(conn, r);
	if (r == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		alert = ends_with_bare_alert(handshake)
				? handshake->last[sizeof(handshake->last) - 1]
				: (unsigned int)gnutls_alert_get(handshake->session);
		return ktls_conn_fail(conn, error, "handshake with %s: it sent the alert %s (%u)",
				      peer, ktls_alert_name(alert), alert);
	}
	if (error == -KTLS_E_PROTOCOL || error == -KTLS_E_CRYPTO)
		return ktls_conn_fail(conn, error, "handshake with %s: %s: %s", peer,
				      ktls_strerror(error), gnutls_strerror(r));
	return ktls_conn_fail(conn, error, "handshake with %s: %s%s", peer,
			      handshake->refused ? "the verifier refused its certificate: " : "",
			      ktls_strerror(error));
}

/* Handing over */

/* Ours must have left, too: what follows may be the kernel's. */
static int end_step(struct ktls_conn *conn, int r)
{
	if (conn->verdict == KTLS_VERDICT_ASKED)
		return KTLS_WANT_VERDICT;
	ktls_flight_release(&conn->handshake->flight);
	if (push_rest(conn) < 0)
		return handshake_failed(conn, GNUTLS_E_PUSH_ERROR);
	if (ktls_flight_waits(&conn->handshake->flight))
		return KTLS_WANT_WRITE;
	return r == GNUTLS_E_AGAIN ? KTLS_WANT_READ : ktls_handover(conn);
}

int ktls_handshake_step(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_handshake *handshake = conn->handshake;
	int r = 0;

	handshake->deadline_ns = deadline_ns;
	if (!handshake->done) {
		do {
			r = gnutls_handshake(handshake->session);
		} while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED);
		handshake->done = !r;
	}
	if (!r)
		r = ktls_verify_resumed(conn);
	if (r < 0 && r != GNUTLS_E_AGAIN)
		return handshake_failed(conn, true_cause(conn, r));
	return end_step(conn, r);
}
