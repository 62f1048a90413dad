/* SPDX-License-Identifier: MIT */

/*
 * How long requests took, up to the last of them; see report.h. At a fixed rate that is what a
 * server's stalls cost, so these come first. Of each family of arms the best one is in front.
 */

#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "plot.h"
#include "report.h"

enum {
	RATE_LEN = 64,
};

static const double judged = 0.99; /* the part by which the best one is */

static double value_at(const struct document_curve *curve, double part)
{
	size_t i = 0;

	while (i + 1 < curve->n && curve->points[i].part < part)
		i++;
	return curve->points[i].value;
}

/* Equal ones would all be best: then it is the first. */
static bool is_better(const struct document_curve *curve, const struct document_curve *than)
{
	double value = value_at(curve, judged), other = value_at(than, judged);

	return value < other || (value == other && curve < than);
}

static bool is_best(const struct document_curves *curves, const struct document_curve *curve)
{
	size_t len = report_family_len(curve->arm);

	for (size_t i = 0; i < curves->n; i++) {
		const struct document_curve *other = &curves->list[i];

		if (strcmp(other->workload, curve->workload) ||
		    report_family_len(other->arm) != len || strncmp(other->arm, curve->arm, len))
			continue;
		if (is_better(other, curve))
			return false;
	}
	return true;
}

static void draw(const struct page *page, const struct document_curve *first)
{
	const struct document_curves *curves = &page->document->latencies;
	struct plot_curve *list = calloc(curves->n, sizeof(*list));
	char rate[RATE_LEN] = "", *title;
	size_t n = 0;

	if (!list)
		bench_die("no memory");
	for (size_t i = 0; i < curves->n; i++) {
		const struct document_curve *curve = &curves->list[i];

		if (strcmp(curve->workload, first->workload) || strcmp(curve->unit, first->unit))
			continue;
		list[n++] = (struct plot_curve){
			.name = curve->arm,
			.colour = page_colour(page, curve->arm),
			.shape = page_shape(page, curve->arm),
			.is_faint = !is_best(curves, curve),
			.points = curve->points,
			.n = curve->n,
		};
	}
	if (first->rate > 0)
		snprintf(rate, sizeof(rate), ", at %.6g a second", first->rate);
	if (asprintf(&title, "%s%s", first->workload, rate) < 0)
		bench_die("no memory");
	plot_curves(page->stream, &(struct plot_curves){ title, first->unit, list, n });
	free(title);
	free(list);
}

static bool is_first(const struct document_curves *curves, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (!strcmp(curves->list[j].workload, curves->list[i].workload))
			return false;
	}
	return true;
}

void report_curves(const struct page *page)
{
	const struct document_curves *curves = &page->document->latencies;

	if (!curves->n)
		return;
	fprintf(page->stream,
		"<h2>How long the slowest take</h2>\n<p class=\"small\">Less is better: of all "
		"requests of all runs, 99.9 %% took no longer than the curve is high there; it "
		"ends "
		"with the slowest. Both axes are logarithmic. In front is, of each family of arms, "
		"the one that is best at 99 %%. Only at a fixed rate a request waits for no other "
		"of the same connection that the client itself sent too early.</p>\n");
	for (int flat_out = 0; flat_out < 2; flat_out++) {
		for (size_t i = 0; i < curves->n; i++) {
			if (is_first(curves, i) && (curves->list[i].rate > 0) != flat_out)
				draw(page, &curves->list[i]);
		}
	}
}
