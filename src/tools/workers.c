/* SPDX-License-Identifier: MIT */

/* Starting and ending threads; see workers.h. Signals are blocked before, by whoever waits for
 * them. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "listen.h"
#include "tool.h"
#include "workers.h"

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct workers *workers = worker->workers;
	struct server *server = NULL;
	const char *why;

	worker->result = server_new(&server, &worker->site, workers->stop_fd, &why);
	snprintf(worker->why, sizeof(worker->why), "%s", why);
	sem_post(&workers->ready);
	if (server)
		worker->end = server_run(server);
	server_free(server);
	eventfd_write(workers->end_fd, 1);
	return NULL;
}

/* The kernel deals connections out among sockets of one address; where there can be no other one,
 * or need not, threads share. */
static int open_listener(struct worker *worker, struct ktls_config *config, int listen_fd,
			 bool is_first)
{
	_cleanup_(tool_fd_close) int own_fd = is_first ? -EBADF : listen_again(listen_fd);

	return ktls_listener_new_fd(&worker->site.listener, config,
				    own_fd < 0 ? listen_fd : own_fd);
}

int workers_init(struct workers *workers, unsigned int n, struct ktls_config *config, int listen_fd)
{
	*workers = (struct workers)WORKERS_NULL;
	sem_init(&workers->ready, 0, 0);
	workers->list = calloc(n, sizeof(*workers->list));
	workers->metrics = calloc(n, sizeof(*workers->metrics));
	if (!workers->list || !workers->metrics)
		return -ENOMEM;
	/* Nobody reads it, so that each of them sees it. */
	workers->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	workers->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (workers->stop_fd < 0 || workers->end_fd < 0)
		return -errno;
	for (; workers->n < n; workers->n++) {
		int r = open_listener(&workers->list[workers->n], config, listen_fd, !workers->n);

		if (r)
			return r;
	}
	return 0;
}

int workers_set_config(struct workers *workers, struct ktls_config *config)
{
	int r = 0;

	for (unsigned int i = 0; i < workers->n && !r; i++)
		r = ktls_listener_set_config(workers->list[i].site.listener, config);
	return r;
}

static int start_one(struct workers *workers, unsigned int i, const struct session_site *site)
{
	struct worker *worker = &workers->list[i];
	struct ktls_listener *listener = worker->site.listener;
	int r;

	worker->workers = workers;
	worker->site = *site;
	worker->site.listener = listener;
	worker->site.metrics = &workers->metrics[i];
	r = -pthread_create(&worker->thread, NULL, run, worker);
	if (r)
		return r;
	workers->n_started++;
	while (sem_wait(&workers->ready) && errno == EINTR)
		;
	return worker->result;
}

int workers_start(struct workers *workers, const struct session_site *site, const char **ret_why)
{
	int r = 0;

	*ret_why = "";
	for (unsigned int i = 0; i < workers->n && !r; i++) {
		r = start_one(workers, i, site);
		*ret_why = workers->list[i].why;
	}
	if (r) {
		uint64_t requests, bytes;

		workers_stop(workers, &requests, &bytes);
	}
	return r;
}

int workers_stop(struct workers *workers, uint64_t *ret_requests, uint64_t *ret_bytes)
{
	int r = 0;

	*ret_requests = 0;
	*ret_bytes = 0;
	eventfd_write(workers->stop_fd, 1);
	for (unsigned int i = 0; i < workers->n_started; i++) {
		struct worker *worker = &workers->list[i];

		pthread_join(worker->thread, NULL);
		*ret_requests += worker->site.requests;
		*ret_bytes += worker->site.bytes;
		if (!r)
			r = worker->result ? worker->result : worker->end;
	}
	workers->n_started = 0;
	return r;
}

void workers_done(struct workers *workers)
{
	for (unsigned int i = 0; i < workers->n; i++)
		ktls_listener_free(workers->list[i].site.listener);
	tool_fd_close(&workers->stop_fd);
	tool_fd_close(&workers->end_fd);
	free(workers->list);
	free(workers->metrics);
}
