/* SPDX-License-Identifier: MIT */

/* See match.h. The server is a process of its own, new for each run, and has a CPU to itself where
 * there are two. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "match.h"
#include "service.h"
#include "usage.h"

enum {
	BUSY_PERCENT = 92, /* of its CPU: then a party is at its limit */
	TAIL_N = 10000,	   /* requests, for a quantile of 99.99 % to be one */
};

/* More connections than two hide the wait for the other side; 64 keep a server busy. */
const struct workload workloads[] = {
	{ "bulk-4k", 4096, 64, .protocol = KTLS_TLS_1_3 },
	{ "bulk-64k", 65536, 16, .protocol = KTLS_TLS_1_3 },
	{ "bulk-1m", 1 << 20, 8, .protocol = KTLS_TLS_1_3 },
	{ "bulk-64m", 64 << 20, 4, .protocol = KTLS_TLS_1_3 },
	{ "bulk-1g", 1u << 30, 4, .protocol = KTLS_TLS_1_3 },
	{ "request-1k", 1024, 64, .protocol = KTLS_TLS_1_3 },
	{ "ping-64", 64, 1, .protocol = KTLS_TLS_1_3 },
	{ "handshake-1.3", 1024, 8, .reconnect = true, .handshakes_only = true,
	  .protocol = KTLS_TLS_1_3 },
	{ "handshake-1.2", 1024, 8, .reconnect = true, .handshakes_only = true,
	  .protocol = KTLS_TLS_1_2 },
	{ "resume-1.3", 1024, 8, .reconnect = true, .handshakes_only = true, .resume = true,
	  .protocol = KTLS_TLS_1_3 },
	{ "resume-1.2", 1024, 8, .reconnect = true, .handshakes_only = true, .resume = true,
	  .protocol = KTLS_TLS_1_2 },
	{ "connect-1k", 1024, 8, .reconnect = true, .protocol = KTLS_TLS_1_3 },
	{ 0 },
};

