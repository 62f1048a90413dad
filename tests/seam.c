/* SPDX-License-Identifier: MIT */

/* Scripted faults around the real calls; see seam.h. */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/cursor.h"
#include "base/sys.h"
#include "tests/seam.h"

enum {
	LEVEL_TLS = 282,
	NAME_TX = 1,
	SLICE_MS = 10,
};

struct seam seam;
static struct ktls_sys real;

/* Counts the call; whether the fault touches it. */
static bool touches(enum seam_call call, int level, int name)
{
	const struct seam_fault *fault = &seam.fault;
	unsigned int i;

	if (!(fault->calls & 1u << call) ||
	    (fault->level && (fault->level != level || fault->name != name)))
		return false;
	i = seam.counted++;
	if (i < fault->at || i - fault->at >= fault->times)
		return false;
	seam.touched++;
	seam.last_touched = call;
	if (fault->happens)
		fault->happens();
	return true;
}

/* -1 with the fault's errno, if it has one. */
static bool fails(void)
{
	errno = seam.fault.error;
	return seam.fault.error;
}

int seam_cut(const struct iovec *iov, size_t count, size_t at_most, struct iovec *ret_iov)
{
	int n = 0;

	cr_assert(count <= SEAM_PIECES);
	for (; (size_t)n < count && at_most; n++) {
		ret_iov[n] = iov[n];
		if (ret_iov[n].iov_len > at_most)
			ret_iov[n].iov_len = at_most;
		at_most -= ret_iov[n].iov_len;
	}
	return n;
}

/* Searches what goes to the socket as it is; the marker may lie across two pieces. */
static void search(const struct iovec *iov, size_t count)
{
	struct ktls_cursor cursor = { .iov = iov, .count = (int)count };
	static char bytes[1 << 18];
	size_t n;

	while ((n = ktls_cursor_read(&cursor, bytes, sizeof(bytes))))
		seam.leaked |= memmem(bytes, n, SEAM_MARKER, strlen(SEAM_MARKER)) != NULL;
}

static ssize_t seam_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct iovec iov[SEAM_PIECES];
	struct msghdr cut = *msg;

	if (fd != seam.fd)
		return real.sendmsg(fd, msg, flags);
	if (!seam.keyed)
		search(msg->msg_iov, msg->msg_iovlen);
	if (touches(SEAM_SENDMSG, 0, 0)) {
		if (fails())
			return -1;
		/* The kernel takes a control record whole. */
		if (seam.fault.at_most && !msg->msg_controllen) {
			cut.msg_iovlen = (size_t)seam_cut(msg->msg_iov, msg->msg_iovlen,
							  seam.fault.at_most, iov);
			cut.msg_iov = iov;
		}
	}
	return real.sendmsg(fd, &cut, flags);
}

static ssize_t seam_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct iovec iov[SEAM_PIECES], *whole = msg->msg_iov;
	size_t count = msg->msg_iovlen;
	ssize_t n;

	if (fd != seam.fd)
		return real.recvmsg(fd, msg, flags);
	if (touches(SEAM_RECVMSG, 0, 0)) {
		if (fails())
			return -1;
		if (seam.fault.at_most) {
			msg->msg_iovlen = (size_t)seam_cut(whole, count, seam.fault.at_most, iov);
			msg->msg_iov = iov;
		}
	}
	n = real.recvmsg(fd, msg, flags);
	msg->msg_iov = whole;
	msg->msg_iovlen = count;
	return n;
}

static ssize_t seam_sendfile(int out_fd, int in_fd, off_t *offset, size_t count)
{
	if (out_fd != seam.fd)
		return real.sendfile(out_fd, in_fd, offset, count);
	seam.leaked |= !seam.keyed;
	if (touches(SEAM_SENDFILE, 0, 0)) {
		if (fails())
			return -1;
		if (seam.fault.at_most && seam.fault.at_most < count)
			count = seam.fault.at_most;
	}
	return real.sendfile(out_fd, in_fd, offset, count);
}

static ssize_t seam_preadv(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
	struct iovec cut[SEAM_PIECES];

	if (touches(SEAM_PREADV, 0, 0)) {
		if (fails())
			return -1;
		if (seam.fault.at_most)
			return real.preadv(fd, cut,
					   seam_cut(iov, (size_t)iovcnt, seam.fault.at_most, cut),
					   offset);
	}
	return real.preadv(fd, iov, iovcnt, offset);
}

static int seam_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int rc;

	if (fd != seam.fd)
		return real.setsockopt(fd, level, name, value, len);
	if (touches(SEAM_SETSOCKOPT, level, name) && fails())
		return -1;
	rc = real.setsockopt(fd, level, name, value, len);
	if (!rc && level == LEVEL_TLS && name == NAME_TX)
		seam.keyed = true;
	return rc;
}

static int seam_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (fd == seam.fd && touches(SEAM_GETSOCKOPT, level, name) && fails())
		return -1;
	return real.getsockopt(fd, level, name, value, len);
}

static int seam_fstat(int fd, struct stat *ret_stat)
{
	if (touches(SEAM_FSTAT, 0, 0) && fails())
		return -1;
	return real.fstat(fd, ret_stat);
}

/* The wait is cut into slices, in which the rest of the test lives. */
static int seam_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int left_ms = timeout_ms, rc;

	if (!n || fds[0].fd != seam.fd)
		return real.poll(fds, n, timeout_ms);
	if (touches(SEAM_POLL, 0, 0) && fails())
		return -1;
	while (seam.wait && left_ms) {
		seam.wait();
		rc = real.poll(fds, n, left_ms >= 0 && left_ms < SLICE_MS ? left_ms : SLICE_MS);
		if (rc)
			return rc;
		if (left_ms > 0)
			left_ms = left_ms > SLICE_MS ? left_ms - SLICE_MS : 0;
	}
	return real.poll(fds, n, left_ms);
}

static int seam_shutdown(int fd, int how)
{
	if (fd == seam.fd && touches(SEAM_SHUTDOWN, 0, 0) && fails())
		return -1;
	return real.shutdown(fd, how);
}

void seam_begin(int fd, const struct seam_fault *fault, void (*wait)(void))
{
	static const struct seam_fault none = { .calls = SEAM_ALL };

	if (!real.sendmsg)
		real = ktls_sys;
	seam = (struct seam){ .fd = fd, .fault = fault ? *fault : none, .wait = wait };
	ktls_sys = (struct ktls_sys){
		.sendmsg = seam_sendmsg,
		.recvmsg = seam_recvmsg,
		.sendfile = seam_sendfile,
		.preadv = seam_preadv,
		.preadv2 = real.preadv2,
		.setsockopt = seam_setsockopt,
		.getsockopt = seam_getsockopt,
		.fstat = seam_fstat,
		.poll = seam_poll,
		.shutdown = seam_shutdown,
	};
}

void seam_end(void)
{
	ktls_sys = real;
	seam.fd = -1;
}
