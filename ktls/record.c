/* SPDX-License-Identifier: MIT */

/*
 * Records as messages. On a socket with keys, sendmsg(2) makes records and recvmsg(2) opens them; a
 * control message says of which type, out (absent: data) and in (data too, always). No call here
 * waits, but sendfile(2), which has no flag for it: there the socket's O_NONBLOCK decides.
 *
 * What the kernel says of a received record is believed only in the one form that it should have:
 * bytes without a type never count as data, or an unkeyed socket would pass plaintext up.
 */

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>

#include "base/sys.h"
#include "ktls/kern.h"

enum record_limit {
	FILE_RANGE_MAX = 0x7ffff000, /* what one sendfile(2) takes: MAX_RW_COUNT */
};

/* The bytes of all pieces, or SIZE_MAX. */
static size_t iov_total(const struct iovec *iov, int iovcnt)
{
	size_t total = 0;

	for (int i = 0; i < iovcnt; i++)
		if (__builtin_add_overflow(total, iov[i].iov_len, &total))
			return SIZE_MAX;
	return total;
}

static ssize_t send_message(int fd, const struct msghdr *msg)
{
	ssize_t n;

	do
		n = ktls_sys.sendmsg(fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int send_data(int fd, const struct iovec *iov, int iovcnt, size_t *ret_n)
{
	const struct msghdr msg = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = iovcnt < IOV_MAX ? (size_t)iovcnt : IOV_MAX,
	};
	ssize_t n;

	/* To the kernel an empty send is no record, and no error. */
	if (!iov_total(iov, iovcnt)) {
		*ret_n = 0;
		return 0;
	}
	n = send_message(fd, &msg);
	if (n < 0)
		return (int)n;
	*ret_n = (size_t)n;
	return 0;
}

void kern_set_type(struct msghdr *msg, union kern_type_room *room, uint8_t type)
{
	struct cmsghdr *cmsg;

	*room = (union kern_type_room){ 0 };
	msg->msg_control = room->bytes;
	msg->msg_controllen = sizeof(room->bytes);
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_TLS;
	cmsg->cmsg_type = TLS_SET_RECORD_TYPE;
	cmsg->cmsg_len = CMSG_LEN(sizeof(type));
	memcpy(CMSG_DATA(cmsg), &type, sizeof(type));
}

/* The kernel would split what exceeds a record, and cannot make an empty one. */
static int send_control(int fd, uint8_t type, const struct iovec *iov, int iovcnt, size_t *ret_n)
{
	const size_t total = iov_total(iov, iovcnt);
	union kern_type_room room;
	struct msghdr msg = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = (size_t)iovcnt,
	};
	ssize_t n;

	if (type == KERN_RECORD_NONE || !total || iovcnt > IOV_MAX)
		return -EINVAL;
	if (total > KERN_PAYLOAD_MAX)
		return -EMSGSIZE;

	kern_set_type(&msg, &room, type);
	n = send_message(fd, &msg);
	if (n < 0)
		return (int)n;
	/* A part of it went out as a record of its own: not a state to go on from. */
	if ((size_t)n != total)
		return -EPROTO;
	*ret_n = total;
	return 0;
}

int kern_send(int fd, uint8_t type, const struct iovec *iov, int iovcnt, size_t *ret_n)
{
	if (iovcnt < 0)
		return -EINVAL;
	if (type == KERN_RECORD_DATA)
		return send_data(fd, iov, iovcnt, ret_n);
	return send_control(fd, type, iov, iovcnt, ret_n);
}

int kern_send_file(int fd, int file_fd, uint64_t offset, size_t len, size_t *ret_n)
{
	off_t at;
	ssize_t n;

	static_assert(sizeof(off_t) == sizeof(int64_t), "large files");
	if (offset > INT64_MAX)
		return -EINVAL;
	if (len > FILE_RANGE_MAX)
		len = FILE_RANGE_MAX;
	do {
		at = (off_t)offset;
		n = ktls_sys.sendfile(fd, file_fd, &at, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_n = (size_t)n;
	return 0;
}

/* Uncorking what was not corked changes no option, and pushes. */
void kern_push(int fd)
{
	const int off = 0;

	ktls_sys.setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
}

/* The one control message that may stand in what was received; KERN_RECORD_NONE if none does. */
static int parse_type(struct msghdr *msg, uint8_t *ret_type)
{
	const struct cmsghdr *cmsg;

	if (msg->msg_flags & MSG_CTRUNC)
		return -EPROTO;
	if (!msg->msg_controllen) {
		*ret_type = KERN_RECORD_NONE;
		return 0;
	}
	if (msg->msg_controllen < CMSG_LEN(sizeof(uint8_t)) ||
	    msg->msg_controllen > CMSG_SPACE(sizeof(uint8_t)))
		return -EPROTO;

	cmsg = CMSG_FIRSTHDR(msg);
	if (cmsg->cmsg_level != SOL_TLS || cmsg->cmsg_type != TLS_GET_RECORD_TYPE ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(uint8_t)))
		return -EPROTO;
	/* A TLS 1.2 peer can write 0 there: it is no type, and must not pass for the end. */
	if (*CMSG_DATA(cmsg) == KERN_RECORD_NONE)
		return -EINVAL;
	*ret_type = *CMSG_DATA(cmsg);
	return 0;
}

int kern_parse(struct msghdr *msg, size_t n, size_t room, uint8_t *ret_type, bool *ret_end)
{
	uint8_t type;
	int r = parse_type(msg, &type);

	if (r < 0)
		return r;
	if (n && type == KERN_RECORD_NONE)
		return -EPROTO;
	*ret_type = type;
	/* MSG_EOR of data says that a record ended in this call, not that the last one did: a
	 * remainder may stay, if it was the buffer that ended. */
	*ret_end = msg->msg_flags & MSG_EOR && (type != KERN_RECORD_DATA || n < room);
	return 0;
}

int kern_recv(int fd, const struct iovec *iov, int iovcnt, uint8_t *ret_type, bool *ret_end,
	      size_t *ret_n)
{
	union kern_type_room room;
	struct msghdr msg;
	size_t total;
	ssize_t n;
	int r;

	if (iovcnt < 0)
		return -EINVAL;
	if (iovcnt > IOV_MAX)
		iovcnt = IOV_MAX;
	total = iov_total(iov, iovcnt);
	if (!total)
		return -EINVAL; /* its answer could not be told from the end */

	do {
		room = (union kern_type_room){ 0 };
		msg = (struct msghdr){
			.msg_iov = (struct iovec *)iov,
			.msg_iovlen = (size_t)iovcnt,
			.msg_control = room.bytes,
			.msg_controllen = sizeof(room.bytes),
		};
		n = ktls_sys.recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	r = kern_parse(&msg, (size_t)n, total, ret_type, ret_end);
	if (!r)
		*ret_n = (size_t)n;
	return r;
}

int kern_tcp_taken(int fd, uint64_t *ret_bytes)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (ktls_sys.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -errno;
	/* The last of the three members came with Linux 4.19. */
	if (len < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans))
		return -EOPNOTSUPP;
	*ret_bytes = info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
	return 0;
}
