/* SPDX-License-Identifier: MIT */

/*
 * The library as one end of a pipe, for the scripts beside this file: what comes on stdin goes to
 * the peer, what the peer sends goes to stdout, and when both are over, a line for each fact of the
 * connection goes to stderr. Everything is done with KTLS_NOW and poll(2), so that the real timing
 * of a real peer takes every path on which a call wants to be called again.
 *
 *   peer connect PORT [OPTION...]     to 127.0.0.1
 *   peer listen PORT [OPTION...]      port 0 takes a free one: "port=N" on stderr
 *
 *   --ca FILE, --name NAME       client: whom to trust, and the name to verify (localhost)
 *   --cert FILE, --key FILE      server: the identity
 *   --protocol 1.2|1.3           only this version
 *   --cipher NAME                only this AEAD, as ktls_cipher_name() calls it
 *   --offload WHEN               auto, never, at-once, at-sendfile, required
 *   --echo                       sends back what comes instead of stdin
 *   --file FILE                  sends it with ktls_conn_sendfile() before anything of stdin
 *   --visits N                   server: so many connections, one after another (1)
 *   --tickets N                  how many to give, or to take
 *   --ticket-file FILE           server: their keys
 *   --session FILE               client: resumes what is in it, and writes there what came
 *   --client-auth required       server: of clients, too, a certificate
 *   --verifier WORD              yes, no, later-yes, later-no: what one of ours says of the peer
 *   --pin HEX                    a key that the peer may have
 *   --revocations FILE           client: lists; --require-staple yes
 *   --staple FILE                server: a response of OCSP
 *   --early-data FILE|BYTES      client: sends the file; server: takes so many bytes, to stdout
 *   --export LABEL               exports 32 bytes, and keeps the certificates
 *   --alpn NAME                  the one application protocol
 *   --tenant NAME,CERT,KEY,ALPN  server: who answers for that name
 *
 * The end of stdin is our close_notify; the peer's ends the reading, and then we end, too. Exit
 * status: 0 if both ends closed in order, 1 if not, 2 for a command line that is none.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "peer_options.h"

enum {
	LIMIT_S = 600, /* whoever started us may be gone */
	LIMIT_BUFFER = 64 * 1024,
	FRUITLESS_MAX = 4,
	PAUSE_MS = 1,
};

struct pump {
	struct ktls_conn *conn;
	int fd;
	bool echo;
	int file_fd;
	uint64_t file_at, file_len;
	bool in_ended;	/* stdin has no more */
	bool unsettled; /* the last write is to be called again */
	int rx, tx;	/* the latest answers */
	bool rx_ended, tx_ended;
	const char *session; /* where to keep it, or NULL */
	bool progress;
	unsigned int fruitless; /* turns in a row that moved nothing */
	char buf[LIMIT_BUFFER];
	size_t start, end;
};

static int die(const char *what, const char *why)
{
	fprintf(stderr, "peer: %s: %s\n", what, why);
	return 2;
}

/* The socket */

static int open_socket(const struct peer_options *options)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)options->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (!options->listen)
		return connect(fd, (struct sockaddr *)&address, len) ? -1 : fd;
	if (bind(fd, (struct sockaddr *)&address, len) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		return -1;
	fprintf(stderr, "port=%u\n", ntohs(address.sin_port));
	return fd;
}

/* Bytes */

static bool is_want(int r)
{
	return r == KTLS_WANT_READ || r == KTLS_WANT_WRITE || r == KTLS_WANT_BUFFER;
}

static void write_out(const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, buf, len);

		if (n < 0 && errno != EINTR)
			exit(die("stdout", strerror(errno)));
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
}

static size_t read_small(const char *path, char *ret_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret_bytes, LIMIT_BUFFER);

	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : (size_t)n;
}

/* A session is resumed if there is one; early data must be there. */
static int offer(struct ktls_conn *conn, const struct peer_options *options)
{
	char bytes[LIMIT_BUFFER];
	size_t len = options->session ? read_small(options->session, bytes) : 0;
	int r = len ? ktls_conn_set_session(conn, bytes, len) : 0;

	if (r || !options->early_data)
		return r;
	return ktls_conn_set_early_data(conn, bytes, read_small(options->early_data, bytes));
}

static void take_early_data(struct ktls_conn *conn)
{
	char bytes[LIMIT_BUFFER];
	size_t n;

	while (!ktls_conn_read_early_data(conn, bytes, sizeof(bytes), &n) && n)
		write_out(bytes, n);
}

static void keep_session(const struct ktls_conn *conn, const char *path)
{
	char bytes[LIMIT_BUFFER];
	size_t len;
	int fd, r = ktls_conn_get_session(conn, bytes, sizeof(bytes), &len);

	fprintf(stderr, "session=%s\n", ktls_strerrorname(r));
	if (r)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		exit(die(path, strerror(errno)));
	close(fd);
}

