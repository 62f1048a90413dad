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

/* Behind the point, so that four digits tell. */
static int digits_of(double value)
{
	return value < 10 ? 3 : value < 100 ? 2 : value < 1000 ? 1 : 0;
}

/* "143.3 +-2%" in a column; half of the runs were no further away. */
static void print_cell(const struct bench_figure *figure, FILE *stream)
{
	struct bench_spread spread = figure_spread(figure);
	char text[32] = "-";

	if (figure->n)
		snprintf(text, sizeof(text), "%.*f \u00b1%.0f%%", digits_of(spread.median),
			 spread.median,
			 spread.median > 0 ? 50 * (spread.high - spread.low) / spread.median : 0);
	/* The sign has two bytes, and one place. */
	fprintf(stream, "%*s", figure->n ? CELL_LEN + 1 : CELL_LEN, text);
}

static bool is_of(const struct bench_figure *figure, const char *workload, const char *arm)
{
	return !strcmp(figure->workload, workload) && (!arm || !strcmp(figure->arm, arm));
}

void figures_print_tables(const struct bench_figures *figures, FILE *stream)
{
	const struct bench_figure *list = figures->list, *end = list + figures->n;
	const char *workload = "";

	while (list < end) {
		const struct bench_figure *first = list;

		if (!is_of(first, workload, NULL)) {
			fprintf(stream, "%s%-*s", *workload ? "\n" : "", NAME_LEN, first->workload);
			for (; list < end && is_of(list, first->workload, first->arm); list++)
				fprintf(stream, "%*s", CELL_LEN, list->heading);
			fputc('\n', stream);
			workload = first->workload;
		}
		fprintf(stream, "  %-*s", NAME_LEN - 2, first->arm);
		for (list = first; list < end && is_of(list, workload, first->arm); list++)
			print_cell(list, stream);
		fputc('\n', stream);
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
