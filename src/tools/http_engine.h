/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_HTTP_ENGINE_H
#define KTLS_TOOL_HTTP_ENGINE_H

/*
 * The seam to the library that parses HTTP: http_llhttp.c over llhttp, or http_nodejs.c over its
 * forebear http-parser; the build takes the one that is there. An engine runs over bytes, reports
 * what it finds to http_found_...(), and stops where those answer true.
 */

#include "http.h"

struct http_engine;
struct http_found;

/* NULL: no memory. `found` outlives it. */
struct http_engine *http_engine_new(enum http_kind kind, struct http_found *found);
struct http_engine *http_engine_free(struct http_engine *engine);
void http_engine_reset(struct http_engine *engine);

/* Runs until the bytes are used up or a report answered true; *ret_used is how many were. -EBADMSG:
 * no HTTP. */
int http_engine_execute(struct http_engine *engine, const char *data, size_t len, size_t *ret_used);

/* The stream has ended; reports the end of a message that ends so. -EBADMSG: it may not end here.
 */
int http_engine_finish(struct http_engine *engine);

/* Reports: pieces as they come, in the order of the message. True: stop. */
bool http_found_target(struct http_found *found, const char *at, size_t len);
bool http_found_name(struct http_found *found, const char *at, size_t len);
void http_found_value(struct http_found *found, const char *at, size_t len);
/* The start line's facts, when the fields are complete. `method` is static; NULL in a response. */
bool http_found_head(struct http_found *found, const char *method, unsigned int status,
		     unsigned int major, unsigned int minor, bool keep_alive);
void http_found_body(struct http_found *found, const char *at, size_t len);
void http_found_end(struct http_found *found);

#endif
