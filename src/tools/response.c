/* SPDX-License-Identifier: MIT */

/*
 * From a request to its response (RFC 9110). What is not understood is refused, not guessed at: a
 * request with a body, or without exactly one Host, might have been cut out of another one.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "response.h"

__attribute__((format(printf, 2, 3))) static void append(struct response *response,
							 const char *format, ...)
{
	size_t room = sizeof(response->head) - response->head_len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(response->head + response->head_len, room, format, args);
	va_end(args);
	/* All that is put in is ours, and short: what did not fit would be a mistake here. */
	response->head_len += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

static void append_start(struct response *response)
{
	char date[HTTP_LIMIT_DATE];

	http_date_format(time(NULL), date);
	append(response,
	       "HTTP/1.1 %u %s\r\n"
	       "Date: %s\r\n"
	       "Server: ktls\r\n"
	       "Connection: %s\r\n",
	       response->status, http_status_text(response->status), date,
	       response->keep_alive ? "keep-alive" : "close");
}

/* A response without a file: its body is the status in words, unless only the head was asked for.
 */
static void append_words(struct response *response, bool head_only)
{
	const char *text = http_status_text(response->status);

	append(response, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
	       strlen(text) + strlen("404 \n"));
	if (!head_only)
		append(response, "%u %s\n", response->status, text);
}

static void append_file(struct response *response)
{
	const struct file *file = &response->file;
	char modified[HTTP_LIMIT_DATE];

	http_date_format(file->mtime, modified);
	append(response,
	       "Content-Type: %s\r\n"
	       "Content-Length: %" PRIu64 "\r\n"
	       "Last-Modified: %s\r\n"
	       "Accept-Ranges: bytes\r\n",
	       file->type, response->len, modified);
	if (response->status == 206)
		append(response, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
		       response->offset, response->offset + response->len - 1, file->size);
	append(response, "\r\n");
}

static unsigned int status_of_errno(int error)
{
	switch (error) {
	case -EBADMSG:
		return 400;
	case -EACCES:
	case -EPERM:
	case -EXDEV:
	case -ELOOP:
		return 403;
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
		return 404;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN:
		return 503;
	}
	return 500;
}

/* What is wrong with the request itself, before anything is looked for; 0 if nothing. */
static unsigned int find_fault(const struct http_head *request)
{
	unsigned int hosts = request->count[HTTP_FIELD_HOST];

	if (request->major != 1 || request->minor > 1)
		return 505;
	/* RFC 9112 3.2 */
	if (hosts > 1 || (!hosts && request->minor == 1))
		return 400;
	if (request->verb == HTTP_VERB_OTHER)
		return 405;
	return request->has_body ? 413 : 0;
}

/* Several ranges get the whole. */
static enum http_range_kind choose_range(struct response *response, const struct http_head *request)
{
	struct http_ranges ranges;
	enum http_range_kind kind;

	response->offset = 0;
	response->len = response->file.size;
	if (request->verb != HTTP_VERB_GET || request->count[HTTP_FIELD_RANGE] != 1 ||
	    request->count[HTTP_FIELD_IF_RANGE])
		return HTTP_RANGE_WHOLE;
	kind = http_range_parse(request->value[HTTP_FIELD_RANGE], response->file.size, &ranges);
	if (kind != HTTP_RANGE_PARTS)
		return kind;
	if (ranges.n > 1)
		return HTTP_RANGE_WHOLE;
	response->offset = ranges.range[0].offset;
	response->len = ranges.range[0].len;
	return kind;
}

static void make_refusal(struct response *response, const struct http_head *request,
			 unsigned int status)
{
	/* Only after an answer that took the request for a whole one may another follow. */
	response->status = status;
	response->keep_alive =
		request->keep_alive && !request->has_body && status >= 403 && status <= 405;
	append_start(response);
	if (status == 405)
		append(response, "Allow: GET, HEAD\r\n");
	append_words(response, request->verb == HTTP_VERB_HEAD);
}

static void make_unsatisfiable(struct response *response, const struct http_head *request)
{
	response->status = 416;
	response->keep_alive = request->keep_alive;
	append_start(response);
	append(response, "Content-Range: bytes */%" PRIu64 "\r\n", response->file.size);
	append_words(response, false);
	file_close(&response->file);
}

void response_make(struct response *ret_response, const struct http_head *request, int root_fd)
{
	struct response *response = ret_response;
	char path[HTTP_LIMIT_TARGET + 1];
	enum http_range_kind range;
	unsigned int fault = find_fault(request);
	int r;

	*response = (struct response){ .file = FILE_NULL };
	if (!fault) {
		r = http_target_path(request->target, path);
		if (!r)
			r = file_open(&response->file, root_fd, path);
		fault = r ? status_of_errno(r) : 0;
	}
	if (fault) {
		make_refusal(response, request, fault);
		return;
	}
	range = choose_range(response, request);
	if (range == HTTP_RANGE_UNSATISFIABLE) {
		make_unsatisfiable(response, request);
		return;
	}

	response->status = range == HTTP_RANGE_PARTS ? 206 : 200;
	response->keep_alive = request->keep_alive;
	append_start(response);
	append_file(response);
	if (request->verb == HTTP_VERB_HEAD || !response->len)
		file_close(&response->file);
}

void response_make_error(struct response *ret_response, unsigned int status)
{
	*ret_response = (struct response){ .status = status, .file = FILE_NULL };
	append_start(ret_response);
	append_words(ret_response, false);
}

void response_done(struct response *response)
{
	file_close(&response->file);
}
