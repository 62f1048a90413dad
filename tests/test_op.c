/* SPDX-License-Identifier: MIT */

/* Ops on connections, several under way; what the calls of their names do the suites over a ring
 * try (over_ring.h). Ops on a ring: test_op_here.c. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/kit.h"
#include "tests/ringing.h"
#include "tests/turns.h"

enum {
	MUCH = 1 << 20,
	SMALL_BUFFER = 4096,
	SOON_MS = 50,
};

static struct ktls_ring *ring;
static uint8_t much[MUCH];

static void make(void)
{
	ring = turns_ring(8, 8);
	for (size_t i = 0; i < MUCH; i++)
		much[i] = kit_byte(i);
}

static void unmake(void)
{
	ktls_ring_free(ring);
}

TestSuite(op, .init = make, .fini = unmake);

/* What arrives is much[at..at + len), and nothing behind it. */
static void hear(struct ktls_conn *conn, size_t at, size_t len)
{
	struct turns_op receive = { .end = 0 };
	size_t end = at + len;

	for (; at < end; at += receive.event.n) {
		cr_assert(!ktls_op_receive(turns_op(&receive), conn, KTLS_FOREVER));
		cr_assert(!turns_end(ring, &receive), "%s", ktls_conn_error(conn));
		cr_assert_leq(receive.event.n, end - at);
		cr_assert(!memcmp(receive.event.data, much + at, receive.event.n));
	}
	cr_assert(!ktls_op_receive(turns_op(&receive), conn, ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &receive), KTLS_TIMEDOUT);
}

/* -- Starts -- */

