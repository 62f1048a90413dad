/* SPDX-License-Identifier: MIT */

/* The door of a ring over epoll, by itself: two that wait at one descriptor, descriptors that are
 * closed or never block, ends. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "base/sys.h"
#include "loop.h"
#include "tests/ringing.h"

enum {
	OPS = 8,
	EVENTS = 16,
	TAG = 4711,
};

static struct ktls_loop *loop;

static void open_loop(void)
{
	cr_assert_eq(ktls_loop_new(&loop, OPS), 0);
}

static void close_loop(void)
{
	cr_assert_null(ktls_loop_free(loop));
}

TestSuite(loop, .init = open_loop, .fini = close_loop);

static uint64_t start(struct uring_request request)
{
	uint64_t op = 0;

	request.tag = TAG;
	cr_assert_eq(ktls_loop_start(loop, &request, &op), 0);
	cr_assert_neq(op, 0);
	return op;
}

static uint64_t poll_at(int fd, short events)
{
	return start(
		(struct uring_request){ .kind = URING_POLL, .fd = fd, .arg = (uint16_t)events });
}

static uint64_t accept_at(int fd)
{
	return start((struct uring_request){ .kind = URING_ACCEPT,
					     .flags = URING_MULTISHOT,
					     .fd = fd,
					     .arg = SOCK_NONBLOCK | SOCK_CLOEXEC });
}

static struct uring_event next(void)
{
	struct uring_event event = { .op = 0 };
	unsigned int n = 7;

	cr_assert_eq(ktls_loop_wait(loop, ktls_deadline_in(RINGING_PATIENCE_MS), &event, 1, &n), 0);
	cr_assert_eq(n, 1);
	cr_assert_eq(event.buffer, -1);
	cr_assert(!event.op || event.tag == TAG);
	return event;
}

/* The next event is the last one of `op`; its result. */
static int end_of(uint64_t op)
{
	struct uring_event event = next();

	cr_assert_eq(event.op, op);
	cr_assert_not(event.more);
	return event.res;
}

static void quiet(void)
{
	struct uring_event event;
	unsigned int n = 7;

	cr_assert_eq(ktls_loop_wait(loop, ktls_deadline_in(RINGING_QUIET_MS), &event, 1, &n),
		     KTLS_TIMEDOUT);
	cr_assert_eq(n, 0);
}

/* -- Descriptors -- */

Test(loop, one_who_reads_and_one_who_writes_wait_at_one_descriptor)
{
	uint64_t reads, writes;
	int fds[2];

	ringing_pair(fds);
	reads = poll_at(fds[0], POLLIN);
	writes = poll_at(fds[0], POLLOUT);

	cr_assert_eq(end_of(writes), POLLOUT);
	quiet();
	ringing_say(fds[1], "x");
	cr_assert_eq(end_of(reads), POLLIN);
	quiet();
	ringing_close_pair(fds);
}

