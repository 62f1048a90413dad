/* SPDX-License-Identifier: MIT */

/* Walking a scatter-gather list; see cursor.h. */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"

size_t ktls_cursor_left(const struct ktls_cursor *cursor)
{
	size_t left = 0;

	for (int i = 0; i < cursor->count; i++)
		left += cursor->iov[i].iov_len;
	return left - cursor->skip - cursor->hidden;
}

void ktls_cursor_limit(struct ktls_cursor *cursor, uint64_t n)
{
	size_t left = ktls_cursor_left(cursor);

	if (left > n)
		cursor->hidden += left - (size_t)n;
}

/* The rest of the present piece; steps over the empty ones. Length 0: the list is done. */
static struct iovec present(struct ktls_cursor *cursor)
{
	struct iovec piece = { NULL, 0 };

	while (cursor->count && cursor->iov->iov_len == cursor->skip) {
		cursor->iov++;
		cursor->count--;
		cursor->skip = 0;
	}
	if (!cursor->count)
		return piece;
	piece.iov_base = (uint8_t *)cursor->iov->iov_base + cursor->skip;
	piece.iov_len = cursor->iov->iov_len - cursor->skip;
	if (cursor->hidden) {
		size_t left = ktls_cursor_left(cursor);

		if (piece.iov_len > left)
			piece.iov_len = left;
	}
	return piece;
}

static struct iovec present_up_to(struct ktls_cursor *cursor, size_t len)
{
	struct iovec piece = present(cursor);

	if (piece.iov_len > len)
		piece.iov_len = len;
	return piece;
}

void ktls_cursor_advance(struct ktls_cursor *cursor, size_t n)
{
	while (n) {
		struct iovec piece = present_up_to(cursor, n);

		assert(piece.iov_len);
		cursor->skip += piece.iov_len;
		n -= piece.iov_len;
	}
}

static size_t copy(struct ktls_cursor *cursor, uint8_t *to, const uint8_t *from, size_t len)
{
	size_t done = 0;

	while (done < len) {
		struct iovec piece = present_up_to(cursor, len - done);

		if (!piece.iov_len)
			break;
		if (to)
			memcpy(to + done, piece.iov_base, piece.iov_len);
		else
			memcpy(piece.iov_base, from + done, piece.iov_len);
		cursor->skip += piece.iov_len;
		done += piece.iov_len;
	}
	return done;
}

size_t ktls_cursor_read(struct ktls_cursor *cursor, void *to, size_t len)
{
	return copy(cursor, to, NULL, len);
}

size_t ktls_cursor_write(struct ktls_cursor *cursor, const void *from, size_t len)
{
	return copy(cursor, NULL, from, len);
}

int ktls_cursor_window(const struct ktls_cursor *cursor, struct iovec *ret_iov, int max)
{
	struct ktls_cursor at = *cursor;
	int n = 0;

	while (n < max) {
		struct iovec piece = present(&at);

		if (!piece.iov_len)
			break;
		ret_iov[n++] = piece;
		at.skip += piece.iov_len;
	}
	return n;
}