Test(op, starts_that_make_no_sense_are_refused)
{
	const struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = turns_pair(ring, 0), out = pair_open(&options);
	struct ktls_conn *conn = pair.conn[0];
	struct ktls_op op = { .user = NULL };
	struct iovec iov = { .iov_base = much, .iov_len = 1 };

	cr_assert_eq(ktls_op_handshake(NULL, conn, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_handshake(&op, NULL, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_handshake(&op, out.conn[0], KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_read(NULL, conn, much, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_read(&op, conn, NULL, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_receive(&op, NULL, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_write(&op, conn, NULL, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_write(&op, out.conn[0], much, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_writev(&op, conn, NULL, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_writev(&op, conn, &iov, -1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_sendfile(NULL, conn, 0, 0, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_update_key(&op, conn, _KTLS_KEY_UPDATE_N, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_shutdown(&op, NULL, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_shutdown_and_close(NULL, conn, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_cancel(NULL), -EINVAL);
	cr_assert_eq(ktls_op_cancel(&op), -ENOENT);

	turns_quiet(ring);
	turns_carry(ring, &pair, PAIR_CLIENT);
	pair_free(&pair);
	pair_free(&out);
}

/* Every start while `of` is under way, in a direction that it has and in one that it has not. */
static void expect_busy(struct ktls_conn *conn, bool reads, bool writes)
{
	const int read = reads ? -EBUSY : 0, write = writes ? -EBUSY : 0;
	struct turns_op op = { .end = 0 };
	struct iovec iov = { .iov_base = much, .iov_len = 1 };
	uint8_t byte;

	if (reads || writes) {
		cr_assert_eq(ktls_op_handshake(&op.op, conn, KTLS_FOREVER), -EBUSY);
		cr_assert_eq(ktls_op_shutdown_and_close(&op.op, conn, KTLS_FOREVER), -EBUSY);
	}
	if (read) {
		cr_assert_eq(ktls_op_read(&op.op, conn, &byte, 1, KTLS_FOREVER), read);
		cr_assert_eq(ktls_op_receive(&op.op, conn, KTLS_FOREVER), read);
	}
	if (write) {
		cr_assert_eq(ktls_op_write(&op.op, conn, much, 1, KTLS_FOREVER), write);
		cr_assert_eq(ktls_op_writev(&op.op, conn, &iov, 1, KTLS_FOREVER), write);
		cr_assert_eq(ktls_op_sendfile(&op.op, conn, 0, 0, 1, KTLS_FOREVER), write);
		cr_assert_eq(ktls_op_update_key(&op.op, conn, KTLS_KEY_UPDATE_OURS, KTLS_FOREVER),
			     write);
		cr_assert_eq(ktls_op_shutdown(&op.op, conn, KTLS_FOREVER), write);
	}
	cr_assert_eq(ktls_op_cancel(&op.op), -ENOENT, "a start that was refused left something");
}

Test(op, a_connection_has_one_that_reads_and_one_that_writes)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };

	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	expect_busy(pair.conn[0], true, false);
	cr_assert_eq(ktls_op_receive(&read.op, pair.conn[1], KTLS_FOREVER), -EBUSY,
		     "an op that is under way");
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, MUCH, KTLS_FOREVER));
	expect_busy(pair.conn[0], true, true);
	turns_quiet(ring);
	expect_busy(pair.conn[0], true, true);

	cr_assert_eq(turns_cancel(ring, &write), -ECANCELED);
	expect_busy(pair.conn[0], true, false);
	cr_assert_eq(turns_cancel(ring, &read), -ECANCELED);
	pair_free(&pair);
}

Test(op, one_that_is_over_is_under_way_until_its_event_is_taken)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op read = { .end = 0 };

	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(ktls_op_cancel(&read.op), 0);
	cr_assert_eq(ktls_op_cancel(&read.op), -ENOENT);
	cr_assert_eq(ktls_op_receive(&read.op, pair.conn[0], KTLS_FOREVER), -EBUSY);

	cr_assert_eq(turns_end(ring, &read), -ECANCELED);
	cr_assert_eq(ktls_op_cancel(&read.op), -ENOENT);
	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(turns_cancel(ring, &read), -ECANCELED);
	pair_free(&pair);
}

/* -- Handshakes -- */

static struct pair new_pair(void (*configure)(struct ktls_config *config, enum pair_end end))
{
	const struct pair_options options = { .cipher = -1, .configure = configure };
	struct pair pair = pair_new(&options);

	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_ring_add(ring, pair.conn[end]));
	return pair;
}

Test(op, handshakes_of_both_ends_in_one_ring)
{
	struct pair pair = new_pair(NULL);
	struct turns_op ops[2] = { { .end = 0 } };

	for (int end = 0; end < 2; end++) {
		cr_assert(!ktls_op_handshake(turns_op(&ops[end]), pair.conn[end], KTLS_FOREVER));
		expect_busy(pair.conn[end], true, true);
	}
	for (int end = 0; end < 2; end++)
		cr_assert_eq(turns_end(ring, &ops[end]), 0, "%s", ktls_conn_error(pair.conn[end]));

	turns_carry(ring, &pair, PAIR_CLIENT);
	turns_carry(ring, &pair, PAIR_SERVER);
	pair_free(&pair);
}

Test(op, a_handshake_ends_at_its_deadline_and_can_go_on)
{
	struct pair pair = new_pair(NULL);
	struct turns_op ops[2] = { { .end = 0 } };

	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), pair.conn[0], KTLS_NOW));
	cr_assert_eq(turns_end(ring, &ops[0]), KTLS_WANT_READ);
	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), pair.conn[0], ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &ops[0]), KTLS_TIMEDOUT);
	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(turns_cancel(ring, &ops[0]), -ECANCELED);

	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_op_handshake(turns_op(&ops[end]), pair.conn[end], KTLS_FOREVER));
	for (int end = 0; end < 2; end++)
		cr_assert_eq(turns_end(ring, &ops[end]), 0);
	turns_carry(ring, &pair, PAIR_CLIENT);
	pair_free(&pair);
}

Test(op, bytes_before_the_handshake_are_refused_by_the_event)
{
	struct pair pair = new_pair(NULL);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };

	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, 1, KTLS_FOREVER));

	cr_assert_eq(turns_end(ring, &read), -ENOTCONN);
	cr_assert_eq(turns_end(ring, &write), -ENOTCONN);
	pair_free(&pair);
}

static void ask_the_caller(struct ktls_config *config, enum pair_end end)
{
	if (end == PAIR_CLIENT)
		cr_assert(!ktls_config_set_external_verdict(config));
}

static void handshake_until_verdict(struct pair *pair, struct turns_op ops[2])
{
	*pair = new_pair(ask_the_caller);
	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_op_handshake(turns_op(&ops[end]), pair->conn[end], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &ops[0]), KTLS_WANT_VERDICT);
}

Test(op, a_handshake_ends_for_a_verdict_and_another_goes_on)
{
	struct turns_op ops[2] = { { .end = 0 } };
	struct pair pair;

	handshake_until_verdict(&pair, ops);
	turns_quiet(ring);
	cr_assert_eq(ktls_conn_set_verdict(pair.conn[0], 0), 0);
	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), pair.conn[0], KTLS_FOREVER));

	for (int end = 0; end < 2; end++)
		cr_assert_eq(turns_end(ring, &ops[end]), 0);
	turns_carry(ring, &pair, PAIR_SERVER);
	pair_free(&pair);
}

