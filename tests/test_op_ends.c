/* SPDX-License-Identifier: MIT */

/* Ops on connections: files, keys, orderly ends, and the other ones. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "tests/kit.h"
#include "tests/ringing.h"
#include "tests/turns.h"

enum {
	MUCH = 1 << 20,
	BIG = 8 << 20,
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

TestSuite(op_files, .init = make, .fini = unmake);
TestSuite(op_keys, .init = make, .fini = unmake);
TestSuite(op_ends, .init = make, .fini = unmake);
TestSuite(op_failures, .init = make, .fini = unmake);

/* One end that listens to a file, or to much of it. */
struct listening {
	struct turns_op op;
	struct ktls_conn *conn;
	uint64_t got;
};

static void listen_on(struct listening *listening, struct ktls_conn *conn)
{
	listening->conn = conn;
	cr_assert(!ktls_op_receive(turns_op(&listening->op), conn, KTLS_FOREVER));
}

/* Takes what came, if something did, and goes on. */
static void keep_listening(struct listening *listening)
{
	const uint8_t *data = listening->op.event.data;

	if (!listening->op.end)
		return;
	cr_assert(!listening->op.event.result, "at %zu: %s", (size_t)listening->got,
		  ktls_conn_error(listening->conn));
	for (uint64_t i = 0; i < listening->op.event.n; i++)
		cr_assert_eq(data[i], kit_byte((size_t)(listening->got + i)));
	listening->got += listening->op.event.n;
	listen_on(listening, listening->conn);
}

static void listen_until(struct listening *listening, uint64_t len)
{
	while (listening->got < len) {
		cr_assert(turns_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS)));
		keep_listening(listening);
	}
	cr_assert_eq(listening->got, len);
}

/* -- Files -- */

static unsigned int looked;

static ssize_t fail_look(const struct iovec *iov, int iovcnt, int flags, int error)
{
	(void)iov;
	(void)iovcnt;
	looked++;
	errno = flags & RWF_NOWAIT ? error : EIO;
	return -1;
}

static ssize_t is_on_the_disk(int fd, const struct iovec *iov, int iovcnt, off_t offset, int flags)
{
	(void)fd;
	(void)offset;
	return fail_look(iov, iovcnt, flags, EAGAIN);
}

static ssize_t cannot_say(int fd, const struct iovec *iov, int iovcnt, off_t offset, int flags)
{
	(void)fd;
	(void)offset;
	return fail_look(iov, iovcnt, flags, EOPNOTSUPP);
}

static void both_get_on(void)
{
	struct pair pairs[2] = { turns_pair(ring, 0), turns_pair(ring, 0) };
	struct turns_op files[2] = { { .end = 0 } };
	struct listening ends[2] = { { .got = 0 } };
	uint64_t other = 0;
	int file_fd = kit_file(BIG);

	for (int i = 0; i < 2; i++) {
		cr_assert(!ktls_op_sendfile(turns_op(&files[i]), pairs[i].conn[1], file_fd, 0, BIG,
					    KTLS_FOREVER));
		listen_on(&ends[i], pairs[i].conn[0]);
	}
	while (ends[0].got < BIG || ends[1].got < BIG) {
		cr_assert(turns_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS)));
		for (int i = 0; i < 2; i++)
			keep_listening(&ends[i]);
		if (!other && (ends[0].got == BIG || ends[1].got == BIG))
			other = ends[ends[0].got == BIG].got;
	}
	cr_assert_gt(other, BIG / 4, "one waited for the other");
	for (int i = 0; i < 2; i++) {
		cr_assert(!turns_end(ring, &files[i]) && files[i].event.n == BIG);
		cr_assert_eq(turns_cancel(ring, &ends[i].op), -ECANCELED);
		pair_free(&pairs[i]);
	}
	close(file_fd);
}

Test(op_files, two_big_ones_both_get_on)
{
	both_get_on();
}

Test(op_files, two_that_come_from_a_disk_both_get_on)
{
	ktls_sys.preadv2 = is_on_the_disk;
	both_get_on();
	/* Over epoll nobody could read them for us. */
	cr_assert_eq(looked, ktls_ring_get_kind(ring) == KTLS_RING_EPOLL ? 0 : 2,
		     "a file is looked at until it was cold once");
}

