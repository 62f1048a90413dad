/* SPDX-License-Identifier: MIT */

/* Two ends in one process; see pair.h. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "kit.h"
#include "pair.h"
#include "pki.h"

enum {
	IDLE_MS = 5000, /* with no progress at either end for that long, a test has hung */
};

static void set_buffers(int fd, int bytes)
{
	if (!bytes)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void pair_sockets(int fd[2], int buffer_bytes)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	set_buffers(listener, buffer_bytes);
	cr_assert(!bind(listener, (struct sockaddr *)&address, len) && !listen(listener, 1) &&
			  !getsockname(listener, (struct sockaddr *)&address, &len),
		  "listening on loopback: %s", strerror(errno));
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	set_buffers(fd[0], buffer_bytes);
	cr_assert(!connect(fd[0], (struct sockaddr *)&address, len), "connecting: %s",
		  strerror(errno));
	fd[1] = accept(listener, NULL, NULL);
	cr_assert(fd[1] >= 0);
	close(listener);
	for (int i = 0; i < 2; i++)
		setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void set_common(struct ktls_config *config, const struct pair_options *options, int end)
{
	enum ktls_cipher cipher = (enum ktls_cipher)options->cipher;
	uint64_t bytes = options->after_bytes;

	if (options->protocol)
		cr_assert(!ktls_config_set_protocols(config, options->protocol, options->protocol));
	if (options->cipher >= 0)
		cr_assert(!ktls_config_set_ciphers(config, &cipher, 1));
	if (options->pool)
		cr_assert(!ktls_config_set_buffers(config, options->pool));
	cr_assert(
		!ktls_config_set_offload(config, KTLS_TX, options->tx[end],
					 options->tx[end] == KTLS_OFFLOAD_AFTER_BYTES ? bytes : 0));
	cr_assert(
		!ktls_config_set_offload(config, KTLS_RX, options->rx[end],
					 options->rx[end] == KTLS_OFFLOAD_AFTER_BYTES ? bytes : 0));
	if (options->configure)
		options->configure(config, (enum pair_end)end);
}

struct pair pair_join(struct ktls_config *client, struct ktls_config *server, const char *name,
		      int buffer_bytes)
{
	struct pair pair = { .config = { client, server } };

	pair_sockets(pair.fd, buffer_bytes);
	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_conn_adopt(&pair.conn[end], pair.config[end], pair.fd[end]), "%s",
			  ktls_config_error(pair.config[end]));
	if (name)
		cr_assert(!ktls_conn_set_server_name(pair.conn[PAIR_CLIENT], name));
	return pair;
}

void pair_configs(const struct pair_options *options, struct ktls_config *config[2])
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };
	struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 3);
	struct pki_pem authority = pki_authority();

	cr_assert(!ktls_config_new(&config[PAIR_CLIENT], KTLS_CLIENT));
	cr_assert(!ktls_config_new(&config[PAIR_SERVER], KTLS_SERVER));
	for (int end = 0; end < 2; end++)
		set_common(config[end], options, end);
	if (options->no_tickets)
		cr_assert(!ktls_config_set_tickets(config[PAIR_SERVER], 0));
	cr_assert(!ktls_config_add_identity(config[PAIR_SERVER], identity.chain.data,
					    identity.chain.len, identity.key.data,
					    identity.key.len));
	cr_assert(!ktls_config_add_trust(config[PAIR_CLIENT], authority.data, authority.len));
	pki_identity_free(&identity);
	for (int end = 0; end < 2 && options->probe; end++) {
		cr_assert(!ktls_config_freeze(config[end]));
		if (config[end]->probe)
			config[end]->probe = options->probe;
	}
}

struct pair pair_on(const struct pair_options *options, const int fd[2])
{
	struct pair pair = { .fd = { fd[0], fd[1] } };

	pair_configs(options, pair.config);
	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_conn_adopt(&pair.conn[end], pair.config[end], fd[end]));
	cr_assert(!ktls_conn_set_server_name(pair.conn[PAIR_CLIENT], "localhost"));
	return pair;
}

