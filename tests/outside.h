/* SPDX-License-Identifier: MIT */
#ifndef TESTS_OUTSIDE_H
#define TESTS_OUTSIDE_H

/*
 * A connection that a test looks at through its own system calls is in no ring, even where the
 * others are (over_ring.h). One at a time.
 */

struct ktls_conn;

/* From here on. Nothing is under way, and nothing unread. */
void outside_begin(struct ktls_conn *conn);
void outside_end(void);

#endif
