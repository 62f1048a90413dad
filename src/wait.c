/* SPDX-License-Identifier: MIT */

/* Waiting for a socket or a buffer; see wait.h. */

#include <errno.h>
#include <poll.h>

#include "base/deadline.h"
#include "base/sys.h"
#include "config.h"
#include "conn.h"
#include "pool.h"
#include "transport.h"
#include "wait.h"

enum {
	SHORT_WAIT_NS = 20000, /* a poll that returned faster did not wait */
	FRUITLESS_MAX = 2,     /* such polls without progress, before we pause */
	PAUSE_MS = 1,
};

bool ktls_wait_is_want(int r)
{
	return r == KTLS_WANT_READ || r == KTLS_WANT_WRITE || r == KTLS_WANT_BUFFER;
}

bool ktls_wait_may_mislead(const struct ktls_conn *conn, enum ktls_direction direction)
{
	return ktls_conn_is_kernels(conn, direction) ||
	       (direction == KTLS_RX && ktls_conn_has_rest(conn));
}

static int wait_for_socket(struct ktls_conn *conn, const struct ktls_waiter *waiter, int want)
{
	/* Reads carry on with what is left of a write; the peer may be waiting for that. */
	short beside = ktls_conn_has_rest(conn) ? POLLOUT : 0;
	int r = ktls_transport_wait(conn, want == KTLS_WANT_READ ? POLLIN | beside : POLLOUT,
				    waiter->deadline_ns);

	if (r == -EAGAIN)
		return want;
	if (r < 0)
		return ktls_conn_fail(conn, r, "waiting for the socket: %s", ktls_strerror(r));
	return r;
}

int ktls_wait_expired(const struct ktls_waiter *waiter)
{
	return waiter->deadline_ns != KTLS_NOW && ktls_deadline_clock() >= waiter->deadline_ns
		       ? KTLS_TIMEDOUT
		       : 0;
}

/* ktls_poll() must not say the same again at once. */
static void note_vain(struct ktls_conn *conn, int want, uint64_t moved)
{
	uint8_t bit = 1u << (want == KTLS_WANT_READ ? KTLS_RX : KTLS_TX);

	if (moved)
		conn->polled.said &= (uint8_t)~bit;
	else if (want != KTLS_WANT_BUFFER)
		conn->polled.vain |= conn->polled.said & bit;
}

int ktls_wait(struct ktls_conn *conn, struct ktls_waiter *waiter, int want, uint64_t moved)
{
	enum ktls_direction direction = want == KTLS_WANT_READ ? KTLS_RX : KTLS_TX;
	uint64_t began_ns;
	int r;

	note_vain(conn, want, moved);
	if (waiter->deadline_ns == KTLS_NOW)
		return want;
	if (want == KTLS_WANT_BUFFER)
		return ktls_pool_wait(conn->config->pool, waiter->deadline_ns);
	if (moved != waiter->moved || !ktls_wait_may_mislead(conn, direction)) {
		waiter->moved = moved;
		waiter->fruitless = 0;
		return wait_for_socket(conn, waiter, want);
	}
	began_ns = ktls_deadline_clock();
	if (waiter->fruitless > FRUITLESS_MAX)
		ktls_sys.poll(NULL, 0, PAUSE_MS);
	r = wait_for_socket(conn, waiter, want);
	if (ktls_deadline_clock() - began_ns < SHORT_WAIT_NS || waiter->fruitless > FRUITLESS_MAX)
		waiter->fruitless++;
	else
		waiter->fruitless = 0;
	return r;
}
