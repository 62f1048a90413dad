/* SPDX-License-Identifier: MIT */
#ifndef INTEROP_PEER_VERIFY_H
#define INTEROP_PEER_VERIFY_H

/* What peer.c can be told about whom to believe; each NULL, or as its comment there says. */

#include <ktls/ktls.h>

struct peer_verify {
	const char *client_auth;
	const char *verifier;
	const char *pin;
	const char *revocations;
	const char *staple;
	const char *require_staple;
};

int peer_verify_set(struct ktls_config *config, const struct peer_verify *verify);

/* To its end: gives a verdict that is asked for after a while. Prints what a verifier saw. */
int peer_verify_handshake(struct ktls_conn *conn, const struct peer_verify *verify);

#endif
