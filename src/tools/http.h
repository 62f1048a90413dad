/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_HTTP_H
#define KTLS_TOOL_HTTP_H

/*
 * HTTP/1.0 and 1.1 (RFC 9110, RFC 9112), as much as fetching and serving files needs: messages out
 * of bytes, targets, ranges, dates. A library tears the messages apart (http_engine.h); here is
 * what is kept of them, and the limits.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_limit {
	HTTP_LIMIT_HEAD = 16384,  /* start line and fields; more is 431 */
	HTTP_LIMIT_TARGET = 8192, /* more is 414 */
	HTTP_LIMIT_NAME = 32,	  /* of a field; all that we know are shorter */
	HTTP_LIMIT_DATE = 32,	  /* "Sun, 06 Nov 1994 08:49:37 GMT" */
	HTTP_LIMIT_RANGES = 16,	  /* asked for at once; more get the whole */
};

enum http_kind {
	HTTP_KIND_REQUEST = 0,
	HTTP_KIND_RESPONSE,
};

enum http_verb {
	HTTP_VERB_OTHER = 0,
	HTTP_VERB_GET,
	HTTP_VERB_HEAD,
};

/* The fields that mean something here. Connection is the library's affair: see keep_alive. */
enum http_field {
	HTTP_FIELD_UNKNOWN = 0,
	HTTP_FIELD_HOST,
	HTTP_FIELD_RANGE,
	HTTP_FIELD_IF_RANGE,
	HTTP_FIELD_IF_MATCH,
	HTTP_FIELD_IF_NONE_MATCH,
	HTTP_FIELD_IF_MODIFIED_SINCE,
	HTTP_FIELD_IF_UNMODIFIED_SINCE,
	HTTP_FIELD_ACCEPT_ENCODING,
	HTTP_FIELD_REFERER,
	HTTP_FIELD_USER_AGENT,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_LOCATION,
	HTTP_FIELD_ETAG,
	HTTP_FIELD_LAST_MODIFIED,
	HTTP_FIELD_DATE,
	HTTP_FIELD_CONTENT_RANGE,
	_HTTP_FIELD_N,
};

struct http_head {
	unsigned int major;
	unsigned int minor;
	bool keep_alive; /* the connection may carry another message after this one */

	const char *method; /* of a request; static */
	enum http_verb verb;
	bool has_body; /* a request that announces one */
	const char *target;
	size_t target_len;

	unsigned int status; /* of a response */

	unsigned int count[_HTTP_FIELD_N]; /* how often each field came */
	const char *value[_HTTP_FIELD_N];  /* the last one, or, of a list, all; NULL: none, or none
					      that is kept: Host, Transfer-Encoding */
};

enum http_event {
	HTTP_EVENT_MORE = 0, /* everything was taken: go on with what comes next */
	HTTP_EVENT_HEAD,     /* a head is complete, and a body may follow */
	HTTP_EVENT_END,	     /* a message is complete: http_reader_reset() before the next */
};

struct http_reader;

/* NULL: no memory. */
struct http_reader *http_reader_new(enum http_kind kind);
struct http_reader *http_reader_free(struct http_reader *reader);
void http_reader_reset(struct http_reader *reader);

/* What has been read so far of the present message's head; complete from HTTP_EVENT_HEAD on. */
const struct http_head *http_reader_head(const struct http_reader *reader);

/* Whether any byte of the present message's head has come. */
bool http_reader_started(const struct http_reader *reader);

/*
 * Reads `len` bytes, up to the next event. *ret_used says how many were taken: begin behind them
 * next time. Body bytes among them are moved together at the beginning of `buf`, *ret_body_len of
 * them. A request answers HTTP_EVENT_END when it is whole and has no body, HTTP_EVENT_HEAD when it
 * announces one, which is not read. After HTTP_EVENT_HEAD of a response call again at once, also
 * with nothing. -EBADMSG: no HTTP; -ENAMETOOLONG: the target is; -EMSGSIZE: the head is too large.
 */
int http_reader_feed(struct http_reader *reader, char *buf, size_t len, size_t *ret_used,
		     size_t *ret_body_len);

/* The stream has ended: HTTP_EVENT_END if that completes the message, else -EBADMSG: it was cut. */
int http_reader_finish(struct http_reader *reader);

/*
 * The path of a request's target (RFC 9112 3.2), decoded once, without a leading slash; "." for the
 * root. `ret_path` holds HTTP_LIMIT_TARGET + 1 bytes. -EBADMSG: no path, a wrong escape, or a NUL;
 * -EXDEV: a ".." among its parts.
 */
int http_target_path(const char *target, char *ret_path);

enum http_range_kind {
	HTTP_RANGE_WHOLE = 0,	  /* nothing that must be obeyed: send everything */
	HTTP_RANGE_PARTS,	  /* *ret_ranges is set */
	HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

struct http_ranges {
	struct http_range {
		uint64_t offset;
		uint64_t len; /* never 0 */
	} range[HTTP_LIMIT_RANGES];
	unsigned int n; /* at least 1 */
};

/*
 * The value of a Range field against a size (RFC 9110 14.2): the ranges in the order in which they
 * were asked for, without those that lie behind the end. More than HTTP_LIMIT_RANGES, and any two
 * that overlap, are HTTP_RANGE_WHOLE, as the section allows: together they never ask for more than
 * there is. So is what is no list of ranges, and any range of nothing.
 */
enum http_range_kind http_range_parse(const char *value, uint64_t size,
				      struct http_ranges *ret_ranges);

#define HTTP_SIZE_UNKNOWN UINT64_MAX

struct http_content_range {
	uint64_t offset;
	uint64_t len;  /* 0: none of it, 416 */
	uint64_t size; /* of the whole, or HTTP_SIZE_UNKNOWN */
};

/* The value of a Content-Range field (RFC 9110 14.4). -EBADMSG: none, or it contradicts itself. */
int http_content_range_parse(const char *value, struct http_content_range *ret_range);

/* The value of a Content-Length field. -EBADMSG. */
int http_length_parse(const char *value, uint64_t *ret_len);

/* "Not Found". */
const char *http_status_text(unsigned int status);

/* IMF-fixdate (RFC 9110 5.6.7) of seconds since 1970; `ret_text` holds HTTP_LIMIT_DATE bytes. */
void http_date_format(int64_t seconds, char *ret_text);

/* The same read, and the two older forms (RFC 9110 5.6.7). -EBADMSG: none of them. */
int http_date_parse(const char *text, int64_t *ret_seconds);

#endif
