/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_VERIFY_H
#define KTLS_SRC_VERIFY_H

/* Who the peer is: what a config says of it, and the moments of the handshake at which it is
 * decided. */

#include <stdbool.h>
#include <stddef.h>

struct gnutls_session_int;
struct iovec;
struct ktls_config;
struct ktls_conn;

enum {
	KTLS_CHAIN_MAX = 16, /* certificates of a peer */
};

enum ktls_verdict {
	KTLS_VERDICT_NONE = 0,
	KTLS_VERDICT_ASKED,
	KTLS_VERDICT_GIVEN,
};

/* Whether the library itself follows chains and compares names; whether nobody does. */
bool ktls_verify_is_default(const struct ktls_config *config);
bool ktls_verify_is_off(const struct ktls_config *config);

/* Whether what the config says can come to anything; 0, or the error with its sentence. */
int ktls_verify_check(struct ktls_config *config);

/* The peer's certificate has come: GnuTLS's verify function. What it finds is in conn->handshake.
 * GNUTLS_E_AGAIN: the caller's verdict is waited for. */
int ktls_verify_peer(struct gnutls_session_int *session);

/* GnuTLS is done: the peer of a handshake that resumes shows no certificate, and is judged by those
 * that the session remembers. The same answers; any number of times. */
int ktls_verify_resumed(struct ktls_conn *conn);

/* The peer's Finished has come, and ours would leave before ktls_verify_resumed(). */
bool ktls_verify_comes_last(const struct ktls_conn *conn);

/* The peer's chain as DER, leaf first, while there is a handshake: points into it. How many; 0:
 * none, or more than max. */
size_t ktls_verify_chain(const struct ktls_conn *conn, struct iovec *ret_chain, size_t max);

#endif
