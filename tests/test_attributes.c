/* SPDX-License-Identifier: MIT */

/* Requests put together and answers taken apart. */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <linux/netlink.h>

#include <criterion/criterion.h>

#include "src/netlink.h"

Test(unit, a_request_is_built_and_read_back)
{
	struct ktls_ask built = { .type = 77 };
	struct ktls_view all, views[4], inner[3];
	size_t mark;
	char text[8];

	cr_assert_eq(ktls_ask_put_header(&built, "hdr", 3), 0);
	cr_assert_eq(ktls_ask_put(&built, 1, "x", 1), 0);
	cr_assert_eq(ktls_ask_begin(&built, 2, &mark), 0);
	cr_assert_eq(ktls_ask_put(&built, 1, "deep", 5), 0);
	cr_assert_eq(ktls_ask_put(&built, 2, NULL, 0), 0);
	ktls_ask_end(&built, mark);
	cr_assert_eq(ktls_ask_put(&built, 9, "unknown", 7), 0);

	all = (struct ktls_view){ built.data, built.len };
	cr_assert_eq(ktls_view_skip(all, 3, &all), 0);
	cr_assert_eq(ktls_views(all, views, 4), 0);
	cr_assert_eq(ktls_view_u8(views[1], 0), 'x');
	cr_assert(!views[0].data && !views[3].data);
	cr_assert_eq(ktls_views(views[2], inner, 3), 0);
	ktls_view_string(inner[1], text, sizeof(text));
	cr_assert_str_eq(text, "deep");
	cr_assert(inner[2].data && !inner[2].len);
}

Test(unit, a_full_request_takes_nothing)
{
	struct ktls_ask built = { .type = 77 };
	size_t mark = 7;

	cr_assert_eq(ktls_ask_put_header(&built, built.data, KTLS_NETLINK_ASK_MAX + 1), -EMSGSIZE);
	cr_assert_eq(ktls_ask_put(&built, 1, built.data, KTLS_NETLINK_ASK_MAX - 3), -EMSGSIZE);
	cr_assert_eq(ktls_ask_put(&built, 1, built.data, SIZE_MAX - 2), -EMSGSIZE);
	cr_assert_eq(built.len, 0);

	while (built.len < KTLS_NETLINK_ASK_MAX)
		cr_assert_eq(ktls_ask_put_header(&built, "full", 4), 0);
	cr_assert_eq(ktls_ask_put_header(&built, "x", 1), -EMSGSIZE);
	cr_assert_eq(ktls_ask_put(&built, 1, NULL, 0), -EMSGSIZE);
	cr_assert_eq(ktls_ask_begin(&built, 1, &mark), -EMSGSIZE);
	cr_assert_eq(built.len, KTLS_NETLINK_ASK_MAX);
	cr_assert_eq(mark, 7);
}

/* Cut at every byte: only between two attributes, or without the last one's padding, it is one. */
Test(unit, cut_attributes_are_malformed)
{
	struct ktls_ask built = { .type = 77 };
	struct ktls_view views[3];

	cr_assert_eq(ktls_ask_put(&built, 1, "abc", 3), 0);
	cr_assert_eq(ktls_ask_put(&built, 2, "d", 1), 0);
	for (size_t len = 0; len <= built.len; len++) {
		struct ktls_view row = { built.data, len };
		bool whole = !len || len == 7 || len == 8 || len >= 13;

		memset(views, 0xff, sizeof(views));
		cr_assert_eq(ktls_views(row, views, 3), whole ? 0 : -EBADMSG, "%zu", len);
		cr_assert_eq(views[0].len, whole ? 0 : SIZE_MAX, "%zu", len);
	}
}

Test(unit, an_attribute_shorter_than_its_header_is_malformed)
{
	for (uint16_t len = 0; len < NLA_HDRLEN; len++) {
		struct nlattr head = { .nla_len = len, .nla_type = 1 };
		struct ktls_view row = { (const uint8_t *)&head, sizeof(head) }, views[2];

		cr_assert_eq(ktls_views(row, views, 2), -EBADMSG);
	}
}

Test(unit, of_two_attributes_of_a_type_the_last_counts_and_both_can_be_had)
{
	struct ktls_ask built = { .type = 77 };
	struct ktls_view row, view, views[2];
	uint16_t type;

	cr_assert_eq(ktls_ask_put(&built, 1, "a", 1), 0);
	cr_assert_eq(ktls_ask_put(&built, 1 | NLA_F_NESTED, "b", 1), 0);
	row = (struct ktls_view){ built.data, built.len };

	cr_assert_eq(ktls_views(row, views, 2), 0);
	cr_assert_eq(*views[1].data, 'b');
	cr_assert_eq(ktls_view_next(&row, &type, &view), 0);
	cr_assert(type == 1 && *view.data == 'a');
	cr_assert_eq(ktls_view_next(&row, &type, &view), 0);
	cr_assert(type == 1 && *view.data == 'b');
	cr_assert_eq(ktls_view_next(&row, &type, &view), -ENODATA);
}

Test(unit, a_value_of_another_length_is_not_there)
{
	static const uint8_t bytes[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };

	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct ktls_view view = { bytes, len };

		cr_assert_eq(ktls_view_u8(view, 9), len == 1 ? 1 : 9);
		cr_assert_eq(ktls_view_u16(view, 9), len == 2 ? 0x0101 : 9);
		cr_assert_eq(ktls_view_u32(view, 9), len == 4 ? 0x01010101 : 9);
		cr_assert_eq(ktls_view_u64(view, 9), len == 8 ? 0x0101010101010101 : 9);
	}
}

Test(unit, a_string_has_an_end_always)
{
	struct ktls_view open = { (const uint8_t *)"abcdef", 4 }, none = { NULL, 0 };
	char text[8] = "xxxxxxx";

	ktls_view_string(open, text, sizeof(text));
	cr_assert_str_eq(text, "abcd");
	ktls_view_string(open, text, 3);
	cr_assert_str_eq(text, "ab");
	ktls_view_string(none, text, sizeof(text));
	cr_assert_str_eq(text, "");
	ktls_view_string(open, text, 0);
}

Test(unit, a_message_shorter_than_a_header_has_no_row)
{
	struct ktls_view message = { (const uint8_t *)"abcdef", 6 }, row = { NULL, 7 };

	cr_assert_eq(ktls_view_skip(message, 7, &row), -EBADMSG);
	cr_assert_eq(row.len, 7);
	cr_assert_eq(ktls_view_skip(message, 5, &row), 0);
	cr_assert_eq(row.len, 0);
	cr_assert_eq(ktls_view_skip(message, 4, &row), 0);
	cr_assert_eq(row.len, 2);
}
