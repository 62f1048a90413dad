/* SPDX-License-Identifier: MIT */

/*
 * Whole files or none; see output.h. A part is locked as long as somebody writes it. Its note is
 * there before its first byte, so that a process which is killed leaves either both or an empty
 * part.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "tool.h"

static mode_t default_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static char *append(const char *path, const char *suffix)
{
	char *text;

	return asprintf(&text, "%s%s", path, suffix) < 0 ? NULL : text;
}

static int write_all(int fd, const char *buf, size_t len, const volatile sig_atomic_t *stop)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR && !(stop && *stop))
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* -- A file that is there when it is whole -- */

/* A new file beside `path`; its mode is that of the file it will replace, or the usual one. */
static int open_temporary(struct output *output, mode_t mode)
{
	output->temporary = append(output->path, ".XXXXXX");
	if (!output->temporary)
		return -ENOMEM;
	output->fd = mkostemp(output->temporary, O_CLOEXEC);
	if (output->fd < 0) {
		int error = -errno;

		/* There is none to remove. */
		free(output->temporary);
		output->temporary = NULL;
		return error;
	}
	return fchmod(output->fd, mode) ? -errno : 0;
}

static int open_as_it_is(struct output *output, const char *path)
{
	output->fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return output->fd < 0 ? -errno : 0;
}

/* Whether it is a place for a file that can be replaced: 1, and output->path and *ret_mode are set;
 * or what is written as it is: 0, and open. -errno. */
static int find_place(struct output *output, const char *path, mode_t *ret_mode)
{
	struct stat stat_old;
	bool exists = !stat(path, &stat_old);
	int r;

	if (exists && !S_ISREG(stat_old.st_mode)) {
		r = open_as_it_is(output, path);
		return r ? r : 0;
	}
	/* Through links, to the file itself: it is replaced, and they stay. */
	output->path = exists ? realpath(path, NULL) : strdup(path);
	if (!output->path)
		return -errno;
	*ret_mode = exists ? stat_old.st_mode & 0777 : default_mode();
	return 1;
}

int output_open(struct output *ret_output, const char *path)
{
	struct output output = OUTPUT_NULL;
	mode_t mode;
	int r = 0;

	if (path)
		r = find_place(&output, path, &mode);
	else
		output.fd = STDOUT_FILENO;
	if (r > 0)
		r = open_temporary(&output, mode);
	if (r) {
		output_done(&output);
		return r;
	}
	*ret_output = output;
	return 0;
}

/* -- A part that stays -- */

/* Who finished it meanwhile has renamed it: what we have open is the file itself then. */
static bool is_still_named(int fd, const char *path)
{
	struct stat by_fd, by_name;

	return !fstat(fd, &by_fd) && !lstat(path, &by_name) && by_fd.st_dev == by_name.st_dev &&
	       by_fd.st_ino == by_name.st_ino;
}

