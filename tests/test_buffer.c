/* SPDX-License-Identifier: MIT */

/* Registered memory: whose it is, the ops that use it, and what becomes of both. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring.h"
#include "tests/kit.h"
#include "tests/ringing.h"
#include "tests/turns.h"

enum {
	MUCH = 1 << 20,
	SMALL_BUFFER = 4096,
	SOON_MS = 50,
	NOBODY = 65534,
	WRITES = 20,
};

static struct ktls_ring *ring;
static size_t page;

static void make(void)
{
	ring = turns_ring(8, 8);
	page = (size_t)sysconf(_SC_PAGESIZE);
}

static void unmake(void)
{
	ktls_ring_free(ring);
}

TestSuite(buffer, .init = make, .fini = unmake);

static bool ring_is_uring(void)
{
	return ktls_ring_get_kind(ring) == KTLS_RING_IO_URING;
}

static struct ktls_buffer *new_buffer(size_t size)
{
	struct ktls_buffer *buffer;
	int r = ktls_buffer_new(&buffer, ring, size);

	cr_assert(!r, "%s", ktls_strerrorname(r));
	return buffer;
}

static struct ktls_buffer *full_buffer(void)
{
	struct ktls_buffer *buffer = new_buffer(MUCH);
	uint8_t *data = ktls_buffer_data(buffer);

	for (size_t i = 0; i < MUCH; i++)
		data[i] = kit_byte(i);
	return buffer;
}

/* The peer reads bytes [at..at + len) of the test's, into a buffer, too. */
static void hear(struct ktls_conn *conn, size_t at, size_t len)
{
	struct ktls_buffer *buffer = new_buffer(page);
	const uint8_t *data = ktls_buffer_data(buffer);
	struct turns_op read = { .end = 0 };
	size_t end = at + len;

	for (; at < end; at += read.event.n) {
		size_t part = end - at < page - 1 ? end - at : page - 1;

		cr_assert(
			!ktls_op_read_buffer(turns_op(&read), conn, buffer, 1, part, KTLS_FOREVER));
		cr_assert(!turns_end(ring, &read), "%s", ktls_conn_error(conn));
		for (size_t i = 0; i < read.event.n; i++)
			cr_assert_eq(data[1 + i], kit_byte(at + i));
	}
	ktls_buffer_unref(buffer);
}

/* -- Whose it is -- */

Test(buffer, it_is_whole_pages_and_registered)
{
	struct ktls_buffer *buffer = new_buffer(page + 1);
	const void *data = ktls_buffer_data(buffer);

	cr_assert_eq(ktls_buffer_size(buffer), 2 * page);
	cr_assert_eq(ktls_buffer_is_registered(buffer),
		     ring_is_uring() && !uring_probe()->reason[URING_HAS_BUFFERS]);
	cr_assert_eq(ktls_buffer_ref(buffer), buffer);
	cr_assert_null(ktls_buffer_unref(buffer));
	cr_assert(ringing_is_mapped(data));
	cr_assert_null(ktls_buffer_unref(buffer));
	cr_assert_not(ringing_is_mapped(data));
	cr_assert_null(ktls_buffer_unref(NULL));
}

Test(buffer, sizes_that_make_no_sense_are_refused)
{
	struct ktls_buffer *buffer;

	cr_assert_eq(ktls_buffer_new(NULL, ring, 1), -EINVAL);
	cr_assert_eq(ktls_buffer_new(&buffer, NULL, 1), -EINVAL);
	cr_assert_eq(ktls_buffer_new(&buffer, ring, 0), -EINVAL);
	cr_assert_eq(ktls_buffer_new(&buffer, ring, (size_t)KTLS_BUFFER_SIZE_MAX + 1), -EINVAL);
}

