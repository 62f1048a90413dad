/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_FILE_H
#define KTLS_TOOL_FILE_H

/* Files beneath a root, and nothing else: whatever a path says, it cannot leave. */

#include <stdint.h>

#include "http.h"

enum file_limit {
	FILE_LIMIT_RETRIES = 16,  /* openat2(2) answers EAGAIN when a rename crossed its way */
	FILE_LIMIT_SMALL = 15360, /* of such a file the contents are kept: beside a head they fit
				     into one record of TLS */
	FILE_LIMIT_ETAG = 56,
};

struct file {
	int fd;		/* -1: there is none, for the contents are here */
	char *contents; /* NULL: behind fd */
	uint64_t size;
	int64_t mtime; /* seconds since 1970 */
	int64_t mtime_nsec;
	char etag[FILE_LIMIT_ETAG];	/* strong: another one, another size, or written to again */
	char modified[HTTP_LIMIT_DATE]; /* for Last-Modified */
};

/* Nothing open. */
#define FILE_NULL        \
	{                \
		.fd = -1 \
	}

/*
 * Opens the regular file at a relative path beneath the directory root_fd, or reads it, if it is
 * small. Symbolic links are followed as long as they stay beneath (with openat2(2); without it,
 * none is). -errno of the system; -EISDIR: it is a directory; -EXDEV or -ELOOP: the way leads out;
 * -EACCES also for what is no file at all; -ENOMEM.
 */
int file_open(struct file *ret_file, int root_fd, const char *path);
void file_close(struct file *file);

/* The way without openat2(2): component by component, following no link. Returns a descriptor or
 * -errno. */
int file_walk(int root_fd, const char *path);

#endif