static void step_rx(struct pump *pump)
{
	char own[LIMIT_BUFFER];
	size_t n;

	/* An echo is not begun before the one before is out, if it can get out. */
	if (pump->rx_ended || (pump->echo && !pump->tx_ended && pump->start < pump->end))
		return;
	pump->rx = ktls_conn_read(pump->conn, pump->echo ? pump->buf : own, LIMIT_BUFFER, KTLS_NOW,
				  &n);
	pump->rx_ended = pump->rx && !is_want(pump->rx);
	if (pump->rx_ended)
		pump->in_ended = true;
	/* Not later: a failure would take it. */
	if (pump->rx_ended && pump->session)
		keep_session(pump->conn, pump->session);
	if (is_want(pump->rx))
		return;
	pump->progress = true;
	if (pump->rx)
		return;
	if (!pump->echo) {
		write_out(own, n);
		return;
	}
	pump->start = 0;
	pump->end = n;
}

static void fill_from_stdin(struct pump *pump)
{
	struct pollfd pollfd = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	if (poll(&pollfd, 1, 0) != 1)
		return;
	n = read(STDIN_FILENO, pump->buf, sizeof(pump->buf));
	if (n < 0)
		exit(die("stdin", strerror(errno)));
	pump->start = 0;
	pump->end = (size_t)n;
	pump->in_ended = !n;
	pump->progress = true;
}

static int send_some(struct pump *pump)
{
	uint64_t n_file = 0;
	size_t n = 0;
	int r;

	if (pump->file_at < pump->file_len) {
		r = ktls_conn_sendfile(pump->conn, pump->file_fd, pump->file_at,
				       pump->file_len - pump->file_at, KTLS_NOW, &n_file);
		pump->file_at += n_file;
	} else {
		r = ktls_conn_write(pump->conn, pump->buf + pump->start, pump->end - pump->start,
				    KTLS_NOW, &n);
		pump->start += n;
	}
	pump->progress |= n || n_file;
	pump->unsettled = is_want(r);
	return r;
}

static bool has_output(const struct pump *pump)
{
	return pump->start < pump->end || pump->file_at < pump->file_len || pump->unsettled;
}

static void step_tx(struct pump *pump)
{
	if (pump->tx_ended)
		return;
	if (has_output(pump)) {
		pump->tx = send_some(pump);
	} else if (pump->in_ended) {
		pump->tx = ktls_conn_shutdown(pump->conn, KTLS_NOW);
		pump->tx_ended = pump->tx == KTLS_DONE;
	} else if (!pump->echo) {
		fill_from_stdin(pump);
	}
	/* What failed has failed for both directions: reading says so at once. */
	if (pump->tx < 0)
		pump->tx_ended = pump->progress = true;
}

/* Waits for what could make either step go on. Some kernels call a socket ready that is not: a
 * pause keeps that from spinning. */
static void await(const struct pump *pump)
{
	bool want_in = !pump->echo && !pump->in_ended && !has_output(pump);
	struct pollfd pollfds[] = {
		{ .fd = pump->fd },
		{ .fd = want_in ? STDIN_FILENO : -1, .events = POLLIN },
	};

	if (!pump->rx_ended)
		pollfds[0].events |= POLLIN;
	if (!pump->tx_ended && pump->tx == KTLS_WANT_WRITE)
		pollfds[0].events |= POLLOUT;
	poll(pollfds, 2, pollfds[0].events ? -1 : PAUSE_MS);
	if (pump->fruitless > FRUITLESS_MAX)
		poll(NULL, 0, PAUSE_MS);
}

static void run(struct pump *pump)
{
	while (!pump->rx_ended || !pump->tx_ended) {
		pump->progress = false;
		step_rx(pump);
		step_tx(pump);
		pump->fruitless = pump->progress ? 0 : pump->fruitless + 1;
		if (!pump->progress && !(pump->rx_ended && pump->tx_ended))
			await(pump);
	}
}

/* The facts */

static void print_direction(const struct ktls_info *info, enum ktls_direction direction)
{
	const char *name = direction == KTLS_TX ? "tx" : "rx";

	fprintf(stderr, "%s=%s\n", name, ktls_protection_name(info->protection[direction]));
	fprintf(stderr, "%s_reason=%s\n", name, ktls_reason_name(info->reason[direction]));
	fprintf(stderr, "%s_bytes=%llu\n", name, (unsigned long long)info->bytes[direction]);
	fprintf(stderr, "%s_records=%llu\n", name, (unsigned long long)info->records[direction]);
	fprintf(stderr, "%s_key_updates=%llu\n", name,
		(unsigned long long)info->key_updates[direction]);
}

static void print_hex(const char *key, const void *bytes, size_t len)
{
	fprintf(stderr, "%s=", key);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02X", ((const uint8_t *)bytes)[i]);
	fprintf(stderr, "\n");
}

