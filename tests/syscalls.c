/* SPDX-License-Identifier: MIT */

/* See syscalls.h. */

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "kit.h"
#include "pair.h"
#include "syscalls.h"

enum {
	PIECES = 64,
	PIECE_LEN = 100,
	LEN = 50000,
	SHORT_MS = 20,
	PATIENCE_MS = 20000,
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };
static uint8_t bytes[LEN], seen[LEN];

static struct pair open_pair(int i, enum ktls_offload offload)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocols[i];
	options.no_tickets = true;
	for (int end = 0; end < 2; end++)
		options.tx[end] = options.rx[end] = offload;
	return pair_open(&options);
}

static struct {
	unsigned int sendmsg, recvmsg, poll;
} made;

static ssize_t count_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	made.sendmsg++;
	return sendmsg(fd, msg, flags);
}

static ssize_t count_recvmsg(int fd, struct msghdr *msg, int flags)
{
	made.recvmsg++;
	return recvmsg(fd, msg, flags);
}

static int count_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	made.poll++;
	return poll(fds, n, timeout_ms);
}

static void begin_count(void)
{
	ktls_sys.sendmsg = count_sendmsg;
	ktls_sys.recvmsg = count_recvmsg;
	ktls_sys.poll = count_poll;
	memset(&made, 0, sizeof(made));
}

static void expect_count(const char *what, unsigned int sends, unsigned int receives,
			 unsigned int polls)
{
	cr_assert(made.sendmsg == sends && made.recvmsg == receives && made.poll == polls,
		  "%s: %u sendmsg, %u recvmsg, %u poll", what, made.sendmsg, made.recvmsg,
		  made.poll);
	memset(&made, 0, sizeof(made));
}

void syscalls_count(enum ktls_offload offload)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i, offload);
		size_t n;
		int r;

		begin_count();
		cr_assert(!ktls_conn_write(pair.conn[0], bytes, 1000, KTLS_FOREVER, &n));
		expect_count("a write", 1, 0, 0);
		/* The socket may be readable before all of a record is there. */
		do {
			kit_wait(pair.fd[1], POLLIN);
			memset(&made, 0, sizeof(made));
			r = ktls_conn_read(pair.conn[1], seen, 1000, KTLS_NOW, &n);
		} while (r == KTLS_WANT_READ);
		cr_assert(!r);
		expect_count("a read of what is there", 0, 1, 0);
		cr_assert_eq(ktls_conn_read(pair.conn[1], seen, 1000, KTLS_NOW, &n),
			     KTLS_WANT_READ);
		expect_count("a read of nothing, now", 0, 1, 0);
		cr_assert_eq(ktls_conn_read(pair.conn[1], seen, 1000, ktls_deadline_in(SHORT_MS),
					    &n),
			     KTLS_TIMEDOUT);
		cr_assert(made.poll && made.recvmsg == made.poll && !made.sendmsg,
			  "a read of nothing, until a deadline: %u recvmsg, %u poll", made.recvmsg,
			  made.poll);
		pair_free(&pair);
	}
}

void syscalls_count_of_a_list(enum ktls_offload offload)
{
	struct iovec pieces[PIECES];

	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){ bytes + i * PIECE_LEN, PIECE_LEN };
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i, offload);
		size_t n;

		begin_count();
		cr_assert(!ktls_conn_writev(pair.conn[0], pieces, PIECES, KTLS_FOREVER, &n));
		cr_assert_eq(n, PIECES * PIECE_LEN);
		expect_count("a list", 1, 0, 0);
		pair_free(&pair);
	}
}

/* Bytes that system calls moved from and to the caller's memory, and elsewhere. */
static struct {
	size_t ours, others;
} passed;

static void note_memory(const struct msghdr *msg, ssize_t n)
{
	for (size_t i = 0; i < msg->msg_iovlen && n > 0; i++) {
		const uint8_t *base = msg->msg_iov[i].iov_base;
		size_t some = msg->msg_iov[i].iov_len;
		bool ours = (base >= bytes && base < bytes + LEN) ||
			    (base >= seen && base < seen + LEN);

		some = some < (size_t)n ? some : (size_t)n;
		*(ours ? &passed.ours : &passed.others) += some;
		n -= (ssize_t)some;
	}
}

static ssize_t note_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t n = sendmsg(fd, msg, flags);

	note_memory(msg, n);
	return n;
}

static ssize_t note_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = recvmsg(fd, msg, flags);

	note_memory(msg, n);
	return n;
}

void syscalls_pass_memory_on(void)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i, KTLS_OFFLOAD_REQUIRED);
		size_t n, got = 0;

		ktls_sys.sendmsg = note_sendmsg;
		ktls_sys.recvmsg = note_recvmsg;
		memset(&passed, 0, sizeof(passed));
		cr_assert(!ktls_conn_write(pair.conn[0], bytes, LEN, KTLS_FOREVER, &n));
		for (; got < LEN; got += n)
			cr_assert(!ktls_conn_read(pair.conn[1], seen + got, LEN - got,
						  ktls_deadline_in(PATIENCE_MS), &n));
		cr_assert(passed.ours == 2 * LEN && !passed.others, "%zu, and %zu elsewhere",
			  passed.ours, passed.others);
		pair_free(&pair);
	}
}
