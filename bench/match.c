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
#include "rival_gnutls.h"
#include "service.h"
#include "usage.h"

enum {
	BUSY_PERCENT = 92, /* of its CPU: then a party is at its limit */
	TAIL_N = 10000,	   /* requests, for a quantile of 99.99 % to be one */
};

/* More connections than two hide the wait for the other side; 64 keep a server busy. */
#define BULK	.kind = WORK_BULK, .protocol = KTLS_TLS_1_3
#define REQUEST .kind = WORK_REQUEST, .protocol = KTLS_TLS_1_3
#define HANDSHAKE \
	.kind = WORK_REQUEST, .size = 1024, .conns = 8, .reconnect = true, .handshakes_only = true

const struct workload workloads[] = {
	{ "bulk-4k", BULK, .size = 4096, .conns = 64 },
	{ "bulk-64k", BULK, .size = 65536, .conns = 16 },
	{ "bulk-1m", BULK, .size = 1 << 20, .conns = 8 },
	{ "bulk-64m", BULK, .size = 64 << 20, .conns = 4 },
	{ "bulk-1g", BULK, .size = 1u << 30, .conns = 4 },
	{ "upload-1m", BULK, .size = 1 << 20, .conns = 8, .upload = true },
	{ "request-1k", REQUEST, .size = 1024, .conns = 64 },
	{ "rate-1k", REQUEST, .size = 1024, .conns = 64, .rated = true },
	{ "ping-64", REQUEST, .size = 64, .conns = 1 },
	{ "handshake-1.3", HANDSHAKE, .protocol = KTLS_TLS_1_3 },
	{ "handshake-1.2", HANDSHAKE, .protocol = KTLS_TLS_1_2 },
	{ "handshake-1.3-rsa", HANDSHAKE, .protocol = KTLS_TLS_1_3, .rsa = true },
	{ "handshake-1.2-rsa", HANDSHAKE, .protocol = KTLS_TLS_1_2, .rsa = true },
	{ "resume-1.3", HANDSHAKE, .resume = true, .protocol = KTLS_TLS_1_3 },
	{ "resume-1.2", HANDSHAKE, .resume = true, .protocol = KTLS_TLS_1_2 },
	{ "connect-1k", REQUEST, .size = 1024, .conns = 8, .reconnect = true },
	{ "idle-900", WORK_IDLE, .size = 1024, .conns = 900, .protocol = KTLS_TLS_1_3 },
	{ 0 },
};

const struct arm arms[] = {
	{ "plain-write", ARM_PLAIN, false, false },
	{ "plain-sendfile", ARM_PLAIN, true, false },
	{ "plain-ring", ARM_PLAIN, false, true },
	{ "plain-ring-sendfile", ARM_PLAIN, true, true },
	{ "gnutls-write", ARM_GNUTLS, false, false },
	{ "user-write", ARM_USER, false, false },
	{ "user-sendfile", ARM_USER, true, false },
	{ "user-ring", ARM_USER, false, true },
	{ "user-ring-sendfile", ARM_USER, true, true },
	{ "tx-write", ARM_KERNEL_TX, false, false },
	{ "tx-sendfile", ARM_KERNEL_TX, true, false },
	{ "tx-ring", ARM_KERNEL_TX, false, true },
	{ "tx-ring-sendfile", ARM_KERNEL_TX, true, true },
	{ "kernel-write", ARM_KERNEL, false, false },
	{ "kernel-sendfile", ARM_KERNEL, true, false },
	{ "kernel-ring", ARM_KERNEL, false, true },
	{ "kernel-ring-sendfile", ARM_KERNEL, true, true },
	{ 0 },
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
	bool of_both; /* as much the client's as the server's */
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
	[METRIC_SERVER_MEMORY] = { OF_IDLE,
				   "memory of the server, a connection",
				   { "bytes" },
				   { "server B" },
				   true },
	[METRIC_KERNEL_MEMORY] = { OF_IDLE,
				   "memory of the kernel, both ends of one",
				   { "bytes" },
				   { "kernel B" },
				   true },
};

const char *match_name(const struct match *match)
{
	return match->arm ? match->arm->name : match->stranger->name;
}

static void add_figures(struct match *match, struct bench_figures *figures)
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
		figure->heading = metrics[m].heading[column];
		match->figures[m] = figures->n;
	}
}

/* Why the kernel cannot what the arm wants of it. */
static const char *why_not(const struct arm *arm, enum ktls_protocol protocol)
{
	bool tx = arm->protection == ARM_KERNEL_TX || arm->protection == ARM_KERNEL;
	struct ktls_probe probe;
	const uint16_t *reasons;

	bench_must(ktls_probe(&probe, sizeof(probe)), "asking the kernel", NULL);
	reasons = protocol == KTLS_TLS_1_2 ? probe.tls12[KTLS_AES_128_GCM]
					   : probe.tls13[KTLS_AES_128_GCM];
	if (tx && reasons[KTLS_TX])
		return ktls_reason_text(reasons[KTLS_TX]);
	if (arm->protection == ARM_KERNEL && reasons[KTLS_RX])
		return ktls_reason_text(reasons[KTLS_RX]);
	return NULL;
}

