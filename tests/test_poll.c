/* SPDX-License-Identifier: MIT */

/* Waiting for many, one by one: handles, bits, deadlines, signals, and what a connection holds that
 * its socket does not show. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "config.h"
#include "conn.h"
#include "pair.h"
#include "polling.h"
#include "pool.h"
#include "verifying.h"

enum {
	ALL = 31, /* every bit */
	STORM_US = 500,
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

static void socket_pair(int fd[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
}

static struct pair open_pair(int i)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocols[i];
	return pair_open(&options);
}

/* Arguments */

Test(unit, what_cannot_be_meant_is_refused)
{
	static struct ktls_handle handles[KTLS_POLL_MAX + 1];
	static uint32_t out[KTLS_POLL_MAX + 1], query[KTLS_POLL_MAX + 1];
	size_t n = 7;

	cr_assert_eq(ktls_poll(out, handles, query, KTLS_POLL_MAX + 1, KTLS_NOW, &n), -EDOM);
	cr_assert_eq(ktls_poll(NULL, handles, query, 1, KTLS_NOW, &n), -EINVAL);
	cr_assert_eq(ktls_poll(out, NULL, query, 1, KTLS_NOW, &n), -EINVAL);
	cr_assert_eq(ktls_poll(out, handles, NULL, 1, KTLS_NOW, &n), -EINVAL);
	cr_assert_eq(ktls_poll(out, handles, query, 1, KTLS_NOW, NULL), -EINVAL);
	query[0] = 1u << 5;
	cr_assert_eq(ktls_poll(out, handles, query, 1, KTLS_NOW, &n), -EINVAL);
	cr_assert(n == 7 && !out[0]);
}

Test(unit, nothing_to_wait_for_is_not_waited_for)
{
	static struct ktls_handle handles[KTLS_POLL_MAX];
	static uint32_t out[KTLS_POLL_MAX], query[KTLS_POLL_MAX];
	size_t n = 7;

	cr_assert_eq(ktls_poll(NULL, NULL, NULL, 0, KTLS_FOREVER, &n), KTLS_DONE);
	cr_assert_eq(n, 0);
	n = 7;
	handles[3] = ktls_handle_of_conn(NULL);
	handles[4].kind = KTLS_HANDLE_CONN;
	cr_assert_eq(handles[3].kind, KTLS_HANDLE_NONE);
	cr_assert_eq(ktls_poll(out, handles, query, KTLS_POLL_MAX, KTLS_FOREVER, &n), KTLS_DONE);
	cr_assert_eq(n, 0);
}

/* Bits */

Test(unit, bits_are_added_and_never_cleared)
{
	uint32_t query[] = { KTLS_POLL_READ, KTLS_POLL_READ | KTLS_POLL_WRITE, KTLS_POLL_READ };
	uint32_t out[] = { KTLS_POLL_ERROR, 0, ALL };
	struct ktls_handle handles[3];
	int quiet[2], busy[2];
	size_t n;

	socket_pair(quiet);
	socket_pair(busy);
	cr_assert_eq(write(busy[1], "x", 1), 1);
	handles[0] = ktls_handle_of_fd(busy[0]);
	handles[1] = ktls_handle_of_fd(quiet[0]);
	handles[2] = ktls_handle_of_fd(quiet[1]);
	for (int again = 0; again < 2; again++) {
		cr_assert_eq(ktls_poll(out, handles, query, 3, KTLS_FOREVER, &n), KTLS_DONE);
		cr_assert_eq(n, 2, "two have something, whatever was said before");
		cr_assert_eq(out[0], KTLS_POLL_ERROR | KTLS_POLL_READ);
		cr_assert_eq(out[1], KTLS_POLL_WRITE);
		cr_assert_eq(out[2], ALL, "of which nothing was said now");
	}
	for (int i = 0; i < 2; i++) {
		close(quiet[i]);
		close(busy[i]);
	}
}

