/* SPDX-License-Identifier: MIT */
#ifndef KTLS_OP_H
#define KTLS_OP_H

/*
 * What can be started on a ring (ring.h). An op is memory of the caller's, all zeros before its
 * first use, so that none is allocated for it; from its start to its last event it is the ring's,
 * and must neither move nor be touched. Each start that answers 0 has exactly one last event.
 *
 * A connection has at most one op that reads and one that writes; a handshake, a close, and an end
 * are both. Those that come later answer -EBUSY at once, as an op does that is under way;
 * -EINVAL: an argument, or the connection is in no ring. All else is said by the event. Deadlines
 * are as everywhere (conn.h), but with KTLS_NOW an op tries once.
 *
 * Thread rule: the ring's.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_listener;
struct ktls_ring;

enum ktls_op_limit {
	KTLS_OP_WORDS = 42,
};

struct ktls_op {
	void *user; /* the caller's */
	uint64_t inside[KTLS_OP_WORDS];
};

/* -- On connections, by the calls of the same names (conn.h) -- */

/* ktls_conn_handshake(); connects first, if it has to. KTLS_WANT_VERDICT ends it: start another
 * one when the verdict is given (verify.h). */
int ktls_op_handshake(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns);

/* ktls_conn_read(): into the caller's memory, which is written only while ktls_ring_wait() runs. */
int ktls_op_read(struct ktls_op *op, struct ktls_conn *conn, void *buf, size_t len,
		 uint64_t deadline_ns);

/* The same without memory of the caller's: the event lends the bytes until the next wait. While
 * nothing has come, no buffer is held: this is what a connection at rest waits with. */
int ktls_op_receive(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns);

/* ktls_conn_writev(): all of it, from memory that stays until the event; so does iov. n says how
 * much was accepted when it ends before all was. Where the protection is the kernel's nothing is
 * copied in userspace; many small pieces share a record. */
int ktls_op_write(struct ktls_op *op, struct ktls_conn *conn, const void *buf, size_t len,
		  uint64_t deadline_ns);
int ktls_op_writev(struct ktls_op *op, struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		   uint64_t deadline_ns);

/* ktls_conn_sendfile(); the file stays open until the event. Others get their turn in between, and
 * over io_uring while its disk is read. */
int ktls_op_sendfile(struct ktls_op *op, struct ktls_conn *conn, int file_fd, uint64_t offset,
		     uint64_t len, uint64_t deadline_ns);

/* ktls_conn_update_key(). */
int ktls_op_update_key(struct ktls_op *op, struct ktls_conn *conn, enum ktls_key_update update,
		       uint64_t deadline_ns);

/* ktls_conn_shutdown(); reads go on. */
int ktls_op_shutdown(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns);

/* ktls_conn_shutdown_and_close(): at the deadline it is closed all the same. */
int ktls_op_shutdown_and_close(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns);

/* -- On a ring. -EAGAIN: there are too many of them at once. -- */

/*
 * Connections as they come, an event each (result 0, `more`), until it is cancelled or one cannot
 * be: each is new, of the listener's present config, in the ring, and the caller's. It ends with
 * -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ENOSPC (the ring is full), -ECANCELED: start it again when
 * there is room. The listener must outlive it. -EINVAL.
 */
int ktls_op_accept(struct ktls_op *op, struct ktls_ring *ring, struct ktls_listener *listener);

/* Once the descriptor has one of poll(2)'s events, or an error, which are n. Not a socket of a
 * connection in a ring. It stays open until then. */
int ktls_op_poll(struct ktls_op *op, struct ktls_ring *ring, int fd, short events,
		 uint64_t deadline_ns);

/* At a time: KTLS_TIMEDOUT. */
int ktls_op_timer(struct ktls_op *op, struct ktls_ring *ring, uint64_t deadline_ns);

/*
 * Asks for the end of it: its last event has -ECANCELED, or what came before: the work may be done.
 * Nothing is lost: what was read is read by the next op, and n says what was written. -ENOENT: it
 * is not under way.
 */
int ktls_op_cancel(struct ktls_op *op);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
