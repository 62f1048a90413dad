/* SPDX-License-Identifier: MIT */
/*
 * Answers every request on PORT with one file, one at a time. The listener hands out connections
 * whose handshake is done, so clients that say nothing hold up nobody. Where the kernel can,
 * ktls_conn_sendfile() sends from the page cache, and no byte of the file comes through userspace;
 * where it cannot, the same calls send the same bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <ktls/ktls.h>

static int answer(struct ktls_conn *conn, int file_fd)
{
	uint64_t sent, deadline = ktls_deadline_in(30000);
	struct stat file;
	char buf[4096];
	size_t n;
	int r = ktls_conn_read(conn, buf, sizeof(buf), deadline, &n);

	if (r != KTLS_DONE || fstat(file_fd, &file) != 0)
		return r;
	n = (size_t)snprintf(buf, sizeof(buf), "HTTP/1.0 200 OK\r\nContent-Length: %lld\r\n\r\n",
			     (long long)file.st_size);
	r = ktls_conn_write(conn, buf, n, deadline, &n);
	if (r == KTLS_DONE)
		r = ktls_conn_sendfile(conn, file_fd, 0, (uint64_t)file.st_size, deadline, &sent);
	return r == KTLS_DONE ? ktls_conn_shutdown_and_close(conn, deadline) : r;
}

static int serve(struct ktls_listener *listener, int file_fd)
{
	struct ktls_conn *conn;
	int r;

	while ((r = ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, NULL)) == KTLS_DONE) {
		r = answer(conn, file_fd);
		if (r != KTLS_DONE)
			fprintf(stderr, "serve: %s. %s\n", ktls_strerror(r), ktls_conn_error(conn));
		ktls_conn_free(conn);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct ktls_address everywhere = { .family = AF_INET6 };
	int file_fd = argc == 5 ? open(argv[4], O_RDONLY | O_CLOEXEC) : -1;
	struct ktls_config *config = NULL;
	struct ktls_listener *listener = NULL;
	int r;

	if (file_fd < 0) {
		fprintf(stderr, "usage: serve PORT CHAIN.pem KEY.pem FILE\n");
		return 2;
	}
	everywhere.port = (uint16_t)atoi(argv[1]);
	r = ktls_config_new(&config, KTLS_SERVER);
	if (r == KTLS_DONE)
		r = ktls_config_add_identity_file(config, argv[2], argv[3]);
	if (r == KTLS_DONE)
		r = ktls_listener_new(&listener, config, &everywhere, -1, 0);
	if (r == KTLS_DONE)
		r = serve(listener, file_fd);
	fprintf(stderr, "serve: %s. %s\n", ktls_strerror(r), ktls_config_error(config));
	ktls_listener_free(listener);
	ktls_config_unref(config);
	return 1;
}
