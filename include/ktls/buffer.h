/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BUFFER_H
#define KTLS_BUFFER_H

/*
 * Memory that a ring (ring.h) has registered with the kernel: its pages are pinned once, not by
 * each op (io_uring_register(2)). Files are read into it, and it is written to connections; where
 * the kernel protects them, it encrypts out of these very pages.
 *
 * An op takes a reference until its last event, so that the caller's may be given up meanwhile.
 * A buffer outlives its ring, as memory that nobody has registered, and so it is over epoll.
 *
 * Thread rule: the ring's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/op.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_buffer;

enum ktls_buffer_limit {
	KTLS_BUFFER_REGISTERED_MAX = 1024, /* of one ring, that are registered */
	KTLS_BUFFER_SIZE_MAX = 1 << 30,	   /* bytes of one */
};

/*
 * At least `size` bytes, in whole pages, of which the reference is the caller's. It is registered
 * if RLIMIT_MEMLOCK and KTLS_BUFFER_REGISTERED_MAX allow it, and of use as well if not: see
 * ktls_buffer_is_registered(). -EINVAL: size is 0, or beyond KTLS_BUFFER_SIZE_MAX; -ENOMEM.
 */
int ktls_buffer_new(struct ktls_buffer **ret_buffer, struct ktls_ring *ring, size_t size);
struct ktls_buffer *ktls_buffer_ref(struct ktls_buffer *buffer);

/* The last one frees it. Takes NULL; always returns NULL. */
struct ktls_buffer *ktls_buffer_unref(struct ktls_buffer *buffer);

/* Its memory, and how many bytes that is. Neither changes while it lives. */
void *ktls_buffer_data(const struct ktls_buffer *buffer);
size_t ktls_buffer_size(const struct ktls_buffer *buffer);
bool ktls_buffer_is_registered(const struct ktls_buffer *buffer);

/* -- Ops (op.h). -EINVAL also: the range is not in the buffer, or io_uring knows the buffer as
 * another ring's. -- */

/* ktls_op_read() and ktls_op_write(), into and from buffer[at..at + len). */
int ktls_op_read_buffer(struct ktls_op *op, struct ktls_conn *conn, struct ktls_buffer *buffer,
			size_t at, size_t len, uint64_t deadline_ns);
int ktls_op_write_buffer(struct ktls_op *op, struct ktls_conn *conn, struct ktls_buffer *buffer,
			 size_t at, size_t len, uint64_t deadline_ns);

/* Reads a file from `offset` on into buffer[at..at + len), as pread(2), and over io_uring
 * blocks nobody: n is less at the file's end, and may be elsewhere. -EAGAIN: there are too many at
 * once. */
int ktls_op_read_file(struct ktls_op *op, struct ktls_ring *ring, int file_fd, uint64_t offset,
		      struct ktls_buffer *buffer, size_t at, size_t len, uint64_t deadline_ns);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
