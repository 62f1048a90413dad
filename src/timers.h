/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_TIMERS_H
#define KTLS_SRC_TIMERS_H

/*
 * Times that something is due at, the earliest first: a pairing heap, whose nodes are the users'
 * own, so that any number of them allocates nothing. Adding is one comparison; an idle connection's
 * deadline, which is moved again and again, costs no more than that.
 */

#include <stdbool.h>
#include <stdint.h>

struct ktls_timer {
	uint64_t at_ns;
	struct ktls_timer *child, *next;
	struct ktls_timer **link; /* what points here; NULL: in no heap */
};

/* The first one, or NULL for none. */
struct ktls_timers {
	struct ktls_timer *root;
};

/* Of one that is in no heap. */
void ktls_timers_add(struct ktls_timers *timers, struct ktls_timer *timer, uint64_t at_ns);

/* Nothing, if it is in no heap. */
void ktls_timers_remove(struct ktls_timers *timers, struct ktls_timer *timer);

#endif
