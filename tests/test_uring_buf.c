/* SPDX-License-Identifier: MIT */

/* Memory that the ring knows: whose it is, when it goes, and what happens when there is none. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "tests/ringing.h"

enum {
	OPS = 128,
	POOL = 4,
	SIZE = 256,
	NOBODY = 65534,
};

TestSuite(buf, .init = ringing_require);

static struct uring *new_ring(unsigned int buffers)
{
	return ringing_new(&(struct uring_options){ .ops = OPS, .buffers = buffers });
}

static struct uring_buffer *new_buffer(struct uring *ring, size_t len)
{
	struct uring_buffer *buffer;
	int r = uring_buffer_new(&buffer, ring, len);

	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	return buffer;
}

static struct uring_pool *new_pool(struct uring *ring)
{
	struct uring_pool *pool;
	int r;

	ringing_require_feature(URING_HAS_POOLS);
	r = uring_pool_new(&pool, ring, POOL, SIZE);
	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	return pool;
}

static struct uring_request io_of(enum uring_kind kind, int fd, struct uring_buffer *buffer,
				  size_t len)
{
	return (struct uring_request){ .kind = kind,
				       .fd = fd,
				       .data = buffer->data,
				       .len = len,
				       .offset = UINT64_MAX,
				       .buffer = buffer };
}

/* -- registered buffers -- */

/* Writes from it to a socket, and reads from there into it. */
static void expect_it_works(struct uring *ring, struct uring_buffer *buffer)
{
	int fd[2];

	ringing_pair(fd);
	memset(buffer->data, 'a', buffer->len);
	cr_assert_eq(ringing_end_of(ring,
				    ringing_start(ring, io_of(URING_WRITE, fd[0], buffer, 100))),
		     100);
	memset(buffer->data, 'b', buffer->len);
	cr_assert_eq(ringing_end_of(ring,
				    ringing_start(ring, io_of(URING_READ, fd[1], buffer, 200))),
		     100);
	cr_assert_eq(buffer->data[99], 'a');
	cr_assert_eq(buffer->data[100], 'b');
	ringing_close_pair(fd);
}

Test(buf, it_is_whole_pages_and_registered_and_works)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct uring *ring = new_ring(4);
	struct uring_buffer *buffer;

	ringing_require_feature(URING_HAS_BUFFERS);
	buffer = new_buffer(ring, page + 1);
	cr_assert_eq(buffer->len, 2 * page);
	cr_assert_eq((uintptr_t)buffer->data % page, 0);
	cr_assert(buffer->registered);
	expect_it_works(ring, buffer);
	cr_assert_null(uring_buffer_unref(buffer));
	cr_assert_null(uring_buffer_unref(NULL));
	ringing_end(ring);
}

/* A fixed op with an entry that is not this memory fails: the witness that it is the entry that is
 * used. */
