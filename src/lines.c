/* SPDX-License-Identifier: MIT */

/* Lines and words; see lines.h. */

#include <string.h>

#include "lines.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip(struct lines_word *word, size_t n)
{
	word->at += n;
	word->len -= n;
}

static void trim(struct lines_word *word)
{
	while (word->len && is_blank(word->at[0]))
		skip(word, 1);
	while (word->len && is_blank(word->at[word->len - 1]))
		word->len--;
}

/* How far it is to the character, or all of it. */
static size_t length_to(const char *at, size_t len, char c)
{
	const char *end = len ? memchr(at, c, len) : NULL;

	return end ? (size_t)(end - at) : len;
}

bool lines_next(struct lines *lines, struct lines_word *ret_line)
{
	size_t len = length_to(lines->at, lines->len, '\n');

	if (!lines->len)
		return false;
	*ret_line = (struct lines_word){ lines->at, len };
	len += len < lines->len;
	lines->at += len;
	lines->len -= len;
	return true;
}

struct lines_word lines_take_word(struct lines_word *line)
{
	struct lines_word word;

	trim(line);
	word = (struct lines_word){ line->at, 0 };
	while (word.len < line->len && !is_blank(line->at[word.len]))
		word.len++;
	skip(line, word.len);
	trim(line);
	return word;
}

bool lines_split(struct lines_word line, struct lines_word *ret_name, struct lines_word *ret_value)
{
	size_t len = length_to(line.at, line.len, ':');

	if (len == line.len)
		return false;
	*ret_name = (struct lines_word){ line.at, len };
	skip(&line, len + 1);
	*ret_value = line;
	trim(ret_name);
	trim(ret_value);
	return true;
}

bool lines_take_number(struct lines_word *line, uint64_t *ret_number)
{
	struct lines_word rest = *line, word = lines_take_word(&rest);
	uint64_t number = 0;

	if (!word.len)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		unsigned int digit = (unsigned int)(word.at[i] - '0');

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*line = rest;
	*ret_number = number;
	return true;
}

bool lines_is(struct lines_word word, const char *text)
{
	return word.len == strlen(text) && !memcmp(word.at, text, word.len);
}

bool lines_has(struct lines_word line, const char *text)
{
	while (line.len) {
		if (lines_is(lines_take_word(&line), text))
			return true;
	}
	return false;
}

bool lines_copy(struct lines_word word, char *ret_text, size_t size)
{
	if (word.len >= size || length_to(word.at, word.len, '\0') < word.len)
		return false;
	if (word.len)
		memcpy(ret_text, word.at, word.len);
	ret_text[word.len] = '\0';
	return true;
}