static const char *why_senseless(const struct match *match)
{
	const struct workload *workload = match->workload;

	if (match->stranger && (workload->upload || workload->rsa))
		return "only the harness's own servers do that";
	if (match->arm && match->arm->protection == ARM_PLAIN && workload->handshakes_only)
		return "there is no handshake without TLS";
	if (match->arm && match->arm->file && (workload->upload || workload->handshakes_only))
		return "no file is sent";
	return match->arm ? why_not(match->arm, workload->protocol) : NULL;
}

void match_prepare(struct match *match, struct bench_figures *figures)
{
	const char *why = why_senseless(match);

	match->over = why;
	snprintf(match->note, sizeof(match->note), "%s", why ? why : "");
	if (!why)
		add_figures(match, figures);
}

/* -- A run -- */

/* What the client's process answers with. */
struct outcome {
	double values[_METRIC_N]; /* NAN: not measured */
	bool client_limited;
	char proof[MATCH_TEXT_LEN];
};

struct party {
	struct ktls_config *client;
	struct service service;
	struct service_process process;
	pid_t pid;			      /* of the server, wherever from */
	int64_t server_memory, kernel_memory; /* before, then the difference */
	struct usage_watch *watch;
	struct usage usage, spent;
	struct ktls_counters counters;
	bool has_counters;
};

static struct ktls_config *make_config(enum ktls_role role, const struct match *match,
				       const struct bench_identity *identity)
{
	const struct workload *workload = match->workload;
	enum ktls_cipher cipher = KTLS_AES_128_GCM;
	struct ktls_config *config;
	int r;

	bench_must(ktls_config_new(&config, role), "making a config", NULL);
	r = ktls_config_set_protocols(config, workload->protocol, workload->protocol);
	if (!r)
		r = ktls_config_set_ciphers(config, &cipher, 1);
	if (!r && match->arm && match->arm->protection == ARM_PLAIN)
		r = ktls_config_set_insecure_plaintext(config);
	else if (!r && role == KTLS_SERVER)
		r = ktls_config_add_identity(config, identity->chain, identity->chain_len,
					     identity->key, identity->key_len);
	else if (!r)
		r = ktls_config_set_insecure_no_verify(config);
	if (!r && role == KTLS_CLIENT && workload->resume)
		r = ktls_config_set_tickets(config, 1);
	bench_must(r, "making a config", ktls_config_error(config));
	return config;
}

static void set_offload(struct ktls_config *config, enum arm_protection protection)
{
	static const enum ktls_offload when[] = { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_REQUIRED };
	bool rx = protection == ARM_KERNEL, tx = rx || protection == ARM_KERNEL_TX;
	int r = ktls_config_set_offload(config, KTLS_TX, when[tx], 0);

	if (!r)
		r = ktls_config_set_offload(config, KTLS_RX, when[rx], 0);
	bench_must(r, "making a config", ktls_config_error(config));
}

static void start_server(struct party *party, const struct match *match,
			 const struct match_rules *rules, int cpu)
{
	struct bench_identity identity;

	if (match->stranger) {
		party->process.port = match->stranger->port;
		party->pid = match->stranger->pid;
		return;
	}
	identity = rival_make_identity(match->workload->rsa);
	party->service = (struct service){ .ring = match->arm->ring,
					   .file = match->arm->file,
					   .slow_us = rules->slow_us };
	if (match->arm->protection == ARM_GNUTLS) {
		party->service.rival = rival_new(&identity, true, match->workload->protocol);
	} else {
		party->service.config = make_config(KTLS_SERVER, match, &identity);
		set_offload(party->service.config, match->arm->protection);
	}
	rival_free_identity(&identity);
	party->process = service_start(&party->service, cpu);
	party->pid = party->process.pid;
}

static void begin_window(void *context)
{
	struct party *party = context;

	party->watch = usage_watch_new(party->pid);
	party->usage = usage_take(party->watch);
}

static void end_window(void *context)
{
	struct party *party = context;

	party->spent = usage_between(party->usage, usage_take(party->watch));
	party->server_memory = (int64_t)usage_process_memory(party->pid) - party->server_memory;
	party->kernel_memory = (int64_t)usage_kernel_memory() - party->kernel_memory;
	usage_watch_free(party->watch);
}

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

	values[METRIC_PER_SERVER_CPU] = per(amount, spent->process_ns, 1e9);
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
}

