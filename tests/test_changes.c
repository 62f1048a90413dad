/* SPDX-License-Identifier: MIT */

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "../bench/changes.h"

enum {
	N = 5,
};

/* A result of one figure. */
static struct document_figures one(struct document_figure *figure, const double *runs, size_t n,
				   bool less_is_better)
{
	*figure = (struct document_figure){ .workload = "w",
					    .arm = "a",
					    .metric = "m",
					    .unit = "u",
					    .less_is_better = less_is_better,
					    .n = n };
	memcpy(figure->runs, runs, n * sizeof(*runs));
	figure->spread = bench_spread_of(runs, n);
	return (struct document_figures){ figure, 1 };
}

static struct change compare(const double *before, size_t n, const double *after, size_t m,
			     bool less_is_better)
{
	static struct document_figure old, new;
	struct document_figures olds = one(&old, before, n, less_is_better),
				news = one(&new, after, m, less_is_better);
	struct changes changes = changes_of(&olds, &news, CHANGES_LEAST_PERCENT);
	struct change change = changes.list[0];

	cr_assert_eq(changes.n, 1);
	cr_assert_eq(changes.counts[change.verdict], 1);
	changes_done(&changes);
	return change;
}

Test(unit, ranks_are_counted_exactly)
{
	static const double low[] = { 1, 2, 3, 4, 5 }, high[] = { 6, 7, 8, 9, 10 },
			    mixed[] = { 1.5, 2.5, 3.5, 4.5, 5.5 };

	/* As in any table: all of one below all of the other is 2 of 252 ways. */
	cr_expect_float_eq(changes_p(low, 5, high, 5), 2.0 / 252, 1e-12);
	cr_expect_float_eq(changes_p(high, 5, low, 5), 2.0 / 252, 1e-12);
	cr_expect_float_eq(changes_p(low, 3, high, 3), 2.0 / 20, 1e-12);
	cr_expect_float_eq(changes_p(low, 2, high, 5), 2.0 / 21, 1e-12);
	/* U is 10 of 25: R's wilcox.test says 0.6905. */
	cr_expect_float_eq(changes_p(low, 5, mixed, 5), 0.6904761904761905, 1e-12);
}

Test(unit, ties_share_their_ranks)
{
	static const double same[] = { 3, 3, 3, 3, 3 }, pairs[] = { 1, 1, 2, 2 },
			    more[] = { 2, 2, 3, 3 };

	cr_expect_eq(changes_p(same, 5, same, 5), 1);
	/* Of 70 ways only the two 1s with two of the four 2s (6 ways) are as far below; and as many
	 * above. */
	cr_expect_float_eq(changes_p(pairs, 4, more, 4), 12.0 / 70, 1e-12);
}

Test(unit, nothing_is_told_from_nothing)
{
	static const double one_value[] = { 1 }, other[] = { 2 };

	cr_expect_eq(changes_p(one_value, 0, other, 1), 1);
	cr_expect_eq(changes_p(one_value, 1, other, 1), 1);
}

Test(unit, what_is_too_much_to_count_is_near_what_is_counted)
{
	double a[21], b[21], exact, normal;

	for (int i = 0; i < 21; i++) {
		a[i] = i;
		b[i] = i + 6.5;
	}

	exact = changes_p(a, 20, b, 20);
	normal = changes_p(a, 21, b, 21);

	cr_expect_float_eq(exact, normal, 0.01, "%g, %g", exact, normal);
	cr_expect_eq(changes_p(a, 21, a, 21), 1);
}

Test(unit, all_that_there_can_be_is_counted)
{
	static double a[BENCH_RUNS_MAX], b[BENCH_RUNS_MAX];

	for (int i = 0; i < BENCH_RUNS_MAX; i++) {
		a[i] = i % 7;
		b[i] = i % 7 + 3;
	}

	cr_expect_lt(changes_p(a, BENCH_RUNS_MAX, b, BENCH_RUNS_MAX), 1e-9);
	cr_expect_lt(changes_p(a, 20, b, BENCH_RUNS_MAX), 1e-3);
}

Test(unit, runs_of_one_thing_agree)
{
	static const double runs[N] = { 100, 103, 98, 101, 99 },
			    again[N] = { 102, 99, 101, 104, 100 };

	cr_expect_eq(compare(runs, N, again, N, false).verdict, CHANGE_NONE);
	cr_expect_eq(compare(runs, N, runs, N, true).verdict, CHANGE_NONE);
}

