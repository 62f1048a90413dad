/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_KIT_H
#define KTLS_TESTS_KIT_H

/*
 * What the tests share. Each call asserts what it needs, so a test reads as if nothing could fail.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ktls/kern.h"

enum kit_limit {
	KIT_SUITES_N = 8,	 /* the kernel's: each cipher in TLS 1.2 and in TLS 1.3 */
	KIT_PATIENCE_MS = 20000, /* for a peer in the same process, in an emulator */
};

struct kit_suite {
	const char *name;
	uint16_t protocol;
	uint16_t cipher;
};

extern const struct kit_suite kit_suites[KIT_SUITES_N];

/* The ends of a new TCP connection over the loopback: blocking, close-on-exec, no Nagle. */
void kit_tcp_pair(int ret_fds[2]);

/* Keys of no value, made now. */
void kit_keys(const struct kit_suite *suite, uint64_t seq, struct kern_keys *ret_keys);

/* Skips the test where the kernel has no tls. */
void kit_require_tls(void);

/* A counter of /proc/net/tls_stat; 0 if this kernel has no such counter. */
uint64_t kit_tls_stat(const char *name);

/* The socket is closed as if its process were gone; the number stays taken. */
void kit_vanish(int fd);

/* How many descriptors the process has open. */
unsigned int kit_count_fds(void);

/* Waits for `events` (poll(2)'s), and fails the test when they do not come. */
void kit_wait(int fd, short events);

/* Fixtures: the test has a directory of its own, and is in it; then it is gone. */
void kit_directory_enter(void);
void kit_directory_leave(void);

/* A file of `len` bytes that differ from place to place, without a name; kit_byte() is each. */
int kit_file(size_t len);
uint8_t kit_byte(size_t at);

#endif
