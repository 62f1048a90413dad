/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_SUITES_H
#define KTLS_SRC_SUITES_H

/* What GnuTLS is told to negotiate, and what it then says of it. */

#include <stdint.h>

struct gnutls_priority_st;
struct gnutls_session_int;
struct ktls_config;

/* What the config offers, as GnuTLS's priorities; 0 or the error, with its sentence. */
int ktls_suites_make_priority(struct ktls_config *config, struct gnutls_priority_st **ret_priority);

/* The group (enum ktls_group) in which a finished handshake agreed on its key; 0: in none, it
 * resumed another. */
uint16_t ktls_suites_group(struct gnutls_session_int *session);

#endif
