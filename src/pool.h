/* SPDX-License-Identifier: MIT */
#ifndef KTLS_POOL_H
#define KTLS_POOL_H

/*
 * The buffers that userspace protection needs while bytes are in flight. A pool belongs to a config
 * and is shared by its connections; it is mapped once, touched only where used, and the buffer
 * given back last is taken first, so that few are warm and the rest costs nothing. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

enum {
	KTLS_POOL_BATCH = 8, /* records that are protected and sent at once */
	KTLS_POOL_BUFFER_LEN = KTLS_POOL_BATCH * KTLS_RECORD_MAX,
};

struct ktls_pool;

/* n buffers of KTLS_POOL_BUFFER_LEN. -ENOMEM. */
int ktls_pool_new(struct ktls_pool **ret_pool, size_t n);
/* All buffers must have come back. Takes NULL; returns NULL. */
struct ktls_pool *ktls_pool_free(struct ktls_pool *pool);

/* A buffer, or NULL when all are in use. Never waits. */
uint8_t *ktls_pool_take(struct ktls_pool *pool);
void ktls_pool_give(struct ktls_pool *pool, uint8_t *buffer);

/* Whether all are in use, at this moment. */
bool ktls_pool_is_empty(struct ktls_pool *pool);

/* Waits until there may be one. 0 or KTLS_TIMEDOUT. */
int ktls_pool_wait(struct ktls_pool *pool, uint64_t deadline_ns);

#endif
