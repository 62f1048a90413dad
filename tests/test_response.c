/* SPDX-License-Identifier: MIT */

/* What is answered, piece by piece, and whether another request may follow. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "response.h"
#include "tree.h"

enum {
	SIZE = 1000,
	LARGE = 100000,
	NOW = 2000000000,
};

static struct mime *mime;
static struct response_site site;

static void set_up(void)
{
	tree_make();
	tree_write_bytes("data.bin", SIZE, 0);
	tree_write_bytes("large.bin", LARGE, 0);
	tree_write("empty.txt", "");
	tree_write("page.html", "a page");
	tree_write("page.html.gz", "gzipped");
	tree_write("page.html.br", "brotli'd");
	cr_assert_eq(mkdir("sub", 0755), 0);
	tree_write("sub/index.html", "index");
	tree_touch("data.bin", 784111777, 1);
	cr_assert_eq(mime_new(&mime, NULL), 0);
	cr_assert_eq(cache_new(&site.cache, tree_fd, mime), 0);
}

static void tear_down(void)
{
	cache_free(site.cache);
	mime_free(mime);
	tree_remove();
}

TestSuite(unit, .init = set_up, .fini = tear_down);

static void answer(struct response *ret_response, const char *text)
{
	struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
	size_t len = strlen(text), used, body_len;
	char *buf = strdup(text);
	int event = http_reader_feed(reader, buf, len, &used, &body_len);

	cr_assert(event == HTTP_EVENT_END || event == HTTP_EVENT_HEAD, "%s", text);
	response_make(ret_response, &site, http_reader_head(reader), NOW, 0);
	free(buf);
	http_reader_free(reader);
}

/* All pieces, one behind the other, as they would be sent; with a NUL behind them. */
static char *read_pieces(const struct response *response)
{
	char *text = calloc(1, response->len + 1);
	uint64_t at = 0;

	for (unsigned int i = 0; i < response->n_pieces; i++) {
		const struct response_piece *piece = &response->pieces[i];

		cr_assert_gt(piece->len, 0);
		if (piece->data)
			memcpy(text + at, piece->data, piece->len);
		else
			cr_assert_eq(pread(response->file->fd, text + at, piece->len,
					   (off_t)piece->offset),
				     (ssize_t)piece->len);
		at += piece->len;
	}
	cr_assert_eq(at, response->len);
	return text;
}

/* Whether the head, a NUL-terminated text here, has this line. */
static bool has_line(const struct response *response, const char *line)
{
	char wanted[300];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	return memmem(response->head, response->head_len, wanted, strlen(wanted));
}

#define HOST " HTTP/1.1\r\nHost: x\r\n"

