/* SPDX-License-Identifier: MIT */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

/* CPU time: of a server's processes, and of the whole system, so that what the kernel does for it
 * elsewhere (softirqs, workers) is counted, too. */

#include <stdint.h>
#include <sys/types.h>

struct usage {
	uint64_t process_ns; /* the process, its threads and its children; 0: there is none */
	uint64_t system_ns;  /* all CPUs, all that is not idle, in ticks of a clock of 100 Hz */
};

/* Of a process of this machine; 0: none, of which only the system is told. Ends the program if it
 * has gone. */
struct usage usage_take(pid_t pid);
struct usage usage_between(struct usage begin, struct usage end);

#endif
