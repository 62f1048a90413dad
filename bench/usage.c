/* SPDX-License-Identifier: MIT */

/* See usage.h; proc(5). */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support.h"
#include "usage.h"

enum {
	NS = 1000000000,
	PATH_LEN = 64,
	DEPTH_MAX = 4, /* of children of children */
};

static uint64_t process_ns(pid_t pid)
{
	struct timespec spent;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &spent))
		bench_die("the server's process %d has gone", (int)pid);
	return (uint64_t)spent.tv_sec * NS + (uint64_t)spent.tv_nsec;
}

/* A child of which the list speaks may have gone; then its time is in no clock. */
static uint64_t with_children(pid_t pid, int depth)
{
	char path[PATH_LEN];
	uint64_t sum = process_ns(pid);
	FILE *file;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = depth < DEPTH_MAX ? fopen(path, "re") : NULL;
	if (!file)
		return sum;
	while (fscanf(file, "%d", &child) == 1)
		sum += with_children(child, depth + 1);
	fclose(file);
	return sum;
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

struct usage usage_take(pid_t pid)
{
	return (struct usage){ pid ? with_children(pid, 0) : 0, system_ns() };
}

struct usage usage_between(struct usage begin, struct usage end)
{
	return (struct usage){ end.process_ns - begin.process_ns, end.system_ns - begin.system_ns };
}
