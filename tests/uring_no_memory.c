/* SPDX-License-Identifier: MIT */

/*
 * No allocation an op: from the moment that a ring, its buffer and its pool are there, the
 * allocator of the whole process fails every call, and a million ops of every way to end go on as
 * if nothing were. A plain program, for it brings its own malloc.
 *
 * Usage: uring_no_memory [OPS]
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "refusing.h"
#include "uring/uring.h"

enum {
	OPS = 1000000,
	SLOTS = 64,
	POOL = 8,
	LEN = 64,
	SKIPPED = 77,
};

static void must(int r, const char *what)
{
	if (r)
		refusing_die("%s: %s", what, ktls_strerrorname(r));
}

struct traffic {
	struct uring *ring;
	struct uring_pool *pool;
	struct uring_buffer *buffer;
	int fd[2];
	unsigned long started;
	unsigned long ended;
};

static struct traffic begin(void)
{
	const struct uring_options options = { .ops = SLOTS, .buffers = 1 };
	struct traffic traffic = { 0 };
	unsigned int reason = URING_REASON_NONE;
	int r = uring_new(&traffic.ring, &options, &reason);

	must(r, uring_reason_text(reason));
	must(uring_buffer_new(&traffic.buffer, traffic.ring, LEN), "a buffer");
	must(uring_pool_new(&traffic.pool, traffic.ring, POOL, LEN), "a pool");
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, traffic.fd), "sockets");
	return traffic;
}

/* A fixed write, and then a receive with a deadline that finds what was written. */
static void carry(struct traffic *traffic)
{
	const struct uring_request requests[] = {
		{ .kind = URING_WRITE,
		  .fd = traffic->fd[0],
		  .data = traffic->buffer->data,
		  .len = LEN,
		  .offset = UINT64_MAX,
		  .buffer = traffic->buffer },
		{ .kind = URING_RECV,
		  .fd = traffic->fd[1],
		  .pool = traffic->pool,
		  .deadline_ns = ktls_deadline_in(60000) },
	};

	must(uring_start(traffic->ring, requests, 2, NULL), "carrying");
	traffic->started += 2;
}

/* One that its deadline ends, one that is cancelled in flight, one before. */
static void disappoint(struct traffic *traffic)
{
	struct uring_request request = {
		.kind = URING_RECV, .fd = traffic->fd[0], .pool = traffic->pool, .deadline_ns = 1
	};
	struct uring_event event;
	uint64_t op;
	unsigned int n;

	must(uring_start(traffic->ring, &request, 1, NULL), "a deadline");
	request.deadline_ns = 0;
	must(uring_start(traffic->ring, &request, 1, &op), "a cancel");
	if (uring_wait(traffic->ring, KTLS_NOW, &event, 1, &n) == 0 && n)
		traffic->ended++;
	must(uring_cancel(traffic->ring, op), "a cancel in flight");
	must(uring_start(traffic->ring, &request, 1, &op), "another cancel");
	must(uring_cancel(traffic->ring, op), "a cancel before");
	must(uring_wake(traffic->ring), "a wake");
	traffic->started += 3;
}

static void take(struct traffic *traffic)
{
	struct uring_event events[SLOTS];
	unsigned int n;

	while (traffic->ended < traffic->started) {
		must(uring_wait(traffic->ring, KTLS_FOREVER, events, SLOTS, &n), "waiting");
		for (unsigned int i = 0; i < n; i++) {
			if (events[i].op)
				traffic->ended++;
			if (events[i].buffer >= 0)
				uring_pool_give(traffic->pool, events[i].buffer);
		}
	}
}

static void end(struct traffic *traffic)
{
	must(uring_drain(traffic->ring, KTLS_FOREVER), "draining");
	uring_pool_free(traffic->pool);
	uring_buffer_unref(traffic->buffer);
	uring_free(traffic->ring);
}

static bool skips(void)
{
	const struct uring_facts *facts = uring_probe();

	if (facts->reason[URING_HAS_RING] || facts->reason[URING_HAS_POOLS]) {
		printf("no io_uring here, or no pools: skipped\n");
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	unsigned long ops = argc > 1 ? strtoul(argv[1], NULL, 10) : OPS;
	struct traffic traffic;

	if (skips())
		return SKIPPED;
	traffic = begin();
	refusing = true;
	for (unsigned long i = 0; traffic.ended < ops; i++) {
		carry(&traffic);
		if (i % 4 == 0)
			disappoint(&traffic);
		take(&traffic);
	}
	if (refused)
		refusing_die("%lu allocations", (unsigned long)refused);
	refusing = false;
	end(&traffic);
	printf("%lu ops, no allocation\n", traffic.ended);
	return 0;
}