Test(buf, its_registration_is_what_reads_and_writes_use)
{
	struct uring *ring = new_ring(4);
	struct uring_buffer *one, *other;
	struct uring_buffer mixed;
	struct uring_request request;
	int fd[2];

	ringing_require_feature(URING_HAS_BUFFERS);
	ringing_pair(fd);
	one = new_buffer(ring, 1);
	other = new_buffer(ring, 1);
	mixed = *one;
	mixed.index = other->index;
	mixed.refs++;
	request = io_of(URING_WRITE, fd[0], &mixed, 10);
	cr_assert_eq(ringing_end_of(ring, ringing_start(ring, request)), -EFAULT);
	uring_buffer_unref(one);
	uring_buffer_unref(other);
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(buf, data_outside_of_it_is_refused)
{
	struct uring *ring = new_ring(4);
	struct uring_buffer *buffer = new_buffer(ring, 1);
	struct uring_request request = io_of(URING_READ, 0, buffer, buffer->len + 1);

	cr_assert_eq(uring_start(ring, &request, 1, NULL), -EINVAL);
	request.len = buffer->len;
	request.data = buffer->data + 1;
	cr_assert_eq(uring_start(ring, &request, 1, NULL), -EINVAL);
	request.len = 1;
	request.data = buffer->data - 1;
	cr_assert_eq(uring_start(ring, &request, 1, NULL), -EINVAL);
	uring_buffer_unref(buffer);
	cr_assert_eq(uring_buffer_new(&buffer, ring, 0), -EINVAL);
	cr_assert_eq(uring_buffer_new(&buffer, ring, (size_t)URING_BUFFER_LEN_MAX + 1), -EINVAL);
	ringing_end(ring);
}

Test(buf, without_a_place_in_the_table_it_works_unregistered)
{
	for (unsigned int places = 0; places < 2; places++) {
		struct uring *ring = new_ring(places);
		struct uring_buffer *first = places ? new_buffer(ring, 1) : NULL;
		struct uring_buffer *buffer = new_buffer(ring, 1);

		cr_assert_not(buffer->registered);
		expect_it_works(ring, buffer);
		uring_buffer_unref(buffer);
		uring_buffer_unref(first);
		ringing_end(ring);
	}
}

Test(buf, places_in_the_table_are_used_again)
{
	struct uring *ring = new_ring(2);
	struct uring_buffer *keep;

	ringing_require_feature(URING_HAS_BUFFERS);
	keep = new_buffer(ring, 1);
	for (int i = 0; i < 100; i++) {
		struct uring_buffer *buffer = new_buffer(ring, 1);

		cr_assert(buffer->registered);
		cr_assert_neq(buffer->index, keep->index);
		uring_buffer_unref(buffer);
	}
	expect_it_works(ring, keep);
	uring_buffer_unref(keep);
	ringing_end(ring);
}

Test(buf, freed_in_flight_it_goes_with_the_ops_end)
{
	for (unsigned int places = 0; places < 2; places++) {
		struct uring *ring = new_ring(places);
		struct uring_buffer *buffer = new_buffer(ring, 1);
		const uint8_t *data = buffer->data;
		uint64_t op;
		int fd[2];

		ringing_pair(fd);
		op = ringing_start(ring, io_of(URING_READ, fd[1], buffer, 8));
		ringing_submit(ring);
		uring_buffer_unref(buffer);
		ringing_quiet(ring);
		cr_assert(ringing_is_mapped(data));
		ringing_say(fd[0], "hello");
		usleep(1000);
		cr_assert(ringing_is_mapped(data));
		cr_assert_eq(ringing_end_of(ring, op), 5);
		cr_assert_not(ringing_is_mapped(data));
		ringing_end(ring);
		ringing_close_pair(fd);
	}
}

Test(buf, freed_and_cancelled_it_goes_with_the_ops_end)
{
	struct uring *ring = new_ring(1);
	struct uring_buffer *buffer = new_buffer(ring, 1);
	const uint8_t *data = buffer->data;
	uint64_t op;
	int fd[2];

	ringing_pair(fd);
	op = ringing_start(ring, io_of(URING_READ, fd[1], buffer, 8));
	ringing_submit(ring);
	uring_buffer_unref(buffer);
	cr_assert_eq(uring_cancel(ring, op), 0);
	cr_assert(ringing_is_mapped(data));
	cr_assert_eq(ringing_end_of(ring, op), -ECANCELED);
	cr_assert_not(ringing_is_mapped(data));
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(buf, it_lives_as_long_as_one_of_its_owners_wants)
{
	struct uring *ring = new_ring(1);
	struct uring_buffer *buffer = new_buffer(ring, 1);
	const uint8_t *data = buffer->data;

	cr_assert_eq(uring_buffer_ref(buffer), buffer);
	uring_buffer_unref(buffer);
	expect_it_works(ring, buffer);
	uring_buffer_unref(buffer);
	cr_assert_not(ringing_is_mapped(data));
	ringing_end(ring);
}

/* Only who has not CAP_IPC_LOCK feels the limit. */
static void limit_locked_memory(void)
{
	const struct rlimit none = { 0 };

	if (!geteuid())
		cr_assert_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
}

/* A user is charged for the buffers of a ring that was made without the capability. */
Test(buf, with_no_memory_to_lock_it_works_unregistered)
{
	struct uring_buffer *buffer;
	struct uring *ring;

	ringing_require_feature(URING_HAS_BUFFERS);
	if (!geteuid())
		cr_assert_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	ring = new_ring(4);
	limit_locked_memory();
	buffer = new_buffer(ring, 1 << 20);
	cr_assert_not(buffer->registered);
	expect_it_works(ring, buffer);
	uring_buffer_unref(buffer);
	ringing_end(ring);
}

/* Some kernels (6.18) count the ring's own memory as locked as well, and a pool's. */
Test(buf, a_ring_for_which_no_memory_can_be_locked_says_so)
{
	const struct uring_options options = { .ops = OPS, .buffers = 1 };
	struct uring_buffer *buffer;
	struct uring_pool *pool;
	unsigned int reason;
	struct uring *ring;
	int r;

	ringing_require_feature(URING_HAS_POOLS);
	limit_locked_memory();
	r = uring_new(&ring, &options, &reason);
	if (r < 0) {
		cr_assert_eq(r, -ENOMEM, "%s", ktls_strerrorname(r));
		cr_assert_eq(reason, URING_REASON_MEMLOCK);
		cr_assert_not_null(strstr(uring_reason_text(reason), "RLIMIT_MEMLOCK"));
		return;
	}
	buffer = new_buffer(ring, 1);
	cr_assert_not(buffer->registered);
	expect_it_works(ring, buffer);
	uring_buffer_unref(buffer);
	r = uring_pool_new(&pool, ring, POOL, SIZE);
	cr_assert(r == 0 || r == -ENOMEM, "%s", ktls_strerrorname(r));
	if (r == 0)
		uring_pool_free(pool);
	ringing_end(ring);
}

/* -- pools -- */

static struct uring_request recv_into(struct uring_pool *pool, int fd)
{
	return (struct uring_request){ .kind = URING_RECV, .fd = fd, .pool = pool };
}

Test(buf, a_pool_gives_a_buffer_when_data_is_there)
{
	struct uring *ring = new_ring(0);
	struct uring_pool *pool = new_pool(ring);
	struct uring_event event;
	uint64_t op;
	int fd[2];

	ringing_pair(fd);
	for (int i = 0; i < 3 * POOL; i++) {
		op = ringing_start(ring, recv_into(pool, fd[1]));
		ringing_submit(ring);
		cr_assert_eq(uring_pool_left(pool), POOL);
		ringing_say(fd[0], "hello");
		event = ringing_next(ring);
		cr_assert_eq(event.op, op);
		cr_assert_eq(event.res, 5);
		cr_assert_geq(event.buffer, 0);
		cr_assert_eq(uring_pool_left(pool), POOL - 1);
		cr_assert_eq(memcmp(uring_pool_data(pool, event.buffer), "hello", 5), 0);
		uring_pool_give(pool, event.buffer);
		cr_assert_eq(uring_pool_left(pool), POOL);
	}
	cr_assert_null(uring_pool_free(pool));
	cr_assert_null(uring_pool_free(NULL));
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(buf, an_empty_pool_is_a_condition)
{
	struct uring *ring = new_ring(0);
	struct uring_pool *pool = new_pool(ring);
	struct uring_request request;
	struct uring_event event;
	int32_t taken[POOL];
	uint64_t op;
	int fd[2];

	ringing_require_feature(URING_HAS_MULTISHOT_RECV);
	ringing_pair(fd);
	request = recv_into(pool, fd[1]);
	request.flags = URING_MULTISHOT;
	op = ringing_start(ring, request);
	for (int i = 0; i < POOL; i++) {
		ringing_submit(ring);
		ringing_say(fd[0], "hello");
		event = ringing_next(ring);
		cr_assert_eq(event.op, op);
		cr_assert_eq(event.res, 5);
		cr_assert(event.more);
		taken[i] = event.buffer;
	}
	cr_assert_eq(uring_pool_left(pool), 0);
	ringing_say(fd[0], "world");
	event = ringing_next(ring);
	cr_assert_eq(event.res, -ENOBUFS);
	cr_assert_not(event.more);
	cr_assert_eq(event.buffer, -1);

	for (int i = 0; i < POOL; i++)
		uring_pool_give(pool, taken[i]);
	op = ringing_start(ring, request);
	event = ringing_next(ring);
	cr_assert_eq(event.res, 5);
	cr_assert_eq(memcmp(uring_pool_data(pool, event.buffer), "world", 5), 0);
	uring_pool_give(pool, event.buffer);

	/* The end of the stream is that of the op. */
	cr_assert_eq(shutdown(fd[0], SHUT_WR), 0);
	cr_assert_eq(ringing_end_of(ring, op), 0);
	cr_assert_eq(uring_live(ring), 0);
	uring_pool_free(pool);
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(buf, who_waits_holds_no_buffer)
{
	struct uring *ring = new_ring(0);
	struct uring_pool *pool = new_pool(ring);
	struct uring_request request;
	int fd[OPS / 2][2];

	ringing_require_feature(URING_HAS_MULTISHOT_RECV);
	for (int i = 0; i < OPS / 2; i++) {
		ringing_pair(fd[i]);
		request = recv_into(pool, fd[i][1]);
		request.flags = URING_MULTISHOT;
		request.tag = (uint64_t)i;
		ringing_start(ring, request);
	}
	ringing_submit(ring);
	cr_assert_eq(uring_pool_left(pool), POOL);
	for (int i = OPS / 2; i-- > 0;) {
		struct uring_event event;

		ringing_say(fd[i][0], "hello");
		event = ringing_next(ring);
		cr_assert_eq(event.tag, i);
		cr_assert_eq(event.res, 5);
		uring_pool_give(pool, event.buffer);
	}
	cr_assert_eq(uring_pool_left(pool), POOL);
	cr_assert_eq(uring_drain(ring, ktls_deadline_in(RINGING_PATIENCE_MS)), 0);
	uring_pool_free(pool);
	ringing_end(ring);
	for (int i = 0; i < OPS / 2; i++)
		ringing_close_pair(fd[i]);
}

Test(buf, messages_come_with_their_control_part)
{
	struct uring *ring = new_ring(0);
	struct uring_pool *pool = new_pool(ring);
	struct msghdr msg = { .msg_controllen = CMSG_SPACE(sizeof(struct ucred)) };
	struct uring_request request = {
		.kind = URING_RECVMSG, .flags = URING_MULTISHOT, .data = &msg, .pool = pool
	};
	struct uring_message message;
	struct uring_event event;
	struct msghdr got = { 0 };
	struct cmsghdr *cmsg;
	struct ucred who;
	int fd[2], on = 1;

	ringing_require_feature(URING_HAS_MULTISHOT_RECVMSG);
	ringing_pair(fd);
	cr_assert_eq(setsockopt(fd[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	request.fd = fd[1];
	ringing_start(ring, request);
	for (int i = 0; i < 3; i++) {
		ringing_submit(ring);
		ringing_say(fd[0], "hello");
		event = ringing_next(ring);
		cr_assert_geq(event.res, 0, "%s", ktls_strerrorname(event.res));
		cr_assert_eq(uring_message(uring_pool_data(pool, event.buffer), event.res, &msg,
					   &message),
			     0);
		cr_assert_eq(message.payload_len, 5);
		cr_assert_eq(memcmp(message.payload, "hello", 5), 0);
		got.msg_control = (void *)(uintptr_t)message.control;
		got.msg_controllen = message.control_len;
		cmsg = CMSG_FIRSTHDR(&got);
		cr_assert_not_null(cmsg);
		cr_assert_eq(cmsg->cmsg_type, SCM_CREDENTIALS);
		memcpy(&who, CMSG_DATA(cmsg), sizeof(who));
		cr_assert_eq(who.pid, getpid());
		uring_pool_give(pool, event.buffer);
	}
	cr_assert_eq(uring_drain(ring, ktls_deadline_in(RINGING_PATIENCE_MS)), 0);
	uring_pool_free(pool);
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(buf, a_message_is_not_believed_beyond_what_was_received)
{
	const uint32_t header[] = { 0, 16, 100, MSG_TRUNC }; /* name, control, payload, flags */
	struct msghdr msg = { .msg_controllen = 16 };
	struct uring_message message = { 0 };
	uint8_t data[64] = { 0 };

	memcpy(data, header, sizeof(header));
	cr_assert_eq(uring_message(data, 15, &msg, &message), -EBADMSG);
	cr_assert_eq(uring_message(data, 31, &msg, &message), -EBADMSG);
	cr_assert_eq(uring_message(data, -1, &msg, &message), -EBADMSG);
	cr_assert_eq(uring_message(data, 42, &msg, &message), 0);
	cr_assert_eq(message.payload_len, 10);
	cr_assert_eq(message.flags, MSG_TRUNC);
	msg.msg_controllen = 8;
	cr_assert_eq(uring_message(data, 42, &msg, &message), -EBADMSG);
}

Test(buf, a_pool_freed_in_use_goes_with_the_last_op)
{
	struct uring *ring = new_ring(0);
	struct uring_pool *pool = new_pool(ring);
	struct uring_request request;
	struct uring_event event;
	int fd[2];

	ringing_require_feature(URING_HAS_MULTISHOT_RECV);
	ringing_pair(fd);
	request = recv_into(pool, fd[1]);
	request.flags = URING_MULTISHOT;
	ringing_start(ring, request);
	ringing_submit(ring);
	uring_pool_free(pool);
	for (int i = 0; i < 2 * POOL; i++) {
		ringing_say(fd[0], "hello");
		event = ringing_next(ring);
		cr_assert_eq(event.res, 5);
		cr_assert_eq(event.buffer, -1);
	}
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(buf, pools_have_their_limits)
{
	struct uring *ring = new_ring(0);
	struct uring_pool *pool, *pools[URING_POOLS_MAX];

	ringing_require_feature(URING_HAS_POOLS);
	cr_assert_eq(uring_pool_new(&pool, ring, 0, SIZE), -EINVAL);
	cr_assert_eq(uring_pool_new(&pool, ring, 3, SIZE), -EINVAL);
	cr_assert_eq(uring_pool_new(&pool, ring, 2 * URING_POOL_COUNT_MAX, SIZE), -EINVAL);
	cr_assert_eq(uring_pool_new(&pool, ring, 1, 0), -EINVAL);
	cr_assert_eq(uring_pool_new(&pool, ring, 1, URING_POOL_SIZE_MAX + 1), -EINVAL);
	for (int i = 0; i < URING_POOLS_MAX; i++)
		pools[i] = new_pool(ring);
	cr_assert_eq(uring_pool_new(&pool, ring, POOL, SIZE), -ENOSPC);
	uring_pool_free(pools[7]);
	pools[7] = new_pool(ring);
	for (int i = 0; i < URING_POOLS_MAX; i++)
		uring_pool_free(pools[i]);
	ringing_end(ring);
}
