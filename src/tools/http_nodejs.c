/* SPDX-License-Identifier: MIT */

/*
 * HTTP by http-parser, where llhttp is not packaged (Debian 12). A callback stops the parser by
 * pausing it; how many bytes it had taken is then its return value, and it goes on from there.
 */

#include <errno.h>
#include <stdlib.h>

#include <http_parser.h>

#include "http_engine.h"

struct http_engine {
	http_parser parser;
	enum http_parser_type type;
};

static void stop_if(http_parser *parser, bool stop)
{
	if (stop)
		http_parser_pause(parser, 1);
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
	return http_found_target(parser->data, at, len);
}

static int on_header_field(http_parser *parser, const char *at, size_t len)
{
	return http_found_name(parser->data, at, len);
}

static int on_header_value(http_parser *parser, const char *at, size_t len)
{
	http_found_value(parser->data, at, len);
	return 0;
}

static int on_headers_complete(http_parser *parser)
{
	const char *method = NULL;

	if (parser->type == HTTP_REQUEST)
		method = http_method_str(parser->method);
	stop_if(parser,
		http_found_head(parser->data, method, parser->status_code, parser->http_major,
				parser->http_minor, http_should_keep_alive(parser)));
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
	http_found_body(parser->data, at, len);
	return 0;
}

static int on_message_complete(http_parser *parser)
{
	http_found_end(parser->data);
	stop_if(parser, true);
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

struct http_engine *http_engine_new(enum http_kind kind, struct http_found *found)
{
	struct http_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->type = kind == HTTP_KIND_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE;
	engine->parser.data = found;
	http_engine_reset(engine);
	return engine;
}

struct http_engine *http_engine_free(struct http_engine *engine)
{
	free(engine);
	return NULL;
}

/* Keeps parser.data. */
void http_engine_reset(struct http_engine *engine)
{
	http_parser_init(&engine->parser, engine->type);
}

static int check(const struct http_engine *engine)
{
	enum http_errno error = HTTP_PARSER_ERRNO(&engine->parser);

	return error == HPE_OK || error == HPE_PAUSED ? 0 : -EBADMSG;
}

int http_engine_execute(struct http_engine *engine, const char *data, size_t len, size_t *ret_used)
{
	*ret_used = 0;
	/* To http-parser no bytes are the end of the stream. */
	if (!len)
		return 0;
	if (HTTP_PARSER_ERRNO(&engine->parser) == HPE_PAUSED)
		http_parser_pause(&engine->parser, 0);
	*ret_used = http_parser_execute(&engine->parser, &settings, data, len);
	return check(engine);
}

int http_engine_finish(struct http_engine *engine)
{
	if (HTTP_PARSER_ERRNO(&engine->parser) == HPE_PAUSED)
		http_parser_pause(&engine->parser, 0);
	http_parser_execute(&engine->parser, &settings, NULL, 0);
	return check(engine);
}
