/* SPDX-License-Identifier: MIT */
#ifndef KTLS_URING_H
#define KTLS_URING_H

/*
 * The door to io_uring (io_uring(7)): a ring with a fixed number of ops, memory that it knows, and
 * events that are pulled. It knows nothing of TLS. Nothing else includes <liburing.h>, and liburing
 * alone touches what is shared with the kernel.
 *
 *   ring.c     making one with the best flags the kernel takes; waiting, waking, ending
 *   op.c       slots and generations; starting, cancelling; completions become events
 *   request.c  what each kind of op is for the kernel
 *   buf.c      registered buffers; pools that the kernel takes a buffer from when data is there
 *   probe.c    what this kernel can do, found by trying, and why not
 *
 * Calls answer 0, a condition of enum ktls_status, or -errno; EINTR never. Only uring_start() and
 * uring_wait() submit. Nothing but the _new calls allocates memory.
 *
 * Thread rule: a ring, its buffers and pools belong to the thread that made it, which the kernel
 * checks from 6.0 on (-EINVAL, -EEXIST); only uring_wake() is for others. A child of fork() must
 * leave them alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum uring_limit {
	URING_OPS_MAX = 1 << 20,
	URING_SQ_MAX = 1 << 15,		/* the kernel's */
	URING_BUFFERS_MAX = 1 << 14,	/* the kernel's */
	URING_FILES_MAX = 1 << 20,	/* the kernel's; RLIMIT_NOFILE applies as well */
	URING_CHAIN_MAX = 16,		/* requests of one uring_start() */
	URING_BUFFER_LEN_MAX = 1 << 30, /* the kernel's */
	URING_POOLS_MAX = 64,		/* a ring */
	URING_POOL_COUNT_MAX = 1 << 15, /* the kernel's */
	URING_POOL_SIZE_MAX = 1 << 20,	/* bytes of one buffer of a pool */
	URING_MESSAGE_HEADER = 16, /* bytes that a multishot URING_RECVMSG puts before the rest */
};

/* -- What this kernel can do -- */

enum uring_feature {
	URING_HAS_RING = 0,	     /* io_uring at all, for this process; 5.11 or later */
	URING_HAS_DEFERRED,	     /* completions run when we wait, not whenever (6.1) */
	URING_HAS_NO_SQARRAY,	     /* one indirection less (6.6, and liburing 2.6) */
	URING_HAS_DEADLINES,	     /* linked time-outs */
	URING_HAS_MULTISHOT_ACCEPT,  /* 5.19 */
	URING_HAS_MULTISHOT_RECV,    /* into a pool (6.0) */
	URING_HAS_MULTISHOT_RECVMSG, /* the same with control messages (6.0) */
	URING_HAS_POOLS,	     /* rings of provided buffers (5.19); there is no older way */
	URING_HAS_BUFFERS,	     /* sparse tables of registered buffers (5.19) */
	URING_HAS_FILES,	     /* direct descriptors whose index the kernel chooses (5.19) */
	URING_HAS_SEND_ZC,	     /* 6.0; never on a socket with kernel TLS */
	URING_HAS_RECV_BUNDLE,	     /* 6.10 */
	URING_HAS_SETSOCKOPT,	     /* 6.7 */
	URING_HAS_FD_INSTALL,	     /* a descriptor for a direct one (6.8) */
	URING_HAS_MSG_RING,	     /* from ring to ring (5.18) */
	URING_HAS_WAKE,		     /* to a ring, from a thread without one (6.13) */
	_URING_FEATURE_N,
};

enum uring_reason {
	URING_REASON_NONE = 0,	 /* it is there */
	URING_REASON_OLD_KERNEL, /* the kernel is too old for it, or built without */
	URING_REASON_SECCOMP,	 /* a filter or security module forbids it */
	URING_REASON_SYSCTL,	 /* kernel.io_uring_disabled forbids it */
	URING_REASON_MEMLOCK,	 /* RLIMIT_MEMLOCK, or the memory itself, is too small */
	URING_REASON_LIBURING,	 /* the liburing that this was built with is too old for it */
	URING_REASON_LIMIT,	 /* the options go beyond enum uring_limit */
	URING_REASON_REFUSED,	 /* the kernel refused it otherwise */
	_URING_REASON_N,
};

struct uring_facts {
	uint8_t reason[_URING_FEATURE_N]; /* enum uring_reason */
	int error[_URING_FEATURE_N];	  /* the -errno behind it, or 0 */
	uint64_t opcodes;		  /* 1ull << opcode, as the kernel numbers them */
};

/* Found by trying, once per process; any thread. Never NULL. */
const struct uring_facts *uring_probe(void);

/* "multishot-recv"; and a sentence for a reason with what to do about it. Static storage. */
const char *uring_feature_name(unsigned int feature);
const char *uring_reason_text(unsigned int reason);

/* -- The ring -- */

struct uring;

