/* SPDX-License-Identifier: MIT */

/* A stack of buffers behind a lock; see pool.h. */

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <ktls/conn.h>

#include "base/secret.h"
#include "pool.h"

struct ktls_pool {
	pthread_mutex_t lock;
	pthread_cond_t given;
	uint8_t *memory;
	size_t size;  /* of the mapping */
	size_t total; /* buffers */
	size_t idle;  /* entries of stack in use */
	uint8_t *stack[];
};

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Held until the end of the block. */
#define LOCKED(mutex)                                          \
	_cleanup_(unlock) pthread_mutex_t *locked_ = &(mutex); \
	pthread_mutex_lock(locked_)

int ktls_pool_new(struct ktls_pool **ret_pool, size_t n)
{
	size_t size = n * KTLS_POOL_BUFFER_LEN;
	struct ktls_pool *pool;
	pthread_condattr_t attr;

	pool = calloc(1, sizeof(*pool) + n * sizeof(pool->stack[0]));
	if (!pool)
		return -ENOMEM;
	pool->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->memory == MAP_FAILED) {
		free(pool);
		return -ENOMEM;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->given, &attr);
	pthread_condattr_destroy(&attr);
	pool->size = size;
	pool->total = pool->idle = n;
	for (size_t i = 0; i < n; i++)
		pool->stack[i] = pool->memory + (n - 1 - i) * KTLS_POOL_BUFFER_LEN;
	*ret_pool = pool;
	return 0;
}

struct ktls_pool *ktls_pool_free(struct ktls_pool *pool)
{
	if (!pool)
		return NULL;
	assert(pool->idle == pool->total);
	munmap(pool->memory, pool->size);
	pthread_cond_destroy(&pool->given);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	return NULL;
}

uint8_t *ktls_pool_take(struct ktls_pool *pool)
{
	LOCKED(pool->lock);

	return pool->idle ? pool->stack[--pool->idle] : NULL;
}

bool ktls_pool_is_empty(struct ktls_pool *pool)
{
	LOCKED(pool->lock);

	return !pool->idle;
}

void ktls_pool_give(struct ktls_pool *pool, uint8_t *buffer)
{
	LOCKED(pool->lock);

	assert(pool->idle < pool->total);
	pool->stack[pool->idle++] = buffer;
	pthread_cond_signal(&pool->given);
}

int ktls_pool_wait(struct ktls_pool *pool, uint64_t deadline_ns)
{
	struct timespec until = { .tv_sec = (time_t)(deadline_ns / 1000000000u),
				  .tv_nsec = (long)(deadline_ns % 1000000000u) };
	LOCKED(pool->lock);

	while (!pool->idle) {
		if (deadline_ns == KTLS_FOREVER)
			pthread_cond_wait(&pool->given, &pool->lock);
		else if (pthread_cond_timedwait(&pool->given, &pool->lock, &until) == ETIMEDOUT)
			return KTLS_TIMEDOUT;
	}
	return 0;
}
