/* SPDX-License-Identifier: MIT */
/*
 * Says hello! to whoever asks on PORT, over TLS with a certificate that it makes for itself; try
 * `curl --insecure https://127.0.0.1:PORT`. With "plaintext" behind the port it does so without
 * TLS, and only one line of the program differs.
 */
#include <stdio.h>
#include <stdlib.h>

#include <ktls/ktls.h>

static const char hello[] = "HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\nhello!\n";

static int make_config(struct ktls_config **ret_config, int plaintext)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };
	int r = ktls_config_new(ret_config, KTLS_SERVER);

	if (r != KTLS_DONE)
		return r;
	if (plaintext)
		return ktls_config_set_insecure_plaintext(*ret_config);
	return ktls_config_add_identity_self_signed(*ret_config, names, 3);
}

static void say_hello(struct ktls_conn *conn)
{
	uint64_t deadline = ktls_deadline_in(5000);
	char request[4096];
	size_t n;
	int r = ktls_conn_read(conn, request, sizeof(request), deadline, &n);

	if (r == KTLS_DONE)
		r = ktls_conn_write(conn, hello, sizeof(hello) - 1, deadline, &n);
	if (r == KTLS_DONE)
		r = ktls_conn_shutdown_and_close(conn, deadline);
	if (r != KTLS_DONE)
		fprintf(stderr, "hello: %s. %s\n", ktls_strerror(r), ktls_conn_error(conn));
	ktls_conn_free(conn);
}

int main(int argc, char **argv)
{
	struct ktls_address here = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
	struct ktls_listener *listener = NULL;
	struct ktls_config *config = NULL;
	struct ktls_conn *conn;
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: hello PORT [plaintext]\n");
		return 2;
	}
	here.port = (uint16_t)atoi(argv[1]);
	r = make_config(&config, argc > 2);
	if (r == KTLS_DONE)
		r = ktls_listener_new(&listener, config, &here, -1, 0);
	while (r == KTLS_DONE) {
		r = ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, NULL);
		if (r == KTLS_DONE)
			say_hello(conn);
	}
	fprintf(stderr, "hello: %s. %s\n", ktls_strerror(r), ktls_config_error(config));
	ktls_listener_free(listener);
	ktls_config_unref(config);
	return 1;
}
