/* SPDX-License-Identifier: MIT */

/* What changed between two results; see changes.h. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"

enum {
	EXACT_MAX = 20, /* of the smaller sample: counting more takes long, and changes nothing */
	BOTH_MAX = 2 * BENCH_RUNS_MAX,
};

/* Both samples in one order. Ranks are doubled: those of ties have halves. */
struct ranking {
	double values[BOTH_MAX];
	unsigned int doubled[BOTH_MAX];
	size_t n;
	double ties; /* the sum of t^3 - t over groups of t equal ones */
};

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void rank(struct ranking *ranking, const double *a, size_t n, const double *b, size_t m)
{
	size_t end;

	memcpy(ranking->values, a, n * sizeof(*a));
	memcpy(ranking->values + n, b, m * sizeof(*b));
	ranking->n = n + m;
	ranking->ties = 0;
	qsort(ranking->values, n + m, sizeof(*a), order);
	for (size_t i = 0; i < n + m; i = end) {
		double t;

		for (end = i; end < n + m && ranking->values[end] == ranking->values[i];)
			end++;
		for (size_t j = i; j < end; j++)
			ranking->doubled[j] = (unsigned int)(i + 1 + end);
		t = (double)(end - i);
		ranking->ties += t * t * t - t;
	}
}

static unsigned int sum_of(const struct ranking *ranking, const double *sample, size_t n)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < n; i++) {
		const double *found =
			bsearch(&sample[i], ranking->values, ranking->n, sizeof(*sample), order);

		sum += ranking->doubled[found - ranking->values];
	}
	return sum;
}

/* ways[k][s]: in how many ways k of the ranks add up to s. */
static double exact_p(const struct ranking *ranking, size_t n, double distance)
{
	size_t sums = 2 * n * ranking->n + 1;
	double *ways = calloc((n + 1) * sums, sizeof(*ways)), all = 0, far = 0;
	double expected = (double)(n * (ranking->n + 1));

	if (!ways)
		bench_die("no memory");
	ways[0] = 1;
	for (size_t i = 0; i < ranking->n; i++) {
		for (size_t k = n; k-- > 0;) {
			for (size_t s = sums; s-- > ranking->doubled[i];)
				ways[(k + 1) * sums + s] +=
					ways[k * sums + s - ranking->doubled[i]];
		}
	}
	for (size_t s = 0; s < sums; s++) {
		all += ways[n * sums + s];
		if (fabs((double)s - expected) >= distance)
			far += ways[n * sums + s];
	}
	free(ways);
	return far / all;
}

static double normal_p(const struct ranking *ranking, size_t n, double distance)
{
	double both = (double)ranking->n, one = (double)n;
	double variance =
		one * (both - one) / 12 * (both + 1 - ranking->ties / (both * (both - 1)));

	/* Ranks are doubled, and a half is for what lies between two of them. */
	return variance > 0 ? erfc(fmax(distance / 2 - 0.5, 0) / sqrt(2 * variance)) : 1;
}

double changes_p(const double *a, size_t n, const double *b, size_t m)
{
	static struct ranking ranking;
	double distance;

	if (n > m)
		return changes_p(b, m, a, n);
	if (!n)
		return 1;
	rank(&ranking, a, n, b, m);
	distance = fabs((double)sum_of(&ranking, a, n) - (double)(n * (n + m + 1)));
	return n <= EXACT_MAX ? exact_p(&ranking, n, distance) : normal_p(&ranking, n, distance);
}

/* Whether so many runs can be told apart at all: of all ways to draw n of both, two are furthest.
 */
static bool is_enough(size_t n, size_t m)
{
	double ways = 1;

	for (size_t i = 1; i <= n; i++)
		ways *= (double)(m + i) / (double)i;
	return n && m && 2 / ways <= CHANGES_P;
}

static double half_range(const struct document_figure *figure)
{
	return (figure->spread.high - figure->spread.low) / 2;
}

static void judge(struct change *change, double least_percent)
{
	const struct document_figure *before = change->before, *after = change->after;
	double difference = after->spread.median - before->spread.median, moved[BENCH_RUNS_MAX];

	change->noise = fmax(fabs(before->spread.median) * least_percent / 100,
			     half_range(before) + half_range(after));
	change->p = 1;
	change->verdict = is_enough(before->n, after->n) ? CHANGE_NONE : CHANGE_UNKNOWN;
	if (change->verdict == CHANGE_UNKNOWN || fabs(difference) <= change->noise)
		return;
	for (size_t i = 0; i < after->n; i++)
		moved[i] = after->runs[i] - copysign(change->noise, difference);
	change->p = changes_p(before->runs, before->n, moved, after->n);
	if (change->p <= CHANGES_P)
		change->verdict =
			(difference > 0) == after->less_is_better ? CHANGE_WORSE : CHANGE_BETTER;
}

struct changes changes_of(const struct document_figures *before,
			  const struct document_figures *after, double least_percent)
{
	struct changes changes = { .list = calloc(after->n + 1, sizeof(*changes.list)) };

	if (!changes.list)
		bench_die("no memory");
	for (size_t i = 0; i < after->n; i++) {
		struct change change = { .before = document_find(before, &after->list[i]),
					 .after = &after->list[i] };

		if (!change.before)
			continue;
		judge(&change, least_percent);
		changes.counts[change.verdict]++;
		changes.list[changes.n++] = change;
	}
	changes.gone = before->n - changes.n;
	changes.added = after->n - changes.n;
	return changes;
}

void changes_done(struct changes *changes)
{
	free(changes->list);
	*changes = (struct changes){ 0 };
}

static double percent_of(double value, const struct change *change)
{
	double before = change->before->spread.median;

	return before ? 100 * value / fabs(before) : NAN;
}

double change_percent(const struct change *change)
{
	return percent_of(change->after->spread.median - change->before->spread.median, change);
}

double change_noise_percent(const struct change *change)
{
	return percent_of(change->noise, change);
}

const char *change_word(enum change_verdict verdict)
{
	static const char *const words[_CHANGE_N] = {
		[CHANGE_NONE] = "within noise",
		[CHANGE_WORSE] = "worse",
		[CHANGE_BETTER] = "better",
		[CHANGE_UNKNOWN] = "too few runs",
	};

	return words[verdict];
}