Test(unit, nothing_in_the_middle_shifts_no_result)
{
	struct ktls_handle handles[9] = { 0 };
	uint32_t out[9], query[9];
	int fd[4][2];
	size_t n;

	for (int i = 0; i < 4; i++)
		socket_pair(fd[i]);
	for (int i = 0; i < 9; i++)
		query[i] = KTLS_POLL_READ;
	/* -, 0, -1, 1, -, nonsense, 2, -, 3: each of the four is busy in turn. */
	handles[1] = ktls_handle_of_fd(fd[0][0]);
	handles[2] = ktls_handle_of_fd(-1);
	handles[3] = ktls_handle_of_fd(fd[1][0]);
	handles[5].kind = _KTLS_HANDLE_N;
	handles[6] = ktls_handle_of_fd(fd[2][0]);
	handles[8] = ktls_handle_of_fd(fd[3][0]);
	for (int i = 0; i < 4; i++) {
		static const int place[] = { 1, 3, 6, 8 };
		char byte;

		memset(out, 0, sizeof(out));
		cr_assert_eq(write(fd[i][1], "x", 1), 1);
		cr_assert_eq(ktls_poll(out, handles, query, 9, KTLS_FOREVER, &n), KTLS_DONE);
		cr_assert_eq(n, 3);
		for (int j = 0; j < 9; j++)
			cr_assert_eq(out[j],
				     j == place[i]	? KTLS_POLL_READ
				     : j == 2 || j == 5 ? KTLS_POLL_NOT_POLLABLE
							: 0,
				     "%d of %d", j, i);
		cr_assert_eq(read(fd[i][0], &byte, 1), 1);
	}
	for (int i = 0; i < 8; i++)
		close(fd[i / 2][i % 2]);
}

Test(unit, what_has_no_descriptor_says_so_alone_too)
{
	struct pair pair = open_pair(1);
	uint8_t frozen[1024];
	int fd[2];
	size_t len;

	cr_assert_eq(polling_one(ktls_handle_of_fd(-1), 0, KTLS_FOREVER), KTLS_POLL_NOT_POLLABLE);
	socket_pair(fd);
	close(fd[0]);
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), KTLS_POLL_READ, KTLS_FOREVER),
		     KTLS_POLL_NOT_POLLABLE);
	close(fd[1]);
	cr_assert_eq(ktls_conn_freeze(pair.conn[0], frozen, sizeof(frozen), &len), 0);
	cr_assert_eq(polling_conn(pair.conn[0], KTLS_POLL_READ, 0), KTLS_POLL_NOT_POLLABLE);
	cr_assert(!ktls_conn_is_ready(pair.conn[0]));
	cr_assert_eq(ktls_conn_get_events(pair.conn[0], ALL), 0);
	pair_free(&pair);
}

Test(unit, failure_and_end_are_said_unasked)
{
	struct pair pair = open_pair(1);
	uint8_t byte;
	size_t n;
	int fd[2];

	socket_pair(fd);
	close(fd[1]);
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), 0, KTLS_FOREVER), KTLS_POLL_CLOSED);
	close(fd[0]);

	/* One side's end is something to read, and no more. */
	cr_assert_eq(ktls_conn_shutdown(pair.conn[0], KTLS_FOREVER), 0);
	cr_assert_eq(polling_conn(pair.conn[1], KTLS_POLL_READ, POLLING_PATIENCE_MS),
		     KTLS_POLL_READ);
	cr_assert_eq(ktls_conn_read(pair.conn[1], &byte, 1, KTLS_NOW, &n), KTLS_EOF);
	cr_assert_eq(polling_conn(pair.conn[1], 0, POLLING_SHORT_MS), 0);
	cr_assert_eq(polling_conn(pair.conn[1], KTLS_POLL_WRITE, 0), KTLS_POLL_WRITE);
	cr_assert(ktls_conn_is_ready(pair.conn[1]), "its end can be read again and again");
	cr_assert_eq(ktls_conn_shutdown(pair.conn[1], KTLS_FOREVER), 0);
	cr_assert_eq(polling_conn(pair.conn[1], 0, POLLING_PATIENCE_MS), KTLS_POLL_CLOSED);
	pair_free(&pair);

	pair = open_pair(0);
	send(pair.fd[0], "no record at all, no record at all", 34, MSG_NOSIGNAL);
	cr_assert_eq(ktls_conn_read(pair.conn[1], &byte, 1, KTLS_FOREVER, &n), -KTLS_E_BAD_RECORD);
	cr_assert_eq(polling_conn(pair.conn[1], 0, 0), KTLS_POLL_ERROR);
	cr_assert(polling_conn(pair.conn[1], KTLS_POLL_READ, 0) & KTLS_POLL_READ);
	pair_free(&pair);

	pair = open_pair(0);
	cr_assert_eq(ktls_conn_shutdown_and_close(pair.conn[0], ktls_deadline_in(0)),
		     KTLS_TIMEDOUT);
	cr_assert_eq(polling_conn(pair.conn[0], 0, 0), KTLS_POLL_CLOSED);
	pair.fd[0] = -1;
	pair_free(&pair);
}

