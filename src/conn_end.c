/* SPDX-License-Identifier: MIT */

/*
 * The end of a connection, in order: what was accepted goes out, close_notify behind it, and the
 * transport's sending side ends only when TCP has taken all of it; a kernel's tls would drop what
 * it still held. Where the socket is closed here too, it is read empty first: TCP answers a close
 * over unread bytes with a reset (RFC 2525 2.17), which takes our last bytes with it.
 */

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "base/deadline.h"
#include "base/sys.h"
#include "batch.h"
#include "conn.h"
#include "lane.h"
#include "transport.h"
#include "wait.h"

enum {
	DRAIN_LEN = 4096,
	DRAIN_READS = 64, /* in a row, before we look at the clock */
	PAUSE_MS = 1,
	ALERT_LEN = 2,
};

/* What the kernel's tls holds when the transport breaks it holds forever, and tells nobody: no call
 * is left that could hear of it. SO_ERROR would, but then close(2) may raise SIGPIPE. */
static int check_transport(struct ktls_conn *conn)
{
	struct pollfd pollfd = { .fd = conn->fd };

	if (conn->transport)
		return 0;
	if (ktls_sys.poll(&pollfd, 1, 0) < 0)
		return errno == EINTR ? 0 : -errno;
	return pollfd.revents & POLLHUP ? -ECONNRESET : 0;
}

int ktls_conn_flush(struct ktls_conn *conn)
{
	int r = conn->half[KTLS_TX].protect->flush(conn), broken;

	if (r != KTLS_WANT_WRITE)
		return r;
	broken = check_transport(conn);
	return broken < 0 ? broken : r;
}

/* A peer that has ended and closed answers our close_notify with a reset. Nothing is lost if that
 * is all that it has not acknowledged, and if its end came first: a close over bytes that were not
 * read would be a reset instead of it, and the socket's error then another. */
static bool is_of_close_notify_alone(const struct ktls_conn *conn)
{
	int error = 0, unacknowledged = 0;
	socklen_t len = sizeof(error);

	return !conn->transport && conn->half[KTLS_TX].protect != &ktls_protect_plain &&
	       !ktls_sys.getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) &&
	       error == EPIPE && !ioctl(conn->fd, SIOCOUTQ, &unacknowledged) &&
	       (size_t)unacknowledged == ktls_batch_record_len(conn, ALERT_LEN);
}

static int shutdown_step(struct ktls_conn *conn)
{
	int r;

	if (!conn->close_sent) {
		r = ktls_post_send_alert(conn, false, KTLS_ALERT_CLOSE_NOTIFY);
		if (r)
			return r;
		ktls_conn_end_tx(conn);
	}
	r = ktls_conn_flush(conn);
	if (r)
		return r;
	r = ktls_transport_shutdown(conn);
	if (r == -ENOTCONN)
		r = is_of_close_notify_alone(conn) ? 0 : -ECONNRESET;
	if (r < 0)
		return r;
	conn->transport_shut = true;
	return 0;
}

static int try_shutdown(struct ktls_conn *conn)
{
	int r = conn->transport_shut ? 0 : shutdown_step(conn);

	return r < 0 ? ktls_conn_fail_io(conn, r, "ending the connection") : r;
}

int ktls_conn_shutdown(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	int r;

	if (!conn)
		return -EINVAL;
	r = conn->gone ? -ENOTCONN : ktls_conn_check_io(conn);
	if (r)
		return r;
	for (;;) {
		r = try_shutdown(conn);
		if (r <= 0)
			return r;
		r = ktls_wait(conn, &waiter, r, 0);
		if (r)
			return r;
	}
}

/* Closing */

static uint64_t last_sequence(const struct ktls_conn *conn, enum ktls_direction direction)
{
	return conn->half[direction].keys.seq;
}

static void drop_nothing(struct ktls_conn *conn, enum ktls_direction direction)
{
	(void)conn;
	(void)direction;
}

/* What is left of a protection without a socket: facts. A closed connection reads its end and
 * writes -EPIPE, so nobody asks for more. */
static const struct ktls_protect remains[_KTLS_PROTECTION_N] = {
	[KTLS_PROTECTION_NONE] = { .protection = KTLS_PROTECTION_NONE,
				   .sequence = last_sequence,
				   .drop = drop_nothing },
	[KTLS_PROTECTION_USER] = { .protection = KTLS_PROTECTION_USER,
				   .sequence = last_sequence,
				   .drop = drop_nothing },
	[KTLS_PROTECTION_KERNEL] = { .protection = KTLS_PROTECTION_KERNEL,
				     .sequence = last_sequence,
				     .drop = drop_nothing },
};

