/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

/*
 * GnuTLS itself at the other end of a connection of this library, with a size of its own for the
 * records that it takes.
 *
 *   subject conn ====loopback==== gnutls_session_t
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pair.h"

enum peer_limit {
	PEER_NO_LIMIT = 0,
	PEER_RECORD_SIZE_LIMIT,	  /* RFC 8449 */
	PEER_MAX_FRAGMENT_LENGTH, /* RFC 6066 4; a client's, which sends RFC 8449's beside it */
};

struct peer_options {
	enum ktls_protocol protocol;
	enum pair_end subject;
	enum ktls_offload tx; /* the subject's */
	enum peer_limit limit;
	size_t size;
};

struct gnutls_session_int;
struct gnutls_certificate_credentials_st;

struct peer {
	struct ktls_config *config;
	struct ktls_conn *conn; /* the subject */
	int fd[2];		/* by enum pair_end */
	int their_fd;
	struct gnutls_session_int *session;
	struct gnutls_certificate_credentials_st *credentials;
	size_t largest; /* of the records it has opened */
	size_t seen;
};

/* The handshake is done; asserts what it needs. */
struct peer peer_open(const struct peer_options *options);
void peer_free(struct peer *peer);

/* Reads what is there; each byte is kit_byte() of its place. 0, KTLS_WANT_READ or KTLS_EOF. */
int peer_read(struct peer *peer);

#endif
