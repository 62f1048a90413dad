/* SPDX-License-Identifier: MIT */

/*
 * The hand-over: when GnuTLS's handshake is done, keys, sequence numbers, traffic secrets and facts
 * are taken out of the session, and the session is freed. From then on the records are ours.
 */

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/sys.h"
#include "config.h"
#include "conn.h"
#include "facts.h"
#include "handshake.h"
#include "resume.h"
#include "suites.h"

static int take_keys(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	gnutls_datum_t mac_key, iv, key;
	unsigned char seq[8];

	if (gnutls_record_get_state(conn->handshake->session, direction == KTLS_RX, &mac_key, &iv,
				    &key, seq) < 0)
		return -KTLS_E_CRYPTO;
	if (key.size != kern_cipher(conn->cipher)->key_len || iv.size > KERN_IV_LEN)
		return -KTLS_E_CRYPTO;
	half->keys = (struct kern_keys){ .protocol = conn->protocol, .cipher = conn->cipher };
	memcpy(half->keys.key, key.data, key.size);
	memcpy(half->keys.iv, iv.data, iv.size);
	for (size_t i = 0; i < sizeof(seq); i++)
		half->keys.seq = half->keys.seq << 8 | seq[i];
	half->secret = conn->handshake->secrets[direction];
	return 0;
}

/* The plaintext that the peer takes in a record: by max_fragment_length (RFC 6066 4), which GnuTLS
 * tells, and record_size_limit (RFC 8449 4), which counts TLS 1.3's inner type. */
static size_t peer_payload_max(const struct ktls_conn *conn)
{
	size_t max = gnutls_record_get_max_size(conn->handshake->session);
	size_t limit = conn->handshake->hello.record_size_limit;

	if (limit >= KTLS_PAYLOAD_MIN) {
		limit -= conn->protocol == KTLS_TLS_1_3;
		max = limit < max ? limit : max;
	}
	return max < KERN_PAYLOAD_MAX ? max : KERN_PAYLOAD_MAX;
}

static int take_parameters(struct ktls_conn *conn)
{
	static const gnutls_cipher_algorithm_t ciphers[_KTLS_CIPHER_N] = {
		[KTLS_AES_128_GCM] = GNUTLS_CIPHER_AES_128_GCM,
		[KTLS_AES_256_GCM] = GNUTLS_CIPHER_AES_256_GCM,
		[KTLS_AES_128_CCM] = GNUTLS_CIPHER_AES_128_CCM,
		[KTLS_CHACHA20_POLY1305] = GNUTLS_CIPHER_CHACHA20_POLY1305,
	};
	gnutls_session_t session = conn->handshake->session;
	gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(session);
	uint16_t i = 0;

	while (i < _KTLS_CIPHER_N && ciphers[i] != cipher)
		i++;
	/* All that was offered; and nothing that GnuTLS has read may stay behind in it. */
	if (i == _KTLS_CIPHER_N || gnutls_record_check_pending(session))
		return -KTLS_E_CRYPTO;
	conn->cipher = i;
	conn->protocol =
		gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
	conn->payload_max = (uint16_t)peer_payload_max(conn);
	conn->suite = gnutls_ciphersuite_get(session);
	conn->group = ktls_suites_group(session);
	return 0;
}

static void take_alpn(struct ktls_conn *conn)
{
	gnutls_datum_t selected;

	if (gnutls_alpn_get_selected_protocol(conn->handshake->session, &selected) < 0)
		return;
	for (size_t i = 0; i < conn->config->alpn_n; i++) {
		const char *mine = conn->config->alpn[i];

		if (strlen(mine) == selected.size && !memcmp(mine, selected.data, selected.size))
			conn->alpn = mine;
	}
}

static int take_server_name(struct ktls_conn *conn)
{
	const char *name = conn->handshake->hello.server_name;

	if (conn->config->role == KTLS_CLIENT || !*name)
		return 0;
	conn->server_name = strdup(name);
	return conn->server_name ? 0 : -ENOMEM;
}

/* TCP would wait for our first bytes to acknowledge the client's last ones with them, and a client
 * with Nagle's algorithm for that before it asks: 40 ms, for a server that is silent until then. */
static void acknowledge_now(const struct ktls_conn *conn)
{
	const int on = 1;

	if (conn->config->role == KTLS_SERVER && conn->fd >= 0)
		ktls_sys.setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

int ktls_handover(struct ktls_conn *conn)
{
	bool wait;
	int r;

	r = take_parameters(conn);
	if (!r)
		r = take_keys(conn, KTLS_TX);
	if (!r)
		r = take_keys(conn, KTLS_RX);
	if (!r)
		r = take_server_name(conn);
	if (!r)
		r = ktls_facts_take(conn);
	if (!r)
		r = ktls_resume_finish(conn, &wait);
	if (r < 0)
		return ktls_conn_fail(conn, r, "taking the keys over from GnuTLS: %s",
				      ktls_strerror(r));
	take_alpn(conn);
	if (!wait)
		conn->handshake = ktls_handshake_free(conn->handshake);
	acknowledge_now(conn);
	return ktls_conn_open(conn);
}
