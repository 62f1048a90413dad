/* SPDX-License-Identifier: MIT */
#ifndef BENCH_RIVAL_GNUTLS_H
#define BENCH_RIVAL_GNUTLS_H

/*
 * The same work by GnuTLS alone, as its manual shows it: one credentials object and one priority
 * cache for all sessions, GnuTLS's own record layer.
 */

#include "support.h"

struct rival;
struct rival_session;

/* GnuTLS's. */
const char *rival_version(void);

/* A certificate signed by itself, with an ECDSA P-256 key or an RSA one of 2048 bits. */
struct bench_identity rival_make_identity(bool rsa);
void rival_free_identity(struct bench_identity *identity);

/* A server, with the priorities that the library has: all its suites, or one as bench_server(), of
 * that protocol. */
struct rival *rival_new(const struct bench_identity *identity, bool one_suite,
			enum ktls_protocol protocol);
struct rival *rival_free(struct rival *rival);

/* A session on the socket after its handshake: on a blocking socket, or on one that it makes
 * non-blocking, waiting in poll(2). */
struct rival_session *rival_open(struct rival *rival, int fd, bool polling);

/* The same, for a loop: on a non-blocking socket, which is the session's from now on. Each call is
 * one try: 0, or KTLS_WANT_READ or KTLS_WANT_WRITE, KTLS_EOF (any end), or the program ends. */
struct rival_session *rival_begin(struct rival *rival, int fd);
int rival_try_handshake(struct rival_session *session);
int rival_try_read(struct rival_session *session, void *bytes, size_t len, size_t *ret_n);
/* What was tried once is to be tried again, as it was. */
int rival_try_write(struct rival_session *session, const void *bytes, size_t len, size_t *ret_n);
struct rival_session *rival_end(struct rival_session *session);

/* Sends nothing. */
struct rival_session *rival_close(struct rival_session *session);

/* The cipher alone, as GnuTLS's records are sealed: enum ktls_cipher, a key of zeros. */
struct rival_cipher;
struct rival_cipher *rival_cipher_new(unsigned int cipher);
struct rival_cipher *rival_cipher_free(struct rival_cipher *cipher);
/* To another place, which has room for a tag behind it. */
void rival_seal(struct rival_cipher *cipher, const void *bytes, size_t len, void *ret_sealed);

/* What a server signs in a full handshake, as SHA-256 of zeros, with a key of its own:
 * ecdsa_secp256r1_sha256, or rsa_pss_rsae_sha256 with 2048 bits (RFC 8446 4.2.3). */
struct rival_signer;
struct rival_signer *rival_signer_new(bool rsa);
struct rival_signer *rival_signer_free(struct rival_signer *signer);
void rival_sign(struct rival_signer *signer);

void rival_write(struct rival_session *session, const void *bytes, size_t len);

#endif
