/* SPDX-License-Identifier: MIT */

/* A ring's life: connections go in and out, waits, wakes, what is lent. Ops: test_op.c. */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/kit.h"
#include "tests/ringing.h"
#include "tests/turns.h"

enum {
	LEN = 1000,
};

/* -- Made -- */

Test(ring, options_out_of_range_are_refused_with_a_sentence)
{
	static const struct ktls_ring_options bad[] = {
		{ .conns = KTLS_RING_CONNS_MAX + 1 },
		{ .buffers = 3 },
		{ .buffers = 2 * KTLS_RING_BUFFERS_MAX },
		{ .buffers = UINT32_MAX },
	};
	struct ktls_ring *ring = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(ktls_ring_new(&ring, &bad[i], sizeof(bad[i])), -EINVAL, "%zu", i);
		cr_assert_neq(*ktls_ring_error(), '\0', "%zu", i);
	}
	cr_assert_eq(ktls_ring_new(&ring, &bad[0], 0), -EINVAL);
	cr_assert_eq(ktls_ring_new(NULL, NULL, 0), -EINVAL);
	cr_assert_null(ring);
	cr_assert_null(ktls_ring_free(NULL));
}

Test(ring, without_options_it_has_the_defaults)
{
	struct ktls_ring *ring = NULL;

	ringing_require();
	cr_assert_eq(ktls_ring_new(&ring, NULL, 0), 0, "%s", ktls_ring_error());
	cr_assert_str_eq(ktls_ring_error(), "");
	cr_assert_null(ktls_ring_free(ring));
}

/* As a program would ask that was built when a struct was shorter. */
Test(ring, options_that_end_early_have_defaults_behind_them)
{
	const struct ktls_ring_options options = { .conns = 2, .buffers = 3 };
	struct ktls_ring *ring = NULL;

	ringing_require();
	cr_assert_eq(ktls_ring_new(&ring, &options, offsetof(struct ktls_ring_options, buffers)),
		     0);
	ktls_ring_free(ring);
}

Test(ring, the_most_connections_fit)
{
	ktls_ring_free(turns_ring(KTLS_RING_CONNS_MAX, 1));
}

/* -- Connections -- */

Test(ring, what_cannot_be_added_is_refused)
{
	struct ktls_ring *ring = turns_ring(2, 1), *other = turns_ring(2, 1);
	const struct pair_options options = PAIR_OPTIONS_USER;
	struct pair in = turns_pair_user(ring, 0), out = pair_open(&options);

	cr_assert_eq(ktls_ring_add(NULL, out.conn[0]), -EINVAL);
	cr_assert_eq(ktls_ring_add(ring, NULL), -EINVAL);
	cr_assert_eq(ktls_ring_add(ring, in.conn[0]), -EBUSY);
	cr_assert_eq(ktls_ring_add(other, in.conn[0]), -EBUSY);
	cr_assert_eq(ktls_ring_add(ring, out.conn[0]), -ENOSPC);

	cr_assert_eq(ktls_ring_remove(ring, in.conn[1]), 0);
	cr_assert_eq(ktls_ring_add(ring, out.conn[0]), 0);
	pair_free(&in);
	pair_free(&out);
	ktls_ring_free(ring);
	ktls_ring_free(other);
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

Test(ring, one_over_functions_of_the_callers_cannot_be_in_it)
{
	static const struct ktls_transport transport = { .send = send_nothing,
							 .receive = receive_nothing };
	struct ktls_ring *ring = turns_ring(2, 1);
	struct ktls_config *config;
	struct ktls_conn *conn;

	cr_assert(!ktls_config_new(&config, KTLS_CLIENT));
	cr_assert(!ktls_config_set_insecure_no_verify(config));
	cr_assert(!ktls_conn_new_over(&conn, config, &transport, sizeof(transport), NULL));

	cr_assert_eq(ktls_ring_add(ring, conn), -EOPNOTSUPP);
	ktls_conn_free(conn);
	ktls_config_unref(config);
	ktls_ring_free(ring);
}

Test(ring, other_calls_on_a_connection_in_it_answer_busy)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	struct pair pair = turns_pair(ring, 0);
	struct ktls_conn *conn = pair.conn[PAIR_CLIENT];
	uint8_t bytes[LEN] = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = LEN };
	int file_fd = kit_file(LEN);
	uint64_t n64;
	size_t n;

	cr_assert_eq(ktls_conn_handshake(conn, KTLS_NOW), -EBUSY);
	cr_assert_eq(ktls_conn_read(conn, bytes, LEN, KTLS_NOW, &n), -EBUSY);
	cr_assert_eq(ktls_conn_readv(conn, &iov, 1, KTLS_NOW, &n), -EBUSY);
	cr_assert_eq(ktls_conn_write(conn, bytes, LEN, KTLS_NOW, &n), -EBUSY);
	cr_assert_eq(ktls_conn_writev(conn, &iov, 1, KTLS_NOW, &n), -EBUSY);
	cr_assert_eq(ktls_conn_sendfile(conn, file_fd, 0, LEN, KTLS_NOW, &n64), -EBUSY);
	cr_assert_eq(ktls_conn_update_key(conn, KTLS_KEY_UPDATE_OURS, KTLS_NOW), -EBUSY);
	cr_assert_eq(ktls_conn_shutdown(conn, KTLS_NOW), -EBUSY);
	cr_assert_eq(ktls_conn_shutdown_and_close(conn, KTLS_NOW), -EBUSY);
	cr_assert_eq(ktls_conn_freeze(conn, bytes, LEN, &n), -EBUSY);

	/* None of which has changed anything. */
	turns_carry(ring, &pair, PAIR_CLIENT);
	turns_carry(ring, &pair, PAIR_SERVER);
	close(file_fd);
	pair_free(&pair);
	ktls_ring_free(ring);
}

