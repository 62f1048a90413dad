/* SPDX-License-Identifier: MIT */

/*
 * `ktls-bench run`: every workload against every arm (match.h), in turn, again and again, so that
 * what else the machine does meets each alike. A figure that only says how quick the client is, is
 * none.
 */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "curve.h"
#include "machine.h"
#include "match.h"
#include "remote.h"

static const char usage[] =
	"usage: ktls-bench run [-r RUNS] [-t MILLISECONDS] [-w WORKLOAD]... [-a ARM]...\n"
	"                      [-s NAME=[HOST:]PORT[,PID[,WORKLOAD]...]]...\n"
	"                      [-R RATE] [--slow-us N] [--client HOST:PORT] [--json | --list]\n"
	"       ktls-bench run --server [ADDRESS:]PORT\n\n"
	"  -r RUNS          of each, in turn; 5 by default\n"
	"  -t MILLISECONDS  each lasts; 1000 by default\n"
	"  -R RATE          requests a second of workloads at a fixed rate; 10000 by default\n"
	"  -w WORKLOAD      only that; or, if none has this name, those whose name begins so;\n"
	"                   idle-10k, which takes long, only if it is named\n"
	"  -a ARM           the same of arms\n"
	"  -s NAME=PORT,PID one more arm: an HTTPS server on 127.0.0.1, or --client's HOST, that\n"
	"                   has files named by their size (/1024), with AES-128-GCM; PID's CPU\n"
	"                   time is counted, on the server's machine. Workloads behind that: it\n"
	"                   is in no others, chosen as by -w; uploads and RSA are to be named\n"
	"                   in full\n"
	"  --slow-us N      to test `ktls-bench compare`: the harness's own servers sleep N us "
	"for\n"
	"                   each record of 16 KiB that they send\n"
	"  --client HOST:PORT\n"
	"                   the servers run on that machine, where --server waits\n"
	"  --server PORT    starts servers of the harness's own for one client after the other,\n"
	"                   until SIGTERM. Whoever reaches it can do that: it is for a network\n"
	"                   that one trusts\n"
	"  --json           for programs: every run\n"
	"  --list           the names of workloads, with the size of an answer, and of arms\n\n"
	"The exit status is 1 if a run failed; the others are told all the same. It is 77 if\n"
	"there was nothing that could be measured here.\n";

enum {
	STRANGERS_MAX = 32,
	LINE_LEN = 79,
	LIMIT_MS = 20, /* of each run of the limits, which stand beside the figures */
	RATE = 10000,
	MS = 1000000,
};

struct plan {
	const char *workloads[CHOSEN_MAX], *arms[CHOSEN_MAX];
	size_t n_workloads, n_arms;
	struct stranger strangers[STRANGERS_MAX];
	size_t n_strangers;
	unsigned int runs;
	struct match_rules rules;
	struct place place; /* of the other machine */
	struct remote remote;
	bool json;
};

static bool is_name(const char *text)
{
	for (const struct workload *workload = workloads; workload->name; workload++) {
		if (!strcmp(text, workload->name))
			return true;
	}
	for (const struct arm *arm = arms; arm->name; arm++) {
		if (!strcmp(text, arm->name))
			return true;
	}
	return false;
}

/* As it begins; but a whole name is that one's, though others begin so. */
static bool is_chosen(const char *name, const char *const *chosen, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_name(chosen[i]) ? !strcmp(name, chosen[i])
				       : !strncmp(name, chosen[i], strlen(chosen[i])))
			return true;
	}
	return !n;
}

/* By its whole name. */
static bool is_asked(const char *name, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_workloads; i++) {
		if (!strcmp(name, plan->workloads[i]))
			return true;
	}
	return false;
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
		if (!is_chosen(workload->name, plan->workloads, plan->n_workloads) ||
		    (workload->asked && !is_asked(workload->name, plan)))
			continue;
		for (const struct arm *arm = arms; arm->name; arm++) {
			if (is_chosen(arm->name, plan->arms, plan->n_arms))
				add_match(ret_matches, &n,
					  (struct match){ .workload = workload, .arm = arm });
		}
		for (size_t s = 0; s < plan->n_strangers; s++) {
			const struct stranger *stranger = &plan->strangers[s];

			if (is_chosen(workload->name, stranger->workloads, stranger->n_workloads))
				add_match(ret_matches, &n,
					  (struct match){ .workload = workload,
							  .stranger = stranger });
		}
	}
	return n;
}

/* On a terminal, in a line that goes again. */
static void show_progress(const struct plan *plan, unsigned int run, size_t turn, size_t n,
			  const struct match *match)
{
	enum {
		WIDTH = 30,
	};
	size_t done = (run * n + turn) * WIDTH / (plan->runs * n);

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K");
	if (!match)
		return;
	fprintf(stderr, "[%.*s%*s] %u/%u %s %s", (int)done, "##############################",
		WIDTH - (int)done, "", run + 1, plan->runs, match->workload->name,
		match_name(match));
	fflush(stderr);
}

