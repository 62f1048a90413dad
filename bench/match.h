/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MATCH_H
#define BENCH_MATCH_H

/*
 * A workload meets an arm: what a client does, and the server that it does it to. An arm is a
 * server of the harness's own, for each protection and each way of sending, or any other by its
 * address.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ktls/ktls.h>

#include "figures.h"
#include "support.h"

struct workload {
	const char *name;
	uint64_t size; /* of an answer */
	unsigned int conns;
	bool reconnect, handshakes_only, resume; /* as in load.h */
	enum ktls_protocol protocol;
};

enum arm_protection {
	ARM_PLAIN, /* no TLS at all */
	ARM_USER,
	ARM_KERNEL_TX,
	ARM_KERNEL,
};

struct arm {
	const char *name;
	enum arm_protection protection;
	bool file, ring;
};

/* Each ends with a row without a name. */
extern const struct workload workloads[];
extern const struct arm arms[];

/* A server of somebody else's. */
struct stranger {
	char name[BENCH_NAME_MAX];
	uint16_t port;
	pid_t pid; /* 0: its CPU time is not known */
};

struct match {
	const struct workload *workload;
	const struct arm *arm;		 /* NULL: a stranger */
	const struct stranger *stranger; /* NULL: an arm */
	unsigned int slow_us;		 /* as in service.h */
	struct ktls_config *server, *client;
	const char *skipped; /* why it cannot be; NULL */
	bool client_limited; /* in some run: then rates and times are the client's */
	size_t figures;	     /* the place of its first */
};

/* What is measured of each, in this order. */
enum metric {
	METRIC_PER_SERVER_CPU,
	METRIC_PER_SYSTEM_CPU,
	METRIC_RATE,
	METRIC_MEDIAN,
	METRIC_P99,
	METRIC_P9999,
	_METRIC_N,
};

const char *match_name(const struct match *match);

/* Makes what a run needs, or says why there can be none. */
void match_prepare(struct match *match);
void match_done(struct match *match);

/* Adds a figure for each metric, without a run. */
void match_add_figures(struct match *match, struct bench_figures *figures);

/* One run of so long; its values are added to the match's figures. */
void match_run(struct match *match, uint64_t window_ns, struct bench_figures *figures);

#endif