Test(ring, one_that_was_taken_out_goes_on_without_it)
{
	struct ktls_ring *ring = turns_ring(2, 1), *other = turns_ring(2, 1);
	struct pair pair = turns_pair(ring, 0);
	struct turns_op receive = { .end = 0 };

	/* A receive that is in flight inside, and nobody's any more. */
	cr_assert(!ktls_op_receive(turns_op(&receive), pair.conn[1], KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert_eq(turns_cancel(ring, &receive), -ECANCELED);
	cr_assert_eq(ktls_ring_remove(other, pair.conn[0]), -EINVAL);
	cr_assert_eq(ktls_ring_remove(ring, NULL), -EINVAL);
	cr_assert_eq(ktls_ring_remove(NULL, pair.conn[0]), -EINVAL);
	for (int end = 0; end < 2; end++)
		cr_assert_eq(ktls_ring_remove(ring, pair.conn[end]), 0);
	cr_assert_eq(ktls_ring_remove(ring, pair.conn[0]), -EINVAL);

	pair_move(&pair, PAIR_CLIENT, 100000, 7000);
	pair_move(&pair, PAIR_SERVER, 100000, 7000);
	for (int end = 0; end < 2; end++)
		cr_assert_eq(ktls_ring_add(other, pair.conn[end]), 0);
	turns_carry(other, &pair, PAIR_CLIENT);
	pair_free(&pair);
	ktls_ring_free(ring);
	ktls_ring_free(other);
}

Test(ring, one_with_an_op_or_bytes_that_nobody_has_read_stays)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	struct pair pair = turns_pair(ring, 0);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };
	char said[] = "twelve bytes", heard[sizeof(said)];

	cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], heard, 1, KTLS_FOREVER));
	cr_assert_eq(ktls_ring_remove(ring, pair.conn[1]), -EBUSY);
	turns_quiet(ring);
	/* What arrives in the wait that the cancel is taken in is the ring's. */
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], said, sizeof(said), KTLS_FOREVER));
	while (!write.end)
		turns_wait(ring, KTLS_NOW);
	cr_assert(!turns_end(ring, &read) && read.event.n == 1);
	cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], heard + 1, sizeof(said) - 1,
				KTLS_FOREVER));
	cr_assert(!turns_end(ring, &read) && read.event.n == sizeof(said) - 1);
	cr_assert_arr_eq(heard, said, sizeof(said));

	cr_assert_eq(ktls_ring_remove(ring, pair.conn[1]), 0);
	pair_free(&pair);
	ktls_ring_free(ring);
}

