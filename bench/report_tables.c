/* SPDX-License-Identifier: MIT */

/* The page's tables; see report.h. */

#include <math.h>
#include <string.h>

#include "html.h"
#include "report.h"

#define SERVER "per CPU second of the server"
#define SYSTEM "per CPU second of the system"

/* What bounds what, by the names that `ktls-bench limits` has: a byte that is protected costs at
 * least its cipher, one through TCP what both ends take for it; a full handshake costs the server
 * at least a signature, an answer one turn of TCP's. */
static const struct {
	const char *unit, *metric;  /* of the figures, */
	const char *of;		    /* and how their workload begins; the first that fits */
	const char *workload, *arm; /* of the limit: how it begins */
} bounds[] = {
	{ "GB", SERVER, "", "seal", "AES-128-GCM" },
	{ "GB", SYSTEM, "", "TCP on loopback, both ends", "sendfile" },
	{ "thousand", SERVER, "handshake-1.3-rsa", "sign", "RSA" },
	{ "thousand", SERVER, "handshake-1.2-rsa", "sign", "RSA" },
	{ "thousand", SERVER, "handshake", "sign", "ECDSA" },
	{ "thousand", SERVER, "connect", "sign", "ECDSA" },
	{ "thousand", SERVER, "request", "TCP on loopback, one end", "64 bytes" },
	{ "thousand", SERVER, "rate", "TCP on loopback, one end", "64 bytes" },
	{ "thousand", SERVER, "ping", "TCP on loopback, one end", "64 bytes" },
	{ "thousand", SYSTEM, "request", "TCP on loopback, both ends", "64 bytes" },
	{ "thousand", SYSTEM, "rate", "TCP on loopback, both ends", "64 bytes" },
	{ "thousand", SYSTEM, "ping", "TCP on loopback, both ends", "64 bytes" },
};

static bool begins(const char *text, const char *begin)
{
	return !strncmp(text, begin, strlen(begin));
}

const struct document_figure *report_limit(const struct page *page,
					   const struct document_figure *figure)
{
	const struct document_figures *limits = &page->document->limits;

	for (size_t b = 0; b < sizeof(bounds) / sizeof(*bounds); b++) {
		if (strcmp(figure->unit, bounds[b].unit) ||
		    strcmp(figure->metric, bounds[b].metric) ||
		    !begins(figure->workload, bounds[b].of))
			continue;
		for (size_t i = 0; i < limits->n; i++) {
			if (begins(limits->list[i].workload, bounds[b].workload) &&
			    begins(limits->list[i].arm, bounds[b].arm))
				return &limits->list[i];
		}
	}
	return NULL;
}

double report_limit_value(const struct document_figure *limit)
{
	return limit->spread.median;
}

static void begin_table(FILE *stream)
{
	fprintf(stream, "<div class=\"scroll\"><table>\n");
}

static void end_table(FILE *stream)
{
	fprintf(stream, "</table></div>\n");
}

static void write_number(FILE *stream, double value)
{
	fprintf(stream, "<td class=\"n\">");
	html_number(stream, value);
	fprintf(stream, "</td>");
}

/* -- Ratios -- */

static bool is_plain(const char *arm)
{
	return begins(arm, "plain");
}

/* The best arm of a workload; of those with TLS, if there is one. */
static const struct document_figure *best_of(const struct page *page, const char *workload,
					     const char *metric, bool plain)
{
	const struct document_figure *best = NULL;

	for (size_t i = 0; i < page->arms.n; i++) {
		const struct document_figure *figure =
			page_find(page, workload, metric, page->arms.list[i]);

		if (!figure || is_plain(figure->arm) != plain)
			continue;
		if (!best || (figure->less_is_better ? figure->spread.median < best->spread.median
						     : figure->spread.median > best->spread.median))
			best = figure;
	}
	return best || plain ? best : best_of(page, workload, metric, true);
}

