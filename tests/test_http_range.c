/* SPDX-License-Identifier: MIT */

/* Which bytes a Range field asks for, as a table. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "http.h"

/* "2+4 9+1": offset and length of each. */
static void format_ranges(const struct http_ranges *ranges, char *ret_text, size_t size)
{
	size_t at = 0;

	for (unsigned int i = 0; i < ranges->n; i++)
		at += (size_t)snprintf(ret_text + at, size - at, i ? " %lu+%lu" : "%lu+%lu",
				       ranges->range[i].offset, ranges->range[i].len);
}

static const struct {
	const char *value;
	uint64_t size;
	enum http_range_kind kind;
	const char *ranges;
} rows[] = {
	{ "bytes=0-0", 10, HTTP_RANGE_PARTS, "0+1" },
	{ "bytes=0-9", 10, HTTP_RANGE_PARTS, "0+10" },
	{ "bytes=2-5", 10, HTTP_RANGE_PARTS, "2+4" },
	{ "bytes=9-9", 10, HTTP_RANGE_PARTS, "9+1" },
	{ "bytes=2-", 10, HTTP_RANGE_PARTS, "2+8" },
	{ "bytes=2-100", 10, HTTP_RANGE_PARTS, "2+8" },
	{ "bytes=-3", 10, HTTP_RANGE_PARTS, "7+3" },
	{ "bytes=-10", 10, HTTP_RANGE_PARTS, "0+10" },
	{ "bytes=-11", 10, HTTP_RANGE_PARTS, "0+10" },
	{ "Bytes=1-2", 10, HTTP_RANGE_PARTS, "1+2" },
	{ "bytes= 1-2 ", 10, HTTP_RANGE_PARTS, "1+2" },
	{ "bytes=5000000000-5000000001", 6000000000, HTTP_RANGE_PARTS, "5000000000+2" },
	{ "bytes=0-18446744073709551615", 10, HTTP_RANGE_PARTS, "0+10" },
	{ "bytes=0-99999999999999999999999", 10, HTTP_RANGE_PARTS, "0+10" },
	{ "bytes=-99999999999999999999999", 10, HTTP_RANGE_PARTS, "0+10" },
	{ "bytes=10-", 10, HTTP_RANGE_UNSATISFIABLE, "" },
	{ "bytes=10-20", 10, HTTP_RANGE_UNSATISFIABLE, "" },
	{ "bytes=18446744073709551616-", 10, HTTP_RANGE_UNSATISFIABLE, "" },
	{ "bytes=18446744073709551615-18446744073709551615", 10, HTTP_RANGE_UNSATISFIABLE, "" },
	{ "bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE, "" },
	{ "bytes=10-, -0,20-30", 10, HTTP_RANGE_UNSATISFIABLE, "" },
	{ "bytes=0-1,3-4", 10, HTTP_RANGE_PARTS, "0+2 3+2" },
	{ "bytes=0-1 ,\t3-4", 10, HTTP_RANGE_PARTS, "0+2 3+2" },
	{ "bytes=0-1,2-3", 10, HTTP_RANGE_PARTS, "0+2 2+2" },
	{ "bytes=7-,-9,0-0", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=9-,0-0,4-5", 10, HTTP_RANGE_PARTS, "9+1 0+1 4+2" },
	{ "bytes=0-1,10-20", 10, HTTP_RANGE_PARTS, "0+2" },
	{ "bytes=10-,-1", 10, HTTP_RANGE_PARTS, "9+1" },
	{ "bytes=0-4,4-5", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=0-0,0-0", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=0-,0-", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=4-5,0-9", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=-1,-2", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,"
	  "15-15",
	  100, HTTP_RANGE_PARTS,
	  "0+1 1+1 2+1 3+1 4+1 5+1 6+1 7+1 8+1 9+1 10+1 11+1 12+1 13+1 14+1 15+1" },
	{ "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,"
	  "15-15,16-16",
	  100, HTTP_RANGE_WHOLE, "" },
	{ "bytes=0-", 0, HTTP_RANGE_WHOLE, "" },
	{ "bytes=-5", 0, HTTP_RANGE_WHOLE, "" },
	{ "bytes=5-2", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=-", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=--1", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=1", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=0-1,", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=0-1,x", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=0-1 3-4", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=a-b", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=1-2x", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes=+1-2", 10, HTTP_RANGE_WHOLE, "" },
	{ "bytes 1-2", 10, HTTP_RANGE_WHOLE, "" },
	{ "lines=1-2", 10, HTTP_RANGE_WHOLE, "" },
	{ "", 10, HTTP_RANGE_WHOLE, "" },
};

Test(unit, ranges)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_ranges ranges = { .n = 0 };
		enum http_range_kind kind = http_range_parse(rows[i].value, rows[i].size, &ranges);
		char text[512] = "";

		format_ranges(&ranges, text, sizeof(text));
		cr_expect_eq(kind, rows[i].kind, "%s of %lu", rows[i].value, rows[i].size);
		cr_expect_str_eq(text, rows[i].ranges, "%s of %lu: %s", rows[i].value, rows[i].size,
				 text);
	}
}

/* However cleverly they are chosen, parts are never more than the whole. */
Test(unit, parts_are_never_more_than_the_whole)
{
	uint64_t state = 1;

	for (int turn = 0; turn < 20000; turn++) {
		struct http_ranges ranges = { .n = 0 };
		uint64_t sum = 0;
		char value[128] = "bytes=";

		for (int i = 0; i < 4; i++) {
			size_t at = strlen(value);
			unsigned int first, last;

			state = state * 6364136223846793005u + 1442695040888963407u;
			first = (unsigned int)(state >> 33) % 12;
			last = first + (unsigned int)(state >> 50) % 4;
			snprintf(value + at, sizeof(value) - at, i ? ",%u-%u" : "%u-%u", first,
				 last);
		}
		if (http_range_parse(value, 10, &ranges) != HTTP_RANGE_PARTS)
			continue;
		for (unsigned int i = 0; i < ranges.n; i++)
			sum += ranges.range[i].len;
		cr_assert_leq(sum, 10, "%s", value);
	}
}

Test(unit, what_an_answer_says_that_it_is_a_part_of)
{
	static const struct {
		const char *value;
		int r;
		struct http_content_range range;
	} table[] = {
		{ "bytes 0-9/10", 0, { 0, 10, 10 } },
		{ "BYTES 5-9/10", 0, { 5, 5, 10 } },
		{ "bytes 5-7/10", 0, { 5, 3, 10 } },
		{ "bytes 5-7/*", 0, { 5, 3, HTTP_SIZE_UNKNOWN } },
		{ "bytes */10", 0, { 0, 0, 10 } },
		{ "bytes */*", -EBADMSG, { 0 } },
		{ "bytes 5-10/10", -EBADMSG, { 0 } },
		{ "bytes 7-5/10", -EBADMSG, { 0 } },
		{ "bytes 5-/10", -EBADMSG, { 0 } },
		{ "bytes -5/10", -EBADMSG, { 0 } },
		{ "bytes 5-7", -EBADMSG, { 0 } },
		{ "bytes 5-7/", -EBADMSG, { 0 } },
		{ "bytes 5-7/10x", -EBADMSG, { 0 } },
		{ "bytes=5-7/10", -EBADMSG, { 0 } },
		{ "bytes 0-18446744073709551615/*", -EBADMSG, { 0 } },
		{ "bytes 0-99999999999999999999/*", -EBADMSG, { 0 } },
		{ "lines 5-7/10", -EBADMSG, { 0 } },
		{ "", -EBADMSG, { 0 } },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct http_content_range range = { 0 };

		cr_expect_eq(http_content_range_parse(table[i].value, &range), table[i].r, "%s",
			     table[i].value);
		cr_expect(range.offset == table[i].range.offset &&
				  range.len == table[i].range.len &&
				  range.size == table[i].range.size,
			  "%s", table[i].value);
	}
}

Test(unit, lengths)
{
	uint64_t len = 7;

	cr_expect_eq(http_length_parse("18446744073709551614", &len), 0);
	cr_expect_eq(len, UINT64_MAX - 1);
	cr_expect_eq(http_length_parse("0", &len), 0);
	cr_expect_eq(len, 0);
	cr_expect_eq(http_length_parse("18446744073709551615", &len), -EBADMSG);
	cr_expect_eq(http_length_parse("-1", &len), -EBADMSG);
	cr_expect_eq(http_length_parse("1, 1", &len), -EBADMSG);
	cr_expect_eq(http_length_parse("", &len), -EBADMSG);
	cr_expect_eq(len, 0);
}