Test(ring, freed_connections_make_room)
{
	struct ktls_ring *ring = turns_ring(2, 1);

	for (int i = 0; i < 20; i++) {
		struct pair pair = turns_pair(ring, 0);
		struct turns_op receive = { .end = 0 };

		/* Something is in flight inside, though nothing of the caller's. */
		cr_assert(!ktls_op_receive(turns_op(&receive), pair.conn[i % 2], KTLS_FOREVER));
		turns_quiet(ring);
		cr_assert_eq(turns_cancel(ring, &receive), -ECANCELED);
		pair_free(&pair);
		turns_quiet(ring);
	}
	ktls_ring_free(ring);
}

/* -- The end of it -- */

Test(ring, freed_with_ops_under_way_it_leaves_connections_that_go_on)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	struct pair pair = turns_pair(ring, 0);
	struct turns_op ops[3] = { { .end = 0 } };
	char byte;

	cr_assert(!ktls_op_read(turns_op(&ops[0]), pair.conn[0], &byte, 1, KTLS_FOREVER));
	cr_assert(!ktls_op_receive(turns_op(&ops[1]), pair.conn[1], ktls_deadline_in(100000)));
	cr_assert(!ktls_op_timer(turns_op(&ops[2]), ring, ktls_deadline_in(100000)));
	turns_quiet(ring);
	cr_assert_null(ktls_ring_free(ring));

	pair_move(&pair, PAIR_CLIENT, 100000, 7000);
	pair_move(&pair, PAIR_SERVER, 100000, 7000);
	pair_close(&pair);
	pair_free(&pair);
}

/* The peer took some of it since the last wait: that counts, or records would go out again under
 * the same numbers. */
Test(ring, freed_in_the_middle_of_a_write_it_repeats_no_record)
{
	enum {
		MUCH = 1 << 20
	};
	struct ktls_ring *ring = turns_ring(2, 1);
	struct pair pair = turns_pair_user(ring, 4096);
	struct turns_op write = { .end = 0 };
	static uint8_t much[MUCH], heard[MUCH];
	struct ktls_info info;
	size_t n, got = 0, left;
	int r;

	for (size_t i = 0; i < MUCH; i++)
		much[i] = kit_byte(i);
	cr_assert(!ktls_ring_remove(ring, pair.conn[1]));
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, MUCH, KTLS_FOREVER));
	turns_quiet(ring);
	while (!(r = ktls_conn_read(pair.conn[1], heard + got, MUCH - got, KTLS_NOW, &n)))
		got += n;
	cr_assert_eq(r, KTLS_WANT_READ);
	ktls_ring_free(ring);
	cr_assert_eq(ktls_conn_get_info(pair.conn[0], &info, sizeof(info)), 0);
	left = info.bytes[KTLS_TX];
	cr_assert(left >= got && left < MUCH);

	while (got < MUCH) {
		r = ktls_conn_write(pair.conn[0], much + left, MUCH - left, KTLS_NOW, &n);
		cr_assert(r >= 0, "%s", ktls_conn_error(pair.conn[0]));
		left += n;
		r = ktls_conn_read(pair.conn[1], heard + got, MUCH - got, KTLS_NOW, &n);
		cr_assert(r >= 0, "at %zu: %s", got, ktls_conn_error(pair.conn[1]));
		got += n;
	}
	cr_assert_arr_eq(heard, much, MUCH);
	pair_free(&pair);
}