/* 1 is as good; less is not. NAN if it is not known. */
static double ratio_of(const struct document_figure *figure, double to)
{
	double value = figure->spread.median;

	if (figure->less_is_better)
		return value > 0 ? to / value : NAN;
	return to > 0 ? value / to : NAN;
}

static void write_share(FILE *stream, double ratio, bool is_best)
{
	if (!isfinite(ratio)) {
		fprintf(stream, "<td class=\"n\">\u2013</td>");
		return;
	}
	fprintf(stream, "<td class=\"n share%s\" style=\"--p:%.0f%%\">%.0f %%</td>",
		is_best ? " best" : "", 100 * fmin(fmax(ratio, 0), 1), 100 * ratio);
}

/* Without TLS there is no cipher, and nothing is signed. */
static const struct document_figure *bound_of(const struct page *page,
					      const struct document_figure *figure)
{
	const struct document_figure *limit = report_limit(page, figure);

	return limit && is_plain(figure->arm) && !begins(limit->workload, "TCP") ? NULL : limit;
}

static void write_ratio(const struct page *page, const char *workload, const char *metric,
			const char *arm, bool to_limit)
{
	const struct document_figure *figure = page_find(page, workload, metric, arm),
				     *best = best_of(page, workload, metric, false), *limit = NULL;

	if (to_limit && figure)
		limit = bound_of(page, figure);
	if (!figure || (to_limit && !limit))
		fprintf(page->stream, "<td></td>");
	else
		write_share(page->stream,
			    ratio_of(figure,
				     limit ? report_limit_value(limit) : best->spread.median),
			    figure == best && !to_limit);
}

static bool has_column(const struct page *page, const char *workload, const char *metric,
		       bool to_limit)
{
	const struct document_figure *any = page_any(page, workload, metric);

	return any && (!to_limit || report_limit(page, any));
}

static bool has_row(const struct page *page, const char *metric, const char *arm, bool to_limit)
{
	for (size_t i = 0; i < page->workloads.n; i++) {
		const struct document_figure *figure =
			page_find(page, page->workloads.list[i], metric, arm);

		if (figure && (!to_limit || bound_of(page, figure)))
			return true;
	}
	return false;
}

static void write_ratios(const struct page *page, const char *metric, bool to_limit)
{
	FILE *stream = page->stream;

	begin_table(stream);
	fprintf(stream, "<thead><tr><th></th>");
	for (size_t i = 0; i < page->workloads.n; i++) {
		if (has_column(page, page->workloads.list[i], metric, to_limit))
			html_element(stream, "th class=\"n\"", page->workloads.list[i]);
	}
	fprintf(stream, "</tr></thead>\n<tbody>\n");
	for (size_t arm = 0; arm < page->arms.n; arm++) {
		if (!has_row(page, metric, page->arms.list[arm], to_limit))
			continue;
		fprintf(stream, "<tr>");
		html_element(stream, "th", page->arms.list[arm]);
		for (size_t i = 0; i < page->workloads.n; i++) {
			if (has_column(page, page->workloads.list[i], metric, to_limit))
				write_ratio(page, page->workloads.list[i], metric,
					    page->arms.list[arm], to_limit);
		}
		fprintf(stream, "</tr>\n");
	}
	fprintf(stream, "</tbody>\n");
	end_table(stream);
}

static void write_title(FILE *stream, const char *metric, const char *of)
{
	fprintf(stream, "<h3>");
	html_text(stream, metric);
	fprintf(stream, "%s%s</h3>\n", *metric ? ", " : "", of);
}

static const struct document_figure *limit_of(const struct page *page, size_t workload,
					      const char *metric)
{
	const struct document_figure *any = page_any(page, page->workloads.list[workload], metric);

	return any ? report_limit(page, any) : NULL;
}

