/* SPDX-License-Identifier: MIT */

/* Conditions and codings, as tables. */

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "http_match.h"

/* Sun, 06 Nov 1994 08:49:37 GMT */
static const struct http_validators validators = { .etag = "\"ab-1\"", .mtime = 784111777 };

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define THEN   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

/* The head of a GET with these fields, each with its line's end. */
static struct http_reader *read_fields(const char *method, const char *fields)
{
	struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
	size_t used, body_len;
	char text[1024];

	snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: x\r\n%s\r\n", method, fields);
	cr_assert_eq(http_reader_feed(reader, text, strlen(text), &used, &body_len), HTTP_EVENT_END,
		     "%s", fields);
	return reader;
}

Test(unit, conditions)
{
	static const struct {
		const char *fields;
		unsigned int status;
	} rows[] = {
		{ "", 0 },
		{ "If-None-Match: \"ab-1\"\r\n", 304 },
		{ "If-None-Match: W/\"ab-1\"\r\n", 304 },
		{ "If-None-Match: \"x\", \"ab-1\"\r\n", 304 },
		{ "If-None-Match: \"x\",,W/\"y,z\" , W/\"ab-1\"\r\n", 304 },
		{ "If-None-Match: \"x\"\r\nIf-None-Match: \"ab-1\"\r\n", 304 },
		{ "If-None-Match: *\r\n", 304 },
		{ "If-None-Match: \"x\"\r\n", 0 },
		{ "If-None-Match: \"ab-1\r\n", 0 },
		{ "If-None-Match: ab-1\r\n", 0 },
		{ "If-None-Match: w/\"ab-1\"\r\n", 0 },
		{ "If-None-Match: rubbish, \"ab-1\"\r\n", 0 },
		{ "If-None-Match: * x\r\n", 0 },
		{ "If-None-Match:\r\n", 0 },
		{ "If-Match: \"ab-1\"\r\n", 0 },
		{ "If-Match: \"x\", \"ab-1\"\r\n", 0 },
		{ "If-Match: *\r\n", 0 },
		{ "If-Match: \"x\"\r\n", 412 },
		{ "If-Match: W/\"ab-1\"\r\n", 412 }, /* compared strongly */
		{ "If-Match:\r\n", 412 },
		{ "If-Modified-Since: " BEFORE "\r\n", 0 },
		{ "If-Modified-Since: " THEN "\r\n", 304 },
		{ "If-Modified-Since: " AFTER "\r\n", 304 },
		{ "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", 304 },
		{ "If-Modified-Since: when it rained\r\n", 0 },
		{ "If-Modified-Since: " AFTER "\r\nIf-Modified-Since: " AFTER "\r\n", 0 },
		{ "If-Unmodified-Since: " BEFORE "\r\n", 412 },
		{ "If-Unmodified-Since: " THEN "\r\n", 0 },
		{ "If-Unmodified-Since: " AFTER "\r\n", 0 },
		{ "If-Unmodified-Since: rubbish\r\n", 0 },
		/* Tags come before dates, and what must match before what must not. */
		{ "If-None-Match: \"x\"\r\nIf-Modified-Since: " AFTER "\r\n", 0 },
		{ "If-Match: \"ab-1\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", 0 },
		{ "If-Match: \"x\"\r\nIf-None-Match: \"ab-1\"\r\n", 412 },
		{ "If-Match: \"ab-1\"\r\nIf-None-Match: \"ab-1\"\r\n", 304 },
		{ "If-Unmodified-Since: " THEN "\r\nIf-Modified-Since: " THEN "\r\n", 304 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_reader *reader = read_fields("GET", rows[i].fields);
		unsigned int status = http_match_conditions(http_reader_head(reader), &validators);

		cr_expect_eq(status, rows[i].status, "%u: %s", status, rows[i].fields);
		http_reader_free(reader);
	}
}

Test(unit, when_a_range_is_obeyed)
{
	static const struct {
		const char *method;
		const char *fields;
		int64_t age;
		bool obeyed;
	} rows[] = {
		{ "GET", "", 100, false },
		{ "GET", "Range: bytes=0-1\r\n", 100, true },
		{ "HEAD", "Range: bytes=0-1\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nRange: bytes=0-1\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: \"ab-1\"\r\n", 0, true },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: W/\"ab-1\"\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: \"ab-1\", \"x\"\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: " THEN "\r\n", 100, true },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: " THEN "\r\n", 1, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: " AFTER "\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: " BEFORE "\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: *\r\n", 100, false },
		{ "GET", "Range: bytes=0-1\r\nIf-Range: \"ab-1\"\r\nIf-Range: \"x\"\r\n", 100,
		  false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_reader *reader = read_fields(rows[i].method, rows[i].fields);

		cr_expect_eq(http_match_range(http_reader_head(reader), &validators,
					      validators.mtime + rows[i].age),
			     rows[i].obeyed, "%s %s", rows[i].method, rows[i].fields);
		http_reader_free(reader);
	}
}

