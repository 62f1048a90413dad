/* SPDX-License-Identifier: MIT */

/*
 * What is kept of a message while an engine runs over it. Nothing of it is sized by the peer: the
 * target and the values that matter go side by side into one room, which a head of the largest size
 * cannot fill; other fields are only counted.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "http_engine.h"

struct field {
	const char *name;
	bool kept;
	bool list; /* several of them are one, with commas between (RFC 9110 5.3) */
};

static const struct field fields[_HTTP_FIELD_N] = {
	[HTTP_FIELD_UNKNOWN] = { "", false, false },
	[HTTP_FIELD_HOST] = { "Host", false, false },
	[HTTP_FIELD_RANGE] = { "Range", true, false },
	[HTTP_FIELD_IF_RANGE] = { "If-Range", true, false },
	[HTTP_FIELD_IF_MATCH] = { "If-Match", true, true },
	[HTTP_FIELD_IF_NONE_MATCH] = { "If-None-Match", true, true },
	[HTTP_FIELD_IF_MODIFIED_SINCE] = { "If-Modified-Since", true, false },
	[HTTP_FIELD_IF_UNMODIFIED_SINCE] = { "If-Unmodified-Since", true, false },
	[HTTP_FIELD_ACCEPT_ENCODING] = { "Accept-Encoding", true, true },
	[HTTP_FIELD_REFERER] = { "Referer", true, false },
	[HTTP_FIELD_USER_AGENT] = { "User-Agent", true, false },
	[HTTP_FIELD_CONTENT_LENGTH] = { "Content-Length", true, false },
	[HTTP_FIELD_TRANSFER_ENCODING] = { "Transfer-Encoding", false, false },
	[HTTP_FIELD_LOCATION] = { "Location", true, false },
	[HTTP_FIELD_ETAG] = { "ETag", true, false },
	[HTTP_FIELD_LAST_MODIFIED] = { "Last-Modified", true, false },
	[HTTP_FIELD_DATE] = { "Date", true, false },
	[HTTP_FIELD_CONTENT_RANGE] = { "Content-Range", true, false },
};

struct http_found {
	enum http_kind kind;
	struct http_head head;
	int event;	 /* enum http_event, or -errno that a report ended with */
	bool head_done;	 /* later fields are trailers, and dropped */
	size_t head_len; /* bytes of the head so far */

	/* The field that is being read: a name too long for its room is cut, one longer than any
	 * that is known; a value that is kept begins at `value` in the text, and is its end. */
	char name[HTTP_LIMIT_NAME];
	size_t name_len;
	bool in_value;
	enum http_field field;
	size_t value;

	char *body; /* where the body bytes of this call are moved to */
	size_t body_len;

	size_t text_len;
	char text[HTTP_LIMIT_HEAD +
		  1]; /* the last: what is before it is cleared for each message */
};

struct http_reader {
	struct http_found found;
	struct http_engine *engine;
};

/* Appends to the text; true if there is no room. */
static bool append_text(struct http_found *found, const char *at, size_t len)
{
	if (len > sizeof(found->text) - found->text_len) {
		found->event = -EMSGSIZE;
		return true;
	}
	memcpy(found->text + found->text_len, at, len);
	found->text_len += len;
	return false;
}

bool http_found_target(struct http_found *found, const char *at, size_t len)
{
	struct http_head *head = &found->head;

	if (len > HTTP_LIMIT_TARGET - head->target_len) {
		found->event = -ENAMETOOLONG;
		return true;
	}
	head->target_len += len;
	if (append_text(found, at, len))
		return true;
	found->text[found->text_len] = '\0';
	return false;
}

static enum http_field find_field(const char *name, size_t len)
{
	for (size_t i = HTTP_FIELD_UNKNOWN + 1; i < _HTTP_FIELD_N; i++) {
		if (strlen(fields[i].name) == len && !strncasecmp(fields[i].name, name, len))
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

/* Puts the value, which is the text's end, behind the earlier ones of its name. */
static void join_value(struct http_found *found, const char *earlier)
{
	size_t len = found->text_len - found->value;
	size_t shift = strlen(earlier) + strlen(", ");
	char *value = found->text + found->value;

	if (shift > sizeof(found->text) - found->text_len) {
		found->event = -EMSGSIZE;
		return;
	}
	memmove(value + shift, value, len);
	memcpy(mempcpy(value, earlier, shift - strlen(", ")), ", ", strlen(", "));
	found->text_len += shift;
}

static void keep_value(struct http_found *found)
{
	struct http_head *head = &found->head;
	enum http_field field = found->field;

	while (found->text_len > found->value && is_space(found->text[found->text_len - 1]))
		found->text_len--;
	if (append_text(found, "", 1))
		return;
	if (fields[field].list && head->value[field])
		join_value(found, head->value[field]);
	head->value[field] = found->text + found->value;
}

/* The field is complete: the next name, or the end of the head, has come. */
static void keep_field(struct http_found *found)
{
	struct http_head *head = &found->head;
	enum http_field field;

	if (!found->in_value)
		http_found_value(found, "", 0);
	field = found->field;
	head->count[field]++;
	if (fields[field].kept)
		keep_value(found);
	if (found->event < 0)
		return;
	if (field == HTTP_FIELD_TRANSFER_ENCODING ||
	    (field == HTTP_FIELD_CONTENT_LENGTH && !is_zero(head->value[field])))
		head->has_body = true;
	found->name_len = 0;
	found->in_value = false;
}

bool http_found_name(struct http_found *found, const char *at, size_t len)
{
	size_t room, n;

	if (found->head_done)
		return false;
	if (found->in_value)
		keep_field(found);
	room = sizeof(found->name) - found->name_len;
	n = len < room ? len : room;
	memcpy(found->name + found->name_len, at, n);
	found->name_len += n;
	/* RFC 9112 5.1: "Host : x" is refused; http-parser may have been built to take it. */
	if (memchr(at, ' ', len))
		found->event = -EBADMSG;
	return found->event < 0;
}

void http_found_value(struct http_found *found, const char *at, size_t len)
{
	if (found->head_done)
		return;
	if (!found->in_value) {
		found->in_value = true;
		found->field = find_field(found->name, found->name_len);
		/* Behind the target's NUL. */
		if (found->text_len == found->head.target_len)
			found->text_len++;
		found->value = found->text_len;
	}
	if (fields[found->field].kept)
		append_text(found, at, len);
}

bool http_found_head(struct http_found *found, const char *method, unsigned int status,
		     unsigned int major, unsigned int minor, bool keep_alive)
{
	struct http_head *head = &found->head;

	if (found->name_len)
		keep_field(found);
	found->head_done = true;
	if (found->event < 0)
		return true;
	found->event = HTTP_EVENT_HEAD;

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
	if (found->event >= 0)
		found->event = HTTP_EVENT_END;
}

static void clear_found(struct http_found *found, enum http_kind kind)
{
	memset(found, 0, offsetof(struct http_found, text));
	found->text[0] = '\0';
	found->kind = kind;
	found->head.target = found->text;
}

struct http_reader *http_reader_new(enum http_kind kind)
{
	struct http_reader *reader = malloc(sizeof(*reader));

	if (!reader)
		return NULL;
	clear_found(&reader->found, kind);
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
	clear_found(&reader->found, reader->found.kind);
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