static void print_suites(const char *key, const struct ktls_conn *conn)
{
	char text[KTLS_ALGORITHMS_SIZE];

	if (!ktls_conn_get_algorithms(conn, text, sizeof(text)))
		fprintf(stderr, "%s=%s\n", key, text);
}

static void print_kept(const struct ktls_conn *conn, const char *label)
{
	uint8_t bytes[PEER_EXPORT_LEN];
	const void *der;
	size_t len;

	if (!label)
		return;
	if (!ktls_conn_export(conn, label, bytes, sizeof(bytes)))
		print_hex("export", bytes, sizeof(bytes));
	if (!ktls_conn_get_peer_certificate(conn, 0, &der, &len))
		print_hex("peer_certificate", der, len);
	if (!ktls_conn_get_local_certificate(conn, &der, &len))
		print_hex("local_certificate", der, len);
}

static void print_facts(struct ktls_conn *conn)
{
	struct ktls_info info;

	fprintf(stderr, "error=%s\n", ktls_conn_error(conn));
	if (ktls_conn_get_info(conn, &info, sizeof(info)))
		return;
	fprintf(stderr, "state=%s\n", ktls_state_name(info.state));
	if (!info.protocol)
		return;
	fprintf(stderr, "protocol=%s\ncipher=%s\nsuite=%s\n", ktls_protocol_name(info.protocol),
		ktls_cipher_name(info.cipher), info.suite);
	fprintf(stderr, "resumed=%u\nearly_data=%u\n", info.resumed, info.early_data);
	fprintf(stderr, "group=%s\nserver_name=%s\n", ktls_group_name(info.group),
		info.server_name ? info.server_name : "");
	print_suites("algorithms", conn);
	print_direction(&info, KTLS_TX);
	print_direction(&info, KTLS_RX);
}

static int talk(struct ktls_conn *conn, int fd, const struct peer_options *options)
{
	static struct pump pump;
	struct stat stat = { 0 };
	int r;

	pump = (struct pump){ .conn = conn,
			      .fd = fd,
			      .echo = options->echo,
			      .file_fd = -1,
			      .session = options->session };
	if (options->file) {
		pump.file_fd = open(options->file, O_RDONLY | O_CLOEXEC);
		if (pump.file_fd < 0 || fstat(pump.file_fd, &stat))
			return die(options->file, strerror(errno));
		pump.file_len = (uint64_t)stat.st_size;
	}
	print_suites("offered", conn);
	r = peer_verify_handshake(conn, &options->verify);
	fprintf(stderr, "handshake=%s\n", ktls_strerrorname(r));
	if (!r) {
		/* A failure would wipe it. */
		print_kept(conn, options->export);
		if (options->listen)
			take_early_data(conn);
		run(&pump);
		fprintf(stderr, "read=%s\nwrite=%s\n", ktls_strerrorname(pump.rx),
			ktls_strerrorname(pump.tx));
	}
	print_facts(conn);
	return !r && pump.rx == KTLS_EOF && pump.tx == KTLS_DONE ? 0 : 1;
}

/* A connection, from its socket to its end. */
static int visit(struct ktls_config *config, int fd, const struct peer_options *options)
{
	struct ktls_conn *conn;
	int r;

	if (fd < 0)
		return die("socket", strerror(errno));
	r = ktls_conn_new(&conn, config, fd);
	if (!r && !options->listen)
		r = ktls_conn_set_server_name(conn, options->name);
	if (!r && !options->listen)
		r = offer(conn, options);
	if (r)
		return die("connection", ktls_strerror(r));
	r = talk(conn, fd, options);
	ktls_conn_free(conn);
	close(fd);
	return r;
}

int main(int argc, char *argv[])
{
	struct peer_options options = { .name = "localhost", .visits = "1" };
	struct ktls_config *config;
	int fd, r;

	if (!peer_options_parse(argc, argv, &options))
		return die("usage", "peer connect|listen PORT [OPTION...]; see peer.c");
	alarm(LIMIT_S);
	r = ktls_config_new(&config, options.listen ? KTLS_SERVER : KTLS_CLIENT);
	if (r)
		return die("config", ktls_strerror(r));
	r = peer_options_set(config, &options);
	if (r)
		return die("config", *ktls_config_error(config) ? ktls_config_error(config)
								: ktls_strerror(r));
	fd = open_socket(&options);
	if (fd < 0)
		return die("socket", strerror(errno));
	if (!options.listen)
		r = visit(config, fd, &options);
	/* One that ends badly is its own affair. */
	for (int i = 0; options.listen && i < atoi(options.visits); i++)
		if (visit(config, accept4(fd, NULL, NULL, SOCK_CLOEXEC), &options))
			r = 1;
	ktls_config_unref(config);
	if (options.listen)
		close(fd);
	return r;
}
