/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_HTTP_MATCH_H
#define KTLS_TOOL_HTTP_MATCH_H

/*
 * What a request says about the answer it wants: conditions (RFC 9110 13) on the validators of what
 * would be sent, and codings (12.5.3) of which there may be several to choose from. No input or
 * output; all of it is decided from the head that was read.
 */

#include "http.h"

/* What changes when the representation does. */
struct http_validators {
	const char *etag; /* strong, with its quotes */
	int64_t mtime;	  /* of Last-Modified, in seconds since 1970 */
};

/*
 * Whether the request's conditions hold, in the order of RFC 9110 13.2.2: 0 if so; 304 if the
 * client has it already; 412 if it wanted something else. If-Range is not among them.
 */
unsigned int http_match_conditions(const struct http_head *request,
				   const struct http_validators *validators);

/*
 * Whether a Range field may be obeyed: there is exactly one, of a GET, and If-Range, if it came,
 * names just these validators. A date does so only if it lies more than a second before `now`, for
 * within one second a file may change twice (RFC 9110 8.8.2.2).
 */
bool http_match_range(const struct http_head *request, const struct http_validators *validators,
		      int64_t now);

/* In the order in which they are preferred. */
enum http_coding {
	HTTP_CODING_BR = 0,
	HTTP_CODING_GZIP,
	HTTP_CODING_IDENTITY,
	_HTTP_CODING_N,
};

/* "br"; "identity" is never said of an answer. */
const char *http_coding_name(enum http_coding coding);

/*
 * The best of the codings at hand (1u << enum http_coding; identity is always at hand) by the value
 * of Accept-Encoding, NULL if there is none; it is identity then. _HTTP_CODING_N: the request
 * accepts none of them, not even identity.
 */
enum http_coding http_match_coding(const char *accept, unsigned int at_hand);

#endif
