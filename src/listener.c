/* SPDX-License-Identifier: MIT */

/* Listening, and handing out connections as they come; see ktls/listener.h. The handshakes of
 * ktls_listener_accept_open() are in listener_open.c. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ktls/socket.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/secret.h"
#include "base/sized.h"
#include "base/sys.h"
#include "config.h"
#include "listener.h"

enum {
	BROKEN_MAX = 64, /* connections in a row, before we look at the clock */
	FLAGS = KTLS_LISTENER_REUSE_PORT | KTLS_LISTENER_V6_ONLY | KTLS_LISTENER_EXCLUSIVE,
};

/* Birth and death */

/* Takes the descriptor over when it succeeds. */
static int make(struct ktls_listener **ret_listener, struct ktls_config *config, int *fd)
{
	struct ktls_listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return -ENOMEM;
	pthread_mutex_init(&listener->lock, NULL);
	listener->config = ktls_config_ref(config);
	listener->fd = ktls_fd_steal(fd);
	listener->epoll_fd = -EBADF;
	listener->limit = KTLS_HANDSHAKES_DEFAULT;
	listener->timeout_ms = KTLS_HANDSHAKE_TIMEOUT_DEFAULT_MS;
	*ret_listener = listener;
	return 0;
}

static int check_config(struct ktls_config *config)
{
	if (!config || config->role != KTLS_SERVER)
		return -EINVAL;
	return ktls_config_freeze(config);
}

static int set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_options(int fd, uint16_t family, uint32_t flags)
{
	int r = 0;

	if (!(flags & KTLS_LISTENER_EXCLUSIVE))
		r = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!r && flags & KTLS_LISTENER_REUSE_PORT)
		r = set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	/* Said either way: the default is the machine's (net.ipv6.bindv6only). */
	if (!r && family == AF_INET6)
		r = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !!(flags & KTLS_LISTENER_V6_ONLY));
	return r;
}

int ktls_listener_new(struct ktls_listener **ret_listener, struct ktls_config *config,
		      const struct ktls_address *address, int backlog, uint32_t flags)
{
	_cleanup_(ktls_fd_close) int fd = -EBADF;
	struct sockaddr_storage storage;
	socklen_t len;
	int r;

	if (!ret_listener || !address || backlog < -1 || flags & ~(uint32_t)FLAGS)
		return -EINVAL;
	r = check_config(config);
	if (r < 0)
		return r;
	r = ktls_address_to_sockaddr(address, &storage, &len);
	if (r < 0)
		return r;
	fd = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	r = set_options(fd, address->family, flags);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&storage, len) < 0 ||
	    listen(fd, backlog < 0 ? SOMAXCONN : backlog) < 0)
		return -errno;
	return make(ret_listener, config, &fd);
}

static int check_listens(int fd)
{
	int type, listens;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -errno;
	return type == SOCK_STREAM && listens ? 0 : -EINVAL;
}

int ktls_listener_new_fd(struct ktls_listener **ret_listener, struct ktls_config *config, int fd)
{
	_cleanup_(ktls_fd_close) int own = -EBADF;
	int r;

	if (!ret_listener)
		return -EINVAL;
	r = check_config(config);
	if (!r)
		r = check_listens(fd);
	if (r < 0)
		return r;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	r = ktls_fd_make_nonblocking(own);
	return r < 0 ? r : make(ret_listener, config, &own);
}

struct ktls_listener *ktls_listener_free(struct ktls_listener *listener)
{
	if (!listener)
		return NULL;
	ktls_listener_stop(listener);
	ktls_fd_close(&listener->fd);
	/* Another thread may have set it last, and have told us in a way that orders no memory. */
	pthread_mutex_lock(&listener->lock);
	ktls_config_unref(listener->config);
	pthread_mutex_unlock(&listener->lock);
	pthread_mutex_destroy(&listener->lock);
	free(listener);
	return NULL;
}

/* What it is */

int ktls_listener_set_config(struct ktls_listener *listener, struct ktls_config *config)
{
	struct ktls_config *old;
	int r;

	if (!listener)
		return -EINVAL;
	r = check_config(config);
	if (r < 0)
		return r;
	ktls_config_ref(config);
	pthread_mutex_lock(&listener->lock);
	old = listener->config;
	listener->config = config;
	pthread_mutex_unlock(&listener->lock);
	ktls_config_unref(old);
	return 0;
}

int ktls_listener_get_address(const struct ktls_listener *listener,
			      struct ktls_address *ret_address)
{
	struct sockaddr_storage storage;
	socklen_t len = sizeof(storage);

