/* SPDX-License-Identifier: MIT */

/* See text.h. A piece is put in whole or not at all. */

#include <string.h>

#include "text.h"

void text_put(struct text *text, const char *at, size_t len)
{
	if (len > text->size - text->len) {
		text->cut = true;
		return;
	}
	memcpy(text->buf + text->len, at, len);
	text->len += len;
}

void text_put_string(struct text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

void text_put_number(struct text *text, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	text_put(text, digits + at, sizeof(digits) - at);
}

void text_put_quoted(struct text *text, const char *string)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; string[i] && !text->cut; i++) {
		unsigned char c = (unsigned char)string[i];
		const char escaped[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			text_put(text, string + i, 1);
		else
			text_put(text, escaped, sizeof(escaped));
	}
}
