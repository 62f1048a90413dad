/* SPDX-License-Identifier: MIT */

/* The ring itself: what the kernel has, and not; waiting, waking; what is left behind. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "base/fd.h"
#include "base/secret.h"
#include "tests/kit.h"
#include "tests/ringing.h"

enum {
	OPS = 16,
	WAKES = 2000,
};

TestSuite(ring, .init = ringing_require);

static struct uring *new_avoiding(unsigned int avoid)
{
	return ringing_new(&(struct uring_options){ .ops = OPS, .buffers = 2, .avoid = avoid });
}

/* -- what there is -- */

Test(ring, every_feature_has_an_answer_and_a_name)
{
	const struct uring_facts *facts = uring_probe();

	for (unsigned int i = 0; i < _URING_FEATURE_N; i++) {
		const char *name = uring_feature_name(i);

		cr_log_info("%-24s %s", name, uring_reason_text(facts->reason[i]));
		cr_assert_lt(facts->reason[i], _URING_REASON_N);
		cr_assert_eq(!facts->reason[i], !facts->error[i], "%s", name);
		cr_assert_gt(strlen(name), 0);
		for (unsigned int k = 0; k < i; k++)
			cr_assert_str_neq(name, uring_feature_name(k));
	}
	for (unsigned int i = 0; i < _URING_REASON_N; i++)
		cr_assert_gt(strlen(uring_reason_text(i)), 10);
	cr_assert_str_eq(uring_feature_name(_URING_FEATURE_N), "unknown");
	cr_assert_str_eq(uring_reason_text(_URING_REASON_N), "unknown");
	cr_assert_eq(uring_probe(), facts);
}

/* On every kernel that this is tested on; what is beyond comes with the probe. */
Test(ring, a_kernel_of_6_1_has_all_that_a_server_needs)
{
	static const enum uring_feature features[] = {
		URING_HAS_DEFERRED,	     URING_HAS_DEADLINES,
		URING_HAS_MULTISHOT_ACCEPT,  URING_HAS_MULTISHOT_RECV,
		URING_HAS_MULTISHOT_RECVMSG, URING_HAS_POOLS,
		URING_HAS_BUFFERS,	     URING_HAS_FILES,
		URING_HAS_SEND_ZC,	     URING_HAS_MSG_RING,
	};
	const struct uring_facts *facts = uring_probe();

	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
		cr_assert_eq(facts->reason[features[i]], URING_REASON_NONE, "%s: %s",
			     uring_feature_name(features[i]),
			     uring_reason_text(facts->reason[features[i]]));
}

Test(ring, the_probe_leaves_nothing_open)
{
	/* It has run, in .init; what it made must be gone: a ring of ours is all there is. */
	const unsigned int before = kit_count_fds();
	struct uring *ring = new_avoiding(0);

	cr_assert_leq(kit_count_fds(), before + 2);
	ringing_end(ring);
	cr_assert_eq(kit_count_fds(), before);
}

Test(ring, what_is_avoided_is_as_if_the_kernel_had_it_not)
{
	const uint64_t deadline_ns = ktls_deadline_in(RINGING_PATIENCE_MS);
	const struct {
		enum uring_feature feature;
		struct uring_request request;
	} rows[] = {
		{ URING_HAS_DEADLINES, { .kind = URING_NOP, .deadline_ns = deadline_ns } },
		{ URING_HAS_MULTISHOT_ACCEPT, { .kind = URING_ACCEPT, .flags = URING_MULTISHOT } },
		{ URING_HAS_SEND_ZC, { .kind = URING_SEND_ZC } },
		{ URING_HAS_SETSOCKOPT, { .kind = URING_SETSOCKOPT } },
		{ URING_HAS_FD_INSTALL, { .kind = URING_INSTALL } },
	};
	struct uring_options files = { .ops = OPS, .files = 1, .avoid = 1u << URING_HAS_FILES };
	struct uring_buffer *buffer;
	struct uring_pool *pool;
	unsigned int reason;
	struct uring *ring;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ring = new_avoiding(1u << rows[i].feature);
		cr_assert_not(uring_has(ring, rows[i].feature));
		cr_assert_eq(uring_start(ring, &rows[i].request, 1, NULL), -EOPNOTSUPP, "%s",
			     uring_feature_name(rows[i].feature));
		ringing_end(ring);
	}
	ring = new_avoiding(1u << URING_HAS_POOLS | 1u << URING_HAS_BUFFERS);
	cr_assert_eq(uring_pool_new(&pool, ring, 4, 4096), -EOPNOTSUPP);
	cr_assert_eq(uring_buffer_new(&buffer, ring, 4096), 0);
	cr_assert_not(buffer->registered);
	uring_buffer_unref(buffer);
	ringing_end(ring);
	cr_assert_eq(uring_new(&ring, &files, &reason), -EOPNOTSUPP);
	cr_assert_eq(reason, URING_REASON_OLD_KERNEL);
}

