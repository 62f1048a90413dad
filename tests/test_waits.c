/* SPDX-License-Identifier: MIT */

/*
 * Waiting: for the socket, for a buffer of the config's, until a deadline, through signals. What
 * times out has lost nothing.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "config.h"
#include "pair.h"
#include "pool.h"

enum {
	SHORT_MS = 30,
	PATIENCE_MS = 5000,
	LEN = 2000000,
	STORM_US = 500,
	STORM_LEN = 100000,
	BURST = 3000,
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };
static uint8_t bytes[LEN];

static struct pair_options options_of(int i, int buffer_bytes)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocols[i % 2];
	options.buffer_bytes = buffer_bytes;
	return options;
}

static uint64_t ms_since(uint64_t began_ns)
{
	return (ktls_deadline_clock() - began_ns) / 1000000u;
}

/* Deadlines */

Test(unit, a_handshake_times_out_and_goes_on)
{
	for (int i = 0; i < 2; i++) {
		struct pair_options options = options_of(i, 0);
		struct pair pair = pair_new(&options);
		uint64_t began_ns = ktls_deadline_clock();
		int rc[2];

		for (int again = 0; again < 2; again++)
			cr_assert(ktls_conn_handshake(pair.conn[0], ktls_deadline_in(SHORT_MS)) ==
				  KTLS_TIMEDOUT);
		cr_assert(ms_since(began_ns) >= 2 * SHORT_MS);
		cr_assert(ktls_conn_handshake(pair.conn[0], 1) == KTLS_TIMEDOUT, "long ago");
		pair_handshake(&pair, rc);
		cr_assert(!rc[0] && !rc[1], "%s %s", ktls_conn_error(pair.conn[0]),
			  ktls_conn_error(pair.conn[1]));
		pair_move(&pair, PAIR_CLIENT, 1000, 100);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, a_read_times_out_and_goes_on)
{
	for (int i = 0; i < 2; i++) {
		struct pair_options options = options_of(i, 0);
		struct pair pair = pair_open(&options);
		uint64_t began_ns = ktls_deadline_clock();
		size_t n = 1;

		cr_assert(ktls_conn_read(pair.conn[0], bytes, 10, ktls_deadline_in(SHORT_MS), &n) ==
			  KTLS_TIMEDOUT);
		cr_assert(!n && ms_since(began_ns) >= SHORT_MS);
		cr_assert(ktls_conn_read(pair.conn[0], bytes, 10, 1, &n) == KTLS_TIMEDOUT);
		pair_move(&pair, PAIR_SERVER, 1000, 100);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* Reads what is there, and checks it against the count. */
static int read_all(struct ktls_conn *conn, size_t *seen)
{
	static uint8_t got[40000];
	size_t n;
	int rc;

	while (!(rc = ktls_conn_read(conn, got, sizeof(got), KTLS_NOW, &n))) {
		for (size_t i = 0; i < n; i++)
			cr_assert(got[i] == (uint8_t)((*seen + i) % 251), "byte %zu", *seen + i);
		*seen += n;
	}
	return rc;
}

Test(unit, a_write_times_out_with_what_was_accepted_and_goes_on_behind_it)
{
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(i % 251);
	for (int i = 0; i < 2; i++) {
		struct pair_options options = options_of(i, 4096);
		struct pair pair = pair_open(&options);
		size_t sent = 0, seen = 0, timeouts = 0, n;
		int rc = KTLS_TIMEDOUT;

		while (rc == KTLS_TIMEDOUT) {
			rc = ktls_conn_write(pair.conn[0], bytes + sent, LEN - sent,
					     ktls_deadline_in(2), &n);
			sent += n;
			timeouts += rc == KTLS_TIMEDOUT;
			cr_assert(read_all(pair.conn[1], &seen) == KTLS_WANT_READ);
		}
		cr_assert(!rc && sent == LEN && timeouts > 2, "%s, %zu sent, %zu timeouts",
			  ktls_strerrorname(rc), sent, timeouts);
		while (seen < LEN)
			cr_assert(read_all(pair.conn[1], &seen) == KTLS_WANT_READ);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* With a peer that does not read, the close_notify cannot leave. */
Test(unit, a_shutdown_times_out_and_goes_on)
{
	struct pair_options options = options_of(1, 4096);
	struct pair pair = pair_open(&options);
	size_t sent = 0, seen = 0, n;
	char byte;
	int rc;

	do {
		rc = ktls_conn_write(pair.conn[0], bytes, LEN, KTLS_NOW, &n);
		sent += n;
	} while (!rc);
	cr_assert(rc == KTLS_WANT_WRITE);
	for (int again = 0; again < 2; again++)
		cr_assert(ktls_conn_shutdown(pair.conn[0], ktls_deadline_in(SHORT_MS)) ==
			  KTLS_TIMEDOUT);
	while ((rc = ktls_conn_read(pair.conn[1], bytes, LEN, KTLS_NOW, &n)) != KTLS_EOF) {
		cr_assert(rc >= 0 && rc != KTLS_CLOSED, "%s", ktls_conn_error(pair.conn[1]));
		seen += n;
		ktls_conn_shutdown(pair.conn[0], ktls_deadline_in(1));
	}
	cr_assert(seen == sent, "%zu of %zu", seen, sent);
	cr_assert(!ktls_conn_shutdown(pair.conn[0], KTLS_NOW));
	cr_assert(!ktls_conn_shutdown(pair.conn[1], KTLS_NOW));
	cr_assert(ktls_conn_read(pair.conn[0], &byte, 1, ktls_deadline_in(PATIENCE_MS), &n) ==
		  KTLS_EOF);
	pair_free(&pair);
}

/* Signals */

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void storm(bool on)
{
	const struct itimerval timer = { .it_interval.tv_usec = on ? STORM_US : 0,
					 .it_value.tv_usec = on ? STORM_US : 0 };
	struct sigaction action = { .sa_handler = count_signal }; /* without SA_RESTART */

	cr_assert(!sigaction(SIGALRM, &action, NULL));
	cr_assert(!setitimer(ITIMER_REAL, &timer, NULL));
}

/* The other end of a storm: in a thread that hears no signals. */
static const char *echo_all(struct pair *pair)
{
	uint8_t buf[5000];
	size_t total = 0, n, done;

	if (ktls_conn_handshake(pair->conn[1], ktls_deadline_in(PATIENCE_MS)))
		return "handshake";
	while (total < STORM_LEN) {
		if (ktls_conn_read(pair->conn[1], buf, sizeof(buf), ktls_deadline_in(PATIENCE_MS),
				   &n))
			return "read";
		usleep(n ? 1000 : 0);
		if (ktls_conn_write(pair->conn[1], buf, n, ktls_deadline_in(PATIENCE_MS), &done))
			return "write";
		total += n;
	}
	return ktls_conn_shutdown(pair->conn[1], ktls_deadline_in(PATIENCE_MS)) ? "shutdown" : NULL;
}

static void *echo(void *pair)
{
	return (void *)echo_all(pair);
}

Test(unit, a_storm_of_signals_ends_no_wait)
{
	struct pair_options options = options_of(1, 4096);
	struct pair pair = pair_new(&options);
	size_t seen = 0, n;
	pthread_t thread;
	sigset_t alarm, old;
	void *failure;
	int rc;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, &old);
	cr_assert(!pthread_create(&thread, NULL, echo, &pair));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	storm(true);
	rc = ktls_conn_handshake(pair.conn[0], ktls_deadline_in(PATIENCE_MS));
	cr_assert(!rc, "%s", ktls_conn_error(pair.conn[0]));
	while (seen < STORM_LEN) {
		rc = ktls_conn_write(pair.conn[0], bytes, BURST, ktls_deadline_in(PATIENCE_MS), &n);
		cr_assert(!rc && n == BURST, "%s: %s", ktls_strerrorname(rc),
			  ktls_conn_error(pair.conn[0]));
		for (size_t back = 0; back < BURST && seen < STORM_LEN; back += n, seen += n) {
			rc = ktls_conn_read(pair.conn[0], bytes, sizeof(bytes),
					    ktls_deadline_in(PATIENCE_MS), &n);
			cr_assert(!rc, "%s: %s", ktls_strerrorname(rc),
				  ktls_conn_error(pair.conn[0]));
		}
	}
	storm(false);
	cr_assert(!pthread_join(thread, &failure));
	cr_assert_null(failure, "%s", (const char *)failure);
	cr_assert(signals > 10, "only %d signals", (int)signals);
	pair_free(&pair);
}

/* A wait ends when its time has come, however often it was interrupted. */
Test(unit, a_storm_of_signals_moves_no_deadline)
{
	struct pair_options options = options_of(0, 0);
	struct pair pair = pair_open(&options);
	uint64_t began_ns = ktls_deadline_clock();
	size_t n;

	storm(true);
	cr_assert(ktls_conn_read(pair.conn[0], bytes, 1, ktls_deadline_in(200), &n) ==
		  KTLS_TIMEDOUT);
	storm(false);
	cr_assert(ms_since(began_ns) >= 200 && ms_since(began_ns) < 2000, "%llu ms",
		  (unsigned long long)ms_since(began_ns));
	cr_assert(signals > 20, "only %d signals", (int)signals);
	pair_close(&pair);
	pair_free(&pair);
}

/* Buffers */

/* One buffer for both directions of all connections of an end: here held by somebody else. */
static struct pair open_with_one_buffer(int i, struct ktls_pool **ret_pool, uint8_t **ret_buffer)
{
	struct pair_options options = options_of(i, 0);

	options.pool = 1;
	struct pair pair = pair_open(&options);

	*ret_pool = pair.config[0]->pool;
	*ret_buffer = ktls_pool_take(*ret_pool);
	cr_assert_not_null(*ret_buffer, "an idle connection holds a buffer");
	return pair;
}

Test(unit, one_buffer_is_enough_for_a_connection_at_a_time)
{
	for (int i = 0; i < 2; i++) {
		struct pair_options options = options_of(i, 0);

		options.pool = 1;
		struct pair pair = pair_open(&options);

		pair_move(&pair, PAIR_CLIENT, 100000, 10000);
		pair_move(&pair, PAIR_SERVER, 100000, 10000);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, without_a_buffer_a_call_wants_one_and_has_lost_nothing)
{
	for (int i = 0; i < 2; i++) {
		struct ktls_pool *pool;
		uint8_t *buffer;
		struct pair pair = open_with_one_buffer(i, &pool, &buffer);
		int file = fileno(tmpfile());
		uint64_t n64;
		size_t n;

		cr_assert(write(file, "file", 4) == 4);
		cr_assert(ktls_conn_write(pair.conn[0], "data", 4, KTLS_NOW, &n) ==
				  KTLS_WANT_BUFFER &&
			  !n);
		cr_assert(ktls_conn_sendfile(pair.conn[0], file, 0, 4, KTLS_NOW, &n64) ==
				  KTLS_WANT_BUFFER &&
			  !n64);
		cr_assert(ktls_conn_read(pair.conn[0], bytes, 4, KTLS_NOW, &n) ==
				  KTLS_WANT_BUFFER &&
			  !n);
		cr_assert(ktls_conn_shutdown(pair.conn[0], KTLS_NOW) == KTLS_WANT_BUFFER);
		cr_assert(ktls_conn_write(pair.conn[0], "data", 4, ktls_deadline_in(SHORT_MS),
					  &n) == KTLS_TIMEDOUT &&
			  !n);
		cr_assert(ktls_conn_read(pair.conn[0], bytes, 4, ktls_deadline_in(SHORT_MS), &n) ==
			  KTLS_TIMEDOUT);
		cr_assert(ktls_conn_shutdown(pair.conn[0], ktls_deadline_in(SHORT_MS)) ==
			  KTLS_TIMEDOUT);
		ktls_pool_give(pool, buffer);
		pair_move(&pair, PAIR_CLIENT, 10000, 1000);
		pair_move(&pair, PAIR_SERVER, 10000, 1000);
		pair_close(&pair);
		pair_free(&pair);
		close(file);
	}
}

struct loan {
	struct ktls_pool *pool;
	uint8_t *buffer;
};

static void *give_back_later(void *context)
{
	struct loan *loan = context;

	usleep(SHORT_MS * 1000);
	ktls_pool_give(loan->pool, loan->buffer);
	return NULL;
}

Test(unit, a_call_waits_until_another_thread_gives_a_buffer_back)
{
	for (int i = 0; i < 2; i++) {
		struct loan loan;
		struct pair pair = open_with_one_buffer(i, &loan.pool, &loan.buffer);
		uint64_t began_ns = ktls_deadline_clock();
		pthread_t thread;
		size_t n;
		int rc;

		cr_assert(!pthread_create(&thread, NULL, give_back_later, &loan));
		rc = ktls_conn_write(pair.conn[0], "data", 4,
				     i ? KTLS_FOREVER : ktls_deadline_in(PATIENCE_MS), &n);
		cr_assert(!rc && n == 4, "%s", ktls_strerrorname(rc));
		cr_assert(ms_since(began_ns) + 1 >= SHORT_MS);
		cr_assert(!pthread_join(thread, NULL));
		cr_assert(
			!ktls_conn_read(pair.conn[1], bytes, 4, ktls_deadline_in(PATIENCE_MS), &n));
		cr_assert(n == 4);
		pair_close(&pair);
		pair_free(&pair);
	}
}
