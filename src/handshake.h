/* SPDX-License-Identifier: MIT */
#ifndef KTLS_HANDSHAKE_H
#define KTLS_HANDSHAKE_H

/* GnuTLS's handshake on a connection: exists from the first step to OPEN or FAILED. */

#include <stdint.h>

struct ktls_conn;
struct ktls_handshake;

/* From NEW to HANDSHAKE. */
int ktls_handshake_begin(struct ktls_conn *conn);

/* As far as it goes without waiting to write, and for the peer's bytes until the deadline: 0 when
 * the connection is open. */
int ktls_handshake_step(struct ktls_conn *conn, uint64_t deadline_ns);

struct ktls_handshake *ktls_handshake_free(struct ktls_handshake *handshake);

#endif
