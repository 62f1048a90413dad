/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_LOOP_H
#define KTLS_SRC_LOOP_H

/*
 * A ring's door where io_uring is forbidden or missing: epoll(7), in the words of uring/uring.h, as
 * far as a ring needs them. It tells when something can be done; who reads then does so himself. Of
 * requests it takes
 *
 *   URING_POLL, URING_ACCEPT with URING_MULTISHOT   as there; the descriptor stays open until then
 *   URING_SEND, URING_SENDMSG                       at once, and never waiting: -EAGAIN is a result
 *   URING_READ of a file                            at once
 *
 * Answers, events and the thread rule are those of that header. Only ktls_loop_new() allocates.
 */

#include <stdint.h>

#include "uring/uring.h"

struct ktls_loop;

/* For `ops` at once. -ENOMEM, -EMFILE, -ENFILE. */
int ktls_loop_new(struct ktls_loop **ret_loop, unsigned int ops);

/* NULL. Ops that are live are over, without an event. Takes NULL. */
struct ktls_loop *ktls_loop_free(struct ktls_loop *loop);

int ktls_loop_start(struct ktls_loop *loop, const struct uring_request *request, uint64_t *ret_op);
int ktls_loop_cancel(struct ktls_loop *loop, uint64_t op);
int ktls_loop_wait(struct ktls_loop *loop, uint64_t deadline_ns, struct uring_event *events,
		   unsigned int max, unsigned int *ret_n);

/* Any thread, and a signal handler. */
int ktls_loop_wake(struct ktls_loop *loop);

#endif