	if (!listener || !ret_address)
		return -EINVAL;
	if (getsockname(listener->fd, (struct sockaddr *)&storage, &len) < 0)
		return -errno;
	return ktls_address_from_sockaddr(ret_address, (struct sockaddr *)&storage, len);
}

int ktls_listener_get_fd(const struct ktls_listener *listener)
{
	if (!listener)
		return -EINVAL;
	return listener->epoll_fd < 0 ? listener->fd : listener->epoll_fd;
}

int ktls_listener_get_stats(const struct ktls_listener *listener,
			    struct ktls_listener_stats *ret_stats, size_t size)
{
	struct ktls_listener_stats stats;

	if (!listener || !ret_stats || !size)
		return -EINVAL;
	stats.accepted = listener->accepted;
	stats.open = listener->open;
	stats.failed = listener->failed;
	stats.timed_out = listener->timed_out;
	stats.given_up = listener->given_up;
	stats.waiting = listener->waiting;
	ktls_sized_copy(ret_stats, size, &stats, sizeof(stats));
	return 0;
}

/* Accepting */

/* What accept(2) tells of a connection that broke while it waited, and not of us. */
bool ktls_listener_is_of_the_peer(int error)
{
	static const int errors[] = { EINTR,	   ECONNABORTED, ENETDOWN, EPROTO,
				      ENOPROTOOPT, EHOSTDOWN,	 ENONET,   EHOSTUNREACH,
				      EOPNOTSUPP,  ENETUNREACH,	 ETIMEDOUT };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (error == errors[i])
			return true;
	}
	return false;
}

/* Of descriptors that run out accept(2) tells before it looks whether anybody is there. */
static bool somebody_waits(const struct ktls_listener *listener)
{
	struct pollfd queue = { .fd = listener->fd, .events = POLLIN };
	int error = errno, n;

	if (error != EMFILE && error != ENFILE)
		return true;
	n = ktls_sys.poll(&queue, 1, 0);
	errno = error;
	return n != 0;
}

/* 0, KTLS_WANT_READ, -errno. */
static int take_socket(const struct ktls_listener *listener, int *ret_fd,
		       struct ktls_address *ret_peer)
{
	struct sockaddr_storage storage;
	struct sockaddr *sockaddr = (struct sockaddr *)&storage;

	for (int i = 0; i < BROKEN_MAX; i++) {
		socklen_t len = sizeof(storage);
		int fd = ktls_sys.accept4(listener->fd, sockaddr, &len,
					  SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			*ret_fd = fd;
			if (ktls_address_from_sockaddr(ret_peer, sockaddr, len) < 0)
				*ret_peer = (struct ktls_address){ 0 };
			return 0;
		}
		if (errno == EAGAIN || !somebody_waits(listener))
			break;
		if (!ktls_listener_is_of_the_peer(errno))
			return -errno;
	}
	return KTLS_WANT_READ;
}

static struct ktls_config *present_config(struct ktls_listener *listener)
{
	struct ktls_config *config;

	pthread_mutex_lock(&listener->lock);
	config = ktls_config_ref(listener->config);
	pthread_mutex_unlock(&listener->lock);
	return config;
}

int ktls_listener_welcome(struct ktls_listener *listener, int fd, struct ktls_conn **ret_conn)
{
	_cleanup_(ktls_fd_close) int own = fd;
	const int on = 1;
	struct ktls_config *config;
	int r;

	listener->accepted++;
	/* Of what is no TCP there is nothing to say. */
	ktls_sys.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	config = present_config(listener);
	r = ktls_conn_adopt(ret_conn, config, fd);
	ktls_config_unref(config);
	if (!r)
		ktls_fd_steal(&own);
	return r;
}

int ktls_listener_take(struct ktls_listener *listener, struct ktls_conn **ret_conn,
		       struct ktls_address *ret_peer)
{
	int fd = -EBADF, r = take_socket(listener, &fd, ret_peer);

	return r ? r : ktls_listener_welcome(listener, fd, ret_conn);
}

int ktls_listener_accept(struct ktls_listener *listener, uint64_t deadline_ns,
			 struct ktls_conn **ret_conn, struct ktls_address *ret_peer)
{
	struct ktls_address peer;
	int r;

	if (!listener || !ret_conn)
		return -EINVAL;
	for (;;) {
		r = ktls_listener_take(listener, ret_conn, ret_peer ? ret_peer : &peer);
		if (r != KTLS_WANT_READ || deadline_ns == KTLS_NOW)
			return r;
		r = ktls_deadline_poll(listener->fd, POLLIN, deadline_ns);
		if (r)
			return r;
	}
}
