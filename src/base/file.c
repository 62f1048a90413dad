/* SPDX-License-Identifier: MIT */

/* See file.h. A file of /proc is made anew with each open, and may come in pieces. */

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/secret.h"

enum {
	PIECE_LEN = 16384,
};

int ktls_file_read(const char *path, size_t limit, struct ktls_bytes *ret_bytes)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes bytes = { 0 };
	_cleanup_(ktls_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char piece[PIECE_LEN];
	size_t n;

	if (fd < 0)
		return -errno;
	do {
		int r = ktls_fd_read_all(fd, piece, sizeof(piece), &n);

		if (r < 0)
			return r;
		if (n > limit - bytes.len)
			return -EFBIG;
		r = ktls_bytes_append(&bytes, piece, n);
		if (r < 0)
			return r;
	} while (n == sizeof(piece));
	*ret_bytes = bytes;
	bytes = (struct ktls_bytes){ 0 };
	return 0;
}
