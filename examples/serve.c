/* SPDX-License-Identifier: MIT */
/*
 * Answers every request on PORT with one file: a server in forty lines, one connection at a time.
 * Where the kernel can, ktls_conn_sendfile() sends from the page cache, and no byte of the file
 * comes through userspace; where it cannot, the same calls send the same bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <ktls/ktls.h>

#include "tcp.h"

static int answer(struct ktls_conn *conn, int file_fd)
{
	uint64_t sent, deadline = ktls_deadline_in(30000);
	struct stat file;
	char buf[4096];
	size_t n;
	int r;

	r = ktls_conn_handshake(conn, deadline);
	if (r == KTLS_DONE)
		r = ktls_conn_read(conn, buf, sizeof(buf), deadline, &n);
	if (r != KTLS_DONE || fstat(file_fd, &file) != 0)
		return r;
	n = (size_t)snprintf(buf, sizeof(buf), "HTTP/1.0 200 OK\r\nContent-Length: %lld\r\n\r\n",
			     (long long)file.st_size);
	r = ktls_conn_write(conn, buf, n, deadline, &n);
	if (r == KTLS_DONE)
		r = ktls_conn_sendfile(conn, file_fd, 0, (uint64_t)file.st_size, deadline, &sent);
	if (r == KTLS_DONE)
		r = ktls_conn_shutdown(conn, deadline);
	while (r == KTLS_DONE) /* closing with bytes unread would reset what is under way */
		r = ktls_conn_read(conn, buf, sizeof(buf), deadline, &n);
	return r;
}

static void serve_one(struct ktls_config *config, int listen_fd, int file_fd)
{
	int r, fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct ktls_conn *conn = NULL;

	r = ktls_conn_new(&conn, config, fd);
	if (r == KTLS_DONE)
		r = answer(conn, file_fd);
	if (r != KTLS_EOF)
		fprintf(stderr, "serve: %s. %s\n", ktls_strerror(r),
			conn ? ktls_conn_error(conn) : "");
	ktls_conn_free(conn);
	close(fd);
}

int main(int argc, char **argv)
{
	int listen_fd = argc == 5 ? tcp_listen(argv[1]) : -1;
	int file_fd = argc == 5 ? open(argv[4], O_RDONLY | O_CLOEXEC) : -1;
	struct ktls_config *config = NULL;
	int r;

	if (listen_fd < 0 || file_fd < 0) {
		fprintf(stderr, "usage: serve PORT CHAIN.pem KEY.pem FILE\n");
		return 2;
	}
	r = ktls_config_new(&config, KTLS_SERVER);
	if (r == KTLS_DONE)
		r = ktls_config_add_identity_file(config, argv[2], argv[3]);
	while (r == KTLS_DONE)
		serve_one(config, listen_fd, file_fd);
	fprintf(stderr, "serve: %s. %s\n", ktls_strerror(r),
		config ? ktls_config_error(config) : "");
	ktls_config_unref(config);
	return 1;
}
