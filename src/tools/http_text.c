/* SPDX-License-Identifier: MIT */

/* The small grammars of HTTP: targets, dates, and the words for a status. Ranges: http_range.c. */

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

const char *http_status_text(unsigned int status)
{
	static const struct {
		unsigned int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 412, "Precondition Failed" },
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

int http_date_parse(const char *text, int64_t *ret_seconds)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %T GMT", /* Sun, 06 Nov 1994 08:49:37 GMT */
		"%A, %d-%b-%y %T GMT", /* Sunday, 06-Nov-94 08:49:37 GMT */
		"%a %b %e %T %Y",      /* Sun Nov  6 08:49:37 1994 */
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);

		if (!end || *end)
			continue;
		*ret_seconds = timegm(&tm);
		return 0;
	}
	return -EBADMSG;
}
