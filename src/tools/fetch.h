/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_FETCH_H
#define KTLS_TOOL_FETCH_H

/* One fetch: a connection, a request, a response into a file. Says on stderr what failed, and what
 * was done. */

#include <stdint.h>

#include <ktls/ktls.h>

#include "address.h"

enum fetch_limit {
	FETCH_LIMIT_BUFFER = 128 * 1024,
	FETCH_LIMIT_REQUEST = 8192,
	FETCH_LIMIT_CLOSE_MS = 2000, /* to end the connection when all is there */
};

struct fetch {
	struct ktls_config *config;
	const struct url *url;
	const char *path; /* NULL: stdout */
	uint64_t deadline_ns;
};

/* Returns an enum tool_exit. */
int fetch_run(const struct fetch *fetch);

#endif
