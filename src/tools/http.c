/* SPDX-License-Identifier: MIT */

/*
 * What is kept of a message while an engine runs over it. Nothing of it is sized by the peer: the
 * target and the one field value that matters have room of their own, other fields are only
 * counted, and the head as a whole has a limit.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "http_engine.h"

static const char *const field_names[_HTTP_FIELD_N] = {
	[HTTP_FIELD_UNKNOWN] = "",
	[HTTP_FIELD_HOST] = "Host",
	[HTTP_FIELD_RANGE] = "Range",
	[HTTP_FIELD_IF_RANGE] = "If-Range",
	[HTTP_FIELD_CONTENT_LENGTH] = "Content-Length",
	[HTTP_FIELD_TRANSFER_ENCODING] = "Transfer-Encoding",
	[HTTP_FIELD_LOCATION] = "Location",
};

struct http_found {
	enum http_kind kind;
	struct http_head head;
	int event;	 /* enum http_event, or -errno that a report ended with */
	bool head_done;	 /* later fields are trailers, and dropped */
	size_t head_len; /* bytes of the head so far */

	/* The field that is being read; a name or value too long for its room is cut, one longer
	 * than any that is known. */
	char name[HTTP_LIMIT_NAME];
	size_t name_len;
	char value[HTTP_LIMIT_VALUE + 1];
	size_t value_len;
	bool in_value;

	char *body; /* where the body bytes of this call are moved to */
	size_t body_len;
};

struct http_reader {
	struct http_found found;
	struct http_engine *engine;
};

bool http_found_target(struct http_found *found, const char *at, size_t len)
{
	struct http_head *head = &found->head;

	if (len > HTTP_LIMIT_TARGET - head->target_len) {
		found->event = -ENAMETOOLONG;
		return true;
	}
	memcpy(head->target + head->target_len, at, len);
	head->target_len += len;
	return false;
}

static enum http_field find_field(const char *name, size_t len)
{
	for (size_t i = HTTP_FIELD_UNKNOWN + 1; i < _HTTP_FIELD_N; i++) {
		if (strlen(field_names[i]) == len && !strncasecmp(field_names[i], name, len))
			return (enum http_field)i;
	}
	return HTTP_FIELD_UNKNOWN;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* A body of no bytes is none. */
static bool is_zero(const char *value)
{
	return *value && !value[strspn(value, "0")];
}

/* The value is complete: the next name, or the end of the head, has come. */
static void keep_field(struct http_found *found)
{
	struct http_head *head = &found->head;
	enum http_field field = find_field(found->name, found->name_len);

	while (found->value_len && is_space(found->value[found->value_len - 1]))
		found->value_len--;
	found->value[found->value_len] = '\0';

	head->count[field]++;
	if (field == HTTP_FIELD_TRANSFER_ENCODING ||
	    (field == HTTP_FIELD_CONTENT_LENGTH && !is_zero(found->value)))
		head->has_body = true;
	if (field == (found->kind == HTTP_KIND_REQUEST ? HTTP_FIELD_RANGE : HTTP_FIELD_LOCATION))
		memcpy(head->value, found->value, found->value_len + 1);

	found->name_len = 0;
	found->value_len = 0;
	found->in_value = false;
}

/* Appends what there is room for; the first byte beyond it is the last that is counted. */
static size_t append_cut(char *buf, size_t used, size_t size, const char *at, size_t len)
{
	size_t n = len < size - used ? len : size - used;

	memcpy(buf + used, at, n);
	return used + n;
}

bool http_found_name(struct http_found *found, const char *at, size_t len)
{
	if (found->head_done)
		return false;
	if (found->in_value)
		keep_field(found);
	found->name_len = append_cut(found->name, found->name_len, sizeof(found->name), at, len);
	/* RFC 9112 5.1: "Host : x" is refused; http-parser may have been built to take it. */
	if (memchr(at, ' ', len))
		found->event = -EBADMSG;
	return found->event < 0;
}

void http_found_value(struct http_found *found, const char *at, size_t len)
{
	if (found->head_done)
		return;
	found->in_value = true;
	found->value_len =
		append_cut(found->value, found->value_len, sizeof(found->value) - 1, at, len);
}

bool http_found_head(struct http_found *found, const char *method, unsigned int status,
		     unsigned int major, unsigned int minor, bool keep_alive)
{
	struct http_head *head = &found->head;

	if (found->name_len)
		keep_field(found);
	found->head_done = true;
	found->event = HTTP_EVENT_HEAD;

	head->target[head->target_len] = '\0';
	head->major = major;
	head->minor = minor;
	head->keep_alive = keep_alive;
	head->status = status;
	head->method = method;
	if (method && !strcmp(method, "GET"))
		head->verb = HTTP_VERB_GET;
	if (method && !strcmp(method, "HEAD"))
		head->verb = HTTP_VERB_HEAD;
	return found->kind == HTTP_KIND_RESPONSE || head->has_body;
}

void http_found_body(struct http_found *found, const char *at, size_t len)
{
	memmove(found->body + found->body_len, at, len);
	found->body_len += len;
}

void http_found_end(struct http_found *found)
{
	found->event = HTTP_EVENT_END;
}

struct http_reader *http_reader_new(enum http_kind kind)
{
	struct http_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->found.kind = kind;
	reader->engine = http_engine_new(kind, &reader->found);
	return reader->engine ? reader : http_reader_free(reader);
}

struct http_reader *http_reader_free(struct http_reader *reader)
{
	if (reader)
		http_engine_free(reader->engine);
	free(reader);
	return NULL;
}

void http_reader_reset(struct http_reader *reader)
{
	reader->found = (struct http_found){ .kind = reader->found.kind };
	http_engine_reset(reader->engine);
}

const struct http_head *http_reader_head(const struct http_reader *reader)
{
	return &reader->found.head;
}

bool http_reader_started(const struct http_reader *reader)
{
	return reader->found.head_len > 0;
}

int http_reader_feed(struct http_reader *reader, char *buf, size_t len, size_t *ret_used,
		     size_t *ret_body_len)
{
	struct http_found *found = &reader->found;
	size_t left = HTTP_LIMIT_HEAD - found->head_len;
	bool in_head = !found->head_done;
	size_t used;
	int r;

	found->event = HTTP_EVENT_MORE;
	found->body = buf;
	found->body_len = 0;
	if (in_head && len > left)
		len = left;

	r = http_engine_execute(reader->engine, buf, len, &used);
	if (found->event < 0)
		return found->event;
	if (r)
		return r;
	if (in_head)
		found->head_len += used;
	if (!found->head_done && found->head_len == HTTP_LIMIT_HEAD)
		return -EMSGSIZE;
	*ret_used = used;
	*ret_body_len = found->body_len;
	return found->event;
}

int http_reader_finish(struct http_reader *reader)
{
	struct http_found *found = &reader->found;
	int r;

	found->event = HTTP_EVENT_MORE;
	r = http_engine_finish(reader->engine);
	if (r)
		return r;
	return found->event == HTTP_EVENT_END ? HTTP_EVENT_END : -EBADMSG;
}