static void run_all(const struct plan *plan, struct match *matches, size_t n,
		    struct bench_figures *figures)
{
	for (size_t i = 0; i < n; i++)
		match_prepare(&matches[i], &plan->rules, figures);
	for (unsigned int run = 0; run < plan->runs; run++) {
		for (size_t turn = 0; turn < n; turn++) {
			size_t i = run % 2 ? n - 1 - turn : turn;

			show_progress(plan, run, turn, n, &matches[i]);
			if (!matches[i].over)
				match_run(&matches[i], &plan->rules, figures);
		}
	}
	show_progress(plan, plan->runs, 0, n, NULL);
}

/* The arms of one workload that have the same note, from the first of them on. */
static void print_note(const struct match *matches, size_t n)
{
	int column = printf("%s: %s:", matches->workload->name, matches->note);

	for (size_t i = 0; i < n && matches[i].workload == matches->workload; i++) {
		const char *name = match_name(&matches[i]);

		if (strcmp(matches[i].note, matches->note))
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
		bool told = !matches[i].note[0];

		for (size_t j = i; j-- && matches[j].workload == matches[i].workload && !told;)
			told = !strcmp(matches[j].note, matches[i].note);
		if (!told)
			print_note(&matches[i], n - i);
	}
}

/* Of each that has one: its notes, or where its records were protected. */
static json_t *json_of_texts(const struct match *matches, size_t n, bool proofs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const char *text = proofs ? matches[i].proof : matches[i].note;

		if (*text)
			json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "workload",
							      matches[i].workload->name, "arm",
							      match_name(&matches[i]),
							      proofs ? "text" : "note", text));
	}
	return list;
}

/* How long requests took, where that is not the client's doing. */
static json_t *json_of_latencies(const struct plan *plan, const struct match *matches, size_t n)
{
	json_t *list = json_array(), *row;

	for (size_t i = 0; i < n; i++) {
		if (!matches[i].latency || !matches[i].latency->n)
			continue;
		row = json_pack("{s:s, s:s}", "workload", matches[i].workload->name, "arm",
				match_name(&matches[i]));
		if (matches[i].workload->rated)
			json_object_set_new(row, "rate",
					    json_integer((json_int_t)plan->rules.rate));
		json_object_update_new(row, curve_json(matches[i].latency));
		json_array_append_new(list, row);
	}
	return list;
}

/* What is known beside the figures: "machine" is the server's, to which they belong. */
struct surroundings {
	json_t *machine, *limits;
	json_t *client; /* the other machine; NULL: there is none */
};

static struct surroundings look_around(const struct plan *plan)
{
	const struct remote *remote = plan->rules.remote;
	struct surroundings around = { 0 };

	around.machine = remote ? json_incref(remote->machine) : machine_json(-1);
	around.client = remote ? machine_json(remote->fd) : NULL;
	if (plan->json && remote)
		around.limits = remote_limits(remote, plan->runs, LIMIT_MS * (uint64_t)MS);
	else if (plan->json)
		around.limits = limits_json(plan->runs, LIMIT_MS * (uint64_t)MS);
	return around;
}

static void tell_people(const struct match *matches, size_t n, const struct bench_figures *figures,
			const struct surroundings *around)
{
	if (around->client)
		printf("the server's machine:\n");
	machine_print(around->machine, stdout);
	if (around->client) {
		printf("\nthe client's machine:\n");
		machine_print(around->client, stdout);
	}
	printf("\n");
	figures_print_tables(figures, stdout);
	print_notes(matches, n);
}

static json_t *json_of_settings(const struct plan *plan)
{
	json_t *settings = json_pack("{s:i, s:I, s:I}", "runs", (int)plan->runs, "window_ms",
				     (json_int_t)(plan->rules.window_ns / MS), "rate",
				     (json_int_t)plan->rules.rate);

	if (plan->rules.remote)
		json_object_set_new(settings, "server",
				    json_sprintf("%s, port %u", plan->place.host,
						 plan->place.port));
	return settings;
}

static void tell(const struct plan *plan, const struct match *matches, size_t n,
		 const struct bench_figures *figures, const struct surroundings *around)
{
	json_t *root;

	if (!plan->json) {
		tell_people(matches, n, figures, around);
		return;
	}
	root = json_pack("{s:i, s:O, s:o, s:O, s:o, s:o, s:o, s:o}", "version", 1, "machine",
			 around->machine, "settings", json_of_settings(plan), "limits",
			 around->limits, "figures", figures_json(figures), "latencies",
			 json_of_latencies(plan, matches, n), "notes",
			 json_of_texts(matches, n, false), "proofs",
			 json_of_texts(matches, n, true));
	if (around->client)
		json_object_set(root, "client_machine", around->client);
	bench_print_json(root);
}

