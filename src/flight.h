/* SPDX-License-Identifier: MIT */
#ifndef KTLS_FLIGHT_H
#define KTLS_FLIGHT_H

/*
 * What a handshake says. It is accepted whole, however full the socket is: GnuTLS cannot be stopped
 * everywhere in the middle of a flight, and early data that it has to resume it protects with the
 * numbers of its records from 0 on again, under the same key (3.7.9).
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/bytes.h"

struct ktls_conn;

struct ktls_flight {
	struct ktls_bytes bytes; /* that the transport had not taken at once */
	size_t at;		 /* of them, now */
	bool held;
};

void ktls_flight_done(struct ktls_flight *flight);

/* Sends what the transport takes, and keeps the rest. 0 or -errno. */
int ktls_flight_add(struct ktls_flight *flight, const struct ktls_conn *conn,
		    const struct iovec *iov, int iovcnt);

/* Sends of the rest what the transport takes now. 0 or -errno. */
int ktls_flight_go_on(struct ktls_flight *flight, const struct ktls_conn *conn);

/* From now on all is kept, until the release. */
void ktls_flight_hold(struct ktls_flight *flight);
void ktls_flight_release(struct ktls_flight *flight);

/* Whether there is a rest. */
bool ktls_flight_waits(const struct ktls_flight *flight);

#endif
