/* SPDX-License-Identifier: MIT */
#ifndef KTLS_PROBE_RING_H
#define KTLS_PROBE_RING_H

/*
 * What io_uring(7) does on a socket whose records the kernel protects: each operation tried, once
 * per process, on a connection of its own over the loopback. It works if what was sent arrived, all
 * of it, in a record of its type. What a struct ktls_ring needs it finds by itself: this is for who
 * drives a ring of his own, or wants to know why a connection is slow.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ktls_trial {
	KTLS_TRIAL_RING = 0, /* io_uring itself, whatever the socket */

	KTLS_TRIAL_SEND,	 /* IORING_OP_SEND */
	KTLS_TRIAL_SEND_WAITALL, /* the same with MSG_WAITALL, as bundles have it too */
	KTLS_TRIAL_SEND_FIXED,	 /* from a registered buffer: IORING_RECVSEND_FIXED_BUF */
	KTLS_TRIAL_SEND_ZC,	 /* IORING_OP_SEND_ZC */
	KTLS_TRIAL_SENDMSG,	 /* IORING_OP_SENDMSG with a record's type */
	KTLS_TRIAL_WRITE,	 /* IORING_OP_WRITE */
	KTLS_TRIAL_WRITE_FIXED,	 /* IORING_OP_WRITE_FIXED */
	KTLS_TRIAL_SPLICE_IN,	 /* IORING_OP_SPLICE from a pipe to the socket */

	KTLS_TRIAL_RECV,	      /* IORING_OP_RECV */
	KTLS_TRIAL_RECV_WAITALL,      /* the same with MSG_WAITALL, another op linked behind it */
	KTLS_TRIAL_RECV_FIXED,	      /* into a registered buffer: IORING_RECVSEND_FIXED_BUF */
	KTLS_TRIAL_RECV_MULTISHOT,    /* again and again, into provided buffers */
	KTLS_TRIAL_RECVMSG,	      /* IORING_OP_RECVMSG with room for the record's type */
	KTLS_TRIAL_RECVMSG_MULTISHOT, /* again and again, into provided buffers */
	KTLS_TRIAL_READ,	      /* IORING_OP_READ */
	KTLS_TRIAL_READ_FIXED,	      /* IORING_OP_READ_FIXED */
	KTLS_TRIAL_SPLICE_OUT,	      /* IORING_OP_SPLICE from the socket to a pipe */

	/* The same where the record is no data, but an alert. */
	KTLS_TRIAL_RECV_CONTROL,
	KTLS_TRIAL_RECV_MULTISHOT_CONTROL,
	KTLS_TRIAL_RECVMSG_CONTROL,
	KTLS_TRIAL_RECVMSG_MULTISHOT_CONTROL,
	KTLS_TRIAL_READ_CONTROL,
	KTLS_TRIAL_SPLICE_OUT_CONTROL,

	KTLS_TRIAL_POLL,       /* IORING_OP_POLL_ADD */
	KTLS_TRIAL_SETSOCKOPT, /* a key set by IORING_OP_URING_CMD */
	KTLS_TRIAL_SHUTDOWN,   /* IORING_OP_SHUTDOWN */
	KTLS_TRIAL_CLOSE,      /* IORING_OP_CLOSE */
	_KTLS_TRIAL_N,
};

struct ktls_trial_answer {
	uint32_t reason;      /* enum ktls_reason; KTLS_REASON_NONE: it works */
	int32_t reason_errno; /* the errno behind it, or 0 */
};

/*
 * Fills *ret_answer, `size` is its size as the caller knows it. Where there is no io_uring, or no
 * kernel TLS, that is every operation's answer (but KTLS_TRIAL_RING's is io_uring's alone). The
 * first call takes some milliseconds, and some seconds at most, should the kernel not answer; any
 * thread. -EINVAL, also for a trial that this library does not know.
 */
int ktls_probe_ring(unsigned int trial, struct ktls_trial_answer *ret_answer, size_t size);

/* "recvmsg-multishot"; and what it does, in words. Never NULL; static storage; any thread. */
const char *ktls_trial_name(unsigned int trial);
const char *ktls_trial_text(unsigned int trial);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
