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

enum workload_kind {
	WORK_BULK,    /* counted in bytes */
	WORK_REQUEST, /* in requests, or handshakes */
	WORK_IDLE,    /* in bytes of memory */
};

struct workload {
	const char *name;
	enum workload_kind kind;
	uint64_t size; /* of an answer, or of an upload */
	unsigned int conns;
	bool reconnect, handshakes_only, resume; /* as in load.h */
	bool upload;
	bool rated; /* at the rate of the plan, else flat out */
	bool rsa;   /* RSA 2048, else P-256 */
	enum ktls_protocol protocol;
};

enum arm_protection {
	ARM_PLAIN, /* no TLS at all */
	ARM_USER,
	ARM_KERNEL_TX,
	ARM_KERNEL,
	ARM_GNUTLS, /* its own record layer */
};

struct arm {
	const char *name;
	enum arm_protection protection;
	bool file, ring;
};

/* Each ends with a row without a name. */
extern const struct workload workloads[];
extern const struct arm arms[];

enum match_limit {
	CHOSEN_MAX = 32, /* names */
	MATCH_TEXT_LEN = 256,
};

/* A server of somebody else's. */
struct stranger {
	char name[BENCH_NAME_MAX];
	uint16_t port;
	pid_t pid;			   /* 0: its CPU time is not known */
	const char *workloads[CHOSEN_MAX]; /* that it is in, as they begin; none: all */
	size_t n_workloads;
};

/* What is measured, in this order. */
enum metric {
	METRIC_PER_SERVER_CPU,
	METRIC_PER_SYSTEM_CPU,
	METRIC_RATE,
	METRIC_MEDIAN,
	METRIC_P99,
	METRIC_P9999,
	METRIC_CALLS,
	METRIC_INSTRUCTIONS,
	METRIC_SERVER_MEMORY,
	METRIC_KERNEL_MEMORY,
	_METRIC_N,
};

struct match {
	const struct workload *workload;
	const struct arm *arm;		 /* NULL: a stranger */
	const struct stranger *stranger; /* NULL: an arm */
	char note[MATCH_TEXT_LEN];	 /* why there are no figures, or not all; "" */
	char proof[MATCH_TEXT_LEN];	 /* where the records were protected */
	bool over;			 /* it cannot be, or has failed: */
	bool failed;
	bool client_limited;	   /* in some run: then rates and times are the client's */
	size_t figures[_METRIC_N]; /* 1 + the place; 0: there is no such one */
};

/* What all runs have in common. */
struct match_rules {
	uint64_t window_ns;
	uint64_t rate;	      /* of workloads that have one; requests a second */
	unsigned int slow_us; /* as in service.h */
};

const char *match_name(const struct match *match);

/* Adds a figure for each metric, without a run; or a note, if it cannot be. */
void match_prepare(struct match *match, struct bench_figures *figures);

/* One run, in a process of its own: its values are added to the match's figures. One that fails
 * is over, with a note. */
void match_run(struct match *match, const struct match_rules *rules, struct bench_figures *figures);

#endif
