/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_METRICS_TEXT_H
#define KTLS_TOOL_METRICS_TEXT_H

/* Metrics as Prometheus reads them: its text exposition format, version 0.0.4. */

#include <stdint.h>
#include <stdio.h>

#include "metrics.h"

enum metrics_part {
	METRICS_PART_USER = 0, /* is none of root's */
	METRICS_PART_NO_NEW_PRIVS,
	METRICS_PART_LANDLOCK,
	METRICS_PART_SECCOMP,
	_METRICS_PART_N,
};

/* Of the process as a whole; written by one thread, too. */
struct metrics_process {
	uint64_t started_s;	      /* since 1970 */
	_Atomic uint64_t loaded_s;    /* the certificates in force */
	_Atomic uint64_t reloads;     /* that succeeded */
	_Atomic uint64_t bad_reloads; /* that left all as it was */
	unsigned int threads;
	uint64_t parts[_METRICS_PART_N]; /* of the sandbox: 1 if it is in force */
};

void metrics_write_text(FILE *out, const struct metrics *total,
			const struct metrics_process *process);

#endif
