/* SPDX-License-Identifier: MIT */

/* What is answered, and whether another request may follow. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "response.h"

static char root[64];
static int root_fd;

/* A root with one file of 1000 bytes, and an empty one. */
static void make_root(void)
{
	char path[80];
	FILE *file;

	strcpy(root, "/tmp/ktls-test-response-XXXXXX");
	cr_assert(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/data.bin", root);
	file = fopen(path, "w");
	cr_assert(file);
	for (int i = 0; i < 1000; i++)
		fputc(i, file);
	cr_assert_eq(fclose(file), 0);
	snprintf(path, sizeof(path), "%s/empty.txt", root);
	file = fopen(path, "w");
	cr_assert(file && !fclose(file));
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(root_fd, 0);
}

static void remove_root(void)
{
	unlinkat(root_fd, "data.bin", 0);
	unlinkat(root_fd, "empty.txt", 0);
	close(root_fd);
	rmdir(root);
}

TestSuite(unit, .init = make_root, .fini = remove_root);

static void answer(struct response *ret_response, const char *text)
{
	struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
	size_t len = strlen(text), used, body_len;
	char *buf = strdup(text);
	int event = http_reader_feed(reader, buf, len, &used, &body_len);

	cr_assert(event == HTTP_EVENT_END || event == HTTP_EVENT_HEAD, "%s", text);
	response_make(ret_response, http_reader_head(reader), root_fd);
	free(buf);
	http_reader_free(reader);
}

/* Whether the head, a NUL-terminated text here, has this line. */
static bool has_line(const struct response *response, const char *line)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	return memmem(response->head, response->head_len, wanted, strlen(wanted));
}

#define HOST " HTTP/1.1\r\nHost: x\r\n"

Test(unit, each_request_gets_its_status)
{
	static const struct {
		const char *text;
		unsigned int status;
		bool keep_alive;
		uint64_t len; /* of what follows from the file; 0: no file */
	} rows[] = {
		{ "GET /data.bin" HOST "\r\n", 200, true, 1000 },
		{ "GET /data.bin" HOST "Connection: close\r\n\r\n", 200, false, 1000 },
		{ "GET /data.bin HTTP/1.0\r\n\r\n", 200, false, 1000 },
		{ "GET /data.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, true, 1000 },
		{ "GET https://x/data.bin" HOST "\r\n", 200, true, 1000 },
		{ "GET /empty.txt" HOST "\r\n", 200, true, 0 },
		{ "HEAD /data.bin" HOST "\r\n", 200, true, 0 },
		{ "HEAD /data.bin" HOST "Range: bytes=1-2\r\n\r\n", 200, true, 0 },
		{ "GET /data.bin" HOST "Range: bytes=1-2\r\n\r\n", 206, true, 2 },
		{ "GET /data.bin" HOST "Range: bytes=1-2,4-5\r\n\r\n", 200, true, 1000 },
		{ "GET /data.bin" HOST "Range: bytes=1-2\r\nRange: bytes=3-4\r\n\r\n", 200, true,
		  1000 },
		{ "GET /data.bin" HOST "Range: bytes=1-2\r\nIf-Range: \"a\"\r\n\r\n", 200, true,
		  1000 },
		{ "GET /data.bin" HOST "Range: bytes=1000-\r\n\r\n", 416, true, 0 },
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

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct response response;
		char start[32];

		answer(&response, rows[i].text);

		snprintf(start, sizeof(start), "HTTP/1.1 %u ", rows[i].status);
		cr_expect_eq(response.status, rows[i].status, "%u: %s", response.status,
			     rows[i].text);
		cr_expect_eq(strncmp(response.head, start, strlen(start)), 0, "%s", rows[i].text);
		cr_expect_eq(response.keep_alive, rows[i].keep_alive, "%s", rows[i].text);
		cr_expect(has_line(&response, rows[i].keep_alive ? "Connection: keep-alive"
								 : "Connection: close"),
			  "%s", rows[i].text);
		cr_expect_eq(response.file.fd >= 0, rows[i].len > 0, "%s", rows[i].text);
		if (rows[i].len)
			cr_expect_eq(response.len, rows[i].len, "%s", rows[i].text);
		response_done(&response);
	}
}

Test(unit, the_fields_of_a_part)
{
	struct response response;

	answer(&response, "GET /data.bin" HOST "Range: bytes=-10\r\n\r\n");

	cr_expect_eq(response.offset, 990);
	cr_expect_eq(response.len, 10);
	cr_expect(has_line(&response, "Content-Range: bytes 990-999/1000"));
	cr_expect(has_line(&response, "Content-Length: 10"));
	cr_expect(has_line(&response, "Accept-Ranges: bytes"));
	cr_expect(has_line(&response, "Content-Type: application/octet-stream"));
	cr_expect(memmem(response.head, response.head_len, "\r\nLast-Modified: ", 17));
	cr_expect(memmem(response.head, response.head_len, "\r\nDate: ", 8));
	cr_expect_arr_eq(response.head + response.head_len - 4, "\r\n\r\n", 4);
	response_done(&response);
}

Test(unit, the_fields_of_refusals)
{
	struct response response;

	answer(&response, "GET /data.bin" HOST "Range: bytes=1000-\r\n\r\n");
	cr_expect(has_line(&response, "Content-Range: bytes */1000"));

	answer(&response, "POST /" HOST "\r\n");
	cr_expect(has_line(&response, "Allow: GET, HEAD"));
}

/* Whatever is said of the length of a body must be true of the bytes that follow the head. */
Test(unit, a_refusal_is_as_long_as_it_says)
{
	static const unsigned int statuses[] = { 400, 403, 404, 405, 408, 413,
						 414, 416, 431, 500, 503, 505 };

	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		struct response response;
		const char *body;
		char line[64];

		response_make_error(&response, statuses[i]);
		body = memmem(response.head, response.head_len, "\r\n\r\n", 4);
		cr_assert(body);
		snprintf(line, sizeof(line), "Content-Length: %zu",
			 (size_t)(response.head + response.head_len - body - 4));
		cr_expect(has_line(&response, line), "%u", statuses[i]);
		cr_expect_not(response.keep_alive);
		cr_expect_null(strstr(response.head, "Unknown"), "%u", statuses[i]);
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
