/* SPDX-License-Identifier: MIT */

/* A server as a loop around ktls_poll(): each call is one try, and a client that cannot go on is
 * waited for with all others. See service.h. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "rival_gnutls.h"
#include "service.h"
#include "support.h"
#include "wire.h"

enum {
	READ_LEN = 65536,
	RECORD_LEN = 16384,
};

struct client {
	struct ktls_conn *conn;
	struct rival_session *session; /* instead of conn */
	bool open, answering;
	char head[WIRE_OWN_MAX]; /* the request, while it comes; then the answer's */
	size_t head_n, head_sent;
	struct wire_request request;
	uint64_t at; /* of the body, whichever way it goes */
	bool in_upload;
};

/* What is waited for: place 0 is the listener's, and each client has the same place in all. */
struct hall {
	const struct service *service;
	const struct service_body *body;
	struct ktls_listener *listener;
	int listening_fd; /* of GnuTLS's arm */
	struct client *clients[SERVICE_CONNS_MAX + 1];
	struct ktls_handle handles[SERVICE_CONNS_MAX + 1];
	uint32_t query[SERVICE_CONNS_MAX + 1], out[SERVICE_CONNS_MAX + 1];
	size_t n;
	uint8_t thrown_away[READ_LEN];
};

/* -- One try each, by whoever protects the records -- */

static int try_handshake(struct client *client)
{
	return client->session ? rival_try_handshake(client->session)
			       : ktls_conn_handshake(client->conn, KTLS_NOW);
}

static int try_read(struct client *client, void *bytes, size_t len, size_t *ret_n)
{
	return client->session ? rival_try_read(client->session, bytes, len, ret_n)
			       : ktls_conn_read(client->conn, bytes, len, KTLS_NOW, ret_n);
}

/* GnuTLS takes one piece, so that one record's worth is put together for it. */
static int write_by_rival(struct client *client, const struct iovec *iov, size_t *ret_n)
{
	static uint8_t record[RECORD_LEN];
	size_t len = iov[0].iov_len, room = RECORD_LEN - len;

	if (!len)
		return rival_try_write(client->session, iov[1].iov_base, iov[1].iov_len, ret_n);
	memcpy(record, iov[0].iov_base, len);
	room = iov[1].iov_len < room ? iov[1].iov_len : room;
	memcpy(record + len, iov[1].iov_base, room);
	return rival_try_write(client->session, record, len + room, ret_n);
}

static int try_write(struct client *client, const struct iovec *iov, size_t *ret_n)
{
	return client->session ? write_by_rival(client, iov, ret_n)
			       : ktls_conn_writev(client->conn, iov, 2, KTLS_NOW, ret_n);
}

/* -- A request -- */

static void begin_answer(struct client *client)
{
	uint64_t size = client->request.upload ? 0 : client->request.size;

	client->head_n = wire_write_answer(client->head, size);
	client->head_sent = 0;
	client->at = client->request.size - size;
	client->answering = true;
	client->in_upload = false;
}

static int read_upload(struct hall *hall, struct client *client)
{
	size_t n;
	int r = try_read(client, hall->thrown_away, READ_LEN, &n);

	client->at += n;
	if (client->at > client->request.size)
		return -EBADMSG;
	if (client->at == client->request.size)
		begin_answer(client);
	return r;
}

static int read_request(struct client *client)
{
	size_t n;
	int r = try_read(client, client->head + client->head_n, WIRE_OWN_MAX - client->head_n, &n);

	if (r)
		return r;
	client->head_n += n;
	r = wire_read_request(client->head, client->head_n, &client->request);
	if (r)
		return r < 0 ? r : 0;
	client->at = client->head_n - client->request.len;
	client->in_upload = client->request.upload && client->at < client->request.size;
	if (!client->in_upload)
		begin_answer(client);
	return 0;
}