/* A line for each limit, with the workloads that it bounds; whether there are any. */
static bool write_bounds(const struct page *page, const char *metric)
{
	FILE *stream = page->stream;
	bool any = false;

	for (size_t i = 0; i < page->workloads.n; i++) {
		const struct document_figure *limit = limit_of(page, i, metric);
		bool told = !limit;

		for (size_t j = 0; j < i && !told; j++)
			told = limit_of(page, j, metric) == limit;
		if (told)
			continue;
		if (!any)
			write_title(stream, metric, "in percent of the limit");
		any = true;
		fprintf(stream, "<p class=\"small\">");
		html_text(stream, limit->workload);
		fprintf(stream, ", ");
		html_text(stream, limit->arm);
		fprintf(stream, ": ");
		html_number(stream, report_limit_value(limit));
		fprintf(stream, " ");
		html_text(stream, limit->unit);
		for (size_t j = i; j < page->workloads.n; j++) {
			if (limit_of(page, j, metric) != limit)
				continue;
			fprintf(stream, j == i ? "; bounds " : ", ");
			html_text(stream, page->workloads.list[j]);
		}
		fprintf(stream, "</p>\n");
	}
	return any;
}

void report_ratios(const struct page *page)
{
	if (page->arms.n)
		fprintf(page->stream, "<h2>Ratios</h2>\n<p class=\"small\">100 %% is the best arm "
				      "with TLS, in bold; "
				      "what is better without TLS is above.</p>\n");
	for (size_t i = 0; i < page->metrics.n; i++) {
		const char *metric = page->metrics.list[i];

		if (report_is_time(page_any(page, NULL, metric)))
			continue;
		write_title(page->stream, metric, "in percent of the best");
		write_ratios(page, metric, false);
		if (write_bounds(page, metric))
			write_ratios(page, metric, true);
	}
}

/* -- Figures -- */

static void write_figure(FILE *stream, const struct document_figure *figure)
{
	fprintf(stream, "<tr>");
	html_element(stream, "td", figure->workload);
	html_element(stream, "td", figure->metric);
	html_element(stream, "td", figure->arm);
	write_number(stream, figure->spread.median);
	html_element(stream, "td", figure->unit);
	write_number(stream, figure->spread.low);
	write_number(stream, figure->spread.high);
	write_number(stream, figure->spread.least);
	write_number(stream, figure->spread.most);
	fprintf(stream, "<td class=\"n\">%zu</td></tr>\n", figure->n);
}

