/* SPDX-License-Identifier: MIT */

/*
 * `ktls-bench run`: every workload against every arm (match.h), in turn, again and again, so that
 * what else the machine does meets each alike. A figure that only says how quick the client is, is
 * none.
 */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "match.h"

static const char usage[] =
	"usage: ktls-bench run [-r RUNS] [-t MILLISECONDS] [-w WORKLOAD]... [-a ARM]...\n"
	"                      [-s NAME=PORT[,PID]]... [--slow-us MICROSECONDS]\n"
	"                      [--json | --list]\n\n"
	"  -r RUNS          of each, in turn; 5 by default\n"
	"  -t MILLISECONDS  each lasts; 1000 by default\n"
	"  -w WORKLOAD      only those whose name begins so\n"
	"  -a ARM           only those whose name begins so\n"
	"  -s NAME=PORT,PID one more arm: an HTTPS server on 127.0.0.1 that has files named by\n"
	"                   their size (/1024), with AES-128-GCM; PID's CPU time is counted\n"
	"  --slow-us N      to test `ktls-bench compare`: the harness's own servers sleep N us "
	"for\n"
	"                   each record of 16 KiB that they send\n"
	"  --json           for programs: every run\n"
	"  --list           the names of workloads and arms\n";

enum {
	CHOSEN_MAX = 32,
	STRANGERS_MAX = 8,
	LINE_LEN = 79,
	MS = 1000000,
};

struct plan {
	const char *workloads[CHOSEN_MAX], *arms[CHOSEN_MAX];
	size_t n_workloads, n_arms;
	struct stranger strangers[STRANGERS_MAX];
	size_t n_strangers;
	unsigned int runs;
	uint64_t window_ns;
	unsigned int slow_us;
	bool json;
};

static bool is_chosen(const char *name, const char *const *chosen, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strncmp(name, chosen[i], strlen(chosen[i])))
			return true;
	}
	return !n;
}

static void add_match(struct match **matches, size_t *n, struct match match)
{
	*matches = reallocarray(*matches, *n + 1, sizeof(match));
	if (!*matches)
		bench_die("no memory");
	(*matches)[(*n)++] = match;
}

static size_t list_matches(const struct plan *plan, struct match **ret_matches)
{
	size_t n = 0;

	*ret_matches = NULL;
	for (const struct workload *workload = workloads; workload->name; workload++) {
		if (!is_chosen(workload->name, plan->workloads, plan->n_workloads))
			continue;
		for (const struct arm *arm = arms; arm->name; arm++) {
			if (is_chosen(arm->name, plan->arms, plan->n_arms))
				add_match(ret_matches, &n,
					  (struct match){ .workload = workload,
							  .arm = arm,
							  .slow_us = plan->slow_us });
		}
		for (size_t s = 0; s < plan->n_strangers; s++)
			add_match(ret_matches, &n,
				  (struct match){ .workload = workload,
						  .stranger = &plan->strangers[s] });
	}
	return n;
}

static void run_all(const struct plan *plan, struct match *matches, size_t n,
		    struct bench_figures *figures)
{
	for (size_t i = 0; i < n; i++) {
		match_prepare(&matches[i]);
		if (!matches[i].skipped)
			match_add_figures(&matches[i], figures);
	}
	for (unsigned int run = 0; run < plan->runs; run++) {
		for (size_t turn = 0; turn < n; turn++) {
			size_t i = run % 2 ? n - 1 - turn : turn;

			if (!matches[i].skipped)
				match_run(&matches[i], plan->window_ns, figures);
		}
	}
}

/* What only says how quick the client is goes. */
static void withdraw(const struct match *match, struct bench_figures *figures)
{
	for (unsigned int m = METRIC_RATE; m < _METRIC_N; m++)
		figures->list[match->figures + m].n = 0;
}

/* Why it has no figures, or not all; NULL: it has. */
static const char *note_of(const struct match *match)
{
	if (match->skipped)
		return match->skipped;
	return match->client_limited ? "no rate and no times: the client was at its limit" : NULL;
}

static bool is_same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* The arms of one workload that have the same note, from the first of them on. */
static void print_note(const struct match *matches, size_t n)
{
	const char *note = note_of(matches);
	int column = printf("%s: %s:", matches->workload->name, note);

	for (size_t i = 0; i < n && matches[i].workload == matches->workload; i++) {
		const char *name = match_name(&matches[i]);

		if (!is_same(note_of(&matches[i]), note))
			continue;
		if (column + 1 + (int)strlen(name) > LINE_LEN)
			column = printf("\n ") - 1;
		column += printf(" %s", name);
	}
	printf("\n");
}

