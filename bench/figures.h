/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

/*
 * What was measured: for each workload, metric and arm the values of its runs, in the order in
 * which they ran. Told as medians with their spread on a terminal, and whole as JSON, so that who
 * reads can count again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "support.h"

struct bench_figure {
	char workload[BENCH_NAME_MAX]; /* "seal 16 KiB" */
	char arm[BENCH_NAME_MAX];      /* "AES-128-GCM" */
	const char *metric;	       /* "per second"; static; NULL: the workload says it */
	const char *heading;	       /* the same, for a column; static */
	const char *unit;	       /* "GB/s"; static */
	bool less_is_better;
	double runs[BENCH_RUNS_MAX];
	unsigned int n;
};

/* All zeros to begin with. */
struct bench_figures {
	struct bench_figure *list;
	size_t n;
};

/* Caller's until figures_done(); a pointer into the list is good until the next one is added. */
struct bench_figure *figures_add(struct bench_figures *figures, const char *workload,
				 const char *arm, const char *unit, bool less_is_better);
void figures_done(struct bench_figures *figures);

/* One more run. */
void figure_run(struct bench_figure *figure, double value);

struct bench_spread {
	double median;
	double low, high; /* half of the runs lie between them: the quartiles */
	double least, most;
};

/* Of at most BENCH_RUNS_MAX values; all zeros of none. */
struct bench_spread bench_spread_of(const double *values, size_t n);
struct bench_spread figure_spread(const struct bench_figure *figure);

/* How many digits behind the point, so that four tell. */
int bench_digits(double value);

/* A line a figure, under a title for each workload; or a table for each workload, a line an arm, a
 * column a metric: figures of one arm stand together. */
void figures_print(const struct bench_figures *figures, FILE *stream);
void figures_print_tables(const struct bench_figures *figures, FILE *stream);

/* [{"workload": ..., "metric": ..., "arm": ..., "unit": ..., "less_is_better": ..., "median": ...,
 * "low": ..., "high": ..., "runs": [...]}]; caller owns it. */
json_t *figures_json(const struct bench_figures *figures);

#endif
