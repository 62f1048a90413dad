/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_FAULT_H
#define KTLS_TESTS_FAULT_H

/*
 * A life (scenario.h) with a fault at each of its calls, and what must come of it: no plaintext
 * without protection, no cut stream that looks whole, no descriptor left, no hang, and the outcome
 * that belongs to the fault. Ends the test with a message on anything else.
 */

#include "scenario.h"

enum fault_outcome {
	FAULT_DELAY = 0, /* EINTR, EAGAIN, short calls: the same bytes arrive */
	FAULT_ERROR,	 /* EIO and the like: the answer, for good */
	FAULT_DEPARTURE, /* the peer's socket is closed, or reset */
};

/* Every fault of the outcome, at every stride'th call. */
void fault_at_every_call(const struct scenario *scenario, enum fault_outcome outcome,
			 unsigned int stride);

/* Every call moves at_most bytes. */
void fault_short_calls(const struct scenario *scenario, size_t at_most);

#endif
