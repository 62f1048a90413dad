/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RINGING_H
#define TESTS_RINGING_H

/* A ring to test, and what happens on it. Each call asserts what it needs. */

#include "uring/uring.h"

enum ringing_limit {
	RINGING_PATIENCE_MS = 20000, /* for what must come, in an emulator */
	RINGING_QUIET_MS = 50,	     /* for what must not come */
};

/* Skips the test where io_uring is not allowed, and says why. */
void ringing_require(void);
/* Skips the test where the kernel has it not. */
void ringing_require_feature(enum uring_feature feature);

/* Skips the test where kernel.io_uring_disabled would be the answer to everything. */
void ringing_require_allowed_by_sysctl(void);

struct uring *ringing_new(const struct uring_options *options);
/* With room for `ops`, and nothing else. */
struct uring *ringing_new_plain(unsigned int ops);
/* Drains it first. */
void ringing_end(struct uring *ring);

uint64_t ringing_start(struct uring *ring, struct uring_request request);
/* Submits what was started, and takes no event. */
void ringing_submit(struct uring *ring);
/* The next event. */
struct uring_event ringing_next(struct uring *ring);
/* The next event is the last one of `op`; its res. */
int ringing_end_of(struct uring *ring, uint64_t op);
/* No event comes. */
void ringing_quiet(struct uring *ring);

/* Two connected stream sockets. */
void ringing_pair(int ret_fds[2]);
/* A listener on the loopback, and a client that has connected, or not. */
int ringing_listener(void);
int ringing_client(int listener);
void ringing_close_pair(const int fds[2]);

struct uring_request ringing_recv(int fd, void *buf, size_t len);
/* Sends all of the text; asserts that it waits there. */
void ringing_say(int fd, const char *text);
void ringing_expect_waiting(int fd, const char *text);

/* Whether `memory` is mapped. */
bool ringing_is_mapped(const void *memory);

#endif
