/* SPDX-License-Identifier: MIT */

/*
 * Waiting for many; see poll.h. Each handle is asked what it waits for, in poll(2)'s terms, and
 * what it has already; then all are waited for at once.
 *
 * A socket can mislead: kernels before 6.12 call half a record readable, any calls a socket
 * writable whose tls still holds a record, and where every buffer is in use, nothing can be read at
 * all. Such a socket is left out while that lasts, and looked at again after a pause.
 */

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <ktls/listener.h>
#include <ktls/poll.h>
#include <ktls/socket.h>

#include "base/deadline.h"
#include "base/sys.h"
#include "config.h"
#include "conn.h"
#include "handshake.h"
#include "pool.h"
#include "verify.h"

enum {
	PAUSE_MS = 1,
	PAUSES_FEW = 1,	   /* until we believe that a socket is writable */
	PAUSES_MANY = 100, /* until we try although nothing has changed */
	ASKABLE = KTLS_POLL_READ | KTLS_POLL_WRITE,
	BITS = ASKABLE | KTLS_POLL_ERROR | KTLS_POLL_CLOSED | KTLS_POLL_NOT_POLLABLE,
};

/* What a handle waits for. */
struct ask {
	short read, write; /* events that make each bit true */
	bool again;	   /* something was left out: look again soon */
	uint32_t now;	   /* bits that are true already */
};

/* Connections */

static int unread_bytes(const struct ktls_conn *conn)
{
	int n;

	return ioctl(conn->fd, FIONREAD, &n) < 0 ? -1 : n;
}

/* Whether the direction has no buffer, and would find none. */
static bool is_starved(const struct ktls_conn *conn, enum ktls_direction direction)
{
	const struct ktls_half *half = &conn->half[direction];

	return half->protect == &ktls_protect_user && !half->user.buffer &&
	       ktls_pool_is_empty(conn->config->pool);
}

/* Whether READ, said now, would be said in vain. */
static bool read_misleads(const struct ktls_conn *conn, unsigned int pauses)
{
	if (pauses >= PAUSES_MANY)
		return false;
	if (ktls_conn_is_kernels(conn, KTLS_RX))
		return conn->polled.vain & 1u << KTLS_RX &&
		       conn->polled.unread == unread_bytes(conn);
	return is_starved(conn, KTLS_RX);
}

static bool write_misleads(const struct ktls_conn *conn, unsigned int pauses)
{
	if (ktls_conn_is_kernels(conn, KTLS_TX))
		return pauses < PAUSES_FEW && conn->polled.vain & 1u << KTLS_TX;
	return pauses < PAUSES_MANY && is_starved(conn, KTLS_TX);
}

static void ask_read(const struct ktls_conn *conn, struct ask *ask, unsigned int pauses)
{
	if (conn->rx_end || ktls_protect_user_has_record(conn)) {
		ask->now |= KTLS_POLL_READ;
		return;
	}
	ask->again = read_misleads(conn, pauses);
	/* The end would be heard all the same. */
	ask->read = ask->again ? POLLRDHUP : POLLIN;
	/* Reads carry on with what is left of a write; the peer may be waiting for that. */
	if (ktls_conn_has_rest(conn) || conn->rekey.ending == KTLS_ENDING_RX)
		ask->read |= POLLOUT;
}

static void ask_write(const struct ktls_conn *conn, struct ask *ask, unsigned int pauses)
{
	if (write_misleads(conn, pauses))
		ask->again = true;
	else
		ask->write = POLLOUT;
}

static void ask_new(const struct ktls_conn *conn, struct ask *ask, uint32_t query)
{
	if (conn->config->insecure_plaintext)
		ask->now = query;
	else if (query && conn->config->role == KTLS_CLIENT)
		ask->write = POLLOUT;
	else if (query)
		ask->read = POLLIN;
}

static void ask_handshake(const struct ktls_conn *conn, struct ask *ask, uint32_t query)
{
	const struct ktls_handshake *handshake = conn->handshake;

	/* Only its owner can bring it on; or has. */
	if (!query || conn->verdict == KTLS_VERDICT_ASKED)
		return;
	if (conn->verdict == KTLS_VERDICT_GIVEN && !handshake->verified) {
		ask->now = query;
		return;
	}
	if (ktls_flight_waits(&handshake->flight))
		ask->write = POLLOUT;
	if (!handshake->done)
		ask->read = POLLIN;
}

