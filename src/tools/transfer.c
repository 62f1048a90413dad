/* SPDX-License-Identifier: MIT */

/*
 * A response is whole when its length says so, or its last chunk, or, where neither tells, the
 * close_notify of TLS. A connection that just ends is never taken for the end of a file; nor is the
 * rest of one file ever put behind the beginning of another (part.c judges that).
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/ktls.h>

#include "text.h"
#include "tool.h"
#include "transfer.h"

void transfer_init(struct transfer *transfer, const struct wanted *wanted,
		   const struct transfer_rules *rules)
{
	*transfer = (struct transfer){
		.wanted = wanted,
		.rules = rules,
		.output = OUTPUT_NULL,
		.size = HTTP_SIZE_UNKNOWN,
		.expected = HTTP_SIZE_UNKNOWN,
	};
}

void transfer_done(struct transfer *transfer)
{
	if (transfer->open)
		output_done(&transfer->output);
	transfer->open = false;
	free(transfer->sentence);
	free(transfer->remark);
	transfer->sentence = transfer->remark = NULL;
}

/* -- Failures -- */

static const char *name_output(const struct transfer *transfer)
{
	return transfer->wanted->path ? transfer->wanted->path : "stdout";
}

/* What the output still has, for the next time: behind the sentence. */
static void append_kept(struct transfer *transfer, uint64_t kept)
{
	char *sentence;

	if (!transfer->sentence || !kept)
		return;
	if (asprintf(&sentence,
		     "%s; %" PRIu64 " bytes are in %s" OUTPUT_PART_SUFFIX
		     ", and the same command goes on from there",
		     transfer->sentence, kept, name_output(transfer)) < 0)
		return;
	free(transfer->sentence);
	transfer->sentence = sentence;
}

static void set_sentence(struct transfer *transfer, int code, const char *format, va_list args)
{
	transfer->code = code;
	free(transfer->sentence);
	if (vasprintf(&transfer->sentence, format, args) < 0)
		transfer->sentence = NULL;
}

static enum transfer_step give_up(struct transfer *transfer)
{
	uint64_t kept = transfer->open ? output_done(&transfer->output) : 0;

	transfer->open = false;
	append_kept(transfer, kept);
	return TRANSFER_FAILED;
}

enum transfer_step transfer_fail(struct transfer *transfer, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_sentence(transfer, code, format, args);
	va_end(args);
	return give_up(transfer);
}

static enum transfer_step fail_output(struct transfer *transfer, int error)
{
	return transfer_fail(transfer, TOOL_EXIT_WRITE, "%s: %s", name_output(transfer),
			     strerror(-error));
}

static enum transfer_step fail_cut(struct transfer *transfer, const char *why)
{
	uint64_t there = transfer->at + transfer->bytes;

	if (transfer->size != HTTP_SIZE_UNKNOWN)
		return transfer_fail(transfer, TOOL_EXIT_PARTIAL,
				     "truncated after %" PRIu64 " bytes of %" PRIu64 ": %s", there,
				     transfer->size, why);
	return transfer_fail(transfer, TOOL_EXIT_PARTIAL, "truncated after %" PRIu64 " bytes: %s",
			     there, why);
}

/* Something that is no failure, to be said at once. */
static void remark(struct transfer *transfer, const char *why)
{
	free(transfer->remark);
	if (asprintf(&transfer->remark,
		     "not from the %" PRIu64 " bytes that are there, but from the beginning: %s",
		     transfer->at, why) < 0)
		transfer->remark = NULL;
}

/* -- The request -- */

enum transfer_step transfer_open(struct transfer *transfer)
{
	const struct wanted *wanted = transfer->wanted;
	int r;

	if (!transfer->rules->resume || transfer->open)
		return TRANSFER_MORE;
	r = output_open_part(&transfer->output, wanted->path, wanted->text, &transfer->part,
			     &transfer->at);
	transfer->open = !r;
	transfer->size = transfer->part.size;
	if (!r)
		return TRANSFER_MORE;
	if (r == -EEXIST || r == -ESTALE)
		return transfer_fail(transfer, TOOL_EXIT_WRITE,
				     "%s" OUTPUT_PART_SUFFIX " is %s: remove it, or move it away",
				     wanted->path,
				     r == -ESTALE ? "a part of another URL"
						  : "there, and nothing says what it is a part of");
	if (r == -EBUSY)
		return transfer_fail(transfer, TOOL_EXIT_WRITE,
				     "%s" OUTPUT_PART_SUFFIX ": another process writes it",
				     wanted->path);
	return fail_output(transfer, r);
}

static void put_range(struct text *text, const struct transfer *transfer)
{
	if (!transfer->at)
		return;
	text_put_string(text, "Range: bytes=");
	text_put_number(text, transfer->at);
	text_put_string(text, "-\r\nIf-Range: ");
	text_put_string(text, transfer->part.validator);
	text_put_string(text, "\r\n");
}

