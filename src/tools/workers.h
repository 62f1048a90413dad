/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_WORKERS_H
#define KTLS_TOOL_WORKERS_H

/* The threads that serve: each runs a server with a ring, sessions, a cache and metrics of its own,
 * on a socket of its own, too, where the system lets several share an address. */

#include <pthread.h>
#include <semaphore.h>

#include "server.h"

enum workers_limit {
	WORKERS_LIMIT_WHY = 256,
};

struct worker {
	pthread_t thread;
	struct session_site site;
	int result; /* server_new()'s, read by who started it when it is ready */
	int end;    /* server_run()'s, when it has ended */
	char why[WORKERS_LIMIT_WHY];
	struct workers *workers;
};

struct workers {
	struct worker *list;
	unsigned int n; /* there is room for, each with a listener */
	unsigned int n_started;
	struct metrics *metrics; /* n of them */
	int stop_fd;		 /* eventfd: all shall end */
	int end_fd;  /* eventfd: readable when one has ended, for its caller to wait for */
	sem_t ready; /* a thread is, or has failed */
};

#define WORKERS_NULL                         \
	{                                    \
		.stop_fd = -1, .end_fd = -1, \
	}

/* Room for so many, which listen where the socket does, that stays the caller's; a config's
 * reference is taken by each. -errno. */
int workers_init(struct workers *workers, unsigned int n, struct ktls_config *config,
		 int listen_fd);

/* From the next connections on, this config. -errno: some have the new one already. */
int workers_set_config(struct workers *workers, struct ktls_config *config);

/* Starts them all, each with a copy of the site but for what is its own, and returns when they
 * serve. 0; -errno: none runs. *ret_why as server_new(), static or the workers'. */
int workers_start(struct workers *workers, const struct session_site *site, const char **ret_why);

/* Ends them and adds up *ret_requests and *ret_bytes. 0, or the first's -errno. */
int workers_stop(struct workers *workers, uint64_t *ret_requests, uint64_t *ret_bytes);
void workers_done(struct workers *workers);

#endif