Test(unit, what_is_slower_is_worse_and_what_is_quicker_is_better)
{
	static const double runs[N] = { 100, 103, 98, 101, 99 }, less[N] = { 80, 83, 79, 81, 82 };
	struct change change = compare(runs, N, less, N, false);

	cr_expect_eq(change.verdict, CHANGE_WORSE);
	cr_expect_float_eq(change_percent(&change), -19, 1e-9);
	cr_expect_float_eq(change_noise_percent(&change), 5, 1e-9);
	cr_expect_eq(compare(less, N, runs, N, false).verdict, CHANGE_BETTER);
	cr_expect_eq(compare(runs, N, less, N, true).verdict, CHANGE_BETTER);
	cr_expect_eq(compare(less, N, runs, N, true).verdict, CHANGE_WORSE);
}

Test(unit, a_change_below_what_was_asked_for_is_none)
{
	static const double runs[N] = { 100, 100.1, 100.2, 100.3, 100.4 },
			    less[N] = { 96, 96.1, 96.2, 96.3, 96.4 };

	cr_expect_eq(compare(runs, N, less, N, false).verdict, CHANGE_NONE);
}

Test(unit, a_change_within_the_spread_is_none)
{
	static const double runs[N] = { 100, 150, 110, 140, 120 }, less[N] = { 99, 60, 90, 70, 80 };

	cr_expect_eq(compare(runs, N, less, N, false).verdict, CHANGE_NONE);
}

Test(unit, one_run_that_was_disturbed_hides_no_change)
{
	static const double runs[] = { 100, 103, 98, 101, 99, 100, 102, 99, 101 },
			    less[] = { 50, 52, 51, 110, 49, 50, 48, 50, 51 };

	cr_expect_eq(compare(runs, 9, less, 9, false).verdict, CHANGE_WORSE);
}

Test(unit, few_runs_tell_nothing)
{
	static const double runs[] = { 100, 101, 102, 103, 104, 105 },
			    less[] = { 1, 2, 3, 4, 5, 6 };
	static const struct {
		size_t n, m;
		enum change_verdict verdict;
	} rows[] = {
		{ 1, 1, CHANGE_UNKNOWN }, { 1, 6, CHANGE_UNKNOWN }, { 4, 4, CHANGE_UNKNOWN },
		{ 4, 5, CHANGE_UNKNOWN }, { 4, 6, CHANGE_WORSE },   { 5, 5, CHANGE_WORSE },
		{ 0, 5, CHANGE_UNKNOWN },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(compare(runs, rows[i].n, less, rows[i].m, false).verdict,
			     rows[i].verdict, "%zu and %zu", rows[i].n, rows[i].m);
}

Test(unit, nothing_became_something)
{
	static const double none[N] = { 0 }, some[N] = { 11, 12, 13, 14, 15 };
	struct change change = compare(none, N, some, N, true);

	cr_expect_eq(change.verdict, CHANGE_WORSE);
	cr_expect(isnan(change_percent(&change)));
	cr_expect_eq(compare(none, N, none, N, true).verdict, CHANGE_NONE);
}

Test(unit, figures_meet_by_all_their_names)
{
	struct document_figure before[] = {
		{ .workload = "w", .arm = "a", .metric = "m", .unit = "u" },
		{ .workload = "w", .arm = "b", .metric = "m", .unit = "u" },
	};
	struct document_figure after[] = {
		{ .workload = "w", .arm = "c", .metric = "m", .unit = "u" },
		{ .workload = "w", .arm = "b", .metric = "m", .unit = "u" },
		{ .workload = "w", .arm = "b", .metric = "other", .unit = "u" },
	};
	struct changes changes = changes_of(&(struct document_figures){ before, 2 },
					    &(struct document_figures){ after, 3 }, 5);

	cr_assert_eq(changes.n, 1);
	cr_expect_eq(changes.list[0].before, &before[1]);
	cr_expect_eq(changes.list[0].after, &after[1]);
	cr_expect_eq(changes.gone, 1);
	cr_expect_eq(changes.added, 2);
	changes_done(&changes);
}

Test(unit, each_verdict_has_a_word)
{
	for (size_t i = 0; i < _CHANGE_N; i++)
		cr_expect_gt(strlen(change_word((enum change_verdict)i)), 3);
}
