/* SPDX-License-Identifier: MIT */

/*
 * Opening what a stranger names. The kernel resolves the path and refuses every step out of the
 * root (openat2(2), RESOLVE_BENEATH, Linux 5.6); nothing is compared as text, so there is nothing
 * to get around. Opening never waits, and only then is it known what was opened: a FIFO or a device
 * is closed again unread.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "file.h"
#include "tool.h"

enum file_limit {
	FILE_LIMIT_RETRIES = 16, /* openat2(2) answers EAGAIN when a rename crossed its way */
};

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

static const char *find_type(const char *path)
{
	static const struct {
		const char *suffix;
		const char *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".htm", "text/html; charset=utf-8" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".xml", "application/xml" },
		{ ".pdf", "application/pdf" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".jpeg", "image/jpeg" },
		{ ".gif", "image/gif" },
		{ ".webp", "image/webp" },
		{ ".ico", "image/vnd.microsoft.icon" },
		{ ".woff2", "font/woff2" },
		{ ".wasm", "application/wasm" },
		{ ".mp4", "video/mp4" },
		{ ".gz", "application/gzip" },
		{ ".zip", "application/zip" },
	};
	const char *slash = strrchr(path, '/');
	const char *suffix = strrchr(slash ? slash : path, '.');

	for (size_t i = 0; suffix && i < sizeof(types) / sizeof(*types); i++) {
		if (!strcasecmp(suffix, types[i].suffix))
			return types[i].type;
	}
	return "application/octet-stream";
}

int file_open(struct file *ret_file, int root_fd, const char *path)
{
	_cleanup_(tool_fd_close) int fd = open_beneath(root_fd, path);
	char index[PATH_MAX];
	struct stat stat;

	if (fd < 0)
		return fd;
	if (fstat(fd, &stat))
		return -errno;
	if (S_ISDIR(stat.st_mode)) {
		if (snprintf(index, sizeof(index), "%s/index.html", path) >= (int)sizeof(index))
			return -ENAMETOOLONG;
		path = index;
		tool_fd_close(&fd);
		fd = open_beneath(root_fd, path);
		if (fd < 0)
			return fd;
		if (fstat(fd, &stat))
			return -errno;
	}
	if (!S_ISREG(stat.st_mode))
		return -EACCES;
	*ret_file = (struct file){
		.fd = tool_fd_steal(&fd),
		.size = (uint64_t)stat.st_size,
		.mtime = stat.st_mtim.tv_sec,
		.type = find_type(path),
	};
	return 0;
}

void file_close(struct file *file)
{
	tool_fd_close(&file->fd);
}
