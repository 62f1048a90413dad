/* SPDX-License-Identifier: MIT */

/*
 * Connections whose handshakes are done. Those whose are not stand in a line, the oldest first,
 * each waited for with epoll beside the listening socket. As all get the same time, the oldest is
 * also the first whose time is up.
 */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <ktls/poll.h>
#include <ktls/socket.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/secret.h"
#include "listener.h"
#include "wait.h"

enum {
	BATCH = 64, /* events, or new connections, at once */
};

/* epoll's words for poll's. */
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT, "they are the same bits");

/* The line */

static void enter(struct ktls_listener *listener, struct ktls_greeted *greeted)
{
	greeted->older = listener->newest;
	if (listener->newest)
		listener->newest->newer = greeted;
	else
		listener->oldest = greeted;
	listener->newest = greeted;
	listener->waiting++;
}

static void leave(struct ktls_listener *listener, struct ktls_greeted *greeted)
{
	if (greeted->older)
		greeted->older->newer = greeted->newer;
	else
		listener->oldest = greeted->newer;
	if (greeted->newer)
		greeted->newer->older = greeted->older;
	else
		listener->newest = greeted->older;
	listener->waiting--;
	epoll_ctl(listener->epoll_fd, EPOLL_CTL_DEL, ktls_conn_get_fd(greeted->conn), NULL);
}

/* It is nobody's any more. */
static void drop(struct ktls_listener *listener, struct ktls_greeted *greeted,
		 atomic_uint_least64_t *counter)
{
	leave(listener, greeted);
	ktls_conn_free(greeted->conn);
	free(greeted);
	(*counter)++;
}

static bool give_up_oldest(struct ktls_listener *listener)
{
	if (!listener->oldest)
		return false;
	drop(listener, listener->oldest, &listener->given_up);
	return true;
}

static void drop_late(struct ktls_listener *listener)
{
	uint64_t now_ns = listener->oldest ? ktls_deadline_clock() : 0;

	while (listener->oldest && listener->oldest->until_ns <= now_ns)
		drop(listener, listener->oldest, &listener->timed_out);
}

void ktls_listener_stop(struct ktls_listener *listener)
{
	while (give_up_oldest(listener))
		;
	ktls_fd_close(&listener->epoll_fd);
}

/* Handshakes */

static int watch(struct ktls_listener *listener, struct ktls_greeted *greeted)
{
	short events = ktls_conn_get_events(greeted->conn, KTLS_POLL_READ);
	struct epoll_event event = { .events = (uint32_t)events, .data.ptr = greeted };
	int op = greeted->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == greeted->events)
		return 0;
	greeted->events = events;
	return epoll_ctl(listener->epoll_fd, op, ktls_conn_get_fd(greeted->conn), &event) < 0
		       ? -errno
		       : 0;
}

/* KTLS_DONE, KTLS_WANT_VERDICT: to be handed out. KTLS_WANT_READ: go on with others; it may be
 * gone.
 */
static int step(struct ktls_listener *listener, struct ktls_greeted *greeted)
{
	int r = ktls_conn_handshake(greeted->conn, KTLS_NOW);

	if (!r || r == KTLS_WANT_VERDICT)
		return r;
	if (!ktls_wait_is_want(r) || watch(listener, greeted) < 0)
		drop(listener, greeted, &listener->failed);
	return KTLS_WANT_READ;
}

/* A new connection to the end of the line. As ktls_listener_take(). */
static int greet(struct ktls_listener *listener, struct ktls_greeted **ret_greeted)
{
	struct ktls_greeted *greeted = calloc(1, sizeof(*greeted));
	int r = greeted ? ktls_listener_take(listener, &greeted->conn, &greeted->peer) : -ENOMEM;

	if (r) {
		free(greeted);
		return r;
	}
	if (listener->waiting == listener->limit)
		give_up_oldest(listener);
	greeted->until_ns = ktls_deadline_in(listener->timeout_ms);
	enter(listener, greeted);
	*ret_greeted = greeted;
	return 0;
}