static void keep_facts(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	uint64_t seq = half->protect->sequence(conn, direction);

	half->protect->drop(conn, direction);
	ktls_secret_wipe(&half->secret);
	half->keys.seq = seq;
	half->protect = &remains[half->protect->protection];
}

static void close_transport(struct ktls_conn *conn)
{
	static const struct linger off;

	if (ktls_conn_check_open(conn) == -ENOTCONN)
		ktls_conn_fail(conn, -ENOTCONN, "the connection was closed before it was open");
	if (conn->state != KTLS_STATE_FAILED) {
		if (!conn->close_sent)
			ktls_conn_end_tx(conn);
		if (!conn->rx_end)
			ktls_conn_end_rx(conn, KTLS_CLOSED);
		keep_facts(conn, KTLS_TX);
		keep_facts(conn, KTLS_RX);
	}
	/* Writing would bring it about. */
	conn->rekey.ending = KTLS_ENDING_NONE;
	/* Lingering would wait past the deadline, or, set to no time, take back what TCP has. */
	if (conn->fd >= 0)
		ktls_sys.setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	ktls_conn_close_fd(conn);
	conn->gone = true;
}

/* Reads and throws away. 0: there may be more at once; else what the last read answered. */
static int drain(struct ktls_conn *conn)
{
	uint8_t bytes[DRAIN_LEN];
	size_t n;
	int r = 0;

	for (int i = 0; i < DRAIN_READS && !r; i++)
		r = ktls_conn_read(conn, bytes, sizeof(bytes), KTLS_NOW, &n);
	return r;
}

/* Until ours can leave or theirs can come: a peer that writes all before it reads would otherwise
 * wait for us as we for it. A kernel that protects may say so of a socket on which nothing can
 * move. */
static int wait_either(struct ktls_conn *conn, short events, uint64_t deadline_ns)
{
	int r;

	if (ktls_conn_is_kernels(conn, KTLS_TX) || ktls_conn_is_kernels(conn, KTLS_RX))
		ktls_sys.poll(NULL, 0, PAUSE_MS);
	r = ktls_transport_wait(conn, events, deadline_ns);
	if (r == -EAGAIN)
		return KTLS_WANT_WRITE;
	return r < 0 ? ktls_conn_fail_io(conn, r, "waiting for the socket") : r;
}

static int wait_for_end(struct ktls_conn *conn, struct ktls_waiter *waiter, int sending,
			int reading)
{
	if (waiter->deadline_ns == KTLS_NOW)
		/* A socket that was shut down is always writable: that is "again". */
		return sending ? sending : reading ? reading : KTLS_WANT_WRITE;
	if (!reading)
		return ktls_deadline_clock() < waiter->deadline_ns ? 0 : KTLS_TIMEDOUT;
	if (sending == KTLS_WANT_WRITE)
		return wait_either(conn, reading == KTLS_WANT_READ ? POLLIN | POLLOUT : POLLOUT,
				   waiter->deadline_ns);
	return ktls_wait(conn, waiter, sending ? sending : reading, 0);
}

/* Until both sides have ended. */
static int end_both(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	int sending, reading, r = 0;

	while (!r) {
		sending = try_shutdown(conn);
		if (sending < 0)
			return sending;
		reading = drain(conn);
		if (!sending && reading && !ktls_wait_is_want(reading))
			return reading == KTLS_EOF ? KTLS_DONE : KTLS_CLOSED;
		if (reading < 0)
			return reading;
		r = wait_for_end(conn, &waiter, sending, reading);
	}
	return r;
}

int ktls_conn_shutdown_and_close(struct ktls_conn *conn, uint64_t deadline_ns)
{
	int r;

	if (!conn)
		return -EINVAL;
	if (ktls_lane_forbids(conn))
		return -EBUSY;
	/* The socket of a frozen one is whoever's that thaws it. */
	if (conn->gone || conn->state == KTLS_STATE_FROZEN)
		return -ENOTCONN;
	r = ktls_conn_check_open(conn);
	if (!r)
		r = end_both(conn, deadline_ns);
	else if (conn->state != KTLS_STATE_FAILED)
		r = 0;
	if (!ktls_wait_is_want(r))
		close_transport(conn);
	return r;
}