static void print_notes(const struct match *matches, size_t n)
{
	printf("\n");
	for (size_t i = 0; i < n; i++) {
		bool told = !note_of(&matches[i]);

		for (size_t j = i; j-- && matches[j].workload == matches[i].workload && !told;)
			told = is_same(note_of(&matches[j]), note_of(&matches[i]));
		if (!told)
			print_note(&matches[i], n - i);
	}
}

static json_t *json_of_notes(const struct match *matches, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (note_of(&matches[i]))
			json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "workload",
							      matches[i].workload->name, "arm",
							      match_name(&matches[i]), "note",
							      note_of(&matches[i])));
	return list;
}

static void tell(const struct plan *plan, const struct match *matches, size_t n,
		 const struct bench_figures *figures)
{
	if (plan->json) {
		bench_print_json(json_pack("{s:o, s:o}", "figures", figures_json(figures), "notes",
					   json_of_notes(matches, n)));
		return;
	}
	figures_print_tables(figures, stdout);
	print_notes(matches, n);
}

static int compare(const struct plan *plan)
{
	struct bench_figures figures = { 0 };
	struct match *matches;
	size_t n = list_matches(plan, &matches);

	if (!n)
		bench_die("no workload, or no arm, has such a name; see --list");
	run_all(plan, matches, n, &figures);
	for (size_t i = 0; i < n; i++)
		if (matches[i].client_limited)
			withdraw(&matches[i], &figures);
	tell(plan, matches, n, &figures);
	for (size_t i = 0; i < n; i++)
		match_done(&matches[i]);
	free(matches);
	figures_done(&figures);
	return 0;
}

static int list_names(void)
{
	for (const struct workload *workload = workloads; workload->name; workload++)
		printf("workload %s\n", workload->name);
	for (const struct arm *arm = arms; arm->name; arm++)
		printf("arm %s\n", arm->name);
	return 0;
}

static void choose(const char **list, size_t *n, const char *name)
{
	if (*n == CHOSEN_MAX)
		bench_die("%s: there can be no more than %d", name, CHOSEN_MAX);
	list[(*n)++] = name;
}

/* NAME=PORT[,PID] */
static void add_stranger(struct plan *plan, const char *text)
{
	const char *port = strchr(text, '='), *pid = port ? strchr(port, ',') : NULL;
	struct stranger *stranger = &plan->strangers[plan->n_strangers];
	char number[16];

	if (!port || port == text || port - text >= BENCH_NAME_MAX)
		bench_die("%s: NAME=PORT or NAME=PORT,PID is needed\n%s", text, usage);
	if (plan->n_strangers == STRANGERS_MAX)
		bench_die("%s: there can be no more than %d servers", text, STRANGERS_MAX);
	snprintf(stranger->name, sizeof(stranger->name), "%.*s", (int)(port - text), text);
	snprintf(number, sizeof(number), "%.*s", pid ? (int)(pid - port - 1) : 15, port + 1);
	stranger->port = (uint16_t)bench_number(number, UINT16_MAX, usage);
	if (pid)
		stranger->pid = (pid_t)bench_number(pid + 1, INT32_MAX, usage);
	plan->n_strangers++;
}

int run_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "slow-us", required_argument, NULL, 'S' },
		{ "json", no_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	static struct plan plan = { .runs = 5, .window_ns = 1000 * (uint64_t)MS };
	int option;

	while ((option = getopt_long(argc, argv, "r:t:w:a:s:h", long_options, NULL)) != -1) {
		if (option == 'r')
			plan.runs = (unsigned int)bench_number(optarg, BENCH_RUNS_MAX, usage);
		else if (option == 't')
			plan.window_ns = bench_number(optarg, 3600000, usage) * MS;
		else if (option == 'w')
			choose(plan.workloads, &plan.n_workloads, optarg);
		else if (option == 'a')
			choose(plan.arms, &plan.n_arms, optarg);
		else if (option == 's')
			add_stranger(&plan, optarg);
		else if (option == 'S')
			plan.slow_us = (unsigned int)bench_number(optarg, 1000000, usage);
		else if (option == 'j')
			plan.json = true;
		else if (option == 'l')
			return list_names();
		else
			return bench_say_usage(usage, option == 'h');
	}
	return optind != argc ? bench_say_usage(usage, false) : compare(&plan);
}