static bool is_shortage(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

/* Those that have come, until one is to be handed out. */
static int greet_all(struct ktls_listener *listener, struct ktls_greeted **ret_greeted)
{
	int r = KTLS_WANT_READ;

	for (int i = 0; i < BATCH && r == KTLS_WANT_READ; i++) {
		r = greet(listener, ret_greeted);
		if (r == KTLS_WANT_READ)
			return r;
		if (!r)
			r = step(listener, *ret_greeted);
		else if (is_shortage(r) && give_up_oldest(listener))
			r = KTLS_WANT_READ;
	}
	return r;
}

/* One look at all. As step(); -errno. *ret_busy: there was something. */
static int look(struct ktls_listener *listener, struct ktls_greeted **ret_greeted, bool *ret_busy)
{
	struct epoll_event events[BATCH];
	int n = epoll_wait(listener->epoll_fd, events, BATCH, 0), r;
	bool come = false;

	if (n < 0 && errno != EINTR)
		return -errno;
	*ret_busy = n > 0;
	for (int i = 0; i < n; i++) {
		struct ktls_greeted *greeted = events[i].data.ptr;

		come |= !greeted;
		r = greeted ? step(listener, greeted) : KTLS_WANT_READ;
		*ret_greeted = greeted;
		/* What is left in events is still so at the next look. */
		if (r != KTLS_WANT_READ)
			return r;
	}
	/* Last, for it may give up one that stands in events. */
	return come ? greet_all(listener, ret_greeted) : KTLS_WANT_READ;
}

/* Until something has come, or somebody's time is up. */
static int wait_for_any(const struct ktls_listener *listener, uint64_t deadline_ns)
{
	uint64_t until_ns = listener->oldest ? listener->oldest->until_ns : KTLS_FOREVER;
	int r;

	if (deadline_ns <= until_ns)
		return ktls_deadline_poll(listener->epoll_fd, POLLIN, deadline_ns);
	r = ktls_deadline_poll(listener->epoll_fd, POLLIN, until_ns);
	return r == KTLS_TIMEDOUT ? 0 : r;
}

static int begin(struct ktls_listener *listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	_cleanup_(ktls_fd_close) int fd = -EBADF;

	if (listener->epoll_fd >= 0)
		return 0;
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, listener->fd, &event) < 0)
		return -errno;
	listener->epoll_fd = ktls_fd_steal(&fd);
	return 0;
}

static void hand_out(struct ktls_listener *listener, struct ktls_greeted *greeted,
		     struct ktls_conn **ret_conn, struct ktls_address *ret_peer)
{
	leave(listener, greeted);
	listener->open++;
	*ret_conn = greeted->conn;
	if (ret_peer)
		*ret_peer = greeted->peer;
	free(greeted);
}

int ktls_listener_accept_open(struct ktls_listener *listener, uint64_t deadline_ns,
			      struct ktls_conn **ret_conn, struct ktls_address *ret_peer)
{
	struct ktls_greeted *greeted;
	bool busy;
	int r;

	if (!listener || !ret_conn)
		return -EINVAL;
	r = begin(listener);
	if (r < 0)
		return r;
	for (;;) {
		drop_late(listener);
		r = look(listener, &greeted, &busy);
		if (r < 0)
			return r;
		if (r != KTLS_WANT_READ) {
			hand_out(listener, greeted, ret_conn, ret_peer);
			return r;
		}
		if (deadline_ns == KTLS_NOW)
			return KTLS_WANT_READ;
		if (busy)
			r = ktls_deadline_left_ms(deadline_ns) ? 0 : KTLS_TIMEDOUT;
		else
			r = wait_for_any(listener, deadline_ns);
		if (r)
			return r;
	}
}

int ktls_listener_set_handshakes(struct ktls_listener *listener, size_t limit, uint32_t timeout_ms)
{
	if (!listener || !limit || limit > KTLS_HANDSHAKES_MAX || !timeout_ms)
		return -EINVAL;
	/* The line is in the order of times that are up. */
	if (listener->epoll_fd >= 0)
		return -EBUSY;
	listener->limit = limit;
	listener->timeout_ms = timeout_ms;
	return 0;
}
