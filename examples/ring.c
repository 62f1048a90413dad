/* SPDX-License-Identifier: MIT */
/*
 * Says hello! over TLS to any number of clients at once, as often as each asks, in one thread over
 * io_uring; try `curl --insecure https://127.0.0.1:PORT`. What a request says is not looked at.
 */
#include <stdio.h>
#include <stdlib.h>

#include <ktls/ktls.h>

enum {
	EVENTS = 64,
	HANDSHAKE_MS = 10000,
	IDLE_MS = 60000,
};

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello!\n";

/* One op is enough: each client is either asking, being told, or leaving. */
struct client {
	struct ktls_op op;
	struct ktls_conn *conn;
	int (*next)(struct client *client);
};

static int leave(struct client *client)
{
	ktls_conn_free(client->conn);
	free(client);
	return 0;
}

static int say_goodbye(struct client *client)
{
	client->next = leave;
	return ktls_op_shutdown_and_close(&client->op, client->conn, ktls_deadline_in(1000));
}

static int say_hello(struct client *client);

static int wait_for_request(struct client *client)
{
	client->next = say_hello;
	return ktls_op_receive(&client->op, client->conn, ktls_deadline_in(IDLE_MS));
}

static int say_hello(struct client *client)
{
	client->next = wait_for_request;
	return ktls_op_write(&client->op, client->conn, hello, sizeof(hello) - 1,
			     ktls_deadline_in(IDLE_MS));
}

static void welcome(struct ktls_conn *conn)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		ktls_conn_free(conn);
		return;
	}
	client->op.user = client;
	client->conn = conn;
	client->next = wait_for_request;
	if (ktls_op_handshake(&client->op, conn, ktls_deadline_in(HANDSHAKE_MS)))
		leave(client);
}

static void go_on(const struct ktls_event *event)
{
	struct client *client = event->op->user;

	/* Closing is right in any state, and says goodbye where that can be. */
	if (event->result != KTLS_DONE && client->next != leave)
		client->next = say_goodbye;
	if (client->next(client))
		leave(client);
}

static int serve(struct ktls_ring *ring, struct ktls_listener *listener)
{
	struct ktls_op accepting = { .user = NULL };
	struct ktls_event events[EVENTS];
	size_t n = 0;
	int r = ktls_op_accept(&accepting, ring, listener);

	while (r == KTLS_DONE) {
		r = ktls_ring_wait(ring, KTLS_FOREVER, events, EVENTS, &n);
		for (size_t i = 0; r == KTLS_DONE && i < n; i++) {
			if (events[i].op != &accepting)
				go_on(&events[i]);
			else if (events[i].more)
				welcome(events[i].conn);
			else
				r = events[i].result;
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };
	struct ktls_address here = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
	struct ktls_listener *listener = NULL;
	struct ktls_config *config = NULL;
	struct ktls_ring *ring = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: ring PORT\n");
		return 2;
	}
	here.port = (uint16_t)atoi(argv[1]);
	r = ktls_config_new(&config, KTLS_SERVER);
	if (r == KTLS_DONE)
		r = ktls_config_add_identity_self_signed(config, names, 3);
	if (r == KTLS_DONE)
		r = ktls_listener_new(&listener, config, &here, -1, 0);
	if (r == KTLS_DONE)
		r = ktls_ring_new(&ring, NULL, 0);
	if (r == KTLS_DONE)
		r = serve(ring, listener);
	fprintf(stderr, "ring: %s. %s%s\n", ktls_strerror(r), ktls_config_error(config),
		ktls_ring_error());
	ktls_ring_free(ring);
	ktls_listener_free(listener);
	ktls_config_unref(config);
	return 1;
}
