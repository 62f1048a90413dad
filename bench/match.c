/* SPDX-License-Identifier: MIT */

/*
 * See match.h. The server is a process of its own, new for each run, and has a CPU to itself where
 * there are two; so is the client, so that one that fails takes nothing with it.
 */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "match.h"
#include "remote.h"

enum {
	CHECK_NS = 1000000,
	PROOF_LEN = 448,
	NOTHING_LEN = 80,
	BUSY_PERCENT = 92, /* of its CPU: then a party is at its limit */
	TAIL_N = 10000,	   /* requests, for a quantile of 99.99 % to be one */
};

/* -- What is measured -- */

enum {
	OF_BULK = 1 << WORK_BULK,
	OF_REQUEST = 1 << WORK_REQUEST,
	OF_IDLE = 1 << WORK_IDLE,
};

/* Two units and headings where it is not the same of bytes and of requests. */
static const struct {
	unsigned int of; /* kinds of workloads */
	const char *text;
	const char *unit[2];	/* by enum workload_kind */
	const char *heading[2]; /* NULL: not in the table */
	bool less_is_better;
	bool of_both;	      /* as much the client's as the server's */
	const char *far_text; /* where the client is on another machine; NULL: the same */
} metrics[_METRIC_N] = {
	[METRIC_PER_SERVER_CPU] = { OF_BULK | OF_REQUEST,
				    "per CPU second of the server",
				    { "GB", "thousand" },
				    { "GB/CPU-s", "k/CPU-s" },
				    false },
	[METRIC_PER_SYSTEM_CPU] = { OF_BULK | OF_REQUEST,
				    "per CPU second of the system",
				    { "GB", "thousand" },
				    { "GB/sys-s", "k/sys-s" },
				    false },
	[METRIC_RATE] = { OF_BULK | OF_REQUEST,
			  "per second",
			  { "GB", "thousand" },
			  { "GB/s", "k/s" },
			  false,
			  true },
	[METRIC_MEDIAN] = { OF_REQUEST, "half within", { 0, "us" }, { 0, "50% us" }, true, true },
	[METRIC_P99] = { OF_REQUEST, "99 % within", { 0, "us" }, { 0, "99% us" }, true, true },
	[METRIC_P9999] = { OF_REQUEST,
			   "99.99 % within",
			   { 0, "us" },
			   { 0, "99.99% us" },
			   true,
			   true },
	[METRIC_CALLS] = { OF_BULK | OF_REQUEST,
			   "system calls of the server",
			   { "a MiB", "a request" },
			   { "calls/MiB", "calls" },
			   true },
	[METRIC_INSTRUCTIONS] = { OF_BULK | OF_REQUEST,
				  "instructions of the server",
				  { "a byte", "a request" },
				  { NULL, NULL },
				  true },
	[METRIC_HEAP] = { OF_IDLE,
			  "heap of the server, a connection",
			  { "bytes" },
			  { "heap B" },
			  true },
	[METRIC_SERVER_MEMORY] = { OF_IDLE,
				   "memory of the server, a connection",
				   { "bytes" },
				   { "server B" },
				   true },
	[METRIC_SLAB] = { OF_IDLE,
			  "slab of the kernel, both ends of one",
			  { "bytes" },
			  { "slab B" },
			  true,
			  false,
			  "slab of the kernel, the server's end of one" },
	[METRIC_SOCKETS] = { OF_IDLE,
			     "socket buffers of the kernel, both ends of one",
			     { "bytes" },
			     { "sockets B" },
			     true,
			     false,
			     "socket buffers of the kernel, the server's end of one" },
};

const char *match_name(const struct match *match)
{
	return match->arm ? match->arm->name : match->stranger->name;
}

/* Do both sides share a kernel, and its CPUs? */
static bool is_together(const struct match_rules *rules)
{
	return !rules->remote || rules->remote->same_machine;
}

static void add_figures(struct match *match, const struct match_rules *rules,
			struct bench_figures *figures)
{
	const struct workload *workload = match->workload;
	unsigned int column = workload->kind == WORK_REQUEST;

	for (unsigned int m = 0; m < _METRIC_N; m++) {
		struct bench_figure *figure;

		if (!(metrics[m].of & 1u << workload->kind))
			continue;
		figure = figures_add(figures, workload->name, match_name(match),
				     metrics[m].unit[column], metrics[m].less_is_better);
		figure->metric = metrics[m].text;
		if (metrics[m].far_text && !is_together(rules))
			figure->metric = metrics[m].far_text;
		figure->heading = metrics[m].heading[column];
		match->figures[m] = figures->n;
	}
}

