/* SPDX-License-Identifier: MIT */
/*
 * Fetches https://HOST:PORT/ and prints what came: a client in thirty lines. The config's defaults
 * verify the peer; one deadline is over all of it, from resolving the name on; and only KTLS_EOF
 * means that nothing was cut off. The README shows this file.
 */
#include <stdio.h>
#include <stdlib.h>

#include <ktls/ktls.h>

static int fetch(struct ktls_conn *conn, const char *host)
{
	uint64_t deadline = ktls_deadline_in(30000);
	char buf[16384];
	size_t n = (size_t)snprintf(buf, sizeof(buf), "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", host);
	int r = ktls_conn_handshake(conn, deadline); /* resolves and connects first */

	if (r == KTLS_DONE)
		r = ktls_conn_write(conn, buf, n, deadline, &n);
	while (r == KTLS_DONE) {
		r = ktls_conn_read(conn, buf, sizeof(buf), deadline, &n);
		fwrite(buf, 1, n, stdout);
	}
	return r == KTLS_EOF ? ktls_conn_shutdown_and_close(conn, deadline) : r;
}

int main(int argc, char **argv)
{
	struct ktls_config *config = NULL;
	struct ktls_conn *conn = NULL;
	int r;

	if (argc < 3) {
		fprintf(stderr, "usage: fetch HOST PORT [CA.pem]\n");
		return 2;
	}
	r = ktls_config_new(&config, KTLS_CLIENT);
	if (r == KTLS_DONE && argc > 3)
		r = ktls_config_add_trust_file(config, argv[3]);
	if (r == KTLS_DONE)
		r = ktls_conn_dial(&conn, config, argv[1], (uint16_t)atoi(argv[2]));
	if (r == KTLS_DONE)
		r = fetch(conn, argv[1]);
	if (r != KTLS_DONE)
		fprintf(stderr, "fetch: %s. %s\n", ktls_strerror(r),
			conn ? ktls_conn_error(conn) : ktls_config_error(config));
	ktls_conn_free(conn);
	ktls_config_unref(config);
	return r != KTLS_DONE;
}
