/* SPDX-License-Identifier: MIT */

/* Text into HTML and SVG; see html.h. It comes from Jansson, and so is UTF-8 without a NUL. */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "figures.h"
#include "html.h"

static const char ellipsis[] = "\u2026", unknown[] = "\ufffd";

/* How many bytes the first character has. */
static size_t length_of(const char *text)
{
	size_t n = 1;

	while (((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static unsigned int columns_of(const char *text)
{
	/* Three bytes begin at U+0800, and of those with 0xe1 nearly all are wide. */
	return (unsigned char)*text >= 0xe1 && strncmp(text, ellipsis, 3) ? 2 : 1;
}

/* Control characters, and U+FFFE, U+FFFF. */
static bool is_forbidden(const char *text)
{
	unsigned char byte = (unsigned char)*text;

	return (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f ||
	       !strncmp(text, "\xef\xbf\xbe", 3) || !strncmp(text, "\xef\xbf\xbf", 3);
}

static void put(FILE *stream, const char *text, size_t n)
{
	static const struct {
		char byte;
		const char *written;
	} escapes[] = {
		{ '&', "&amp;" },  { '<', "&lt;" },   { '>', "&gt;" },
		{ '"', "&quot;" }, { '\'', "&#39;" },
	};

	for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
		if (*text == escapes[i].byte) {
			fputs(escapes[i].written, stream);
			return;
		}
	}
	if (is_forbidden(text))
		fputs(unknown, stream);
	else
		fwrite(text, 1, n, stream);
}

void html_text(FILE *stream, const char *text)
{
	for (size_t n; *text; text += n) {
		n = length_of(text);
		put(stream, text, n);
	}
}

unsigned int html_columns(const char *text)
{
	unsigned int columns = 0;

	for (; *text; text += length_of(text))
		columns += columns_of(text);
	return columns;
}

void html_short(FILE *stream, const char *text, unsigned int columns)
{
	bool all = html_columns(text) <= columns;
	unsigned int left = all ? columns : columns - 1;

	for (; *text && columns_of(text) <= left; text += length_of(text)) {
		left -= columns_of(text);
		put(stream, text, length_of(text));
	}
	if (!all)
		fputs(ellipsis, stream);
}

void html_number(FILE *stream, double value)
{
	if (!isfinite(value))
		fputs("\u2013", stream);
	else if (fabs(value) >= 1e7 || (value && fabs(value) < 0.1))
		fprintf(stream, "%.3g", value);
	else
		fprintf(stream, "%.*f", bench_digits(value), value);
}

void html_element(FILE *stream, const char *tag, const char *text)
{
	fprintf(stream, "<%s>", tag);
	html_text(stream, text);
	fprintf(stream, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}
