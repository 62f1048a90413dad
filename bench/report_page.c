/* SPDX-License-Identifier: MIT */

/* The page, and what is known of the machine; see report.h. */

#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "report.h"

enum {
	FACT_LEN = 64,
};

static void add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (!strcmp(names->list[i], name))
			return;
	}
	names->list = reallocarray(names->list, names->n + 1, sizeof(*names->list));
	if (!names->list)
		bench_die("no memory");
	names->list[names->n++] = name;
}

static struct page page_of(FILE *stream, const struct document *document)
{
	struct page page = { .stream = stream, .document = document };

	for (size_t i = 0; i < document->figures.n; i++) {
		add_name(&page.workloads, document->figures.list[i].workload);
		add_name(&page.metrics, document->figures.list[i].metric);
		add_name(&page.arms, document->figures.list[i].arm);
	}
	for (size_t i = 0; i < document->latencies.n; i++)
		add_name(&page.arms, document->latencies.list[i].arm);
	return page;
}

static void page_done(struct page *page)
{
	free(page->workloads.list);
	free(page->metrics.list);
	free(page->arms.list);
}

const struct document_figure *page_find(const struct page *page, const char *workload,
					const char *metric, const char *arm)
{
	const struct document_figure like = { .workload = workload, .metric = metric, .arm = arm };

	return document_find(&page->document->figures, &like);
}

const struct document_figure *page_any(const struct page *page, const char *workload,
				       const char *metric)
{
	for (size_t i = 0; i < page->document->figures.n; i++) {
		const struct document_figure *figure = &page->document->figures.list[i];

		if (!strcmp(figure->metric, metric) &&
		    (!workload || !strcmp(figure->workload, workload)))
			return figure;
	}
	return NULL;
}

bool report_is_time(const struct document_figure *figure)
{
	static const char *const units[] = { "s", "ms", "us", "ns" };

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (!strcmp(figure->unit, units[i]))
			return figure->less_is_better;
	}
	return false;
}

/* Facts within a fact, a line each. */
static void write_group(FILE *stream, json_t *facts)
{
	char buffer[FACT_LEN];
	const char *key;
	json_t *value;

	json_object_foreach(facts, key, value)
	{
		fprintf(stream, "<dd class=\"small\">");
		html_text(stream, key);
		fprintf(stream, ": ");
		html_text(stream, document_fact(value, buffer, sizeof(buffer)));
		fprintf(stream, "</dd>\n");
	}
}

/* A fact as text, whatever it is. */
static void write_facts(FILE *stream, json_t *facts)
{
	char buffer[FACT_LEN];
	const char *key, *text;
	json_t *value;

	json_object_foreach(facts, key, value)
	{
		text = document_fact(value, buffer, sizeof(buffer));
		if (!*text && !json_is_object(value))
			continue;
		fprintf(stream, "<div>");
		html_element(stream, "dt", key);
		if (json_is_object(value))
			write_group(stream, value);
		else
			html_element(stream, "dd", text);
		fprintf(stream, "</div>\n");
	}
}

static void write_list(FILE *stream, json_t *facts)
{
	if (!facts)
		return;
	fprintf(stream, "<dl>\n");
	write_facts(stream, facts);
	fprintf(stream, "</dl>\n");
}

/* With a client's beside it, it is said which is which. */
static void write_machine(FILE *stream, const struct document *document)
{
	if (document->client_machine)
		html_element(stream, "h2", "The server's machine");
	write_list(stream, document->machine);
	if (document->client_machine)
		html_element(stream, "h2", "The client's machine");
	write_list(stream, document->client_machine);
	if (document->client_machine && document->settings)
		html_element(stream, "h2", "Settings");
	write_list(stream, document->settings);
}

static const char introduction[] = "<p>Every value is the median of its runs; whiskers and \u00b1 "
				   "hold the middle half of them. "
				   "Arms ran in turn, so compare them within one page only. What "
				   "was not measured, and why, is "
				   "among the notes.</p>\n";

static void begin_page(FILE *stream, const struct document *document)
{
	const json_t *cpu = json_object_get(document->machine, "cpu"),
		     *kernel = json_object_get(document->machine, "kernel");

	fprintf(stream, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			"<title>ktls-bench</title>\n<style>\n");
	fputs(report_style, stream);
	fprintf(stream, "</style>\n</head>\n<body>\n<h1>ktls-bench</h1>\n");
	if (json_is_string(cpu) && json_is_string(kernel)) {
		fprintf(stream, "<p>");
		html_text(stream, json_string_value(cpu));
		fprintf(stream, ", Linux ");
		html_text(stream, json_string_value(kernel));
		fprintf(stream, "</p>\n");
	}
}

void report_write(FILE *stream, const struct document *document, const struct document *before)
{
	struct page page = page_of(stream, document);

	begin_page(stream, document);
	write_machine(stream, document);
	fputs(introduction, stream);
	if (!document->figures.n)
		fprintf(stream, "<p>There are no figures.</p>\n");
	if (before)
		report_changes(stream, before, document);
	report_charts(&page);
	report_latency(&page);
	report_curves(&page);
	report_ratios(&page);
	report_limits(&page);
	report_remarks(stream, "Not measured, or not whole", &document->notes);
	report_remarks(stream, "Where records were protected", &document->proofs);
	report_figures(&page);
	fprintf(stream, "</body>\n</html>\n");
	page_done(&page);
}
