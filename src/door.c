/* SPDX-License-Identifier: MIT */

/*
 * Which door a ring has to the kernel: io_uring, or epoll where that is forbidden or missing. What
 * a ring asks for is said in the same words at both; see ring.h.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <ktls/buffer.h>
#include <ktls/error.h>

#include "loop.h"
#include "ring.h"

enum {
	ERROR_LEN = 256,
};

static _Thread_local char error_text[ERROR_LEN];

const char *ktls_ring_error(void)
{
	return error_text;
}

void ktls_door_set_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error_text, sizeof(error_text), format, arguments);
	va_end(arguments);
}

static int open_uring(struct ktls_ring *ring, unsigned int ops, uint32_t buffers)
{
	const struct uring_options options = { .ops = ops, .buffers = KTLS_BUFFER_REGISTERED_MAX };
	unsigned int reason = 0;
	int r = uring_new(&ring->uring, &options, &reason);

	if (r < 0) {
		ktls_door_set_error("making a ring over io_uring: %s", uring_reason_text(reason));
		return r;
	}
	r = uring_pool_new(&ring->pool, ring->uring, buffers, KTLS_RING_BUFFER_LEN);
	if (r < 0) {
		ring->uring = uring_free(ring->uring);
		ktls_door_set_error(
			"making a ring's %u buffers: %s. To do: fewer of them, a larger "
			"RLIMIT_MEMLOCK, or Linux 5.19 or later",
			buffers, ktls_strerror(r));
	}
	return r;
}

/* Otherwise there is something to mend, with io_uring or without. */
static bool is_missing(int error)
{
	return error == -ENOSYS || error == -EOPNOTSUPP || error == -EINVAL || error == -EPERM ||
	       error == -EACCES;
}

int ktls_door_open(struct ktls_ring *ring, enum ktls_ring_kind kind, unsigned int ops,
		   uint32_t buffers)
{
	int r = -EOPNOTSUPP;

	if (kind != KTLS_RING_EPOLL)
		r = open_uring(ring, ops, buffers);
	if (kind == KTLS_RING_IO_URING || !is_missing(r))
		return r;
	r = ktls_loop_new(&ring->loop, ops);
	if (r < 0)
		ktls_door_set_error("making a ring over epoll: %s", ktls_strerror(r));
	return r;
}

enum ktls_ring_kind ktls_ring_get_kind(const struct ktls_ring *ring)
{
	if (!ring)
		return KTLS_RING_ANY;
	return ring->uring ? KTLS_RING_IO_URING : KTLS_RING_EPOLL;
}

int ktls_door_start(struct ktls_ring *ring, const struct uring_request *request,
		    uint64_t *ret_flight)
{
	return ring->uring ? uring_start(ring->uring, request, 1, ret_flight)
			   : ktls_loop_start(ring->loop, request, ret_flight);
}

void ktls_door_cancel(struct ktls_ring *ring, uint64_t flight)
{
	if (ring->uring)
		uring_cancel(ring->uring, flight);
	else
		ktls_loop_cancel(ring->loop, flight);
}

int ktls_door_wait(struct ktls_ring *ring, uint64_t deadline_ns, struct uring_event *events,
		   unsigned int max, unsigned int *ret_n)
{
	return ring->uring ? uring_wait(ring->uring, deadline_ns, events, max, ret_n)
			   : ktls_loop_wait(ring->loop, deadline_ns, events, max, ret_n);
}

int ktls_ring_wake(struct ktls_ring *ring)
{
	if (!ring)
		return -EINVAL;
	return ring->uring ? uring_wake(ring->uring) : ktls_loop_wake(ring->loop);
}

/* What the kernel reads and writes by itself it has to let go of first. */
int ktls_door_drain(struct ktls_ring *ring)
{
	return ring->uring ? uring_drain(ring->uring, KTLS_FOREVER) : 0;
}

void ktls_door_close(struct ktls_ring *ring)
{
	ring->pool = uring_pool_free(ring->pool);
	ring->uring = uring_free(ring->uring);
	ring->loop = ktls_loop_free(ring->loop);
}