static int compare(const struct plan *plan)
{
	struct bench_figures figures = { 0 };
	struct surroundings around;
	struct match *matches;
	size_t n = list_matches(plan, &matches);
	bool failed = false;
	int status;

	if (!n)
		bench_die("no workload, or no arm, has such a name; see --list");
	around = look_around(plan);
	run_all(plan, matches, n, &figures);
	tell(plan, matches, n, &figures, &around);
	for (size_t i = 0; i < n; i++) {
		failed |= matches[i].failed;
		match_done(&matches[i]);
	}
	status = !failed && !figures.n ? BENCH_SKIPPED : failed;
	free(matches);
	json_decref(around.machine);
	json_decref(around.client);
	json_decref(around.limits);
	figures_done(&figures);
	return status;
}

/* With the servers on another machine. */
static int compare_from_here(struct plan *plan)
{
	int status;

	remote_open(&plan->remote, &plan->place);
	plan->rules.remote = &plan->remote;
	status = compare(plan);
	remote_close(&plan->remote);
	return status;
}

static int list_names(void)
{
	for (const struct workload *workload = workloads; workload->name; workload++)
		printf("workload %s %llu\n", workload->name, (unsigned long long)workload->size);
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

static void parse_place(const char *text, bool whole, struct place *ret_place)
{
	if (place_parse(text, ret_place) || (whole && !*ret_place->host) || !ret_place->port)
		bench_die("%s: %s is needed, with a port from 1 to 65535\n%s", text,
			  whole ? "HOST:PORT" : "[HOST:]PORT", usage);
}

/* Of the other side's process; port 0: any that is free. */
static int serve(int argc, const char *text)
{
	struct place place;

	if (argc > 3)
		bench_die("--server goes alone: what is measured the client says\n%s", usage);
	if (place_parse(text, &place))
		bench_die("%s: [ADDRESS:]PORT is needed\n%s", text, usage);
	remote_serve(&place);
}

/* NAME=[HOST:]PORT[,PID[,WORKLOAD]...], which is taken apart. */
static void add_stranger(struct plan *plan, char *text)
{
	struct stranger *stranger = &plan->strangers[plan->n_strangers];
	char *rest = strchr(text, '='), *pid, *workload;

	if (!rest || rest == text || rest - text >= BENCH_NAME_MAX)
		bench_die("%s: NAME=PORT or NAME=PORT,PID is needed\n%s", text, usage);
	if (plan->n_strangers == STRANGERS_MAX)
		bench_die("%s: there can be no more than %d servers", text, STRANGERS_MAX);
	*rest++ = '\0';
	strcpy(stranger->name, text);
	parse_place(strsep(&rest, ","), false, &stranger->place);
	pid = strsep(&rest, ",");
	if (pid)
		stranger->pid = (pid_t)bench_number(pid, INT32_MAX, usage);
	while ((workload = strsep(&rest, ",")))
		choose(stranger->workloads, &stranger->n_workloads, workload);
	plan->n_strangers++;
}

int run_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "slow-us", required_argument, NULL, 'S' },
		{ "client", required_argument, NULL, 'C' },
		{ "server", required_argument, NULL, 'V' },
		{ "json", no_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	static struct plan plan = { .runs = 5, .rules = { 1000 * (uint64_t)MS, RATE } };
	int option;

	while ((option = getopt_long(argc, argv, "r:t:w:a:s:R:h", long_options, NULL)) != -1) {
		if (option == 'r')
			plan.runs = (unsigned int)bench_number(optarg, BENCH_RUNS_MAX, usage);
		else if (option == 't')
			plan.rules.window_ns = bench_number(optarg, 3600000, usage) * MS;
		else if (option == 'R')
			plan.rules.rate = bench_number(optarg, 100000000, usage);
		else if (option == 'w')
			choose(plan.workloads, &plan.n_workloads, optarg);
		else if (option == 'a')
			choose(plan.arms, &plan.n_arms, optarg);
		else if (option == 's')
			add_stranger(&plan, optarg);
		else if (option == 'S')
			plan.rules.slow_us = (unsigned int)bench_number(optarg, 1000000, usage);
		else if (option == 'C')
			parse_place(optarg, true, &plan.place);
		else if (option == 'V')
			return serve(argc, optarg);
		else if (option == 'j')
			plan.json = true;
		else if (option == 'l')
			return list_names();
		else
			return bench_say_usage(usage, option == 'h');
	}
	if (optind != argc)
		return bench_say_usage(usage, false);
	return *plan.place.host ? compare_from_here(&plan) : compare(&plan);
}
