/* SPDX-License-Identifier: MIT */

/* What is known of a part, and which answers bring its rest. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "part.h"

/* An answer's head, as far as it matters. */
struct answer {
	unsigned int status;
	const char *etag, *modified, *date, *length, *range;
};

static void set(struct http_head *head, enum http_field field, const char *value)
{
	head->value[field] = value;
	head->count[field] = value != NULL;
}

static struct http_head make_head(const struct answer *answer)
{
	struct http_head head = { .status = answer->status };

	set(&head, HTTP_FIELD_ETAG, answer->etag);
	set(&head, HTTP_FIELD_LAST_MODIFIED, answer->modified);
	set(&head, HTTP_FIELD_DATE, answer->date);
	set(&head, HTTP_FIELD_CONTENT_LENGTH, answer->length);
	set(&head, HTTP_FIELD_CONTENT_RANGE, answer->range);
	return head;
}

static const char then[] = "Sun, 06 Nov 1994 08:49:37 GMT";
static const char second_later[] = "Sun, 06 Nov 1994 08:49:38 GMT";
static const char later[] = "Sun, 06 Nov 1994 08:49:39 GMT";

Test(unit, what_a_head_says_of_the_file)
{
	static const struct {
		struct answer answer;
		const char *validator;
		uint64_t size;
	} rows[] = {
		{ { .etag = "\"x\"", .length = "10" }, "\"x\"", 10 },
		{ { .etag = "\"\"", .modified = then, .date = later }, "\"\"", HTTP_SIZE_UNKNOWN },
		{ { .etag = "W/\"x\"" }, "", HTTP_SIZE_UNKNOWN },
		{ { .etag = "W/\"x\"", .modified = then, .date = later }, then, HTTP_SIZE_UNKNOWN },
		{ { .etag = "x" }, "", HTTP_SIZE_UNKNOWN },
		{ { .etag = "\"" }, "", HTTP_SIZE_UNKNOWN },
		{ { .etag = "\"x\" \"y\"" }, "", HTTP_SIZE_UNKNOWN },
		{ { .modified = then, .date = second_later }, "", HTTP_SIZE_UNKNOWN },
		{ { .modified = then }, "", HTTP_SIZE_UNKNOWN },
		{ { .modified = "yesterday", .date = later }, "", HTTP_SIZE_UNKNOWN },
		{ { .length = "0" }, "", 0 },
		{ { .length = "ten" }, "", HTTP_SIZE_UNKNOWN },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_head head = make_head(&rows[i].answer);
		struct part part;

		part_from_head(&part, &head);
		cr_expect_str_eq(part.validator, rows[i].validator, "row %zu", i);
		cr_expect_eq(part.size, rows[i].size, "row %zu", i);
	}
}

Test(unit, a_tag_of_great_length_is_none)
{
	char etag[PART_LIMIT_VALIDATOR + 2];
	struct answer answer = { .etag = etag };
	struct http_head head;
	struct part part;

	memset(etag, 'x', sizeof(etag) - 1);
	etag[0] = etag[sizeof(etag) - 2] = '"';
	etag[sizeof(etag) - 1] = '\0';
	head = make_head(&answer);

	part_from_head(&part, &head);

	cr_expect_str_empty(part.validator);
}

Test(unit, chunks_have_no_length_and_two_tags_are_none)
{
	struct answer answer = { .etag = "\"x\"", .length = "10" };
	struct http_head head = make_head(&answer);
	struct part part;

	head.count[HTTP_FIELD_TRANSFER_ENCODING] = 1;
	head.count[HTTP_FIELD_ETAG] = 2;
	part_from_head(&part, &head);

	cr_expect_str_empty(part.validator);
	cr_expect_eq(part.size, HTTP_SIZE_UNKNOWN);
}

static const struct part tagged = { .validator = "\"x\"", .size = 10 };
static const struct part dated = { .validator = "Sun, 06 Nov 1994 08:49:37 GMT", .size = 10 };
static const struct part endless = { .validator = "\"x\"", .size = HTTP_SIZE_UNKNOWN };

