/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_VERIFY_H
#define KTLS_SRC_VERIFY_H

/* Who the peer is: the moments of the handshake at which that is decided. */

struct gnutls_session_int;
struct ktls_conn;

/* The peer's certificate has come: GnuTLS's verify function. What it finds is in conn->handshake.
 */
int ktls_verify_peer(struct gnutls_session_int *session);

/* The handshake is done: the peer of one that resumes shows no certificate, and is judged by the
 * one that the session remembers. The same answers. */
int ktls_verify_resumed(struct ktls_conn *conn);

#endif