Test(buffer, starts_that_make_no_sense_are_refused)
{
	struct pair pair = turns_pair(ring, 0);
	struct ktls_ring *other = turns_ring(1, 1);
	struct ktls_buffer *buffer = new_buffer(page), *others;
	struct ktls_conn *conn = pair.conn[0];
	struct ktls_op op = { .user = NULL };
	int file_fd = kit_file(1);

	cr_assert_eq(ktls_buffer_new(&others, other, page), 0);
	cr_assert_eq(ktls_op_write_buffer(NULL, conn, buffer, 0, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_write_buffer(&op, NULL, buffer, 0, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_write_buffer(&op, conn, NULL, 0, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_write_buffer(&op, conn, buffer, 0, page + 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_write_buffer(&op, conn, buffer, page, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_write_buffer(&op, conn, buffer, page + 1, 0, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_read_buffer(&op, NULL, buffer, 0, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_read_buffer(&op, conn, buffer, 1, SIZE_MAX, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_read_file(&op, NULL, file_fd, 0, buffer, 0, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_read_file(&op, ring, -1, 0, buffer, 0, 1, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_read_file(&op, ring, file_fd, UINT64_MAX, buffer, 0, 1, KTLS_NOW),
		     -EINVAL);
	if (ring_is_uring()) {
		cr_assert_eq(ktls_op_write_buffer(&op, conn, others, 0, 1, KTLS_NOW), -EINVAL);
		cr_assert_eq(ktls_op_read_buffer(&op, conn, others, 0, 1, KTLS_NOW), -EINVAL);
		cr_assert_eq(ktls_op_read_file(&op, ring, file_fd, 0, others, 0, 1, KTLS_NOW),
			     -EINVAL);
	}
	cr_assert_eq(ktls_op_cancel(&op), -ENOENT);

	ktls_buffer_unref(buffer);
	ktls_buffer_unref(others);
	ktls_ring_free(other);
	turns_carry(ring, &pair, PAIR_CLIENT);
	pair_free(&pair);
	close(file_fd);
}

Test(buffer, more_than_the_kernel_registers_are_of_use_as_well)
{
	static struct ktls_buffer *buffers[KTLS_BUFFER_REGISTERED_MAX + 1];
	struct pair pair = turns_pair(ring, 0);
	struct turns_op write = { .end = 0 };

	for (int i = 0; i <= KTLS_BUFFER_REGISTERED_MAX; i++)
		buffers[i] = new_buffer(page);
	cr_assert_not(ktls_buffer_is_registered(buffers[KTLS_BUFFER_REGISTERED_MAX]));
	*(uint8_t *)ktls_buffer_data(buffers[KTLS_BUFFER_REGISTERED_MAX]) = kit_byte(0);
	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0],
					buffers[KTLS_BUFFER_REGISTERED_MAX], 0, 1, KTLS_FOREVER));
	hear(pair.conn[1], 0, 1);
	cr_assert(!turns_end(ring, &write) && write.event.n == 1);
	for (int i = 0; i <= KTLS_BUFFER_REGISTERED_MAX; i++)
		ktls_buffer_unref(buffers[i]);
	pair_free(&pair);
}

/* Only who has not CAP_IPC_LOCK feels the limit, and is charged from the ring's beginning on. */
Test(buffer, with_no_memory_to_lock_it_works_unregistered)
{
	const struct rlimit none = { 0 };
	struct turns_op write = { .end = 0 };
	struct ktls_buffer *buffer;
	struct pair pair;

	ktls_ring_free(ring);
	if (!geteuid())
		cr_assert_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	make();
	pair = turns_pair(ring, 0);
	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	buffer = full_buffer();
	cr_assert_not(ktls_buffer_is_registered(buffer));
	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, 0, MUCH,
					KTLS_FOREVER));
	ktls_buffer_unref(buffer);
	hear(pair.conn[1], 0, MUCH);
	cr_assert(!turns_end(ring, &write) && write.event.n == MUCH);
	pair_free(&pair);
}

Test(buffer, it_outlives_its_ring)
{
	struct ktls_buffer *buffers[3] = { new_buffer(1), new_buffer(1), new_buffer(1) };
	uint8_t *data = ktls_buffer_data(buffers[0]);

	ktls_buffer_unref(buffers[1]);
	ring = ktls_ring_free(ring);
	*data = 1;
	cr_assert_not(ktls_buffer_is_registered(buffers[0]));
	cr_assert_null(ktls_buffer_unref(buffers[0]));
	cr_assert_not(ringing_is_mapped(data));
	cr_assert_null(ktls_buffer_unref(buffers[2]));
}

/* -- Ops -- */

Test(buffer, a_file_goes_through_it_to_a_peer)
{
	struct pair pair = turns_pair(ring, 0);
	struct ktls_buffer *buffer = new_buffer(MUCH);
	struct turns_op op = { .end = 0 }, write = { .end = 0 };
	int file_fd = kit_file(MUCH);
	size_t got = 0;

	while (got < MUCH) {
		cr_assert(!ktls_op_read_file(turns_op(&op), ring, file_fd, got, buffer, got,
					     MUCH - got, KTLS_FOREVER));
		cr_assert(!turns_end(ring, &op) && op.event.n && !op.event.conn);
		got += op.event.n;
	}
	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, 0, 1000,
					KTLS_FOREVER));
	hear(pair.conn[1], 0, 1000);
	cr_assert(!turns_end(ring, &write) && write.event.n == 1000);
	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, 1000, MUCH - 1000,
					KTLS_FOREVER));
	hear(pair.conn[1], 1000, MUCH - 1000);
	cr_assert(!turns_end(ring, &write) && write.event.n == MUCH - 1000);
	ktls_buffer_unref(buffer);
	pair_free(&pair);
	close(file_fd);
}

Test(buffer, a_files_end_and_what_is_no_file_are_told)
{
	struct ktls_buffer *buffer = new_buffer(MUCH);
	struct turns_op op = { .end = 0 };
	int file_fd = kit_file(100), directory_fd = open("/", O_RDONLY | O_CLOEXEC);

	cr_assert(
		!ktls_op_read_file(turns_op(&op), ring, file_fd, 90, buffer, 7, 100, KTLS_FOREVER));
	cr_assert(!turns_end(ring, &op) && op.event.n == 10);
	cr_assert_eq(((uint8_t *)ktls_buffer_data(buffer))[7], kit_byte(90));
	cr_assert(!ktls_op_read_file(turns_op(&op), ring, file_fd, 100, buffer, 0, 100,
				     KTLS_FOREVER));
	cr_assert(!turns_end(ring, &op) && !op.event.n);
	cr_assert(!ktls_op_read_file(turns_op(&op), ring, file_fd, 0, buffer, 0, 0, KTLS_FOREVER));
	cr_assert(!turns_end(ring, &op) && !op.event.n);
	cr_assert(!ktls_op_read_file(turns_op(&op), ring, directory_fd, 0, buffer, 0, 1,
				     KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), -EISDIR);
	close(directory_fd);
	cr_assert(!ktls_op_read_file(turns_op(&op), ring, directory_fd, 0, buffer, 0, 1,
				     KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), -EBADF);
	ktls_buffer_unref(buffer);
	close(file_fd);
}

/* A write that waits for its peer, and a read: of all that holds their memory, the ops are left. */
static void begin_both(struct pair *pair, struct turns_op *write, struct turns_op *read,
		       const void *ret_data[2])
{
	struct ktls_buffer *full = full_buffer(), *empty = new_buffer(page);

	ret_data[0] = ktls_buffer_data(full);
	ret_data[1] = ktls_buffer_data(empty);
	cr_assert(
		!ktls_op_write_buffer(turns_op(write), pair->conn[0], full, 0, MUCH, KTLS_FOREVER));
	cr_assert(
		!ktls_op_read_buffer(turns_op(read), pair->conn[0], empty, 0, page, KTLS_FOREVER));
	ktls_buffer_unref(full);
	ktls_buffer_unref(empty);
	turns_quiet(ring);
	cr_assert(ringing_is_mapped(ret_data[0]) && ringing_is_mapped(ret_data[1]));
}

Test(buffer, given_up_in_flight_it_goes_with_the_ops_end)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op write = { .end = 0 }, read = { .end = 0 };
	const void *data[2];

	begin_both(&pair, &write, &read, data);
	hear(pair.conn[1], 0, MUCH);
	cr_assert(!turns_end(ring, &write) && write.event.n == MUCH);
	cr_assert_not(ringing_is_mapped(data[0]));
	cr_assert_eq(turns_cancel(ring, &read), -ECANCELED);
	cr_assert_not(ringing_is_mapped(data[1]));
	pair_free(&pair);
}

