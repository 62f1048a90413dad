/* SPDX-License-Identifier: MIT */

/* Text in a room of fixed size. */

#include <string.h>

#include <criterion/criterion.h>

#include "text.h"

static bool is(const struct text *text, const char *wanted)
{
	return text->len == strlen(wanted) && !memcmp(text->buf, wanted, text->len);
}

Test(unit, pieces_are_put_one_after_the_other)
{
	char buf[64];
	struct text text = { .buf = buf, .size = sizeof(buf) };

	text_put_string(&text, "n=");
	text_put_number(&text, 0);
	text_put(&text, ", more", 1);
	text_put_number(&text, UINT64_MAX);

	cr_expect(is(&text, "n=0,18446744073709551615"));
	cr_expect_not(text.cut);
}

Test(unit, what_does_not_fit_is_left_out_and_known)
{
	char buf[4];
	struct text text = { .buf = buf, .size = sizeof(buf) };

	text_put_string(&text, "abcd");
	cr_expect_not(text.cut);
	text_put_string(&text, "");
	cr_expect_not(text.cut);
	text_put_number(&text, 1);

	cr_expect(text.cut);
	cr_expect(is(&text, "abcd"));
}

Test(unit, what_a_stranger_wrote_stays_within_its_quotes)
{
	static const struct {
		const char *string;
		size_t size;
		const char *text;
	} rows[] = {
		{ "/a?b=c d", 100, "/a?b=c d" },
		{ "a\"b\\c", 100, "a\\x22b\\x5cc" },
		{ "\r\n\x1b[2J\x7f", 100, "\\x0d\\x0a\\x1b[2J\\x7f" },
		{ "\xc3\xa4", 100, "\\xc3\\xa4" },
		{ "abcdef", 3, "abc" },
		{ "a\nb", 4, "a" },
		{ "", 3, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char buf[128];
		struct text text = { .buf = buf, .size = rows[i].size };

		text_put_quoted(&text, rows[i].string);
		cr_expect(is(&text, rows[i].text), "%zu: %.*s", i, (int)text.len, buf);
	}
}
