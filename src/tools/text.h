/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_TEXT_H
#define KTLS_TOOL_TEXT_H

/* Text put together in a room of fixed size: what does not fit is left out, and said so. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *buf;
	size_t size;
	size_t len;
	bool cut; /* something did not fit */
};

void text_put(struct text *text, const char *at, size_t len);
void text_put_string(struct text *text, const char *string);
void text_put_number(struct text *text, uint64_t number);

/* What somebody else chose, so that it stays within quotes on one line: anything but printable
 * ASCII, and quotes and backslashes, as "\xhh". Of this, as much as fits. */
void text_put_quoted(struct text *text, const char *string);

#endif
