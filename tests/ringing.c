/* SPDX-License-Identifier: MIT */
#include "tests/ringing.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

void ringing_require(void)
{
	const struct uring_facts *facts = uring_probe();

	if (facts->reason[URING_HAS_RING])
		cr_skip_test("no io_uring here: %s",
			     uring_reason_text(facts->reason[URING_HAS_RING]));
}

void ringing_require_feature(enum uring_feature feature)
{
	const struct uring_facts *facts = uring_probe();

	if (facts->reason[feature])
		cr_skip_test("no %s here: %s", uring_feature_name(feature),
			     uring_reason_text(facts->reason[feature]));
}

void ringing_require_allowed_by_sysctl(void)
{
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
	char digit = '0';

	if (fd >= 0 && read(fd, &digit, 1) == 1 && digit != '0')
		cr_skip_test("kernel.io_uring_disabled is not 0 here");
	if (fd >= 0)
		close(fd);
}

struct uring *ringing_new(const struct uring_options *options)
{
	struct uring *ring;
	unsigned int reason;
	int r = uring_new(&ring, options, &reason);

	cr_assert_eq(r, 0, "%s: %s", ktls_strerrorname(r), uring_reason_text(reason));
	return ring;
}

struct uring *ringing_new_plain(unsigned int ops)
{
	return ringing_new(&(struct uring_options){ .ops = ops });
}

void ringing_end(struct uring *ring)
{
	cr_assert_eq(uring_drain(ring, ktls_deadline_in(RINGING_PATIENCE_MS)), 0);
	cr_assert_eq(uring_live(ring), 0);
	cr_assert_null(uring_free(ring));
}

uint64_t ringing_start(struct uring *ring, struct uring_request request)
{
	uint64_t op = 0;
	int r = uring_start(ring, &request, 1, &op);

	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	cr_assert_neq(op, 0);
	return op;
}

void ringing_submit(struct uring *ring)
{
	struct uring_event event;
	unsigned int n;

	cr_assert_eq(uring_wait(ring, KTLS_NOW, &event, 1, &n), KTLS_TIMEDOUT);
	cr_assert_eq(n, 0);
}

struct uring_event ringing_next(struct uring *ring)
{
	struct uring_event event = { 0 };
	unsigned int n = 0;
	const uint64_t deadline_ns = ktls_deadline_in(RINGING_PATIENCE_MS);
	int r = uring_wait(ring, deadline_ns, &event, 1, &n);

	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	cr_assert_eq(n, 1);
	cr_assert_lt(ktls_deadline_in(0), deadline_ns, "found only when time was up");
	return event;
}

int ringing_end_of(struct uring *ring, uint64_t op)
{
	struct uring_event event = ringing_next(ring);

	cr_assert_eq(event.op, op);
	cr_assert_not(event.more);
	return event.res;
}

void ringing_quiet(struct uring *ring)
{
	struct uring_event event;
	unsigned int n = 1;

	cr_assert_eq(uring_wait(ring, ktls_deadline_in(RINGING_QUIET_MS), &event, 1, &n),
		     KTLS_TIMEDOUT);
	cr_assert_eq(n, 0);
}

void ringing_pair(int ret_fds[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds), 0);
}

int ringing_listener(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, SOMAXCONN), 0);
	return fd;
}

int ringing_client(int listener)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

void ringing_close_pair(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

bool ringing_is_mapped(const void *memory)
{
	unsigned char resident;

	return mincore((void *)(uintptr_t)memory, 1, &resident) == 0;
}

struct uring_request ringing_recv(int fd, void *buf, size_t len)
{
	return (struct uring_request){ .kind = URING_RECV, .fd = fd, .data = buf, .len = len };
}

void ringing_say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void ringing_expect_waiting(int fd, const char *text)
{
	char got[64];

	cr_assert_eq(recv(fd, got, sizeof(got), MSG_DONTWAIT), (ssize_t)strlen(text));
	cr_assert_eq(memcmp(got, text, strlen(text)), 0);
}
