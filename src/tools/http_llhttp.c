/* SPDX-License-Identifier: MIT */

/*
 * HTTP by llhttp. A callback stops the parser by answering HPE_PAUSED; where it stopped is then its
 * error position, and it goes on from there.
 */

#include <errno.h>
#include <stdlib.h>

#include <llhttp.h>

#include "http_engine.h"

struct http_engine {
	llhttp_t parser;
	llhttp_settings_t settings;
};

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
	return http_found_target(parser->data, at, len) ? -1 : 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
	return http_found_name(parser->data, at, len) ? -1 : 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
	http_found_value(parser->data, at, len);
	return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
	const char *method = NULL;
	bool stop;

	if (llhttp_get_type(parser) == HTTP_REQUEST)
		method = llhttp_method_name(llhttp_get_method(parser));
	stop = http_found_head(parser->data, method, (unsigned int)llhttp_get_status_code(parser),
			       llhttp_get_http_major(parser), llhttp_get_http_minor(parser),
			       llhttp_should_keep_alive(parser));
	return stop ? HPE_PAUSED : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	http_found_body(parser->data, at, len);
	return 0;
}

static int on_message_complete(llhttp_t *parser)
{
	http_found_end(parser->data);
	return HPE_PAUSED;
}

struct http_engine *http_engine_new(enum http_kind kind, struct http_found *found)
{
	struct http_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	llhttp_settings_init(&engine->settings);
	engine->settings.on_url = on_url;
	engine->settings.on_header_field = on_header_field;
	engine->settings.on_header_value = on_header_value;
	engine->settings.on_headers_complete = on_headers_complete;
	engine->settings.on_body = on_body;
	engine->settings.on_message_complete = on_message_complete;
	llhttp_init(&engine->parser, kind == HTTP_KIND_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE,
		    &engine->settings);
	engine->parser.data = found;
	return engine;
}

struct http_engine *http_engine_free(struct http_engine *engine)
{
	free(engine);
	return NULL;
}

void http_engine_reset(struct http_engine *engine)
{
	llhttp_reset(&engine->parser);
}

int http_engine_execute(struct http_engine *engine, const char *data, size_t len, size_t *ret_used)
{
	llhttp_errno_t error;

	if (llhttp_get_errno(&engine->parser) == HPE_PAUSED)
		llhttp_resume(&engine->parser);
	error = llhttp_execute(&engine->parser, data, len);
	*ret_used = error == HPE_OK ? len : (size_t)(llhttp_get_error_pos(&engine->parser) - data);
	return error == HPE_OK || error == HPE_PAUSED ? 0 : -EBADMSG;
}

int http_engine_finish(struct http_engine *engine)
{
	llhttp_errno_t error;

	if (llhttp_get_errno(&engine->parser) == HPE_PAUSED)
		llhttp_resume(&engine->parser);
	error = llhttp_finish(&engine->parser);
	return error == HPE_OK || error == HPE_PAUSED ? 0 : -EBADMSG;
}
