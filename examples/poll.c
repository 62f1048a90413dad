/* SPDX-License-Identifier: MIT */
/*
 * Asks many servers at once, each for its front page, with one thread and ktls_poll(): prints how
 * many bytes each sent, or why it did not. No call waits but the poll.
 */
#include <stdio.h>
#include <stdlib.h>

#include <ktls/ktls.h>

enum {
	VISITS_MAX = 100,
};

static const char request[] = "GET / HTTP/1.0\r\n\r\n";

struct visit {
	struct ktls_conn *conn;
	size_t asked, got; /* bytes */
	int open;
};

/* As far as it goes without waiting. KTLS_WANT_...: not yet done. */
static int go_on(struct visit *visit)
{
	char buf[16384];
	size_t n;
	int r = visit->open ? KTLS_DONE : ktls_conn_handshake(visit->conn, KTLS_NOW);

	visit->open |= r == KTLS_DONE;
	if (r == KTLS_DONE && visit->asked < sizeof(request) - 1) {
		r = ktls_conn_write(visit->conn, request + visit->asked,
				    sizeof(request) - 1 - visit->asked, KTLS_NOW, &n);
		visit->asked += n;
	}
	while (r == KTLS_DONE) {
		r = ktls_conn_read(visit->conn, buf, sizeof(buf), KTLS_NOW, &n);
		visit->got += n;
	}
	return r;
}

static int is_want(int r)
{
	return r == KTLS_WANT_READ || r == KTLS_WANT_WRITE || r == KTLS_WANT_BUFFER;
}

/* Until all are done, or time is up. */
static int visit_all(struct visit *visits, char **names, size_t n)
{
	uint64_t deadline = ktls_deadline_in(30000);
	struct ktls_handle handles[VISITS_MAX];
	uint32_t query[VISITS_MAX], out[VISITS_MAX];
	size_t left = n, ready;
	int r = KTLS_DONE, failed = 0;

	for (size_t i = 0; i < n; i++) {
		handles[i] = ktls_handle_of_conn(visits[i].conn);
		query[i] = KTLS_POLL_READ;
		out[i] = KTLS_POLL_READ; /* each begins at once */
	}
	while (left && r == KTLS_DONE) {
		for (size_t i = 0; i < n; i++) {
			r = out[i] ? go_on(&visits[i]) : KTLS_WANT_READ;
			out[i] = 0;
			query[i] = r == KTLS_WANT_WRITE ? KTLS_POLL_WRITE : KTLS_POLL_READ;
			if (is_want(r))
				continue;
			printf("%s: %zu bytes, %s\n", names[2 * i], visits[i].got,
			       r == KTLS_EOF ? "whole" : ktls_conn_error(visits[i].conn));
			failed |= r != KTLS_EOF;
			handles[i] = (struct ktls_handle){ KTLS_HANDLE_NONE, -1, NULL };
			left--;
		}
		r = ktls_poll(out, handles, query, n, deadline, &ready);
	}
	return failed || left;
}

int main(int argc, char **argv)
{
	size_t n = argc > 3 ? (size_t)(argc - 2) / 2 : 0;
	struct visit visits[VISITS_MAX] = { 0 };
	struct ktls_config *config = NULL;
	int r;

	if (!n || n > VISITS_MAX) {
		fprintf(stderr, "usage: poll CA.pem HOST PORT [HOST PORT]...\n");
		return 2;
	}
	r = ktls_config_new(&config, KTLS_CLIENT);
	if (r == KTLS_DONE)
		r = ktls_config_add_trust_file(config, argv[1]);
	for (size_t i = 0; i < n && r == KTLS_DONE; i++)
		r = ktls_conn_dial(&visits[i].conn, config, argv[2 + 2 * i],
				   (uint16_t)atoi(argv[3 + 2 * i]));
	if (r == KTLS_DONE)
		r = visit_all(visits, argv + 2, n);
	else
		fprintf(stderr, "poll: %s. %s\n", ktls_strerror(r), ktls_config_error(config));
	for (size_t i = 0; i < n; i++)
		ktls_conn_free(visits[i].conn);
	ktls_config_unref(config);
	return r != KTLS_DONE;
}
