/* SPDX-License-Identifier: MIT */
#ifndef TESTS_VISIT_H
#define TESTS_VISIT_H

/*
 * Connections whose sessions are kept and brought again: a visit is a handshake, a ping either way
 * and an orderly end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pair.h"

enum visit_limit {
	VISIT_SESSION_MAX = 16384,
	VISIT_EARLY_LIMIT = 4096, /* of visit_early_server() */
};

struct visit_session {
	uint8_t data[VISIT_SESSION_MAX];
	size_t len;
};

/* One version only, both directions with that offload; a certificate for localhost and
 * other.example, or trust in it. */
struct ktls_config *visit_config(enum ktls_role role, enum ktls_protocol protocol,
				 enum ktls_offload offload, unsigned int tickets);

/* Connected, with handshakes done; the configs stay the caller's. NULL: no session, no early data.
 */
struct pair visit_connect(struct ktls_config *client, struct ktls_config *server,
			  const struct visit_session *session, const char *early);

struct ktls_info visit_info(const struct ktls_conn *conn);

/* Whether it was resumed, and its session; of length 0 if it has none. Either may be NULL. */
bool visit(struct ktls_config *client, struct ktls_config *server,
	   const struct visit_session *session, struct visit_session *ret_session);

/* What becomes of the early data, at both ends; the connection works in any case. */
void visit_early(struct ktls_config *client, struct ktls_config *server,
		 const struct visit_session *session, const char *early,
		 enum ktls_early_data outcome);

#endif
