/* SPDX-License-Identifier: MIT */
#ifndef INTEROP_PEER_OPTIONS_H
#define INTEROP_PEER_OPTIONS_H

/* What peer.c can be told; see there. */

#include <stdbool.h>

#include <ktls/ktls.h>

#include "peer_verify.h"

enum {
	PEER_EXPORT_LEN = 32,
};

struct peer_options {
	bool listen;
	bool echo;
	unsigned int port;
	const char *ca;
	const char *name;
	const char *cert;
	const char *key;
	const char *protocol;
	const char *cipher;
	const char *offload;
	const char *file;
	const char *visits;
	const char *tickets;
	const char *ticket_file;
	const char *session;
	const char *early_data;
	const char *export;
	const char *alpn;
	const char *tenant;
	struct peer_verify verify;
};

bool peer_options_parse(int argc, char *argv[], struct peer_options *options);
int peer_options_set(struct ktls_config *config, const struct peer_options *options);

#endif
