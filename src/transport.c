/* SPDX-License-Identifier: MIT */

/* Bytes over a socket or over the caller's functions; see transport.h. */

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include <ktls/transport.h>

#include "base/deadline.h"
#include "base/sys.h"
#include "conn.h"
#include "lane.h"
#include "transport.h"

static ssize_t socket_send(int fd, const struct iovec *iov, int iovcnt)
{
	const struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)iovcnt };
	ssize_t n = ktls_sys.sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

static ssize_t socket_receive(int fd, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = ktls_sys.recvmsg(fd, &msg, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

/* What functions of the caller's answer is believed only within its bounds. */
static int settle(ssize_t n, size_t len, size_t *ret_n)
{
	if (n < 0)
		return n < INT_MIN ? -EPROTO : (int)n;
	if ((size_t)n > len)
		return -EPROTO;
	*ret_n = (size_t)n;
	return 0;
}

int ktls_transport_send(const struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
			size_t *ret_n)
{
	const struct ktls_cursor cursor = { .iov = iov, .count = iovcnt };
	const struct ktls_transport *transport = conn->transport;
	ssize_t n;

	if (ktls_lane_is_sending(conn))
		return -EAGAIN;
	do {
		n = transport ? transport->send(conn->transport_context, iov, iovcnt)
			      : socket_send(conn->fd, iov, iovcnt);
	} while (n == -EINTR);
	return settle(n, ktls_cursor_left(&cursor), ret_n);
}

int ktls_transport_receive(struct ktls_conn *conn, void *buf, size_t len, size_t *ret_n)
{
	const struct ktls_transport *transport = conn->transport;
	ssize_t n;

	if (ktls_lane_receives(conn))
		return ktls_lane_receive(conn, buf, len, ret_n);
	do {
		n = transport ? transport->receive(conn->transport_context, buf, len)
			      : socket_receive(conn->fd, buf, len);
	} while (n == -EINTR);
	return settle(n, len, ret_n);
}

int ktls_transport_wait(const struct ktls_conn *conn, short events, uint64_t deadline_ns)
{
	const struct ktls_transport *transport = conn->transport;

	if (!transport)
		return ktls_deadline_poll(conn->fd, events, deadline_ns);
	if (deadline_ns != KTLS_FOREVER && ktls_deadline_clock() >= deadline_ns)
		return KTLS_TIMEDOUT;
	return transport->wait ? transport->wait(conn->transport_context, events, deadline_ns)
			       : -EAGAIN;
}

int ktls_transport_shutdown(const struct ktls_conn *conn)
{
	const struct ktls_transport *transport = conn->transport;

	if (transport)
		return transport->shutdown ? transport->shutdown(conn->transport_context) : 0;
	return ktls_sys.shutdown(conn->fd, SHUT_WR) < 0 ? -errno : 0;
}
