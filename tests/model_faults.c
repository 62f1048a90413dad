/* SPDX-License-Identifier: MIT */

/* System calls that are interrupted, blocked, short, or fail, by chance; see model.h. Only while a
 * call of the library is tried: what the test asks for itself is answered. */

#include <errno.h>
#include <linux/tcp.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/sys.h"
#include "model.h"
#include "seam.h"

enum {
	LEVEL_TLS = 282,
};

static struct ktls_sys real;
static struct model_faults *faults;

static bool delays(void)
{
	return faults->delay_in && !model_below(&faults->random, faults->delay_in);
}

/* Whether this call fails for good; errno is set. */
static bool fails(void)
{
	static const int errors[] = { ECONNRESET, ENOMEM, EIO, ENOBUFS };

	if (!faults->fatal_in || faults->hits == MODEL_HITS ||
	    model_below(&faults->random, faults->fatal_in))
		return false;
	errno = errors[model_below(&faults->random, sizeof(errors) / sizeof(errors[0]))];
	faults->hit[faults->hits++] = errno;
	return true;
}

/* -1 with EINTR or EAGAIN, or else how many bytes the call may move. */
static ssize_t delay(bool may_block)
{
	static const uint32_t most[] = { 1, 20, 1500, 17000 };
	uint32_t choice = model_below(&faults->random, 4);

	if (choice < 2) {
		errno = choice && may_block ? EAGAIN : EINTR;
		return -1;
	}
	return 1 + model_below(&faults->random, most[model_below(&faults->random, 4)]);
}

static ssize_t sendmsg_or_not(int fd, const struct msghdr *msg, int flags)
{
	struct iovec iov[SEAM_PIECES];
	struct msghdr part = *msg;
	ssize_t n;

	if (fails())
		return -1;
	if (!delays())
		return real.sendmsg(fd, msg, flags);
	n = delay(true);
	if (n < 0)
		return -1;
	/* The kernel takes a control record whole. */
	if (!msg->msg_controllen) {
		part.msg_iovlen = (size_t)seam_cut(msg->msg_iov, msg->msg_iovlen, (size_t)n, iov);
		part.msg_iov = iov;
	}
	return real.sendmsg(fd, &part, flags);
}

static ssize_t recvmsg_or_not(int fd, struct msghdr *msg, int flags)
{
	struct iovec iov[SEAM_PIECES], *whole = msg->msg_iov;
	size_t count = msg->msg_iovlen;
	ssize_t n;

	if (fails())
		return -1;
	if (!delays())
		return real.recvmsg(fd, msg, flags);
	n = delay(true);
	if (n < 0)
		return -1;
	msg->msg_iovlen = (size_t)seam_cut(whole, count, (size_t)n, iov);
	msg->msg_iov = iov;
	n = real.recvmsg(fd, msg, flags);
	msg->msg_iov = whole;
	msg->msg_iovlen = count;
	return n;
}

static ssize_t sendfile_or_not(int out_fd, int in_fd, off_t *offset, size_t count)
{
	ssize_t n;

	if (fails())
		return -1;
	if (delays()) {
		n = delay(true);
		if (n < 0)
			return -1;
		count = (size_t)n < count ? (size_t)n : count;
	}
	return real.sendfile(out_fd, in_fd, offset, count);
}

static ssize_t preadv_or_not(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
	struct iovec part[SEAM_PIECES];
	ssize_t n;

	if (fails())
		return -1;
	if (!delays())
		return real.preadv(fd, iov, iovcnt, offset);
	n = delay(false);
	if (n < 0)
		return -1;
	return real.preadv(fd, part, seam_cut(iov, (size_t)iovcnt, (size_t)n, part), offset);
}

static int setsockopt_or_not(int fd, int level, int name, const void *value, socklen_t len)
{
	if (fails()) {
		faults->hit_key |= level == LEVEL_TLS || name == TCP_ULP;
		return -1;
	}
	if (delays()) {
		errno = EINTR;
		return -1;
	}
	return real.setsockopt(fd, level, name, value, len);
}

static int getsockopt_or_not(int fd, int level, int name, void *value, socklen_t *len)
{
	if (fails()) {
		faults->hit_key |= level == LEVEL_TLS;
		return -1;
	}
	return real.getsockopt(fd, level, name, value, len);
}

static int fstat_or_not(int fd, struct stat *ret_stat)
{
	if (fails()) {
		faults->hit_file = true;
		return -1;
	}
	return real.fstat(fd, ret_stat);
}

static int poll_or_not(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (fails())
		return -1;
	if (delays()) {
		errno = EINTR;
		return -1;
	}
	return real.poll(fds, n, timeout_ms);
}

static int shutdown_or_not(int fd, int how)
{
	return fails() ? -1 : real.shutdown(fd, how);
}

void model_faults_begin(struct model_faults *of)
{
	of->hits = 0;
	of->hit_key = of->hit_file = false;
	if (!of->delay_in && !of->fatal_in)
		return;
	faults = of;
	real = ktls_sys;
	ktls_sys = (struct ktls_sys){
		.sendmsg = sendmsg_or_not,
		.recvmsg = recvmsg_or_not,
		.sendfile = sendfile_or_not,
		.preadv = preadv_or_not,
		.preadv2 = real.preadv2,
		.setsockopt = setsockopt_or_not,
		.getsockopt = getsockopt_or_not,
		.fstat = fstat_or_not,
		.poll = poll_or_not,
		.shutdown = shutdown_or_not,
	};
}

void model_faults_end(struct model_faults *of)
{
	if (!of->delay_in && !of->fatal_in)
		return;
	ktls_sys = real;
}
