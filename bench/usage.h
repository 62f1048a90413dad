/* SPDX-License-Identifier: MIT */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

/*
 * What a server costs: CPU time of its processes, and of the whole system, so that what the kernel
 * does for it elsewhere (softirqs, workers) is counted, too; system calls and instructions where
 * perf_event_open(2) may count them; and memory.
 */

#include <stdint.h>
#include <sys/types.h>

#define USAGE_UNKNOWN UINT64_MAX

struct usage {
	uint64_t process_ns;   /* the process, its threads and its children; 0: there is none */
	uint64_t system_ns;    /* all CPUs, all that is not idle, in ticks of a clock of 100 Hz */
	uint64_t calls;	       /* system calls of its threads, or USAGE_UNKNOWN */
	uint64_t instructions; /* the same, in user mode and in the kernel */
};

/* Counts for a process of this machine; 0: none, of which only the system is told. */
struct usage_watch;
struct usage_watch *usage_watch_new(pid_t pid);
struct usage_watch *usage_watch_free(struct usage_watch *watch);

/* Since any fixed time. Ends the program if the process has gone. */
struct usage usage_take(const struct usage_watch *watch);
struct usage usage_between(struct usage begin, struct usage end);

/* Bytes that the processes have for themselves (proc_pid_status(5), RssAnon). */
uint64_t usage_process_memory(pid_t pid);

#endif
