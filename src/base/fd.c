/* SPDX-License-Identifier: MIT */

/* Reading what a file holds; see fd.h. */

#include <errno.h>

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
