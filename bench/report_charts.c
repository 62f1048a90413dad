/* SPDX-License-Identifier: MIT */

/*
 * The page's plots; see report.h. Workloads that differ by a size alone (bulk-4k, bulk-1g) are one
 * plot with the sizes from left to right; any other is bars. An arm's colour is that of its name up
 * to the first '-', its shape that of the rest, so that an arm looks alike in all plots and pages.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "plot.h"
#include "report.h"

enum {
	TITLE_LEN = 256,
};

/* What is drawn in one plot. */
struct sheet {
	const char **columns; /* as they are told */
	struct plot_row *rows;
	struct plot_mark *marks;
	size_t n_rows, n_columns;
};

static void *room_for(size_t n, size_t size)
{
	void *list = calloc(n + 1, size);

	if (!list)
		bench_die("no memory");
	return list;
}

static struct sheet sheet_new(size_t rows, size_t columns)
{
	return (struct sheet){
		.columns = room_for(columns, sizeof(const char *)),
		.rows = room_for(rows, sizeof(struct plot_row)),
		.marks = room_for(rows * columns, sizeof(struct plot_mark)),
	};
}

static void sheet_free(struct sheet *sheet)
{
	free(sheet->columns);
	free(sheet->rows);
	free(sheet->marks);
}

/* The harness's own are always the same; others follow in the order in which they come. */
static const char *const families[] = { "plain", "user", "tx", "kernel", "gnutls" };
static const char *const ways[] = { "write", "sendfile", "ring", "ring-sendfile" };

static unsigned int find_text(const char *const *list, size_t n, const char *text, size_t len)
{
	unsigned int i = 0;

	while (i < n && (strncmp(list[i], text, len) || list[i][len]))
		i++;
	return i;
}

size_t report_family_len(const char *arm)
{
	return strcspn(arm, "-");
}

static bool is_kin(const char *arm, const char *other)
{
	size_t len = report_family_len(arm);

	return report_family_len(other) == len && !strncmp(other, arm, len);
}

/* Is it the first of its family, and that none of the harness's own? */
static bool begins_other(const struct page *page, size_t arm)
{
	const char *name = page->arms.list[arm];
	size_t n = sizeof(families) / sizeof(*families), before = 0;

	while (!is_kin(page->arms.list[before], name))
		before++;
	return before == arm && find_text(families, n, name, report_family_len(name)) == n;
}

/* Other families have the colours behind, in their order. */
unsigned int page_colour(const struct page *page, const char *arm)
{
	size_t n = sizeof(families) / sizeof(*families);
	unsigned int colour = find_text(families, n, arm, report_family_len(arm)), others = 0;

	if (colour < n)
		return colour;
	for (size_t i = 0; i < page->arms.n && !is_kin(page->arms.list[i], arm); i++)
		others += begins_other(page, i);
	return (unsigned int)n + others % (PLOT_COLOURS - (unsigned int)n);
}

unsigned int page_shape(const struct page *page, const char *arm)
{
	size_t n = sizeof(ways) / sizeof(*ways), len = report_family_len(arm);
	const char *way = arm[len] ? arm + len + 1 : "";
	unsigned int shape = find_text(ways, n, way, strlen(way)), place = 0;

	if (shape < n)
		return shape;
	while (place < page->arms.n && strcmp(page->arms.list[place], arm))
		place++;
	return (unsigned int)n + place % (PLOT_SHAPES - (unsigned int)n);
}

static struct plot_mark mark_of(const struct document_figure *figure)
{
	if (!figure)
		return (struct plot_mark){ 0 };
	return (struct plot_mark){ true, figure->spread.median, figure->spread.low,
				   figure->spread.high };
}

/* A row's marks are filled; it stays if any is known. */
static void keep_row(const struct page *page, struct sheet *sheet, const char *arm)
{
	struct plot_mark *marks = &sheet->marks[sheet->n_rows * sheet->n_columns];

	for (size_t i = 0; i < sheet->n_columns; i++) {
		if (!marks[i].known)
			continue;
		sheet->rows[sheet->n_rows++] = (struct plot_row){
			.name = arm,
			.colour = page_colour(page, arm),
			.shape = page_shape(page, arm),
			.marks = marks,
		};
		return;
	}
}

/* The length of what stands before a size: "bulk-" of "bulk-64k"; 0: there is no size. */
static size_t prefix_len(const char *workload)
{
	const char *size = strrchr(workload, '-');
	size_t digits;

	if (!size)
		return 0;
	digits = strspn(size + 1, "0123456789");
	if (!digits || (size[1 + digits] && strcmp(size + 1 + digits, "k") &&
			strcmp(size + 1 + digits, "m") && strcmp(size + 1 + digits, "g")))
		return 0;
	return (size_t)(size - workload) + 1;
}

static bool is_alike(const char *workload, const char *other)
{
	size_t len = prefix_len(workload);

	return len && prefix_len(other) == len && !strncmp(workload, other, len);
}

static const char *add_unit(char title[TITLE_LEN], const struct document_figure *figure)
{
	snprintf(title, TITLE_LEN, "%s%s%s", figure->unit, *figure->metric ? " " : "",
		 figure->metric);
	return title;
}

static void draw(const struct page *page, const struct sheet *sheet,
		 const struct document_figure *sample, const char *title,
		 void (*plot)(FILE *stream, const struct plot *plot), bool is_log)
{
	const struct document_figure *limit = report_limit(page, sample);
	struct plot_reference reference;
	char unit[TITLE_LEN];

	if (limit)
		reference = (struct plot_reference){ limit->arm, report_limit_value(limit) };
	plot(page->stream, &(struct plot){
				   .title = title,
				   .unit = is_log ? sample->unit : add_unit(unit, sample),
				   .columns = sheet->columns,
				   .n_columns = sheet->n_columns,
				   .rows = sheet->rows,
				   .n_rows = sheet->n_rows,
				   .references = &reference,
				   .n_references = limit ? 1 : 0,
				   .is_log = is_log,
			   });
}

