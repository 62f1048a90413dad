/* SPDX-License-Identifier: MIT */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

/*
 * A result as one HTML page that needs nothing else: no script, no font, no picture of elsewhere.
 *
 *   report.c          the command
 *   report_page.c     the page, and what is known of the machine
 *   report_charts.c   a plot for each metric and workload
 *   report_curves.c   how long requests took, up to the last of them
 *   report_tables.c   ratios, limits, notes, proofs, all figures, and what changed
 *   report_style.c    the style: light, dark, paper
 *
 * Nothing here knows the harness's workloads and metrics, but for what is said beside it: whatever
 * a result holds is drawn.
 */

#include "changes.h"
#include "document.h"

/* Different texts, in the order in which they came first. */
struct names {
	const char **list;
	size_t n;
};

struct page {
	FILE *stream;
	const struct document *document;
	struct names workloads, metrics, arms; /* of the figures */
};

extern const char report_style[];

/* Writes the page. `before` is an older result to compare with, or NULL. */
void report_write(FILE *stream, const struct document *document, const struct document *before);

/* -- For the parts -- */

const struct document_figure *page_find(const struct page *page, const char *workload,
					const char *metric, const char *arm);

/* Any figure of the metric (and of the workload, if not NULL); NULL: there is none. */
const struct document_figure *page_any(const struct page *page, const char *workload,
				       const char *metric);

/* What an arm looks like: alike in all plots and pages, by the family that its name begins with,
 * and by the rest. */
unsigned int page_colour(const struct page *page, const char *arm);
unsigned int page_shape(const struct page *page, const char *arm);
size_t report_family_len(const char *arm);

/* Is it a time, for which less is better? Such are drawn together. */
bool report_is_time(const struct document_figure *figure);

/* The limit by which figures like this are held to be bounded; NULL: there is none. */
const struct document_figure *report_limit(const struct page *page,
					   const struct document_figure *figure);
/* Its value, in the figure's unit. */
double report_limit_value(const struct document_figure *limit);

void report_charts(const struct page *page);
void report_curves(const struct page *page);
void report_latency(const struct page *page);
void report_ratios(const struct page *page);
void report_limits(const struct page *page);
void report_remarks(FILE *stream, const char *title, const struct document_remarks *remarks);
void report_figures(const struct page *page);
void report_changes(FILE *stream, const struct document *before, const struct document *after);

#endif
