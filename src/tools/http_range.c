/* SPDX-License-Identifier: MIT */

/* Ranges of bytes (RFC 9110 14.1, 14.2), and which of them are obeyed. */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http.h"

/* Reads digits, saturating: a number too large is as good as the largest. False: there are none. */
static bool read_number(const char **text, uint64_t *ret_number)
{
	const char *at = *text;
	uint64_t number = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			number = UINT64_MAX;
	}
	if (at == *text)
		return false;
	*text = at;
	*ret_number = number;
	return true;
}

/* "-n": the last n bytes; all of them if there are not so many. */
static bool read_suffix(const char **text, uint64_t size, struct http_range *ret_range)
{
	uint64_t n;

	if (!read_number(text, &n))
		return false;
	ret_range->len = n < size ? n : size;
	ret_range->offset = size - ret_range->len;
	return true;
}

/* One range; of no bytes, if it has none of ours. False: it is none. */
static bool read_range(const char **text, uint64_t size, struct http_range *ret_range)
{
	uint64_t first, last = UINT64_MAX;

	if (**text == '-') {
		++*text;
		return read_suffix(text, size, ret_range);
	}
	if (!read_number(text, &first) || *(*text)++ != '-')
		return false;
	if (read_number(text, &last) && last < first)
		return false;
	*ret_range = (struct http_range){ .offset = first };
	if (first < size)
		ret_range->len = (last < size ? last : size - 1) - first + 1;
	return true;
}

static bool overlaps(const struct http_ranges *ranges, const struct http_range *other)
{
	for (unsigned int i = 0; i < ranges->n; i++) {
		const struct http_range *range = &ranges->range[i];

		if (range->offset < other->offset + other->len &&
		    other->offset < range->offset + range->len)
			return true;
	}
	return false;
}

static const char *skip_space(const char *text)
{
	return text + strspn(text, " \t");
}

enum http_range_kind http_range_parse(const char *value, uint64_t size,
				      struct http_ranges *ret_ranges)
{
	static const char unit[] = "bytes=";
	const char *at = value + strlen(unit);
	struct http_ranges ranges = { .n = 0 };

	if (strncasecmp(value, unit, strlen(unit)))
		return HTTP_RANGE_WHOLE;
	/* Nothing has no parts that Content-Range had words for, although "-5" is satisfiable. */
	if (!size)
		return HTTP_RANGE_WHOLE;
	for (unsigned int n = 1;; n++) {
		struct http_range range;

		at = skip_space(at);
		if (!read_range(&at, size, &range) || n > HTTP_LIMIT_RANGES)
			return HTTP_RANGE_WHOLE;
		if (range.len && overlaps(&ranges, &range))
			return HTTP_RANGE_WHOLE;
		if (range.len)
			ranges.range[ranges.n++] = range;
		at = skip_space(at);
		if (!*at)
			break;
		if (*at++ != ',')
			return HTTP_RANGE_WHOLE;
	}
	if (!ranges.n)
		return HTTP_RANGE_UNSATISFIABLE;
	*ret_ranges = ranges;
	return HTTP_RANGE_PARTS;
}

/* A number that can be counted on: neither saturated nor what stands for "unknown". */
static bool read_exact(const char **text, uint64_t *ret_number)
{
	return read_number(text, ret_number) && *ret_number < HTTP_SIZE_UNKNOWN;
}

static bool read_size(const char **text, uint64_t *ret_size)
{
	if (*(*text)++ != '/')
		return false;
	if (**text != '*')
		return read_exact(text, ret_size);
	++*text;
	*ret_size = HTTP_SIZE_UNKNOWN;
	return true;
}

/* "*" of an answer that has none of it, or "FIRST-LAST". */
static bool read_extent(const char **text, struct http_content_range *range)
{
	uint64_t last;

	range->offset = range->len = 0;
	if (**text == '*') {
		++*text;
		return true;
	}
	if (!read_exact(text, &range->offset) || *(*text)++ != '-' || !read_exact(text, &last) ||
	    last < range->offset)
		return false;
	range->len = last - range->offset + 1;
	return true;
}

int http_content_range_parse(const char *value, struct http_content_range *ret_range)
{
	static const char unit[] = "bytes ";
	const char *at = value + strlen(unit);
	struct http_content_range range;

	if (strncasecmp(value, unit, strlen(unit)) || !read_extent(&at, &range) ||
	    !read_size(&at, &range.size) || *at)
		return -EBADMSG;
	/* An unknown size may hold anything; none of an unknown size says nothing. */
	if (range.size == HTTP_SIZE_UNKNOWN ? !range.len : range.offset + range.len > range.size)
		return -EBADMSG;
	*ret_range = range;
	return 0;
}

int http_length_parse(const char *value, uint64_t *ret_len)
{
	uint64_t len;

	if (!read_exact(&value, &len) || *value)
		return -EBADMSG;
	*ret_len = len;
	return 0;
}
