/* SPDX-License-Identifier: MIT */

/* What was measured, and how it is told; see figures.h. */

#include <stdlib.h>
#include <string.h>

#include "figures.h"

enum {
	NAME_LEN = 22,
	CELL_LEN = 11,
};

struct bench_figure *figures_add(struct bench_figures *figures, const char *workload,
				 const char *arm, const char *unit, bool less_is_better)
{
	struct bench_figure *list = reallocarray(figures->list, figures->n + 1, sizeof(*list)),
			    *figure;

	if (!list)
		bench_die("no memory");
	figures->list = list;
	figure = &list[figures->n++];
	*figure = (struct bench_figure){ .unit = unit, .less_is_better = less_is_better };
	snprintf(figure->workload, sizeof(figure->workload), "%s", workload);
	snprintf(figure->arm, sizeof(figure->arm), "%s", arm);
	return figure;
}

void figures_done(struct bench_figures *figures)
{
	free(figures->list);
	*figures = (struct bench_figures){ 0 };
}

void figure_run(struct bench_figure *figure, double value)
{
	if (figure->n == BENCH_RUNS_MAX)
		bench_die("%s: there can be no more than %d runs", figure->workload,
			  BENCH_RUNS_MAX);
	figure->runs[figure->n++] = value;
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Between the two neighbours of where it lies, as a quantile is taken by default in R and NumPy. */
static double quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t below = (size_t)at;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct bench_spread bench_spread_of(const double *values, size_t n)
{
	double sorted[BENCH_RUNS_MAX];

	if (!n)
		return (struct bench_spread){ 0 };
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), order);
	return (struct bench_spread){
		.median = quantile(sorted, n, 0.5),
		.low = quantile(sorted, n, 0.25),
		.high = quantile(sorted, n, 0.75),
		.least = sorted[0],
		.most = sorted[n - 1],
	};
}

struct bench_spread figure_spread(const struct bench_figure *figure)
{
	return bench_spread_of(figure->runs, figure->n);
}

void figures_print(const struct bench_figures *figures, FILE *stream)
{
	const char *workload = "";

	for (size_t i = 0; i < figures->n; i++) {
		const struct bench_figure *figure = &figures->list[i];
		struct bench_spread spread = figure_spread(figure);

		if (strcmp(figure->workload, workload)) {
			workload = figure->workload;
			fprintf(stream, "%s%s\n", i ? "\n" : "", workload);
		}
		fprintf(stream, "  %-28s %10.3f %-6s (%.3f .. %.3f)\n", figure->arm, spread.median,
			figure->unit, spread.low, spread.high);
	}
}

int bench_digits(double value)
{
	double size = value < 0 ? -value : value;

	return size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0;
}

/* "143.3 +-2%" in a column; half of the runs were no further away. */
static void print_cell(const struct bench_figure *figure, FILE *stream)
{
	struct bench_spread spread = figure_spread(figure);
	char text[32] = "-";

	if (figure->n)
		snprintf(text, sizeof(text), "%.*f \u00b1%.0f%%", bench_digits(spread.median),
			 spread.median,
			 spread.median > 0 ? 50 * (spread.high - spread.low) / spread.median : 0);
	/* The sign has two bytes, and one place. */
	fprintf(stream, "%*s", figure->n ? CELL_LEN + 1 : CELL_LEN, text);
}

static bool is_of(const struct bench_figure *figure, const char *workload, const char *arm)
{
	return !strcmp(figure->workload, workload) && (!arm || !strcmp(figure->arm, arm));
}

/* Whether this column has a name, and something in it: some arm of the workload. */
static bool is_shown(const struct bench_figures *figures, const struct bench_figure *column)
{
	if (!column->heading)
		return false;
	for (size_t i = 0; i < figures->n; i++) {
		const struct bench_figure *figure = &figures->list[i];

		if (figure->n && is_of(figure, column->workload, NULL) && figure->heading &&
		    !strcmp(figure->heading, column->heading))
			return true;
	}
	return false;
}

/* From the first figure of an arm on; returns the one behind its last. */
static const struct bench_figure *print_row(const struct bench_figures *figures,
					    const struct bench_figure *first, bool heading,
					    FILE *stream)
{
	const struct bench_figure *end = figures->list + figures->n, *at;

	if (heading)
		fprintf(stream, "%-*s", NAME_LEN, first->workload);
	else
		fprintf(stream, "  %-*s", NAME_LEN - 2, first->arm);
	for (at = first; at < end && is_of(at, first->workload, first->arm); at++) {
		if (!is_shown(figures, at))
			continue;
		if (heading)
			fprintf(stream, "%*s", CELL_LEN, at->heading);
		else
			print_cell(at, stream);
	}
	fputc('\n', stream);
	return at;
}

void figures_print_tables(const struct bench_figures *figures, FILE *stream)
{
	const struct bench_figure *at = figures->list, *end = at + figures->n;
	const char *workload = "";

	while (at < end) {
		if (strcmp(at->workload, workload)) {
			fputs(*workload ? "\n" : "", stream);
			workload = at->workload;
			print_row(figures, at, true, stream);
		}
		at = print_row(figures, at, false, stream);
	}
}

static json_t *json_of(const struct bench_figure *figure)
{
	struct bench_spread spread = figure_spread(figure);
	json_t *runs = json_array();

	for (unsigned int i = 0; i < figure->n; i++)
		json_array_append_new(runs, json_real(figure->runs[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:f, s:f, s:f, s:o}", "workload",
			 figure->workload, "metric", figure->metric ? figure->metric : "", "arm",
			 figure->arm, "unit", figure->unit, "less_is_better",
			 figure->less_is_better, "median", spread.median, "low", spread.low, "high",
			 spread.high, "runs", runs);
}

/* What was never measured is no figure. */
json_t *figures_json(const struct bench_figures *figures)
{
	json_t *list = json_array();

	for (size_t i = 0; i < figures->n; i++)
		if (figures->list[i].n)
			json_array_append_new(list, json_of(&figures->list[i]));
	return list;
}