Test(op_files, one_within_a_page_is_looked_at_once)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op file = { .end = 0 };
	struct listening end = { .got = 0 };
	int file_fd = kit_file(1000);

	ktls_sys.preadv2 = cannot_say;
	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, 0, 1000, KTLS_FOREVER));
	listen_on(&end, pair.conn[0]);
	listen_until(&end, 1000);
	cr_assert(!turns_end(ring, &file) && file.event.n == 1000);
	cr_assert_eq(looked, ktls_ring_get_kind(ring) == KTLS_RING_EPOLL ? 0 : 1);
	cr_assert_eq(turns_cancel(ring, &end.op), -ECANCELED);
	pair_free(&pair);
	close(file_fd);
}

Test(op_files, one_that_was_cancelled_or_too_late_says_exactly_how_much_went)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op file = { .end = 0 };
	struct listening end = { .got = 0 };
	int file_fd = kit_file(MUCH);
	uint64_t at;

	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, 0, MUCH, KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert_eq(turns_cancel(ring, &file), -ECANCELED);
	at = file.event.n;
	cr_assert(at > 0 && at < MUCH);
	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, at, MUCH - at,
				    ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &file), KTLS_TIMEDOUT);
	at += file.event.n;
	cr_assert(
		!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, at, MUCH - at, KTLS_NOW));
	cr_assert_eq(turns_end(ring, &file), KTLS_WANT_WRITE);
	at += file.event.n;
	cr_assert_lt(at, MUCH);

	listen_on(&end, pair.conn[0]);
	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, at, MUCH - at,
				    KTLS_FOREVER));
	listen_until(&end, MUCH);
	cr_assert(!turns_end(ring, &file) && file.event.n == MUCH - at);
	cr_assert_eq(turns_cancel(ring, &end.op), -ECANCELED);
	pair_free(&pair);
	close(file_fd);
}

Test(op_files, what_is_no_file_or_too_short_changes_nothing)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op file = { .end = 0 };
	int file_fd = kit_file(1000), fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], fds[0], 0, 1, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &file), -EINVAL);
	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], -1, 0, 1, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &file), -EBADF);
	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, 0, 1001, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &file), -KTLS_E_FILE_SHORT);
	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, 0, 0, KTLS_FOREVER));
	cr_assert(!turns_end(ring, &file) && !file.event.n);

	turns_carry(ring, &pair, PAIR_SERVER);
	pair_free(&pair);
	close(file_fd);
	ringing_close_pair(fds);
}

static void shrinks(void)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op file = { .end = 0 };
	struct listening end = { .got = 0 };
	int file_fd = kit_file(MUCH), r;

	cr_assert(!ktls_op_sendfile(turns_op(&file), pair.conn[1], file_fd, 0, MUCH, KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert_eq(ftruncate(file_fd, 10), 0);
	listen_on(&end, pair.conn[0]);
	while (!file.end) {
		keep_listening(&end);
		cr_assert(turns_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS)));
	}
	cr_assert_eq(file.event.result, -KTLS_E_FILE_SHORT);

	/* An alert that found no room was not sent; then the end says so. */
	pair.conn[1] = ktls_conn_free(pair.conn[1]);
	pair.fd[1] = -1;
	while (!end.op.end || !end.op.event.result) {
		keep_listening(&end);
		cr_assert(turns_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS)));
	}
	r = end.op.event.result;
	cr_assert(r < 0 || r == KTLS_CLOSED, "%s", ktls_strerrorname(r));
	pair_free(&pair);
	close(file_fd);
}

Test(op_files, one_that_shrinks_fails_the_connection)
{
	shrinks();
}

Test(op_files, one_that_shrinks_on_its_disk_fails_the_connection)
{
	ktls_sys.preadv2 = is_on_the_disk;
	shrinks();
}

/* -- Keys -- */

