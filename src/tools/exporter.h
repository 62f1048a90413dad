/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_EXPORTER_H
#define KTLS_TOOL_EXPORTER_H

/* Who asks for metrics gets them here: plain HTTP on a socket and in a thread of its own, so that
 * neither waits for the other. */

#include "metrics_text.h"

enum exporter_limit {
	EXPORTER_LIMIT_CLIENTS = 16, /* then the oldest must go */
	EXPORTER_LIMIT_REQUEST = 4096,
	EXPORTER_LIMIT_CLIENT_MS = 10000, /* from its connection to its end */
};

struct exporter;

/* Answers on a listening, non-blocking socket, which stays the caller's, from `n` threads' metrics,
 * until it is freed. -errno. */
int exporter_new(struct exporter **ret_exporter, int listen_fd, struct metrics *metrics, size_t n,
		 const struct metrics_process *process);
struct exporter *exporter_free(struct exporter *exporter);

#endif
