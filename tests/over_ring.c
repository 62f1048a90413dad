/* SPDX-License-Identifier: MIT */

/* Calls as ops, one at a time; see over_ring.h. A connection over functions of the caller's cannot
 * be in a ring, and is called as ever. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "over_ring.h"
#include "ring_kind.h"

/* Here they are themselves. */
#undef ktls_conn_freeze
#undef ktls_conn_handshake
#undef ktls_conn_read
#undef ktls_conn_readv
#undef ktls_conn_write
#undef ktls_conn_writev
#undef ktls_conn_sendfile
#undef ktls_conn_update_key
#undef ktls_conn_shutdown
#undef ktls_conn_shutdown_and_close

enum {
	CONNS = 4096,
	RINGS = 4096,
};

static _Thread_local struct ktls_ring *ring;

/* Of all threads, so that none is lost. */
static struct ktls_ring *rings[RINGS];
static atomic_uint rings_n;

/* Before any test counts descriptors. */
__attribute__((constructor)) static void make_ring(void)
{
	const struct ktls_ring_options options = { .conns = CONNS, .kind = ring_kind() };

	if (!ktls_ring_new(&ring, &options, sizeof(options)))
		rings[rings_n++ % RINGS] = ring;
}

/* Whether the calls are to be ops. */
static bool joins(struct ktls_conn *conn)
{
	int r;

	if (!conn)
		return false;
	if (!ring)
		make_ring();
	if (!ring)
		cr_skip("%s", ktls_ring_error());
	r = ktls_ring_add(ring, conn);
	cr_assert(!r || r == -EBUSY || r == -EOPNOTSUPP, "%s", ktls_strerrorname(r));
	return r != -EOPNOTSUPP;
}

/* The op's answer, which was started with r. */
static int wait_for(struct ktls_op *op, int r, uint64_t *ret_n)
{
	struct ktls_event event = { .n = 0 };
	size_t n;

	if (ret_n)
		*ret_n = 0;
	if (r)
		return r;
	cr_assert(!ktls_ring_wait(ring, KTLS_FOREVER, &event, 1, &n));
	cr_assert(n == 1 && event.op == op && !event.more);
	if (ret_n)
		*ret_n = event.n;
	return event.result;
}

int over_ring_handshake(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_op op = { .user = NULL };
	int r;

	if (!joins(conn))
		return ktls_conn_handshake(conn, deadline_ns);
	r = wait_for(&op, ktls_op_handshake(&op, conn, deadline_ns), NULL);
	/* It may go on in another thread, whose ring is another. */
	cr_assert(!ktls_ring_remove(ring, conn));
	return r;
}

int over_ring_read(struct ktls_conn *conn, void *buf, size_t len, uint64_t deadline_ns,
		   size_t *ret_n)
{
	struct ktls_op op = { .user = NULL };
	uint64_t n;
	int r;

	if (!joins(conn) || !ret_n)
		return ktls_conn_read(conn, buf, len, deadline_ns, ret_n);
	r = wait_for(&op, ktls_op_read(&op, conn, buf, len, deadline_ns), &n);
	*ret_n = n;
	return r;
}

/* There is no op that reads into pieces: by way of one. */
int over_ring_readv(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		    uint64_t deadline_ns, size_t *ret_n)
{
	size_t len = 0, at = 0;
	uint8_t *bytes;
	int r;

	if (!joins(conn) || !ret_n || iovcnt < 0 || (iovcnt && !iov))
		return ktls_conn_readv(conn, iov, iovcnt, deadline_ns, ret_n);
	for (int i = 0; i < iovcnt; i++)
		len += iov[i].iov_len;
	bytes = malloc(len + 1);
	cr_assert(bytes);
	r = over_ring_read(conn, bytes, len, deadline_ns, ret_n);
	for (int i = 0; at < *ret_n; i++) {
		size_t n = *ret_n - at < iov[i].iov_len ? *ret_n - at : iov[i].iov_len;

		memcpy(iov[i].iov_base, bytes + at, n);
		at += n;
	}
	free(bytes);
	return r;
}

int over_ring_write(struct ktls_conn *conn, const void *buf, size_t len, uint64_t deadline_ns,
		    size_t *ret_n)
{
	struct ktls_op op = { .user = NULL };
	uint64_t n;
	int r;

	if (!joins(conn) || !ret_n)
		return ktls_conn_write(conn, buf, len, deadline_ns, ret_n);
	r = wait_for(&op, ktls_op_write(&op, conn, buf, len, deadline_ns), &n);
	*ret_n = n;
	return r;
}

int over_ring_writev(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		     uint64_t deadline_ns, size_t *ret_n)
{
	struct ktls_op op = { .user = NULL };
	uint64_t n;
	int r;

	if (!joins(conn) || !ret_n)
		return ktls_conn_writev(conn, iov, iovcnt, deadline_ns, ret_n);
	r = wait_for(&op, ktls_op_writev(&op, conn, iov, iovcnt, deadline_ns), &n);
	*ret_n = n;
	return r;
}

int over_ring_sendfile(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		       uint64_t deadline_ns, uint64_t *ret_n)
{
	struct ktls_op op = { .user = NULL };

	if (!joins(conn) || !ret_n)
		return ktls_conn_sendfile(conn, file_fd, offset, len, deadline_ns, ret_n);
	return wait_for(&op, ktls_op_sendfile(&op, conn, file_fd, offset, len, deadline_ns), ret_n);
}

int over_ring_update_key(struct ktls_conn *conn, enum ktls_key_update update, uint64_t deadline_ns)
{
	struct ktls_op op = { .user = NULL };

	if (!joins(conn))
		return ktls_conn_update_key(conn, update, deadline_ns);
	return wait_for(&op, ktls_op_update_key(&op, conn, update, deadline_ns), NULL);
}

int over_ring_shutdown(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_op op = { .user = NULL };

	if (!joins(conn))
		return ktls_conn_shutdown(conn, deadline_ns);
	return wait_for(&op, ktls_op_shutdown(&op, conn, deadline_ns), NULL);
}

int over_ring_shutdown_and_close(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_op op = { .user = NULL };

	if (!joins(conn))
		return ktls_conn_shutdown_and_close(conn, deadline_ns);
	return wait_for(&op, ktls_op_shutdown_and_close(&op, conn, deadline_ns), NULL);
}

int over_ring_freeze(struct ktls_conn *conn, void *buf, size_t size, size_t *ret_len)
{
	if (joins(conn))
		cr_assert(!ktls_ring_remove(ring, conn));
	return ktls_conn_freeze(conn, buf, size, ret_len);
}
