/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_DEADLINE_H
#define KTLS_BASE_DEADLINE_H

/*
 * Deadlines are absolute CLOCK_MONOTONIC nanoseconds; 0 (KTLS_NOW) has always passed, UINT64_MAX
 * (KTLS_FOREVER) never comes. A wait goes on through signals, and counts what is left anew each
 * time.
 */

#include <stdint.h>

uint64_t ktls_deadline_clock(void);

/* What is left until then, as poll(2) takes it: -1 for ever, 0 once it has passed. */
int ktls_deadline_left_ms(uint64_t deadline_ns);

/*
 * Waits until `fd` has one of `events` (poll(2)'s), or an error or hang-up, which the next call on
 * it will report. 0, KTLS_TIMEDOUT, or -errno. Never waits on KTLS_NOW: KTLS_TIMEDOUT.
 */
int ktls_deadline_poll(int fd, short events, uint64_t deadline_ns);

#endif