static const struct {
	const char *text;
	unsigned int status;
	bool keep_alive;
	uint64_t len; /* of what follows of the file */
} statuses[] = {
	{ "GET /data.bin" HOST "\r\n", 200, true, SIZE },
	{ "GET /data.bin" HOST "Connection: close\r\n\r\n", 200, false, SIZE },
	{ "GET /data.bin HTTP/1.0\r\n\r\n", 200, false, SIZE },
	{ "GET /data.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, true, SIZE },
	{ "GET https://x/data.bin" HOST "\r\n", 200, true, SIZE },
	{ "GET /large.bin" HOST "\r\n", 200, true, LARGE },
	{ "GET /empty.txt" HOST "\r\n", 200, true, 0 },
	{ "HEAD /data.bin" HOST "\r\n", 200, true, 0 },
	{ "HEAD /data.bin" HOST "Range: bytes=1-2\r\n\r\n", 200, true, 0 },
	{ "GET /data.bin" HOST "Range: bytes=1-2\r\n\r\n", 206, true, 2 },
	{ "GET /data.bin" HOST "Range: bytes=1-2,2-5\r\n\r\n", 200, true, SIZE },
	{ "GET /data.bin" HOST "Range: bytes=1-2\r\nRange: bytes=3-4\r\n\r\n", 200, true, SIZE },
	{ "GET /data.bin" HOST "Range: bytes=1-2\r\nIf-Range: \"a\"\r\n\r\n", 200, true, SIZE },
	{ "GET /data.bin" HOST
	  "Range: bytes=1-2\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
	  206, true, 2 },
	{ "GET /data.bin" HOST "Range: bytes=1000-\r\n\r\n", 416, true, 0 },
	{ "GET /data.bin" HOST "If-Match: \"a\"\r\n\r\n", 412, true, 0 },
	{ "GET /data.bin" HOST "If-Match: \"a\"\r\nRange: bytes=1-2\r\n\r\n", 412, true, 0 },
	{ "GET /data.bin" HOST "If-None-Match: *\r\n\r\n", 304, true, 0 },
	{ "HEAD /data.bin" HOST "If-None-Match: *\r\n\r\n", 304, true, 0 },
	{ "GET /none" HOST "If-None-Match: *\r\n\r\n", 404, true, 0 },
	{ "GET /none" HOST "If-Match: *\r\n\r\n", 404, true, 0 },
	{ "GET /page.html" HOST "Accept-Encoding: gzip\r\n\r\n", 200, true, 7 },
	{ "GET /page.html" HOST "Accept-Encoding: *;q=0\r\n\r\n", 406, true, 0 },
	{ "GET /data.bin" HOST "Accept-Encoding: gzip, identity;q=0\r\n\r\n", 406, true, 0 },
	{ "GET /sub/" HOST "\r\n", 200, true, 5 },
	{ "GET /sub" HOST "\r\n", 301, true, 0 },
	{ "GET /none" HOST "\r\n", 404, true, 0 },
	{ "GET /" HOST "\r\n", 404, true, 0 },
	{ "GET /data.bin/" HOST "\r\n", 404, true, 0 },
	{ "GET /../data.bin" HOST "\r\n", 403, true, 0 },
	{ "GET /%00" HOST "\r\n", 400, false, 0 },
	{ "GET /data.bin HTTP/1.1\r\n\r\n", 400, false, 0 },
	{ "GET /data.bin" HOST "Host: y\r\n\r\n", 400, false, 0 },
	{ "POST /data.bin" HOST "\r\n", 405, true, 0 },
	{ "OPTIONS *" HOST "\r\n", 405, true, 0 },
	{ "DELETE /data.bin" HOST "\r\n", 405, true, 0 },
	{ "POST /data.bin" HOST "Content-Length: 1\r\n\r\n", 405, false, 0 },
	{ "GET /data.bin" HOST "Content-Length: 1\r\n\r\n", 413, false, 0 },
	{ "GET /data.bin" HOST "Transfer-Encoding: chunked\r\n\r\n", 413, false, 0 },
};

Test(unit, each_request_gets_its_status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		const char *text = statuses[i].text;
		struct response response;
		char start[32];

		answer(&response, text);

		snprintf(start, sizeof(start), "HTTP/1.1 %u ", statuses[i].status);
		cr_expect_eq(response.status, statuses[i].status, "%u: %s", response.status, text);
		cr_expect_eq(strncmp(response.head, start, strlen(start)), 0, "%s", text);
		cr_expect_eq(response.keep_alive, statuses[i].keep_alive, "%s", text);
		cr_expect(has_line(&response, statuses[i].keep_alive ? "Connection: keep-alive"
								     : "Connection: close"),
			  "%s", text);
		cr_expect_eq(response.file != NULL, response.status < 300 && response.body_len,
			     "%s", text);
		if (statuses[i].len)
			cr_expect_eq(response.body_len, statuses[i].len, "%s", text);
		response_done(&response);
	}
}

/* Whatever is said of the length of a body must be true of the bytes that follow the head. */
Test(unit, what_follows_the_head_is_as_long_as_it_says)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		struct response response;
		const char *length;
		char *text, *body;

		answer(&response, statuses[i].text);
		text = read_pieces(&response);
		body = strstr(text, "\r\n\r\n") + 4;
		length = strstr(text, "\r\nContent-Length: ");

		cr_expect_eq(body + response.body_len, text + response.len, "%s", statuses[i].text);
		if (response.status == 304 || !strncmp(statuses[i].text, "HEAD", 4))
			cr_expect_eq(response.body_len, 0, "%s", statuses[i].text);
		else
			cr_expect_eq(strtoull(length + 18, NULL, 10), response.body_len, "%s",
				     statuses[i].text);
		free(text);
		response_done(&response);
	}
}