struct pair pair_new(const struct pair_options *options)
{
	struct ktls_config *config[2];

	pair_configs(options, config);
	return pair_join(config[PAIR_CLIENT], config[PAIR_SERVER], "localhost",
			 options->buffer_bytes);
}

void pair_free(struct pair *pair)
{
	for (int end = 0; end < 2; end++) {
		if (!pair->conn[end] && pair->fd[end] >= 0)
			close(pair->fd[end]);
		ktls_conn_free(pair->conn[end]);
		ktls_config_unref(pair->config[end]);
	}
}

void pair_vanish(struct pair *pair, enum pair_end end)
{
	kit_vanish(pair->fd[end]);
	pair->fd[end] = -1;
}

int pair_thaw(struct pair *pair, enum pair_end end, const void *bytes, size_t len)
{
	struct ktls_conn *conn = NULL;
	int r = ktls_conn_thaw(&conn, pair->config[end], pair->fd[end], bytes, len);

	if (r)
		return r;
	ktls_conn_free(pair->conn[end]);
	pair->conn[end] = conn;
	pair->fd[end] = ktls_conn_get_fd(conn);
	return 0;
}

/* Until one of the sockets has something to do. */
static void wait_any(const struct pair *pair, short client_events, short server_events)
{
	struct pollfd fds[2] = { { .fd = pair->fd[0], .events = client_events },
				 { .fd = pair->fd[1], .events = server_events } };

	cr_assert(poll(fds, 2, IDLE_MS) > 0, "both ends wait and nothing comes");
}

static short events_of(int want)
{
	return want == KTLS_WANT_WRITE ? POLLOUT : want == KTLS_WANT_READ ? POLLIN : 0;
}

void pair_handshake(struct pair *pair, int rc[2])
{
	rc[0] = rc[1] = KTLS_WANT_WRITE;
	for (;;) {
		for (int end = 0; end < 2; end++) {
			if (rc[end] == KTLS_WANT_READ || rc[end] == KTLS_WANT_WRITE)
				rc[end] = ktls_conn_handshake(pair->conn[end], KTLS_NOW);
		}
		if (!events_of(rc[0]) && !events_of(rc[1]))
			return;
		/* One end has failed for good and the other cannot hear of it but by the socket. */
		if (rc[0] < 0 || rc[1] < 0)
			shutdown(pair->fd[rc[0] < 0 ? 0 : 1], SHUT_WR);
		wait_any(pair, events_of(rc[0]), events_of(rc[1]));
	}
}

struct pair pair_open(const struct pair_options *options)
{
	struct pair pair = pair_new(options);
	int rc[2];

	pair_handshake(&pair, rc);
	for (int end = 0; end < 2; end++)
		cr_assert(!rc[end], "%s: end %d: %s", pair_name(options), end,
			  ktls_conn_error(pair.conn[end]));
	return pair;
}

/* The byte at a place of the stream: cheap, and different at every alignment. */
static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 131 ^ at >> 8 ^ at >> 16);
}

