/* SPDX-License-Identifier: MIT */

/* The exporter's life and manners; what it tells is test_metrics_text.c's. */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "exporter.h"
#include "hearing.h"

enum {
	LIMIT_MS = 30000,
};

static struct metrics metrics[2];
static struct metrics_process process;
static struct exporter *exporter;
static struct sockaddr_in address;
static int listen_fd;

static void begin(void)
{
	socklen_t len = sizeof(address);

	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	address = (struct sockaddr_in){ .sin_family = AF_INET };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(!bind(listen_fd, (struct sockaddr *)&address, len) && !listen(listen_fd, 64));
	cr_assert_eq(getsockname(listen_fd, (struct sockaddr *)&address, &len), 0);
	cr_assert_eq(exporter_new(&exporter, listen_fd, metrics, 2, &process), 0);
}

static void end(void)
{
	exporter_free(exporter);
	close(listen_fd);
}

TestSuite(unit, .init = begin, .fini = end);

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* All until the end, which must come. */
static const char *receive(int fd)
{
	static char text[32768];
	size_t len = 0;
	ssize_t n;

	do {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		cr_assert_eq(poll(&wait, 1, LIMIT_MS), 1, "no answer");
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	text[len] = '\0';
	close(fd);
	return text;
}

static const char *ask(const char *request)
{
	int fd = dial();

	cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
	return receive(fd);
}

Test(unit, adds_up_all_threads)
{
	const char *answer;

	metrics_count_many(&metrics[0], METRICS_ACCEPTED, 3);
	metrics_count_many(&metrics[1], METRICS_ACCEPTED, 4);
	answer = ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");

	cr_expect(strstr(answer, "HTTP/1.1 200 OK\r\n") == answer, "%s", answer);
	cr_expect(strstr(answer, "\nktls_connections_accepted_total 7\n"), "%s", answer);
}

Test(unit, other_requests)
{
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{ "HEAD /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 " },
		{ "GET /metrics HTTP/1.0\n\n", "HTTP/1.1 200 " },
		{ "GET /metrics?a=b HTTP/1.1\r\n\r\n", "HTTP/1.1 200 " },
		{ "GET /metric HTTP/1.1\r\n\r\n", "HTTP/1.1 404 " },
		{ "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 " },
		{ "PUT /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 " },
		{ "GET /metrics HTTP/2\r\n\r\n", "HTTP/1.1 400 " },
		{ "GET /metrics\r\n\r\n", "HTTP/1.1 400 " },
		{ "\r\n\r\n", "HTTP/1.1 400 " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *answer = ask(rows[i].request);

		cr_expect(strstr(answer, rows[i].answer) == answer, "%s: %s", rows[i].request,
			  answer);
	}
}

Test(unit, a_head_without_an_end_is_refused)
{
	char request[EXPORTER_LIMIT_REQUEST + 100];
	const char *answer;

	memset(request, 'a', sizeof(request) - 1);
	request[sizeof(request) - 1] = '\0';
	answer = ask(request);
	cr_expect(strstr(answer, "HTTP/1.1 431 ") == answer, "%s", answer);
}

Test(unit, the_oldest_of_too_many_goes)
{
	int fds[EXPORTER_LIMIT_CLIENTS + 1];

	/* One after the other: the close of the first is seen when the last is there. */
	for (size_t i = 0; i < EXPORTER_LIMIT_CLIENTS + 1; i++)
		fds[i] = dial();
	cr_expect_str_eq(receive(fds[0]), "");
	/* The last is not refused. */
	cr_assert_gt(send(fds[EXPORTER_LIMIT_CLIENTS], "GET / HTTP/1.1\r\n\r\n", 18, 0), 0);
	cr_expect(strstr(receive(fds[EXPORTER_LIMIT_CLIENTS]), "HTTP/1.1 404 "));
	for (size_t i = 1; i < EXPORTER_LIMIT_CLIENTS; i++)
		close(fds[i]);
}

Test(unit, it_ends_with_clients_that_are_there)
{
	int fd = dial();

	cr_assert_gt(send(fd, "GET /", 5, 0), 0);
	exporter_free(exporter);
	exporter = NULL;
	cr_expect_str_eq(receive(fd), "");
}
