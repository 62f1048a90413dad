/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_LINES_H
#define KTLS_SRC_LINES_H

/*
 * The text files of /proc: lines of words, taken from the front. The text need not end with a NUL;
 * nothing here allocates, and no word outlives its text.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left of a text. */
struct lines {
	const char *at;
	size_t len;
};

struct lines_word {
	const char *at;
	size_t len;
};

/* The next line, without its end. False: there is none. */
bool lines_next(struct lines *lines, struct lines_word *ret_line);

/* The line's first word, without the blanks around it, and what is left of the line begins behind
 * them. Empty: there is none. */
struct lines_word lines_take_word(struct lines_word *line);

/* "NAME : VALUE": the two, without blanks around. False: the line has no colon. */
bool lines_split(struct lines_word line, struct lines_word *ret_name, struct lines_word *ret_value);

/* The first word as a decimal number of 64 bits. False: it is none, and is not taken. */
bool lines_take_number(struct lines_word *line, uint64_t *ret_number);

bool lines_is(struct lines_word word, const char *text);

/* Whether one of the line's words is this one. */
bool lines_has(struct lines_word line, const char *text);

/* Copied, with a NUL; false if `size` is too small, or a NUL is in it, and then it is as it was. */
bool lines_copy(struct lines_word word, char *ret_text, size_t size);

#endif
