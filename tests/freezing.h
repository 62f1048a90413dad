/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FREEZING_H
#define TESTS_FREEZING_H

/*
 * What must come of a connection that is frozen and thawed, over any protection: each function
 * asserts it for either end as the subject, with a peer in userspace.
 */

#include "pair.h"

/* At random moments of a transfer, by every call, over small buffers and large; the peer, too. */
void freezing_in_the_flow(enum ktls_offload tx, enum ktls_offload rx);

/* An owed KeyUpdate; a KeyUpdate, a ticket and an alert of which half has been read. */
void freezing_what_is_owed(enum ktls_offload tx, enum ktls_offload rx);

/* After either close_notify, both, none, and in the middle of our own. */
void freezing_at_the_ends(enum ktls_offload tx, enum ktls_offload rx);

/* In userspace: each byte wrong in three ways is refused, or thaws into what fails like any other.
 */
void freezing_garbage(enum pair_end end);

#endif
