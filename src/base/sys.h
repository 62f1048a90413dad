/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_SYS_H
#define KTLS_BASE_SYS_H

/*
 * The seam: every system call that moves bytes or keys goes through this table, so that a test can
 * make each of them fail, be short or be interrupted, at any step, with no kernel's help. Nothing
 * but a test changes it, before any connection exists. The members are the calls of the same names,
 * with their contracts.
 */

#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ktls_sys {
	ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	ssize_t (*sendfile)(int out_fd, int in_fd, off_t *offset, size_t count);
	ssize_t (*preadv)(int fd, const struct iovec *iov, int iovcnt, off_t offset);
	ssize_t (*preadv2)(int fd, const struct iovec *iov, int iovcnt, off_t offset, int flags);
	int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
	int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *len);
	int (*fstat)(int fd, struct stat *ret_stat);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout_ms);
	int (*shutdown)(int fd, int how);
	int (*accept4)(int fd, struct sockaddr *address, socklen_t *len, int flags);
};

extern struct ktls_sys ktls_sys;

#endif
