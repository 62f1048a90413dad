/* SPDX-License-Identifier: MIT */
/*
 * An echo server on a loop of the program's own, here epoll(7): a connection gives its descriptor
 * and the events that it waits for, and each call does what can be done now. PORT CHAIN.pem KEY.pem
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ktls/ktls.h>

struct client {
	struct ktls_conn *conn;
	char buf[4096];
	size_t at, len; /* of buf: what is still to be sent back */
	int open, ending;
};

/* As far as it goes. KTLS_WANT_...: later; else it is over. */
static int go_on(struct client *client)
{
	int r = client->open ? KTLS_DONE : ktls_conn_handshake(client->conn, KTLS_NOW);
	size_t n;

	client->open |= r == KTLS_DONE;
	while (r == KTLS_DONE && !client->ending) {
		if (client->at < client->len) {
			r = ktls_conn_write(client->conn, client->buf + client->at,
					    client->len - client->at, KTLS_NOW, &n);
			client->at += n;
			continue;
		}
		r = ktls_conn_read(client->conn, client->buf, sizeof(client->buf), KTLS_NOW, &n);
		client->at = 0;
		client->len = n;
		if (r == KTLS_EOF) {
			client->ending = 1;
			r = KTLS_DONE;
		}
	}
	if (r == KTLS_DONE && client->ending)
		r = ktls_conn_shutdown(client->conn, KTLS_NOW);
	return r;
}

static int is_want(int r)
{
	return r == KTLS_WANT_READ || r == KTLS_WANT_WRITE || r == KTLS_WANT_BUFFER;
}

/* Goes on, and waits for what it wants then. */
static void turn(int epoll_fd, struct client *client, int operation)
{
	int r = go_on(client);
	struct epoll_event event = { .data.ptr = client };

	/* The events of poll(2) and epoll(7) are the same bits. */
	if (is_want(r)) {
		event.events = (uint32_t)ktls_conn_get_events(
			client->conn, r == KTLS_WANT_WRITE ? KTLS_POLL_WRITE : KTLS_POLL_READ);
		if (!epoll_ctl(epoll_fd, operation, ktls_conn_get_fd(client->conn), &event))
			return;
	}
	if (r < 0)
		fprintf(stderr, "echo: %s\n", ktls_conn_error(client->conn));
	ktls_conn_free(client->conn); /* closes its descriptor, which leaves the epoll */
	free(client);
}

static int welcome(int epoll_fd, struct ktls_listener *listener)
{
	struct client *client;
	struct ktls_conn *conn;
	int r;

	while ((r = ktls_listener_accept(listener, KTLS_NOW, &conn, NULL)) == KTLS_DONE) {
		client = calloc(1, sizeof(*client));
		if (!client) {
			ktls_conn_free(conn);
			continue;
		}
		client->conn = conn;
		turn(epoll_fd, client, EPOLL_CTL_ADD);
	}
	return r;
}

static int loop(struct ktls_listener *listener)
{
	int r = KTLS_WANT_READ, n, epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[64], event = { .events = EPOLLIN };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ktls_listener_get_fd(listener), &event))
		return 1;
	while (r == KTLS_WANT_READ && (n = epoll_wait(epoll_fd, events, 64, -1)) >= 0) {
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				turn(epoll_fd, events[i].data.ptr, EPOLL_CTL_MOD);
			else
				r = welcome(epoll_fd, listener);
		}
	}
	close(epoll_fd);
	return r;
}

int main(int argc, char **argv)
{
	struct ktls_address here = { .family = AF_INET6 };
	struct ktls_listener *listener = NULL;
	struct ktls_config *config = NULL;
	int r;

	if (argc < 4) {
		fprintf(stderr, "usage: epoll PORT CHAIN.pem KEY.pem\n");
		return 2;
	}
	here.port = (uint16_t)atoi(argv[1]);
	r = ktls_config_new(&config, KTLS_SERVER);
	if (r == KTLS_DONE)
		r = ktls_config_add_identity_file(config, argv[2], argv[3]);
	if (r == KTLS_DONE)
		r = ktls_listener_new(&listener, config, &here, -1, 0);
	if (r == KTLS_DONE)
		r = loop(listener);
	fprintf(stderr, "echo: %s. %s\n", ktls_strerror(r), ktls_config_error(config));
	ktls_listener_free(listener);
	ktls_config_unref(config);
	return 1;
}
