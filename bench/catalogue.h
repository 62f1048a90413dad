/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CATALOGUE_H
#define BENCH_CATALOGUE_H

/*
 * What can be measured: workloads, which a client does, and arms, to which it does them. An arm is
 * a server of the harness's own, for each protection and each way of sending, or any other by its
 * address: a stranger.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ktls/ktls.h>

#include "place.h"
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
	bool asked; /* takes long: only where its whole name was chosen */
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

enum catalogue_limit {
	CHOSEN_MAX = 32, /* names */
};

/* A server of somebody else's. */
struct stranger {
	char name[BENCH_NAME_MAX];
	struct place place;
	pid_t pid; /* of the server's machine; 0: its CPU time is not known */
	const char *workloads[CHOSEN_MAX]; /* that it is in, as they begin; none: all */
	size_t n_workloads;
};

#endif
