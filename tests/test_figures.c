/* SPDX-License-Identifier: MIT */

#include <criterion/criterion.h>

#include "../bench/figures.h"

static struct bench_figure *figure_of(struct bench_figures *figures, const double *values, size_t n)
{
	struct bench_figure *figure = figures_add(figures, "work", "arm", "s", true);

	for (size_t i = 0; i < n; i++)
		figure_run(figure, values[i]);
	return figure;
}

Test(unit, a_spread_is_the_median_and_the_quartiles)
{
	static const double values[] = { 5, 1, 4, 2, 3 }, even[] = { 4, 1, 3, 2 }, one[] = { 7 };
	struct bench_figures figures = { 0 };
	struct bench_spread spread;

	spread = figure_spread(figure_of(&figures, values, 5));
	cr_expect_eq(spread.median, 3);
	cr_expect_eq(spread.low, 2);
	cr_expect_eq(spread.high, 4);
	cr_expect_eq(spread.least, 1);
	cr_expect_eq(spread.most, 5);

	spread = figure_spread(figure_of(&figures, even, 4));
	cr_expect_eq(spread.median, 2.5);
	cr_expect_eq(spread.low, 1.75);
	cr_expect_eq(spread.high, 3.25);

	spread = figure_spread(figure_of(&figures, one, 1));
	cr_expect_eq(spread.low, 7);
	cr_expect_eq(spread.high, 7);
	figures_done(&figures);
}

Test(unit, json_has_every_run_in_its_order)
{
	static const double values[] = { 3, 1, 2 };
	struct bench_figures figures = { 0 };
	json_t *json, *row, *runs;

	figure_of(&figures, values, 3);
	json = figures_json(&figures);
	row = json_array_get(json, 0);
	runs = json_object_get(row, "runs");
	cr_expect_str_eq(json_string_value(json_object_get(row, "arm")), "arm");
	cr_expect_eq(json_real_value(json_object_get(row, "median")), 2);
	cr_assert_eq(json_array_size(runs), 3);
	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(json_real_value(json_array_get(runs, i)), values[i]);
	json_decref(json);
	figures_done(&figures);
}