/* Head and body of a small answer are memory both; of a large one the body is the file's. */
Test(unit, a_small_file_is_memory_and_a_large_one_a_descriptor)
{
	struct response response;

	answer(&response, "GET /data.bin" HOST "\r\n");
	cr_expect_eq(response.n_pieces, 2);
	cr_expect(response.pieces[0].data && response.pieces[1].data);
	cr_expect_not(response.hit);
	response_done(&response);

	answer(&response, "GET /data.bin" HOST "\r\n");
	cr_expect(response.hit);
	response_done(&response);

	answer(&response, "GET /large.bin" HOST "Range: bytes=-7\r\n\r\n");
	cr_expect_eq(response.n_pieces, 2);
	cr_expect_null(response.pieces[1].data);
	cr_expect_eq(response.pieces[1].offset, LARGE - 7);
	cr_expect_eq(response.pieces[1].len, 7);
	response_done(&response);
}

Test(unit, the_fields_of_a_file)
{
	struct response response;

	answer(&response, "GET /data.bin" HOST "\r\n");

	cr_expect(has_line(&response, "Content-Length: 1000"));
	cr_expect(has_line(&response, "Accept-Ranges: bytes"));
	cr_expect(has_line(&response, "Content-Type: application/octet-stream"));
	cr_expect(has_line(&response, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"));
	cr_expect(has_line(&response, "Date: Wed, 18 May 2033 03:33:20 GMT"));
	cr_expect(memmem(response.head, response.head_len, "\r\nETag: \"", 9));
	cr_expect_not(memmem(response.head, response.head_len, "\r\nVary: ", 8));
	cr_expect_arr_eq(response.head + response.head_len - 4, "\r\n\r\n", 4);
	response_done(&response);
}

Test(unit, the_fields_of_a_part)
{
	struct response response;

	answer(&response, "GET /data.bin" HOST "Range: bytes=-10\r\n\r\n");

	cr_expect(has_line(&response, "Content-Range: bytes 990-999/1000"));
	cr_expect(has_line(&response, "Content-Length: 10"));
	cr_expect_eq((unsigned char)response.pieces[1].data[0], 990 % 256);
	response_done(&response);
}

Test(unit, the_fields_of_refusals)
{
	struct response response;

	answer(&response, "GET /data.bin" HOST "Range: bytes=1000-\r\n\r\n");
	cr_expect(has_line(&response, "Content-Range: bytes */1000"));
	answer(&response, "POST /" HOST "\r\n");
	cr_expect(has_line(&response, "Allow: GET, HEAD"));
	answer(&response, "GET /page.html" HOST "Accept-Encoding: *;q=0\r\n\r\n");
	cr_expect(has_line(&response, "Vary: Accept-Encoding"));
}

Test(unit, text_has_a_charset)
{
	struct response response;

	answer(&response, "GET /page.html" HOST "\r\n");
	cr_expect(has_line(&response, "Content-Type: text/html; charset=utf-8"));
	response_done(&response);
}

/* The value of the ETag line, without what is around it. */
static void etag_of(const struct response *response, char ret_etag[FILE_LIMIT_ETAG])
{
	const char *at = memmem(response->head, response->head_len, "\r\nETag: ", 8);

	cr_assert(at);
	snprintf(ret_etag, FILE_LIMIT_ETAG, "%.*s", (int)strcspn(at + 8, "\r"), at + 8);
}

Test(unit, each_coding_is_a_representation_of_its_own)
{
	static const struct {
		const char *accept;
		const char *body;
		const char *line;
	} rows[] = {
		{ "identity", "a page", NULL },
		{ "gzip", "gzipped", "Content-Encoding: gzip" },
		{ "gzip, br", "brotli'd", "Content-Encoding: br" },
	};
	char etags[3][FILE_LIMIT_ETAG], text[256];

	for (int i = 0; i < 3; i++) {
		struct response response;
		char *pieces;

		snprintf(text, sizeof(text), "GET /page.html" HOST "Accept-Encoding: %s\r\n\r\n",
			 rows[i].accept);
		answer(&response, text);
		pieces = read_pieces(&response);
		cr_expect_str_eq(pieces + response.head_len, rows[i].body);
		cr_expect(has_line(&response, "Vary: Accept-Encoding"));
		cr_expect(has_line(&response, "Content-Type: text/html; charset=utf-8"));
		cr_expect(!rows[i].line || has_line(&response, rows[i].line), "%s", pieces);
		cr_expect(rows[i].line || !strstr(pieces, "Content-Encoding"), "%s", pieces);
		etag_of(&response, etags[i]);
		free(pieces);
		response_done(&response);
	}
	for (int i = 0; i < 9; i++) {
		struct response response;

		snprintf(text, sizeof(text),
			 "GET /page.html" HOST "Accept-Encoding: %s\r\nIf-None-Match: %s\r\n\r\n",
			 rows[i / 3].accept, etags[i % 3]);
		answer(&response, text);
		cr_expect_eq(response.status, i / 3 == i % 3 ? 304 : 200, "%s", text);
		if (response.status == 304)
			cr_expect(has_line(&response, "Vary: Accept-Encoding"));
		response_done(&response);
	}
}

Test(unit, a_range_is_of_the_coding_that_was_chosen)
{
	struct response response;
	char *pieces;

	answer(&response,
	       "GET /page.html" HOST "Accept-Encoding: gzip\r\nRange: bytes=2-4\r\n\r\n");
	pieces = read_pieces(&response);
	cr_expect_str_eq(pieces + response.head_len, "ipp");
	cr_expect(has_line(&response, "Content-Range: bytes 2-4/7"));
	cr_expect(has_line(&response, "Content-Encoding: gzip"));
	free(pieces);
	response_done(&response);
}

/* Reads "\r\n--BOUNDARY\r\n", fields, an empty line, and the bytes that Content-Range says. */
static const char *check_part(const char *at, const char *boundary, unsigned int first,
			      unsigned int last, unsigned int size)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted),
		 "\r\n--%s\r\nContent-Type: application/octet-stream\r\n"
		 "Content-Range: bytes %u-%u/%u\r\n\r\n",
		 boundary, first, last, size);
	cr_assert_arr_eq(at, wanted, strlen(wanted), "%.150s", at);
	at += strlen(wanted);
	for (unsigned int i = first; i <= last; i++, at++)
		cr_assert_eq((unsigned char)*at, i % 256);
	return at;
}

