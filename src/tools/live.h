/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_LIVE_H
#define KTLS_TOOL_LIVE_H

/* The config that new connections get: taken by the threads that accept, replaced by the one that
 * reloads. Connections that are there keep theirs. */

#include <pthread.h>

#include <ktls/ktls.h>

struct live {
	pthread_mutex_t lock;
	struct ktls_config *config;
};

/* Takes the reference. */
void live_init(struct live *live, struct ktls_config *config);
void live_done(struct live *live);

/* A reference, to be dropped with ktls_config_unref(). Any thread. */
struct ktls_config *live_get(struct live *live);

/* Takes the reference, and drops that on the old one. Any thread. */
void live_set(struct live *live, struct ktls_config *config);

#endif
