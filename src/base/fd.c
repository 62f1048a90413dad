/* SPDX-License-Identifier: MIT */

/* What takes more than a line; see fd.h. */

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"

int ktls_fd_read_all(int fd, void *buf, size_t size, size_t *ret_len)
{
	*ret_len = 0;
	while (*ret_len < size) {
		ssize_t n = read(fd, (char *)buf + *ret_len, size - *ret_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
		*ret_len += (size_t)n;
	}
	return 0;
}

int ktls_fd_make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}
