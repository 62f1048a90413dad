/* SPDX-License-Identifier: MIT */

/* Starting and ending threads; see workers.h. Signals are blocked before, by whoever waits for
 * them. */

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "tool.h"
#include "workers.h"

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct workers *workers = worker->workers;

	worker->result = server_run(&worker->site, workers->listen_fd, workers->stop_fd);
	eventfd_write(workers->end_fd, 1);
	return NULL;
}

int workers_init(struct workers *workers, unsigned int n)
{
	*workers = (struct workers)WORKERS_NULL;
	workers->list = calloc(n, sizeof(*workers->list));
	workers->metrics = calloc(n, sizeof(*workers->metrics));
	if (!workers->list || !workers->metrics)
		return -ENOMEM;
	/* Nobody reads it, so that each of them sees it. */
	workers->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	workers->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return workers->stop_fd < 0 || workers->end_fd < 0 ? -errno : 0;
}

int workers_start(struct workers *workers, unsigned int n, const struct session_site *site,
		  int listen_fd)
{
	workers->listen_fd = listen_fd;
	for (unsigned int i = 0; i < n; i++) {
		struct worker *worker = &workers->list[i];
		uint64_t requests, bytes;
		int r;

		worker->workers = workers;
		worker->site = *site;
		worker->site.metrics = &workers->metrics[i];
		r = -pthread_create(&worker->thread, NULL, run, worker);
		if (r) {
			workers_stop(workers, &requests, &bytes);
			return r;
		}
		workers->n++;
	}
	return 0;
}

int workers_stop(struct workers *workers, uint64_t *ret_requests, uint64_t *ret_bytes)
{
	int r = 0;

	*ret_requests = 0;
	*ret_bytes = 0;
	eventfd_write(workers->stop_fd, 1);
	for (unsigned int i = 0; i < workers->n; i++) {
		struct worker *worker = &workers->list[i];

		pthread_join(worker->thread, NULL);
		*ret_requests += worker->site.requests;
		*ret_bytes += worker->site.bytes;
		if (!r)
			r = worker->result;
	}
	workers->n = 0;
	return r;
}

void workers_done(struct workers *workers)
{
	tool_fd_close(&workers->stop_fd);
	tool_fd_close(&workers->end_fd);
	free(workers->list);
	free(workers->metrics);
}
