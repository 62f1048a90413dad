/* SPDX-License-Identifier: MIT */
#ifndef TESTS_OUTCOME_H
#define TESTS_OUTCOME_H

/* How handshakes end, and what is left of a connection then. */

#include "pair.h"

/* Both end well, and bytes move both ways. */
void outcome_success(struct pair *pair, const char *what);

/* The finder's fails with the error, and the other end hears of the alert. */
void outcome_failure(struct pair *pair, enum pair_end finder, int error, const char *alert,
		     const char *what);

/* Every later call on a failed connection answers as the first one did, and says so. */
void outcome_stays_failed(struct ktls_conn *conn, int error);

struct gnutls_certificate_credentials_st;

/* What our client's handshake comes to with a server of GnuTLS at the other end of its socket,
 * which has these credentials. */
int outcome_with_gnutls(struct ktls_conn *client, int fd,
			struct gnutls_certificate_credentials_st *credentials);

#endif
