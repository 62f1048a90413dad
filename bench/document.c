/* SPDX-License-Identifier: MIT */

/* What a run wrote, read again; see document.h. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"

static int refuse(char why[DOCUMENT_WHY_MAX], const char *list, size_t i, const char *what)
{
	snprintf(why, DOCUMENT_WHY_MAX, "\"%s\"[%zu]: %s", list, i, what);
	return -EINVAL;
}

static int read_runs(const json_t *runs, struct document_figure *figure)
{
	size_t n = json_array_size(runs);

	if ((runs && !json_is_array(runs)) || n > BENCH_RUNS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!json_is_number(json_array_get(runs, i)))
			return -EINVAL;
		figure->runs[i] = json_number_value(json_array_get(runs, i));
	}
	figure->n = n;
	figure->spread = bench_spread_of(figure->runs, n);
	return 0;
}

static double number_of(const json_t *row, const char *key, double other)
{
	const json_t *value = json_object_get(row, key);

	return json_is_number(value) ? json_number_value(value) : other;
}

/* Without runs. */
static int read_spread(const json_t *row, struct document_figure *figure)
{
	double median = number_of(row, "median", NAN);

	if (isnan(median))
		return -EINVAL;
	figure->spread = (struct bench_spread){
		.median = median,
		.low = number_of(row, "low", median),
		.high = number_of(row, "high", median),
	};
	figure->spread.least = figure->spread.low;
	figure->spread.most = figure->spread.high;
	return 0;
}

static const char *text_of(const json_t *row, const char *key, const char *other)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : other;
}

static const char *read_figure(const json_t *row, struct document_figure *figure)
{
	figure->workload = text_of(row, "workload", NULL);
	figure->arm = text_of(row, "arm", NULL);
	figure->metric = text_of(row, "metric", "");
	figure->unit = text_of(row, "unit", "");
	figure->less_is_better = json_is_true(json_object_get(row, "less_is_better"));
	if (!figure->workload || !figure->arm)
		return "a figure names its workload and its arm";
	if (read_runs(json_object_get(row, "runs"), figure))
		return "runs are numbers, and no more than 99";
	if (!figure->n && read_spread(row, figure))
		return "a figure has runs, or at least a median";
	return NULL;
}

static int size_list(const json_t *root, const char *key, size_t *ret_n, char *why)
{
	const json_t *list = json_object_get(root, key);

	if (list && !json_is_array(list)) {
		snprintf(why, DOCUMENT_WHY_MAX, "\"%s\" is no list", key);
		return -EINVAL;
	}
	if (json_array_size(list) > DOCUMENT_FIGURES_MAX)
		return refuse(why, key, DOCUMENT_FIGURES_MAX, "there can be no more");
	*ret_n = json_array_size(list);
	return 0;
}

/* One more than there are, so that none is no special case. */
static void *room_for(size_t n, size_t size)
{
	void *list = calloc(n + 1, size);

	if (!list)
		bench_die("no memory");
	return list;
}

static int read_figures(const json_t *root, const char *key, struct document_figures *figures,
			char *why)
{
	const json_t *list = json_object_get(root, key);
	size_t n;
	int r = size_list(root, key, &n, why);

	if (r)
		return r;
	figures->list = room_for(n, sizeof(*figures->list));
	for (; figures->n < n; figures->n++) {
		struct document_figure *figure = &figures->list[figures->n];
		const char *what = read_figure(json_array_get(list, figures->n), figure);

		if (what)
			return refuse(why, key, figures->n, what);
		if (document_find(figures, figure))
			return refuse(why, key, figures->n, "this figure is there twice");
	}
	return 0;
}

static const char *read_point(const json_t *point, struct document_curve *curve)
{
	const struct curve_point *last = curve->n ? &curve->points[curve->n - 1] : NULL;
	const json_t *part = json_array_get(point, 0), *value = json_array_get(point, 1);
	struct curve_point read = { json_number_value(part), json_number_value(value) };

	if (!json_is_number(part) || !json_is_number(value) || json_array_size(point) != 2)
		return "a point is a part of all and a value, both numbers";
	if (read.part < 0 || read.part >= 1 || read.value < 0)
		return "a point's part is at least 0 and less than 1, and its value not negative";
	if (last && (read.part <= last->part || read.value < last->value))
		return "the points' parts rise, and their values do not fall";
	curve->points[curve->n++] = read;
	return NULL;
}

static const char *read_curve(const json_t *row, struct document_curve *curve)
{
	const json_t *points = json_object_get(row, "points");
	const char *what = NULL;

	curve->workload = text_of(row, "workload", NULL);
	curve->arm = text_of(row, "arm", NULL);
	curve->unit = text_of(row, "unit", "");
	curve->rate = number_of(row, "rate", 0);
	if (!curve->workload || !curve->arm)
		return "a curve names its workload and its arm";
	if (!json_array_size(points) || json_array_size(points) > CURVE_POINTS_MAX)
		return "a curve is a list of points, no more than 60";
	for (size_t i = 0; !what && i < json_array_size(points); i++)
		what = read_point(json_array_get(points, i), curve);
	return what;
}

