/* SPDX-License-Identifier: MIT */

/* Lines and words of text files, as they should be and as they should not. */

#include <string.h>

#include <criterion/criterion.h>

#include "lines.h"

static struct lines_word word_of(const char *text)
{
	return (struct lines_word){ text, strlen(text) };
}

Test(unit, lines_end_with_the_text_if_not_before)
{
	static const char text[] = "one\n\ntwo three";
	static const char *const wanted[] = { "one", "", "two three" };
	struct lines lines = { text, strlen(text) };
	struct lines_word line;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		cr_assert(lines_next(&lines, &line));
		cr_assert(lines_is(line, wanted[i]), "%zu", i);
	}
	cr_assert_not(lines_next(&lines, &line));
	cr_assert_not(lines_next(&lines, &line));
}

Test(unit, an_empty_text_has_no_line)
{
	struct lines lines = { NULL, 0 };
	struct lines_word line;

	cr_assert_not(lines_next(&lines, &line));
}

Test(unit, words_are_what_is_between_blanks)
{
	struct lines_word line = word_of(" \tone  two\r");

	cr_assert(lines_is(lines_take_word(&line), "one"));
	cr_assert(lines_is(lines_take_word(&line), "two"));
	cr_assert_eq(line.len, 0);
	cr_assert_eq(lines_take_word(&line).len, 0);
	cr_assert(lines_has(word_of("mptcp tls"), "tls"));
	cr_assert_not(lines_has(word_of("mptcp tlsx xtls  "), "tls"));
}

Test(unit, a_name_and_its_value_stand_around_the_first_colon)
{
	struct lines_word name, value;

	cr_assert(lines_split(word_of("name  : a : b "), &name, &value));
	cr_assert(lines_is(name, "name"));
	cr_assert(lines_is(value, "a : b"));
	cr_assert(lines_split(word_of(":"), &name, &value));
	cr_assert(name.len == 0 && value.len == 0);
	cr_assert_not(lines_split(word_of("name"), &name, &value));
	cr_assert_not(lines_split((struct lines_word){ 0 }, &name, &value));
}

Test(unit, numbers_are_whole_and_fit)
{
	static const char *const wrong[] = {
		"", " ", "-1", "+1", "x", "1x", "18446744073709551616", "0x10"
	};
	struct lines_word line = word_of(" 0 18446744073709551615 7");
	uint64_t number = 1;

	cr_assert(lines_take_number(&line, &number) && number == 0);
	cr_assert(lines_take_number(&line, &number) && number == UINT64_MAX);
	cr_assert(lines_take_number(&line, &number) && number == 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		line = word_of(wrong[i]);
		cr_assert_not(lines_take_number(&line, &number), "%s", wrong[i]);
		cr_assert_eq(line.at, wrong[i], "it is not taken");
	}
	cr_assert_eq(number, 7);
}

Test(unit, a_copy_fits_or_is_none)
{
	char text[4] = "-";

	cr_assert_not(lines_copy(word_of("four"), text, sizeof(text)));
	cr_assert_str_eq(text, "-");
	cr_assert(lines_copy(word_of("two"), text, sizeof(text)));
	cr_assert_str_eq(text, "two");
	cr_assert_not(lines_copy((struct lines_word){ "a\0b", 3 }, text, sizeof(text)));
}