Test(unit, a_reset_is_an_error)
{
	const struct linger abort = { .l_onoff = 1 };
	struct pair pair = open_pair(1);
	uint32_t bits;

	setsockopt(pair.fd[0], SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	pair.conn[0] = ktls_conn_free(pair.conn[0]);
	close(pair.fd[0]);
	pair.fd[0] = -1;
	bits = polling_conn(pair.conn[1], KTLS_POLL_READ, POLLING_PATIENCE_MS);
	cr_assert_eq(bits, KTLS_POLL_READ | KTLS_POLL_ERROR | KTLS_POLL_CLOSED);
	pair_free(&pair);
}

/* Deadlines and signals */

Test(unit, a_deadline_ends_the_wait_and_now_looks_once)
{
	uint64_t began_ns = ktls_deadline_clock(), waited_ms;
	int fd[2];

	socket_pair(fd);
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), KTLS_POLL_READ, KTLS_NOW), 0);
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), KTLS_POLL_READ, 1), 0, "long ago");
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), KTLS_POLL_READ,
				 ktls_deadline_in(POLLING_SHORT_MS)),
		     0);
	waited_ms = (ktls_deadline_clock() - began_ns) / 1000000;
	cr_assert(waited_ms >= POLLING_SHORT_MS && waited_ms < POLLING_PATIENCE_MS);
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), KTLS_POLL_WRITE, KTLS_NOW),
		     KTLS_POLL_WRITE);
	close(fd[0]);
	close(fd[1]);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void *write_later(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	usleep(POLLING_SHORT_MS * 1000);
	return write(*(int *)arg, "x", 1) == 1 ? arg : NULL;
}

Test(unit, signals_end_no_wait)
{
	const struct itimerval storm = { { 0, STORM_US }, { 0, STORM_US } }, calm = { 0 };
	struct sigaction action = { .sa_handler = count_signal };
	uint64_t began_ns = ktls_deadline_clock();
	pthread_t thread;
	void *written;
	int fd[2];

	socket_pair(fd);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &storm, NULL);
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), KTLS_POLL_READ,
				 ktls_deadline_in(POLLING_SHORT_MS)),
		     0);
	cr_assert_geq(ktls_deadline_clock() - began_ns, POLLING_SHORT_MS * 1000000ull);
	cr_assert_eq(pthread_create(&thread, NULL, write_later, &fd[1]), 0);
	cr_assert_eq(polling_one(ktls_handle_of_fd(fd[0]), KTLS_POLL_READ, KTLS_FOREVER),
		     KTLS_POLL_READ);
	setitimer(ITIMER_REAL, &calm, NULL);
	cr_assert(!pthread_join(thread, &written) && written);
	cr_assert(signals > 10, "%d", (int)signals);
	close(fd[0]);
	close(fd[1]);
}

