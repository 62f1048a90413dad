/* SPDX-License-Identifier: MIT */

/* Pages, and the time between them: over a pipe in place of stdout. */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "stat_watch.h"
#include "tool.h"

static int reader = -1;

/* stdout is a pipe from now on: each test has a process of its own. */
static void begin(void)
{
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	reader = fds[0];
	cr_assert_geq(dup2(fds[1], STDOUT_FILENO), 0);
	close(fds[1]);
	stat_watch_begin();
}

Test(unit, a_page_arrives_whole)
{
	enum {
		LEN = 30000, /* less than a pipe holds */
	};
	static char page[LEN], came[LEN + 1];
	size_t n = 0;

	begin();
	for (size_t i = 0; i < LEN; i++)
		page[i] = (char)('a' + i % 26);

	cr_assert_eq(stat_watch_put(page, LEN), STAT_WATCH_ON);
	close(STDOUT_FILENO);

	while (n < LEN) {
		ssize_t r = read(reader, came + n, LEN - n);

		cr_assert_gt(r, 0);
		n += (size_t)r;
	}
	cr_expect_eq(memcmp(page, came, LEN), 0);
}

Test(unit, a_reader_who_is_gone_ends_it)
{
	begin();
	close(reader);

	cr_expect_eq(stat_watch_put("a", 1), STAT_WATCH_ENDED);
	cr_expect_eq(stat_watch_wait(60000), STAT_WATCH_ENDED);
}

static void expect_end(int number)
{
	begin();
	cr_expect_eq(stat_watch_wait(1), STAT_WATCH_ON);
	raise(number);
	cr_expect_eq(stat_watch_wait(60000), STAT_WATCH_ENDED);
	cr_expect_eq(stat_watch_put("a", 1), STAT_WATCH_ENDED);
}

Test(unit, sigint_ends_it)
{
	expect_end(SIGINT);
}

Test(unit, sigterm_ends_it)
{
	expect_end(SIGTERM);
}

Test(unit, sighup_ends_it)
{
	expect_end(SIGHUP);
}

Test(unit, a_signal_ends_it_though_nobody_reads)
{
	static char page[1 << 20];

	begin();
	memset(page, 'a', sizeof(page));
	raise(SIGTERM);

	cr_expect_eq(stat_watch_put(page, sizeof(page)), STAT_WATCH_ENDED);
}

Test(unit, what_cannot_be_written_is_said)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	cr_assert_geq(full, 0);
	begin();
	cr_assert_geq(dup2(full, STDOUT_FILENO), 0);

	cr_expect_eq(stat_watch_put("a", 1), -ENOSPC);
	close(full);
}

Test(unit, what_fits_on_a_screen)
{
	static const struct {
		const char *page;
		unsigned int rows;
		size_t fits, left;
	} table[] = {
		{ "", 5, 0, 0 },	  { "a\nb\n", 5, 4, 0 },  { "a\nb\n", 3, 4, 0 },
		{ "a\nb\nc\n", 3, 4, 1 }, { "a\nb\nc", 3, 4, 1 }, { "a\nb\nc\nd\n", 2, 2, 3 },
		{ "a\nb\n", 1, 0, 2 },	  { "a\n", 0, 0, 1 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		size_t left = 77;

		cr_expect_eq(stat_watch_fit(table[i].page, strlen(table[i].page), table[i].rows,
					    &left),
			     table[i].fits, "row %zu", i);
		cr_expect_eq(left, table[i].left, "row %zu: %zu", i, left);
	}
}