Test(op_keys, change_both_ways_while_bytes_flow_both_ways)
{
	struct pair pair = turns_pair_user(ring, SMALL_BUFFER);
	struct turns_op ops[2] = { { .end = 0 } };
	struct listening ends[2] = { { .got = 0 } };
	struct ktls_info info;
	size_t sent[2] = { 0 };
	int updates = 0;

	for (int i = 0; i < 2; i++)
		listen_on(&ends[i], pair.conn[!i]);
	while (ends[0].got < MUCH || ends[1].got < MUCH) {
		for (int i = 0; i < 2; i++) {
			size_t n = MUCH - sent[i] < 5000 ? MUCH - sent[i] : 5000;

			keep_listening(&ends[i]);
			if (ktls_op_cancel(&ops[i].op) != -ENOENT)
				continue;
			sent[i] += ops[i].event.n;
			cr_assert(!ops[i].event.result || ops[i].event.result == -ECANCELED);
			n = MUCH - sent[i] < n ? MUCH - sent[i] : n;
			if (++updates % 5 == 0)
				cr_assert(!ktls_op_update_key(turns_op(&ops[i]), pair.conn[i],
							      (enum ktls_key_update)(updates % 2),
							      KTLS_FOREVER));
			else
				cr_assert(!ktls_op_write(turns_op(&ops[i]), pair.conn[i],
							 much + sent[i], n, KTLS_FOREVER));
		}
		cr_assert(turns_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS)));
	}
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ends[i].got, MUCH);
		cr_assert(!ktls_conn_get_info(pair.conn[i], &info, sizeof(info)));
		cr_assert(info.key_updates[KTLS_TX] > 0 && info.key_updates[KTLS_RX] > 0);
	}
	ktls_ring_free(ring);
	ring = NULL;
	pair_free(&pair);
}

/* -- Ends -- */

Test(op_ends, after_ours_reads_go_on_until_theirs)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op op = { .end = 0 };

	cr_assert(!ktls_op_shutdown(turns_op(&op), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), 0);
	cr_assert(!ktls_op_write(turns_op(&op), pair.conn[0], much, 1, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), -EPIPE);
	cr_assert(!ktls_op_receive(turns_op(&op), pair.conn[1], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), KTLS_EOF);
	cr_assert_eq(op.event.n, 0);

	turns_carry(ring, &pair, PAIR_SERVER);
	cr_assert(!ktls_op_shutdown(turns_op(&op), pair.conn[1], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), 0);
	cr_assert(!ktls_op_receive(turns_op(&op), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), KTLS_EOF);
	pair_free(&pair);
}

Test(op_ends, both_close_in_order)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op ops[2] = { { .end = 0 } };
	unsigned int before = kit_count_fds();

	for (int i = 0; i < 2; i++)
		cr_assert(
			!ktls_op_shutdown_and_close(turns_op(&ops[i]), pair.conn[i], KTLS_FOREVER));
	for (int i = 0; i < 2; i++)
		cr_assert_eq(turns_end(ring, &ops[i]), 0);
	cr_assert_eq(kit_count_fds(), before - 2);

	cr_assert(!ktls_op_shutdown_and_close(turns_op(&ops[0]), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &ops[0]), -ENOTCONN);
	pair_free(&pair);
}

Test(op_ends, a_close_at_its_deadline_closes_all_the_same)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op op = { .end = 0 };
	unsigned int before = kit_count_fds();

	cr_assert(!ktls_op_shutdown_and_close(turns_op(&op), pair.conn[0], KTLS_NOW));
	cr_assert_gt(turns_end(ring, &op), 0, "the other end has not ended");
	cr_assert_eq(kit_count_fds(), before);
	cr_assert(!ktls_op_shutdown_and_close(turns_op(&op), pair.conn[0],
					      ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &op), KTLS_TIMEDOUT);
	cr_assert_eq(kit_count_fds(), before - 1);

	cr_assert(!ktls_op_receive(turns_op(&op), pair.conn[1], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), KTLS_EOF);
	pair_free(&pair);
}