Test(unit, what_poll_refuses_is_forwarded)
{
	const struct rlimit few = { 8, 8 };
	struct ktls_handle handles[16];
	uint32_t out[16] = { 0 }, query[16] = { 0 };
	size_t n = 7;

	for (int i = 0; i < 16; i++)
		handles[i] = ktls_handle_of_fd(0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cr_assert_eq(ktls_poll(out, handles, query, 16, KTLS_NOW, &n), -EINVAL);
	cr_assert_eq(n, 7);
}

/* Connections */

/* Drives both handshakes by what the poll says, and by nothing else. */
static void handshake_by_poll(struct pair *pair, uint32_t asked)
{
	struct ktls_handle handles[2] = { ktls_handle_of_conn(pair->conn[0]),
					  ktls_handle_of_conn(pair->conn[1]) };
	uint32_t query[2] = { asked, asked };
	int rc[2] = { KTLS_WANT_READ, KTLS_WANT_READ };
	size_t n;

	while (rc[0] || rc[1]) {
		uint32_t out[2] = { 0, 0 };

		cr_assert_eq(ktls_poll(out, handles, query, 2,
				       ktls_deadline_in(POLLING_PATIENCE_MS), &n),
			     KTLS_DONE);
		for (int end = 0; end < 2; end++) {
			if (!out[end])
				continue;
			rc[end] = ktls_conn_handshake(pair->conn[end], KTLS_NOW);
			cr_assert_geq(rc[end], 0, "%s", ktls_conn_error(pair->conn[end]));
			if (!rc[end])
				handles[end] = ktls_handle_of_conn(NULL);
		}
	}
}

static void want_verdict(struct ktls_config *config, enum pair_end end)
{
	if (end == PAIR_CLIENT)
		cr_assert_eq(ktls_config_set_external_verdict(config), 0);
}

Test(unit, a_handshake_is_waited_for_as_it_needs)
{
	for (int i = 0; i < 4; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		struct pair pair;

		options.protocol = protocols[i % 2];
		options.buffer_bytes = i / 2 ? 1 : 0;
		pair = pair_new(&options);
		cr_assert_eq(ktls_conn_get_events(pair.conn[PAIR_CLIENT], KTLS_POLL_READ), POLLOUT);
		cr_assert_eq(ktls_conn_get_events(pair.conn[PAIR_SERVER], KTLS_POLL_WRITE), POLLIN);
		cr_assert_eq(ktls_conn_get_events(pair.conn[PAIR_CLIENT], 0), 0);
		cr_assert_eq(polling_conn(pair.conn[PAIR_SERVER], ALL, POLLING_SHORT_MS), 0);
		cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], 0, POLLING_SHORT_MS), 0);
		cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], KTLS_POLL_READ, 0),
			     KTLS_POLL_WRITE);
		handshake_by_poll(&pair, i % 2 ? KTLS_POLL_READ : KTLS_POLL_WRITE);
		pair_move(&pair, PAIR_SERVER, 10000, 3000);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, a_verdict_is_not_waited_for_and_then_goes_on)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair;
	int rc[2];

	options.configure = want_verdict;
	pair = pair_new(&options);
	verifying_settle(&pair, rc);
	cr_assert_eq(rc[PAIR_CLIENT], KTLS_WANT_VERDICT);
	cr_assert_eq(ktls_conn_get_events(pair.conn[PAIR_CLIENT], ALL), 0);
	cr_assert(!ktls_conn_is_ready(pair.conn[PAIR_CLIENT]));
	cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], KTLS_POLL_READ, POLLING_SHORT_MS), 0);
	cr_assert_eq(ktls_conn_set_verdict(pair.conn[PAIR_CLIENT], 0), 0);
	cr_assert(ktls_conn_is_ready(pair.conn[PAIR_CLIENT]));
	handshake_by_poll(&pair, KTLS_POLL_READ);
	pair_close(&pair);
	pair_free(&pair);
}