/* Opens and locks it; *ret_size is how much is there. */
static int open_locked(struct output *output, const char *part_path, mode_t mode, off_t *ret_size)
{
	struct stat stat_part;

	output->fd = open(part_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
	if (output->fd < 0)
		return errno == ELOOP ? -EEXIST : -errno;
	if (flock(output->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(output->fd, &stat_part))
		return -errno;
	if (!S_ISREG(stat_part.st_mode))
		return -EEXIST;
	if (!is_still_named(output->fd, part_path))
		return -EBUSY;
	*ret_size = stat_part.st_size;
	return lseek(output->fd, 0, SEEK_END) < 0 ? -errno : 0;
}

/* -EEXIST: there is none, or it is none of ours. */
static int read_note(const char *path, const char *url, struct part *ret_part)
{
	_cleanup_(tool_fd_close) int fd =
		open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[PART_LIMIT_NOTE + 1];
	size_t len = 0;
	ssize_t n;
	int r;

	if (fd < 0)
		return -EEXIST;
	while ((n = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	r = n < 0 ? -EBADMSG : part_parse(ret_part, url, text, len);
	return r == -EBADMSG ? -EEXIST : r;
}

/* Opens what is there, or nothing yet. Only then is the part ours, to be removed or to be kept. */
static int open_part(struct output *output, mode_t mode, const char *url, struct part *ret_part,
		     off_t *ret_size)
{
	char *part_path = append(output->path, OUTPUT_PART_SUFFIX);
	char *note = append(output->path, OUTPUT_NOTE_SUFFIX);
	struct part part = { .size = HTTP_SIZE_UNKNOWN };
	off_t size = 0;
	int r = part_path && note ? 0 : -ENOMEM;

	if (!r)
		r = open_locked(output, part_path, mode, &size);
	if (!r && size)
		r = read_note(note, url, &part);
	if (!r && fchmod(output->fd, mode))
		r = -errno;
	if (r) {
		free(part_path);
		free(note);
		return r;
	}
	output->temporary = part_path;
	output->note = note;
	output->keep = *part.validator;
	*ret_part = part;
	*ret_size = size;
	return 0;
}

int output_open_part(struct output *ret_output, const char *path, const char *url,
		     struct part *ret_part, uint64_t *ret_at)
{
	struct output output = OUTPUT_NULL;
	struct part part = { .size = HTTP_SIZE_UNKNOWN };
	off_t size = 0;
	mode_t mode;
	int r = find_place(&output, path, &mode);

	if (r > 0)
		r = open_part(&output, mode, url, &part, &size);
	if (r) {
		output_done(&output);
		return r;
	}
	*ret_output = output;
	*ret_part = part;
	*ret_at = output.keep ? (uint64_t)size : 0;
	return 0;
}

static int write_note(const char *path, const char *text, size_t len)
{
	_cleanup_(tool_fd_close) int fd = -EBADF;

	/* Not through a link that somebody put there. */
	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : write_all(fd, text, len, NULL);
}

int output_begin(struct output *output, const char *url, const struct part *part)
{
	char text[PART_LIMIT_NOTE];
	size_t len;
	int r;

	if (!output->note)
		return 0;
	output->keep = false;
	if (ftruncate(output->fd, 0) || lseek(output->fd, 0, SEEK_SET) < 0)
		return -errno;
	r = part_format(part, url, text, &len);
	if (!r)
		r = write_note(output->note, text, len);
	output->keep = !r && *part->validator;
	return r;
}

/* -- Both -- */

int output_write(struct output *output, const char *buf, size_t len,
		 const volatile sig_atomic_t *stop)
{
	int r = write_all(output->fd, buf, len, stop);

	/* After this nobody knows what the disk has of what was written before. */
	if (r == -EIO)
		output->keep = false;
	return r;
}

static void forget(char **path)
{
	free(*path);
	*path = NULL;
}

int output_commit(struct output *output)
{
	/* The lock is with it as long as any descriptor of it is open. */
	_cleanup_(tool_fd_close) int lock_fd = -EBADF;
	int fd = output->fd;

	if (fd == STDOUT_FILENO)
		return 0;
	if (output->note)
		lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	output->fd = -EBADF;
	/* Some file systems say only here that the disk was full; of what is not known. */
	if (close(fd)) {
		output->keep = false;
		return -errno;
	}
	if (!output->temporary)
		return 0;
	if (rename(output->temporary, output->path))
		return -errno;
	if (output->note)
		unlink(output->note);
	forget(&output->temporary);
	return 0;
}

/* A part of nothing is none. */
static uint64_t kept(const struct output *output)
{
	struct stat stat_part;

	if (!output->keep || stat(output->temporary, &stat_part))
		return 0;
	return (uint64_t)stat_part.st_size;
}

uint64_t output_done(struct output *output)
{
	uint64_t n = 0;

	if (output->temporary) {
		n = kept(output);
		if (!n)
			unlink(output->temporary);
		if (!n && output->note)
			unlink(output->note);
	}
	if (output->fd != STDOUT_FILENO)
		tool_fd_close(&output->fd);
	free(output->temporary);
	free(output->note);
	free(output->path);
	*output = (struct output)OUTPUT_NULL;
	return n;
}