Test(op_ends, a_close_can_be_cancelled_and_begun_again)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op ops[2] = { { .end = 0 } };

	cr_assert(!ktls_op_shutdown_and_close(turns_op(&ops[0]), pair.conn[0], KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert_eq(turns_cancel(ring, &ops[0]), -ECANCELED);
	for (int i = 0; i < 2; i++)
		cr_assert(
			!ktls_op_shutdown_and_close(turns_op(&ops[i]), pair.conn[i], KTLS_FOREVER));
	for (int i = 0; i < 2; i++)
		cr_assert_eq(turns_end(ring, &ops[i]), 0);
	pair_free(&pair);
}

/* A close reads and throws away, also what the ring had taken from the socket. */
Test(op_ends, a_close_over_bytes_that_nobody_reads_is_in_order)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op ops[2] = { { .end = 0 } }, read = { .end = 0 };
	uint8_t byte;

	cr_assert(!ktls_op_write(turns_op(&ops[0]), pair.conn[0], much, 100000, KTLS_FOREVER));
	cr_assert(!ktls_op_read(turns_op(&read), pair.conn[1], &byte, 1, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &read), 0);
	cr_assert(!ktls_op_shutdown_and_close(turns_op(&ops[1]), pair.conn[1], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &ops[0]), 0);
	cr_assert(!ktls_op_shutdown_and_close(turns_op(&ops[0]), pair.conn[0], KTLS_FOREVER));
	for (int i = 0; i < 2; i++)
		cr_assert_eq(turns_end(ring, &ops[i]), 0, "%d: %s", i,
			     ktls_conn_error(pair.conn[i]));
	pair_free(&pair);
}

Test(op_ends, an_end_behind_a_full_socket_ends_at_its_deadline_and_goes_on)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op write = { .end = 0 }, end = { .end = 0 };
	struct listening other = { .got = 0 };

	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, MUCH,
				 ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &write), KTLS_TIMEDOUT);
	cr_assert(!ktls_op_shutdown(turns_op(&end), pair.conn[0], ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &end), KTLS_TIMEDOUT);

	cr_assert(!ktls_op_shutdown(turns_op(&end), pair.conn[0], KTLS_FOREVER));
	listen_on(&other, pair.conn[1]);
	while (!other.op.end || !other.op.event.result) {
		keep_listening(&other);
		cr_assert(turns_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS)));
	}
	cr_assert_eq(other.op.event.result, KTLS_EOF);
	cr_assert_eq(other.got, write.event.n);
	cr_assert_eq(turns_end(ring, &end), 0);
	pair_free(&pair);
}

/* -- Failures -- */

Test(op_failures, a_peer_that_vanishes_ends_both_ops)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };
	int r;

	cr_assert_eq(ktls_ring_remove(ring, pair.conn[1]), 0);
	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, MUCH, KTLS_FOREVER));
	turns_quiet(ring);
	/* Over bytes that it had not read: a reset. */
	pair_vanish(&pair, PAIR_SERVER);

	r = turns_end(ring, &write);
	cr_assert(r == -ECONNRESET || r == -EPIPE, "%s", ktls_strerrorname(r));
	r = turns_end(ring, &read);
	cr_assert(r == -ECONNRESET || r == -EPIPE || r == KTLS_CLOSED, "%s", ktls_strerrorname(r));
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, 1, KTLS_FOREVER));
	cr_assert_lt(turns_end(ring, &write), 0);
	pair_free(&pair);
}

Test(op_failures, a_peer_that_goes_without_a_word_has_closed)
{
	struct pair pair = turns_pair(ring, 0);
	struct turns_op read = { .end = 0 };

	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	turns_quiet(ring);
	pair.conn[1] = ktls_conn_free(pair.conn[1]);
	pair.fd[1] = -1;

	cr_assert_eq(turns_end(ring, &read), KTLS_CLOSED);
	pair_free(&pair);
}

/* Others of the same config, whose records take what buffers there are. */
static void write_with_others(struct pair *pair, struct pair others[2], struct turns_op writes[2])
{
	for (int i = 0; i < 2; i++) {
		struct ktls_config *client = ktls_config_ref(pair->config[0]);
		struct ktls_config *server = ktls_config_ref(pair->config[1]);
		int rc[2];

		others[i] = pair_join(client, server, "localhost", SMALL_BUFFER);
		pair_handshake(&others[i], rc);
		cr_assert(!rc[0] && !rc[1]);
		cr_assert(!ktls_ring_add(ring, others[i].conn[0]));
		cr_assert(!ktls_op_write(turns_op(&writes[i]), others[i].conn[0], much, MUCH,
					 KTLS_FOREVER));
	}
}

