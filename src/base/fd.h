/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_FD_H
#define KTLS_BASE_FD_H

/* A descriptor that closes itself: `_cleanup_(ktls_fd_close) int fd = -EBADF;`, and ktls_fd_steal()
 * to keep it. */

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

static inline void ktls_fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
}

static inline int ktls_fd_steal(int *fd)
{
	int stolen = *fd;

	*fd = -EBADF;
	return stolen;
}

/* Reads to the file's end, or until buf is full. *ret_len is how much lies there, with any answer.
 * 0 or -errno. */
int ktls_fd_read_all(int fd, void *buf, size_t size, size_t *ret_len);

/* Its calls wait no more. 0 or -errno. */
int ktls_fd_make_nonblocking(int fd);

#endif
