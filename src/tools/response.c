/* SPDX-License-Identifier: MIT */

/*
 * From a request to its response (RFC 9110). What is not understood is refused, not guessed at: a
 * request with a body, or without exactly one Host, might have been cut out of another one.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "response.h"
#include "text.h"

/* Between parts: no file is known to contain it, for each process has its own. */
struct boundary {
	char text[24];
};

static const char *boundary_text(void)
{
	static _Thread_local struct boundary boundary;
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char random[sizeof(boundary.text) - 1];

	if (*boundary.text)
		return boundary.text;
	/* Not a secret: without random numbers it is the same for everybody. */
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		memset(random, 0, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		boundary.text[i] = letters[random[i] % 32];
	return boundary.text;
}

static void put_field(struct text *text, const char *name, const char *value)
{
	text_put_string(text, name);
	text_put_string(text, value);
	text_put(text, "\r\n", 2);
}

static void put_number_field(struct text *text, const char *name, uint64_t value)
{
	text_put_string(text, name);
	text_put_number(text, value);
	text_put(text, "\r\n", 2);
}

static struct text begin_head(struct response *response, struct response_site *site, int64_t now)
{
	struct text text = { .buf = response->head, .size = sizeof(response->head) };

	if (site->date != now || !*site->date_text) {
		http_date_format(now, site->date_text);
		site->date = now;
	}
	text_put_string(&text, "HTTP/1.1 ");
	text_put_number(&text, response->status);
	text_put_string(&text, " ");
	put_field(&text, http_status_text(response->status), "");
	put_field(&text, "Date: ", site->date_text);
	text_put_string(&text, response->keep_alive ? "Server: ktls\r\nConnection: keep-alive\r\n"
						    : "Server: ktls\r\nConnection: close\r\n");
	return text;
}

static void add_piece(struct response *response, const char *data, uint64_t offset, uint64_t len)
{
	if (!len)
		return;
	response->pieces[response->n_pieces++] =
		(struct response_piece){ .data = data, .offset = offset, .len = len };
	response->len += len;
}

/* The head is complete, and the first piece. */
static void end_head(struct response *response, const struct text *text)
{
	/* All that is put in is ours, or short. */
	assert(!text->cut);
	response->head_len = text->len;
	add_piece(response, response->head, 0, text->len);
}

/* A response without a file: its body is the status in words, unless only the head was asked for.
 */
static void end_with_words(struct response *response, struct text *text, bool head_only)
{
	const char *words = http_status_text(response->status);

	text_put_string(text, "Content-Type: text/plain; charset=utf-8\r\n");
	put_number_field(text, "Content-Length: ", strlen(words) + strlen("404 \n"));
	text_put_string(text, "\r\n");
	if (!head_only) {
		response->body_len = strlen(words) + strlen("404 \n");
		text_put_number(text, response->status);
		text_put_string(text, " ");
		text_put_string(text, words);
		text_put_string(text, "\n");
	}
	end_head(response, text);
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
	case -EISDIR:
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

/* Without a file any more. */
static void drop_file(struct response *response)
{
	response->entry = cache_entry_unref(response->entry);
	response->file = NULL;
}

/* Answers that say no. Only after one that took the request for a whole one may another follow. */
static void make_refusal(struct response *response, struct response_site *site,
			 const struct http_head *request, unsigned int status, int64_t now)
{
	bool vary = response->entry && response->entry->codings & ~(1u << HTTP_CODING_IDENTITY);
	uint64_t size = response->file ? response->file->size : 0;
	struct text text;

	response->status = status;
	response->keep_alive = response->keep_alive && !request->has_body &&
			       ((status >= 403 && status <= 406) || status == 412 || status == 416);
	text = begin_head(response, site, now);
	if (status == 405)
		text_put_string(&text, "Allow: GET, HEAD\r\n");
	if (vary)
		text_put_string(&text, "Vary: Accept-Encoding\r\n");
	if (status == 416) {
		text_put_string(&text, "Content-Range: bytes */");
		text_put_number(&text, size);
		text_put_string(&text, "\r\n");
	}
	end_with_words(response, &text, request->verb == HTTP_VERB_HEAD);
	drop_file(response);
}

/* The path of the target as it was written, of which a "/" is missing at the end; 0: none is. */
static size_t unended_path(const char **target)
{
	const char *at = *target;
	size_t len;

	if (*at != '/') {
		at = strstr(at, "://") + strlen("://");
		at += strcspn(at, "/?#");
		if (*at != '/')
			return 0;
	}
	/* Two slashes would lead to another host. */
	at += strspn(at, "/") - 1;
	len = strcspn(at, "?#");
	*target = at;
	return at[len - 1] == '/' ? 0 : len;
}

/* A directory whose name lacks the slash, so that names in its index would be taken for its
 * neighbours'. False: it cannot be said. */
static bool make_redirect(struct response *response, struct response_site *site,
			  const struct http_head *request, int64_t now)
{
	const char *target = request->target;
	size_t len = unended_path(&target);
	size_t query_len = strcspn(target + len, "#");
	struct text text;

	if (!len || len + query_len > RESPONSE_LIMIT_HEAD / 2)
		return false;
	response->status = 301;
	text = begin_head(response, site, now);
	text_put_string(&text, "Location: ");
	text_put(&text, target, len);
	text_put(&text, "/", 1);
	text_put(&text, target + len, query_len);
	text_put(&text, "\r\n", 2);
	end_with_words(response, &text, request->verb == HTTP_VERB_HEAD);
	drop_file(response);
	return true;
}

static void put_type(struct text *text, const char *type)
{
	text_put_string(text, "Content-Type: ");
	put_field(text, type, strncmp(type, "text/", 5) ? "" : "; charset=utf-8");
}

static void put_content_range(struct text *text, const struct http_range *range, uint64_t size)
{
	text_put_string(text, "Content-Range: bytes ");
	text_put_number(text, range->offset);
	text_put(text, "-", 1);
	text_put_number(text, range->offset + range->len - 1);
	text_put(text, "/", 1);
	put_number_field(text, "", size);
}

/* What identifies the representation, and how it came to be chosen. */
static void put_validators(struct text *text, const struct response *response)
{
	put_field(text, "ETag: ", response->file->etag);
	if (response->entry->codings & ~(1u << HTTP_CODING_IDENTITY))
		text_put_string(text, "Vary: Accept-Encoding\r\n");
}

static void put_file_fields(struct text *text, const struct response *response)
{
	enum http_coding coding = (enum http_coding)(response->file - response->entry->files);

	put_number_field(text, "Content-Length: ", response->body_len);
	put_field(text, "Last-Modified: ", response->file->modified);
	text_put_string(text, "Accept-Ranges: bytes\r\n");
	if (coding != HTTP_CODING_IDENTITY)
		put_field(text, "Content-Encoding: ", http_coding_name(coding));
	put_validators(text, response);
}

static void make_not_modified(struct response *response, struct response_site *site, int64_t now)
{
	struct text text;

	response->status = 304;
	text = begin_head(response, site, now);
	put_validators(&text, response);
	text_put_string(&text, "\r\n");
	end_head(response, &text);
	drop_file(response);
}

static void add_range(struct response *response, const struct http_range *range)
{
	const struct file *file = response->file;

	add_piece(response, file->contents ? file->contents + range->offset : NULL, range->offset,
		  range->len);
}

static void make_file(struct response *response, struct response_site *site,
		      const struct http_range *range, bool head_only, int64_t now)
{
	struct text text;

	response->status = range ? 206 : 200;
	response->body_len = range ? range->len : response->file->size;
	text = begin_head(response, site, now);
	put_type(&text, response->entry->type);
	put_file_fields(&text, response);
	if (range)
		put_content_range(&text, range, response->file->size);
	text_put_string(&text, "\r\n");
	end_head(response, &text);
	if (head_only || !response->body_len) {
		response->body_len = 0;
		drop_file(response);
		return;
	}
	add_range(response, range ? range : &(struct http_range){ .len = response->file->size });
}

/* What stands before part i, and behind the last one. */
static void put_part(struct text *text, const struct response *response,
		     const struct http_ranges *ranges, unsigned int i)
{
	text_put_string(text, "\r\n--");
	text_put_string(text, boundary_text());
	if (i == ranges->n) {
		text_put_string(text, "--\r\n");
		return;
	}
	text_put_string(text, "\r\n");
	put_type(text, response->entry->type);
	put_content_range(text, &ranges->range[i], response->file->size);
	text_put_string(text, "\r\n");
}

/* multipart/byteranges (RFC 9110 14.6). -ENOMEM. */
static int make_parts(struct response *response, struct response_site *site,
		      const struct http_ranges *ranges, int64_t now)
{
	struct text parts = { .size = (ranges->n + 1) * RESPONSE_LIMIT_PART };
	size_t ends[HTTP_LIMIT_RANGES + 1];
	struct text text;
	size_t start = 0;

	parts.buf = response->parts = malloc(parts.size);
	if (!parts.buf)
		return -ENOMEM;
	for (unsigned int i = 0; i <= ranges->n; i++) {
		put_part(&parts, response, ranges, i);
		ends[i] = parts.len;
		response->body_len += i < ranges->n ? ranges->range[i].len : parts.len;
	}
	assert(!parts.cut);

	response->status = 206;
	text = begin_head(response, site, now);
	put_field(&text, "Content-Type: multipart/byteranges; boundary=", boundary_text());
	put_file_fields(&text, response);
	text_put_string(&text, "\r\n");
	end_head(response, &text);
	for (unsigned int i = 0; i <= ranges->n; i++) {
		add_piece(response, parts.buf + start, 0, ends[i] - start);
		start = ends[i];
		if (i < ranges->n)
			add_range(response, &ranges->range[i]);
	}
	return 0;
}

/* There is a file: which of its variants, whether at all, and how much of it. A status other than 0
 * is a refusal. */
static unsigned int choose(struct response *response, struct response_site *site,
			   const struct http_head *request, int64_t now)
{
	enum http_coding coding = http_match_coding(request->value[HTTP_FIELD_ACCEPT_ENCODING],
						    response->entry->codings);
	struct http_validators validators;
	struct http_ranges ranges;
	unsigned int status;

	if (coding == _HTTP_CODING_N)
		return 406;
	response->file = &response->entry->files[coding];
	validators.etag = response->file->etag;
	validators.mtime = response->file->mtime;
	status = http_match_conditions(request, &validators);
	if (status == 304)
		make_not_modified(response, site, now);
	if (status)
		return status == 304 ? 0 : status;

	if (!http_match_range(request, &validators, now)) {
		make_file(response, site, NULL, request->verb == HTTP_VERB_HEAD, now);
		return 0;
	}
	switch (http_range_parse(request->value[HTTP_FIELD_RANGE], response->file->size, &ranges)) {
	case HTTP_RANGE_UNSATISFIABLE:
		return 416;
	case HTTP_RANGE_WHOLE:
		make_file(response, site, NULL, false, now);
		return 0;
	case HTTP_RANGE_PARTS:
		break;
	}
	if (ranges.n > 1)
		return make_parts(response, site, &ranges, now) ? 503 : 0;
	make_file(response, site, &ranges.range[0], false, now);
	return 0;
}

/* 0, or the status of a refusal. */
static unsigned int look_up(struct response *response, struct response_site *site,
			    const struct http_head *request, uint64_t now_ns)
{
	char path[HTTP_LIMIT_TARGET + 1];
	int r = http_target_path(request->target, path);

	if (r)
		return status_of_errno(r);
	response->entry = cache_get(site->cache, path, now_ns, &response->hit);
	response->looked_up = response->entry;
	r = response->entry ? response->entry->error : -ENOMEM;
	if (r)
		drop_file(response);
	return r ? status_of_errno(r) : 0;
}

static void begin(struct response *response)
{
	/* Not the pieces and the head, which are written before they are read. */
	memset(response, 0, offsetof(struct response, pieces));
}

void response_make(struct response *ret_response, struct response_site *site,
		   const struct http_head *request, int64_t now, uint64_t now_ns)
{
	struct response *response = ret_response;
	unsigned int status = find_fault(request);

	begin(response);
	response->keep_alive = request->keep_alive && !site->closing;
	if (!status)
		status = look_up(response, site, request, now_ns);
	if (!status && response->entry->is_directory && make_redirect(response, site, request, now))
		return;
	if (!status)
		status = choose(response, site, request, now);
	if (status)
		make_refusal(response, site, request, status, now);
}

void response_make_error(struct response *ret_response, struct response_site *site,
			 unsigned int status, int64_t now)
{
	struct text text;

	begin(ret_response);
	ret_response->status = status;
	text = begin_head(ret_response, site, now);
	end_with_words(ret_response, &text, false);
}

void response_done(struct response *response)
{
	drop_file(response);
	free(response->parts);
	response->parts = NULL;
}
