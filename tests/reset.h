/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RESET_H
#define TESTS_RESET_H

/*
 * Resets at the end of a connection: which of them take something of ours along. Each run is a
 * whole test, over ending.h's connections, whose subject is the client.
 */

#include "pair.h"

/* The end's process is gone, and its last word is a reset. */
void reset_by(struct pair *pair, enum pair_end end);

/* A peer that had read all, ended and closed answers only our close_notify: that is an end in
 * order. */
void reset_run_of_close_notify(void);

/* A peer that closes over what it has not read, without an end of its own or behind it. */
void reset_run_of_unread_bytes(void);

/* A peer that had ended and closed is sent more than close_notify. */
void reset_run_of_bytes_behind_the_end(void);

#endif