struct uring_options {
	unsigned int ops;     /* at once, at most; a power of two is not needed */
	unsigned int sq;      /* the budget on submit; 0: ops, but at most 256 */
	unsigned int cq;      /* 0: as many as ops may leave there, as far as the kernel lets */
	unsigned int buffers; /* registered ones, at most; 0: none is registered */
	unsigned int files;   /* direct descriptors, at most; 0: none */
	unsigned int avoid;   /* 1u << enum uring_feature: as if the kernel had it not */
};

/*
 * Makes a ring with the best flags that the kernel takes. -EINVAL: options beyond the limits;
 * -ENOMEM; -EOPNOTSUPP: files, and the kernel has no table of them; else why there can be none, for
 * which *ret_reason (enum uring_reason) has the words. *ret_reason is set with any -errno.
 */
int uring_new(struct uring **ret_ring, const struct uring_options *options,
	      unsigned int *ret_reason);

/* NULL. No op may be live, no pool be left: uring_drain() first. Buffers that are left stay, as
 * plain memory. Takes NULL. */
struct uring *uring_free(struct uring *ring);

/* Whether this ring has it: the kernel does, and the options did not avoid it. */
bool uring_has(const struct uring *ring, enum uring_feature feature);

/* Ops that have not yet had their last event. */
unsigned int uring_live(const struct uring *ring);

/* -- Ops -- */

enum uring_kind {
	URING_NOP = 0,
	URING_ACCEPT,	  /* fd; arg: accept4()'s flags. res: the descriptor, or its index */
	URING_CONNECT,	  /* fd, data (a sockaddr), len */
	URING_RECV,	  /* fd, data, len, or pool; arg: MSG_... */
	URING_RECVMSG,	  /* fd, data (a msghdr); arg: MSG_... */
	URING_SEND,	  /* fd, data, len; arg: MSG_... */
	URING_SENDMSG,	  /* fd, data (a msghdr); arg: MSG_... */
	URING_SEND_ZC,	  /* as URING_SEND; two events: what was sent, then that data is free */
	URING_READ,	  /* fd, data, len, offset (UINT64_MAX: where it stands, sockets) */
	URING_WRITE,	  /* the same; SIGPIPE is held back */
	URING_SPLICE,	  /* fd_in, offset_in, to fd, offset, len; arg: SPLICE_F_... */
	URING_POLL,	  /* fd; arg: POLL... . res: what there is */
	URING_SETSOCKOPT, /* fd, level, arg: option, data, len */
	URING_INSTALL,	  /* fd, which is direct. res: a close-on-exec descriptor for it */
	URING_SHUTDOWN,	  /* fd; arg: SHUT_... */
	URING_CLOSE,	  /* fd */
	_URING_KIND_N,
};

enum uring_flag {
	URING_MULTISHOT = 1u << 0,   /* URING_ACCEPT, POLL, or RECV and RECVMSG with a pool: again
					and again, until an event without `more` */
	URING_DIRECT = 1u << 1,	     /* fd is an index of the ring's files */
	URING_TO_DIRECT = 1u << 2,   /* URING_ACCEPT: so is what comes out */
	URING_FROM_DIRECT = 1u << 3, /* URING_SPLICE: so is fd_in */
	URING_ALWAYS = 1u << 4,	     /* the next in the chain begins even if this one fails */
	URING_FIXED = 1u << 5, /* URING_RECV, SEND: data lies in `buffer`, which is registered;
				  kernels before 7.2 answer -EINVAL */
};

struct uring_request {
	enum uring_kind kind;
	unsigned int flags; /* enum uring_flag */
	int fd;
	int fd_in;
	int level;
	uint32_t arg;
	void *data; /* as what it points at, stays until the op's last event */
	size_t len; /* at most INT32_MAX */
	uint64_t offset;
	uint64_t offset_in;
	uint64_t deadline_ns;	     /* absolute, as all deadlines; 0, or KTLS_FOREVER: none. Not
					with URING_MULTISHOT, URING_SEND_ZC */
	struct uring_buffer *buffer; /* data lies in it: URING_READ and WRITE use its registration,
					with URING_FIXED also RECV and SEND; it lives until the
					last event; or NULL */
	struct uring_pool *pool;     /* URING_RECV, RECVMSG: the buffer comes from there; or NULL */
	uint64_t tag;		     /* the caller's, for the events */
};

/*
 * Starts n requests as a chain: each begins when the one before has succeeded (a short READ or
 * WRITE, and a short RECV or SEND with MSG_WAITALL, is a failure), else it ends with -ECANCELED.
 * All are taken, or none. They are submitted by the next uring_wait(), or here when the SQ is full.
 * Each ret_ops is a handle that is never 0 and never comes again; ret_ops may be NULL.
 *
 * KTLS_WANT_BUFFER: no slot, or no room in the kernel: take events and call again. -EINVAL: a
 * request that makes no sense; -EOPNOTSUPP: the kernel has not what it asks for.
 */
