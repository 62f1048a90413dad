/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_ADDRESS_H
#define KTLS_TOOL_ADDRESS_H

/* Where to: "HOST:PORT" and https URLs (RFC 3986 3.2, RFC 9110 4.2.2). */

#include <stddef.h>

enum address_limit {
	ADDRESS_LIMIT_HOST = 255,
	ADDRESS_LIMIT_PORT = 5,
};

struct address {
	char host[ADDRESS_LIMIT_HOST + 1]; /* without brackets; may be empty */
	char port[ADDRESS_LIMIT_PORT + 1]; /* decimal; empty if there was no colon */
};

/* HOST, HOST:PORT, [HOST]:PORT, :PORT. -EINVAL. */
int address_parse(struct address *ret_address, const char *text, size_t len);

/* https://HOST[:PORT][/PATH][?QUERY]; a fragment is dropped. Pointers are into the text. */
struct url {
	struct address address; /* the port is always set */
	const char *authority;	/* HOST[:PORT] as written */
	size_t authority_len;
	const char *target; /* what to ask for: empty, or begins with "/" or "?" */
	size_t target_len;
};

/* -EPROTONOSUPPORT: not https; -EINVAL: no URL, or with a user in it. */
int url_parse(struct url *ret_url, const char *text);

#endif