static struct ask ask_conn(const struct ktls_conn *conn, uint32_t query, unsigned int pauses)
{
	struct ask ask = { 0 };

	switch (conn->state) {
	case KTLS_STATE_CONNECTING:
		ask.read = query ? POLLIN : 0;
		break;
	case KTLS_STATE_NEW:
		ask_new(conn, &ask, query);
		break;
	case KTLS_STATE_HANDSHAKE:
		ask_handshake(conn, &ask, query);
		break;
	case KTLS_STATE_CLOSED:
		ask.now = KTLS_POLL_CLOSED | query;
		break;
	case KTLS_STATE_OPEN:
	case KTLS_STATE_CLOSING:
		if (query & KTLS_POLL_READ)
			ask_read(conn, &ask, pauses);
		if (query & KTLS_POLL_WRITE)
			ask_write(conn, &ask, pauses);
		break;
	case KTLS_STATE_FAILED:
		ask.now = KTLS_POLL_ERROR | query;
		break;
	case KTLS_STATE_FROZEN:
	case _KTLS_STATE_N:
		ask.now = KTLS_POLL_NOT_POLLABLE;
		break;
	}
	return ask;
}

/* READ or WRITE was said: the next call shows whether in vain. */
static void keep_said(struct ktls_conn *conn, uint32_t bits)
{
	uint8_t said = (uint8_t)((bits & KTLS_POLL_READ ? 1u << KTLS_RX : 0) |
				 (bits & KTLS_POLL_WRITE ? 1u << KTLS_TX : 0));

	conn->polled.said |= said;
	conn->polled.vain &= (uint8_t)~said;
	if (bits & KTLS_POLL_READ && ktls_conn_is_kernels(conn, KTLS_RX))
		conn->polled.unread = unread_bytes(conn);
}

short ktls_conn_get_events(const struct ktls_conn *conn, uint32_t query)
{
	struct ask ask;

	if (!conn)
		return 0;
	ask = ask_conn(conn, query & ASKABLE, PAUSES_MANY);
	return (short)(ask.read | ask.write);
}

bool ktls_conn_is_ready(const struct ktls_conn *conn)
{
	return conn && ask_conn(conn, KTLS_POLL_READ, PAUSES_MANY).now & KTLS_POLL_READ;
}

/* Handles */

struct ktls_handle ktls_handle_of_conn(struct ktls_conn *conn)
{
	return (struct ktls_handle){ .kind = conn ? KTLS_HANDLE_CONN : KTLS_HANDLE_NONE,
				     .fd = -1,
				     .object = conn };
}

struct ktls_handle ktls_handle_of_listener(struct ktls_listener *listener)
{
	return (struct ktls_handle){ .kind = listener ? KTLS_HANDLE_LISTENER : KTLS_HANDLE_NONE,
				     .fd = -1,
				     .object = listener };
}

struct ktls_handle ktls_handle_of_fd(int fd)
{
	return (struct ktls_handle){ .kind = KTLS_HANDLE_FD, .fd = fd };
}

static bool is_none(const struct ktls_handle *handle)
{
	return handle->kind == KTLS_HANDLE_NONE ||
	       (!handle->object &&
		(handle->kind == KTLS_HANDLE_CONN || handle->kind == KTLS_HANDLE_LISTENER));
}

static struct ask ask_fd(uint32_t query)
{
	return (struct ask){ .read = query & KTLS_POLL_READ ? POLLIN : 0,
			     .write = query & KTLS_POLL_WRITE ? POLLOUT : 0 };
}