Test(buffer, a_write_that_was_cancelled_or_too_late_says_exactly_how_much_went)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct ktls_buffer *buffer = full_buffer();
	const void *data = ktls_buffer_data(buffer);
	struct turns_op write = { .end = 0 };
	size_t at;

	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, 0, MUCH,
					KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert_eq(turns_cancel(ring, &write), -ECANCELED);
	at = write.event.n;
	cr_assert(at > 0 && at < MUCH);
	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, at, MUCH - at,
					ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &write), KTLS_TIMEDOUT);
	at += write.event.n;
	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, at, MUCH - at,
					KTLS_NOW));
	cr_assert_eq(turns_end(ring, &write), KTLS_WANT_WRITE);
	at += write.event.n;

	cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, at, 100,
					KTLS_FOREVER));
	hear(pair.conn[1], 0, at + 100);
	cr_assert(!turns_end(ring, &write));
	ktls_buffer_unref(buffer);
	cr_assert_not(ringing_is_mapped(data));
	pair_free(&pair);
}

Test(buffer, a_ring_that_is_freed_gives_up_what_its_ops_held)
{
	struct pair pair = turns_pair(ring, SMALL_BUFFER);
	struct turns_op write = { .end = 0 }, read = { .end = 0 };
	const void *data[2];

	begin_both(&pair, &write, &read, data);
	ring = ktls_ring_free(ring);
	cr_assert(!ringing_is_mapped(data[0]) && !ringing_is_mapped(data[1]));
	pair_free(&pair);
}

/* -- Signals -- */

static volatile sig_atomic_t sigpipes;

static void count_sigpipe(int signal)
{
	(void)signal;
	sigpipes++;
}

Test(buffer, a_peer_that_is_gone_is_an_error_and_no_signal)
{
	struct pair pair = turns_pair(ring, 0);
	struct ktls_buffer *buffer = full_buffer();
	struct turns_op write = { .end = 0 };
	int r = 0;

	signal(SIGPIPE, count_sigpipe);
	pair_vanish(&pair, PAIR_SERVER);
	for (int i = 0; !r && i < WRITES; i++) {
		cr_assert(!ktls_op_write_buffer(turns_op(&write), pair.conn[0], buffer, 0, MUCH,
						ktls_deadline_in(TURNS_PATIENCE_MS)));
		r = turns_end(ring, &write);
	}
	cr_assert(r == -EPIPE || r == -ECONNRESET, "%s", ktls_strerrorname(r));
	turns_quiet(ring);
	cr_assert_eq(sigpipes, 0);
	ktls_buffer_unref(buffer);
	pair_free(&pair);
}