Test(ring, options_beyond_the_limits_are_refused)
{
	static const struct uring_options rows[] = {
		{ .ops = 0 },
		{ .ops = URING_OPS_MAX + 1 },
		{ .ops = 1, .sq = URING_SQ_MAX + 1 },
		{ .ops = 1, .cq = 2 * URING_SQ_MAX + 1 },
		{ .ops = 1, .buffers = URING_BUFFERS_MAX + 1 },
		{ .ops = 1, .files = URING_FILES_MAX + 1 },
	};
	struct uring *ring = NULL;
	unsigned int reason;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_assert_eq(uring_new(&ring, &rows[i], &reason), -EINVAL, "row %zu", i);
	cr_assert_eq(reason, URING_REASON_LIMIT);
	cr_assert_null(ring);
	cr_assert_null(uring_free(NULL));
}

Test(ring, the_largest_there_is_works)
{
	struct uring *ring = ringing_new(&(struct uring_options){
		.ops = URING_OPS_MAX, .sq = URING_SQ_MAX, .buffers = URING_BUFFERS_MAX });

	cr_assert_eq(
		ringing_end_of(ring,
			       ringing_start(ring, (struct uring_request){ .kind = URING_NOP })),
		0);
	ringing_end(ring);
}

/* -- waiting -- */

Test(ring, a_wait_ends_at_its_deadline)
{
	struct uring *ring = ringing_new_plain(OPS);
	const uint64_t deadline_ns = ktls_deadline_in(30);
	struct uring_event event;
	unsigned int n = 7;

	cr_assert_eq(uring_wait(ring, deadline_ns, &event, 1, &n), KTLS_TIMEDOUT);
	cr_assert_eq(n, 0);
	cr_assert_geq(ktls_deadline_in(0), deadline_ns);
	cr_assert_eq(uring_wait(ring, KTLS_NOW, &event, 1, &n), KTLS_TIMEDOUT);
	n = 7;
	cr_assert_eq(uring_wait(ring, KTLS_NOW, &event, 0, &n), -EINVAL);
	cr_assert_eq(n, 7);
	ringing_start(ring, (struct uring_request){ .kind = URING_NOP });
	cr_assert_eq(uring_wait(ring, KTLS_NOW, &event, 1, &n), 0);
	cr_assert_eq(n, 1);
	ringing_end(ring);
}

static uint64_t processor_time_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

Test(ring, a_wait_sleeps)
{
	for (unsigned int avoid = 0; avoid < 2; avoid++) {
		struct uring *ring = new_avoiding(avoid << URING_HAS_WAKE);
		struct uring_event event;
		uint64_t before_ns;
		unsigned int n;

		ringing_submit(ring);
		before_ns = processor_time_ns();
		cr_assert_eq(uring_wait(ring, ktls_deadline_in(500), &event, 1, &n), KTLS_TIMEDOUT);
		cr_assert_lt(processor_time_ns() - before_ns, 250000000);
		ringing_end(ring);
	}
}

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

Test(ring, a_wait_goes_on_through_signals)
{
	const struct sigaction action = { .sa_handler = count_signal };
	const struct itimerval every = { .it_interval.tv_usec = 5000, .it_value.tv_usec = 5000 };
	const struct itimerval never = { 0 };
	struct uring *ring = ringing_new_plain(OPS);
	const uint64_t deadline_ns = ktls_deadline_in(200);
	struct uring_event event;
	unsigned int n;

	cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
	cr_assert_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
	cr_assert_eq(uring_wait(ring, deadline_ns, &event, 1, &n), KTLS_TIMEDOUT);
	cr_assert_geq(ktls_deadline_in(0), deadline_ns);
	cr_assert_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	cr_assert_gt(signals, 0);
	ringing_end(ring);
}

