/* SPDX-License-Identifier: MIT */

/* How far it is, on one line. */

#include <string.h>

#include <criterion/criterion.h>

#include "http.h"
#include "progress.h"

static const struct progress_facts half = {
	.name = "file.iso", .n = 1, .running = 1, .there = 500000000, .size = 1000000000
};
static const struct progress_facts several = {
	.n = 50, .done = 12, .failed = 1, .running = 8, .there = 1234, .size = HTTP_SIZE_UNKNOWN
};

static const struct {
	const struct progress_facts *facts;
	double rate;
	unsigned int columns;
	const char *line;
} rows[] = {
	{ &half, 1e7, 80,
	  " 50%  file.iso  500 MB of 1.0 GB  10.0 MB/s  0:50 left  [==========>          ]" },
	{ &half, 1e7, 58, " 50%  file.iso  500 MB of 1.0 GB  10.0 MB/s  0:50 left" },
	{ &half, 1e7, 45, " 50%  file.iso  500 MB of 1.0 GB  10.0 MB/s" },
	{ &half, 1e7, 44, " 50%  file.iso  500 MB of 1.0 GB  10.0 MB/s" },
	{ &half, 1e7, 43, " 50%  file.iso  500 MB of 1.0 GB" },
	{ &half, 1e7, 5, " 50%" },
	{ &half, 1e7, 4, "" },
	{ &half, 1e7, 1, "" },
	{ &half, 1e7, 0, "" },
	{ &half, 0, 58, " 50%  file.iso  500 MB of 1.0 GB  0 B/s  [=======>      ]" },
	{ &half, 1e5, 60, " 50%  file.iso  500 MB of 1.0 GB  100 kB/s  1:23:20 left" },
	{ &half, 1, 58, " 50%  file.iso  500 MB of 1.0 GB  1 B/s  days left" },
	{ &several, 999499, 80, "12 of 50, 1 failed  1.2 kB  999 kB/s" },
};

Test(unit, a_line_says_what_there_is_room_for)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char line[PROGRESS_LIMIT_LINE];
		size_t len = progress_format(rows[i].facts, rows[i].rate, rows[i].columns, line);

		cr_expect_str_eq(line, rows[i].line, "row %zu: \"%s\"", i, line);
		cr_expect_eq(len, strlen(line));
		cr_expect(!len || len < rows[i].columns, "row %zu", i);
	}
}

Test(unit, no_line_is_ever_too_long)
{
	static const uint64_t sizes[] = { 0, 1, 999, 1000, 999999, UINT64_MAX - 1, UINT64_MAX };

	for (unsigned int columns = 0; columns < PROGRESS_LIMIT_LINE * 2; columns++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			struct progress_facts facts = {
				.name = "a\nname\x1b of great length, indeed",
				.there = sizes[i] / 3,
				.size = sizes[i]
			};
			char line[PROGRESS_LIMIT_LINE];
			size_t len = progress_format(&facts, (double)sizes[i], columns, line);

			cr_assert(!len || (len < columns && len < sizeof(line)));
			cr_assert(!strpbrk(line, "\n\x1b"));
		}
	}
}

/* What is whole is not said before it is. */
Test(unit, nothing_is_rounded_up_to_its_end)
{
	struct progress_facts facts = { .name = "a", .there = 999999, .size = 1000000 };
	char line[PROGRESS_LIMIT_LINE];

	progress_format(&facts, 0, 12, line);
	cr_expect_str_eq(line, " 99%  a");
	facts.there = facts.size;
	progress_format(&facts, 0, 12, line);
	cr_expect_str_eq(line, "100%  a");
	facts.there = facts.size = 0;
	progress_format(&facts, 0, 12, line);
	cr_expect_str_eq(line, "100%  a");
}

Test(unit, it_is_due_only_where_it_is_wanted)
{
	struct progress progress = { 0 };

	cr_expect_not(progress_is_due(&progress, 1));
	progress.wanted = true;
	cr_expect(progress_is_due(&progress, 1));
	progress.next_ns = 2;
	cr_expect_not(progress_is_due(&progress, 1));
}
