/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PARTY_H
#define BENCH_PARTY_H

/*
 * The server's side of a run: a server of the harness's own, in a process of its own, or a
 * stranger's; what it costs while the window is open, and where this machine's kernel says that
 * its records were protected. What is told are plain numbers and a sentence.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ktls/ktls.h>

#include "catalogue.h"
#include "service.h"
#include "usage.h"

enum party_limit {
	PARTY_PROOF_LEN = 256,
};

struct party_task {
	const struct workload *workload;
	const struct arm *arm;		 /* NULL: a stranger */
	const struct stranger *stranger; /* NULL: an arm */
	unsigned int slow_us;		 /* as in service.h */
	int cpu;			 /* where the arm's server runs; -1: anywhere */
	const char *host;		 /* the address where it listens; NULL: 127.0.0.1 */
};

/* Bytes. */
struct party_memory {
	bool has_heap;	       /* of a server of the harness's own, which rests: */
	int64_t heap;	       /* what malloc(3) has given out */
	int64_t process;       /* what its process has for itself (RssAnon) */
	int64_t slab, sockets; /* the kernel's, for all; what TCP's sockets hold */
};

struct party {
	const struct party_task *task;
	struct service service;
	struct service_process process; /* its port is the stranger's, too */
	pid_t pid;			/* 0: its CPU time is not known */
	struct party_memory memory;
	unsigned int rests; /* of the arm's server, then */
	struct usage_watch *watch;
	struct usage usage;
	struct ktls_counters counters;
	bool has_counters;
};

struct party_report {
	struct usage spent;	    /* within the window */
	struct party_memory memory; /* more than before the clients came */
	char proof[PARTY_PROOF_LEN];
};

/* Why this machine's kernel cannot what the arm wants of it; static; NULL: it can. */
const char *party_why_not(const struct arm *arm, enum ktls_protocol protocol);

/* The CPU that a server has for itself, where there are two; -1. */
int party_cpu(void);

/* A config for one suite and the workload's protocol: a server's for the identity, or a client's
 * that takes any (identity: NULL). Caller owns it. */
struct ktls_config *party_config(enum ktls_role role, const struct workload *workload,
				 const struct arm *arm, const struct bench_identity *identity);

/* From here on the server answers on process.port, and what it takes until the window ends counts
 * as memory. Whatever fails ends the program with a sentence. */
void party_start(struct party *party, const struct party_task *task);
void party_begin(struct party *party);
void party_end(struct party *party, struct party_report *ret_report);
void party_stop(struct party *party);

#endif
