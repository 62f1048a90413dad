/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FLOW_H
#define TESTS_FLOW_H

/*
 * Bytes from one end of a pair to the other, kit_byte() each, by every call that there is: step by
 * step with KTLS_NOW, or in calls that wait, with the receiver in a thread of its own. It goes on
 * until all have arrived, or either end answers what is neither done nor a wait: then the answers
 * stay to be looked at.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pair.h"

enum flow_call {
	FLOW_WRITE = 0,
	FLOW_WRITEV, /* in pieces of odd sizes, some of them empty */
	FLOW_SENDFILE,
	FLOW_CALLS_N,
};

struct flow {
	struct pair *pair;
	enum pair_end from;
	enum flow_call call;
	uint64_t len;
	size_t chunk; /* bytes per call; 0: all that are left */
	bool waits;
	void (*step)(struct flow *flow); /* between the calls, unless it waits; may be NULL */
	uint64_t sent, seen;
	int tx, rx; /* what the ends were answered last */
	int file_fd;
};

/* Asserts that what arrives is what was sent; see above. */
void flow_run(struct flow *flow);
/* The same, and that all arrives. */
void flow_run_whole(struct flow *flow);

const char *flow_call_name(enum flow_call call);
/* A number of the environment, or the default. */
unsigned int flow_setting(const char *name, unsigned int otherwise);

/* The facts of one end. */
struct ktls_info flow_info(const struct pair *pair, enum pair_end end);

#endif
