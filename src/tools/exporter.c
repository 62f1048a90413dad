/* SPDX-License-Identifier: MIT */

/*
 * One request to a connection, as much of HTTP as that needs: the answer is made when the head is
 * there, and the connection closed behind it. poll(2) is enough for so few.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "exporter.h"
#include "tool.h"

struct client {
	int fd; /* -1: a free place */
	uint64_t deadline_ns;
	char request[EXPORTER_LIMIT_REQUEST + 1];
	size_t received;
	char *answer; /* NULL: the request is not whole yet */
	size_t len, sent;
	bool lingering; /* until it has read all: a close before would destroy it */
};

struct exporter {
	pthread_t thread;
	int listen_fd;
	int stop_fd;
	struct metrics *metrics;
	size_t n;
	const struct metrics_process *process;
	struct client clients[EXPORTER_LIMIT_CLIENTS];
};

enum {
	POLL_STOP = 0,
	POLL_LISTEN,
	POLL_CLIENTS,
	N_POLL = POLL_CLIENTS + EXPORTER_LIMIT_CLIENTS,
	TICK_MS = 1000,
	PAUSE_MS = 100,
};

static void end_client(struct client *client)
{
	tool_fd_close(&client->fd);
	free(client->answer);
	*client = (struct client){ .fd = -1 };
}

/* A head and its body; a 405 says what is allowed (RFC 9110 15.5.6). */
static void print_answer(FILE *out, const char *status, const char *type, const char *body,
			 size_t len)
{
	fprintf(out,
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
		"Connection: close\r\n\r\n",
		status, type, len, strncmp(status, "405", 3) ? "" : "Allow: GET, HEAD\r\n");
	if (body)
		fwrite(body, 1, len, out);
}

static int print_metrics(const struct exporter *exporter, FILE *out, bool head)
{
	struct metrics *total = calloc(1, sizeof(*total));
	char *body = NULL;
	size_t len;
	FILE *stream = total ? open_memstream(&body, &len) : NULL;
	int r = stream ? 0 : -ENOMEM;

	for (size_t i = 0; i < exporter->n && stream; i++)
		metrics_add_up(total, &exporter->metrics[i]);
	if (stream)
		metrics_write_text(stream, total, exporter->process);
	if (stream && fclose(stream))
		r = -ENOMEM;
	if (!r)
		print_answer(out, "200 OK", "text/plain; version=0.0.4; charset=utf-8",
			     head ? NULL : body, len);
	free(body);
	free(total);
	return r;
}

static int print_error(FILE *out, const char *status, bool head)
{
	char body[128];
	int len = snprintf(body, sizeof(body), "%s; there is GET /metrics\n", status);

	print_answer(out, status, "text/plain", head ? NULL : body, (size_t)len);
	return 0;
}

static int print_response(const struct exporter *exporter, const char *request, FILE *out)
{
	bool head = !strncmp(request, "HEAD ", 5);
	const char *target = strchr(request, ' ');
	size_t len = target ? strcspn(++target, " ?\r\n") : 0;
	const char *version = target ? target + strcspn(target, " \r\n") : NULL;

	if (!version || strncmp(version, " HTTP/1.", 8))
		return print_error(out, "400 Bad Request", false);
	if (!head && strncmp(request, "GET ", 4))
		return print_error(out, "405 Method Not Allowed", false);
	if (len != strlen("/metrics") || strncmp(target, "/metrics", len))
		return print_error(out, "404 Not Found", head);
	return print_metrics(exporter, out, head);
}

/* The line behind the request's head (RFC 9112 2.2 lets a lone LF pass). */
static bool is_whole(const struct client *client)
{
	return strstr(client->request, "\r\n\r\n") || strstr(client->request, "\n\n");
}

static void make_answer(const struct exporter *exporter, struct client *client)
{
	FILE *out = open_memstream(&client->answer, &client->len);
	int r = -ENOMEM;

	if (out)
		r = is_whole(client)
			    ? print_response(exporter, client->request, out)
			    : print_error(out, "431 Request Header Fields Too Large", false);
	if ((out && fclose(out)) || r)
		end_client(client);
}

