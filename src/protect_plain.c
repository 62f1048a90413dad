/* SPDX-License-Identifier: MIT */

/*
 * No protection: what a config asks for that was told so in a call named insecure. Bytes go as they
 * are; alerts, which need records, go nowhere; and the transport's end is the stream's, for nothing
 * else can tell it.
 */

#include <errno.h>

#include "base/sys.h"
#include "conn.h"
#include "transport.h"

enum {
	WINDOW = 64,
	CHUNK = 16384,
	FILE_CHUNK = 1 << 30,
};

static int install(struct ktls_conn *conn, enum ktls_direction direction)
{
	(void)conn;
	(void)direction;
	return -EOPNOTSUPP;
}

static int send_bytes(struct ktls_conn *conn, uint8_t type, struct ktls_cursor *cursor)
{
	struct iovec iov[WINDOW];
	int count;

	if (type != KERN_RECORD_DATA)
		ktls_cursor_advance(cursor, ktls_cursor_left(cursor));
	while ((count = ktls_cursor_window(cursor, iov, WINDOW))) {
		size_t n;
		int r = ktls_transport_send(conn, iov, count, &n);

		if (r < 0)
			return r == -EAGAIN ? KTLS_WANT_WRITE : r;
		ktls_cursor_advance(cursor, n);
	}
	return 0;
}

/* Of a file, through userspace. As kern_send_file(). */
static int copy_file(struct ktls_conn *conn, int file_fd, uint64_t offset, size_t len,
		     size_t *ret_n)
{
	uint8_t bytes[CHUNK];
	struct iovec iov = { .iov_base = bytes, .iov_len = len < CHUNK ? len : CHUNK };
	ssize_t n;

	do {
		n = ktls_sys.preadv(file_fd, &iov, 1, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	iov.iov_len = (size_t)n;
	*ret_n = 0;
	return n ? ktls_transport_send(conn, &iov, 1, ret_n) : 0;
}

static int send_file(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		     uint64_t *ret_n)
{
	*ret_n = 0;
	while (*ret_n < len) {
		uint64_t left = len - *ret_n;
		size_t n, chunk = left < FILE_CHUNK ? (size_t)left : FILE_CHUNK;
		int r = conn->transport
				? copy_file(conn, file_fd, offset + *ret_n, chunk, &n)
				: kern_send_file(conn->fd, file_fd, offset + *ret_n, chunk, &n);

		if (r < 0)
			return r == -EAGAIN ? KTLS_WANT_WRITE : r;
		if (!n)
			return -KTLS_E_FILE_SHORT;
		*ret_n += n;
	}
	return 0;
}

static void sent(struct ktls_conn *conn, struct ktls_cursor *cursor, const struct ktls_stage *stage,
		 size_t n)
{
	(void)conn;
	(void)stage;
	ktls_cursor_advance(cursor, n);
}

static int flush(struct ktls_conn *conn)
{
	(void)conn;
	return 0;
}

static int receive(struct ktls_conn *conn, struct ktls_cursor *cursor, uint8_t *ret_type,
		   bool *ret_end, enum ktls_alert *ret_alert)
{
	struct iovec iov;
	size_t n;
	int r;

	*ret_alert = KTLS_ALERT_NONE;
	ktls_cursor_window(cursor, &iov, 1);
	r = ktls_transport_receive(conn, iov.iov_base, iov.iov_len, &n);
	if (r < 0)
		return r == -EAGAIN ? KTLS_WANT_READ : r;
	if (!n)
		return KTLS_EOF;
	ktls_cursor_advance(cursor, n);
	*ret_type = KERN_RECORD_DATA;
	*ret_end = true;
	return 0;
}

static uint64_t sequence(const struct ktls_conn *conn, enum ktls_direction direction)
{
	(void)conn;
	(void)direction;
	return 0;
}

static void drop(struct ktls_conn *conn, enum ktls_direction direction)
{
	(void)conn;
	(void)direction;
}

const struct ktls_protect ktls_protect_plain = {
	.protection = KTLS_PROTECTION_NONE,
	.install = install,
	.send = send_bytes,
	.send_file = send_file,
	.stage = ktls_stage_memory,
	.sent = sent,
	.flush = flush,
	.receive = receive,
	.sequence = sequence,
	.drop = drop,
};