Test(loop, those_who_wait_for_the_same_have_it_together)
{
	struct uring_event events[EVENTS];
	uint64_t ops[2];
	unsigned int n;
	int fds[2];

	ringing_pair(fds);
	for (int i = 0; i < 2; i++)
		ops[i] = poll_at(fds[0], POLLIN | POLLRDHUP);
	quiet();
	close(fds[1]);

	cr_assert_eq(ktls_loop_wait(loop, KTLS_FOREVER, events, EVENTS, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert(events[0].op + events[1].op == ops[0] + ops[1] && ops[0] != ops[1]);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(events[i].res, POLLIN | POLLRDHUP | POLLHUP);
	close(fds[0]);
}

Test(loop, descriptors_that_share_a_place_are_told_apart)
{
	uint64_t ops[2];
	int fds[2], far;

	ringing_pair(fds);
	far = dup2(fds[1], fds[0] + 8 * OPS);
	cr_assert_eq(far, fds[0] + 8 * OPS);
	ops[0] = poll_at(fds[0], POLLIN);
	ops[1] = poll_at(far, POLLIN);

	ringing_say(fds[0], "x");
	cr_assert_eq(end_of(ops[1]), POLLIN);
	quiet();
	ringing_say(fds[1], "x");
	cr_assert_eq(end_of(ops[0]), POLLIN);
	close(far);
	ringing_close_pair(fds);
}

/* The old one lives on elsewhere, and with it its registration. */
Test(loop, what_a_closed_descriptor_tells_is_not_taken_for_its_successors)
{
	int old[2], new[2], kept;
	uint64_t op;

	ringing_pair(old);
	op = poll_at(old[0], POLLIN);
	cr_assert_eq(ktls_loop_cancel(loop, op), 0);
	cr_assert_eq(end_of(op), -ECANCELED);
	kept = dup(old[0]);
	ringing_pair(new);
	cr_assert_eq(dup2(new[0], old[0]), old[0]);
	op = poll_at(old[0], POLLIN);

	ringing_say(old[1], "x");
	quiet();
	ringing_say(new[1], "x");
	cr_assert_eq(end_of(op), POLLIN);
	close(kept);
	ringing_close_pair(old);
	ringing_close_pair(new);
}

Test(loop, one_that_was_closed_or_opened_again_is_found_out)
{
	uint64_t ops[2];
	int fds[2];

	ringing_pair(fds);
	ops[0] = poll_at(fds[0], POLLIN);
	close(fds[0]);
	ops[1] = poll_at(fds[0], POLLIN);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(next().res, -EBADF);
	quiet();

	cr_assert_eq(dup2(fds[1], fds[0]), fds[0]);
	ops[0] = poll_at(fds[0], POLLOUT);
	cr_assert(end_of(ops[0]) & POLLOUT);
	ringing_close_pair(fds);
}

Test(loop, a_file_is_always_ready)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	cr_assert_eq(end_of(poll_at(fd, POLLIN)), POLLIN);
	cr_assert_eq(end_of(poll_at(fd, POLLIN | POLLOUT | POLLPRI)), POLLIN | POLLOUT);
	cr_assert_eq(end_of(poll_at(fd, POLLPRI)), -EINVAL);
	close(fd);
}

/* -- Sending -- */

static int interruptions;

static ssize_t send_interrupted(int fd, const struct msghdr *msg, int flags)
{
	if (interruptions-- > 0) {
		errno = EINTR;
		return -1;
	}
	return sendmsg(fd, msg, flags);
}

Test(loop, what_is_sent_leaves_at_once_or_not)
{
	char text[] = "out", much[1 << 16] = { 0 };
	struct iovec pieces[2] = { { text, 1 }, { text + 1, 2 } };
	struct msghdr msg = { .msg_iov = pieces, .msg_iovlen = 2 };
	struct uring_request request = { .kind = URING_SENDMSG, .data = &msg, .arg = MSG_NOSIGNAL };
	int fds[2], r;

	ringing_pair(fds);
	request.fd = fds[0];
	interruptions = 2;
	ktls_sys.sendmsg = send_interrupted;
	cr_assert_eq(end_of(start(request)), 3);
	ringing_expect_waiting(fds[1], text);

	request.kind = URING_SEND;
	request.data = much;
	request.len = sizeof(much);
	while ((r = end_of(start(request))) > 0)
		;
	cr_assert_eq(r, -EAGAIN);
	close(fds[1]);
	cr_assert_eq(end_of(start(request)), -EPIPE);
	close(fds[0]);
}

/* -- Accepting -- */

Test(loop, connections_come_until_it_is_cancelled)
{
	struct uring_event events[EVENTS];
	int listener = ringing_listener(), clients[3];
	uint64_t op = accept_at(listener);
	unsigned int n;

	cr_assert_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	quiet();
	for (int i = 0; i < 3; i++)
		clients[i] = ringing_client(listener);
	/* As many as fit, and then the others. */
	for (unsigned int left = 3; left; left -= n) {
		cr_assert_eq(ktls_loop_wait(loop, KTLS_FOREVER, events, 2, &n), 0);
		cr_assert(n && n <= left);
		for (unsigned int i = 0; i < n; i++) {
			cr_assert(events[i].op == op && events[i].more && events[i].res >= 0);
			cr_assert(fcntl(events[i].res, F_GETFL) & O_NONBLOCK);
			close(events[i].res);
		}
	}
	quiet();
	cr_assert_eq(ktls_loop_cancel(loop, op), 0);
	cr_assert_eq(end_of(op), -ECANCELED);

	/* And with some that wait. */
	op = accept_at(listener);
	close(ringing_client(listener));
	clients[0] = dup2(ringing_client(listener), clients[0]);
	events[0] = next();
	cr_assert(events[0].more);
	close(events[0].res);
	cr_assert_eq(ktls_loop_cancel(loop, op), 0);
	cr_assert_eq(end_of(op), -ECANCELED);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
	close(listener);
}

static int accept_nothing(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	(void)fd;
	(void)address;
	(void)len;
	(void)flags;
	errno = EMFILE;
	return -1;
}

Test(loop, an_error_ends_accepting)
{
	int listener = ringing_listener(), client = ringing_client(listener);

	ktls_sys.accept4 = accept_nothing;
	cr_assert_eq(end_of(accept_at(listener)), -EMFILE);
	quiet();
	close(client);
	close(listener);
}

/* Another process has taken it. */
Test(loop, who_finds_nobody_waits_on)
{
	int listener = ringing_listener(), client = ringing_client(listener), fd;
	uint64_t op;

	cr_assert_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	op = accept_at(listener);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(fd, 0);
	quiet();
	close(client);
	client = ringing_client(listener);
	cr_assert(next().op == op);
	cr_assert_eq(ktls_loop_cancel(loop, op), 0);
	cr_assert_eq(end_of(op), -ECANCELED);
	close(fd);
	close(client);
	close(listener);
}

/* -- Ends -- */

Test(loop, a_cancel_is_one_event_and_leaves_what_was_done)
{
	uint64_t op;
	int fds[2];

	ringing_pair(fds);
	op = poll_at(fds[0], POLLIN);
	cr_assert_eq(ktls_loop_cancel(loop, op), 0);
	cr_assert_eq(ktls_loop_cancel(loop, op), 0); /* it has not had its event */
	ringing_say(fds[1], "x");
	cr_assert_eq(end_of(op), -ECANCELED);
	cr_assert_eq(ktls_loop_cancel(loop, op), -ENOENT);
	quiet();

	op = start((struct uring_request){
		.kind = URING_SEND, .fd = fds[0], .data = fds, .len = 1, .arg = MSG_NOSIGNAL });
	cr_assert_eq(ktls_loop_cancel(loop, op), 0);
	cr_assert_eq(end_of(op), 1);
	ringing_close_pair(fds);
}

Test(loop, no_more_than_it_has_room_for_are_started)
{
	struct uring_request request = { .kind = URING_POLL, .arg = POLLIN };
	uint64_t op, last = 0;
	int fds[2];

	ringing_pair(fds);
	request.fd = fds[0];
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < OPS; i++)
			last = poll_at(fds[0], POLLIN);
		cr_assert_eq(ktls_loop_start(loop, &request, &op), KTLS_WANT_BUFFER);
		ringing_say(fds[1], "x");
		for (int i = 0; i < OPS; i++)
			cr_assert_eq(next().res, POLLIN);
		ringing_expect_waiting(fds[0], "x");
		quiet();
		cr_assert_eq(ktls_loop_cancel(loop, last), -ENOENT);
	}
	ringing_close_pair(fds);
}

