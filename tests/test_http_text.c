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

Test(unit, dates_of_three_forms_are_read)
{
	static const struct {
		const char *text;
		int result;
		int64_t seconds;
	} rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0, 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 0, 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 0, 784111777 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0, 0 },
		{ "Thu, 31 Dec 2099 23:59:59 GMT", 0, 4102444799 },
		{ "Sun, 06 Nov 1994 08:49:37", -EBADMSG, 0 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT and more", -EBADMSG, 0 },
		{ "Sun, 06 Nov 1994 25:49:37 GMT", -EBADMSG, 0 },
		{ "784111777", -EBADMSG, 0 },
		{ "yesterday", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t seconds = 0;

		cr_expect_eq(http_date_parse(rows[i].text, &seconds), rows[i].result, "%s",
			     rows[i].text);
		cr_expect_eq(seconds, rows[i].seconds, "%s", rows[i].text);
	}
}
