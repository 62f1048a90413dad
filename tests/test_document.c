/* SPDX-License-Identifier: MIT */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "../bench/document.h"

static int read(const char *text, struct document *document, char why[DOCUMENT_WHY_MAX])
{
	json_t *root = json_loads(text, JSON_DECODE_ANY, NULL);
	int r = document_of(root, document, why);

	cr_assert_not_null(root, "%s", text);
	json_decref(root);
	return r;
}

static struct document must_read(const char *text)
{
	struct document document = { 0 };
	char why[DOCUMENT_WHY_MAX] = "";

	cr_assert_eq(read(text, &document, why), 0, "%s", why);
	return document;
}

Test(unit, a_figure_is_read_with_its_runs)
{
	struct document document =
		must_read("{\"version\": 1, \"figures\": [{\"workload\": \"w\", \"metric\": \"m\", "
			  "\"arm\": \"a\","
			  " \"unit\": \"us\", \"less_is_better\": true, \"runs\": [3, 1, 2.5]}]}");
	const struct document_figure *figure = document.figures.list;

	cr_assert_eq(document.figures.n, 1);
	cr_expect_str_eq(figure->workload, "w");
	cr_expect_str_eq(figure->metric, "m");
	cr_expect_str_eq(figure->arm, "a");
	cr_expect_str_eq(figure->unit, "us");
	cr_expect(figure->less_is_better);
	cr_expect_eq(figure->n, 3);
	cr_expect_eq(figure->runs[2], 2.5);
	cr_expect_eq(figure->spread.median, 2.5);
	cr_expect_eq(figure->spread.most, 3);
	document_done(&document);
}

Test(unit, a_figure_without_runs_has_the_spread_that_is_told)
{
	struct document document =
		must_read("{\"figures\": [{\"workload\": \"w\", \"arm\": \"a\", \"median\": 5,"
			  " \"high\": 6}]}");
	const struct document_figure *figure = document.figures.list;

	cr_expect_eq(figure->n, 0);
	cr_expect_eq(figure->spread.median, 5);
	cr_expect_eq(figure->spread.low, 5);
	cr_expect_eq(figure->spread.high, 6);
	cr_expect_str_eq(figure->metric, "");
	cr_expect_str_eq(figure->unit, "");
	document_done(&document);
}

Test(unit, all_members_may_be_missing)
{
	struct document document = must_read("{}");

	cr_expect_eq(document.figures.n, 0);
	cr_expect_eq(document.limits.n, 0);
	cr_expect_eq(document.notes.n, 0);
	cr_expect_eq(document.proofs.n, 0);
	cr_expect_null(document.machine);
	cr_expect_null(document.client_machine);
	cr_expect_null(document.settings);
	document_done(&document);
	document_done(&document);
}

Test(unit, notes_and_proofs_are_read)
{
	struct document document = must_read(
		"{\"machine\": {\"cpu\": \"x\"}, \"notes\": [{\"workload\": \"w\", \"arm\": \"a\","
		" \"note\": \"n\"}], \"proofs\": [{\"text\": \"t\"}], \"other\": 1}");

	cr_expect_str_eq(document.notes.list[0].text, "n");
	cr_expect_str_eq(document.notes.list[0].arm, "a");
	cr_expect_str_eq(document.proofs.list[0].text, "t");
	cr_expect_str_eq(document.proofs.list[0].workload, "");
	cr_expect_not_null(document.machine);
	document_done(&document);
}

#define CURVE(points) \
	"{\"latencies\": [{\"workload\": \"w\", \"arm\": \"a\", \"points\": " points "}]}"

Test(unit, curves_are_read)
{
	struct document document = must_read("{\"latencies\": [{\"workload\": \"w\", \"arm\": "
					     "\"a\", \"unit\": \"us\", \"rate\": 5,"
					     " \"points\": [[0, 1], [0.9, 1.5]]}]}");
	const struct document_curve *curve = document.latencies.list;

	cr_assert_eq(document.latencies.n, 1);
	cr_expect_str_eq(curve->workload, "w");
	cr_expect_str_eq(curve->arm, "a");
	cr_expect_str_eq(curve->unit, "us");
	cr_expect_eq(curve->rate, 5);
	cr_assert_eq(curve->n, 2);
	cr_expect_eq(curve->points[1].part, 0.9);
	cr_expect_eq(curve->points[1].value, 1.5);
	document_done(&document);
}