enum transfer_step transfer_ask(struct transfer *transfer, bool keep_alive, char *ret_request,
				size_t *ret_len)
{
	const struct url *url = &transfer->wanted->url;
	struct text text = { .buf = ret_request, .size = TRANSFER_LIMIT_REQUEST };

	text_put_string(&text, "GET ");
	if (!url->target_len || *url->target != '/')
		text_put_string(&text, "/");
	text_put(&text, url->target, url->target_len);
	text_put_string(&text, " HTTP/1.1\r\nHost: ");
	text_put(&text, url->authority, url->authority_len);
	text_put_string(&text, "\r\nUser-Agent: ktls/");
	text_put_string(&text, ktls_version());
	text_put_string(&text, "\r\nAccept: */*\r\nAccept-Encoding: identity\r\n");
	put_range(&text, transfer);
	text_put_string(&text, keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
	if (text.cut)
		return transfer_fail(transfer, TOOL_EXIT_URL, "the URL is too long");
	transfer->keep_alive = keep_alive;
	*ret_len = text.len;
	return TRANSFER_MORE;
}

/* -- The answer's head -- */

/* What follows is of no use: for the sake of the connection it is read to its end, if that is
 * wanted. */
static enum transfer_step end_as(struct transfer *transfer, enum transfer_step verdict)
{
	transfer->verdict = verdict;
	transfer->discard = true;
	return transfer->keep_alive ? TRANSFER_MORE : verdict;
}

static enum transfer_step refuse(struct transfer *transfer, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum transfer_step refuse(struct transfer *transfer, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_sentence(transfer, code, format, args);
	va_end(args);
	give_up(transfer);
	return end_as(transfer, TRANSFER_FAILED);
}

/* In quotes, and as nobody's terminal minds. */
static enum transfer_step refuse_with(struct transfer *transfer, int code, const char *what,
				      unsigned int status, const char *value)
{
	char buf[256];
	struct text text = { .buf = buf, .size = sizeof(buf) };

	text_put_quoted(&text, value);
	return refuse(transfer, code, "HTTP status %u: %s %.*s", status, what, (int)text.len, buf);
}

/* From its first byte on. */
static enum transfer_step begin_file(struct transfer *transfer, const struct http_head *head)
{
	const struct wanted *wanted = transfer->wanted;
	int r = 0;

	if (transfer->at)
		remark(transfer, "it has changed, or the server does not send parts");
	transfer->at = 0;
	part_from_head(&transfer->part, head);
	transfer->size = transfer->expected = transfer->part.size;
	if (transfer->open) {
		r = output_begin(&transfer->output, wanted->text, &transfer->part);
	} else {
		r = output_open(&transfer->output, wanted->path);
		transfer->open = !r;
	}
	return r ? fail_output(transfer, r) : TRANSFER_MORE;
}

static enum transfer_step ask_again(struct transfer *transfer, const char *why)
{
	remark(transfer, why);
	return end_as(transfer, TRANSFER_AGAIN);
}

static enum transfer_step judge(struct transfer *transfer, const struct http_head *head)
{
	const char *value = head->value[HTTP_FIELD_CONTENT_RANGE];
	struct http_content_range range;

	switch (part_judge(&transfer->part, transfer->at, head, &range)) {
	case PART_ANEW:
		return begin_file(transfer, head);
	case PART_REST:
		transfer->expected = range.len;
		if (range.size != HTTP_SIZE_UNKNOWN)
			transfer->size = range.size;
		return TRANSFER_MORE;
	case PART_WHOLE:
		return end_as(transfer, TRANSFER_DONE);
	case PART_OTHER:
		return ask_again(transfer, "it is of another file than the server has now");
	case PART_WRONG:
		break;
	}
	if (transfer->at)
		return ask_again(transfer, "the server sends other bytes than it was asked for");
	return refuse_with(transfer, TOOL_EXIT_TRANSFER,
			   "these are not the bytes that were asked for: Content-Range",
			   head->status, value ? value : "is missing");
}

/* Only a 2xx brings what was asked for, and a 416 says something about it; 1xx announces that more
 * will come. */
static enum transfer_step take_head(struct transfer *transfer, const struct http_head *head)
{
	const char *location = head->value[HTTP_FIELD_LOCATION];

	if (head->status / 100 == 1)
		return TRANSFER_MORE;
	transfer->judged = true;
	transfer->verdict = TRANSFER_DONE;
	if (head->status / 100 == 2 || (head->status == 416 && transfer->at))
		return judge(transfer, head);
	if (head->status / 100 == 3)
		return refuse_with(transfer, TOOL_EXIT_STATUS,
				   "redirects are not followed; it leads to", head->status,
				   location && *location ? location : "nowhere");
	return refuse(transfer, TOOL_EXIT_STATUS, "HTTP status %u", head->status);
}

/* -- Its body, and its end -- */

static enum transfer_step discard(struct transfer *transfer, size_t len)
{
	transfer->discarded += len;
	return transfer->discarded > TRANSFER_LIMIT_DISCARD ? transfer->verdict : TRANSFER_MORE;
}

static enum transfer_step take_body(struct transfer *transfer, const char *buf, size_t len)
{
	int r;

	if (!len)
		return TRANSFER_MORE;
	if (transfer->discard)
		return discard(transfer, len);
	if (len > transfer->expected - transfer->bytes)
		return transfer_fail(transfer, TOOL_EXIT_TRANSFER,
				     "more has come than the answer's head had announced");
	r = output_write(&transfer->output, buf, len, transfer->rules->stop);
	if (r)
		return fail_output(transfer, r);
	transfer->bytes += len;
	return TRANSFER_MORE;
}

static enum transfer_step commit(struct transfer *transfer)
{
	int r = output_commit(&transfer->output);

	if (r)
		return fail_output(transfer, r);
	output_done(&transfer->output);
	transfer->open = false;
	return TRANSFER_DONE;
}

/* For the next time it is asked for. */
static enum transfer_step forget(struct transfer *transfer)
{
	transfer->judged = transfer->discard = false;
	transfer->at = transfer->discarded = 0;
	transfer->size = transfer->expected = HTTP_SIZE_UNKNOWN;
	return TRANSFER_AGAIN;
}

/* The message has ended that was waited for. */
static enum transfer_step conclude(struct transfer *transfer)
{
	bool rest = transfer->at && !transfer->discard;

	if (transfer->verdict == TRANSFER_FAILED)
		return TRANSFER_FAILED;
	if (transfer->verdict == TRANSFER_AGAIN)
		return forget(transfer);
	if (rest && transfer->bytes < transfer->expected)
		return fail_cut(transfer, "less has come than the answer's head had announced");
	if (rest && transfer->size != HTTP_SIZE_UNKNOWN &&
	    transfer->at + transfer->bytes < transfer->size)
		return fail_cut(transfer, "the server sent only a piece of what was asked for");
	return commit(transfer);
}

/* Steps that end a message before its last byte was seen. */
static enum transfer_step leave(struct transfer *transfer, enum transfer_step step)
{
	return step == TRANSFER_DONE || step == TRANSFER_AGAIN ? conclude(transfer) : step;
}

static enum transfer_step fail_reading(struct transfer *transfer, int error)
{
	return transfer_fail(transfer, TOOL_EXIT_TRANSFER, "%s",
			     error == -EMSGSIZE ? "the response's head is too large"
						: "the response is not HTTP");
}

/* The end of a message: of the one we wait for, or of one that announces another. */
static enum transfer_step take_last(struct transfer *transfer, struct http_reader *reader,
				    size_t left)
{
	if (http_reader_head(reader)->status / 100 == 1) {
		http_reader_reset(reader);
		return TRANSFER_MORE;
	}
	transfer->ended = !left && http_reader_head(reader)->keep_alive;
	return conclude(transfer);
}

enum transfer_step transfer_take(struct transfer *transfer, struct http_reader *reader, char *buf,
				 size_t len)
{
	size_t at = 0;
	int event;

	transfer->ended = false;
	do {
		enum transfer_step step = TRANSFER_MORE;
		size_t used, body_len;

		event = http_reader_feed(reader, buf + at, len - at, &used, &body_len);
		if (event < 0)
			return fail_reading(transfer, event);
		if (event == HTTP_EVENT_HEAD)
			step = take_head(transfer, http_reader_head(reader));
		else
			step = take_body(transfer, buf + at, body_len);
		at += used;
		if (step == TRANSFER_MORE && event == HTTP_EVENT_END)
			step = take_last(transfer, reader, len - at);
		else
			step = leave(transfer, step);
		if (step != TRANSFER_MORE)
			return step;
	} while (at < len || event == HTTP_EVENT_HEAD);
	return TRANSFER_MORE;
}

enum transfer_step transfer_take_end(struct transfer *transfer, struct http_reader *reader,
				     bool notified)
{
	/* What it means was clear before. */
	if (transfer->judged && transfer->verdict != TRANSFER_DONE)
		return leave(transfer, transfer->verdict);
	if (!notified)
		return fail_cut(transfer, "the connection ended without close_notify");
	if (http_reader_finish(reader) != HTTP_EVENT_END)
		return fail_cut(transfer, "the peer closed before the response was complete");
	return conclude(transfer);
}