/* It is never as if they had not been sent. */
Test(ring, freed_with_bytes_that_nobody_has_read_their_connection_fails)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	struct pair pair = turns_pair(ring, 0);
	struct turns_op receive = { .end = 0 };
	uint8_t byte = 7;
	size_t n;
	int r;

	cr_assert(!ktls_ring_remove(ring, pair.conn[0]));
	cr_assert(!ktls_op_receive(turns_op(&receive), pair.conn[1], KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert(!ktls_conn_write(pair.conn[0], &byte, 1, KTLS_FOREVER, &n));
	ktls_ring_free(ring);

	/* Or the kernel has not given them yet. */
	r = ktls_conn_read(pair.conn[1], &byte, 1, ktls_deadline_in(TURNS_PATIENCE_MS), &n);
	cr_assert(r == -ECANCELED || (!r && n == 1 && byte == 7), "%s", ktls_strerrorname(r));
	if (r)
		cr_assert_not_null(strstr(ktls_conn_error(pair.conn[1]), "ring"));
	pair_free(&pair);
}

/* -- Waits -- */

Test(ring, a_wait_that_makes_no_sense_is_refused)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	struct ktls_event event = { .n = 7 };
	size_t n = 7;

	cr_assert_eq(ktls_ring_wait(NULL, KTLS_NOW, &event, 1, &n), -EINVAL);
	cr_assert_eq(ktls_ring_wait(ring, KTLS_NOW, NULL, 1, &n), -EINVAL);
	cr_assert_eq(ktls_ring_wait(ring, KTLS_NOW, &event, 0, &n), -EINVAL);
	cr_assert_eq(ktls_ring_wait(ring, KTLS_NOW, &event, 1, NULL), -EINVAL);
	cr_assert_eq(n, 7);
	cr_assert_eq(event.n, 7);
	ktls_ring_free(ring);
}

Test(ring, when_nothing_comes_a_wait_ends_at_its_deadline)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	const uint64_t deadline_ns = ktls_deadline_in(TURNS_QUIET_MS);
	struct ktls_event event;
	size_t n = 7;

	cr_assert_eq(ktls_ring_wait(ring, KTLS_NOW, &event, 1, &n), KTLS_TIMEDOUT);
	cr_assert_eq(n, 0);
	n = 7;
	cr_assert_eq(ktls_ring_wait(ring, deadline_ns, &event, 1, &n), KTLS_TIMEDOUT);
	cr_assert_eq(n, 0);
	cr_assert_geq(ktls_deadline_in(0), deadline_ns);
	ktls_ring_free(ring);
}

static void *wake_soon(void *ring)
{
	nanosleep(&(struct timespec){ .tv_nsec = TURNS_QUIET_MS * 1000000L }, NULL);
	return (void *)(intptr_t)ktls_ring_wake(ring);
}

static void expect_woken(struct ktls_ring *ring)
{
	struct ktls_event events[4];
	size_t n;

	cr_assert_eq(ktls_ring_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS), events, 4, &n), 0);
	cr_assert(n == 1 && !events[0].op && !events[0].conn);
}

Test(ring, another_thread_wakes_it)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	pthread_t thread;
	void *r;

	cr_assert(!pthread_create(&thread, NULL, wake_soon, ring));
	expect_woken(ring);
	pthread_join(thread, &r);
	cr_assert_null(r);
	turns_quiet(ring);
	ktls_ring_free(ring);
}

Test(ring, several_wakes_before_a_wait_are_one)
{
	struct ktls_ring *ring = turns_ring(2, 1);

	cr_assert_eq(ktls_ring_wake(NULL), -EINVAL);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(ktls_ring_wake(ring), 0);

	expect_woken(ring);
	turns_quiet(ring);
	ktls_ring_free(ring);
}

static struct ktls_ring *signalled;

static void on_signal(int number)
{
	(void)number;
	ktls_ring_wake(signalled);
}

Test(ring, a_signal_handler_wakes_it)
{
	signalled = turns_ring(2, 1);
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);

	expect_woken(signalled);
	ktls_ring_free(signalled);
}

/* -- What is lent -- */

enum {
	LENDERS = 4,
};

