/* SPDX-License-Identifier: MIT */

/* See usage.h; proc(5), perf_event_open(2). */

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "support.h"
#include "usage.h"

enum {
	NS = 1000000000,
	PATH_LEN = 64,
	DEPTH_MAX = 4,	   /* of children of children */
	COUNTERS_MAX = 64, /* threads that are counted */
};

enum kind {
	KIND_CALLS,
	KIND_INSTRUCTIONS,
	KIND_N,
};

struct usage_watch {
	pid_t pid;
	int fds[KIND_N][COUNTERS_MAX];
	size_t n[KIND_N];
};

/* -- What perf counts -- */

/* The number of raw_syscalls:sys_enter; 0: it cannot be known. */
static uint64_t call_event(void)
{
	static const char *const paths[] = {
		"/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
		"/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
	};
	unsigned long long id = 0;

	for (size_t i = 0; i < 2 && !id; i++) {
		FILE *file = fopen(paths[i], "re");

		if (file && fscanf(file, "%llu", &id) != 1)
			id = 0;
		if (file)
			fclose(file);
	}
	return id;
}

static int open_counter(enum kind kind, pid_t thread)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = kind == KIND_CALLS ? PERF_TYPE_TRACEPOINT : PERF_TYPE_HARDWARE,
		.config = kind == KIND_CALLS ? call_event() : PERF_COUNT_HW_INSTRUCTIONS,
		.inherit = 1,
	};

	if (kind == KIND_CALLS && !attr.config)
		return -1;
	return (int)syscall(SYS_perf_event_open, &attr, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Calls f with the process and its children. One of which a list speaks may have gone. */
static void each_process(pid_t pid, int depth, void (*f)(pid_t pid, void *context), void *context)
{
	char path[PATH_LEN];
	FILE *file;
	int child;

	f(pid, context);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = depth < DEPTH_MAX ? fopen(path, "re") : NULL;
	if (!file)
		return;
	while (fscanf(file, "%d", &child) == 1)
		each_process(child, depth + 1, f, context);
	fclose(file);
}

static void watch_thread(pid_t thread, void *context)
{
	struct usage_watch *watch = context;

	for (enum kind kind = 0; kind < KIND_N; kind++) {
		int fd = watch->n[kind] < COUNTERS_MAX ? open_counter(kind, thread) : -1;

		if (fd >= 0)
			watch->fds[kind][watch->n[kind]++] = fd;
	}
}

/* Its first thread alone would not do: in some servers others work. */
static void watch_process(pid_t pid, void *context)
{
	char path[PATH_LEN];
	struct dirent *entry;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while (threads && (entry = readdir(threads))) {
		if (*entry->d_name != '.')
			watch_thread((pid_t)strtol(entry->d_name, NULL, 10), context);
	}
	if (threads)
		closedir(threads);
}

struct usage_watch *usage_watch_new(pid_t pid)
{
	struct usage_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		bench_die("no memory");
	watch->pid = pid;
	if (pid)
		each_process(pid, 0, watch_process, watch);
	return watch;
}

struct usage_watch *usage_watch_free(struct usage_watch *watch)
{
	for (enum kind kind = 0; kind < KIND_N; kind++) {
		for (size_t i = 0; i < watch->n[kind]; i++)
			close(watch->fds[kind][i]);
	}
	free(watch);
	return NULL;
}

static uint64_t counted(const struct usage_watch *watch, enum kind kind)
{
	uint64_t sum = 0, one;

	for (size_t i = 0; i < watch->n[kind]; i++) {
		if (read(watch->fds[kind][i], &one, sizeof(one)) != sizeof(one))
			return USAGE_UNKNOWN;
		sum += one;
	}
	return watch->n[kind] ? sum : USAGE_UNKNOWN;
}

/* -- Time -- */

static void add_time(pid_t pid, void *context)
{
	struct timespec spent;
	uint64_t *sum = context;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &spent))
		bench_die("the server's process %d has gone", (int)pid);
	*sum += (uint64_t)spent.tv_sec * NS + (uint64_t)spent.tv_nsec;
}

/* user nice system idle iowait irq softirq steal: the host's share is not this system's work. */
static uint64_t system_ns(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	FILE *file = fopen("/proc/stat", "re");
	int n = file ? fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
			      &idle, &iowait, &irq, &softirq)
		     : 0;

	if (n != 7)
		bench_die("/proc/stat is not as it should be");
	fclose(file);
	return (user + nice + system + irq + softirq) * (NS / (uint64_t)sysconf(_SC_CLK_TCK));
}

struct usage usage_take(const struct usage_watch *watch)
{
	struct usage usage = { .system_ns = system_ns() };

	if (watch->pid)
		each_process(watch->pid, 0, add_time, &usage.process_ns);
	usage.calls = counted(watch, KIND_CALLS);
	usage.instructions = counted(watch, KIND_INSTRUCTIONS);
	return usage;
}

static uint64_t between(uint64_t begin, uint64_t end)
{
	return begin == USAGE_UNKNOWN || end == USAGE_UNKNOWN ? USAGE_UNKNOWN : end - begin;
}

struct usage usage_between(struct usage begin, struct usage end)
{
	return (struct usage){
		.process_ns = between(begin.process_ns, end.process_ns),
		.system_ns = between(begin.system_ns, end.system_ns),
		.calls = between(begin.calls, end.calls),
		.instructions = between(begin.instructions, end.instructions),
	};
}

/* -- Memory -- */

static void add_memory(pid_t pid, void *context)
{
	char path[PATH_LEN];
	uint64_t *sum = context;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	*sum += bench_kernel_number(path, "RssAnon:", "") * 1024;
}

uint64_t usage_process_memory(pid_t pid)
{
	uint64_t sum = 0;

	each_process(pid, 0, add_memory, &sum);
	return sum;
}
