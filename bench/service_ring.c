/* SPDX-License-Identifier: MIT */

/* A server on a ring; each client is asking, being answered, or leaving, with one operation under
 * way. See service.h. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service.h"
#include "support.h"
#include "wire.h"

enum {
	EVENTS = 256,
	CONNS = 16384,
	TIMEOUT_MS = 60000,
	PIECES = 2,
};

struct client {
	struct ktls_op op;
	struct ktls_conn *conn;
	int (*next)(struct client *client, const struct ktls_event *event);
	const struct service *service;
	const struct service_body *body;
	char head[WIRE_OWN_MAX];
	size_t head_n;
	struct iovec iov[PIECES];
	struct wire_request request;
	uint64_t at; /* of the body, whichever way it goes */
};

static int leave(struct client *client, const struct ktls_event *event)
{
	(void)event;
	ktls_conn_free(client->conn);
	free(client);
	return 0;
}

static int say_goodbye(struct client *client, const struct ktls_event *event)
{
	(void)event;
	client->next = leave;
	return ktls_op_shutdown_and_close(&client->op, client->conn, ktls_deadline_in(1000));
}

static int take_request(struct client *client, const struct ktls_event *event);

static int ask(struct client *client, const struct ktls_event *event)
{
	(void)event;
	client->head_n = 0;
	client->next = take_request;
	return ktls_op_receive(&client->op, client->conn, KTLS_FOREVER);
}

/* Whatever is left, as far as it lies in one piece. */
static int send_body(struct client *client, const struct ktls_event *event)
{
	uint64_t offset, len = service_piece(client->service->file, client->at,
					     client->request.size - client->at, &offset);

	if (!len)
		return ask(client, event);
	client->at += len;
	client->next = send_body;
	service_slow(client->service, len);
	if (client->service->file)
		return ktls_op_sendfile(&client->op, client->conn, client->body->file, offset, len,
					ktls_deadline_in(TIMEOUT_MS));
	return ktls_op_write(&client->op, client->conn, client->body->block + offset, len,
			     ktls_deadline_in(TIMEOUT_MS));
}

static int answer(struct client *client)
{
	uint64_t offset, len, size = client->request.upload ? 0 : client->request.size;
	int pieces = 1;

	client->head_n = wire_write_answer(client->head, size);
	client->iov[0] = (struct iovec){ client->head, client->head_n };
	client->at = client->request.size - size;
	client->next = send_body;
	if (!client->service->file && size) {
		len = service_piece(false, 0, size, &offset);
		client->iov[pieces++] = (struct iovec){ (void *)client->body->block, len };
		client->at = len;
	}
	service_slow(client->service, client->head_n + client->at);
	return ktls_op_writev(&client->op, client->conn, client->iov, pieces,
			      ktls_deadline_in(TIMEOUT_MS));
}

/* An upload's bytes are thrown away. */
static int take_body(struct client *client, const struct ktls_event *event)
{
	if (event->n > client->request.size - client->at)
		return -EBADMSG;
	client->at += event->n;
	if (client->at == client->request.size)
		return answer(client);
	client->next = take_body;
	return ktls_op_receive(&client->op, client->conn, KTLS_FOREVER);
}

static int take_request(struct client *client, const struct ktls_event *event)
{
	size_t room = sizeof(client->head) - client->head_n, n = event->n < room ? event->n : room;
	struct ktls_event rest = *event;
	size_t before = client->head_n;
	int r;

	memcpy(client->head + before, event->data, n);
	client->head_n += n;
	r = wire_read_request(client->head, client->head_n, &client->request);
	if (r < 0)
		return r;
	if (r)
		return ktls_op_receive(&client->op, client->conn, KTLS_FOREVER);
	if (!client->request.upload)
		return answer(client);
	client->at = 0;
	rest.n = event->n - (client->request.len - before);
	return take_body(client, &rest);
}

static void welcome(struct ktls_conn *conn, const struct service *service,
		    const struct service_body *body)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		bench_die("no memory");
	client->op.user = client;
	client->conn = conn;
	client->service = service;
	client->body = body;
	client->next = ask;
	if (ktls_op_handshake(&client->op, conn, ktls_deadline_in(TIMEOUT_MS)))
		leave(client, NULL);
}

static void go_on(const struct ktls_event *event)
{
	struct client *client = event->op->user;

	if (event->result != KTLS_DONE && client->next != leave)
		client->next = say_goodbye;
	if (client->next(client, event))
		leave(client, event);
}

_Noreturn void service_ring(const struct service *service, int listening_fd,
			    const struct service_body *body)
{
	const struct ktls_ring_options options = { .conns = CONNS };
	struct ktls_op accepting = { .user = NULL };
	struct ktls_event events[EVENTS];
	struct ktls_listener *listener;
	struct ktls_ring *ring;
	bool busy = true;
	size_t n;
	int r;

	bench_must(ktls_listener_new_fd(&listener, service->config, listening_fd), "listening",
		   ktls_config_error(service->config));
	bench_must(ktls_ring_new(&ring, &options, sizeof(options)), "making a ring",
		   ktls_ring_error());
	bench_must(ktls_op_accept(&accepting, ring, listener), "accepting", NULL);
	for (;;) {
		r = ktls_ring_wait(ring, busy ? ktls_deadline_in(SERVICE_REST_MS) : KTLS_FOREVER,
				   events, EVENTS, &n);
		bench_must(r < 0 ? r : 0, "waiting", NULL);
		busy = service_rest(service, r);
		for (size_t i = 0; i < n; i++) {
			if (events[i].op != &accepting)
				go_on(&events[i]);
			else if (events[i].more)
				welcome(events[i].conn, service, body);
			else
				bench_die("accepting: %s", ktls_strerror(events[i].result));
		}
	}
}
