/* SPDX-License-Identifier: MIT */

/*
 * The end of a connection, in order: what was accepted goes out, close_notify behind it, and the
 * transport's sending side ends only when TCP has taken all of it; a kernel's tls would drop what
 * it still held.
 */

#include <errno.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "conn.h"
#include "wait.h"

static int shutdown_step(struct ktls_conn *conn)
{
	int r;

	if (!conn->close_sent) {
		r = ktls_post_send_alert(conn, false, KTLS_ALERT_CLOSE_NOTIFY);
		if (r)
			return r;
		ktls_conn_end_tx(conn);
	}
	r = conn->half[KTLS_TX].protect->flush(conn);
	if (r)
		return r;
	if (ktls_sys.shutdown(conn->fd, SHUT_WR) < 0)
		return errno == ENOTCONN ? -ECONNRESET : -errno;
	conn->transport_shut = true;
	return 0;
}

int ktls_conn_shutdown(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	int r;

	if (!conn)
		return -EINVAL;
	r = ktls_conn_check_open(conn);
	if (r)
		return r;
	while (!conn->transport_shut) {
		r = shutdown_step(conn);
		if (r < 0)
			return ktls_conn_fail_io(conn, r, "ending the connection");
		if (r)
			r = ktls_wait(conn, &waiter, r, 0);
		if (r)
			return r;
	}
	return 0;
}