Test(unit, plaintext_needs_no_handshake_to_be_waited_for)
{
	struct ktls_config *config;
	struct ktls_conn *conn;
	int fd[2];

	socket_pair(fd);
	cr_assert_eq(ktls_config_new(&config, KTLS_CLIENT), 0);
	cr_assert_eq(ktls_config_set_insecure_plaintext(config), 0);
	cr_assert_eq(ktls_conn_adopt(&conn, config, fd[0]), 0);
	cr_assert_eq(polling_conn(conn, KTLS_POLL_READ, 0), KTLS_POLL_READ);
	cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), 0);
	cr_assert_eq(polling_conn(conn, KTLS_POLL_READ, POLLING_SHORT_MS), 0);
	cr_assert_eq(write(fd[1], "x", 1), 1);
	cr_assert_eq(polling_conn(conn, ALL, 0), KTLS_POLL_READ | KTLS_POLL_WRITE);
	ktls_conn_free(conn);
	ktls_config_unref(config);
	close(fd[1]);
}

static ssize_t send_nothing(void *context, const struct iovec *iov, int iovcnt)
{
	(void)context;
	(void)iov;
	(void)iovcnt;
	return -EAGAIN;
}

static ssize_t receive_nothing(void *context, void *buf, size_t len)
{
	(void)context;
	(void)buf;
	(void)len;
	return -EAGAIN;
}

Test(unit, a_transport_of_the_callers_is_the_callers_to_wait_for)
{
	const struct ktls_transport transport = { .send = send_nothing,
						  .receive = receive_nothing };
	struct ktls_config *config;
	struct ktls_conn *conn;

	cr_assert_eq(ktls_config_new(&config, KTLS_CLIENT), 0);
	cr_assert_eq(ktls_config_set_insecure_no_verify(config), 0);
	cr_assert_eq(ktls_conn_new_over(&conn, config, &transport, sizeof(transport), NULL), 0);
	cr_assert_eq(polling_conn(conn, KTLS_POLL_READ, POLLING_SHORT_MS), KTLS_POLL_NOT_POLLABLE);
	cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), KTLS_WANT_WRITE);
	cr_assert(ktls_conn_get_events(conn, KTLS_POLL_READ) & POLLOUT);
	ktls_conn_free(conn);
	ktls_config_unref(config);
}

/* What the client has while its socket is empty. */
Test(unit, data_behind_the_handshake_is_readable)
{
	for (int i = 0; i < 2; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		struct pair pair;
		char text[5];
		size_t n;
		int rc = KTLS_WANT_READ;

		options.protocol = protocols[i];
		pair = pair_new(&options);
		cr_assert_eq(ktls_conn_handshake(pair.conn[PAIR_CLIENT], KTLS_NOW), KTLS_WANT_READ);
		while (rc) {
			rc = ktls_conn_handshake(pair.conn[PAIR_SERVER], KTLS_NOW);
			cr_assert_geq(rc, 0);
			if (rc)
				ktls_conn_handshake(pair.conn[PAIR_CLIENT], KTLS_NOW);
		}
		/* TLS 1.2: right behind its Finished, which the client has not read. */
		cr_assert_eq(ktls_conn_write(pair.conn[PAIR_SERVER], "hello", 5, KTLS_NOW, &n), 0);
		cr_assert_eq(ktls_conn_handshake(pair.conn[PAIR_CLIENT],
						 ktls_deadline_in(POLLING_PATIENCE_MS)),
			     0);
		cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], KTLS_POLL_READ,
					  POLLING_PATIENCE_MS),
			     KTLS_POLL_READ);
		for (size_t got = 0; got < 5; got++) {
			struct pollfd socket = { .fd = pair.fd[PAIR_CLIENT], .events = POLLIN };

			cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], KTLS_POLL_READ, 0),
				     KTLS_POLL_READ);
			cr_assert_eq(ktls_conn_is_ready(pair.conn[PAIR_CLIENT]), got > 0);
			cr_assert_eq(ktls_conn_read(pair.conn[PAIR_CLIENT], text + got, 1, KTLS_NOW,
						    &n),
				     0);
			cr_assert_eq(poll(&socket, 1, 0), 0, "all of it has been taken");
		}
		cr_assert_arr_eq(text, "hello", 5);
		cr_assert(!ktls_conn_is_ready(pair.conn[PAIR_CLIENT]));
		cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], KTLS_POLL_READ, POLLING_SHORT_MS),
			     0);
		cr_assert_eq(ktls_conn_get_events(pair.conn[PAIR_CLIENT], KTLS_POLL_READ), POLLIN);
		pair_free(&pair);
	}
}

