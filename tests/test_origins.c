/* SPDX-License-Identifier: MIT */

/* Who waits for whom, and whose turn it is. */

#include <string.h>

#include <criterion/criterion.h>

#include "origins.h"
#include "transfer.h"

static const struct address a = { .host = "a.example", .port = "443" };
static const struct address a_again = { .host = "A.Example", .port = "0443" };
static const struct address a_else = { .host = "a.example", .port = "8443" };
static const struct address b = { .host = "b.example", .port = "443" };

Test(unit, an_origin_is_a_host_and_a_port)
{
	struct origins origins = { 0 };
	struct origin *origin = origins_find(&origins, &a);

	cr_assert(origin);
	cr_expect_eq(origins_find(&origins, &b) == origin, false);
	cr_expect_eq(origins_find(&origins, &a_else) == origin, false);
	cr_expect_eq(origins_find(&origins, &a), origin);
	cr_expect_eq(origins_find(&origins, &a_again), origin);

	origins_done(&origins);
}

Test(unit, transfers_wait_in_a_row)
{
	struct origins origins = { 0 };
	struct origin *origin = origins_find(&origins, &a);
	struct transfer one, two, three;

	cr_expect_null(origins_take(&origins, origin));
	origins_put(&origins, origin, &one);
	origins_put(&origins, origin, &two);
	origins_put_back(&origins, origin, &three);
	cr_expect_eq(origins.n_waiting, 3);

	cr_expect_eq(origins_take(&origins, origin), &three);
	cr_expect_eq(origins_take(&origins, origin), &one);
	cr_expect_eq(origins_take(&origins, origin), &two);
	cr_expect_null(origins_take(&origins, origin));
	cr_expect_eq(origins.n_waiting, 0);
	origins_put_back(&origins, origin, &one);
	origins_put(&origins, origin, &two);
	cr_expect_eq(origins_take(&origins, origin), &one);
	cr_expect_eq(origins_take(&origins, origin), &two);

	origins_done(&origins);
}

Test(unit, origins_take_turns)
{
	struct origins origins = { 0 };
	struct origin *first = origins_find(&origins, &a), *second = origins_find(&origins, &b);
	struct transfer one, two, three;

	cr_expect_null(origins_next(&origins));
	origins_put(&origins, first, &one);
	origins_put(&origins, first, &two);
	origins_put(&origins, second, &three);

	cr_expect_eq(origins_next(&origins), first);
	cr_expect_eq(origins_next(&origins), second);
	cr_expect_eq(origins_next(&origins), first);
	/* One for which nobody waits is passed over. */
	origins_take(&origins, second);
	cr_expect_eq(origins_next(&origins), first);

	origins_done(&origins);
}

/* The next to be taken; "" if there is none. */
static const char *take(struct origin *origin)
{
	static char text[16];
	struct origin_session session = origin_take_session(origin);

	cr_assert_lt(session.len, sizeof(text));
	memset(text, 0, sizeof(text));
	if (session.data)
		memcpy(text, session.data, session.len);
	origin_session_done(&session);
	return text;
}

Test(unit, the_newest_session_is_used_first_and_each_once)
{
	struct origins origins = { 0 };
	struct origin *origin = origins_find(&origins, &a);

	cr_expect_str_eq(take(origin), "");
	origin_keep_session(origin, "first", 5);
	origin_keep_session(origin, "second", 6);
	cr_expect_str_eq(take(origin), "second");
	cr_expect_str_eq(take(origin), "first");
	cr_expect_str_eq(take(origin), "");

	origins_done(&origins);
}

Test(unit, of_many_sessions_the_oldest_are_forgotten)
{
	static const char huge[ORIGINS_LIMIT_SESSION + 1];
	struct origins origins = { 0 };
	struct origin *origin = origins_find(&origins, &a);
	char text[] = "a";

	for (int i = 0; i < ORIGINS_LIMIT_SESSIONS + 2; i++, text[0]++)
		origin_keep_session(origin, text, 1);
	origin_keep_session(origin, huge, sizeof(huge));
	cr_expect_eq(origin->n_sessions, ORIGINS_LIMIT_SESSIONS);
	cr_expect_str_eq(take(origin), "j");
	while (origin->n_sessions > 1)
		take(origin);
	cr_expect_str_eq(take(origin), "c");

	origin_keep_session(origin, "left", 4);
	origins_done(&origins);
}