enum {
	BR = 1u << HTTP_CODING_BR,
	GZ = 1u << HTTP_CODING_GZIP,
};

Test(unit, codings)
{
	static const struct {
		const char *accept;
		unsigned int at_hand;
		enum http_coding coding;
	} rows[] = {
		{ NULL, BR | GZ, HTTP_CODING_IDENTITY },
		{ "", BR | GZ, HTTP_CODING_IDENTITY },
		{ "gzip, deflate, br, zstd", BR | GZ, HTTP_CODING_BR },
		{ "gzip, deflate, br, zstd", GZ, HTTP_CODING_GZIP },
		{ "gzip, deflate, br, zstd", 0, HTTP_CODING_IDENTITY },
		{ "gzip", BR | GZ, HTTP_CODING_GZIP },
		{ "GZip", BR | GZ, HTTP_CODING_GZIP },
		{ "x-gzip", BR | GZ, HTTP_CODING_GZIP },
		{ "deflate", BR | GZ, HTTP_CODING_IDENTITY },
		{ "br;q=0.5, gzip;q=0.8", BR | GZ, HTTP_CODING_GZIP },
		{ "br;q=0.5, gzip;q=0.5", BR | GZ, HTTP_CODING_BR },
		{ "br ; q=0.5 , gzip;Q=1.000", BR | GZ, HTTP_CODING_GZIP },
		{ "br;q=0.001, gzip;q=0", BR | GZ, HTTP_CODING_BR },
		{ "br;q=0, gzip;q=0", BR | GZ, HTTP_CODING_IDENTITY },
		{ "*", BR | GZ, HTTP_CODING_BR },
		{ "*;q=0.5, br;q=0.1", BR | GZ, HTTP_CODING_GZIP },
		{ "*;q=0, gzip", BR | GZ, HTTP_CODING_GZIP },
		{ "*;q=0", BR | GZ, _HTTP_CODING_N },
		{ "*;q=0, identity", BR | GZ, HTTP_CODING_IDENTITY },
		{ "identity", BR | GZ, HTTP_CODING_IDENTITY },
		{ "identity, gzip;q=0.5", BR | GZ, HTTP_CODING_IDENTITY },
		{ "identity;q=0.5, gzip;q=0.8", BR | GZ, HTTP_CODING_GZIP },
		{ "identity;q=0, gzip", GZ, HTTP_CODING_GZIP },
		{ "identity;q=0, gzip", BR, _HTTP_CODING_N },
		{ "identity;q=0", BR | GZ, _HTTP_CODING_N },
		{ "gzip;q=1.1", GZ, HTTP_CODING_IDENTITY }, /* no weight of ours */
		{ "gzip;q=x", GZ, HTTP_CODING_IDENTITY },
		{ "gzip;q=0.5555", GZ, HTTP_CODING_IDENTITY },
		{ "gzip;x=y;q=0", GZ, HTTP_CODING_IDENTITY },
		{ ",,;,gzip,;", GZ, HTTP_CODING_GZIP },
		{ "gzipped, brotli", BR | GZ, HTTP_CODING_IDENTITY },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(http_match_coding(rows[i].accept, rows[i].at_hand), rows[i].coding,
			     "%s of %u", rows[i].accept ? rows[i].accept : "nothing",
			     rows[i].at_hand);
}