Test(unit, tickets_alone_are_said_once)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair;
	uint8_t byte;
	size_t n;

	options.protocol = KTLS_TLS_1_3;
	pair = pair_open(&options);
	cr_assert_eq(ktls_conn_write(pair.conn[PAIR_SERVER], NULL, 0, KTLS_NOW, &n), 0);
	cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], KTLS_POLL_READ, POLLING_PATIENCE_MS),
		     KTLS_POLL_READ);
	cr_assert_eq(ktls_conn_read(pair.conn[PAIR_CLIENT], &byte, 1, KTLS_NOW, &n),
		     KTLS_WANT_READ);
	cr_assert_eq(polling_conn(pair.conn[PAIR_CLIENT], KTLS_POLL_READ, POLLING_SHORT_MS), 0);
	pair_free(&pair);
}

Test(unit, half_a_record_is_waited_for)
{
	for (int i = 0; i < 2; i++) {
		polling_half_a_record(protocols[i], KTLS_OFFLOAD_NEVER);
		polling_a_cut_record(protocols[i], KTLS_OFFLOAD_NEVER);
	}
}

Test(unit, a_full_socket_is_waited_for)
{
	for (int i = 0; i < 2; i++)
		polling_a_full_socket(protocols[i], KTLS_OFFLOAD_NEVER);
}

Test(unit, a_rest_of_a_write_is_a_reason_to_read)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	static uint8_t bytes[1 << 18];
	struct pair pair;
	size_t sent, seen = 0, n;
	int rc;

	options.buffer_bytes = 4096;
	pair = pair_open(&options);
	cr_assert_eq(ktls_conn_write(pair.conn[0], bytes, sizeof(bytes), KTLS_NOW, &sent),
		     KTLS_WANT_WRITE);
	/* The peer waits for the end of a record, and we for its answer. */
	while (seen < sent) {
		if (polling_conn(pair.conn[0], KTLS_POLL_READ, 0))
			cr_assert_eq(ktls_conn_read(pair.conn[0], bytes, 1, KTLS_NOW, &n),
				     KTLS_WANT_READ);
		rc = ktls_conn_read(pair.conn[1], bytes, sizeof(bytes), KTLS_NOW, &n);
		cr_assert(!rc || rc == KTLS_WANT_READ);
		seen += n;
	}
	cr_assert_eq(polling_conn(pair.conn[0], KTLS_POLL_READ, POLLING_SHORT_MS), 0);
	pair_free(&pair);
}

Test(unit, where_no_buffer_is_left_nothing_is_said)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct ktls_pool *pool;
	struct pair pair;
	uint8_t *buffer, byte;
	size_t n;

	options.pool = 1;
	pair = pair_open(&options);
	pool = pair.config[0]->pool;
	cr_assert_eq(ktls_conn_write(pair.conn[1], "x", 1, KTLS_NOW, &n), 0);
	buffer = ktls_pool_take(pool);
	cr_assert_eq(ktls_conn_read(pair.conn[0], &byte, 1, KTLS_NOW, &n), KTLS_WANT_BUFFER);
	cr_assert_eq(polling_conn(pair.conn[0], KTLS_POLL_READ | KTLS_POLL_WRITE, POLLING_SHORT_MS),
		     0);
	ktls_pool_give(pool, buffer);
	cr_assert_eq(polling_conn(pair.conn[0], KTLS_POLL_READ, POLLING_PATIENCE_MS),
		     KTLS_POLL_READ);
	cr_assert_eq(ktls_conn_read(pair.conn[0], &byte, 1, KTLS_NOW, &n), 0);
	pair_free(&pair);
}
