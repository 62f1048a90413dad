/* SPDX-License-Identifier: MIT */

/* Messages out of bytes, however the bytes are cut, with whichever library tears them apart. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "http.h"

/* What came of feeding a text in pieces of `piece` bytes. */
struct outcome {
	int event;
	size_t used;
	char body[256];
	size_t body_len;
};

static struct outcome feed(struct http_reader *reader, const char *text, size_t len, size_t piece)
{
	struct outcome outcome = { 0 };

	while (outcome.used < len && outcome.event == HTTP_EVENT_MORE) {
		size_t n = len - outcome.used < piece ? len - outcome.used : piece;
		char *buf = malloc(n);
		size_t used, body_len;

		memcpy(buf, text + outcome.used, n);
		outcome.event = http_reader_feed(reader, buf, n, &used, &body_len);
		if (outcome.event >= 0) {
			cr_assert_leq(used, n);
			cr_assert_leq(outcome.body_len + body_len, sizeof(outcome.body));
			memcpy(outcome.body + outcome.body_len, buf, body_len);
			outcome.body_len += body_len;
			outcome.used += used;
		}
		free(buf);
	}
	return outcome;
}

/* On past the head of a response, to its end or the bytes' end. */
static struct outcome feed_response(struct http_reader *reader, const char *text, size_t piece)
{
	struct outcome head = feed(reader, text, strlen(text), piece);
	struct outcome rest = { 0 };
	char nothing[1];
	size_t used, body_len;

	cr_assert_eq(head.event, HTTP_EVENT_HEAD, "%d: %s", head.event, text);
	/* As the contract says: once with nothing, for what needs no more bytes. */
	rest.event = http_reader_feed(reader, nothing, 0, &used, &body_len);
	if (rest.event != HTTP_EVENT_MORE)
		return rest;
	return feed(reader, text + head.used, strlen(text) - head.used, piece);
}

Test(unit, a_request_is_the_same_however_it_is_cut)
{
	static const char text[] = "GET /a/b?c=d HTTP/1.1\r\n"
				   "hOsT: example.org\r\n"
				   "X-Other: GET / HTTP/1.1\r\n"
				   "Range:   bytes=1-2  \r\n"
				   "If-Range: \"x\"\r\n\r\n";

	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
		const struct http_head *head = http_reader_head(reader);
		struct outcome outcome;

		cr_assert_not(http_reader_started(reader));
		outcome = feed(reader, text, strlen(text), piece);

		cr_assert_eq(outcome.event, HTTP_EVENT_END);
		cr_assert_eq(outcome.used, strlen(text));
		cr_assert(http_reader_started(reader));
		cr_assert_str_eq(head->method, "GET");
		cr_assert_eq(head->verb, HTTP_VERB_GET);
		cr_assert_str_eq(head->target, "/a/b?c=d");
		cr_assert_eq(head->major, 1);
		cr_assert_eq(head->minor, 1);
		cr_assert(head->keep_alive);
		cr_assert_not(head->has_body);
		cr_assert_str_eq(head->value[HTTP_FIELD_RANGE], "bytes=1-2");
		cr_assert_str_eq(head->value[HTTP_FIELD_IF_RANGE], "\"x\"");
		cr_assert_null(head->value[HTTP_FIELD_ACCEPT_ENCODING]);
		cr_assert_eq(head->count[HTTP_FIELD_HOST], 1);
		cr_assert_eq(head->count[HTTP_FIELD_RANGE], 1);
		cr_assert_eq(head->count[HTTP_FIELD_IF_RANGE], 1);
		cr_assert_eq(head->count[HTTP_FIELD_UNKNOWN], 1);
		http_reader_free(reader);
	}
}

