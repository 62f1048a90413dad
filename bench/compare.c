/* SPDX-License-Identifier: MIT */

/* `ktls-bench compare`: tells two results of `ktls-bench run --json` apart, by the rule of
 * changes.h. */

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "commands.h"

static const char usage[] =
	"usage: ktls-bench compare [-k METRIC] [-m PERCENT] [--json] OLD.json NEW.json\n\n"
	"Tells what changed between two results of `ktls-bench run --json`, beyond their noise.\n\n"
	"  -k METRIC   only metrics whose name begins so: on a machine that others use, too,\n"
	"              \"per CPU second\" suffers least\n"
	"  -m PERCENT  no change below that is one; 5 by default\n"
	"  --json      for programs\n\n"
	"The noise of a figure is the spread of both together, the two that `run` tells as \u00b1, "
	"and\n"
	"at least PERCENT. A change is one that the exact test of Mann and Whitney finds beyond\n"
	"that noise with p at most 0.01, for which each has to have 5 runs or more. Of a thousand\n"
	"figures that never changed, about one may seem to.\n\n"
	"Exit status: 0 nothing is worse, 3 something is, 1 the files are of no use.\n";

enum {
	EXIT_WORSE = 3,
	FACT_LEN = 64,
};

static void print_change(const struct change *change)
{
	double before = change->before->spread.median, after = change->after->spread.median;

	printf("  %-28s %10.*f -> %-10.*f", change->after->arm, bench_digits(before), before,
	       bench_digits(after), after);
	if (before)
		printf(" %+7.1f %%  (noise \u00b1%.1f %%)", change_percent(change),
		       change_noise_percent(change));
	printf("  %s\n", change_word(change->verdict));
}

static bool is_like(const struct change *change, const struct change *other)
{
	return !strcmp(change->after->workload, other->after->workload) &&
	       !strcmp(change->after->metric, other->after->metric);
}

/* Facts of the machine that are not what they were: a comparison may be of these. */
static void add_facts(json_t *list, const char *whose, json_t *before, json_t *after)
{
	char was[FACT_LEN], is[FACT_LEN];
	const char *key;
	json_t *value;

	json_object_foreach(after, key, value)
	{
		json_t *old = json_object_get(before, key);

		if (json_is_object(old) && json_is_object(value))
			add_facts(list, whose, old, value);
		else if (old && !json_equal(old, value))
			json_array_append_new(
				list, json_pack("{s:s+, s:s, s:s}", "fact", whose, key, "old",
						document_fact(old, was, sizeof(was)), "new",
						document_fact(value, is, sizeof(is))));
	}
}

/* Whether the client had a machine of its own, or network namespace: then all may be different. */
static void add_presence(json_t *list, const struct document *before, const struct document *after)
{
	static const char *const where[] = { "on loopback", "over a network" };

	if (!before->client_machine != !after->client_machine)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "fact", "the client",
						      "old", where[!!before->client_machine], "new",
						      where[!!after->client_machine]));
}

static void print_facts(const json_t *facts)
{
	size_t i;
	json_t *fact;

	json_array_foreach(facts, i, fact)
		printf("%s: was %s, is %s\n", json_string_value(json_object_get(fact, "fact")),
		       json_string_value(json_object_get(fact, "old")),
		       json_string_value(json_object_get(fact, "new")));
	if (json_array_size(facts))
		printf("\n");
}

static void print_counts(const struct changes *changes)
{
	printf("%zu figures: %zu worse, %zu better, %zu within noise, %zu with too few runs to "
	       "tell",
	       changes->n, changes->counts[CHANGE_WORSE], changes->counts[CHANGE_BETTER],
	       changes->counts[CHANGE_NONE], changes->counts[CHANGE_UNKNOWN]);
	if (changes->gone || changes->added)
		printf("; %zu only in the old, %zu only in the new", changes->gone, changes->added);
	printf("\n");
}