static bool has_curve(const struct document_curves *curves, const struct document_curve *like)
{
	for (size_t i = 0; i < curves->n; i++) {
		if (!strcmp(curves->list[i].arm, like->arm) &&
		    !strcmp(curves->list[i].workload, like->workload))
			return true;
	}
	return false;
}

static int read_curves(const json_t *root, const char *key, struct document_curves *curves,
		       char *why)
{
	size_t n;
	int r = size_list(root, key, &n, why);

	if (r)
		return r;
	curves->list = room_for(n, sizeof(*curves->list));
	for (; curves->n < n; curves->n++) {
		struct document_curve *curve = &curves->list[curves->n];
		const char *what =
			read_curve(json_array_get(json_object_get(root, key), curves->n), curve);

		if (what)
			return refuse(why, key, curves->n, what);
		if (has_curve(curves, curve))
			return refuse(why, key, curves->n, "this curve is there twice");
	}
	return 0;
}

static int read_remarks(const json_t *root, const char *key, const char *text_key,
			struct document_remarks *remarks, char *why)
{
	size_t n;
	int r = size_list(root, key, &n, why);

	if (r)
		return r;
	remarks->list = room_for(n, sizeof(*remarks->list));
	for (; remarks->n < n; remarks->n++) {
		const json_t *row = json_array_get(json_object_get(root, key), remarks->n);
		struct document_remark *remark = &remarks->list[remarks->n];

		*remark = (struct document_remark){ text_of(row, "workload", ""),
						    text_of(row, "arm", ""),
						    text_of(row, text_key, NULL) };
		if (!remark->text)
			return refuse(why, key, remarks->n, "there is no text");
	}
	return 0;
}

static json_t *object_of(json_t *root, const char *key)
{
	json_t *value = json_object_get(root, key);

	return json_is_object(value) ? value : NULL;
}

static int read_all(json_t *root, struct document *document, char *why)
{
	int r = read_figures(root, "figures", &document->figures, why);

	if (!r)
		r = read_figures(root, "limits", &document->limits, why);
	if (!r)
		r = read_curves(root, "latencies", &document->latencies, why);
	if (!r)
		r = read_remarks(root, "notes", "note", &document->notes, why);
	if (!r)
		r = read_remarks(root, "proofs", "text", &document->proofs, why);
	return r;
}

int document_of(json_t *root, struct document *ret_document, char why[DOCUMENT_WHY_MAX])
{
	const json_t *version = json_object_get(root, "version");
	struct document document = { 0 };
	int r;

	if (!json_is_object(root) || (version && json_integer_value(version) != 1)) {
		snprintf(why, DOCUMENT_WHY_MAX, "this is no result of ktls-bench, version 1");
		return -EINVAL;
	}
	document.root = json_incref(root);
	document.machine = object_of(root, "machine");
	document.client_machine = object_of(root, "client_machine");
	document.settings = object_of(root, "settings");
	r = read_all(root, &document, why);
	if (r)
		document_done(&document);
	else
		*ret_document = document;
	return r;
}

void document_done(struct document *document)
{
	free(document->figures.list);
	free(document->limits.list);
	free(document->latencies.list);
	free(document->notes.list);
	free(document->proofs.list);
	json_decref(document->root);
	*document = (struct document){ 0 };
}

struct document document_load(const char *path)
{
	json_error_t error;
	bool is_stdin = !strcmp(path, "-");
	json_t *root = is_stdin ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
				: json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	struct document document;
	char why[DOCUMENT_WHY_MAX];

	if (!root && error.line < 0)
		bench_die("%s", error.text);
	if (!root)
		bench_die("%s, line %d: %s", path, error.line, error.text);
	if (document_of(root, &document, why))
		bench_die("%s: %s", path, why);
	json_decref(root);
	return document;
}

const struct document_figure *document_find(const struct document_figures *figures,
					    const struct document_figure *like)
{
	for (size_t i = 0; i < figures->n; i++) {
		const struct document_figure *figure = &figures->list[i];

		if (!strcmp(figure->arm, like->arm) && !strcmp(figure->metric, like->metric) &&
		    !strcmp(figure->workload, like->workload))
			return figure;
	}
	return NULL;
}

const char *document_fact(const json_t *value, char *buffer, size_t len)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (json_is_integer(value))
		snprintf(buffer, len, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(buffer, len, "%.6g", json_number_value(value));
	return json_is_number(value) ? buffer : "";
}
