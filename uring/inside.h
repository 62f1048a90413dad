/* SPDX-License-Identifier: MIT */
#ifndef KTLS_URING_INSIDE_H
#define KTLS_URING_INSIDE_H

/* What the files of this room share; nobody else sees it. */

#include <assert.h>
#include <stdatomic.h>

#include <liburing.h>

#include "uring/uring.h"

/* What newer kernels have and liburing 2.3 does not name. The probe finds out whether it is true.
 */
enum newer {
	NEWER_OP_FIXED_FD_INSTALL = 54,	      /* 6.8 */
	NEWER_REGISTER_SEND_MSG_RING = 31,    /* 6.13 */
	NEWER_SETUP_NO_SQARRAY = 1 << 16,     /* 6.6 */
	NEWER_RECVSEND_BUNDLE = 1 << 4,	      /* 6.10 */
	NEWER_SOCKET_URING_OP_SETSOCKOPT = 3, /* 6.7 */
};

/*
 * user_data: the op's generation, whose completion it is, the slot.
 *
 *   63        32 31    24 23           0
 *   | generation |  role  |    slot    |
 *
 * A handle of the caller is the same with OF_OP. A generation is never 0, nor is a handle.
 */
enum role {
	OF_OP = 0,
	OF_DEADLINE, /* the op's linked time-out */
	OF_CANCEL,   /* a cancel of the op */
	OF_WAKE,
};

enum {
	SLOT_BITS = 24,
	ROLE_BITS = 8,
	NO_SLOT = (1 << SLOT_BITS) - 1,
};

static_assert((int)URING_OPS_MAX <= (int)NO_SLOT, "a slot fits its bits");

enum op_state {
	OP_FREE = 0,
	OP_LIVE,       /* prepared, or in flight: op_is_prepared() */
	OP_CANCELLING, /* the caller has asked for its end */
	OP_DONE,       /* its result is there; that of its deadline is not */
	_OP_STATE_N,
};

struct op {
	uint64_t tag;
	struct uring_buffer *buffer;
	struct uring_pool *pool;
	struct __kernel_timespec deadline; /* read by the kernel when it is submitted */
	struct io_uring_sqe *sqe;	   /* while it is prepared */
	uint32_t generation;
	uint32_t number; /* of its SQE, counted since the ring was made */
	int32_t res;	 /* in OP_DONE, with flags */
	uint32_t cqe_flags;
	uint32_t next_free;
	uint8_t state;	   /* enum op_state */
	uint8_t kind;	   /* enum uring_kind */
	bool has_deadline; /* its completion has not come yet */
	bool timed_out;	   /* it came, and said so */
	bool cancelled;	   /* by the caller */
	bool withdrawn;	   /* before the kernel saw it */
	bool retry;	   /* the last cancel did not find it, or could not be sent */
	bool to_direct;
};

struct uring {
	struct io_uring io;
	struct uring_options options;
	bool has[_URING_FEATURE_N];
	uint32_t prepared; /* SQEs, since the ring was made */

	struct op *ops;
	uint32_t free_op; /* the first of a list through next_free, or NO_SLOT */
	uint32_t live;
	uint32_t writes; /* of those: SIGPIPE may come of them */

	uint32_t retries;     /* ops whose cancel has to be sent again */
	uint64_t retry_at_ns; /* and when */
	bool draining;	      /* nobody takes the events */

	struct uring_buffer *buffers; /* all, registered or not */
	uint32_t *free_buffers;
	uint32_t free_buffers_n;

	struct uring_pool *pools[URING_POOLS_MAX];

	/* The only members that other threads touch; but for woken they never change. */
	atomic_bool woken;
	int fd;
	int wake_fd;	  /* an eventfd, where the kernel cannot wake without one; or -1 */
	bool wake_armed;  /* a read of it is in flight */
	uint64_t wake_in; /* into this */
};

struct uring_pool {
	struct uring *ring;
	struct io_uring_buf_ring *shared; /* with the kernel */
	size_t mapped;
	uint8_t *data;
	bool *out; /* which buffers are the caller's */
	unsigned int count;
	unsigned int size;
	unsigned int left;
	unsigned int ops; /* that are live and use it */
	uint16_t group;
	bool dying;
};

/* ring.c */

/* Hands all SQEs to the kernel. 0, KTLS_WANT_BUFFER: it takes no more just now, -errno. */
int ring_submit(struct uring *ring);
/* n SQEs at once, or submits first to have room for them. As ring_submit(). */
int ring_reserve(struct uring *ring, unsigned int n);
/* One of those that were reserved. */
struct io_uring_sqe *ring_sqe(struct uring *ring);
/* The SQE with this number is not the kernel's yet. */
bool ring_has_not_submitted(const struct uring *ring, uint32_t number);

/* op.c */

int ops_new(struct uring *ring);
void ops_free(struct uring *ring);
/* True: it is an event for the caller. */
bool ops_complete(struct uring *ring, const struct io_uring_cqe *cqe, struct uring_event *ret);
void ops_cancel_all(struct uring *ring);
/* Sends once more the cancels that had no effect. */
void ops_retry_cancels(struct uring *ring);
uint64_t ops_user_data(enum role role, uint32_t generation, uint32_t slot);

/* request.c */

/* -EINVAL, -EOPNOTSUPP, or 0. */
int request_check(const struct uring *ring, const struct uring_request *request);
void request_fill(const struct uring_request *request, struct io_uring_sqe *ret_sqe);
unsigned int request_opcode(enum uring_kind kind);

/* buf.c */

int buffers_new(struct uring *ring);
void buffers_free(struct uring *ring);
void pool_use(struct uring_pool *pool);
void pool_unuse(struct uring_pool *pool);
/* The kernel has taken one. */
void pool_take(struct uring_pool *pool, unsigned int buffer);

/* probe.c */

/* What it means when the kernel refuses something with this -errno. */
unsigned int reason_of(int error);
/* The same of io_uring itself. */
unsigned int reason_of_setup(int error);

/* The best flags that the kernel takes, other than those of `avoid`. 0 or -errno. */
int ring_setup(struct io_uring *ret_io, unsigned int sq, unsigned int cq, unsigned int avoid);

#endif