Test(unit, pipelined_requests_come_one_by_one)
{
	static const char text[] = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
				   "HEAD /22 HTTP/1.1\r\nHost: x\r\n\r\n"
				   "\r\nBREW HTTP/1.1\r\n";
	struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
	struct outcome first, second;

	first = feed(reader, text, strlen(text), 4096);
	cr_assert_eq(first.event, HTTP_EVENT_END);
	cr_assert_str_eq(http_reader_head(reader)->target, "/1");
	cr_assert_str_eq(text + first.used, strstr(text, "HEAD"));

	http_reader_reset(reader);
	second = feed(reader, text + first.used, strlen(text) - first.used, 4096);
	cr_assert_eq(second.event, HTTP_EVENT_END);
	cr_assert_str_eq(http_reader_head(reader)->target, "/22");
	cr_assert_eq(http_reader_head(reader)->verb, HTTP_VERB_HEAD);

	http_reader_reset(reader);
	cr_assert_eq(feed(reader, text + first.used + second.used,
			  strlen(text) - first.used - second.used, 4096)
			     .event,
		     -EBADMSG);
	http_reader_free(reader);
}

Test(unit, whether_the_connection_may_stay)
{
	static const struct {
		const char *text;
		bool keep_alive;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true },
		{ "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, CLOSE\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);

		cr_expect_eq(feed(reader, rows[i].text, strlen(rows[i].text), 4096).event,
			     HTTP_EVENT_END, "%s", rows[i].text);
		cr_expect_eq(http_reader_head(reader)->keep_alive, rows[i].keep_alive, "%s",
			     rows[i].text);
		http_reader_free(reader);
	}
}

Test(unit, a_body_is_announced_and_not_read)
{
	static const struct {
		const char *text;
		int event;
	} rows[] = {
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", HTTP_EVENT_HEAD },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", HTTP_EVENT_HEAD },
		{ "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		  HTTP_EVENT_HEAD },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", HTTP_EVENT_END },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);

		cr_expect_eq(feed(reader, rows[i].text, strlen(rows[i].text), 1).event,
			     rows[i].event, "%s", rows[i].text);
		cr_expect_eq(http_reader_head(reader)->has_body, rows[i].event == HTTP_EVENT_HEAD,
			     "%s", rows[i].text);
		http_reader_free(reader);
	}
}

Test(unit, an_upgrade_that_was_asked_for_is_only_a_request)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
				   "Upgrade: websocket\r\n\r\n"
				   "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
	struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
	struct outcome outcome = feed(reader, text, strlen(text), 4096);

	cr_assert_eq(outcome.event, HTTP_EVENT_END);
	http_reader_reset(reader);
	outcome = feed(reader, text + outcome.used, strlen(text) - outcome.used, 4096);
	cr_assert_eq(outcome.event, HTTP_EVENT_END);
	cr_assert_str_eq(http_reader_head(reader)->target, "/next");
	http_reader_free(reader);
}

Test(unit, what_is_no_request_is_refused)
{
	static const char *const texts[] = {
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET\r\n\r\n",
		"FETCH / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
		"Content-Length: 5\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nBad\x01: y\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct http_reader *whole = http_reader_new(HTTP_KIND_REQUEST);
		struct http_reader *bytes = http_reader_new(HTTP_KIND_REQUEST);

		cr_expect_eq(feed(whole, texts[i], strlen(texts[i]), 4096).event, -EBADMSG, "%s",
			     texts[i]);
		cr_expect_eq(feed(bytes, texts[i], strlen(texts[i]), 1).event, -EBADMSG, "%s",
			     texts[i]);
		http_reader_free(whole);
		http_reader_free(bytes);
	}
}

/* "GET /aaa... HTTP/1.1" with a target of `len` bytes. */
static char *request_with_target(size_t len)
{
	char *text = malloc(len + 64);
	char *at = stpcpy(text, "GET ");

	memset(at, 'a', len);
	*at = '/';
	strcpy(at + len, " HTTP/1.1\r\nHost: x\r\n\r\n");
	return text;
}

Test(unit, the_longest_target_fits_and_one_more_byte_does_not)
{
	for (size_t piece = 1; piece < 20000; piece *= 7) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
		char *longest = request_with_target(HTTP_LIMIT_TARGET);
		char *too_long = request_with_target(HTTP_LIMIT_TARGET + 1);

		cr_expect_eq(feed(reader, longest, strlen(longest), piece).event, HTTP_EVENT_END);
		cr_expect_eq(http_reader_head(reader)->target_len, HTTP_LIMIT_TARGET);
		http_reader_reset(reader);
		cr_expect_eq(feed(reader, too_long, strlen(too_long), piece).event, -ENAMETOOLONG);

		free(longest);
		free(too_long);
		http_reader_free(reader);
	}
}

