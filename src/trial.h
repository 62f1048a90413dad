/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_TRIAL_H
#define KTLS_SRC_TRIAL_H

/*
 * The operations of io_uring that are tried on a socket with kernel TLS, and what they are tried
 * on. probe_ring.c makes that and judges what came of it; trial.c has the operations.
 */

#include <errno.h>

#include <ktls/probe_ring.h>

#include "ktls/kern.h"
#include "uring/uring.h"

enum {
	KTLS_TRIAL_LEN = 600, /* of a record */
	KTLS_TRIAL_ROOM = 4096,
	/* What came of a trial, beside 0 and the -errno that the kernel answered: */
	KTLS_TRIAL_UNSOUND = -EBADMSG,
	KTLS_TRIAL_SILENT = -ETIMEDOUT,
};

/* Where one operation is tried. On the heap: what the kernel does not let go of stays there. */
struct ktls_bench {
	struct kern_pair pair;
	int pipe[2];
	bool plain; /* no keys are set */
	struct uring *ring;
	struct uring_buffer *buffer;
	struct uring_pool *pool;
	struct kern_crypto crypto;
	struct msghdr msg;
	struct iovec iov;
	union kern_type_room type_room;
	uint8_t out[KTLS_TRIAL_LEN];
	uint8_t in[KTLS_TRIAL_ROOM];
};

struct ktls_trial_row {
	const char *name;
	const char *text;
	int (*run)(struct ktls_bench *bench, const struct ktls_trial_row *trial);
	struct uring_request request; /* kind, flags and arg of it */
	uint8_t type;		      /* of the record that goes through; 0: data */
	bool fixed;		      /* by memory that is registered */
};

/* By enum ktls_trial; that of the ring itself has no run. */
extern const struct ktls_trial_row ktls_trials[_KTLS_TRIAL_N];

/* When to give up waiting for the kernel. */
uint64_t ktls_trial_patience(void);

/* The type of the record that goes through. */
static inline uint8_t ktls_trial_type(const struct ktls_trial_row *trial)
{
	return trial->type ? trial->type : KERN_RECORD_DATA;
}

/* The record arrives as it was sent, of the type that is wanted: 0, KTLS_TRIAL_UNSOUND, or SILENT.
 * Without keys nothing is asked. */
int ktls_trial_receive(struct ktls_bench *bench, uint8_t wanted);

#endif
