/* SPDX-License-Identifier: MIT */

/* A pointer and its lock; see live.h. A lock, since to take a reference is two steps: in between,
 * the last one could be dropped. */

#include "live.h"

void live_init(struct live *live, struct ktls_config *config)
{
	pthread_mutex_init(&live->lock, NULL);
	live->config = config;
}

void live_done(struct live *live)
{
	live->config = ktls_config_unref(live->config);
	pthread_mutex_destroy(&live->lock);
}

struct ktls_config *live_get(struct live *live)
{
	struct ktls_config *config;

	pthread_mutex_lock(&live->lock);
	config = ktls_config_ref(live->config);
	pthread_mutex_unlock(&live->lock);
	return config;
}

void live_set(struct live *live, struct ktls_config *config)
{
	struct ktls_config *old;

	pthread_mutex_lock(&live->lock);
	old = live->config;
	live->config = config;
	pthread_mutex_unlock(&live->lock);
	ktls_config_unref(old);
}