/* The kernel still reads what it was given to send: nobody else's records may lie there. */
Test(op_failures, a_bad_record_while_a_send_is_under_way_spoils_no_byte_of_it)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct turns_op read = { .end = 0 }, write = { .end = 0 }, writes[2] = { { .end = 0 } };
	struct pair others[2];
	uint8_t bytes[MUCH];
	size_t got = 0, n;
	int r;

	options.buffer_bytes = 1 << 16; /* of whole records, and a part of one */
	options.pool = 3;
	struct pair pair = pair_open(&options);

	cr_assert(!ktls_ring_add(ring, pair.conn[0]));
	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, MUCH, KTLS_FOREVER));
	turns_quiet(ring);
	ringing_say(pair.fd[1], "this is no record of TLS");
	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &read), -KTLS_E_BAD_RECORD);
	write_with_others(&pair, others, writes);

	/* What was on its way arrives as it was, and then no more, but an alert where none was. */
	do {
		r = ktls_conn_read(pair.conn[1], bytes, sizeof(bytes), KTLS_NOW, &n);
		cr_assert(!r || r == KTLS_WANT_READ || r == -KTLS_E_ALERT, "%s",
			  ktls_conn_error(pair.conn[1]));
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(bytes[i], kit_byte(got + i));
		got += n;
		turns_wait(ring, ktls_deadline_in(1));
	} while (!r || !write.end);
	cr_assert_eq(write.event.result, -KTLS_E_BAD_RECORD);
	cr_assert_gt(got, 0);

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(turns_cancel(ring, &writes[i]), -ECANCELED);
		pair_free(&others[i]);
	}
	pair_free(&pair);
}

/* Though its peer takes nothing of it. */
Test(op_failures, a_bad_record_ends_the_write_too)
{
	struct pair pair = turns_pair_user(ring, SMALL_BUFFER);
	struct turns_op read = { .end = 0 }, write = { .end = 0 };

	cr_assert(!ktls_op_write(turns_op(&write), pair.conn[0], much, MUCH, KTLS_FOREVER));
	cr_assert(!ktls_op_receive(turns_op(&read), pair.conn[0], KTLS_FOREVER));
	turns_quiet(ring);
	ringing_say(pair.fd[1], "this is no record of TLS");

	cr_assert_eq(turns_end(ring, &read), -KTLS_E_BAD_RECORD);
	cr_assert_eq(turns_end(ring, &write), -KTLS_E_BAD_RECORD);
	pair_free(&pair);
}

static void be_plain(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(!ktls_config_set_insecure_plaintext(config));
}

/* One has read a byte of what came, whose rest lies in the only buffer. */
Test(op_failures, who_finds_no_buffer_of_the_rings_reads_without)
{
	enum {
		LEN = 100
	};
	const struct pair_options options = { .cipher = -1, .configure = be_plain };
	struct ktls_ring *tight = turns_ring(4, 1);
	struct pair pairs[2] = { pair_open(&options), pair_open(&options) };
	struct turns_op reads[2] = { { .end = 0 } }, write = { .end = 0 };
	uint8_t bytes[LEN];

	for (int i = 0; i < 4; i++)
		cr_assert(!ktls_ring_add(tight, pairs[i / 2].conn[i % 2]));
	cr_assert(!ktls_op_read(turns_op(&reads[0]), pairs[0].conn[1], bytes, 1, KTLS_FOREVER));
	turns_quiet(tight);
	cr_assert(!ktls_op_write(turns_op(&write), pairs[0].conn[0], much, LEN, KTLS_FOREVER));
	cr_assert(!turns_end(tight, &reads[0]) && !turns_end(tight, &write));
	cr_assert(!ktls_op_receive(turns_op(&reads[1]), pairs[1].conn[1], KTLS_FOREVER));
	cr_assert(!ktls_op_write(turns_op(&write), pairs[1].conn[0], much, LEN, KTLS_FOREVER));
	cr_assert_eq(turns_end(tight, &write), 0);

	cr_assert(!turns_end(tight, &reads[1]) && reads[1].event.n == LEN);
	/* Over epoll there are none. */
	if (ktls_ring_get_kind(tight) == KTLS_RING_IO_URING)
		cr_assert_eq(ktls_ring_remove(tight, pairs[0].conn[1]), -EBUSY);
	cr_assert(!ktls_op_read(turns_op(&reads[0]), pairs[0].conn[1], bytes, LEN, KTLS_FOREVER));
	cr_assert(!turns_end(tight, &reads[0]) && reads[0].event.n == LEN - 1);
	for (int i = 0; i < 2; i++)
		pair_free(&pairs[i]);
	ktls_ring_free(tight);
}
