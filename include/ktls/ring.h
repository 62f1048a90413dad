/* SPDX-License-Identifier: MIT */
#ifndef KTLS_RING_H
#define KTLS_RING_H

/*
 * Many connections in one thread, over io_uring(7). Operations (op.h) are started, and their events
 * are pulled: one ktls_ring_wait() hands everything that was started to the kernel and takes
 * everything that is done, in one system call. What TLS asks for in between (KeyUpdate, tickets,
 * alerts, the limits of keys) happens as without a ring. Where io_uring is forbidden or missing, as
 * in many containers, it is done over epoll(7), with system calls for each read and write.
 *
 * Thread rule: a ring, the connections in it and their ops belong to the thread that made it; only
 * ktls_ring_wake() is for others. A child of fork() must leave them alone. Nothing but the _new and
 * _add calls allocates.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_op;
struct ktls_ring;

enum ktls_ring_kind {
	KTLS_RING_ANY = 0, /* io_uring; epoll where that is forbidden or missing */
	KTLS_RING_IO_URING,
	KTLS_RING_EPOLL,
	_KTLS_RING_KIND_N,
};

enum ktls_ring_limit {
	KTLS_RING_CONNS_MAX = 1 << 18,
	KTLS_RING_BUFFERS_MAX = 1 << 15,
};

/* How large; 0 is the default. Fill with zeros first: members may be added. */
struct ktls_ring_options {
	uint32_t conns;	  /* at once, at most; default 1024, at most KTLS_RING_CONNS_MAX */
	uint32_t buffers; /* of 17 KiB, for what arrives; a power of two; default 64, at most
			     KTLS_RING_BUFFERS_MAX. A connection at rest holds none. Over
			     epoll there are none. */
	uint32_t kind;	  /* enum ktls_ring_kind */
};

/*
 * Makes a ring for this thread; options may be NULL, `size` is theirs as the caller knows it.
 * -EINVAL; -ENOMEM: RLIMIT_MEMLOCK may be too small; -EMFILE, -ENFILE; of KTLS_RING_IO_URING also
 * -ENOSYS, -EPERM, -EOPNOTSUPP: there is none for this process; see ktls_ring_error().
 */
int ktls_ring_new(struct ktls_ring **ret_ring, const struct ktls_ring_options *options,
		  size_t size);

/* Why the last ktls_ring_new() of this thread failed, or took epoll where it was free to take
 * io_uring, and what to do, in words; else "". Until the next one. */
const char *ktls_ring_error(void);

/* KTLS_RING_IO_URING or KTLS_RING_EPOLL; of NULL KTLS_RING_ANY. */
enum ktls_ring_kind ktls_ring_get_kind(const struct ktls_ring *ring);

/*
 * Cancels whatever goes on and waits for it; ops end without an event, and are all zeros before
 * another use. Its connections are in no ring then, and stay the caller's: they go on behind what
 * was written; one that bytes had come for which nobody has read has failed, with -ECANCELED. Those
 * that no event has told of are freed. Takes NULL; always returns NULL.
 */
struct ktls_ring *ktls_ring_free(struct ktls_ring *ring);

/*
 * From here on the connection is driven by the ring's operations alone: other calls that move bytes
 * or keys answer -EBUSY. Any state; its deadlines are the operations'. ktls_conn_free() takes it
 * out of the ring; none of its ops may be under way then. -EOPNOTSUPP: one over a transport of the
 * caller's; -EBUSY: it is in a ring; -ENOSPC: the ring is full; -EINVAL, -ENOMEM.
 */
int ktls_ring_add(struct ktls_ring *ring, struct ktls_conn *conn);

/* Takes it out again, to be used without a ring. Waits, briefly, for the kernel to let go of it.
 * -EBUSY: one of its ops is under way, or bytes lie with the ring that nobody has read; -EINVAL. */
int ktls_ring_remove(struct ktls_ring *ring, struct ktls_conn *conn);

struct ktls_event {
	struct ktls_op *op;	/* the caller's again, unless `more`; NULL: ktls_ring_wake() */
	struct ktls_conn *conn; /* the op's; of ktls_op_accept() the new one */
	int32_t result;		/* as the call without a ring answers; KTLS_TIMEDOUT: the deadline
				   passed; -ECANCELED: ktls_op_cancel() */
	uint32_t more;		/* not 0: the op goes on, and will have other events */
	uint64_t n;		/* bytes, with any result */
	const void *data;	/* of ktls_op_receive(): n bytes, until the next wait */
};

/*
 * Hands what was started to the kernel, and waits for events: up to `max`, their number in *ret_n;
 * what does not fit stays for the next call. KTLS_TIMEDOUT: none came in time, *ret_n is 0; with
 * KTLS_NOW it takes what is there. -EINVAL; other -errno: the ring is of no use any more.
 */
int ktls_ring_wait(struct ktls_ring *ring, uint64_t deadline_ns, struct ktls_event *events,
		   size_t max, size_t *ret_n);

/* Makes ktls_ring_wait() return with an event whose op is NULL, now or when it is next called;
 * several wakes before that are one. Any thread, and a signal handler. 0 or -errno. */
int ktls_ring_wake(struct ktls_ring *ring);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