/* What not every server does, or not with the key that it has. */
static bool is_named(const struct stranger *stranger, const char *workload)
{
	for (size_t i = 0; i < stranger->n_workloads; i++) {
		if (!strcmp(stranger->workloads[i], workload))
			return true;
	}
	return false;
}

static const char *why_senseless(const struct match *match)
{
	const struct workload *workload = match->workload;

	if (match->stranger && (workload->upload || workload->rsa) &&
	    !is_named(match->stranger, workload->name))
		return "a server of others must be named for it: see -s";
	if (match->arm && match->arm->protection == ARM_PLAIN && workload->handshakes_only)
		return "there is no handshake without TLS";
	if (match->arm && match->arm->file && (workload->upload || workload->handshakes_only))
		return "no file is sent";
	if (match->arm && !match->arm->ring && workload->conns > SERVICE_CONNS_MAX)
		return "more than ktls_poll() waits for at once";
	return NULL;
}

/* Of the kernel it is the server's that matters: a client takes what protection it gets. */
void match_prepare(struct match *match, const struct match_rules *rules,
		   struct bench_figures *figures)
{
	const char *why = why_senseless(match);

	if (!why && match->arm && !rules->remote)
		why = party_why_not(match->arm, match->workload->protocol);
	snprintf(match->note, sizeof(match->note), "%s", why ? why : "");
	if (!why && match->arm && rules->remote)
		remote_why_not(rules->remote, match->workload, match->arm, match->note);
	match->over = *match->note;
	if (!match->over)
		add_figures(match, rules, figures);
}

/* -- A run -- */

/* What the client's process answers with. */
struct outcome {
	double values[_METRIC_N]; /* NAN: not measured */
	bool client_limited;
	bool nothing; /* was finished */
	uint64_t checked;
	char proof[PROOF_LEN];
	struct histogram latency;
};

/* Whether the client had no time left while the server had some: then a rate is the client's. */
static bool is_client_limited(const struct load *load, const struct load_result *result,
			      const struct usage *spent)
{
	uint64_t busy = result->wall_ns / 100 * BUSY_PERCENT;

	return result->cpu_ns > busy * load->threads && spent->process_ns < busy;
}

static double per(double amount, uint64_t divisor, double unit)
{
	return divisor && divisor != USAGE_UNKNOWN ? amount / ((double)divisor / unit) : NAN;
}

static double each(uint64_t amount, double units)
{
	return amount == USAGE_UNKNOWN || units <= 0 ? NAN : (double)amount / units;
}

static void measure_work(struct outcome *outcome, const struct workload *workload,
			 const struct load_result *result, const struct usage *spent)
{
	bool bulk = workload->kind == WORK_BULK;
	double amount = bulk ? (double)result->bytes / 1e9 : (double)result->requests / 1e3;
	double bytes = (double)result->bytes, requests = (double)result->requests;
	double *values = outcome->values;

	outcome->nothing = amount <= 0;
	if (outcome->nothing)
		return;
	values[METRIC_PER_SERVER_CPU] = per(amount, spent->process_ns, 1e9);
	/* The kernel's ticks may miss what is short: less than one process is no sum of all. */
	if (spent->system_ns >= spent->process_ns)
		values[METRIC_PER_SYSTEM_CPU] = per(amount, spent->system_ns, 1e9);
	values[METRIC_CALLS] = each(spent->calls, bulk ? bytes / (1 << 20) : requests);
	values[METRIC_INSTRUCTIONS] = each(spent->instructions, bulk ? bytes : requests);
	values[METRIC_RATE] = per(amount, result->wall_ns, 1e9);
	if (result->latency.n) {
		values[METRIC_MEDIAN] = histogram_at(&result->latency, 0.5) / 1e3;
		values[METRIC_P99] = histogram_at(&result->latency, 0.99) / 1e3;
	}
	if (result->latency.n >= TAIL_N)
		values[METRIC_P9999] = histogram_at(&result->latency, 0.9999) / 1e3;
	outcome->latency = result->latency;
}

static void measure_memory(struct outcome *outcome, double conns, const struct party_memory *memory)
{
	outcome->values[METRIC_HEAP] = memory->has_heap ? (double)memory->heap / conns : NAN;
	outcome->values[METRIC_SERVER_MEMORY] = (double)memory->process / conns;
	outcome->values[METRIC_SLAB] = (double)memory->slab / conns;
	outcome->values[METRIC_SOCKETS] = (double)memory->sockets / conns;
}

