/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_REFUSAL_H
#define KTLS_TESTS_REFUSAL_H

/* What must come of it when the kernel refuses an option of the hand-over. */

#include "pair.h"

enum refusal_option {
	REFUSAL_ULP = 0,
	REFUSAL_TX,
	REFUSAL_RX,
	REFUSAL_OPTIONS_N,
};

enum {
	REFUSAL_ERRORS_N = 9,
};

struct refusal_case {
	enum refusal_option option;
	int error;
	enum ktls_protocol protocol;
	enum pair_end end;
};

/* The errno that each option is refused with; 0: not. Set by the test, obeyed by its seam. */
extern int refusal[REFUSAL_OPTIONS_N];

/* Which option that is; REFUSAL_OPTIONS_N: another one. */
enum refusal_option refusal_option(int level, int name);

/* Row i of REFUSAL_OPTIONS_N * REFUSAL_ERRORS_N * 4. */
struct refusal_case refusal_case(int i);

/* Handshakes, and everything after it in userspace, with the reason kept; directions that were not
 * refused are not looked at. */
void refusal_is_a_fact(struct pair *pair, const struct refusal_case *row);

/* The handshake fails with -KTLS_E_OFFLOAD, says why and what to do, and tells the peer. */
void refusal_is_an_error(struct pair *pair, const struct refusal_case *row);

#endif
