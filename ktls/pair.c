/* SPDX-License-Identifier: MIT */

/*
 * A connection of this process with itself, over the loopback, for who wants to try something on a
 * socket that is nobody's. Made by plain calls: they move neither bytes nor keys.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "ktls/kern.h"

enum pair_limit {
	STRANGERS_MAX = 8,     /* who else may reach the listener's port before us */
	NS_PER_S = 1000000000, /* what a connection over the loopback may take */
};

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int listen_loopback(int family, union address *ret_address)
{
	_cleanup_(ktls_fd_close) int fd = -EBADF;
	union address address = { .any.sa_family = (sa_family_t)family };
	socklen_t len = sizeof(address);

	if (family == AF_INET)
		address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		address.in6.sin6_addr = in6addr_loopback;

	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	if (bind(fd, &address.any, sizeof(address)) || listen(fd, STRANGERS_MAX))
		return -errno;
	if (getsockname(fd, &address.any, &len))
		return -errno;
	*ret_address = address;
	return ktls_fd_steal(&fd);
}

/* The port is open to the whole host: only the connection that comes from `fd` is the other end. */
static int accept_from(int listener, int fd, uint64_t deadline_ns)
{
	union address ours = { 0 };
	socklen_t len = sizeof(ours);

	if (getsockname(fd, &ours.any, &len))
		return -errno;
	for (int i = 0; i < STRANGERS_MAX; i++) {
		_cleanup_(ktls_fd_close) int peer = -EBADF;
		union address theirs = { 0 };
		int r = ktls_deadline_poll(listener, POLLIN, deadline_ns);

		if (r)
			return r < 0 ? r : -ETIMEDOUT;
		len = sizeof(theirs);
		peer = accept4(listener, &theirs.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (peer < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			return -errno;
		if (peer >= 0 && !memcmp(&ours, &theirs, sizeof(ours)))
			return ktls_fd_steal(&peer);
	}
	return -ECONNREFUSED;
}

static int connect_pair(int family, struct kern_pair *ret_pair)
{
	const struct linger reset = { .l_onoff = 1 }; /* leaves no TIME_WAIT behind */
	const uint64_t deadline_ns = ktls_deadline_clock() + NS_PER_S;
	_cleanup_(ktls_fd_close) int listener = -EBADF;
	_cleanup_(kern_pair_close) struct kern_pair pair = KERN_PAIR_NULL;
	union address address;
	int r;

	listener = listen_loopback(family, &address);
	if (listener < 0)
		return listener;
	pair.tx = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (pair.tx < 0)
		return -errno;
	if (connect(pair.tx, &address.any, sizeof(address)) && errno != EINPROGRESS)
		return -errno;
	pair.rx = accept_from(listener, pair.tx, deadline_ns);
	if (pair.rx < 0)
		return pair.rx;
	r = ktls_deadline_poll(pair.tx, POLLOUT, deadline_ns);
	if (r)
		return r < 0 ? r : -ETIMEDOUT;

	setsockopt(pair.tx, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	*ret_pair = pair;
	pair = (struct kern_pair)KERN_PAIR_NULL;
	return 0;
}

int kern_pair_connect(struct kern_pair *ret_pair, unsigned int *ret_reason)
{
	int r = connect_pair(AF_INET, ret_pair);

	/* A network namespace, or a host, may have only the other. */
	if (r < 0 && r != -EPERM && r != -EACCES)
		r = connect_pair(AF_INET6, ret_pair);
	if (r < 0)
		*ret_reason =
			r == -EPERM || r == -EACCES ? KTLS_REASON_SECCOMP : KTLS_REASON_NO_LOOPBACK;
	return r;
}

int kern_pair_open(struct kern_pair *ret_pair, unsigned int *ret_reason)
{
	_cleanup_(kern_pair_close) struct kern_pair pair = KERN_PAIR_NULL;
	int r = kern_pair_connect(&pair, ret_reason);

	if (!r)
		r = kern_attach(pair.tx, ret_reason);
	if (!r)
		r = kern_attach(pair.rx, ret_reason);
	if (r < 0)
		return r;
	*ret_pair = pair;
	pair = (struct kern_pair)KERN_PAIR_NULL;
	return 0;
}

void kern_pair_close(struct kern_pair *pair)
{
	ktls_fd_close(&pair->tx);
	ktls_fd_close(&pair->rx);
}
