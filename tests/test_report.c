/* SPDX-License-Identifier: MIT */

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/html.h"
#include "../bench/plot.h"
#include "../bench/report.h"

/* What was written; caller frees it. */
struct paper {
	FILE *stream;
	char *text;
	size_t n;
};

static struct paper *paper_new(void)
{
	struct paper *paper = calloc(1, sizeof(*paper));

	cr_assert_not_null(paper);
	paper->stream = open_memstream(&paper->text, &paper->n);
	cr_assert_not_null(paper->stream);
	return paper;
}

static const char *read(struct paper *paper)
{
	cr_assert_eq(fflush(paper->stream), 0);
	return paper->text;
}

static void paper_free(struct paper *paper)
{
	fclose(paper->stream);
	free(paper->text);
	free(paper);
}

static struct paper *report(const char *text, const char *before_text)
{
	json_t *root = json_loads(text, 0, NULL), *before_root = json_loads(before_text, 0, NULL);
	struct document document, before;
	struct paper *paper = paper_new();
	char why[DOCUMENT_WHY_MAX];

	cr_assert_eq(document_of(root, &document, why), 0, "%s", why);
	cr_assert_eq(document_of(before_root, &before, why), 0, "%s", why);
	report_write(paper->stream, &document, before.figures.n ? &before : NULL);
	document_done(&document);
	document_done(&before);
	json_decref(root);
	json_decref(before_root);
	read(paper);
	return paper;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

Test(unit, text_ends_no_element_and_no_attribute)
{
	static const struct {
		const char *text, *written;
	} rows[] = {
		{ "plain", "plain" },
		{ "<b a=\"x\" c='y'>&amp;", "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;" },
		{ "caf\u00e9 \u6f22", "caf\u00e9 \u6f22" },
		{ "a\001b\033c\177", "a\ufffdb\ufffdc\ufffd" },
		{ "\xef\xbf\xbe\xef\xbf\xbf", "\ufffd\ufffd" },
		{ "a\tb\nc", "a\tb\nc" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct paper *paper = paper_new();

		html_text(paper->stream, rows[i].text);
		cr_expect_str_eq(read(paper), rows[i].written);
		paper_free(paper);
	}
}

Test(unit, text_that_is_too_long_is_cut_between_characters)
{
	static const struct {
		const char *text;
		unsigned int columns;
		const char *written;
	} rows[] = {
		{ "12345", 5, "12345" },
		{ "123456", 5, "1234\u2026" },
		{ "\u00e9\u00e9\u00e9", 2, "\u00e9\u2026" },
		{ "\u6f22\u5b57\u6f22", 5, "\u6f22\u5b57\u2026" },
		{ "\u6f22\u5b57\u6f22", 6, "\u6f22\u5b57\u6f22" },
		{ "<<<<", 3, "&lt;&lt;\u2026" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct paper *paper = paper_new();

		html_short(paper->stream, rows[i].text, rows[i].columns);
		cr_expect_str_eq(read(paper), rows[i].written);
		paper_free(paper);
	}
}

Test(unit, four_digits_of_a_number_tell)
{
	static const struct {
		double value;
		const char *written;
	} rows[] = {
		{ 0, "0.000" },		{ 1.23456, "1.235" }, { 12.3456, "12.35" },
		{ 1234.5, "1234" },	{ 1e9, "1e+09" },     { 0.00123, "0.00123" },
		{ -12.3456, "-12.35" }, { NAN, "\u2013" },    { INFINITY, "\u2013" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct paper *paper = paper_new();

		html_number(paper->stream, rows[i].value);
		cr_expect_str_eq(read(paper), rows[i].written);
		paper_free(paper);
	}
}

Test(unit, an_axis_holds_all_marks_and_near_references)
{
	const struct plot_mark marks[] = { { true, 3, 2, 7.3 }, { false, 100, 100, 100 } };
	const struct plot_row row = { .name = "a", .marks = marks };
	struct plot_reference references[] = { { "near", 9 }, { "far", 90 } };
	struct plot plot = { .columns = NULL,
			     .n_columns = 2,
			     .rows = &row,
			     .n_rows = 1,
			     .references = references,
			     .n_references = 2 };
	struct plot_axis axis = plot_axis_of(&plot, 100, 200);

	cr_expect_eq(axis.from, 0);
	cr_expect_eq(axis.to, 10);
	cr_expect_eq(axis.n_ticks, 6);
	cr_expect_eq(plot_place(&axis, 5), 150);
	cr_expect(plot_is_within(&axis, 9));
	cr_expect_not(plot_is_within(&axis, 90));

	plot.is_log = true;
	axis = plot_axis_of(&plot, 100, 200);
	cr_expect_eq(axis.from, 1);
	cr_expect_eq(axis.to, 10);
	cr_expect_eq(plot_place(&axis, 0), 100);
	cr_expect_eq(plot_place(&axis, 10), 200);
}

Test(unit, an_axis_can_hold_anything)
{
	static const double values[] = { 0, -1, 1e-300, 1e300, 1, NAN };

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		const struct plot_mark marks[] = { { true, values[i], values[i], values[i] },
						   { true, 1, 1, 1 } };
		const struct plot_row row = { .name = "a", .marks = marks };
		struct plot plot = { .n_columns = 2, .rows = &row, .n_rows = 1 };

		for (int log = 0; log < 2; log++) {
			struct plot_axis axis;

			plot.is_log = log;
			axis = plot_axis_of(&plot, 0, 100);
			cr_expect_leq(axis.n_ticks, PLOT_TICKS_MAX);
			cr_expect_gt(axis.n_ticks, 1);
			cr_expect(plot_place(&axis, values[i]) >= 0 &&
				  plot_place(&axis, values[i]) <= 100);
		}
	}
}

Test(unit, nothing_is_a_page_too)
{
	struct paper *paper = report("{}", "{}");

	cr_expect_not_null(strstr(paper->text, "There are no figures."));
	cr_expect_not_null(strstr(paper->text, "</html>"));
	cr_expect_eq(count(paper->text, "<svg"), 0);
	paper_free(paper);
}

Test(unit, sizes_are_one_plot_and_others_are_bars)
{
	struct paper *paper = report(
		"{\"figures\": ["
		"{\"workload\": \"bulk-4k\", \"arm\": \"a\", \"metric\": \"m\", \"runs\": [1]},"
		"{\"workload\": \"bulk-1g\", \"arm\": \"a\", \"metric\": \"m\", \"runs\": [2]},"
		"{\"workload\": \"ping-64\", \"arm\": \"a\", \"metric\": \"m\", \"runs\": [3]},"
		"{\"workload\": \"hello-1.3\", \"arm\": \"a\", \"metric\": \"m\", \"runs\": [3]},"
		"{\"workload\": \"hello-1.2\", \"arm\": \"a\", \"metric\": \"m\", \"runs\": [3]}]}",
		"{}");

	cr_expect_eq(count(paper->text, "<svg"), 4);
	cr_expect_eq(count(paper->text, "class=\"curve"), 1);
	cr_expect_eq(count(paper->text, "class=\"bar"), 3);
	paper_free(paper);
}

Test(unit, times_of_a_workload_are_one_plot)
{
	struct paper *paper = report(
		"{\"figures\": ["
		"{\"workload\": \"w\", \"arm\": \"a\", \"metric\": \"half\", \"unit\": \"us\","
		" \"less_is_better\": true, \"runs\": [10, 11]},"
		"{\"workload\": \"w\", \"arm\": \"a\", \"metric\": \"most\", \"unit\": \"us\","
		" \"less_is_better\": true, \"runs\": [1000]}]}",
		"{}");

	cr_expect_eq(count(paper->text, "<svg"), 1);
	cr_expect_eq(count(paper->text, "class=\"span"), 1);
	cr_expect_not_null(strstr(paper->text, ">1 ms<"));
	paper_free(paper);
}

Test(unit, a_limit_is_a_line_and_a_ratio)
{
	struct paper *paper =
		report("{\"figures\": [{\"workload\": \"bulk-1m\", \"arm\": \"user-write\", "
		       "\"unit\": \"GB\","
		       " \"metric\": \"per CPU second of the server\", \"runs\": [2.5]},"
		       " {\"workload\": \"bulk-1m\", \"arm\": \"user-ring\", \"unit\": \"GB\","
		       " \"metric\": \"per CPU second of the server\", \"runs\": [2]}],"
		       " \"limits\": [{\"workload\": \"seal records\", \"arm\": \"AES-128-GCM\","
		       " \"unit\": \"GB/s\", \"runs\": [5]}]}",
		       "{}");

	cr_expect_eq(count(paper->text, "class=\"reference\""), 1);
	cr_expect_eq(count(paper->text, ">100 %<"), 1);
	cr_expect_eq(count(paper->text, ">80 %<"), 1);
	cr_expect_eq(count(paper->text, ">50 %<"), 1);
	cr_expect_eq(count(paper->text, ">40 %<"), 1);
	paper_free(paper);
}

Test(unit, a_limit_bounds_its_own_workloads)
{
	struct paper *paper =
		report("{\"figures\": [{\"workload\": \"handshake-1.3\", \"arm\": \"user-ring\","
		       " \"unit\": \"thousand\","
		       " \"metric\": \"per CPU second of the server\", \"runs\": [2]},"
		       " {\"workload\": \"resume-1.3\", \"arm\": \"user-ring\","
		       " \"unit\": \"thousand\","
		       " \"metric\": \"per CPU second of the server\", \"runs\": [6]},"
		       " {\"workload\": \"connect-1k\", \"arm\": \"plain-ring\","
		       " \"unit\": \"thousand\","
		       " \"metric\": \"per CPU second of the server\", \"runs\": [7]}],"
		       " \"limits\": [{\"workload\": \"sign\", \"arm\": \"ECDSA P-256\","
		       " \"unit\": \"thousand/s\", \"runs\": [20]}]}",
		       "{}");

	cr_expect_eq(count(paper->text, "bounds handshake-1.3, connect-1k<"), 1);
	cr_expect_eq(count(paper->text, ">10 %<"), 1);
	cr_expect_eq(count(paper->text, ">30 %<"), 0, "nothing is signed");
	cr_expect_eq(count(paper->text, ">35 %<"), 0, "plain");
	paper_free(paper);
}

/* The best of a family is in front: by what 99 % took, or by its place. */
Test(unit, times_are_curves_those_at_a_rate_first)
{
	struct paper *paper = report(
		"{\"latencies\": ["
		"{\"workload\": \"flat\", \"arm\": \"user-a\", \"unit\": \"us\","
		" \"points\": [[0, 0], [0.5, 2]]},"
		"{\"workload\": \"even\", \"arm\": \"user-a\", \"unit\": \"us\", \"rate\": 7,"
		" \"points\": [[0, 1], [0.99, 9], [0.999, 10]]},"
		"{\"workload\": \"even\", \"arm\": \"user-b\", \"unit\": \"us\", \"rate\": 7,"
		" \"points\": [[0, 5], [0.99, 8], [0.999, 1000]]},"
		"{\"workload\": \"even\", \"arm\": \"other\", \"unit\": \"us\", \"rate\": 7,"
		" \"points\": [[0.9, 8]]}]}",
		"{}");
	const char *even = strstr(paper->text, "even, at 7 a second"),
		   *flat = strstr(paper->text, ">flat<");

	cr_assert(even && flat && even < flat);
	cr_expect_eq(count(paper->text, "class=\"curve"), 4);
	cr_expect_eq(count(paper->text, "faint\"><path class=\"curve"), 1);
	paper_free(paper);
}

Test(unit, two_machines_are_told_apart)
{
	struct paper *one = report("{\"machine\": {\"cpu\": \"server's\"}}", "{}");
	struct paper *two = report("{\"machine\": {\"cpu\": \"one\"}, \"client_machine\":"
				   " {\"cpu\": \"other\"}, \"settings\": {\"runs\": 5}}",
				   "{}");
	const char *server = strstr(two->text, "server&#39;s machine"),
		   *client = strstr(two->text, "client&#39;s machine"),
		   *other = strstr(two->text, "<dd>other</dd>");

	cr_expect_eq(count(one->text, "machine</h2>"), 0);
	cr_assert(server && client && other);
	cr_expect(server < client && client < other);
	cr_expect_eq(count(two->text, "<h2>Settings</h2>"), 1);
	paper_free(one);
	paper_free(two);
}

Test(unit, a_family_of_other_servers_has_a_colour_of_its_own)
{
	struct paper *paper = report("{\"figures\": ["
				     "{\"workload\": \"w\", \"arm\": \"user\", \"runs\": [1]},"
				     "{\"workload\": \"w\", \"arm\": \"x\", \"runs\": [1]},"
				     "{\"workload\": \"w\", \"arm\": \"x-y\", \"runs\": [1]},"
				     "{\"workload\": \"w\", \"arm\": \"gnutls\", \"runs\": [1]},"
				     "{\"workload\": \"w\", \"arm\": \"z\", \"runs\": [1]}]}",
				     "{}");
	static const char *const wanted[] = { "bar c1", "bar c5", "bar c5", "bar c4", "bar c6" };
	const char *at = strstr(paper->text, "<svg");

	for (size_t i = 0; at && i < sizeof(wanted) / sizeof(*wanted); i++) {
		at = strstr(at + 1, "\"bar c");
		cr_expect(at && !strncmp(at + 1, wanted[i], 6), "%zu: %.8s", i, at ? at : "");
	}
	paper_free(paper);
}

Test(unit, the_arms_of_one_note_stand_together)
{
	struct paper *paper =
		report("{\"notes\": [{\"workload\": \"w\", \"arm\": \"a\", \"note\": \"n <\"},"
		       "{\"workload\": \"v\", \"arm\": \"a\", \"note\": \"n <\"},"
		       "{\"workload\": \"w\", \"arm\": \"b\", \"note\": \"n <\"}]}",
		       "{}");

	cr_expect_eq(count(paper->text, "n &lt;"), 2);
	cr_expect_eq(count(paper->text, "<td>a, b</td>"), 1);
	paper_free(paper);
}

Test(unit, what_changed_is_told)
{
	static const char now[] = "{\"figures\": [{\"workload\": \"w\", \"arm\": \"a\","
				  " \"metric\": \"m\", \"runs\": [50, 51, 52, 53, 54]}]}",
			  before[] = "{\"figures\": [{\"workload\": \"w\", \"arm\": \"a\","
				     " \"metric\": \"m\", \"runs\": [90, 91, 92, 93, 94]}]}";
	struct paper *paper = report(now, before);

	cr_expect_not_null(strstr(paper->text, "1 are worse"));
	cr_expect_not_null(strstr(paper->text, "<td class=\"worse\">worse</td>"));
	paper_free(paper);
}

Test(unit, no_name_gets_out_of_its_place)
{
	struct paper *paper = report(
		"{\"machine\": {\"<k>\": \"<v>\", \"list\": []}, \"settings\": {\"<s>\": 1},"
		" \"figures\": [{\"workload\": \"<w-1>\", \"arm\": \"<a>\", \"metric\": \"<m>\","
		" \"unit\": \"<u>\", \"runs\": [1]}],"
		" \"limits\": [{\"workload\": \"<w>\", \"arm\": \"<a>\", \"runs\": [1]}],"
		" \"latencies\": [{\"workload\": \"<w>\", \"arm\": \"<a>\", \"unit\": \"<u>\","
		" \"points\": [[0, 1]]}],"
		" \"notes\": [{\"workload\": \"<w>\", \"arm\": \"<a>\", \"note\": \"<n>\"}],"
		" \"proofs\": [{\"workload\": \"<w>\", \"arm\": \"<a>\", \"text\": \"<t>\"}]}",
		"{}");
	static const char *const names[] = { "<k>", "<v>", "<s>", "<w>", "<w-1>",
					     "<m>", "<u>", "<n>", "<t>" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cr_expect_null(strstr(paper->text, names[i]), "%s", names[i]);
	cr_expect_null(strstr(paper->text, "<a>"));
	cr_expect_not_null(strstr(paper->text, "&lt;t&gt;"));
	paper_free(paper);
}