static void say(struct ktls_ring *ring, struct ktls_conn *conn, const char *text)
{
	struct turns_op write = { .end = 0 };

	cr_assert(!ktls_op_write(turns_op(&write), conn, text, strlen(text), KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &write), 0);
}

static struct ktls_event next_of_one(struct ktls_ring *ring)
{
	struct ktls_event event;
	size_t n;

	cr_assert_eq(ktls_ring_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS), &event, 1, &n), 0);
	cr_assert(n == 1 && event.op && !event.more);
	return event;
}

/* What comes meanwhile must not lie on what others have been lent. */
Test(ring, what_is_lent_stays_though_its_event_did_not_fit)
{
	static const char *const texts[LENDERS] = { "one", "two--", "three", "four---" };
	static const char later[] = "!!!!!!!!";
	struct ktls_ring *ring = turns_ring(2 * LENDERS, 8);
	struct turns_op receive[LENDERS] = { { .end = 0 } }, write[LENDERS] = { { .end = 0 } };
	struct pair pairs[LENDERS];
	unsigned int seen[LENDERS] = { 0 }, left = 2 * LENDERS;

	for (int i = 0; i < LENDERS; i++) {
		pairs[i] = turns_pair(ring, 0);
		say(ring, pairs[i].conn[0], texts[i]);
	}
	for (int i = 0; i < LENDERS; i++)
		cr_assert(!ktls_op_receive(turns_op(&receive[i]), pairs[i].conn[1], KTLS_FOREVER));
	while (left) {
		struct ktls_event event = next_of_one(ring);
		struct turns_op *op = event.op->user;
		const char *expected;
		int i = (int)(op - receive);

		if (op >= write && op < write + LENDERS)
			continue;
		expected = seen[i]++ ? later : texts[i];
		cr_assert(!event.result && event.conn == pairs[i].conn[1]);
		cr_assert(event.n == strlen(expected) && !memcmp(event.data, expected, event.n));
		left--;
		if (seen[i] > 1)
			continue;
		cr_assert(!ktls_op_write(turns_op(&write[i]), pairs[i].conn[0], later,
					 strlen(later), KTLS_FOREVER));
		cr_assert(!ktls_op_receive(turns_op(op), pairs[i].conn[1], KTLS_FOREVER));
	}
	ktls_ring_free(ring);
	for (int i = 0; i < LENDERS; i++)
		pair_free(&pairs[i]);
}

/* Its queue of events is never empty. */
Test(ring, a_caller_that_takes_one_event_at_a_time_is_lent_to_for_ever)
{
	enum {
		BYTES = 8 << 20,
		EACH = 16000,
		TIMERS = 3,
		EVENTS_MAX = 100000
	};
	static uint8_t bytes[EACH];
	struct ktls_ring *ring = turns_ring(2, 8);
	struct pair pair = turns_pair(ring, 0);
	struct turns_op receive = { .end = 0 }, write = { .end = 0 };
	struct turns_op timers[TIMERS] = { { .end = 0 } };
	uint64_t got = 0;

	for (int i = 0; i < TIMERS; i++)
		cr_assert(!ktls_op_timer(turns_op(&timers[i]), ring, KTLS_NOW));
	cr_assert(!ktls_op_receive(turns_op(&receive), pair.conn[1], KTLS_FOREVER));
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], bytes, EACH, KTLS_FOREVER));
	for (int i = 0; got < BYTES; i++) {
		struct ktls_event event = next_of_one(ring);
		struct turns_op *op = event.op->user;

		cr_assert_lt(i, EVENTS_MAX, "nothing is lent after %zu bytes", (size_t)got);
		turns_op(op);
		if (op == &receive) {
			got += event.n;
			cr_assert(!ktls_op_receive(&op->op, pair.conn[1], KTLS_FOREVER));
		} else if (op == &write) {
			cr_assert(!ktls_op_write(&op->op, pair.conn[0], bytes, EACH, KTLS_FOREVER));
		} else {
			cr_assert(!ktls_op_timer(&op->op, ring, KTLS_NOW));
		}
	}
	ktls_ring_free(ring);
	pair_free(&pair);
}