/* What the client's own connection says of itself, and what the server's side saw. */
static void prove(struct outcome *outcome, const struct ktls_info *info,
		  const struct party_report *report)
{
	if (!info->suite)
		snprintf(outcome->proof, sizeof(outcome->proof), "client: no TLS; %s",
			 report->proof);
	else
		snprintf(outcome->proof, sizeof(outcome->proof), "client: %s%s %s, tx=%s rx=%s; %s",
			 ktls_protocol_name(info->protocol), info->resumed ? ", resumed," : "",
			 info->suite, ktls_protection_name(info->protection[KTLS_TX]),
			 ktls_protection_name(info->protection[KTLS_RX]), report->proof);
}

static const char *host_of(const struct match *match, const struct match_rules *rules)
{
	if (match->stranger && *match->stranger->place.host)
		return match->stranger->place.host;
	return rules->remote ? rules->remote->place.host : "127.0.0.1";
}

/* All CPUs are the client's where the server has others. */
static unsigned int threads_of(const struct workload *workload, bool together)
{
	unsigned int cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);

	if (together)
		return cpus > 2 && workload->conns > 1 ? 2 : 1;
	return cpus < workload->conns ? cpus : workload->conns;
}

static struct load load_of(const struct match *match, const struct match_rules *rules)
{
	const struct workload *workload = match->workload;
	bool together = is_together(rules);

	return (struct load){
		.host = host_of(match, rules),
		.conns = workload->conns,
		.threads = threads_of(workload, together),
		.avoid_cpu = together ? party_cpu() : -1,
		.window_ns = rules->window_ns,
		.rate = workload->rated ? rules->rate : 0,
		.reconnect = workload->reconnect,
		.handshakes_only = workload->handshakes_only,
		.resume = workload->resume,
		.idle = workload->kind == WORK_IDLE,
		.check = workload->kind == WORK_IDLE,
		.upload = workload->upload ? workload->size : 0,
	};
}

/* The window, as load.h opens and ends it. */
struct window {
	const struct remote *remote; /* of which the party is, if it is not NULL */
	struct party party;
	struct party_report report;
};

static void begin_window(void *context)
{
	struct window *window = context;

	if (window->remote)
		remote_begin(window->remote);
	else
		party_begin(&window->party);
}

static void end_window(void *context)
{
	struct window *window = context;

	if (window->remote)
		remote_end(window->remote, &window->report);
	else
		party_end(&window->party, &window->report);
}

/* The server's port. */
static uint16_t start_party(struct window *window, const struct party_task *task)
{
	if (window->remote)
		return remote_start(window->remote, task);
	party_start(&window->party, task);
	return window->party.process.port;
}

static void nothing(void *context)
{
	(void)context;
}

/* Before anything is measured, in a window of its own: is what comes what was asked for? */
static uint64_t check_bodies(const struct load *load)
{
	static struct load_result result;
	const struct load_hooks hooks = { nothing, nothing, NULL };
	struct load check = *load;

	check.check = true;
	check.idle = false;
	check.rate = 0;
	check.window_ns = CHECK_NS;
	load_run(&check, &hooks, &result);
	return result.checked;
}

static void measure(const struct match *match, const struct match_rules *rules,
		    struct outcome *outcome)
{
	static struct load_result result;
	const struct workload *workload = match->workload;
	struct load load = load_of(match, rules);
	const struct party_task task = { .workload = workload,
					 .arm = match->arm,
					 .stranger = match->stranger,
					 .slow_us = rules->slow_us,
					 .cpu = party_cpu() };
	struct window window = { .remote = rules->remote };
	struct load_hooks hooks = { begin_window, end_window, &window };
	char path[BENCH_NAME_MAX];

	snprintf(path, sizeof(path), "/%llu", (unsigned long long)workload->size);
	load.path = path;
	load.config = party_config(KTLS_CLIENT, workload, match->arm, NULL);
	load.port = start_party(&window, &task);
	if (!match->checked && !load.idle && !load.handshakes_only && !load.upload)
		outcome->checked = check_bodies(&load);
	load_run(&load, &hooks, &result);
	outcome->checked += result.checked;
	outcome->client_limited = is_client_limited(&load, &result, &window.report.spent);
	if (workload->kind == WORK_IDLE)
		measure_memory(outcome, workload->conns, &window.report.memory);
	else
		measure_work(outcome, workload, &result, &window.report.spent);
	prove(outcome, &result.info, &window.report);
	if (!rules->remote)
		party_stop(&window.party);
}

