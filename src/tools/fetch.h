/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_FETCH_H
#define KTLS_TOOL_FETCH_H

/* A run of `ktls get`: all that is wanted, several at once, in one thread over one ring. Says on
 * stderr what failed, what was done, and, to people, how far it is. */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "urls.h"

enum fetch_limit {
	FETCH_LIMIT_PARALLEL = 256,
	FETCH_LIMIT_CLOSING = 256, /* connections that come to their end, beside those */
	FETCH_LIMIT_EVENTS = 64,
};

struct fetch {
	struct ktls_config *config;
	const struct urls *urls; /* one at least */
	unsigned int parallel;
	uint64_t deadline_ns; /* of everything */
	uint64_t idle_ms;     /* without a byte; 0: any time */
	bool resume;
	bool quiet;    /* only errors */
	bool progress; /* also where nobody looks */
};

/* Returns an enum tool_exit: of those that failed, the first one's. A signal ends it in order, and
 * then the process. */
int fetch_run(const struct fetch *fetch);

#endif