Test(unit, a_head_without_end_is_refused_at_the_limit)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: x\r\n";
	static const char field[] = "X-Filler: 0123456789012345678901234567890123456789\r\n";
	size_t piece = 1;

	for (int i = 0; i < 5; i++, piece *= 11) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
		struct outcome outcome = feed(reader, start, strlen(start), piece);
		size_t total = outcome.used;

		while (outcome.event == HTTP_EVENT_MORE) {
			cr_assert_leq(total, HTTP_LIMIT_HEAD);
			outcome = feed(reader, field, strlen(field), piece);
			total += outcome.used;
		}
		cr_expect_eq(outcome.event, -EMSGSIZE);
		http_reader_free(reader);
	}
}

Test(unit, the_longest_value_is_kept_whole)
{
	static const char start[] = "GET / HTTP/1.1\r\nUser-Agent:";
	size_t len = HTTP_LIMIT_HEAD - strlen(start) - strlen("\r\n\r\n");
	char *text = malloc(HTTP_LIMIT_HEAD + 1);
	char *at = stpcpy(text, start);

	memset(at, 'u', len);
	strcpy(at + len, "\r\n\r\n");
	for (size_t piece = 1; piece < 20000; piece *= 7) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);

		cr_assert_eq(feed(reader, text, HTTP_LIMIT_HEAD, piece).event, HTTP_EVENT_END);
		cr_assert_eq(strlen(http_reader_head(reader)->value[HTTP_FIELD_USER_AGENT]), len);
		cr_assert_str_eq(http_reader_head(reader)->target, "/");
		http_reader_free(reader);
	}
	free(text);
}

Test(unit, several_fields_of_a_list_are_one)
{
	static const char text[] = "GET / HTTP/1.1\r\n"
				   "If-None-Match: \"a\"\r\n"
				   "Accept-Encoding:gzip  \r\n"
				   "Range: bytes=0-1\r\n"
				   "if-none-match: \"b\", \"c\"\r\n"
				   "Accept-Encoding:\r\n"
				   "Range: bytes=2-3\r\n"
				   "If-None-Match: \"d\"\r\n"
				   "Host: x\r\n\r\n";

	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
		const struct http_head *head = http_reader_head(reader);

		cr_assert_eq(feed(reader, text, strlen(text), piece).event, HTTP_EVENT_END);
		cr_assert_str_eq(head->value[HTTP_FIELD_IF_NONE_MATCH],
				 "\"a\", \"b\", \"c\", \"d\"");
		cr_assert_str_eq(head->value[HTTP_FIELD_ACCEPT_ENCODING], "gzip, ");
		cr_assert_str_eq(head->value[HTTP_FIELD_RANGE], "bytes=2-3");
		cr_assert_eq(head->count[HTTP_FIELD_RANGE], 2);
		http_reader_free(reader);
	}
}

/* Each is copied behind the one before: what that costs has the head's limit, too. */
Test(unit, a_list_of_very_many_fields_is_too_large)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: x\r\n";
	static const char field[] = "If-Match: \"0123456789\"\r\n";

	for (size_t piece = 1; piece < 100; piece *= 5) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
		struct outcome outcome = feed(reader, start, strlen(start), piece);
		size_t total = outcome.used;

		while (outcome.event == HTTP_EVENT_MORE) {
			outcome = feed(reader, field, strlen(field), piece);
			total += outcome.used;
		}
		cr_expect_eq(outcome.event, -EMSGSIZE);
		cr_expect_lt(total, HTTP_LIMIT_HEAD);
		http_reader_free(reader);
	}
}