static int write_some(struct pair *pair, enum pair_end from, size_t *written, size_t len,
		      size_t chunk)
{
	static uint8_t bytes[1 << 18];
	size_t n = len - *written, done;
	int rc;

	if (n > chunk)
		n = chunk;
	if (n > sizeof(bytes))
		n = sizeof(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(*written + i);
	rc = ktls_conn_write(pair->conn[from], bytes, n, KTLS_NOW, &done);
	*written += done;
	cr_assert(rc >= 0, "writing at %zu: %s", *written, ktls_conn_error(pair->conn[from]));
	return rc;
}

static int read_some(struct pair *pair, enum pair_end to, size_t *seen)
{
	static uint8_t bytes[50001];
	size_t n;
	int rc = ktls_conn_read(pair->conn[to], bytes, sizeof(bytes), KTLS_NOW, &n);

	cr_assert(rc >= 0 && rc != KTLS_EOF && rc != KTLS_CLOSED, "reading at %zu: %d %s", *seen,
		  rc, ktls_conn_error(pair->conn[to]));
	for (size_t i = 0; i < n; i++)
		cr_assert(bytes[i] == byte_at(*seen + i), "byte %zu is wrong", *seen + i);
	*seen += n;
	return rc;
}

void pair_move(struct pair *pair, enum pair_end from, size_t len, size_t chunk)
{
	enum pair_end to = from == PAIR_CLIENT ? PAIR_SERVER : PAIR_CLIENT;
	size_t written = 0, seen = 0;

	while (seen < len) {
		int tx = written < len ? write_some(pair, from, &written, len, chunk) : 0;
		int rx = read_some(pair, to, &seen);

		/* What was accepted but not sent leaves with the next call on the connection. */
		if (written == len && seen < len)
			tx = write_some(pair, from, &written, len, chunk);
		if (tx && rx)
			wait_any(pair, from == PAIR_CLIENT ? events_of(tx) : events_of(rx),
				 from == PAIR_CLIENT ? events_of(rx) : events_of(tx));
	}
	cr_assert(seen == len);
}

static void read_file_bytes(struct pair *pair, enum pair_end to, uint64_t offset, uint64_t *seen,
			    int *ret_rc)
{
	static uint8_t bytes[70001];
	size_t n;

	*ret_rc = ktls_conn_read(pair->conn[to], bytes, sizeof(bytes), KTLS_NOW, &n);
	cr_assert(*ret_rc == 0 || *ret_rc == KTLS_WANT_READ, "reading at %llu: %d %s",
		  (unsigned long long)*seen, *ret_rc, ktls_conn_error(pair->conn[to]));
	for (size_t i = 0; i < n; i++)
		cr_assert(bytes[i] == kit_byte((size_t)(offset + *seen + i)), "byte %llu is wrong",
			  (unsigned long long)(*seen + i));
	*seen += n;
}

void pair_move_file(struct pair *pair, enum pair_end from, int file_fd, uint64_t offset,
		    uint64_t len)
{
	enum pair_end to = from == PAIR_CLIENT ? PAIR_SERVER : PAIR_CLIENT;
	uint64_t sent = 0, seen = 0, n;
	int tx = KTLS_WANT_WRITE, rx;

	while (seen < len) {
		if (tx) {
			tx = ktls_conn_sendfile(pair->conn[from], file_fd, offset + sent,
						len - sent, KTLS_NOW, &n);
			cr_assert(tx >= 0, "sending at %llu: %s", (unsigned long long)sent,
				  ktls_conn_error(pair->conn[from]));
			sent += n;
		}
		read_file_bytes(pair, to, offset, &seen, &rx);
		if (seen < len && rx)
			wait_any(pair, from == PAIR_CLIENT ? events_of(tx) : events_of(rx),
				 from == PAIR_CLIENT ? events_of(rx) : events_of(tx));
	}
	cr_assert(seen == len && sent == len);
}

void pair_close(struct pair *pair)
{
	uint8_t byte;
	size_t n;
	int rc;

	for (int end = 0; end < 2; end++) {
		rc = ktls_conn_shutdown(pair->conn[end], ktls_deadline_in(IDLE_MS));
		cr_assert(!rc, "end %d: %d %s", end, rc, ktls_conn_error(pair->conn[end]));
	}
	for (int end = 0; end < 2; end++) {
		rc = ktls_conn_read(pair->conn[end], &byte, 1, ktls_deadline_in(IDLE_MS), &n);
		cr_assert(rc == KTLS_EOF, "end %d: %s %s", end, ktls_strerrorname(rc),
			  ktls_conn_error(pair->conn[end]));
	}
}

const char *pair_name(const struct pair_options *options)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s %s",
		 options->protocol ? ktls_protocol_name(options->protocol) : "any protocol",
		 options->cipher >= 0 ? ktls_cipher_name((unsigned int)options->cipher)
				      : "any cipher");
	return name;
}
