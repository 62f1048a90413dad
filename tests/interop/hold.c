/* SPDX-License-Identifier: MIT */

/*
 * Holds many connections to a server of files at once, each of them alive:
 *
 *   hold PORT COUNT CA PATH
 *
 * One by one they are made, and ask for a file. "held" is printed when all are there; for each line
 * of standard input each asks once more, in the other order, and "asked" is printed. The end of the
 * input ends it. Anything unexpected is said, and status 1.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <ktls/ktls.h>

enum {
	TIMEOUT_MS = 120000,
};

static int fail(const char *what, size_t number, const char *text)
{
	fprintf(stderr, "connection %zu: %s: %s\n", number, what, text);
	return 1;
}

/* Asks, and reads until the body that ends in "hello". */
static int ask(struct ktls_conn *conn, size_t number, const char *path)
{
	char text[4096], request[256];
	size_t n, len = 0;
	int r;

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	r = ktls_conn_write(conn, request, strlen(request), ktls_deadline_in(TIMEOUT_MS), &n);
	while (!r && (len < 5 || memcmp(text + len - 5, "hello", 5) != 0)) {
		r = ktls_conn_read(conn, text + len, sizeof(text) - len,
				   ktls_deadline_in(TIMEOUT_MS), &n);
		len += r ? 0 : n;
	}
	if (!r && strncmp(text, "HTTP/1.1 200 ", 13) != 0)
		return fail("answer", number, "is no 200");
	if (!r)
		return 0;
	return fail("asking", number,
		    *ktls_conn_error(conn) ? ktls_conn_error(conn) : ktls_strerror(r));
}

static int make(struct ktls_conn **ret_conn, struct ktls_config *config, const char *port,
		size_t number, const char *path)
{
	struct ktls_address address;
	char text[64];
	int r;

	snprintf(text, sizeof(text), "127.0.0.1:%s", port);
	r = ktls_address_parse(&address, text);
	if (!r)
		r = ktls_conn_dial_address(ret_conn, config, &address);
	if (r)
		return fail("dialing", number, ktls_strerror(r));
	r = ktls_conn_set_server_name(*ret_conn, "localhost");
	if (!r)
		r = ktls_conn_handshake(*ret_conn, ktls_deadline_in(TIMEOUT_MS));
	if (r)
		return fail("handshake", number, ktls_conn_error(*ret_conn));
	return ask(*ret_conn, number, path);
}

static int hold(struct ktls_conn **conns, size_t count, struct ktls_config *config, char *argv[])
{
	char line[16];

	for (size_t i = 0; i < count; i++) {
		if (make(&conns[i], config, argv[1], i, argv[4]))
			return 1;
	}
	puts("held");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		for (size_t i = count; i-- > 0;) {
			if (ask(conns[i], i, argv[4]))
				return 1;
		}
		puts("asked");
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char *argv[])
{
	size_t count = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
	struct ktls_conn **conns = calloc(count + 1, sizeof(*conns));
	struct ktls_config *config = NULL;
	struct rlimit limit;
	int r;

	if (!count || !conns)
		return 2;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	r = ktls_config_new(&config, KTLS_CLIENT);
	if (!r)
		r = ktls_config_add_trust_file(config, argv[3]);
	if (r)
		return fail("config", 0, config ? ktls_config_error(config) : ktls_strerror(r));
	r = hold(conns, count, config, argv);
	for (size_t i = 0; i < count; i++)
		ktls_conn_free(conns[i]);
	ktls_config_unref(config);
	free(conns);
	return r;
}
