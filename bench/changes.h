/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CHANGES_H
#define BENCH_CHANGES_H

/*
 * Two results of the same thing: what changed between them, and whether that is more than noise.
 *
 * The rule, for each figure. What it would change by itself, the noise, is the half of its runs'
 * quartile range, before and after added up: the two that are told as +-; at least some percent,
 * for what the machine does between two runs neither of them has seen. The new runs are moved
 * towards the old ones by that much, and only if the test of Mann and Whitney (two-sided, exact,
 * ties and all) still tells them apart, with p at most 0.01, it is a change. That takes five runs
 * of each, or four and six: with less no figure can be told apart, and that is what is said.
 */

#include "document.h"

#define CHANGES_P 0.01

enum {
	CHANGES_LEAST_PERCENT = 5, /* the noise, if nothing else is asked for */
};

enum change_verdict {
	CHANGE_NONE, /* within the noise */
	CHANGE_WORSE,
	CHANGE_BETTER,
	CHANGE_UNKNOWN, /* too few runs */
	_CHANGE_N,
};

struct change {
	const struct document_figure *before, *after;
	double noise; /* in the figure's unit */
	double p;     /* that chance alone tells them so far apart, beyond the noise */
	enum change_verdict verdict;
};

/* In the order of the new ones. */
struct changes {
	struct change *list;
	size_t n, counts[_CHANGE_N];
	size_t gone, added; /* only among the old; only among the new */
};

struct changes changes_of(const struct document_figures *before,
			  const struct document_figures *after, double least_percent);
void changes_done(struct changes *changes);

/* Of the old value; NAN of nothing. */
double change_percent(const struct change *change);
double change_noise_percent(const struct change *change);

/* "worse" */
const char *change_word(enum change_verdict verdict);

/* How likely two samples of one and the same thing are ranked at least as unevenly as these; 1 if
 * one is empty. At most BENCH_RUNS_MAX each. */
double changes_p(const double *a, size_t n, const double *b, size_t m);

#endif