static void receive(const struct exporter *exporter, struct client *client)
{
	size_t room = EXPORTER_LIMIT_REQUEST - client->received;
	ssize_t n = recv(client->fd, client->request + client->received, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_client(client);
		return;
	}
	/* Whatever a client sends behind its request is read, and of no interest. */
	if (client->lingering)
		return;
	client->received += (size_t)n;
	client->request[client->received] = '\0';
	if (is_whole(client) || client->received == EXPORTER_LIMIT_REQUEST)
		make_answer(exporter, client);
}

static void send_answer(struct client *client)
{
	ssize_t n = send(client->fd, client->answer + client->sent, client->len - client->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end_client(client);
		return;
	}
	client->sent += (size_t)n;
	if (client->sent < client->len)
		return;
	shutdown(client->fd, SHUT_WR);
	client->lingering = true;
	client->received = 0;
}

static void accept_client(struct exporter *exporter)
{
	int fd = accept4(exporter->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *place = exporter->clients;

	if (fd < 0) {
		/* Out of descriptors it stays in the queue, and the socket readable. */
		if (errno != EAGAIN && errno != EINTR)
			poll(NULL, 0, PAUSE_MS);
		return;
	}
	for (size_t i = 1; i < EXPORTER_LIMIT_CLIENTS && place->fd >= 0; i++) {
		struct client *client = &exporter->clients[i];

		if (client->fd < 0 || client->deadline_ns < place->deadline_ns)
			place = client;
	}
	end_client(place);
	place->fd = fd;
	place->deadline_ns = ktls_deadline_in(EXPORTER_LIMIT_CLIENT_MS);
}

static void run_client(struct exporter *exporter, struct client *client, short events)
{
	if (client->fd < 0)
		return;
	if (events && client->answer && !client->lingering)
		send_answer(client);
	else if (events)
		receive(exporter, client);
	if (client->fd >= 0 && ktls_deadline_in(0) >= client->deadline_ns)
		end_client(client);
}

static void *run(void *argument)
{
	struct exporter *exporter = argument;
	struct pollfd polls[N_POLL] = {
		[POLL_STOP] = { .fd = exporter->stop_fd, .events = POLLIN },
		[POLL_LISTEN] = { .fd = exporter->listen_fd, .events = POLLIN },
	};

	while (!polls[POLL_STOP].revents) {
		bool busy = false;

		for (size_t i = 0; i < EXPORTER_LIMIT_CLIENTS; i++) {
			const struct client *client = &exporter->clients[i];
			bool sends = client->answer && !client->lingering;

			polls[POLL_CLIENTS + i] =
				(struct pollfd){ .fd = client->fd,
						 .events = sends ? POLLOUT : POLLIN };
			busy |= client->fd >= 0;
		}
		if (poll(polls, N_POLL, busy ? TICK_MS : -1) < 0)
			continue;
		for (size_t i = 0; i < EXPORTER_LIMIT_CLIENTS; i++)
			run_client(exporter, &exporter->clients[i],
				   polls[POLL_CLIENTS + i].revents);
		if (polls[POLL_LISTEN].revents)
			accept_client(exporter);
	}
	return NULL;
}

int exporter_new(struct exporter **ret_exporter, int listen_fd, struct metrics *metrics, size_t n,
		 const struct metrics_process *process)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	int r;

	if (!exporter)
		return -ENOMEM;
	exporter->listen_fd = listen_fd;
	exporter->metrics = metrics;
	exporter->n = n;
	exporter->process = process;
	for (size_t i = 0; i < EXPORTER_LIMIT_CLIENTS; i++)
		exporter->clients[i].fd = -1;
	exporter->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = exporter->stop_fd < 0 ? -errno : 0;
	if (!r)
		r = -pthread_create(&exporter->thread, NULL, run, exporter);
	if (r) {
		tool_fd_close(&exporter->stop_fd);
		free(exporter);
		return r;
	}
	*ret_exporter = exporter;
	return 0;
}

struct exporter *exporter_free(struct exporter *exporter)
{
	if (!exporter)
		return NULL;
	eventfd_write(exporter->stop_fd, 1);
	pthread_join(exporter->thread, NULL);
	for (size_t i = 0; i < EXPORTER_LIMIT_CLIENTS; i++)
		end_client(&exporter->clients[i]);
	tool_fd_close(&exporter->stop_fd);
	free(exporter);
	return NULL;
}
