/* SPDX-License-Identifier: MIT */

/*
 * No allocation while bytes flow: from the moment that connections are open, the allocator of the
 * whole process fails every call, and a million reads and writes go on as if nothing were. New
 * connections are refused with -ENOMEM, take nothing down and leave nothing behind. A plain
 * program, for it brings its own malloc.
 *
 * Usage: no_memory user|kernel [ROUNDS]
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "refusing.h"

enum {
	PAIRS = 4, /* one a cipher */
	ROUNDS = 1000000,
	LEN = 3000,
	FILE_LEN = 100000,
	SKIPPED = 77,
};

/* Connections */

struct pair {
	struct ktls_config *config[2];
	struct ktls_conn *conn[2];
};

static void must(int r, const char *what, const struct ktls_conn *conn)
{
	if (r)
		refusing_die("%s: %s: %s", what, ktls_strerrorname(r),
			     conn ? ktls_conn_error(conn) : "");
}

static void make_sockets(int fd[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &len) ||
	    connect(fd[0], (struct sockaddr *)&address, len))
		refusing_die("a connection over loopback: %s", strerror(errno));
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
}

static struct ktls_config *make_config(enum ktls_role role, enum ktls_cipher cipher, bool kernel)
{
	static const char *const names[] = { "localhost" };
	enum ktls_offload when = kernel ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER;
	struct ktls_config *config;

	must(ktls_config_new(&config, role), "a config", NULL);
	must(ktls_config_set_ciphers(config, &cipher, 1), "a cipher", NULL);
	must(ktls_config_set_offload(config, KTLS_TX, when, 0), "offload", NULL);
	must(ktls_config_set_offload(config, KTLS_RX, when, 0), "offload", NULL);
	if (role == KTLS_SERVER)
		must(ktls_config_add_identity_self_signed(config, names, 1), "identity", NULL);
	else
		must(ktls_config_set_insecure_no_verify(config), "trust", NULL);
	return config;
}

static struct pair open_pair(enum ktls_cipher cipher, bool kernel)
{
	struct pair pair = { 0 };
	int fd[2], r[2] = { KTLS_WANT_READ, KTLS_WANT_READ };

	make_sockets(fd);
	for (int end = 0; end < 2; end++) {
		pair.config[end] = make_config(end ? KTLS_SERVER : KTLS_CLIENT, cipher, kernel);
		must(ktls_conn_adopt(&pair.conn[end], pair.config[end], fd[end]), "adopting", NULL);
	}
	while (r[0] > 0 || r[1] > 0) {
		for (int end = 0; end < 2; end++)
			r[end] = ktls_conn_handshake(pair.conn[end], KTLS_NOW);
	}
	must(r[0], "handshake", pair.conn[0]);
	must(r[1], "handshake", pair.conn[1]);
	return pair;
}

/* Bytes */

static void carry(const struct pair *pair, int from, size_t len)
{
	static uint8_t out[LEN], in[LEN];
	size_t sent, got = 0, n;

	memset(out, (int)len, len);
	must(ktls_conn_write(pair->conn[from], out, len, KTLS_FOREVER, &sent), "writing",
	     pair->conn[from]);
	for (; got < len; got += n)
		must(ktls_conn_read(pair->conn[!from], in + got, len - got, KTLS_FOREVER, &n),
		     "reading", pair->conn[!from]);
	if (sent != len || memcmp(in, out, len) != 0)
		refusing_die("bytes are not those that were written");
}

static void carry_file(const struct pair *pair, int file_fd)
{
	uint64_t sent = 0, got = 0, n64;
	uint8_t in[LEN];
	size_t n;
	int r;

	while (got < FILE_LEN) {
		r = ktls_conn_sendfile(pair->conn[1], file_fd, sent, FILE_LEN - sent, KTLS_NOW,
				       &n64);
		if (r < 0)
			must(r, "a file", pair->conn[1]);
		sent += n64;
		r = ktls_conn_read(pair->conn[0], in, sizeof(in), KTLS_NOW, &n);
		if (r < 0)
			must(r, "reading a file", pair->conn[0]);
		got += n;
	}
}

static void expect_no_more(const struct pair *pair)
{
	struct ktls_conn *conn = NULL;
	int fd[2], r;

	make_sockets(fd);
	r = ktls_conn_adopt(&conn, pair->config[0], fd[0]);
	if (r != -ENOMEM || conn)
		refusing_die("one more: %s", ktls_strerrorname(r));
	close(fd[0]);
	close(fd[1]);
}

static void end(struct pair *pair)
{
	size_t n;
	uint8_t byte;

	for (int i = 0; i < 2; i++)
		must(ktls_conn_shutdown(pair->conn[i], KTLS_FOREVER), "ending", pair->conn[i]);
	for (int i = 0; i < 2; i++)
		if (ktls_conn_read(pair->conn[i], &byte, 1, KTLS_FOREVER, &n) != KTLS_EOF)
			refusing_die("no end");
	for (int i = 0; i < 2; i++)
		ktls_conn_free(pair->conn[i]);
}

int main(int argc, char **argv)
{
	bool kernel = argc > 1 && !strcmp(argv[1], "kernel");
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : ROUNDS;
	struct ktls_probe probe = { 0 };
	struct pair pairs[PAIRS];
	int file_fd = memfd_create("file", MFD_CLOEXEC);

	if (kernel && (ktls_probe(&probe, sizeof(probe)) || probe.ulp)) {
		printf("this kernel has no tls: skipped\n");
		return SKIPPED;
	}
	if (ftruncate(file_fd, FILE_LEN))
		refusing_die("a file: %s", strerror(errno));
	for (int i = 0; i < PAIRS; i++)
		pairs[i] = open_pair((enum ktls_cipher)i, kernel);
	refusing = true;
	for (unsigned long i = 0; i < rounds; i++)
		carry(&pairs[i % PAIRS], i / PAIRS % 2, 1 + i % LEN);
	for (int i = 0; i < PAIRS; i++) {
		carry_file(&pairs[i], file_fd);
		expect_no_more(&pairs[i]);
		end(&pairs[i]);
	}
	refusing = false;
	for (int i = 0; i < PAIRS; i++)
		for (int role = 0; role < 2; role++)
			ktls_config_unref(pairs[i].config[role]);
	printf("%lu reads and writes, in %s; %lu allocations refused\n", rounds,
	       kernel ? "the kernel" : "userspace", (unsigned long)refused);
	return 0;
}