int uring_start(struct uring *ring, const struct uring_request *requests, unsigned int n,
		uint64_t *ret_ops);

/*
 * Asks an op to end. It has its events as any other, of which the last has -ECANCELED, or what came
 * before: the work may be done. -ENOENT: it had its last event; this is no mistake to make.
 */
int uring_cancel(struct uring *ring, uint64_t op);

struct uring_event {
	uint64_t op;  /* 0: somebody called uring_wake(); then the rest is 0 */
	uint64_t tag; /* the request's */
	int32_t res;  /* as the system call's result, or -errno. -ECANCELED: cancelled, or what was
			 before it in the chain failed; -ETIME: its deadline passed; -ENOBUFS: its
			 pool is empty: give back, and start it again */
	bool more;    /* the op lives on: other events will come */
	bool pending; /* URING_RECV, RECVMSG, ACCEPT: more was waiting to be taken */
	int32_t buffer; /* of the request's pool, to give back; -1: none */
};

/*
 * Submits what was started, and waits for events until some are there: up to max, their number in
 * *ret_n. KTLS_TIMEDOUT: the deadline came first, and *ret_n is 0; with KTLS_NOW it takes what is
 * there. Whatever does not fit stays for the next call: max is the budget on reaping.
 * -EINVAL: max is 0; -EAGAIN: the kernel is short of memory, call again; other -errno: the ring is
 * of no use any more.
 */
int uring_wait(struct uring *ring, uint64_t deadline_ns, struct uring_event *events,
	       unsigned int max, unsigned int *ret_n);

/*
 * Makes uring_wait() return with an event whose op is 0, at once or when it is next called; several
 * wakes before that are one. Any thread, while the ring lives; and a signal handler. 0 or -errno.
 */
int uring_wake(struct uring *ring);

/*
 * Cancels every op and waits for their ends. The events are thrown away with what they carry:
 * accepted descriptors are closed, buffers given back; so are wakes. KTLS_TIMEDOUT: some op still
 * runs (a disk that does not answer); call again, or leave the ring and all memory as they are.
 * -errno as uring_wait().
 */
int uring_drain(struct uring *ring, uint64_t deadline_ns);

/* -- Memory -- */

/* To read only. */
struct uring_buffer {
	uint8_t *data; /* whole pages */
	size_t len;
	bool registered;    /* false: usable as well, but the kernel pins it anew for each op */
	struct uring *ring; /* NULL: of none, or of one that was freed */
	struct uring_buffer *next, *previous;
	unsigned int refs;
	unsigned int index;
};

/*
 * Memory of at least len bytes, in whole pages, and registered if the ring has room in its table
 * and RLIMIT_MEMLOCK allows it; that it is not is a flag, not an error. -EINVAL: len is 0 or too
 * much; -ENOMEM. A ring of NULL: plain memory. One reference, the caller's; each live op holds
 * another one.
 */
int uring_buffer_new(struct uring_buffer **ret_buffer, struct uring *ring, size_t len);
struct uring_buffer *uring_buffer_ref(struct uring_buffer *buffer);

/* NULL. The last one unregisters and frees it, also from within an op's last event. Takes NULL. */
struct uring_buffer *uring_buffer_unref(struct uring_buffer *buffer);

struct uring_pool;

/*
 * `count` buffers (a power of two) of `size` bytes each, of which the kernel takes one when data is
 * there. -EINVAL: beyond the limits; -EOPNOTSUPP: the kernel has no rings of buffers; -ENOMEM,
 * also of RLIMIT_MEMLOCK (some kernels, 6.18); -ENOSPC: URING_POOLS_MAX.
 */
int uring_pool_new(struct uring_pool **ret_pool, struct uring *ring, unsigned int count,
		   unsigned int size);

/*
 * NULL. None of its buffers may be the caller's any more. Its memory goes when the last op that
 * uses it has ended, whose events then carry no buffer. Takes NULL.
 */
struct uring_pool *uring_pool_free(struct uring_pool *pool);

/* A buffer that an event named, until it is given back, which is once. */
void *uring_pool_data(const struct uring_pool *pool, int32_t buffer);
void uring_pool_give(struct uring_pool *pool, int32_t buffer);

/* How many are the kernel's to take. */
unsigned int uring_pool_left(const struct uring_pool *pool);

struct uring_message {
	const void *control; /* for CMSG_FIRSTHDR(), as msg_control */
	size_t control_len;
	const void *payload;
	size_t payload_len;
	int flags; /* MSG_CTRUNC, MSG_TRUNC, MSG_EOR */
};

/*
 * What a multishot URING_RECVMSG put into a buffer: `msg` is the request's, whose msg_namelen and
 * msg_controllen said how much room to leave. No more than res bytes are believed. -EBADMSG.
 */
int uring_message(const void *data, int32_t res, const struct msghdr *msg,
		  struct uring_message *ret_message);

#endif
