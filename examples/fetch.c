/* SPDX-License-Identifier: MIT */
/*
 * Fetches https://HOST:PORT/ and prints what came: a client in thirty lines. The config's defaults
 * verify the peer; every wait ends at the deadline; and only KTLS_EOF means that nothing was cut
 * off. The README shows this file.
 */
#include <stdio.h>

#include <ktls/ktls.h>

#include "tcp.h"

static int fetch(struct ktls_conn *conn, const char *host)
{
	uint64_t deadline = ktls_deadline_in(30000);
	char buf[16384];
	size_t n;
	int r;

	r = ktls_conn_set_server_name(conn, host);
	if (r == KTLS_DONE)
		r = ktls_conn_handshake(conn, deadline);
	if (r != KTLS_DONE)
		return r;
	n = (size_t)snprintf(buf, sizeof(buf), "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", host);
	for (r = ktls_conn_write(conn, buf, n, deadline, &n); r == KTLS_DONE;) {
		r = ktls_conn_read(conn, buf, sizeof(buf), deadline, &n);
		fwrite(buf, 1, n, stdout);
	}
	return r == KTLS_EOF ? ktls_conn_shutdown(conn, deadline) : r;
}

int main(int argc, char **argv)
{
	struct ktls_config *config = NULL;
	struct ktls_conn *conn = NULL;
	int r, fd = argc > 2 ? tcp_connect(argv[1], argv[2]) : -1;

	if (fd < 0) {
		fprintf(stderr, "fetch HOST PORT [CA.pem]: no connection\n");
		return 2;
	}
	r = ktls_config_new(&config, KTLS_CLIENT);
	if (r == KTLS_DONE && argc > 3)
		r = ktls_config_add_trust_file(config, argv[3]);
	if (r == KTLS_DONE)
		r = ktls_conn_new(&conn, config, fd);
	if (r == KTLS_DONE)
		r = fetch(conn, argv[1]);
	if (r != KTLS_DONE)
		fprintf(stderr, "fetch: %s. %s\n", ktls_strerror(r),
			conn ? ktls_conn_error(conn) : "");
	ktls_conn_free(conn);
	ktls_config_unref(config);
	close(fd);
	return r != KTLS_DONE;
}
