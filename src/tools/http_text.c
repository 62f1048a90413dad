/* SPDX-License-Identifier: MIT */

/* The small grammars of HTTP: targets, ranges, dates, and the words for a status. */

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Where the path begins in origin-form or absolute-form (RFC 9112 3.2.1, 3.2.2); NULL: neither. */
static const char *find_path(const char *target)
{
	static const char *const schemes[] = { "http://", "https://" };

	if (*target == '/')
		return target;
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i]);

		if (!strncasecmp(target, schemes[i], len))
			return target + len + strcspn(target + len, "/?#");
	}
	return NULL;
}

/* Decodes up to a query or fragment; *ret_path gets a NUL. -EBADMSG. */
static int decode_path(const char *from, char *ret_path)
{
	for (; *from && *from != '?' && *from != '#'; from++) {
		int high, low;

		if (*from != '%') {
			*ret_path++ = *from;
			continue;
		}
		high = hex_value(from[1]);
		low = high < 0 ? -1 : hex_value(from[2]);
		if (low < 0 || (!high && !low))
			return -EBADMSG;
		*ret_path++ = (char)(high << 4 | low);
		from += 2;
	}
	*ret_path = '\0';
	return 0;
}

static bool has_parent(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += len;
		path += strspn(path, "/");
	}
	return false;
}

int http_target_path(const char *target, char *ret_path)
{
	const char *from = find_path(target);
	size_t slashes;
	int r;

	if (!from)
		return -EBADMSG;
	r = decode_path(from, ret_path);
	if (r)
		return r;
	if (has_parent(ret_path))
		return -EXDEV;
	slashes = strspn(ret_path, "/");
	memmove(ret_path, ret_path + slashes, strlen(ret_path + slashes) + 1);
	if (!*ret_path)
		strcpy(ret_path, ".");
	return 0;
}

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
static enum http_range_kind parse_suffix(const char *at, uint64_t size, uint64_t *ret_offset,
					 uint64_t *ret_len)
{
	uint64_t n;

	if (!read_number(&at, &n) || *at)
		return HTTP_RANGE_WHOLE;
	if (!n)
		return HTTP_RANGE_UNSATISFIABLE;
	/* Satisfiable, but Content-Range has no words for a part of nothing. */
	if (!size)
		return HTTP_RANGE_WHOLE;
	*ret_len = n < size ? n : size;
	*ret_offset = size - *ret_len;
	return HTTP_RANGE_PART;
}

enum http_range_kind http_range_parse(const char *value, uint64_t size, uint64_t *ret_offset,
				      uint64_t *ret_len)
{
	static const char unit[] = "bytes=";
	const char *at = value + sizeof(unit) - 1;
	uint64_t first, last = UINT64_MAX;

	if (strncasecmp(value, unit, sizeof(unit) - 1))
		return HTTP_RANGE_WHOLE;
	at += strspn(at, " \t");
	if (*at == '-')
		return parse_suffix(at + 1, size, ret_offset, ret_len);
	if (!read_number(&at, &first) || *at++ != '-')
		return HTTP_RANGE_WHOLE;
	if (*at && (!read_number(&at, &last) || *at || last < first))
		return HTTP_RANGE_WHOLE;
	if (first >= size)
		return HTTP_RANGE_UNSATISFIABLE;
	*ret_offset = first;
	*ret_len = (last < size ? last : size - 1) - first + 1;
	return HTTP_RANGE_PART;
}

const char *http_status_text(unsigned int status)
{
	static const struct {
		unsigned int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i].status == status)
			return texts[i].text;
	}
	return "Unknown";
}

void http_date_format(int64_t seconds, char *ret_text)
{
	time_t time = (time_t)seconds;
	struct tm tm;

	/* No locale is ever set, so the names are the English ones. A year beyond int is no date of
	 * ours. */
	if (!gmtime_r(&time, &tm) ||
	    !strftime(ret_text, HTTP_LIMIT_DATE, "%a, %d %b %Y %T GMT", &tm))
		strcpy(ret_text, "Thu, 01 Jan 1970 00:00:00 GMT");
}
