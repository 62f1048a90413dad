/* SPDX-License-Identifier: MIT */

/* What was measured, and how it is told; see figures.h. */

#include <stdlib.h>
#include <string.h>

#include "figures.h"

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
static double quantile(const double *sorted, unsigned int n, double q)
{
	double at = q * (n - 1);
	unsigned int below = (unsigned int)at;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

struct bench_spread figure_spread(const struct bench_figure *figure)
{
	double sorted[BENCH_RUNS_MAX];

	if (!figure->n)
		return (struct bench_spread){ 0 };
	memcpy(sorted, figure->runs, figure->n * sizeof(*sorted));
	qsort(sorted, figure->n, sizeof(*sorted), order);
	return (struct bench_spread){
		.median = quantile(sorted, figure->n, 0.5),
		.low = quantile(sorted, figure->n, 0.25),
		.high = quantile(sorted, figure->n, 0.75),
		.least = sorted[0],
		.most = sorted[figure->n - 1],
	};
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

static json_t *json_of(const struct bench_figure *figure)
{
	struct bench_spread spread = figure_spread(figure);
	json_t *runs = json_array();

	for (unsigned int i = 0; i < figure->n; i++)
		json_array_append_new(runs, json_real(figure->runs[i]));
	return json_pack("{s:s, s:s, s:s, s:b, s:f, s:f, s:f, s:o}", "workload", figure->workload,
			 "arm", figure->arm, "unit", figure->unit, "less_is_better",
			 figure->less_is_better, "median", spread.median, "low", spread.low, "high",
			 spread.high, "runs", runs);
}

json_t *figures_json(const struct bench_figures *figures)
{
	json_t *list = json_array();

	for (size_t i = 0; i < figures->n; i++)
		json_array_append_new(list, json_of(&figures->list[i]));
	return list;
}
