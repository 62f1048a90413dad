/* SPDX-License-Identifier: MIT */
#ifndef TESTS_REKEYING_H
#define TESTS_REKEYING_H

/*
 * What must come of keys that change, or cannot, over any protection: each function asserts it for
 * a subject whose TX and RX are protected as said, with a peer in userspace where not said
 * otherwise.
 */

#include <stdint.h>

#include "flow.h"

/* Each role asks for ours and for both; a kernel that cannot says so, and the connection goes on.
 */
void rekeying_when_asked(enum ktls_offload tx, enum ktls_offload rx);

/* Asked for over a full socket, and finished by asking again, by writing, or by the shutdown. */
void rekeying_over_a_full_socket(enum ktls_offload tx);

/* A limit of some records, over ten of them by every call; where the key cannot change: the end
 * in order. */
void rekeying_at_the_limit(enum ktls_protocol protocol, enum ktls_offload tx);

/* So many changes of the sender's key while it sends one file: its own, and those that the receiver
 * asks for with its own. Both ends as said. */
void rekeying_during_a_file(enum ktls_offload tx, enum ktls_offload rx, uint64_t len,
			    unsigned int changes);

/* What the probe says, where the kernel was wanted. */
bool rekeying_is_possible(enum ktls_direction direction, enum ktls_offload when);

#endif