static int write_piece(struct hall *hall, struct client *client)
{
	uint64_t offset, n = 0,
			 len = service_piece(hall->service->file, client->at,
					     client->request.size - client->at, &offset);
	size_t written = 0, head_left = client->head_n - client->head_sent;
	struct iovec iov[] = {
		{ client->head + client->head_sent, head_left },
		{ (void *)(hall->body->block + offset), len },
	};
	int r;

	if (hall->service->file && !head_left) {
		r = ktls_conn_sendfile(client->conn, hall->body->file, offset, len, KTLS_NOW, &n);
	} else {
		if (hall->service->file)
			iov[1].iov_len = 0;
		r = try_write(client, iov, &written);
		n = written < head_left ? 0 : written - head_left;
		client->head_sent += written - n;
	}
	client->at += n;
	return r;
}

static int answer(struct hall *hall, struct client *client)
{
	uint64_t before = client->at + client->head_sent;
	int r = write_piece(hall, client);

	service_slow(hall->service, client->at + client->head_sent - before);
	if (!r && client->at == client->request.size && client->head_sent == client->head_n) {
		client->answering = false;
		client->head_n = 0;
	}
	return r;
}

/* Until it would wait, or has ended. */
static int go_on(struct hall *hall, struct client *client)
{
	int r = client->open ? 0 : try_handshake(client);

	client->open |= !r;
	while (!r) {
		if (client->answering)
			r = answer(hall, client);
		else if (client->in_upload)
			r = read_upload(hall, client);
		else
			r = read_request(client);
	}
	return r;
}

/* -- All of them -- */

static bool accept_one(struct hall *hall, struct client *client, struct ktls_handle *ret_handle)
{
	int fd, one = 1;

	if (!hall->service->rival) {
		if (ktls_listener_accept(hall->listener, KTLS_NOW, &client->conn, NULL))
			return false;
		*ret_handle = ktls_handle_of_conn(client->conn);
		return true;
	}
	fd = accept4(hall->listening_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	client->session = rival_begin(hall->service->rival, fd);
	*ret_handle = ktls_handle_of_fd(fd);
	return true;
}

static void welcome(struct hall *hall)
{
	while (hall->n <= SERVICE_CONNS_MAX) {
		struct client *client = calloc(1, sizeof(*client));

		if (!client)
			bench_die("no memory");
		if (!accept_one(hall, client, &hall->handles[hall->n])) {
			free(client);
			return;
		}
		hall->clients[hall->n] = client;
		hall->query[hall->n] = hall->out[hall->n] = KTLS_POLL_READ;
		hall->n++;
	}
}

static void see_off(struct hall *hall, size_t i)
{
	struct client *client = hall->clients[i];

	if (client->session)
		rival_end(client->session);
	if (client->conn)
		ktls_conn_shutdown_and_close(client->conn, KTLS_NOW);
	ktls_conn_free(client->conn);
	free(client);
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

static void listen_on(struct hall *hall, int fd)
{
	int nonblocking = 1;

	hall->listening_fd = fd;
	if (hall->service->rival) {
		if (ioctl(fd, FIONBIO, &nonblocking))
			bench_die("FIONBIO: %s", strerror(errno));
		hall->handles[0] = ktls_handle_of_fd(fd);
		return;
	}
	bench_must(ktls_listener_new_fd(&hall->listener, hall->service->config, fd), "listening",
		   ktls_config_error(hall->service->config));
	hall->handles[0] = ktls_handle_of_listener(hall->listener);
}

_Noreturn void service_poll(const struct service *service, int listening_fd,
			    const struct service_body *body)
{
	struct hall *hall = calloc(1, sizeof(*hall));
	bool busy = true;
	size_t ready;
	int r;

	if (!hall)
		bench_die("no memory");
	hall->service = service;
	hall->body = body;
	listen_on(hall, listening_fd);
	hall->query[0] = KTLS_POLL_READ;
	hall->n = 1;
	for (;;) {
		r = ktls_poll(hall->out, hall->handles, hall->query, hall->n,
			      busy ? ktls_deadline_in(SERVICE_REST_MS) : KTLS_FOREVER, &ready);
		bench_must(r < 0 ? r : 0, "waiting for clients", NULL);
		busy = service_rest(service, r);
		if (hall->out[0])
			welcome(hall);
		hall->out[0] = 0;
		serve_all(hall);
	}
}