const struct arm arms[] = {
	{ "plain-write", ARM_PLAIN, false, false },
	{ "plain-sendfile", ARM_PLAIN, true, false },
	{ "plain-ring", ARM_PLAIN, false, true },
	{ "plain-ring-sendfile", ARM_PLAIN, true, true },
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

static const struct {
	const char *text;
	const char *heading;
	const char *heading_bulk; /* where it is another */
	bool is_time;		  /* of a request; else how much there is of the workload's unit */
} metrics[_METRIC_N] = {
	[METRIC_PER_SERVER_CPU] = { "per CPU second of the server", "k/CPU-s", "GB/CPU-s", false },
	[METRIC_PER_SYSTEM_CPU] = { "per CPU second of the system", "k/sys-s", "GB/sys-s", false },
	[METRIC_RATE] = { "per second", "k/s", "GB/s", false },
	[METRIC_MEDIAN] = { "half within", "50% us", NULL, true },
	[METRIC_P99] = { "99 % within", "99% us", NULL, true },
	[METRIC_P9999] = { "99.99 % within", "99.99% us", NULL, true },
};

static bool is_bulk(const struct workload *workload)
{
	return !strncmp(workload->name, "bulk", 4);
}

const char *match_name(const struct match *match)
{
	return match->arm ? match->arm->name : match->stranger->name;
}

void match_done(struct match *match)
{
	match->server = ktls_config_unref(match->server);
	match->client = ktls_config_unref(match->client);
}

void match_add_figures(struct match *match, struct bench_figures *figures)
{
	bool bulk = is_bulk(match->workload);
	struct bench_figure *figure;

	match->figures = figures->n;
	for (unsigned int m = 0; m < _METRIC_N; m++) {
		figure = figures_add(figures, match->workload->name, match_name(match),
				     metrics[m].is_time ? "us"
				     : bulk		? "GB"
							: "thousand",
				     metrics[m].is_time);
		figure->metric = metrics[m].text;
		figure->heading = bulk && metrics[m].heading_bulk ? metrics[m].heading_bulk
								  : metrics[m].heading;
	}
}

static struct ktls_config *make_config(enum ktls_role role, const struct match *match)
{
	static const char *const names[] = { "localhost" };
	enum ktls_protocol protocol = match->workload->protocol;
	enum ktls_cipher cipher = KTLS_AES_128_GCM;
	struct ktls_config *config;
	int r;

	bench_must(ktls_config_new(&config, role), "making a config", NULL);
	r = ktls_config_set_protocols(config, protocol, protocol);
	if (!r)
		r = ktls_config_set_ciphers(config, &cipher, 1);
	if (!r && match->arm && match->arm->protection == ARM_PLAIN)
		r = ktls_config_set_insecure_plaintext(config);
	else if (!r && role == KTLS_SERVER)
		r = ktls_config_add_identity_self_signed(config, names, 1);
	else if (!r)
		r = ktls_config_set_insecure_no_verify(config);
	if (!r && role == KTLS_CLIENT && match->workload->resume)
		r = ktls_config_set_tickets(config, 1);
	bench_must(r, "making a config", ktls_config_error(config));
	return config;
}

static void set_offload(struct ktls_config *config, enum arm_protection protection)
{
	bool tx = protection >= ARM_KERNEL_TX, rx = protection == ARM_KERNEL;
	int r = ktls_config_set_offload(config, KTLS_TX,
					tx ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER, 0);

	if (!r)
		r = ktls_config_set_offload(config, KTLS_RX,
					    rx ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER, 0);
	bench_must(r, "making a config", ktls_config_error(config));
}

/* Why the kernel cannot what the arm wants of it. */
static const char *why_not(const struct arm *arm, enum ktls_protocol protocol)
{
	struct ktls_probe probe;
	const uint16_t *reasons;

	bench_must(ktls_probe(&probe, sizeof(probe)), "asking the kernel", NULL);
	reasons = protocol == KTLS_TLS_1_2 ? probe.tls12[KTLS_AES_128_GCM]
					   : probe.tls13[KTLS_AES_128_GCM];
	if (arm->protection >= ARM_KERNEL_TX && reasons[KTLS_TX])
		return ktls_reason_text(reasons[KTLS_TX]);
	if (arm->protection == ARM_KERNEL && reasons[KTLS_RX])
		return ktls_reason_text(reasons[KTLS_RX]);
	return NULL;
}

/* What a plain connection has not. */
static const char *why_senseless(const struct arm *arm, const struct workload *workload)
{
	if (arm->protection == ARM_PLAIN && workload->handshakes_only)
		return "there is no handshake without TLS";
	return NULL;
}

void match_prepare(struct match *match)
{
	match->client = make_config(KTLS_CLIENT, match);
	if (match->stranger)
		return;
	match->skipped = why_senseless(match->arm, match->workload);
	if (!match->skipped)
		match->skipped = why_not(match->arm, match->workload->protocol);
	if (match->skipped)
		return;
	match->server = make_config(KTLS_SERVER, match);
	set_offload(match->server, match->arm->protection);
}

struct watch {
	pid_t pid;
	struct usage at;
	struct usage spent;
};

static void begin_watch(void *context)
{
	struct watch *watch = context;

	watch->at = usage_take(watch->pid);
}

static void end_watch(void *context)
{
	struct watch *watch = context;

	watch->spent = usage_between(watch->at, usage_take(watch->pid));
}

/* Whether the client had no time left while the server had some: then a rate is the client's. */
static bool is_client_limited(const struct load *load, const struct load_result *result,
			      const struct usage *spent)
{
	uint64_t busy = result->wall_ns / 100 * BUSY_PERCENT;

	return result->cpu_ns > busy * load->threads && spent->process_ns < busy;
}

static void note(struct bench_figure *figures, const struct workload *workload,
		 const struct load_result *result, const struct usage *spent)
{
	double amount =
		is_bulk(workload) ? (double)result->bytes / 1e9 : (double)result->requests / 1e3;

	if (spent->process_ns)
		figure_run(&figures[METRIC_PER_SERVER_CPU],
			   amount / ((double)spent->process_ns / 1e9));
	if (spent->system_ns)
		figure_run(&figures[METRIC_PER_SYSTEM_CPU],
			   amount / ((double)spent->system_ns / 1e9));
	figure_run(&figures[METRIC_RATE], amount / ((double)result->wall_ns / 1e9));
	if (!result->latency.n)
		return;
	figure_run(&figures[METRIC_MEDIAN], histogram_at(&result->latency, 0.5) / 1e3);
	figure_run(&figures[METRIC_P99], histogram_at(&result->latency, 0.99) / 1e3);
	if (result->latency.n >= TAIL_N)
		figure_run(&figures[METRIC_P9999], histogram_at(&result->latency, 0.9999) / 1e3);
}

void match_run(struct match *match, uint64_t window_ns, struct bench_figures *figures)
{
	static struct load_result result;
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), cpu = cpus > 1 ? 0 : -1;
	const struct workload *workload = match->workload;
	struct service_process process = { .pid = 0 };
	char path[BENCH_NAME_MAX];
	struct watch watch;
	struct load load = {
		.config = match->client,
		.host = "127.0.0.1",
		.path = path,
		.conns = workload->conns,
		.threads = cpus > 2 && workload->conns > 1 ? 2 : 1,
		.avoid_cpu = cpu,
		.window_ns = window_ns,
		.reconnect = workload->reconnect,
		.handshakes_only = workload->handshakes_only,
		.resume = workload->resume,
	};
	struct load_hooks hooks = { begin_watch, end_watch, &watch };

	snprintf(path, sizeof(path), "/%llu", (unsigned long long)workload->size);
	if (match->arm) {
		struct service service = { match->server, match->arm->ring, match->arm->file,
					   match->slow_us };

		process = service_start(&service, cpu);
	} else {
		process.port = match->stranger->port;
	}
	load.port = process.port;
	watch.pid = match->arm ? process.pid : match->stranger->pid;
	load_run(&load, &hooks, &result);
	if (match->arm)
		service_stop(&process);
	match->client_limited |= is_client_limited(&load, &result, &watch.spent);
	note(&figures->list[match->figures], workload, &result, &watch.spent);
}
