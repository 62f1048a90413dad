/* SPDX-License-Identifier: MIT */

/*
 * Opening what a stranger names. The kernel resolves the path and refuses every step out of the
 * root (openat2(2), RESOLVE_BENEATH, Linux 5.6); nothing is compared as text, so there is nothing
 * to get around. Opening never waits, and only then is it known what was opened: a FIFO or a device
 * is closed again unread.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "file.h"
#include "tool.h"

enum {
	OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
};

static int open_resolved(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = OPEN_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0; i < FILE_LIMIT_RETRIES; i++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

/* Copies the first component of *path, and moves *path behind it. False: it is too long. */
static bool take_component(const char **path, char component[NAME_MAX + 1])
{
	size_t len = strcspn(*path, "/");

	if (len > NAME_MAX)
		return false;
	memcpy(component, *path, len);
	component[len] = '\0';
	*path += len;
	return true;
}

int file_walk(int root_fd, const char *path)
{
	_cleanup_(tool_fd_close) int owned_fd = -EBADF;
	int dir_fd = root_fd;

	if (!*path)
		return -ENOENT;
	if (*path == '/')
		return -EXDEV;
	for (;;) {
		char component[NAME_MAX + 1];
		int fd;

		if (!take_component(&path, component))
			return -ENAMETOOLONG;
		if (!strcmp(component, ".."))
			return -EXDEV;
		if (!*path) {
			fd = openat(dir_fd, component, OPEN_FLAGS | O_NOFOLLOW);
			return fd < 0 ? -errno : fd;
		}
		/* A link is no directory here, so this follows none. */
		fd = openat(dir_fd, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		tool_fd_close(&owned_fd);
		owned_fd = fd;
		dir_fd = fd;

		path += strspn(path, "/");
		if (!*path)
			path = ".";
	}
}

static int open_beneath(int root_fd, const char *path)
{
	int fd = open_resolved(root_fd, path);

	/* An old kernel, or a sandbox that does not know the call. */
	if (fd == -ENOSYS || fd == -EPERM)
		fd = file_walk(root_fd, path);
	/* A Unix socket, or a device that is not there. */
	return fd == -ENXIO || fd == -ENODEV ? -EACCES : fd;
}

/* Reads the whole of a small file; it may have become smaller since its size was asked for. */
static int read_contents(struct file *file, int fd)
{
	char *contents = malloc(file->size + 1);
	size_t len = 0;

	if (!contents)
		return -ENOMEM;
	while (len < file->size) {
		ssize_t n = pread(fd, contents + len, file->size - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = -errno;

			free(contents);
			return r;
		}
		if (!n)
			break;
		len += (size_t)n;
	}
	file->contents = contents;
	file->size = len;
	return 0;
}

static void describe(struct file *file, const struct stat *stat)
{
	file->size = (uint64_t)stat->st_size;
	file->mtime = stat->st_mtim.tv_sec;
	file->mtime_nsec = stat->st_mtim.tv_nsec;
	snprintf(file->etag, sizeof(file->etag), "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
		 (uint64_t)stat->st_ino, file->size,
		 (uint64_t)file->mtime * 1000000000 + (uint64_t)file->mtime_nsec);
	http_date_format(stat->st_mtim.tv_sec, file->modified);
}

int file_open(struct file *ret_file, int root_fd, const char *path)
{
	_cleanup_(tool_fd_close) int fd = open_beneath(root_fd, path);
	struct file file = FILE_NULL;
	struct stat stat;
	int r = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &stat))
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return S_ISDIR(stat.st_mode) ? -EISDIR : -EACCES;
	describe(&file, &stat);
	if (file.size <= FILE_LIMIT_SMALL)
		r = read_contents(&file, fd);
	else
		file.fd = tool_fd_steal(&fd);
	if (!r)
		*ret_file = file;
	return r;
}

void file_close(struct file *file)
{
	tool_fd_close(&file->fd);
	free(file->contents);
	file->contents = NULL;
}
