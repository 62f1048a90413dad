/* SPDX-License-Identifier: MIT */

/* Handshake bytes on their way to TCP; see flight.h. How many there can be is ours to say: they are
 * our certificates and our early data. */

#include <errno.h>

#include "base/cursor.h"
#include "flight.h"
#include "transport.h"

enum {
	CHUNK = 4096,
};

void ktls_flight_done(struct ktls_flight *flight)
{
	ktls_bytes_free(&flight->bytes);
	flight->at = 0;
}

bool ktls_flight_waits(const struct ktls_flight *flight)
{
	return flight->bytes.len > 0;
}

void ktls_flight_hold(struct ktls_flight *flight)
{
	flight->held = true;
}

void ktls_flight_release(struct ktls_flight *flight)
{
	flight->held = false;
}

static int send_some(const struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		     size_t *ret_n)
{
	int r = ktls_transport_send(conn, iov, iovcnt, ret_n);

	if (r == -EAGAIN)
		*ret_n = 0;
	return r == -EAGAIN ? 0 : r;
}

int ktls_flight_go_on(struct ktls_flight *flight, const struct ktls_conn *conn)
{
	struct iovec iov = { .iov_base = flight->bytes.data + flight->at,
			     .iov_len = flight->bytes.len - flight->at };
	size_t n;
	int r;

	if (flight->held || !ktls_flight_waits(flight))
		return 0;
	r = send_some(conn, &iov, 1, &n);
	if (r < 0)
		return r;
	flight->at += n;
	if (flight->at == flight->bytes.len)
		ktls_flight_done(flight);
	return 0;
}

int ktls_flight_add(struct ktls_flight *flight, const struct ktls_conn *conn,
		    const struct iovec *iov, int iovcnt)
{
	struct ktls_cursor cursor = { .iov = iov, .count = iovcnt };
	uint8_t chunk[CHUNK];
	size_t n = 0;
	int r = 0;

	if (!flight->held && !ktls_flight_waits(flight))
		r = send_some(conn, iov, iovcnt, &n);
	if (r < 0)
		return r;
	ktls_cursor_advance(&cursor, n);
	while (!r && (n = ktls_cursor_read(&cursor, chunk, sizeof(chunk))))
		r = ktls_bytes_append(&flight->bytes, chunk, n);
	return r;
}