Test(unit, several_ranges_are_several_parts)
{
	static const struct {
		const char *name;
		unsigned int size;
	} rows[] = { { "data.bin", SIZE }, { "large.bin", LARGE } };

	for (int i = 0; i < 2; i++) {
		static const char type[] = "Content-Type: multipart/byteranges; boundary=";
		struct response response;
		char text[256], boundary[64], last[80], *pieces;
		const char *at;

		snprintf(text, sizeof(text), "GET /%s" HOST "Range: bytes=700-709,0-4, -3\r\n\r\n",
			 rows[i].name);
		answer(&response, text);
		pieces = read_pieces(&response);

		cr_expect_eq(response.status, 206);
		cr_expect_not(has_line(&response, "Content-Range"));
		at = strstr(pieces, type);
		cr_assert(at);
		at += strlen(type);
		snprintf(boundary, sizeof(boundary), "%.*s", (int)strcspn(at, "\r"), at);
		at = check_part(pieces + response.head_len, boundary, 700, 709, rows[i].size);
		at = check_part(at, boundary, 0, 4, rows[i].size);
		at = check_part(at, boundary, rows[i].size - 3, rows[i].size - 1, rows[i].size);
		snprintf(last, sizeof(last), "\r\n--%s--\r\n", boundary);
		cr_expect_arr_eq(at, last, strlen(last));
		cr_expect_eq(at + strlen(last), pieces + response.len);
		snprintf(text, sizeof(text), "Content-Length: %lu", response.body_len);
		cr_expect(has_line(&response, text));
		free(pieces);
		response_done(&response);
	}
}

