/* SPDX-License-Identifier: MIT */

/* A server as a loop around ktls_poll(): each call is one try, and a client that cannot go on is
 * waited for with all others. See service.h. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service.h"
#include "support.h"
#include "wire.h"

enum {
	READ_MAX = WIRE_HEAD_MAX,
};

struct client {
	struct ktls_conn *conn;
	bool open;
	char head[READ_MAX]; /* the request, while it comes; then the answer's */
	size_t head_n, head_sent;
	uint64_t at, size; /* of the body; size is 0: a request is waited for */
	bool answering;
};

/* What is waited for: place 0 is the listener's, and each client has the same place in all. */
struct hall {
	const struct service *service;
	const struct service_body *body;
	struct ktls_listener *listener;
	struct client *clients[SERVICE_CONNS_MAX + 1];
	struct ktls_handle handles[SERVICE_CONNS_MAX + 1];
	uint32_t query[SERVICE_CONNS_MAX + 1], out[SERVICE_CONNS_MAX + 1];
	size_t n;
};

static int read_request(struct client *client)
{
	size_t n, len;
	int r = ktls_conn_read(client->conn, client->head + client->head_n,
			       READ_MAX - client->head_n, KTLS_NOW, &n);

	if (r)
		return r;
	client->head_n += n;
	r = wire_read_request(client->head, client->head_n, &len, &client->size);
	if (r)
		return r < 0 ? r : 0;
	/* Nobody here asks before it was answered. */
	client->head_n = wire_write_answer(client->head, client->size);
	client->head_sent = client->at = 0;
	client->answering = true;
	return 0;
}

static int write_piece(struct hall *hall, struct client *client)
{
	uint64_t offset, n = 0,
			 len = service_piece(hall->service->file, client->at,
					     client->size - client->at, &offset);
	size_t written = 0, head_left = client->head_n - client->head_sent;
	struct iovec iov[] = {
		{ client->head + client->head_sent, head_left },
		{ (void *)(hall->body->block + offset), len },
	};
	int r;

	if (!hall->service->file) {
		r = ktls_conn_writev(client->conn, iov, 2, KTLS_NOW, &written);
		n = written < head_left ? 0 : written - head_left;
		client->head_sent += written - n;
	} else if (head_left) {
		r = ktls_conn_write(client->conn, iov[0].iov_base, head_left, KTLS_NOW, &written);
		client->head_sent += written;
	} else {
		r = ktls_conn_sendfile(client->conn, hall->body->file, offset, len, KTLS_NOW, &n);
	}
	client->at += n;
	return r;
}

static int answer(struct hall *hall, struct client *client)
{
	uint64_t before = client->at + client->head_sent;
	int r = write_piece(hall, client);

	service_slow(hall->service, client->at + client->head_sent - before);
	if (!r && client->at == client->size && client->head_sent == client->head_n) {
		client->answering = false;
		client->head_n = 0;
	}
	return r;
}

/* Until it would wait, or has ended. */
static int go_on(struct hall *hall, struct client *client)
{
	int r = client->open ? 0 : ktls_conn_handshake(client->conn, KTLS_NOW);

	client->open |= !r;
	while (!r)
		r = client->answering ? answer(hall, client) : read_request(client);
	return r;
}

static void welcome(struct hall *hall)
{
	struct ktls_conn *conn;

	while (hall->n <= SERVICE_CONNS_MAX &&
	       !ktls_listener_accept(hall->listener, KTLS_NOW, &conn, NULL)) {
		struct client *client = calloc(1, sizeof(*client));

		if (!client)
			bench_die("no memory");
		client->conn = conn;
		hall->clients[hall->n] = client;
		hall->handles[hall->n] = ktls_handle_of_conn(conn);
		hall->query[hall->n] = hall->out[hall->n] = KTLS_POLL_READ;
		hall->n++;
	}
}

static void see_off(struct hall *hall, size_t i)
{
	ktls_conn_shutdown_and_close(hall->clients[i]->conn, KTLS_NOW);
	ktls_conn_free(hall->clients[i]->conn);
	free(hall->clients[i]);
	hall->n--;
	hall->clients[i] = hall->clients[hall->n];
	hall->handles[i] = hall->handles[hall->n];
	hall->query[i] = hall->query[hall->n];
	hall->out[i] = hall->out[hall->n];
}

static void serve_all(struct hall *hall)
{
	for (size_t i = hall->n; i-- > 1;) {
		int r;

		if (!hall->out[i])
			continue;
		hall->out[i] = 0;
		r = go_on(hall, hall->clients[i]);
		hall->query[i] = r == KTLS_WANT_READ ? KTLS_POLL_READ : KTLS_POLL_WRITE;
		if (r != KTLS_WANT_READ && r != KTLS_WANT_WRITE && r != KTLS_WANT_BUFFER)
			see_off(hall, i);
	}
}

_Noreturn void service_poll(const struct service *service, struct ktls_listener *listener,
			    const struct service_body *body)
{
	struct hall *hall = calloc(1, sizeof(*hall));
	size_t ready;

	if (!hall)
		bench_die("no memory");
	hall->service = service;
	hall->body = body;
	hall->listener = listener;
	hall->handles[0] = ktls_handle_of_listener(listener);
	hall->query[0] = KTLS_POLL_READ;
	hall->n = 1;
	for (;;) {
		bench_must(ktls_poll(hall->out, hall->handles, hall->query, hall->n, KTLS_FOREVER,
				     &ready),
			   "waiting for clients", NULL);
		if (hall->out[0])
			welcome(hall);
		hall->out[0] = 0;
		serve_all(hall);
	}
}
