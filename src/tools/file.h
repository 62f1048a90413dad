/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_FILE_H
#define KTLS_TOOL_FILE_H

/* Files beneath a root, and nothing else: whatever a path says, it cannot leave. */

#include <stdint.h>

struct file {
	int fd;
	uint64_t size;
	int64_t mtime;	  /* seconds since 1970 */
	const char *type; /* for Content-Type; static */
};

/* Nothing open. */
#define FILE_NULL        \
	{                \
		.fd = -1 \
	}

/*
 * Opens the regular file at a relative path beneath the directory root_fd; a directory stands for
 * the index.html in it. Symbolic links are followed as long as they stay beneath (with openat2(2);
 * without it, none is). -errno of the system; -EXDEV or -ELOOP: the way leads out; -EACCES also for
 * what is no regular file.
 */
int file_open(struct file *ret_file, int root_fd, const char *path);
void file_close(struct file *file);

/* The way without openat2(2): component by component, following no link. Returns a descriptor or
 * -errno. */
int file_walk(int root_fd, const char *path);

#endif