Test(loop, one_that_always_has_something_keeps_no_other_waiting)
{
	enum {
		MANY = 100
	};
	int busy[2], other[2];
	uint64_t op;
	bool seen = false;

	ringing_pair(busy);
	ringing_pair(other);
	op = poll_at(other[0], POLLIN);
	ringing_say(other[1], "x");
	start((struct uring_request){ .kind = URING_SEND, .fd = busy[0], .data = &op, .len = 1 });
	for (int i = 0; i < MANY && !seen; i++) {
		seen = next().op == op;
		if (!seen)
			start((struct uring_request){
				.kind = URING_SEND, .fd = busy[0], .data = &op, .len = 1 });
	}
	cr_assert(seen);
	ringing_close_pair(busy);
	ringing_close_pair(other);
}

Test(loop, without_descriptors_there_is_none)
{
	struct rlimit limit;
	struct ktls_loop *other = NULL;
	int next_fd = dup(0);

	cr_assert_geq(next_fd, 0);
	close(next_fd);
	for (rlim_t room = 0; room < 2; room++) {
		cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
		limit.rlim_cur = (rlim_t)next_fd + room;
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		cr_assert_eq(ktls_loop_new(&other, OPS), -EMFILE);
		cr_assert_null(other);
	}
}

/* -- Waits -- */

Test(loop, a_wait_without_room_is_refused_and_one_without_time_looks)
{
	struct uring_event event;
	unsigned int n = 7;
	int fds[2];

	cr_assert_eq(ktls_loop_wait(loop, KTLS_NOW, &event, 0, &n), -EINVAL);
	cr_assert_eq(n, 7);
	ringing_pair(fds);
	poll_at(fds[0], POLLOUT);
	cr_assert_eq(ktls_loop_wait(loop, KTLS_NOW, &event, 1, &n), 0);
	cr_assert_eq(n, 1);
	ringing_close_pair(fds);
}

static void on_alarm(int number)
{
	(void)number;
}

Test(loop, a_wait_goes_on_through_signals)
{
	const struct itimerval often = { .it_interval.tv_usec = 1000, .it_value.tv_usec = 1000 };
	const struct sigaction action = { .sa_handler = on_alarm };
	const uint64_t deadline_ns = ktls_deadline_in(RINGING_QUIET_MS);
	struct uring_event event;
	unsigned int n;

	cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
	cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	cr_assert_eq(ktls_loop_wait(loop, deadline_ns, &event, 1, &n), KTLS_TIMEDOUT);
	cr_assert_geq(ktls_deadline_in(0), deadline_ns);
}

static void *wake_soon(void *unused)
{
	(void)unused;
	nanosleep(&(struct timespec){ .tv_nsec = RINGING_QUIET_MS * 1000000L }, NULL);
	return (void *)(intptr_t)ktls_loop_wake(loop);
}

Test(loop, another_thread_wakes_it_and_several_wakes_are_one)
{
	struct uring_event event;
	pthread_t thread;
	void *r;

	for (int round = 0; round < 2; round++) {
		cr_assert(!pthread_create(&thread, NULL, wake_soon, NULL));
		event = next();
		cr_assert(!event.op && !event.more && !event.res);
		pthread_join(thread, &r);
		cr_assert_null(r);
		quiet();
	}
	for (int i = 0; i < 5; i++)
		cr_assert_eq(ktls_loop_wake(loop), 0);
	cr_assert_eq(next().op, 0);
	quiet();
}