Test(op, a_bad_verdict_ends_both_ends)
{
	struct turns_op ops[2] = { { .end = 0 } };
	struct pair pair;

	handshake_until_verdict(&pair, ops);
	cr_assert_eq(ktls_conn_set_verdict(pair.conn[0], -KTLS_E_PEER_UNTRUSTED), 0);
	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), pair.conn[0], KTLS_FOREVER));

	cr_assert_eq(turns_end(ring, &ops[0]), -KTLS_E_PEER_UNTRUSTED);
	cr_assert_eq(turns_end(ring, &ops[1]), -KTLS_E_ALERT);
	pair_free(&pair);
}

/* -- Reads -- */

Test(op, a_read_ends_at_its_deadline_and_loses_nothing)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op read = { .end = 0 };
	uint8_t byte;

	cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], &byte, 1, KTLS_NOW));
	cr_assert_eq(turns_end(ring, &read), KTLS_WANT_READ);
	cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], &byte, 1, ktls_deadline_in(0)));
	cr_assert_eq(turns_end(ring, &read), KTLS_TIMEDOUT);
	cr_assert(
		!ktls_op_read(turns_op(&read), pair.conn[1], &byte, 1, ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &read), KTLS_TIMEDOUT);
	cr_assert_eq(read.event.n, 0);

	turns_carry(ring, &pair, PAIR_CLIENT);
	pair_free(&pair);
}

Test(op, a_read_that_was_cancelled_leaves_its_memory_and_the_bytes_alone)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };
	uint8_t mine[64], untouched[64];

	memset(mine, 0xa5, sizeof(mine));
	memset(untouched, 0xa5, sizeof(untouched));
	cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], mine, sizeof(mine), KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert_eq(turns_cancel(ring, &read), -ECANCELED);
	cr_assert_eq(read.event.n, 0);

	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, 1000, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &write), 0);
	turns_quiet(ring);
	cr_assert_eq(read.events, 1);
	cr_assert_arr_eq(mine, untouched, sizeof(mine));
	hear(pair.conn[1], 0, 1000);
	pair_free(&pair);
}

/* The two are on their way at the same time; whichever is first, nothing is lost. */
Test(op, a_read_that_is_cancelled_when_bytes_arrive_loses_none)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };
	uint8_t got[1000];
	int r;

	for (int i = 0; i < 200; i++) {
		cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], got, sizeof(got),
					KTLS_FOREVER));
		if (i % 2)
			turns_wait(ring, KTLS_NOW);
		cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, sizeof(got),
					 KTLS_FOREVER));
		if (i % 3)
			turns_wait(ring, KTLS_NOW);
		r = ktls_op_cancel(&read.op);
		cr_assert(!r || (r == -ENOENT && read.end));
		r = turns_end(ring, &read);
		cr_assert(r == -ECANCELED ? !read.event.n : !r && read.event.n);
		cr_assert_eq(turns_end(ring, &write), 0);
		if (read.event.n < sizeof(got))
			hear(pair.conn[1], read.event.n, sizeof(got) - read.event.n);
		cr_assert(!memcmp(got, much, read.event.n));
	}
	pair_free(&pair);
}

Test(op, reads_of_a_byte_each_are_a_stream)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };
	uint8_t byte;

	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, 500, KTLS_FOREVER));
	for (size_t i = 0; i < 500; i++) {
		cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], &byte, 1, KTLS_FOREVER));
		cr_assert_eq(turns_end(ring, &read), 0);
		cr_assert(read.event.n == 1 && byte == much[i]);
	}
	cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], NULL, 0, KTLS_FOREVER));
	cr_assert(!turns_end(ring, &read) && !read.event.n);
	pair_free(&pair);
}

/* Those of others are all in use; who waits for one gets it, and does not spin. */
Test(op, a_read_waits_for_a_buffer_that_another_holds)
{
	struct ktls_ring *tight = turns_ring(4, 1);
	struct pair a = turns_pair(tight, 0), b = turns_pair(tight, 0);
	struct turns_op reads[2] = { { .end = 0 } }, write = { .end = 0 };
	uint8_t byte;

	for (int i = 0; i < 50; i++) {
		cr_assert(!ktls_op_read(turns_op(&reads[0]), a.conn[1], &byte, 1, KTLS_FOREVER));
		cr_assert(!ktls_op_read(turns_op(&reads[1]), b.conn[1], &byte, 1, KTLS_FOREVER));
		turns_wait(tight, KTLS_NOW);
		cr_assert(!ktls_op_write(turns_op(&write), a.conn[0], much, 1, KTLS_FOREVER));
		cr_assert_eq(turns_end(tight, &write), 0);
		cr_assert(!ktls_op_write(turns_op(&write), b.conn[0], much, 1, KTLS_FOREVER));
		cr_assert_eq(turns_end(tight, &write), 0);
		for (int k = 0; k < 2; k++)
			cr_assert(!turns_end(tight, &reads[k]) && reads[k].event.n == 1);
	}
	pair_free(&a);
	pair_free(&b);
	ktls_ring_free(tight);
}