Test(unit, as_many_parts_as_are_allowed)
{
	struct response response;
	char text[512] = "GET /large.bin" HOST "Range: bytes=";
	char *pieces;

	for (int i = 0; i < HTTP_LIMIT_RANGES; i++)
		sprintf(text + strlen(text), "%s%d-%d", i ? "," : "", i * 5000, i * 5000 + 9);
	strcat(text, "\r\n\r\n");
	answer(&response, text);
	pieces = read_pieces(&response);

	cr_expect_eq(response.status, 206);
	cr_expect_eq(response.n_pieces, RESPONSE_LIMIT_PIECES);
	free(pieces);
	response_done(&response);
}

Test(unit, a_directory_is_told_by_its_slash)
{
	static const struct {
		const char *target;
		const char *line; /* NULL: the index itself */
	} rows[] = {
		{ "/sub", "Location: /sub/" },
		{ "/sub?a=b", "Location: /sub/?a=b" },
		{ "//sub", "Location: /sub/" }, /* and not to a host of that name */
		{ "/s%75b", "Location: /s%75b/" },
		{ "https://x/sub", "Location: /sub/" },
		{ "/sub/", NULL },
		{ "/sub/?a/b", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct response response;
		char text[256];

		snprintf(text, sizeof(text), "GET %s" HOST "\r\n", rows[i].target);
		answer(&response, text);
		cr_expect_eq(response.status, rows[i].line ? 301 : 200, "%s", text);
		cr_expect(!rows[i].line || has_line(&response, rows[i].line), "%s", text);
		response_done(&response);
	}
}

Test(unit, a_query_too_long_for_a_redirect_gets_the_index)
{
	struct response response;
	char text[2048] = "GET /sub?";

	memset(text + strlen(text), 'q', RESPONSE_LIMIT_HEAD);
	strcat(text, HOST "\r\n");
	answer(&response, text);
	cr_expect_eq(response.status, 200);
	response_done(&response);
}

Test(unit, the_root_has_no_name_to_complete)
{
	static const char *const targets[] = { "/", "/?a/b", "https://x", "https://x?a/b" };

	tree_write("index.html", "root");
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct response response;
		char text[256];

		snprintf(text, sizeof(text), "GET %s" HOST "\r\n", targets[i]);
		answer(&response, text);
		cr_expect_eq(response.status, 200, "%s", text);
		response_done(&response);
	}
}

Test(unit, refusals_of_what_is_no_request)
{
	static const unsigned int refusals[] = { 400, 403, 404, 405, 408, 413,
						 414, 416, 431, 500, 503, 505 };

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct response response;
		const char *body;
		char line[64];

		response_make_error(&response, &site, refusals[i], NOW);
		body = memmem(response.head, response.head_len, "\r\n\r\n", 4);
		cr_assert(body);
		snprintf(line, sizeof(line), "Content-Length: %zu",
			 (size_t)(response.head + response.head_len - body - 4));
		cr_expect(has_line(&response, line), "%u", refusals[i]);
		cr_expect_not(response.keep_alive);
		cr_expect_null(strstr(response.head, "Unknown"), "%u", refusals[i]);
	}
}

Test(unit, head_gets_no_body_with_a_refusal)
{
	struct response response;

	answer(&response, "HEAD /none" HOST "\r\n");

	cr_expect_eq(response.status, 404);
	cr_expect(has_line(&response, "Content-Length: 14"));
	cr_expect_arr_eq(response.head + response.head_len - 4, "\r\n\r\n", 4);
}

Test(unit, nothing_stays_referenced)
{
	unsigned int before = tree_descriptors();

	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		struct response response;

		answer(&response, statuses[i].text);
		response_done(&response);
	}
	cache_sweep(site.cache, UINT64_MAX);
	cr_expect_eq(tree_descriptors(), before);
}
