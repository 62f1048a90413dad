/* SPDX-License-Identifier: MIT */
#ifndef KTLS_HANDSHAKE_H
#define KTLS_HANDSHAKE_H

/* GnuTLS's handshake on a connection: exists from the first step to OPEN or FAILED. */

#include <stdbool.h>
#include <stdint.h>

#include "flight.h"
#include "hello.h"
#include "record.h"
#include "secrets.h"

enum {
	KTLS_ALERT_LEN = 2,
};

struct gnutls_session_int;
struct ktls_conn;

struct ktls_handshake {
	struct gnutls_session_int *session;
	uint64_t deadline_ns; /* of the present step */
	struct ktls_secret secrets[_KTLS_DIRECTION_N];
	struct ktls_hello hello; /* the peer's */
	bool met;     /* server: the first ClientHello came, and what answers it is chosen */
	bool heard;   /* the peer has sent something */
	bool not_tls; /* which did not look like a record */
	bool ended;   /* the peer has ended the transport */
	bool done;    /* GnuTLS has */
	struct ktls_flight flight;
	size_t received;				       /* bytes */
	uint8_t last[KTLS_RECORD_HEADER_LEN + KTLS_ALERT_LEN]; /* of them */
	int socket_errno;				       /* of the push or pull that failed */
	bool verified;					       /* the peer is who it must be */
	bool refused;					       /* by the caller */
	int verdict;					       /* the caller's, if it came late */
	int verify_error; /* what is wrong with the peer's certificate */
	enum ktls_alert verify_alert;
};

/* From NEW to HANDSHAKE. */
int ktls_handshake_begin(struct ktls_conn *conn);

/* As far as it goes without waiting to write, and for the peer's bytes until the deadline: 0 when
 * the connection is open. */
int ktls_handshake_step(struct ktls_conn *conn, uint64_t deadline_ns);

/* handover.c: GnuTLS is done, and all of it has left. To OPEN, with what goes on taken out of the
 * session, which is freed unless a client's tickets are to come. */
int ktls_handover(struct ktls_conn *conn);

struct ktls_handshake *ktls_handshake_free(struct ktls_handshake *handshake);

#endif
