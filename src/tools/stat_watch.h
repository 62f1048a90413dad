/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_WATCH_H
#define KTLS_TOOL_STAT_WATCH_H

/* For --watch: pages that are put out as a whole, and the time between them. A signal that ends it
 * (SIGINT, SIGTERM, SIGHUP), or a reader who is gone, is noticed in either. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stat_watch_end {
	STAT_WATCH_ON = 0,
	STAT_WATCH_ENDED, /* in order */
};

/* From now on the signals do no more than end it. */
void stat_watch_begin(void);

/* All of it to stdout. An enum stat_watch_end, or -errno: it cannot be written. */
int stat_watch_put(const char *page, size_t len);

/* Passes the time. An enum stat_watch_end. */
int stat_watch_wait(uint64_t ms);

/* How many of the page's bytes a screen of so many rows has room for, in whole lines, with one left
 * for a last word; *ret_left is how many lines are not among them. */
size_t stat_watch_fit(const char *page, size_t len, unsigned int rows, size_t *ret_left);

#endif