/* All workloads that are like the first: a column each. */
static void draw_sizes(const struct page *page, const struct document_figure *sample)
{
	struct sheet sheet = sheet_new(page->arms.n, page->workloads.n);
	const char **workloads = room_for(page->workloads.n, sizeof(*workloads));
	char title[TITLE_LEN];

	for (size_t i = 0; i < page->workloads.n; i++) {
		const char *workload = page->workloads.list[i];

		if (!is_alike(sample->workload, workload) ||
		    !page_any(page, workload, sample->metric))
			continue;
		workloads[sheet.n_columns] = workload;
		sheet.columns[sheet.n_columns++] = workload + prefix_len(workload);
	}
	for (size_t arm = 0; arm < page->arms.n; arm++) {
		for (size_t i = 0; i < sheet.n_columns; i++)
			sheet.marks[sheet.n_rows * sheet.n_columns + i] = mark_of(page_find(
				page, workloads[i], sample->metric, page->arms.list[arm]));
		keep_row(page, &sheet, page->arms.list[arm]);
	}
	snprintf(title, sizeof(title), "%.*s", (int)prefix_len(sample->workload) - 1,
		 sample->workload);
	fprintf(page->stream, "<div class=\"wide\">\n");
	draw(page, &sheet, sample, title, plot_lines, false);
	fprintf(page->stream, "</div>\n");
	free(workloads);
	sheet_free(&sheet);
}

static void draw_bars(const struct page *page, const struct document_figure *sample)
{
	struct sheet sheet = sheet_new(page->arms.n, 1);

	sheet.n_columns = 1;
	for (size_t arm = 0; arm < page->arms.n; arm++) {
		sheet.marks[sheet.n_rows] = mark_of(
			page_find(page, sample->workload, sample->metric, page->arms.list[arm]));
		keep_row(page, &sheet, page->arms.list[arm]);
	}
	draw(page, &sheet, sample, sample->workload, plot_bars, false);
	sheet_free(&sheet);
}

/* How many workloads with this metric are like this one; was one of them before it? */
static size_t count_alike(const struct page *page, const struct document_figure *sample,
			  bool *ret_first)
{
	size_t n = 0;

	*ret_first = true;
	for (size_t i = 0; i < page->workloads.n; i++) {
		const char *workload = page->workloads.list[i];

		if (!is_alike(sample->workload, workload) ||
		    !page_any(page, workload, sample->metric))
			continue;
		if (!n)
			*ret_first = !strcmp(workload, sample->workload);
		n++;
	}
	return n;
}

static void draw_metric(const struct page *page, const char *metric)
{
	const struct document_figure *any = page_any(page, NULL, metric);
	char title[TITLE_LEN];
	bool is_first;

	snprintf(title, sizeof(title), "%s%s", *metric ? "How much " : "Figures", metric);
	html_element(page->stream, "h2", any->less_is_better ? metric : title);
	if (any->less_is_better)
		fprintf(page->stream, "<p class=\"small\">Less is better.</p>\n");
	fprintf(page->stream, "<div class=\"grid2\">\n");
	for (size_t i = 0; i < page->workloads.n; i++) {
		const struct document_figure *sample =
			page_any(page, page->workloads.list[i], metric);

		if (!sample)
			continue;
		if (count_alike(page, sample, &is_first) < 2)
			draw_bars(page, sample);
		else if (is_first)
			draw_sizes(page, sample);
	}
	fprintf(page->stream, "</div>\n");
}

void report_charts(const struct page *page)
{
	for (size_t i = 0; i < page->metrics.n; i++) {
		if (!report_is_time(page_any(page, NULL, page->metrics.list[i])))
			draw_metric(page, page->metrics.list[i]);
	}
}

/* The workload's times, those of the first one's unit; NULL: it has none. */
static const struct document_figure *fill_times(const struct page *page, const char *workload,
						struct sheet *sheet)
{
	const struct document_figure *sample = NULL;

	for (size_t i = 0; i < page->metrics.n; i++) {
		const struct document_figure *any = page_any(page, workload, page->metrics.list[i]);

		if (!any || !report_is_time(any) || (sample && strcmp(sample->unit, any->unit)))
			continue;
		sample = sample ? sample : any;
		sheet->columns[sheet->n_columns++] = any->metric;
	}
	for (size_t arm = 0; arm < page->arms.n; arm++) {
		for (size_t i = 0; i < sheet->n_columns; i++)
			sheet->marks[sheet->n_rows * sheet->n_columns + i] = mark_of(
				page_find(page, workload, sheet->columns[i], page->arms.list[arm]));
		keep_row(page, sheet, page->arms.list[arm]);
	}
	return sample;
}

void report_latency(const struct page *page)
{
	bool any = false;

	for (size_t i = 0; i < page->workloads.n; i++) {
		struct sheet sheet = sheet_new(page->arms.n, page->metrics.n);
		const struct document_figure *sample =
			fill_times(page, page->workloads.list[i], &sheet);

		if (sample && !any)
			fprintf(page->stream, "<h2>How long it takes</h2>\n<p class=\"small\">Less "
					      "is better. From when a request was due to the last "
					      "byte of its answer; mind the logarithmic axis."
					      "</p>\n<div class=\"grid2\">\n");
		any = any || sample;
		if (sample)
			draw(page, &sheet, sample, sample->workload, plot_quantiles, true);
		sheet_free(&sheet);
	}
	if (any)
		fprintf(page->stream, "</div>\n");
}