/* Peers whose reads were cancelled, and who speak, take nothing from the others. */
Test(op, connections_that_nobody_reads_hold_no_buffer)
{
	struct ktls_ring *tight = turns_ring(4, 1);
	struct pair a = turns_pair(tight, 0), b = turns_pair(tight, 0);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };

	cr_assert(!ktls_op_receive(turns_op(&read), a.conn[1], KTLS_FOREVER));
	turns_quiet(tight);
	cr_assert_eq(turns_cancel(tight, &read), -ECANCELED);
	turns_quiet(tight);
	cr_assert(!ktls_op_write(turns_op(&write), a.conn[0], much, 100, KTLS_FOREVER));
	cr_assert_eq(turns_end(tight, &write), 0);
	turns_quiet(tight);

	turns_carry(tight, &b, PAIR_CLIENT);
	pair_free(&a);
	pair_free(&b);
	ktls_ring_free(tight);
}

/* -- Writes -- */

static int fill_socket(struct pair *pair, struct turns_op *write, uint64_t deadline_ns)
{
	cr_assert(!ktls_op_write(turns_op(write), pair->conn[0], much, MUCH, deadline_ns));
	if (deadline_ns == KTLS_FOREVER) {
		turns_quiet(ring);
		return turns_cancel(ring, write);
	}
	return turns_end(ring, write);
}

/* What was accepted is exactly what arrives, once what is left of a record was brought on its way;
 * and the stream goes on behind it. */
static void expect_exact(struct pair *pair, struct turns_op *write)
{
	const uint64_t n = write->event.n;
	struct turns_op rest = { .end = 0 };

	cr_assert(n > 0 && n < MUCH, "%zu of %d", (size_t)n, MUCH);
	cr_assert(!ktls_op_write(turns_op(&rest), pair->conn[0], NULL, 0, KTLS_FOREVER));
	hear(pair->conn[1], 0, n);
	cr_assert_eq(turns_end(ring, &rest), 0);
	cr_assert(!ktls_op_write(turns_op(&rest), pair->conn[0], much + n, MUCH - n, KTLS_FOREVER));
	hear(pair->conn[1], n, MUCH - n);
	cr_assert(!turns_end(ring, &rest) && rest.event.n == MUCH - n);
}

Test(op, a_write_that_was_cancelled_says_exactly_how_much_went)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op write = { .end = 0 };

	cr_assert_eq(fill_socket(&pair, &write, KTLS_FOREVER), -ECANCELED);
	expect_exact(&pair, &write);
	pair_free(&pair);
}

Test(op, a_write_ends_at_its_deadline_and_says_exactly_how_much_went)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op write = { .end = 0 };

	cr_assert_eq(fill_socket(&pair, &write, ktls_deadline_in(SOON_MS)), KTLS_TIMEDOUT);
	expect_exact(&pair, &write);
	pair_free(&pair);
}

Test(op, a_write_that_does_not_wait_says_exactly_how_much_went)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op write = { .end = 0 };

	cr_assert_eq(fill_socket(&pair, &write, KTLS_NOW), KTLS_WANT_WRITE);
	expect_exact(&pair, &write);
	pair_free(&pair);
}

Test(op, many_pieces_are_one_stream)
{
	enum {
		PIECES = 1000
	};
	static struct iovec iov[PIECES];
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op write = { .end = 0 };
	size_t len = 0;

	for (int i = 0; i < PIECES; i++) {
		iov[i] = (struct iovec){ .iov_base = much + len, .iov_len = (size_t)i % 700 };
		len += iov[i].iov_len;
	}
	cr_assert(!ktls_op_writev(turns_op(&write), pair.conn[0], iov, PIECES, KTLS_FOREVER));

	hear(pair.conn[1], 0, len);
	cr_assert(!turns_end(ring, &write) && write.event.n == len);
	pair_free(&pair);
}
