/* SPDX-License-Identifier: MIT */

/* Whole files or none; see output.h. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "tool.h"

/* For the signal handler: the one file that is not whole yet, or "". */
static char pending[PATH_MAX];

static void remove_and_die(int signal)
{
	unlink(pending);
	/* SA_RESETHAND: now it has its usual effect, as soon as we return. */
	raise(signal);
}

static void watch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct sigaction action = { .sa_handler = remove_and_die, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct sigaction old;

		/* Who ignores one (nohup) goes on ignoring it. */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(signals[i], &action, NULL);
	}
}

static mode_t default_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

/* A new file beside `path`; its mode is that of the file it will replace, or the usual one. */
static int open_temporary(struct output *output, const char *path, mode_t mode)
{
	if (asprintf(&output->temporary, "%s.XXXXXX", path) < 0) {
		output->temporary = NULL;
		return -ENOMEM;
	}
	if (strlen(output->temporary) >= sizeof(pending))
		return -ENAMETOOLONG;
	output->fd = mkostemp(output->temporary, O_CLOEXEC);
	if (output->fd < 0) {
		int error = -errno;

		/* There is none to remove. */
		free(output->temporary);
		output->temporary = NULL;
		return error;
	}
	strcpy(pending, output->temporary);
	watch_signals();
	return fchmod(output->fd, mode) ? -errno : 0;
}

static int open_as_it_is(struct output *output, const char *path)
{
	output->fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return output->fd < 0 ? -errno : 0;
}

static int open_file(struct output *output, const char *path)
{
	struct stat stat_old;
	bool exists = !stat(path, &stat_old);

	if (exists && !S_ISREG(stat_old.st_mode))
		return open_as_it_is(output, path);
	/* Through links, to the file itself: it is replaced, and they stay. */
	output->path = exists ? realpath(path, NULL) : strdup(path);
	if (!output->path)
		return -errno;
	return open_temporary(output, output->path,
			      exists ? stat_old.st_mode & 0777 : default_mode());
}

int output_open(struct output *ret_output, const char *path)
{
	struct output output = OUTPUT_NULL;
	int r = 0;

	if (path)
		r = open_file(&output, path);
	else
		output.fd = STDOUT_FILENO;
	if (r) {
		output_done(&output);
		return r;
	}
	*ret_output = output;
	return 0;
}

int output_write(struct output *output, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(output->fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int output_commit(struct output *output)
{
	int fd = output->fd;

	if (fd == STDOUT_FILENO)
		return 0;
	output->fd = -EBADF;
	/* Some file systems say only here that the disk was full. */
	if (close(fd))
		return -errno;
	if (!output->temporary)
		return 0;
	if (rename(output->temporary, output->path))
		return -errno;
	*pending = '\0';
	free(output->temporary);
	output->temporary = NULL;
	return 0;
}

void output_done(struct output *output)
{
	if (output->fd != STDOUT_FILENO)
		tool_fd_close(&output->fd);
	if (output->temporary)
		unlink(output->temporary);
	*pending = '\0';
	free(output->temporary);
	free(output->path);
	*output = (struct output)OUTPUT_NULL;
}