/* A reader is used again for each message: nothing of the one before stays. */
Test(unit, nothing_stays_of_the_message_before)
{
	static const char first[] = "GET /first HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n";
	static const char broken[] = "GET /broken HTTP/1.1\r\nHost : x\r\n";
	struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
	const struct http_head *head = http_reader_head(reader);

	cr_assert_str_empty(head->target);
	cr_assert_eq(feed(reader, first, strlen(first), 4096).event, HTTP_EVENT_END);
	http_reader_reset(reader);
	cr_assert_str_empty(head->target);
	cr_assert_null(head->value[HTTP_FIELD_RANGE]);
	cr_assert_eq(head->count[HTTP_FIELD_HOST], 0);

	cr_assert_eq(feed(reader, broken, strlen(broken), 4096).event, -EBADMSG);
	cr_assert_str_eq(head->target, "/broken");
	http_reader_free(reader);
}

Test(unit, the_body_of_a_response_however_it_is_framed)
{
	static const struct {
		const char *text;
		const char *body;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
		  "hello" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "5\r\nhello\r\n0\r\nLocation: elsewhere\r\n\r\n",
		  "hello" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (size_t piece = 1; piece < 128; piece++) {
			struct http_reader *reader = http_reader_new(HTTP_KIND_RESPONSE);
			struct outcome outcome = feed_response(reader, rows[i].text, piece);

			cr_assert_eq(outcome.event, HTTP_EVENT_END, "%zu: %s", piece, rows[i].text);
			cr_assert_eq(outcome.body_len, strlen(rows[i].body), "%zu: %s", piece,
				     rows[i].text);
			cr_assert_arr_eq(outcome.body, rows[i].body, outcome.body_len);
			cr_assert_null(http_reader_head(reader)->value[HTTP_FIELD_LOCATION]);
			http_reader_free(reader);
		}
	}
}

Test(unit, an_end_of_the_stream_ends_only_what_has_no_other_end)
{
	static const struct {
		const char *text;
		int event;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\n\r\nhello", HTTP_EVENT_END },
		{ "HTTP/1.0 200 OK\r\n\r\n", HTTP_EVENT_END },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", -EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		  -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_RESPONSE);

		cr_expect_eq(feed_response(reader, rows[i].text, 7).event, HTTP_EVENT_MORE, "%s",
			     rows[i].text);
		cr_expect_eq(http_reader_finish(reader), rows[i].event, "%s", rows[i].text);
		http_reader_free(reader);
	}
}

Test(unit, an_end_before_or_within_a_head_is_no_message)
{
	static const char *const texts[] = { "", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Le" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_RESPONSE);

		cr_expect_eq(feed(reader, texts[i], strlen(texts[i]), 4096).event, HTTP_EVENT_MORE);
		cr_expect_eq(http_reader_finish(reader), -EBADMSG, "%s", texts[i]);
		http_reader_free(reader);
	}
}

Test(unit, an_interim_response_is_followed_by_the_real_one)
{
	static const char text[] = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
				   "HTTP/1.1 302 Found\r\nLocation: https://example.org/\r\n"
				   "Content-Length: 0\r\n\r\n";

	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct http_reader *reader = http_reader_new(HTTP_KIND_RESPONSE);
		size_t at = 0;

		const struct http_head *message = http_reader_head(reader);
		for (int i = 0; i < 2; i++) {
			struct outcome head = feed(reader, text + at, strlen(text) - at, piece);
			struct outcome end;
			char nothing[1];
			size_t used, body_len;

			at += head.used;
			cr_assert_eq(head.event, HTTP_EVENT_HEAD);
			cr_assert_eq(http_reader_head(reader)->status, i ? 302 : 103);
			end.event = http_reader_feed(reader, nothing, 0, &used, &body_len);
			if (end.event == HTTP_EVENT_MORE) {
				end = feed(reader, text + at, strlen(text) - at, piece);
				at += end.used;
			}
			cr_assert_eq(end.event, HTTP_EVENT_END);
			if (i)
				cr_assert_str_eq(message->value[HTTP_FIELD_LOCATION],
						 "https://example.org/");
			http_reader_reset(reader);
		}
		cr_assert_eq(at, strlen(text));
		http_reader_free(reader);
	}
}
