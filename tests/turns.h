/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TURNS_H
#define TESTS_TURNS_H

/*
 * Ops of a ring, several at once, each with what became of it. Each call asserts what it needs;
 * that an op has exactly one last event is asserted of all of them.
 */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "tests/pair.h"

enum turns_limit {
	TURNS_PATIENCE_MS = 20000, /* for what must come, in an emulator */
	TURNS_QUIET_MS = 50,	   /* for what must not come */
};

struct turns_op {
	struct ktls_op op;
	struct ktls_event event;  /* the last one */
	unsigned int events, end; /* how many there were; how many of them were last ones */
};

/* A new ring, or the test is skipped where there is none. */
struct ktls_ring *turns_ring(uint32_t conns, uint32_t buffers);

/* Both ends open, in the ring; protected where the kernel can, or in userspace. */
struct pair turns_pair(struct ktls_ring *ring, int buffer_bytes);
struct pair turns_pair_user(struct ktls_ring *ring, int buffer_bytes);

/* The op, to be started anew. */
struct ktls_op *turns_op(struct turns_op *op);

/* One wait, whose events are kept with their ops; how many there were. */
size_t turns_wait(struct ktls_ring *ring, uint64_t deadline_ns);

/* Until the op has ended; its result. */
int turns_end(struct ktls_ring *ring, struct turns_op *op);

/* Nothing happens. */
void turns_quiet(struct ktls_ring *ring);

/* Cancelled, and its end: what it was. */
int turns_cancel(struct ktls_ring *ring, struct turns_op *op);

/* Bytes from one end to the other, small enough for every socket. */
void turns_carry(struct ktls_ring *ring, struct pair *pair, enum pair_end from);

#endif