/* -- The run's process -- */

static void write_all(int fd, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno != EINTR)
			bench_die("the outcome: %s", strerror(errno));
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
}

static _Noreturn void play(const struct match *match, const struct match_rules *rules, int answer,
			   int complaints)
{
	static struct outcome outcome;

	dup2(complaints, STDERR_FILENO);
	for (unsigned int m = 0; m < _METRIC_N; m++)
		outcome.values[m] = NAN;
	measure(match, rules, &outcome);
	write_all(answer, &outcome, sizeof(outcome));
	_exit(0);
}

/* All that comes until the end, as far as it fits. */
static size_t read_all(int fd, void *bytes, size_t size)
{
	uint8_t *at = bytes, drop[512];
	size_t n = 0;
	ssize_t got;

	do {
		got = n < size ? read(fd, at + n, size - n) : read(fd, drop, sizeof(drop));
		if (got > 0 && n < size)
			n += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	return n;
}

static void open_pipe(int ret_fds[2])
{
	if (pipe2(ret_fds, O_CLOEXEC))
		bench_die("pipe: %s", strerror(errno));
}

/* Its first line, as a note. */
static void keep_complaint(struct match *match, int fd)
{
	size_t n = read_all(fd, match->note, sizeof(match->note) - 1);

	match->note[n] = '\0';
	match->note[strcspn(match->note, "\n")] = '\0';
}

/* Of requests: those of all runs together; of none, once in one the client was at its limit. */
static void keep_latency(struct match *match, const struct outcome *outcome)
{
	if (match->workload->kind != WORK_REQUEST)
		return;
	if (!match->latency)
		match->latency = calloc(1, sizeof(*match->latency));
	if (!match->latency)
		bench_die("no memory");
	histogram_merge(match->latency, &outcome->latency);
	if (match->client_limited)
		*match->latency = (struct histogram){ 0 };
}

static void keep_note(struct match *match)
{
	char nothing[NOTHING_LEN] = "";

	if (match->nothing)
		snprintf(nothing, sizeof(nothing),
			 "in %u of %u runs nothing was finished within the window", match->nothing,
			 match->runs);
	snprintf(match->note, sizeof(match->note), "%s%s%s",
		 match->client_limited ? "no rate and no times: the client was at its limit" : "",
		 match->client_limited && match->nothing ? "; " : "", nothing);
}

static void keep_outcome(struct match *match, const struct outcome *outcome,
			 struct bench_figures *figures)
{
	int n;

	match->runs++;
	match->nothing += outcome->nothing;
	match->client_limited |= outcome->client_limited;
	for (unsigned int m = 0; m < _METRIC_N; m++) {
		struct bench_figure *figure = &figures->list[match->figures[m] - 1];

		if (match->figures[m] && !isnan(outcome->values[m]))
			figure_run(figure, outcome->values[m]);
		/* Those runs in which it was not are no fair choice. */
		if (match->figures[m] && match->client_limited && metrics[m].of_both)
			figure->n = 0;
	}
	match->checked += outcome->checked;
	n = snprintf(match->proof, sizeof(match->proof), "%s", outcome->proof);
	if (match->checked)
		snprintf(match->proof + n, sizeof(match->proof) - (size_t)n,
			 "; bodies: %llu bytes compared, all right",
			 (unsigned long long)match->checked);
	keep_latency(match, outcome);
	keep_note(match);
}

void match_run(struct match *match, const struct match_rules *rules, struct bench_figures *figures)
{
	int answer[2], complaints[2], status = 0;
	static struct outcome outcome;
	size_t n;
	pid_t pid;

	open_pipe(answer);
	open_pipe(complaints);
	pid = bench_fork();
	if (!pid)
		play(match, rules, answer[1], complaints[1]);
	close(answer[1]);
	close(complaints[1]);
	n = read_all(answer[0], &outcome, sizeof(outcome));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (n == sizeof(outcome) && !status) {
		keep_outcome(match, &outcome, figures);
	} else {
		match->over = match->failed = true;
		keep_complaint(match, complaints[0]);
		if (rules->remote)
			remote_again(rules->remote);
	}
	close(answer[0]);
	close(complaints[0]);
}

void match_done(struct match *match)
{
	free(match->latency);
	match->latency = NULL;
}