/* The client's connection tells its own protection, the kernel's counters both ends'. */
static void prove(struct outcome *outcome, const struct party *party,
		  const struct load_result *result)
{
	const struct ktls_info *info = &result->info;
	struct ktls_counters now;
	int n;

	n = snprintf(outcome->proof, sizeof(outcome->proof), "client: %s %s, tx=%s rx=%s",
		     ktls_protocol_name(info->protocol), info->suite ? info->suite : "",
		     ktls_protection_name(info->protection[KTLS_TX]),
		     ktls_protection_name(info->protection[KTLS_RX]));
	if (!party->has_counters || ktls_counters_read(&now, sizeof(now)) ||
	    ktls_counters_difference(&party->counters, &now, &now, sizeof(now)))
		return;
	snprintf(outcome->proof + n, sizeof(outcome->proof) - (size_t)n,
		 "; both: TlsTxSw +%llu, TlsRxSw +%llu, TlsTxDevice +%llu, TlsRxDevice +%llu",
		 (unsigned long long)now.value[KTLS_COUNTER_TX_SW],
		 (unsigned long long)now.value[KTLS_COUNTER_RX_SW],
		 (unsigned long long)now.value[KTLS_COUNTER_TX_DEVICE],
		 (unsigned long long)now.value[KTLS_COUNTER_RX_DEVICE]);
}

static void measure(const struct match *match, const struct match_rules *rules,
		    struct outcome *outcome)
{
	static struct load_result result;
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), cpu = cpus > 1 ? 0 : -1;
	const struct workload *workload = match->workload;
	struct party party = { 0 };
	struct load_hooks hooks = { begin_window, end_window, &party };
	char path[BENCH_NAME_MAX];
	struct load load = {
		.host = "127.0.0.1",
		.path = path,
		.conns = workload->conns,
		.threads = cpus > 2 && workload->conns > 1 ? 2 : 1,
		.avoid_cpu = cpu,
		.window_ns = rules->window_ns,
		.rate = workload->rated ? rules->rate : 0,
		.reconnect = workload->reconnect,
		.handshakes_only = workload->handshakes_only,
		.resume = workload->resume,
		.idle = workload->kind == WORK_IDLE,
		.upload = workload->upload ? workload->size : 0,
	};

	snprintf(path, sizeof(path), "/%llu", (unsigned long long)workload->size);
	party.has_counters = !ktls_counters_read(&party.counters, sizeof(party.counters));
	load.config = make_config(KTLS_CLIENT, match, NULL);
	start_server(&party, match, rules, cpu);
	load.port = party.process.port;
	party.server_memory = (int64_t)usage_process_memory(party.pid);
	party.kernel_memory = (int64_t)usage_kernel_memory();
	load_run(&load, &hooks, &result);
	outcome->client_limited = is_client_limited(&load, &result, &party.spent);
	if (workload->kind == WORK_IDLE) {
		outcome->values[METRIC_SERVER_MEMORY] =
			(double)party.server_memory / workload->conns;
		outcome->values[METRIC_KERNEL_MEMORY] =
			(double)party.kernel_memory / workload->conns;
	} else {
		measure_work(outcome, workload, &result, &party.spent);
	}
	prove(outcome, &party, &result);
	if (match->arm)
		service_stop(&party.process);
}

/* -- The run's process -- */

static _Noreturn void play(const struct match *match, const struct match_rules *rules, int answer,
			   int complaints)
{
	struct outcome outcome = { 0 };

	dup2(complaints, STDERR_FILENO);
	for (unsigned int m = 0; m < _METRIC_N; m++)
		outcome.values[m] = NAN;
	measure(match, rules, &outcome);
	if (write(answer, &outcome, sizeof(outcome)) != sizeof(outcome))
		bench_die("the outcome: %s", strerror(errno));
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

static void keep_outcome(struct match *match, const struct outcome *outcome,
			 struct bench_figures *figures)
{
	match->client_limited |= outcome->client_limited;
	for (unsigned int m = 0; m < _METRIC_N; m++) {
		struct bench_figure *figure = &figures->list[match->figures[m] - 1];

		if (match->figures[m] && !isnan(outcome->values[m]))
			figure_run(figure, outcome->values[m]);
		/* Those runs in which it was not are no fair choice. */
		if (match->figures[m] && match->client_limited && metrics[m].of_both)
			figure->n = 0;
	}
	memcpy(match->proof, outcome->proof, sizeof(match->proof));
	if (match->client_limited)
		snprintf(match->note, sizeof(match->note),
			 "no rate and no times: the client was at its limit");
}

void match_run(struct match *match, const struct match_rules *rules, struct bench_figures *figures)
{
	int answer[2], complaints[2], status = 0;
	struct outcome outcome;
	size_t n;
	pid_t pid;

	open_pipe(answer);
	open_pipe(complaints);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
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
	}
	close(answer[0]);
	close(complaints[0]);
}
