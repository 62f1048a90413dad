/* SPDX-License-Identifier: MIT */

/* See telling.h. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <criterion/criterion.h>

#include "src/base/sys.h"
#include "telling.h"

struct telling telling;

static bool is_netlink(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_NETLINK;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const struct sockaddr_nl *to = msg->msg_name;
	const struct iovec *piece = msg->msg_iov;

	if (!is_netlink(fd))
		return sendmsg(fd, msg, flags);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_assert(msg->msg_namelen == sizeof(*to) && !to->nl_pid && !to->nl_groups);
	if (telling.interrupted) {
		telling.interrupted--;
		errno = EINTR;
		return -1;
	}
	if (telling.send_error) {
		errno = telling.send_error;
		return -1;
	}
	cr_assert(msg->msg_iovlen == 1 && piece->iov_len >= NLMSG_HDRLEN);
	cr_assert_leq(piece->iov_len, NLMSG_HDRLEN + sizeof(telling.payload));
	memcpy(&telling.request, piece->iov_base, sizeof(telling.request));
	cr_assert_eq(telling.request.nlmsg_len, piece->iov_len);
	memcpy(telling.payload, (const uint8_t *)piece->iov_base + NLMSG_HDRLEN,
	       piece->iov_len - NLMSG_HDRLEN);
	telling.asked++;
	if (telling.again)
		telling.next = 0;
	return (ssize_t)piece->iov_len;
}

static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	const struct telling_datagram *datagram = &telling.script[telling.next];
	size_t len = datagram->len, room = msg->msg_iov->iov_len;
	uint8_t data[TELLING_ROOM];

	if (!is_netlink(fd))
		return recvmsg(fd, msg, flags);
	cr_assert(flags & MSG_DONTWAIT);
	if (telling.interrupted) {
		telling.interrupted--;
		errno = EINTR;
		return -1;
	}
	if (telling.next == telling.n) {
		errno = EAGAIN;
		return -1;
	}
	telling.next++;
	if (datagram->error) {
		errno = datagram->error;
		return -1;
	}
	memcpy(data, datagram->data, len);
	for (size_t at = 0; at + NLMSG_HDRLEN <= len;) {
		struct nlmsghdr header;

		memcpy(&header, data + at, sizeof(header));
		header.nlmsg_seq += telling.request.nlmsg_seq;
		memcpy(data + at, &header, sizeof(header));
		at += NLMSG_ALIGN(header.nlmsg_len ? header.nlmsg_len : len);
	}
	from.nl_pid = datagram->from;
	memcpy(msg->msg_name, &from, sizeof(from));
	msg->msg_flags = len > room ? MSG_TRUNC : 0;
	memcpy(msg->msg_iov->iov_base, data, len < room ? len : room);
	return (ssize_t)(len < room ? len : room);
}

static int fake_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (n == 1 && is_netlink(fds->fd)) {
		cr_assert(timeout_ms > 0 && timeout_ms <= KTLS_NETLINK_SILENCE_MS);
		telling.polled++;
	}
	return poll(fds, n, timeout_ms);
}

void telling_begin(void)
{
	memset(&telling, 0, sizeof(telling));
	ktls_sys.sendmsg = fake_sendmsg;
	ktls_sys.recvmsg = fake_recvmsg;
	ktls_sys.poll = fake_poll;
}

struct telling_datagram *telling_last(void)
{
	return &telling.script[telling.n - 1];
}

void telling_datagram(void)
{
	cr_assert_lt(telling.n, TELLING_DATAGRAMS_MAX);
	telling.script[telling.n++] = (struct telling_datagram){ .len = 0 };
}

void telling_errno(int error)
{
	telling_datagram();
	telling_last()->error = error;
}

void telling_say(uint16_t type, uint16_t flags, uint32_t seq, const void *payload, size_t len)
{
	struct telling_datagram *datagram = telling_last();
	struct nlmsghdr header = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
				   .nlmsg_type = type,
				   .nlmsg_flags = flags,
				   .nlmsg_seq = seq };

	cr_assert_leq(datagram->len + NLMSG_SPACE(len), TELLING_ROOM);
	memcpy(datagram->data + datagram->len, &header, sizeof(header));
	if (len)
		memcpy(datagram->data + datagram->len + NLMSG_HDRLEN, payload, len);
	datagram->len += NLMSG_SPACE(len);
}

void telling_done(int error)
{
	telling_say(NLMSG_DONE, NLM_F_MULTI, 0, &error, sizeof(error));
}

void telling_error(int error)
{
	struct nlmsgerr message = { .error = error };

	telling_say(NLMSG_ERROR, 0, 0, &message, sizeof(message));
}
