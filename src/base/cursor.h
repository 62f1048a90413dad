/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_CURSOR_H
#define KTLS_BASE_CURSOR_H

/*
 * A place in somebody's scatter-gather list, which itself is never changed. A copy of a cursor is a
 * place to come back to.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct ktls_cursor {
	const struct iovec *iov;
	int count;     /* pieces left, the present one included */
	size_t skip;   /* bytes of the present one that are done */
	size_t hidden; /* bytes at the end of the list that are not to be touched */
};

/* How many bytes are left. */
size_t ktls_cursor_left(const struct ktls_cursor *cursor);

/* Hides what is beyond the next n bytes. */
void ktls_cursor_limit(struct ktls_cursor *cursor, uint64_t n);

void ktls_cursor_advance(struct ktls_cursor *cursor, size_t n);

/* Copies up to len bytes out of (in to) the list and moves on; returns how many. */
size_t ktls_cursor_read(struct ktls_cursor *cursor, void *to, size_t len);
size_t ktls_cursor_write(struct ktls_cursor *cursor, const void *from, size_t len);

/* What is left, as at most max pieces without empty ones, for a system call; returns how many. */
int ktls_cursor_window(const struct ktls_cursor *cursor, struct iovec *ret_iov, int max);

#endif