/* -- waking -- */

struct waker {
	struct uring *ring;
	pthread_barrier_t barrier;
	unsigned int times;
};

static void *wake(void *argument)
{
	struct waker *waker = argument;

	for (unsigned int i = 0; i < waker->times; i++) {
		if (uring_wake(waker->ring) != 0)
			return waker;
		pthread_barrier_wait(&waker->barrier);
	}
	return NULL;
}

static void expect_wakes(unsigned int avoid)
{
	struct waker waker = { .ring = new_avoiding(avoid), .times = WAKES };
	pthread_t thread;
	void *failed;

	cr_assert_eq(pthread_barrier_init(&waker.barrier, NULL, 2), 0);
	cr_assert_eq(pthread_create(&thread, NULL, wake, &waker), 0);
	for (unsigned int i = 0; i < WAKES; i++) {
		struct uring_event event = ringing_next(waker.ring);

		cr_assert_eq(event.op, 0);
		cr_assert_eq(event.res, 0);
		cr_assert_not(event.more);
		pthread_barrier_wait(&waker.barrier);
	}
	cr_assert_eq(pthread_join(thread, &failed), 0);
	cr_assert_null(failed);
	ringing_quiet(waker.ring);
	ringing_end(waker.ring);
}

Test(ring, another_thread_wakes_it)
{
	expect_wakes(0);
}

Test(ring, another_thread_wakes_it_on_a_kernel_that_needs_an_eventfd)
{
	expect_wakes(1u << URING_HAS_WAKE);
	expect_wakes(1u << URING_HAS_WAKE | 1u << URING_HAS_DEFERRED);
}

Test(ring, wakes_that_nobody_took_are_one)
{
	for (unsigned int avoid = 0; avoid < 2; avoid++) {
		struct uring *ring = new_avoiding(avoid << URING_HAS_WAKE);

		for (int i = 0; i < 10; i++)
			cr_assert_eq(uring_wake(ring), 0);
		cr_assert_eq(ringing_next(ring).op, 0);
		ringing_quiet(ring);
		ringing_end(ring);
	}
}

static struct uring *ring_to_wake;

static void wake_in_signal(int signal)
{
	(void)signal;
	uring_wake(ring_to_wake);
}

Test(ring, a_signal_handler_wakes_it)
{
	const struct sigaction action = { .sa_handler = wake_in_signal };
	const struct itimerval soon = { .it_value.tv_usec = 20000 };

	for (unsigned int avoid = 0; avoid < 2; avoid++) {
		ring_to_wake = new_avoiding(avoid << URING_HAS_WAKE);
		cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
		cr_assert_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
		cr_assert_eq(ringing_next(ring_to_wake).op, 0);
		ringing_end(ring_to_wake);
	}
}

/* -- what is left behind -- */

Test(ring, a_program_that_is_executed_inherits_nothing)
{
	struct uring *rings[] = { new_avoiding(0), new_avoiding(1u << URING_HAS_WAKE) };
	unsigned int lines = 0;
	char line[256];
	FILE *list = popen("ls -l /proc/self/fd", "r");

	cr_assert_not_null(list);
	while (fgets(line, sizeof(line), list)) {
		lines++;
		cr_assert_null(strstr(line, "io_uring"), "%s", line);
		cr_assert_null(strstr(line, "eventfd"), "%s", line);
	}
	pclose(list);
	cr_assert_gt(lines, 3);
	for (int i = 0; i < 2; i++)
		ringing_end(rings[i]);
}

