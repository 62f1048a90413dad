/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_SYSCALLS_H
#define KTLS_TESTS_SYSCALLS_H

/* What a connection's own system calls are, the same over both protections; one in a ring makes
 * others. Each is a whole test. */

#include <ktls/config.h>

/* How many of them a read and a write take, with data there and without. */
void syscalls_count(enum ktls_offload offload);

/* The same of many small pieces. */
void syscalls_count_of_a_list(enum ktls_offload offload);

/* Over the kernel: they get the caller's own memory, so nothing is copied on the way. */
void syscalls_pass_memory_on(void);

#endif