/* The arms of a workload's metric stand together. */
static void print_all(const struct changes *changes)
{
	const struct change *list = changes->list, *end = list + changes->n;

	for (const struct change *first = list; first < end; first++) {
		const struct change *change = list;

		while (!is_like(change, first))
			change++;
		if (change < first)
			continue; /* was told with that one */
		printf("%s%s%s (%s)\n", first->after->workload, *first->after->metric ? ", " : "",
		       first->after->metric, first->after->unit);
		for (; change < end; change++) {
			if (is_like(change, first))
				print_change(change);
		}
		printf("\n");
	}
	print_counts(changes);
}

static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_of(const struct change *change)
{
	const struct document_figure *after = change->after;

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:f, s:f, s:o, s:o, s:f, s:s}", "workload",
			 after->workload, "metric", after->metric, "arm", after->arm, "unit",
			 after->unit, "less_is_better", after->less_is_better, "old",
			 change->before->spread.median, "new", after->spread.median,
			 "change_percent", number_or_null(change_percent(change)), "noise_percent",
			 number_or_null(change_noise_percent(change)), "p", change->p, "verdict",
			 change_word(change->verdict));
}

static void print_json(const struct changes *changes, json_t *facts)
{
	json_t *list = json_array(), *counts = json_object();

	for (size_t i = 0; i < changes->n; i++)
		json_array_append_new(list, json_of(&changes->list[i]));
	for (size_t i = 0; i < _CHANGE_N; i++)
		json_object_set_new(counts, change_word((enum change_verdict)i),
				    json_integer((json_int_t)changes->counts[i]));
	bench_print_json(json_pack("{s:i, s:O, s:o, s:o, s:I, s:I}", "version", 1, "machine", facts,
				   "changes", list, "counts", counts, "only_old",
				   (json_int_t)changes->gone, "only_new",
				   (json_int_t)changes->added));
}

struct question {
	const char *old_path, *new_path;
	const char *metric;
	double least_percent;
	bool as_json;
};

static void keep_metric(struct document_figures *figures, const char *begin)
{
	size_t n = 0;

	for (size_t i = 0; i < figures->n; i++) {
		if (!strncmp(figures->list[i].metric, begin, strlen(begin)))
			figures->list[n++] = figures->list[i];
	}
	figures->n = n;
}

static int compare(const struct question *question)
{
	struct document before = document_load(question->old_path),
			after = document_load(question->new_path);
	struct changes changes;
	json_t *facts = json_array();
	bool is_worse;

	add_facts(facts, "", before.machine, after.machine);
	add_facts(facts, "the client's ", before.client_machine, after.client_machine);
	add_presence(facts, &before, &after);
	keep_metric(&before.figures, question->metric);
	keep_metric(&after.figures, question->metric);
	changes = changes_of(&before.figures, &after.figures, question->least_percent);
	is_worse = changes.counts[CHANGE_WORSE] > 0;
	if (!changes.n)
		bench_die("%s and %s have no such figure in common", question->old_path,
			  question->new_path);
	if (question->as_json) {
		print_json(&changes, facts);
	} else {
		print_facts(facts);
		print_all(&changes);
	}
	json_decref(facts);
	changes_done(&changes);
	document_done(&before);
	document_done(&after);
	return is_worse ? EXIT_WORSE : 0;
}

int compare_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct question question = { .metric = "", .least_percent = CHANGES_LEAST_PERCENT };
	int option;

	while ((option = getopt_long(argc, argv, "k:m:h", long_options, NULL)) != -1) {
		if (option == 'k')
			question.metric = optarg;
		else if (option == 'm')
			question.least_percent = (double)bench_number(optarg, 1000, usage);
		else if (option == 'j')
			question.as_json = true;
		else
			return bench_say_usage(usage, option == 'h');
	}
	if (argc - optind != 2)
		return bench_say_usage(usage, false);
	question.old_path = argv[optind];
	question.new_path = argv[optind + 1];
	return compare(&question);
}
