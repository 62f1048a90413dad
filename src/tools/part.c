/* SPDX-License-Identifier: MIT */

/* See part.h. In doubt nothing is joined: a file is fetched twice rather than made of two. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "part.h"
#include "text.h"

static const char first_line[] = "ktls get: a part of";
static const char last_line[] = "end";

/* -- What a server says -- */

static const char *get_once(const struct http_head *head, enum http_field field)
{
	return head->count[field] == 1 ? head->value[field] : NULL;
}

/* RFC 9110 8.8.3; a weak one ("W/") may stand for other bytes. */
static bool is_strong_tag(const char *tag)
{
	size_t len = strlen(tag);

	return len >= 2 && *tag == '"' && strchr(tag + 1, '"') == tag + len - 1;
}

/* Within one second a file may change twice: a date is good once the server's clock has passed it
 * by more (RFC 9110 8.8.2.2). */
static bool is_strong_date(const char *modified, const char *date)
{
	int64_t modified_s, date_s;

	return !http_date_parse(modified, &modified_s) && !http_date_parse(date, &date_s) &&
	       date_s - modified_s > 1;
}

static const char *find_validator(const struct http_head *head)
{
	const char *tag = get_once(head, HTTP_FIELD_ETAG);
	const char *modified = get_once(head, HTTP_FIELD_LAST_MODIFIED);
	const char *date = get_once(head, HTTP_FIELD_DATE);

	if (tag && is_strong_tag(tag))
		return tag;
	return modified && date && is_strong_date(modified, date) ? modified : "";
}

static uint64_t find_size(const struct http_head *head)
{
	const char *length = get_once(head, HTTP_FIELD_CONTENT_LENGTH);
	uint64_t size;

	if (!length || head->count[HTTP_FIELD_TRANSFER_ENCODING] ||
	    http_length_parse(length, &size))
		return HTTP_SIZE_UNKNOWN;
	return size;
}

void part_from_head(struct part *ret_part, const struct http_head *head)
{
	const char *validator = find_validator(head);
	size_t len = strlen(validator);

	memset(ret_part, 0, sizeof(*ret_part));
	ret_part->size = find_size(head);
	if (len < sizeof(ret_part->validator))
		memcpy(ret_part->validator, validator, len);
}

/* Unless it says so in other words, what comes with a validator of another kind is the same. */
static bool may_be_same(const struct part *part, const struct http_head *head)
{
	enum http_field field =
		*part->validator == '"' ? HTTP_FIELD_ETAG : HTTP_FIELD_LAST_MODIFIED;

	if (head->count[field] > 1)
		return false;
	return !head->count[field] || !strcmp(head->value[field], part->validator);
}

/* Of two sizes at least one of which is unknown nothing can be said. */
static bool may_be_size(uint64_t one, uint64_t other)
{
	return one == HTTP_SIZE_UNKNOWN || other == HTTP_SIZE_UNKNOWN || one == other;
}

static enum part_verdict judge_rest(const struct part *part, uint64_t offset,
				    const struct http_head *head,
				    struct http_content_range *ret_range)
{
	const char *value = get_once(head, HTTP_FIELD_CONTENT_RANGE);
	struct http_content_range range;

	if (!offset || !value || http_content_range_parse(value, &range))
		return PART_WRONG;
	if (!range.len || range.offset != offset || !may_be_size(find_size(head), range.len))
		return PART_WRONG;
	/* It did not mind our If-Range. */
	if (!may_be_same(part, head) || !may_be_size(part->size, range.size))
		return PART_OTHER;
	*ret_range = range;
	return PART_REST;
}

/* Nothing follows what is here: it is all, or of a file that was longer. */
static enum part_verdict judge_nothing(const struct part *part, uint64_t offset,
				       const struct http_head *head)
{
	const char *value = get_once(head, HTTP_FIELD_CONTENT_RANGE);
	struct http_content_range range;

	if (!offset)
		return PART_WRONG;
	if (!value || http_content_range_parse(value, &range) || range.len || range.size != offset)
		return PART_OTHER;
	return may_be_same(part, head) && part->size == offset ? PART_WHOLE : PART_OTHER;
}

enum part_verdict part_judge(const struct part *part, uint64_t offset, const struct http_head *head,
			     struct http_content_range *ret_range)
{
	if (head->status == 206)
		return judge_rest(part, offset, head, ret_range);
	return head->status == 416 ? judge_nothing(part, offset, head) : PART_ANEW;
}

/* -- The note -- */

int part_format(const struct part *part, const char *url, char *ret_text, size_t *ret_len)
{
	struct text text = { .buf = ret_text, .size = PART_LIMIT_NOTE };

	text_put_string(&text, first_line);
	text_put_string(&text, "\nurl ");
	text_put_string(&text, url);
	if (part->size != HTTP_SIZE_UNKNOWN) {
		text_put_string(&text, "\nsize ");
		text_put_number(&text, part->size);
	}
	if (*part->validator) {
		text_put_string(&text, "\nvalidator ");
		text_put_string(&text, part->validator);
	}
	text_put_string(&text, "\n");
	text_put_string(&text, last_line);
	text_put_string(&text, "\n");
	*ret_len = text.len;
	return text.cut ? -ENAMETOOLONG : 0;
}

/* Takes the next line, without its end. False: there is no whole one. */
static bool next_line(const char **at, const char *end, const char **ret_line, size_t *ret_len)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));

	if (!newline)
		return false;
	*ret_line = *at;
	*ret_len = (size_t)(newline - *at);
	*at = newline + 1;
	return true;
}

/* What follows the word, if the line begins with it. */
static bool follows(const char *word, const char **line, size_t *len)
{
	size_t word_len = strlen(word);

	if (*len < word_len || memcmp(*line, word, word_len) != 0)
		return false;
	*line += word_len;
	*len -= word_len;
	return true;
}

static int parse_line(struct part *part, const char *line, size_t len)
{
	char number[24] = "";

	if (follows("size ", &line, &len)) {
		if (len >= sizeof(number))
			return -EBADMSG;
		memcpy(number, line, len);
		return http_length_parse(number, &part->size);
	}
	if (!follows("validator ", &line, &len) || len >= sizeof(part->validator))
		return -EBADMSG;
	memcpy(part->validator, line, len);
	return 0;
}

int part_parse(struct part *ret_part, const char *url, const char *text, size_t len)
{
	struct part part = { .size = HTTP_SIZE_UNKNOWN };
	const char *at = text, *end = text + len, *line;
	size_t line_len;
	bool stale;

	if (!next_line(&at, end, &line, &line_len) || line_len != strlen(first_line) ||
	    !follows(first_line, &line, &line_len))
		return -EBADMSG;
	if (!next_line(&at, end, &line, &line_len) || !follows("url ", &line, &line_len))
		return -EBADMSG;
	stale = line_len != strlen(url) || memcmp(line, url, line_len) != 0;
	while (next_line(&at, end, &line, &line_len)) {
		if (line_len == strlen(last_line) && follows(last_line, &line, &line_len)) {
			*ret_part = part;
			return stale ? -ESTALE : 0;
		}
		if (parse_line(&part, line, line_len))
			return -EBADMSG;
	}
	return -EBADMSG;
}
