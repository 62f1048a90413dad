/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_WAIT_H
#define KTLS_SRC_WAIT_H

/*
 * How a public call waits between its attempts. Where the kernel protects, kernels before 6.12 say
 * "readable" of half a record, and any says "writable" while it still holds one: so a wait that
 * ends at once, again and again with no byte moved between, becomes a pause.
 */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/info.h>

struct ktls_conn;

/* One for the whole call. */
struct ktls_waiter {
	uint64_t deadline_ns;
	uint64_t moved; /* bytes, until the last wait */
	unsigned int fruitless;
};

/* Whether a socket may be said to be ready for nothing, again and again. */
bool ktls_wait_may_mislead(const struct ktls_conn *conn, enum ktls_direction direction);

/* Whether the answer asks for a wait. */
bool ktls_wait_is_want(int r);

/* KTLS_TIMEDOUT when a deadline other than KTLS_NOW has passed, else 0. */
int ktls_wait_expired(const struct ktls_waiter *waiter);

/* Waits for what was wanted. 0: try again; else what the call answers. `moved`: bytes that the call
 * has moved so far. */
int ktls_wait(struct ktls_conn *conn, struct ktls_waiter *waiter, int want, uint64_t moved);

#endif
