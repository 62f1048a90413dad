/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_WORKERS_H
#define KTLS_TOOL_WORKERS_H

/* The threads that serve: each runs a server on the same listening socket, with sessions and
 * metrics of its own. */

#include <pthread.h>

#include "server.h"

struct worker {
	pthread_t thread;
	struct session_site site;
	int result; /* server_run()'s */
	struct workers *workers;
};

struct workers {
	struct worker *list;
	unsigned int n;		 /* that were started */
	struct metrics *metrics; /* n of them */
	int listen_fd;
	int stop_fd; /* eventfd: all shall end */
	int end_fd;  /* eventfd: readable when one has ended, for its caller to wait for */
};

#define WORKERS_NULL                         \
	{                                    \
		.stop_fd = -1, .end_fd = -1, \
	}

/* Room for so many, that start later. -errno. */
int workers_init(struct workers *workers, unsigned int n);
/* Starts them all, each with a copy of the site but for its metrics. -errno: none runs. */
int workers_start(struct workers *workers, unsigned int n, const struct session_site *site,
		  int listen_fd);
/* Ends them and adds up *ret_requests and *ret_bytes. 0, or the first's -errno. */
int workers_stop(struct workers *workers, uint64_t *ret_requests, uint64_t *ret_bytes);
void workers_done(struct workers *workers);

#endif
