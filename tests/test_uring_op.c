/* SPDX-License-Identifier: MIT */

/* Ops: what each does, chains of them, and what does not fit. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "tests/kit.h"
#include "tests/ringing.h"

enum {
	OPS = 64,
	MANY = 3000,
};

/* What is sent: a request points at it as at memory to be read into. */
static char hello[] = "hello", xy[] = "xy";

TestSuite(op, .init = ringing_require);

static int file_of(const char *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

/* -- what each kind does -- */

Test(op, bytes_go_from_socket_to_socket_and_the_tag_comes_back)
{
	struct uring *ring = ringing_new_plain(OPS);
	char in[8] = { 0 };
	struct uring_event event;
	int fd[2];
	uint64_t op;

	ringing_pair(fd);
	op = ringing_start(ring, (struct uring_request){ .kind = URING_SEND,
							 .fd = fd[0],
							 .data = hello,
							 .len = 5,
							 .arg = MSG_NOSIGNAL,
							 .tag = 0xfedcba9876543210 });
	event = ringing_next(ring);
	cr_assert_eq(event.op, op);
	cr_assert_eq(event.tag, 0xfedcba9876543210);
	cr_assert_eq(event.res, 5);
	cr_assert_eq(event.buffer, -1);

	op = ringing_start(ring, ringing_recv(fd[1], in, sizeof(in)));
	cr_assert_eq(ringing_end_of(ring, op), 5);
	cr_assert_str_eq(in, "hello");
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(op, messages_are_gathered_and_scattered)
{
	struct uring *ring = ringing_new_plain(OPS);
	char a[3], b[8];
	struct iovec out[] = { { (void *)"he", 2 }, { (void *)"llo", 3 } };
	struct iovec in[] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct msghdr sent = { .msg_iov = out, .msg_iovlen = 2 };
	struct msghdr got = { .msg_iov = in, .msg_iovlen = 2 };
	struct uring_request requests[] = {
		{ .kind = URING_SENDMSG, .data = &sent, .arg = MSG_NOSIGNAL },
		{ .kind = URING_RECVMSG, .data = &got },
	};
	uint64_t ops[2];
	int fd[2];

	ringing_pair(fd);
	requests[0].fd = fd[0];
	requests[1].fd = fd[1];
	cr_assert_eq(uring_start(ring, requests, 2, ops), 0);
	cr_assert_eq(ringing_end_of(ring, ops[0]), 5);
	cr_assert_eq(ringing_end_of(ring, ops[1]), 5);
	cr_assert_eq(memcmp(a, "hel", 3), 0);
	cr_assert_eq(memcmp(b, "lo", 2), 0);
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(op, a_file_is_written_and_read_where_it_is_said)
{
	struct uring *ring = ringing_new_plain(OPS);
	int file = file_of("0123456789");
	char in[4] = { 0 };
	struct uring_request requests[] = {
		{ .kind = URING_WRITE, .fd = file, .data = xy, .len = 2, .offset = 4 },
		{ .kind = URING_READ, .fd = file, .data = in, .len = 4, .offset = 3 },
	};
	uint64_t ops[2];

	cr_assert_eq(uring_start(ring, requests, 2, ops), 0);
	cr_assert_eq(ringing_end_of(ring, ops[0]), 2);
	cr_assert_eq(ringing_end_of(ring, ops[1]), 4);
	cr_assert_eq(memcmp(in, "3xy6", 4), 0);
	ringing_end(ring);
	close(file);
}

Test(op, a_file_goes_through_a_pipe_to_a_socket)
{
	struct uring *ring = ringing_new_plain(OPS);
	int file = file_of("0123456789"), pipe_fd[2], fd[2];
	struct uring_request requests[] = {
		{ .kind = URING_SPLICE,
		  .fd_in = file,
		  .offset_in = 2,
		  .offset = UINT64_MAX,
		  .len = 5 },
		{ .kind = URING_SPLICE, .offset_in = UINT64_MAX, .offset = UINT64_MAX, .len = 5 },
	};
	uint64_t ops[2];

	ringing_pair(fd);
	cr_assert_eq(pipe2(pipe_fd, O_CLOEXEC), 0);
	requests[0].fd = pipe_fd[1];
	requests[1].fd_in = pipe_fd[0];
	requests[1].fd = fd[0];
	cr_assert_eq(uring_start(ring, requests, 2, ops), 0);
	cr_assert_eq(ringing_end_of(ring, ops[0]), 5);
	cr_assert_eq(ringing_end_of(ring, ops[1]), 5);
	ringing_expect_waiting(fd[1], "23456");
	ringing_end(ring);
	ringing_close_pair(fd);
	ringing_close_pair(pipe_fd);
	close(file);
}

Test(op, a_connection_is_made_and_ended_by_a_chain)
{
	struct uring *ring = ringing_new_plain(OPS);
	int listener = ringing_listener();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted = -1;
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	struct uring_request chain[] = {
		{ .kind = URING_SHUTDOWN, .fd = fd, .arg = SHUT_WR },
		{ .kind = URING_CLOSE, .fd = fd },
	};
	uint64_t ops[2], accepting, connecting;
	char byte;

	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	accepting = ringing_start(ring, (struct uring_request){ .kind = URING_ACCEPT,
								.fd = listener,
								.arg = SOCK_CLOEXEC });
	connecting = ringing_start(
		ring, (struct uring_request){
			      .kind = URING_CONNECT, .fd = fd, .data = &address, .len = len });
	for (int i = 0; i < 2; i++) {
		struct uring_event event = ringing_next(ring);

		cr_assert(event.op == accepting || event.op == connecting);
		cr_assert_geq(event.res, 0);
		if (event.op == accepting)
			accepted = event.res;
	}
	cr_assert(fcntl(accepted, F_GETFD) & FD_CLOEXEC);

	cr_assert_eq(uring_start(ring, chain, 2, ops), 0);
	cr_assert_eq(ringing_end_of(ring, ops[0]), 0);
	cr_assert_eq(ringing_end_of(ring, ops[1]), 0);
	cr_assert_eq(recv(accepted, &byte, 1, 0), 0);
	cr_assert_eq(fcntl(fd, F_GETFD), -1);
	ringing_end(ring);
	close(accepted);
	close(listener);
}

Test(op, one_accept_takes_many_until_it_is_cancelled)
{
	struct uring *ring = ringing_new_plain(OPS);
	int listener = ringing_listener(), clients[3];
	struct uring_event event;
	uint64_t op;

	ringing_require_feature(URING_HAS_MULTISHOT_ACCEPT);
	op = ringing_start(ring, (struct uring_request){ .kind = URING_ACCEPT,
							 .fd = listener,
							 .flags = URING_MULTISHOT });
	for (int i = 0; i < 3; i++) {
		clients[i] = ringing_client(listener);
		event = ringing_next(ring);
		cr_assert_eq(event.op, op);
		cr_assert_geq(event.res, 0);
		cr_assert(event.more);
		close(event.res);
		close(clients[i]);
	}
	cr_assert_eq(uring_cancel(ring, op), 0);
	cr_assert_eq(ringing_end_of(ring, op), -ECANCELED);
	ringing_quiet(ring);
	cr_assert_eq(uring_live(ring), 0);
	ringing_end(ring);
	close(listener);
}

Test(op, a_direct_descriptor_is_accepted_used_installed_and_closed)
{
	struct uring_options options = { .ops = OPS, .files = 4 };
	int listener = ringing_listener(), client = ringing_client(listener), index;
	unsigned int before;
	struct uring *ring;
	char in[8];

	ringing_require_feature(URING_HAS_FILES);
	ring = ringing_new(&options);
	before = kit_count_fds();
	index = ringing_end_of(
		ring, ringing_start(ring, (struct uring_request){ .kind = URING_ACCEPT,
								  .fd = listener,
								  .flags = URING_TO_DIRECT }));
	cr_assert_geq(index, 0);
	cr_assert_lt(index, 4);
	cr_assert_eq(kit_count_fds(), before);
	ringing_say(client, "hello");
	cr_assert_eq(
		ringing_end_of(ring,
			       ringing_start(ring, (struct uring_request){ .kind = URING_RECV,
									   .flags = URING_DIRECT,
									   .fd = index,
									   .data = in,
									   .len = sizeof(in) })),
		5);
	if (uring_has(ring, URING_HAS_FD_INSTALL)) {
		int fd = ringing_end_of(
			ring, ringing_start(ring, (struct uring_request){ .kind = URING_INSTALL,
									  .fd = index }));

		cr_assert_geq(fd, 0);
		cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
	cr_assert_eq(
		ringing_end_of(ring,
			       ringing_start(ring, (struct uring_request){ .kind = URING_CLOSE,
									   .flags = URING_DIRECT,
									   .fd = index })),
		0);
	cr_assert_eq(recv(client, in, 1, 0), 0);
	ringing_end(ring);
	close(client);
	close(listener);
}

Test(op, poll_tells_once_or_again_and_again)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_event event;
	uint64_t op;
	int fd[2];

	ringing_pair(fd);
	op = ringing_start(
		ring, (struct uring_request){ .kind = URING_POLL, .fd = fd[1], .arg = POLLIN });
	ringing_submit(ring);
	ringing_say(fd[0], "x");
	cr_assert(ringing_end_of(ring, op) & POLLIN);

	op = ringing_start(ring, (struct uring_request){ .kind = URING_POLL,
							 .flags = URING_MULTISHOT,
							 .fd = fd[1],
							 .arg = POLLIN });
	for (int i = 0; i < 3; i++) {
		event = ringing_next(ring);
		cr_assert_eq(event.op, op);
		cr_assert(event.more);
		cr_assert(event.res & POLLIN);
		ringing_say(fd[0], "x");
	}
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(op, an_option_of_a_socket_is_set)
{
	struct uring *ring = ringing_new_plain(OPS);
	int fd = ringing_listener(), on = 1, got = 0;
	socklen_t len = sizeof(got);

	ringing_require_feature(URING_HAS_SETSOCKOPT);
	cr_assert_eq(
		ringing_end_of(ring,
			       ringing_start(ring, (struct uring_request){ .kind = URING_SETSOCKOPT,
									   .fd = fd,
									   .level = SOL_SOCKET,
									   .arg = SO_KEEPALIVE,
									   .data = &on,
									   .len = sizeof(on) })),
		0);
	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &got, &len), 0);
	cr_assert_eq(got, 1);
	ringing_end(ring);
	close(fd);
}

Test(op, a_send_without_a_copy_says_when_the_memory_is_free)
{
	struct uring *ring = ringing_new_plain(OPS);
	int listener = ringing_listener(), client = ringing_client(listener);
	struct uring_event event;
	uint64_t op;

	ringing_require_feature(URING_HAS_SEND_ZC);
	op = ringing_start(ring,
			   (struct uring_request){
				   .kind = URING_SEND_ZC, .fd = client, .data = hello, .len = 5 });
	event = ringing_next(ring);
	cr_assert_eq(event.op, op);
	cr_assert_eq(event.res, 5);
	cr_assert(event.more);
	cr_assert_eq(ringing_end_of(ring, op), 0);
	ringing_end(ring);
	close(client);
	close(listener);
}

/* Kernels before 7.2 know it only of sends without a copy, and say so. */
Test(op, registered_memory_is_sent_and_received_into_or_refused)
{
	struct uring *ring = ringing_new(&(struct uring_options){ .ops = OPS, .buffers = 1 });
	int listener = ringing_listener(), client = ringing_client(listener);
	int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct uring_request request = { .flags = URING_FIXED, .len = 5, .arg = MSG_NOSIGNAL };
	struct uring_buffer *buffer;
	int sent, got;

	ringing_require_feature(URING_HAS_BUFFERS);
	cr_assert_eq(uring_buffer_new(&buffer, ring, 4096), 0);
	request.buffer = buffer;
	request.kind = URING_SEND;
	request.fd = client;
	request.data = memcpy(buffer->data, hello, 5);
	sent = ringing_end_of(ring, ringing_start(ring, request));
	cr_assert(sent == 5 || sent == -EINVAL, "%d", sent);

	if (sent < 0)
		ringing_say(client, "hello");
	request.kind = URING_RECV;
	request.fd = server;
	request.data = buffer->data + 64;
	request.arg = 0;
	got = ringing_end_of(ring, ringing_start(ring, request));
	cr_assert_eq(got, sent);
	if (got > 0)
		cr_assert_eq(memcmp(request.data, hello, 5), 0);
	uring_buffer_unref(buffer);
	ringing_end(ring);
	close(server);
	close(client);
	close(listener);
}

/* -- chains -- */

Test(op, a_chain_ends_where_one_of_it_fails_unless_it_shall_always_go_on)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_request chain[] = {
		{ .kind = URING_NOP },
		{ .kind = URING_SHUTDOWN, .fd = -1 },
		{ .kind = URING_NOP },
	};
	uint64_t ops[3];

	for (int always = 0; always < 2; always++) {
		chain[1].flags = always ? URING_ALWAYS : 0;
		cr_assert_eq(uring_start(ring, chain, 3, ops), 0);
		cr_assert_eq(ringing_end_of(ring, ops[0]), 0);
		cr_assert_eq(ringing_end_of(ring, ops[1]), -EBADF);
		cr_assert_eq(ringing_end_of(ring, ops[2]), always ? 0 : -ECANCELED);
	}
	ringing_end(ring);
}

Test(op, what_makes_no_sense_is_refused_and_leaves_nothing)
{
	struct uring *ring = ringing_new(&(struct uring_options){ .ops = OPS, .sq = 2 });
	const uint64_t deadline_ns = ktls_deadline_in(RINGING_PATIENCE_MS);
	const struct uring_request requests[] = {
		{ .kind = _URING_KIND_N },
		{ .kind = URING_NOP, .flags = URING_MULTISHOT },
		{ .kind = URING_NOP, .flags = 1u << 31 },
		{ .kind = URING_RECV, .flags = URING_MULTISHOT }, /* into what? */
		{ .kind = URING_RECV, .len = (size_t)INT32_MAX + 1 },
		{ .kind = URING_RECV, .flags = URING_FIXED },	    /* of what memory? */
		{ .kind = URING_ACCEPT, .flags = URING_TO_DIRECT }, /* into what table? */
		{ .kind = URING_POLL, .flags = URING_MULTISHOT, .deadline_ns = deadline_ns },
		{ .kind = URING_SEND_ZC, .deadline_ns = deadline_ns },
		{ .kind = URING_SPLICE, .deadline_ns = deadline_ns },
		{ .kind = URING_SHUTDOWN, .deadline_ns = deadline_ns },
		{ .kind = URING_CLOSE, .deadline_ns = deadline_ns },
	};
	const struct uring_request chain[URING_CHAIN_MAX + 1] = { { .kind = URING_NOP } };
	const struct uring_request timed[] = { { .kind = URING_NOP, .deadline_ns = deadline_ns },
					       { .kind = URING_NOP } };
	uint64_t op = 1;

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		cr_assert_eq(uring_start(ring, &requests[i], 1, &op), -EINVAL, "row %zu", i);
	cr_assert_eq(uring_start(ring, chain, 0, &op), -EINVAL);
	cr_assert_eq(uring_start(ring, chain, URING_CHAIN_MAX + 1, &op), -EINVAL);
	cr_assert_eq(uring_start(ring, chain, 3, &op), -EINVAL); /* two entries */
	cr_assert_eq(uring_start(ring, timed, 2, &op), -EINVAL); /* as well, with the deadline */
	cr_assert_eq(op, 1);
	cr_assert_eq(uring_live(ring), 0);
	ringing_quiet(ring);
	ringing_end(ring);
}

/* -- capacity -- */

Test(op, without_a_free_slot_nothing_is_started)
{
	struct uring *ring = ringing_new_plain(2);
	const struct uring_request two[] = { { .kind = URING_NOP }, { .kind = URING_NOP } };
	uint64_t op = ringing_start(ring, two[0]), ops[2] = { 1, 1 };

	cr_assert_eq(uring_start(ring, two, 2, ops), KTLS_WANT_BUFFER);
	cr_assert_eq(ops[0], 1);
	cr_assert_eq(uring_live(ring), 1);
	cr_assert_eq(ringing_end_of(ring, op), 0);
	cr_assert_eq(uring_start(ring, two, 2, ops), 0);
	cr_assert_eq(ringing_end_of(ring, ops[0]), 0);
	cr_assert_eq(ringing_end_of(ring, ops[1]), 0);
	ringing_end(ring);
}

Test(op, a_full_sq_is_handed_over_and_a_full_cq_loses_nothing)
{
	struct uring_options options = { .ops = MANY, .sq = 2, .cq = 2 };
	struct uring *ring = ringing_new(&options);
	static bool seen[MANY];
	unsigned int started = 0, ended = 0;

	while (ended < MANY) {
		struct uring_event event;

		while (started < MANY) {
			struct uring_request request = { .kind = URING_NOP, .tag = started };
			int r = uring_start(ring, &request, 1, NULL);

			cr_assert(r == 0 || r == KTLS_WANT_BUFFER, "%s", ktls_strerrorname(r));
			if (r)
				break;
			started++;
		}
		event = ringing_next(ring);
		cr_assert_lt(event.tag, MANY);
		cr_assert_not(seen[event.tag]);
		seen[event.tag] = true;
		ended++;
	}
	ringing_quiet(ring);
	ringing_end(ring);
}

Test(op, the_budget_on_reaping_is_kept)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_event events[4];
	unsigned int n;

	for (int i = 0; i < 10; i++)
		ringing_start(ring, (struct uring_request){ .kind = URING_NOP });
	for (unsigned int left = 10; left; left -= n) {
		cr_assert_eq(uring_wait(ring, ktls_deadline_in(RINGING_PATIENCE_MS), events, 4, &n),
			     0);
		cr_assert_eq(n, left < 4 ? left : 4);
	}
	ringing_end(ring);
}