Test(unit, what_is_no_result_is_refused_and_told_where)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "[]", "no result" },
		{ "{\"version\": 2}", "no result" },
		{ "{\"version\": \"1\"}", "no result" },
		{ "{\"figures\": {}}", "\"figures\" is no list" },
		{ "{\"limits\": 1}", "\"limits\" is no list" },
		{ "{\"figures\": [1]}", "\"figures\"[0]: a figure names" },
		{ "{\"figures\": [{\"workload\": \"w\", \"runs\": [1]}]}", "names" },
		{ "{\"figures\": [{\"arm\": 1, \"workload\": \"w\", \"runs\": [1]}]}", "names" },
		{ "{\"figures\": [{\"arm\": \"a\", \"workload\": \"w\"}]}", "at least a median" },
		{ "{\"figures\": [{\"arm\": \"a\", \"workload\": \"w\", \"runs\": []}]}",
		  "median" },
		{ "{\"figures\": [{\"arm\": \"a\", \"workload\": \"w\", \"runs\": [null]}]}",
		  "numbers" },
		{ "{\"figures\": [{\"arm\": \"a\", \"workload\": \"w\", \"runs\": 1}]}",
		  "numbers" },
		{ "{\"limits\": [{\"arm\": \"a\", \"workload\": \"w\", \"runs\": [1]},"
		  " {\"arm\": \"a\", \"workload\": \"w\", \"runs\": [1]}]}",
		  "\"limits\"[1]: this figure is there twice" },
		{ "{\"notes\": [{\"workload\": \"w\"}]}", "\"notes\"[0]: there is no text" },
		{ "{\"proofs\": \"x\"}", "\"proofs\" is no list" },
		{ "{\"latencies\": 1}", "\"latencies\" is no list" },
		{ "{\"latencies\": [{\"arm\": \"a\", \"points\": [[0, 1]]}]}",
		  "\"latencies\"[0]: a curve names" },
		{ CURVE("{}"), "a list of points" },
		{ CURVE("[]"), "a list of points" },
		{ CURVE("[1]"), "both numbers" },
		{ CURVE("[[0]]"), "both numbers" },
		{ CURVE("[[0, 1, 2]]"), "both numbers" },
		{ CURVE("[[0, \"1\"]]"), "both numbers" },
		{ CURVE("[[1, 1]]"), "less than 1" },
		{ CURVE("[[-0.1, 1]]"), "less than 1" },
		{ CURVE("[[0, -1]]"), "not negative" },
		{ CURVE("[[0.5, 1], [0.5, 2]]"), "rise" },
		{ CURVE("[[0, 2], [0.5, 1]]"), "do not fall" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct document document = { .root = NULL };
		char why[DOCUMENT_WHY_MAX] = "";

		cr_expect_eq(read(rows[i].text, &document, why), -EINVAL, "%s", rows[i].text);
		cr_expect_not_null(strstr(why, rows[i].says), "%s: %s", rows[i].text, why);
		cr_expect_null(document.root);
	}
}

Test(unit, more_than_can_be_is_refused)
{
	json_t *root = json_pack("{s:[]}", "notes"), *list = json_object_get(root, "notes"),
	       *runs = json_array(), *points = json_array(), *other, *curve;
	struct document document;
	char why[DOCUMENT_WHY_MAX] = "";

	for (int i = 0; i <= DOCUMENT_FIGURES_MAX; i++)
		json_array_append_new(list, json_pack("{s:s}", "note", "n"));
	for (int i = 0; i <= BENCH_RUNS_MAX; i++)
		json_array_append_new(runs, json_integer(i));
	for (int i = 0; i <= CURVE_POINTS_MAX; i++)
		json_array_append_new(points, json_pack("[f, i]", i / 100., i));
	curve = json_pack("{s:[{s:s, s:s, s:o}]}", "latencies", "workload", "w", "arm", "a",
			  "points", points);
	other = json_pack("{s:[{s:s, s:s, s:o}]}", "figures", "workload", "w", "arm", "a", "runs",
			  runs);

	cr_expect_eq(document_of(root, &document, why), -EINVAL);
	cr_expect_str_eq(why, "\"notes\"[20000]: there can be no more");
	cr_expect_eq(document_of(other, &document, why), -EINVAL);
	cr_expect_eq(document_of(curve, &document, why), -EINVAL);
	json_decref(curve);
	json_decref(root);
	json_decref(other);
}

Test(unit, a_fact_is_text_whatever_it_was)
{
	json_t *facts = json_pack("[s, i, f, b, {}, n]", "text", 1448, 0.5, 1);
	static const char *const expected[] = { "text", "1448", "0.5", "yes", "", "" };
	char buffer[32];

	for (size_t i = 0; i < json_array_size(facts); i++)
		cr_expect_str_eq(document_fact(json_array_get(facts, i), buffer, sizeof(buffer)),
				 expected[i]);
	json_decref(facts);
}
