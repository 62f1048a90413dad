/* SPDX-License-Identifier: MIT */

/* Calls as ops, one at a time; see over_ring.h. A connection over functions of the caller's cannot
 * be in a ring, and is called as ever. */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "outside.h"
#include "over_ring.h"
#include "ring_kind.h"
#include "seam.h"

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
};

static _Thread_local struct ktls_ring *ring;
static pthread_key_t ring_key;

/* Its calls are its own: see outside.h. */
static struct ktls_conn *outside;

void outside_begin(struct ktls_conn *conn)
{
	if (conn->lane)
		cr_assert(!ktls_ring_remove(ring, conn));
	outside = conn;
}

void outside_end(void)
{
	outside = NULL;
}

/* A thread that ends leaves its connections to others. */
static void end_ring(void *context)
{
	ktls_ring_free(context);
}

static int make_ring(void)
{
	const struct ktls_ring_options options = { .conns = CONNS, .kind = ring_kind() };
	int r = ktls_ring_new(&ring, &options, sizeof(options));

	if (!r)
		pthread_setspecific(ring_key, ring);
	return r;
}

/* A parent's is not the child's to use, nor to free. */
static void forget_ring(void)
{
	static struct ktls_ring *forgotten;

	forgotten = ring;
	(void)forgotten;
	ring = NULL;
}

/* Before any test counts descriptors. */
__attribute__((constructor)) static void begin(void)
{
	if (pthread_key_create(&ring_key, end_ring) || pthread_atfork(NULL, NULL, forget_ring))
		abort();
	make_ring();
}

/* Whether the calls are to be ops. Not in a thread that begins where a test has left no
 * descriptors. */
static bool joins(struct ktls_conn *conn)
{
	int r = 0;

	if (!conn || conn == outside)
		return false;
	if (!ring)
		r = make_ring();
	if (r == -EMFILE)
		return false;
	if (r)
		cr_skip("%s", ktls_ring_error());
	r = ktls_ring_add(ring, conn);
	cr_assert(!r || r == -EBUSY || r == -EOPNOTSUPP, "%s", ktls_strerrorname(r));
	return r != -EOPNOTSUPP;
}

struct waiting {
	bool done;
	int result;
	uint64_t n;
};

static void take_event(uint64_t deadline_ns)
{
	struct ktls_event event;
	struct waiting *waiting;
	size_t n;
	int r = ktls_ring_wait(ring, deadline_ns, &event, 1, &n);

	cr_assert(r == KTLS_DONE || r == KTLS_TIMEDOUT, "%s", ktls_strerrorname(r));
	if (r)
		return;
	cr_assert(event.op && !event.more);
	waiting = event.op->user;
	*waiting = (struct waiting){ .done = true, .result = event.result, .n = event.n };
}

/* The op's answer, which was started with r. What else lives in the test has its turn meanwhile,
 * and waits for ops of its own. */
static int wait_for(struct ktls_op *op, struct ktls_conn *conn, int r, uint64_t *ret_n)
{
	const struct waiting *waiting = op->user;
	bool turns = seam.wait && ktls_conn_get_fd(conn) == seam.fd;

	if (ret_n)
		*ret_n = 0;
	if (r)
		return r;
	while (!waiting->done) {
		if (turns)
			seam.wait();
		take_event(turns ? KTLS_NOW : KTLS_FOREVER);
	}
	if (ret_n)
		*ret_n = waiting->n;
	return waiting->result;
}

int over_ring_handshake(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };
	int r;

	if (!joins(conn))
		return ktls_conn_handshake(conn, deadline_ns);
	r = wait_for(&op, conn, ktls_op_handshake(&op, conn, deadline_ns), NULL);
	/* It may go on in another thread, whose ring is another. */
	cr_assert(!ktls_ring_remove(ring, conn));
	return r;
}

int over_ring_read(struct ktls_conn *conn, void *buf, size_t len, uint64_t deadline_ns,
		   size_t *ret_n)
{
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };
	uint64_t n;
	int r;

	if (!joins(conn) || !ret_n)
		return ktls_conn_read(conn, buf, len, deadline_ns, ret_n);
	r = wait_for(&op, conn, ktls_op_read(&op, conn, buf, len, deadline_ns), &n);
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
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };
	uint64_t n;
	int r;

	if (!joins(conn) || !ret_n)
		return ktls_conn_write(conn, buf, len, deadline_ns, ret_n);
	r = wait_for(&op, conn, ktls_op_write(&op, conn, buf, len, deadline_ns), &n);
	*ret_n = n;
	return r;
}

int over_ring_writev(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		     uint64_t deadline_ns, size_t *ret_n)
{
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };
	uint64_t n;
	int r;

	if (!joins(conn) || !ret_n)
		return ktls_conn_writev(conn, iov, iovcnt, deadline_ns, ret_n);
	r = wait_for(&op, conn, ktls_op_writev(&op, conn, iov, iovcnt, deadline_ns), &n);
	*ret_n = n;
	return r;
}

int over_ring_sendfile(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		       uint64_t deadline_ns, uint64_t *ret_n)
{
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };

	if (!joins(conn) || !ret_n)
		return ktls_conn_sendfile(conn, file_fd, offset, len, deadline_ns, ret_n);
	return wait_for(&op, conn, ktls_op_sendfile(&op, conn, file_fd, offset, len, deadline_ns),
			ret_n);
}

int over_ring_update_key(struct ktls_conn *conn, enum ktls_key_update update, uint64_t deadline_ns)
{
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };

	if (!joins(conn))
		return ktls_conn_update_key(conn, update, deadline_ns);
	return wait_for(&op, conn, ktls_op_update_key(&op, conn, update, deadline_ns), NULL);
}

int over_ring_shutdown(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };

	if (!joins(conn))
		return ktls_conn_shutdown(conn, deadline_ns);
	return wait_for(&op, conn, ktls_op_shutdown(&op, conn, deadline_ns), NULL);
}

int over_ring_shutdown_and_close(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct waiting waiting = { .done = false };
	struct ktls_op op = { .user = &waiting };

	if (!joins(conn))
		return ktls_conn_shutdown_and_close(conn, deadline_ns);
	return wait_for(&op, conn, ktls_op_shutdown_and_close(&op, conn, deadline_ns), NULL);
}

int over_ring_freeze(struct ktls_conn *conn, void *buf, size_t size, size_t *ret_len)
{
	if (joins(conn))
		cr_assert(!ktls_ring_remove(ring, conn));
	return ktls_conn_freeze(conn, buf, size, ret_len);
}
