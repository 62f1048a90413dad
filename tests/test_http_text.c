/* SPDX-License-Identifier: MIT */

/* The small grammars of HTTP, each as a table. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "http.h"

Test(unit, targets_become_paths_beneath_the_root)
{
	static const struct {
		const char *target;
		int result;
		const char *path;
	} rows[] = {
		{ "/", 0, "." },
		{ "/a", 0, "a" },
		{ "/a/b.txt?x=../y", 0, "a/b.txt" },
		{ "/a#b", 0, "a" },
		{ "/a%20b", 0, "a b" },
		{ "/%41", 0, "A" },
		{ "/a%2fb", 0, "a/b" },
		{ "/a%2Fb", 0, "a/b" },
		{ "//etc/passwd", 0, "etc/passwd" },
		{ "/%2fetc/passwd", 0, "etc/passwd" },
		{ "/a/", 0, "a/" },
		{ "/...", 0, "..." },
		{ "/..a/b..", 0, "..a/b.." },
		{ "/%252e%252e/x", 0, "%2e%2e/x" }, /* decoded once, never twice */
		{ "http://example.org/a", 0, "a" },
		{ "HTTPS://example.org:8443/a?b", 0, "a" },
		{ "https://example.org", 0, "." },
		{ "https://example.org?x", 0, "." },
		{ "/..", -EXDEV, NULL },
		{ "/../x", -EXDEV, NULL },
		{ "/a/../x", -EXDEV, NULL },
		{ "/a/..", -EXDEV, NULL },
		{ "/%2e%2e/x", -EXDEV, NULL },
		{ "/%2E./x", -EXDEV, NULL },
		{ "/a%2f..%2fx", -EXDEV, NULL },
		{ "//../x", -EXDEV, NULL },
		{ "https://example.org/../x", -EXDEV, NULL },
		{ "/a%00", -EBADMSG, NULL },
		{ "/a%00.txt", -EBADMSG, NULL },
		{ "/%", -EBADMSG, NULL },
		{ "/%4", -EBADMSG, NULL },
		{ "/%4g", -EBADMSG, NULL },
		{ "/%%41", -EBADMSG, NULL },
		{ "a", -EBADMSG, NULL },
		{ "*", -EBADMSG, NULL },
		{ "", -EBADMSG, NULL },
		{ "example.org:443", -EBADMSG, NULL },
		{ "ftp://example.org/a", -EBADMSG, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *path = malloc(HTTP_LIMIT_TARGET + 1);
		int r = http_target_path(rows[i].target, path);

		cr_expect_eq(r, rows[i].result, "%s: %d", rows[i].target, r);
		if (!r && rows[i].path)
			cr_expect_str_eq(path, rows[i].path, "%s: %s", rows[i].target, path);
		free(path);
	}
}

Test(unit, ranges)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum http_range_kind kind;
		uint64_t offset, len;
	} rows[] = {
		{ "bytes=0-0", 10, HTTP_RANGE_PART, 0, 1 },
		{ "bytes=0-9", 10, HTTP_RANGE_PART, 0, 10 },
		{ "bytes=2-5", 10, HTTP_RANGE_PART, 2, 4 },
		{ "bytes=9-9", 10, HTTP_RANGE_PART, 9, 1 },
		{ "bytes=2-", 10, HTTP_RANGE_PART, 2, 8 },
		{ "bytes=2-100", 10, HTTP_RANGE_PART, 2, 8 },
		{ "bytes=-3", 10, HTTP_RANGE_PART, 7, 3 },
		{ "bytes=-10", 10, HTTP_RANGE_PART, 0, 10 },
		{ "bytes=-11", 10, HTTP_RANGE_PART, 0, 10 },
		{ "Bytes=1-2", 10, HTTP_RANGE_PART, 1, 2 },
		{ "bytes= 1-2", 10, HTTP_RANGE_PART, 1, 2 },
		{ "bytes=5000000000-5000000001", 6000000000, HTTP_RANGE_PART, 5000000000, 2 },
		{ "bytes=0-18446744073709551615", 10, HTTP_RANGE_PART, 0, 10 },
		{ "bytes=0-99999999999999999999999", 10, HTTP_RANGE_PART, 0, 10 },
		{ "bytes=-99999999999999999999999", 10, HTTP_RANGE_PART, 0, 10 },
		{ "bytes=10-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=10-20", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=18446744073709551616-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-5", 0, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=5-2", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=0-1,3-4", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=-1,-2", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=-", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=--1", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=1", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=a-b", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=1-2x", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=+1-2", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes 1-2", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "lines=1-2", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "", 10, HTTP_RANGE_WHOLE, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t offset = 0, len = 0;
		enum http_range_kind kind =
			http_range_parse(rows[i].value, rows[i].size, &offset, &len);

		cr_expect_eq(kind, rows[i].kind, "%s of %lu", rows[i].value, rows[i].size);
		cr_expect_eq(offset, rows[i].offset, "%s of %lu", rows[i].value, rows[i].size);
		cr_expect_eq(len, rows[i].len, "%s of %lu", rows[i].value, rows[i].size);
	}
}

Test(unit, dates)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
		{ 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
		{ 4102444799, "Thu, 31 Dec 2099 23:59:59 GMT" },
		{ INT64_MAX, "Thu, 01 Jan 1970 00:00:00 GMT" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[HTTP_LIMIT_DATE];

		http_date_format(rows[i].seconds, text);
		cr_expect_str_eq(text, rows[i].text);
	}
}
