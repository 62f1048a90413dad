/* SPDX-License-Identifier: MIT */

/*
 * How long it takes to be told of many sockets: connections over the loopback, with a key where the
 * kernel has TLS, made by two threads; then ktls_diag_new() with all of them in view, run by
 * run. The amount counts sockets, of which a connection has two.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bare_kernel.h"
#include "support.h"

enum {
	THREADS = 2,
	FDS_BESIDE = 64,
};

#define MS_PER_S  1e3
#define NS_PER_MS 1e6

/* Both ends of so many connections stay open. */
static void *open_pairs(void *context)
{
	const uint64_t *n = context;
	int fds[2];

	for (uint64_t i = 0; i < *n; i++) {
		bench_pair(fds);
		bare_kernel_key(fds[0]);
		bare_kernel_key(fds[1]);
	}
	return NULL;
}

static void open_all(uint64_t sockets)
{
	uint64_t each = sockets / 2 / THREADS;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, open_pairs, &each))
			bench_die("a thread: %s", strerror(errno));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* Both in milliseconds. */
struct figures {
	double wall[BENCH_RUNS_MAX];
	double cpu[BENCH_RUNS_MAX];
};

static void measure(unsigned int flags, double *ret_wall, double *ret_cpu, size_t *ret_seen)
{
	struct timespec before, after;
	struct ktls_diag *diag;
	uint64_t cpu = bench_cpu_ns();

	clock_gettime(CLOCK_MONOTONIC, &before);
	bench_must(ktls_diag_new(&diag, flags), "ktls_diag_new()", NULL);
	clock_gettime(CLOCK_MONOTONIC, &after);
	*ret_cpu = (double)(bench_cpu_ns() - cpu) / NS_PER_MS;
	*ret_seen = ktls_diag_count(diag);
	ktls_diag_free(diag);
	*ret_wall = (double)(after.tv_sec - before.tv_sec) * MS_PER_S +
		    (double)(after.tv_nsec - before.tv_nsec) / NS_PER_MS;
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void tell(const char *what, unsigned int flags, unsigned int runs)
{
	struct figures ms;
	size_t seen = 0;

	for (unsigned int i = 0; i < runs; i++)
		measure(flags, &ms.wall[i], &ms.cpu[i], &seen);
	qsort(ms.wall, runs, sizeof(ms.wall[0]), compare);
	qsort(ms.cpu, runs, sizeof(ms.cpu[0]), compare);
	printf("%-9s %6zu sockets %8.2f ms (%.2f to %.2f), of CPU %.2f (%.2f to %.2f), %u runs\n",
	       what, seen, ms.wall[runs / 2], ms.wall[0], ms.wall[runs - 1], ms.cpu[runs / 2],
	       ms.cpu[0], ms.cpu[runs - 1], runs);
}

int main(int argc, char **argv)
{
	struct bench_options options = { .runs = 21, .amount = 10000 };

	bench_parse(argc, argv, "bench-diag [-r RUNS] [-n SOCKETS]", &options);
	bench_allow_fds(options.amount + FDS_BESIDE);
	open_all(options.amount);
	tell("every", KTLS_DIAG_EVERY, options.runs);
	tell("with TLS", 0, options.runs);
	return 0;
}
