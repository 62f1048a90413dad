/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_SIGPIPE_H
#define KTLS_BASE_SIGPIPE_H

/*
 * sendfile(2) and writes of io_uring have no MSG_NOSIGNAL. Where the peer is gone they raise
 * SIGPIPE, also when they answer that bytes were taken (sk_stream_error()): so whatever they
 * answer, the signal is held back in this thread, once around all calls of a kind, and then taken
 * away; one that was pending before is the program's own and stays. Zeros: not held.
 */

#include <signal.h>
#include <stdbool.h>

struct ktls_sigpipe {
	sigset_t before;
	bool held, was_pending;
};

void ktls_sigpipe_hold(struct ktls_sigpipe *sigpipe);

/* Twice is fine. */
void ktls_sigpipe_release(struct ktls_sigpipe *sigpipe);

#endif