static const struct {
	const struct part *part;
	uint64_t offset;
	struct answer answer;
	enum part_verdict verdict;
} rows[] = {
	/* All of it. */
	{ &tagged, 0, { .status = 200 }, PART_ANEW },
	{ &tagged, 4, { .status = 200, .etag = "\"y\"" }, PART_ANEW },
	{ &tagged, 4, { .status = 203 }, PART_ANEW },
	/* The rest. */
	{ &tagged, 4, { .status = 206, .range = "bytes 4-9/10" }, PART_REST },
	{ &tagged, 4, { .status = 206, .range = "bytes 4-9/*" }, PART_REST },
	{ &tagged, 4, { .status = 206, .range = "bytes 4-6/10", .length = "3" }, PART_REST },
	{ &tagged, 4, { .status = 206, .range = "bytes 4-9/10", .etag = "\"x\"" }, PART_REST },
	{ &dated, 4, { .status = 206, .range = "bytes 4-9/10", .modified = then }, PART_REST },
	{ &dated, 4, { .status = 206, .range = "bytes 4-9/10", .etag = "\"y\"" }, PART_REST },
	{ &endless, 4, { .status = 206, .range = "bytes 4-9/10" }, PART_REST },
	/* Other bytes, or nobody knows which. */
	{ &tagged, 4, { .status = 206 }, PART_WRONG },
	{ &tagged, 4, { .status = 206, .range = "bytes 4-9" }, PART_WRONG },
	{ &tagged, 4, { .status = 206, .range = "bytes 0-9/10" }, PART_WRONG },
	{ &tagged, 4, { .status = 206, .range = "bytes 5-9/10" }, PART_WRONG },
	{ &tagged, 4, { .status = 206, .range = "bytes */10" }, PART_WRONG },
	{ &tagged, 4, { .status = 206, .range = "bytes 4-9/10", .length = "5" }, PART_WRONG },
	{ &tagged, 0, { .status = 206, .range = "bytes 0-9/10" }, PART_WRONG },
	{ &tagged, 0, { .status = 416, .range = "bytes */10" }, PART_WRONG },
	/* Of another file. */
	{ &tagged, 4, { .status = 206, .range = "bytes 4-9/10", .etag = "\"y\"" }, PART_OTHER },
	{ &tagged, 4, { .status = 206, .range = "bytes 4-9/10", .etag = "W/\"x\"" }, PART_OTHER },
	{ &tagged, 4, { .status = 206, .range = "bytes 4-10/11" }, PART_OTHER },
	{ &dated, 4, { .status = 206, .range = "bytes 4-9/10", .modified = later }, PART_OTHER },
	/* Nothing follows. */
	{ &tagged, 10, { .status = 416, .range = "bytes */10" }, PART_WHOLE },
	{ &tagged, 10, { .status = 416, .range = "bytes */10", .etag = "\"x\"" }, PART_WHOLE },
	{ &tagged, 10, { .status = 416, .range = "bytes */10", .etag = "\"y\"" }, PART_OTHER },
	{ &tagged, 8, { .status = 416, .range = "bytes */8" }, PART_OTHER },
	{ &tagged, 10, { .status = 416, .range = "bytes */8" }, PART_OTHER },
	{ &tagged, 10, { .status = 416 }, PART_OTHER },
	{ &endless, 10, { .status = 416, .range = "bytes */10" }, PART_OTHER },
};

Test(unit, which_answers_bring_the_rest)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_head head = make_head(&rows[i].answer);
		struct http_content_range range = { 0 };

		cr_expect_eq(part_judge(rows[i].part, rows[i].offset, &head, &range),
			     rows[i].verdict, "row %zu", i);
		if (rows[i].verdict == PART_REST)
			cr_expect_eq(range.offset, rows[i].offset, "row %zu", i);
	}
}

Test(unit, two_ranges_in_one_head_are_none)
{
	struct answer answer = { .status = 206, .range = "bytes 4-9/10" };
	struct http_head head = make_head(&answer);
	struct http_content_range range;

	head.count[HTTP_FIELD_CONTENT_RANGE] = 2;

	cr_expect_eq(part_judge(&tagged, 4, &head, &range), PART_WRONG);
}

static const char url[] = "https://a.example/b?c";

static void expect_back(const struct part *part)
{
	char note[PART_LIMIT_NOTE];
	struct part back;
	size_t len;

	cr_assert_eq(part_format(part, url, note, &len), 0);
	cr_assert_eq(part_parse(&back, url, note, len), 0);
	cr_expect_str_eq(back.validator, part->validator);
	cr_expect_eq(back.size, part->size);
	cr_expect_eq(part_parse(&back, "https://a.example/b", note, len), -ESTALE);
	/* Half a note is none, wherever it was cut. */
	for (size_t cut = 0; cut < len; cut++)
		cr_expect_eq(part_parse(&back, url, note, cut), -EBADMSG, "%zu of %zu", cut, len);
}

Test(unit, a_note_is_read_as_it_was_written)
{
	static const struct part nothing = { .size = HTTP_SIZE_UNKNOWN };

	expect_back(&tagged);
	expect_back(&dated);
	expect_back(&endless);
	expect_back(&nothing);
}

Test(unit, other_texts_are_no_notes)
{
	static const char *const texts[] = {
		"mine\n",
		"ktls get: a part of\nend\n",
		"ktls get: a part of\nurl https://a.example/b?c\nsize ten\nend\n",
		"ktls get: a part of\nurl https://a.example/b?c\nsize "
		"1000000000000000000000000\nend\n",
		"ktls get: a part of\nurl https://a.example/b?c\ncolour red\nend\n",
	};
	struct part part;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		cr_expect_eq(part_parse(&part, url, texts[i], strlen(texts[i])), -EBADMSG, "%zu",
			     i);
}

Test(unit, a_url_of_great_length_has_no_note)
{
	static char long_url[PART_LIMIT_NOTE + 1], note[PART_LIMIT_NOTE];
	size_t len;

	memset(long_url, 'x', sizeof(long_url) - 1);

	cr_expect_eq(part_format(&tagged, long_url, note, &len), -ENAMETOOLONG);
}