Test(ring, a_child_that_ends_does_no_harm)
{
	struct uring *ring = new_avoiding(0);
	uint64_t op;
	int fd[2], status;
	char byte;
	pid_t child;

	ringing_pair(fd);
	op = ringing_start(
		ring,
		(struct uring_request){ .kind = URING_RECV, .fd = fd[1], .data = &byte, .len = 1 });
	ringing_submit(ring);
	child = fork();
	cr_assert_geq(child, 0);
	if (!child)
		_exit(0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(send(fd[0], "x", 1, MSG_NOSIGNAL), 1);
	cr_assert_eq(ringing_end_of(ring, op), 1);
	cr_assert_eq(byte, 'x');
	ringing_end(ring);
	ringing_close_pair(fd);
}

/* A thread that has not made it cannot use it. */
static void *use(void *argument)
{
	static int r;
	struct uring_event event;
	unsigned int n;

	r = uring_wait(argument, KTLS_NOW, &event, 1, &n);
	return &r;
}

Test(ring, the_kernel_keeps_other_threads_out)
{
	struct uring *ring = ringing_new_plain(OPS);
	pthread_t thread;
	void *r;

	ringing_require_feature(URING_HAS_DEFERRED);
	ringing_start(ring, (struct uring_request){ .kind = URING_NOP });
	cr_assert_eq(pthread_create(&thread, NULL, use, ring), 0);
	cr_assert_eq(pthread_join(thread, &r), 0);
	cr_assert(*(int *)r == -EEXIST || *(int *)r == -EINVAL, "%s", ktls_strerrorname(*(int *)r));
	cr_assert_eq(ringing_next(ring).res, 0);
	ringing_end(ring);
}

/* -- where it is not allowed; these have no .init, for the filter must be there before the probe --
 */

static void forbid(int number, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static unsigned int refused_with(int expected)
{
	const struct uring_options options = { .ops = OPS };
	unsigned int reason = URING_REASON_NONE;
	struct uring *ring = NULL;

	cr_assert_eq(uring_new(&ring, &options, &reason), expected);
	cr_assert_null(ring);
	for (unsigned int i = 0; i < _URING_FEATURE_N; i++)
		cr_assert_eq(uring_probe()->reason[i], reason);
	return reason;
}

Test(ring_forbidden, by_a_filter_it_says_so)
{
	unsigned int reason;

	ringing_require_allowed_by_sysctl();
	forbid(__NR_io_uring_setup, EPERM);
	reason = refused_with(-EPERM);
	cr_assert_eq(reason, URING_REASON_SECCOMP);
	cr_assert_not_null(strstr(uring_reason_text(reason), "seccomp"));
	cr_assert_not_null(strstr(uring_reason_text(reason), "io_uring_setup"));
}

Test(ring_forbidden, by_a_filter_that_lies_it_says_so_where_the_kernel_tells)
{
	bool tells = access("/proc/sys/kernel/io_uring_disabled", F_OK) == 0;

	forbid(__NR_io_uring_setup, ENOSYS);
	cr_assert_eq(refused_with(-ENOSYS), tells ? URING_REASON_SECCOMP : URING_REASON_OLD_KERNEL);
}

Test(ring_forbidden, a_ring_of_which_nothing_can_be_known_is_none)
{
	ringing_require_allowed_by_sysctl();
	forbid(__NR_io_uring_register, EACCES);
	cr_assert_eq(refused_with(-EACCES), URING_REASON_SECCOMP);
}

/* The laboratory is nobody else's. */
static bool is_laboratory(void)
{
	_cleanup_(ktls_fd_close) int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	char line[1024] = "";

	return fd >= 0 && read(fd, line, sizeof(line) - 1) > 0 && strstr(line, "lab.ktls");
}

Test(ring_forbidden, by_the_sysctl_it_says_so)
{
	_cleanup_(ktls_fd_close) int fd = -EBADF;
	unsigned int reason;

	if (!is_laboratory())
		cr_skip_test("the whole machine would feel it: only in the laboratory");
	fd = open("/proc/sys/kernel/io_uring_disabled", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		cr_skip_test("this kernel has no such sysctl");
	cr_assert_eq(pwrite(fd, "2", 1, 0), 1);
	reason = refused_with(-EPERM);
	cr_assert_eq(pwrite(fd, "0", 1, 0), 1);
	cr_assert_eq(reason, URING_REASON_SYSCTL);
	cr_assert_not_null(strstr(uring_reason_text(reason), "kernel.io_uring_disabled"));
}