static void write_figures(FILE *stream, const struct document_figures *figures)
{
	begin_table(stream);
	fprintf(stream,
		"<thead><tr><th>workload</th><th>metric</th><th>arm</th>"
		"<th class=\"n\">median</th><th>unit</th><th class=\"n\">25 %%</th>"
		"<th class=\"n\">75 %%</th><th class=\"n\">least</th>"
		"<th class=\"n\">most</th><th class=\"n\">runs</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < figures->n; i++)
		write_figure(stream, &figures->list[i]);
	fprintf(stream, "</tbody>\n");
	end_table(stream);
}

void report_limits(const struct page *page)
{
	if (!page->document->limits.n)
		return;
	fprintf(page->stream,
		"<h2>Limits</h2>\n<p class=\"small\">What nothing on this machine can "
		"beat, in CPU time. The kernel has ciphers of its own, which may be "
		"quicker or slower.</p>\n");
	write_figures(page->stream, &page->document->limits);
}

void report_figures(const struct page *page)
{
	if (!page->document->figures.n)
		return;
	fprintf(page->stream, "<h2>All figures</h2>\n");
	write_figures(page->stream, &page->document->figures);
}

/* -- Remarks -- */

static bool is_same(const struct document_remark *a, const struct document_remark *b)
{
	return !strcmp(a->workload, b->workload) && !strcmp(a->text, b->text);
}

/* The arms of which the same is said of one workload stand in one row, at the first. */
static void write_remark(FILE *stream, const struct document_remarks *remarks, size_t first)
{
	const struct document_remark *remark = &remarks->list[first];
	bool more = false;

	for (size_t i = 0; i < first; i++) {
		if (is_same(&remarks->list[i], remark))
			return;
	}
	fprintf(stream, "<tr>");
	html_element(stream, "td", remark->workload);
	fprintf(stream, "<td>");
	for (size_t i = first; i < remarks->n; i++) {
		if (!is_same(&remarks->list[i], remark))
			continue;
		fprintf(stream, "%s", more ? ", " : "");
		html_text(stream, remarks->list[i].arm);
		more = true;
	}
	fprintf(stream, "</td>");
	html_element(stream, "td", remark->text);
	fprintf(stream, "</tr>\n");
}

void report_remarks(FILE *stream, const char *title, const struct document_remarks *remarks)
{
	if (!remarks->n)
		return;
	html_element(stream, "h2", title);
	begin_table(stream);
	fprintf(stream,
		"<thead><tr><th>workload</th><th>arms</th><th></th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < remarks->n; i++)
		write_remark(stream, remarks, i);
	fprintf(stream, "</tbody>\n");
	end_table(stream);
}

/* -- What changed -- */

static void write_change(FILE *stream, const struct change *change)
{
	const char *word = change_word(change->verdict);

	fprintf(stream, "<tr>");
	html_element(stream, "td", change->after->workload);
	html_element(stream, "td", change->after->metric);
	html_element(stream, "td", change->after->arm);
	write_number(stream, change->before->spread.median);
	write_number(stream, change->after->spread.median);
	html_element(stream, "td", change->after->unit);
	if (isfinite(change_percent(change)))
		fprintf(stream, "<td class=\"n\">%+.1f %%</td><td class=\"n\">\u00b1%.1f %%</td>",
			change_percent(change), change_noise_percent(change));
	else
		fprintf(stream, "<td></td><td></td>");
	fprintf(stream, "<td class=\"%s\">%s</td></tr>\n",
		change->verdict == CHANGE_WORSE	   ? "worse"
		: change->verdict == CHANGE_BETTER ? "better"
						   : "",
		word);
}

static bool is_told(const struct change *change)
{
	return change->verdict == CHANGE_WORSE || change->verdict == CHANGE_BETTER;
}

static void write_changes(FILE *stream, const struct changes *changes, bool told)
{
	begin_table(stream);
	fprintf(stream,
		"<thead><tr><th>workload</th><th>metric</th><th>arm</th>"
		"<th class=\"n\">before</th><th class=\"n\">now</th><th>unit</th>"
		"<th class=\"n\">change</th><th class=\"n\">noise</th><th></th></tr></thead>\n"
		"<tbody>\n");
	for (size_t i = 0; i < changes->n; i++) {
		if (is_told(&changes->list[i]) == told)
			write_change(stream, &changes->list[i]);
	}
	fprintf(stream, "</tbody>\n");
	end_table(stream);
}

static void write_counts(FILE *stream, const struct changes *changes)
{
	fprintf(stream,
		"<p>Of %zu figures that both results have, <span class=\"worse\">%zu are "
		"worse</span> "
		"and <span class=\"better\">%zu better</span>, beyond their noise; %zu are within "
		"it, "
		"and %zu have too few runs to tell. %zu are only in the older result, %zu only in "
		"this one.</p>\n",
		changes->n, changes->counts[CHANGE_WORSE], changes->counts[CHANGE_BETTER],
		changes->counts[CHANGE_NONE], changes->counts[CHANGE_UNKNOWN], changes->gone,
		changes->added);
}

void report_changes(FILE *stream, const struct document *before, const struct document *after)
{
	struct changes changes =
		changes_of(&before->figures, &after->figures, CHANGES_LEAST_PERCENT);
	size_t told = changes.counts[CHANGE_WORSE] + changes.counts[CHANGE_BETTER];

	fprintf(stream, "<h2>What changed</h2>\n");
	write_counts(stream, &changes);
	if (told)
		write_changes(stream, &changes, true);
	if (changes.n > told) {
		fprintf(stream, "<details><summary>The others</summary>\n");
		write_changes(stream, &changes, false);
		fprintf(stream, "</details>\n");
	}
	changes_done(&changes);
}