/* *ret_fd is -1, which poll(2) skips, where there is nothing to wait for. */
static struct ask ask_handle(const struct ktls_handle *handle, uint32_t query, unsigned int pauses,
			     int *ret_fd)
{
	const struct ktls_conn *conn = handle->object;
	struct ask ask = { 0 };

	*ret_fd = -1;
	if (is_none(handle))
		return ask;
	if (handle->kind == KTLS_HANDLE_CONN) {
		ask = ask_conn(conn, query, pauses);
		*ret_fd = conn->state == KTLS_STATE_FROZEN ? -1 : ktls_conn_get_fd(conn);
	} else if (handle->kind == KTLS_HANDLE_LISTENER) {
		ask = ask_fd(query & KTLS_POLL_READ);
		*ret_fd = ktls_listener_get_fd(handle->object);
	} else if (handle->kind == KTLS_HANDLE_FD) {
		ask = ask_fd(query);
		*ret_fd = handle->fd;
	}
	if (*ret_fd < 0 && !ask.now)
		ask.now = KTLS_POLL_NOT_POLLABLE;
	return ask;
}

/* One look at all */

struct look {
	struct pollfd fds[KTLS_POLL_MAX]; /* one for each handle, so that no place shifts */
	struct ask asks[KTLS_POLL_MAX];
	unsigned int pauses; /* before it */
	bool any, now, again;
};

static void gather(struct look *look, const struct ktls_handle *handles, const uint32_t *query,
		   size_t n)
{
	look->any = look->now = look->again = false;
	for (size_t i = 0; i < n; i++) {
		struct ask *ask = &look->asks[i];
		struct pollfd *fd = &look->fds[i];

		*ask = ask_handle(&handles[i], query[i] & ASKABLE, look->pauses, &fd->fd);
		fd->events = (short)(ask->read | ask->write);
		fd->revents = 0;
		look->any |= !is_none(&handles[i]);
		look->now |= ask->now;
		look->again |= ask->again;
	}
}

static uint32_t bits_of(const struct ask *ask, short revents)
{
	const short broken = revents & (POLLERR | POLLHUP);
	uint32_t bits = ask->now;

	if (revents & POLLNVAL)
		return bits | KTLS_POLL_NOT_POLLABLE;
	/* Whatever is called then answers at once. */
	if (ask->read && (broken || revents & ask->read))
		bits |= KTLS_POLL_READ;
	if (ask->write && (broken || revents & ask->write))
		bits |= KTLS_POLL_WRITE;
	if (revents & POLLERR)
		bits |= KTLS_POLL_ERROR;
	if (revents & POLLHUP)
		bits |= KTLS_POLL_CLOSED;
	return bits;
}

static size_t report(const struct look *look, const struct ktls_handle *handles, size_t n,
		     uint32_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t bits = bits_of(&look->asks[i], look->fds[i].revents);

		if (bits && handles[i].kind == KTLS_HANDLE_CONN)
			keep_said(handles[i].object, bits);
		out[i] |= bits;
		count += bits != 0;
	}
	return count;
}

/* 0, -EINTR, or -errno. */
static int wait(struct look *look, size_t n, int left_ms)
{
	int timeout_ms = look->now ? 0 : left_ms;

	if (look->again && (timeout_ms < 0 || timeout_ms > PAUSE_MS))
		timeout_ms = PAUSE_MS;
	return ktls_sys.poll(look->fds, n, timeout_ms) < 0 ? -errno : 0;
}

static bool is_query(const uint32_t *query, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (query[i] & ~(uint32_t)BITS)
			return false;
	return true;
}

int ktls_poll(uint32_t *out, const struct ktls_handle *handles, const uint32_t *query, size_t n,
	      uint64_t deadline_ns, size_t *ret_n)
{
	struct look look;
	size_t count;
	int left_ms, r;

	if (n > KTLS_POLL_MAX)
		return -EDOM;
	if (!ret_n || (n && (!out || !handles || !query)) || !is_query(query, n))
		return -EINVAL;
	/* Who looks once looks again by himself. */
	for (look.pauses = ktls_deadline_left_ms(deadline_ns) ? 0 : PAUSES_FEW;; look.pauses++) {
		gather(&look, handles, query, n);
		left_ms = ktls_deadline_left_ms(deadline_ns);
		r = look.any ? wait(&look, n, left_ms) : 0;
		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		count = report(&look, handles, n, out);
		if (count || !look.any || !left_ms)
			break;
	}
	*ret_n = count;
	return count || !look.any ? KTLS_DONE : KTLS_TIMEDOUT;
}
