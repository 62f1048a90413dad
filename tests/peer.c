/* SPDX-License-Identifier: MIT */

/* GnuTLS as the peer; see peer.h. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"
#include "peer.h"
#include "pki.h"

enum {
	RECORD_MAX = 16384,
	DEFAULT_SIZE = 16384,
	IDLE_MS = 20000,
};

static struct pki_identity issue(void)
{
	static const char *const names[] = { "localhost" };

	return pki_issue(PKI_GOOD, false, names, 1);
}

static struct ktls_config *make_config(const struct peer_options *options)
{
	struct pki_identity identity = issue();
	struct pki_pem authority = pki_authority();
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config,
				   options->subject == PAIR_CLIENT ? KTLS_CLIENT : KTLS_SERVER));
	cr_assert(!ktls_config_set_protocols(config, options->protocol, options->protocol));
	cr_assert(!ktls_config_set_offload(config, KTLS_TX, options->tx, 0));
	cr_assert(!ktls_config_set_offload(config, KTLS_RX, KTLS_OFFLOAD_NEVER, 0));
	if (options->subject == PAIR_CLIENT)
		cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	else
		cr_assert(!ktls_config_add_identity(config, identity.chain.data, identity.chain.len,
						    identity.key.data, identity.key.len));
	pki_identity_free(&identity);
	return config;
}

static void add_identity(struct peer *peer)
{
	struct pki_identity identity = issue();
	const gnutls_datum_t chain = { (unsigned char *)identity.chain.data,
				       (unsigned int)identity.chain.len };
	const gnutls_datum_t key = { (unsigned char *)identity.key.data,
				     (unsigned int)identity.key.len };

	cr_assert(gnutls_certificate_set_x509_key_mem(peer->credentials, &chain, &key,
						      GNUTLS_X509_FMT_PEM) >= 0);
	pki_identity_free(&identity);
}

static void make_session(struct peer *peer, const struct peer_options *options)
{
	bool client = options->subject == PAIR_SERVER;
	const char *priority = options->protocol == KTLS_TLS_1_3
				       ? "NORMAL:%ALLOW_SMALL_RECORDS:-VERS-ALL:+VERS-TLS1.3"
				       : "NORMAL:%ALLOW_SMALL_RECORDS:-VERS-ALL:+VERS-TLS1.2";

	cr_assert(!gnutls_certificate_allocate_credentials(&peer->credentials));
	if (!client)
		add_identity(peer);
	cr_assert(!gnutls_init(&peer->session, (client ? GNUTLS_CLIENT : GNUTLS_SERVER) |
						       GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
						       GNUTLS_NO_TICKETS));
	cr_assert(!gnutls_priority_set_direct(peer->session, priority, NULL));
	cr_assert(
		!gnutls_credentials_set(peer->session, GNUTLS_CRD_CERTIFICATE, peer->credentials));
	if (options->limit == PEER_RECORD_SIZE_LIMIT)
		cr_assert(!gnutls_record_set_max_recv_size(peer->session, options->size));
	if (options->limit == PEER_MAX_FRAGMENT_LENGTH)
		cr_assert(!gnutls_record_set_max_size(peer->session, options->size));
	peer->their_fd = peer->fd[!options->subject];
	cr_assert(!fcntl(peer->their_fd, F_SETFL, O_NONBLOCK));
	gnutls_transport_set_int(peer->session, peer->their_fd);
}

static void shake_hands(struct peer *peer)
{
	int ours = KTLS_WANT_READ, theirs = GNUTLS_E_AGAIN;

	while (ours || theirs) {
		struct pollfd fds[2] = { { .fd = peer->fd[0], .events = POLLIN },
					 { .fd = peer->fd[1], .events = POLLIN } };

		if (theirs == GNUTLS_E_AGAIN)
			theirs = gnutls_handshake(peer->session);
		cr_assert(!theirs || theirs == GNUTLS_E_AGAIN, "%s", gnutls_strerror(theirs));
		if (ours)
			ours = ktls_conn_handshake(peer->conn, KTLS_NOW);
		cr_assert(ours >= 0, "%s", ktls_conn_error(peer->conn));
		if (ours && theirs)
			cr_assert(poll(fds, 2, IDLE_MS) > 0, "a handshake stands still");
	}
}

struct peer peer_open(const struct peer_options *options)
{
	struct peer peer = { .config = make_config(options) };

	pair_sockets(peer.fd, 0);
	cr_assert(!ktls_conn_adopt(&peer.conn, peer.config, peer.fd[options->subject]));
	if (options->subject == PAIR_CLIENT)
		cr_assert(!ktls_conn_set_server_name(peer.conn, "localhost"));
	make_session(&peer, options);
	shake_hands(&peer);
	return peer;
}

void peer_free(struct peer *peer)
{
	ktls_conn_free(peer->conn);
	ktls_config_unref(peer->config);
	gnutls_deinit(peer->session);
	gnutls_certificate_free_credentials(peer->credentials);
	close(peer->their_fd);
}

/* One answer of GnuTLS never spans two records. */
int peer_read(struct peer *peer)
{
	static uint8_t bytes[RECORD_MAX];
	ssize_t n;

	while ((n = gnutls_record_recv(peer->session, bytes, sizeof(bytes))) > 0) {
		for (size_t i = 0; i < (size_t)n; i++)
			cr_assert(bytes[i] == kit_byte(peer->seen + i), "byte %zu", peer->seen + i);
		peer->seen += (size_t)n;
		peer->largest = (size_t)n > peer->largest ? (size_t)n : peer->largest;
	}
	cr_assert(!n || n == GNUTLS_E_AGAIN, "%zu: %s", peer->seen, gnutls_strerror((int)n));
	return n ? KTLS_WANT_READ : KTLS_EOF;
}
