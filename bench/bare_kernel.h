/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BARE_KERNEL_H
#define BENCH_BARE_KERNEL_H

/* The kernel's TLS with no library around it: what a sendfile loop costs at least. */

#include <stdbool.h>
#include <stdint.h>

/* Gives the socket's sending side a random key for AES-128-GCM in TLS 1.3, which nobody else
 * knows. False if the kernel cannot. */
bool bare_kernel_key(int fd);

/* Sends the first `len` bytes of the file; waits in sendfile(2) or, where the socket is
 * non-blocking, in poll(2). */
void bare_kernel_send_file(int fd, int file_fd, uint64_t len);

#endif
