/* SPDX-License-Identifier: MIT */

/*
 * LISTEN_FDS descriptors, from 3 on, are ours if LISTEN_PID is, and LISTEN_FDNAMES has their names
 * with ":" between. A socket unit that says no name gives its own; that, and none at all, means
 * "https".
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "activation.h"
#include "tool.h"

enum {
	FIRST_FD = 3,
	FDS_MAX = 64,
};

static int __attribute__((format(printf, 3, 4)))
explain(int r, char error[ACTIVATION_LIMIT_ERROR], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, ACTIVATION_LIMIT_ERROR, format, args);
	va_end(args);
	return r;
}

/* A decimal number from 1 on, or -1. */
static long number_of(const char *text)
{
	char *end;
	long number = text && *text >= '1' && *text <= '9' ? strtol(text, &end, 10) : -1;

	return number > 0 && !*end ? number : -1;
}

static bool listens(int fd)
{
	struct sockaddr_storage name;
	socklen_t name_len = sizeof(name), len = sizeof(int);
	int type, accepts;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM &&
	       !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) && accepts &&
	       !getsockname(fd, (struct sockaddr *)&name, &name_len) &&
	       (name.ss_family == AF_INET || name.ss_family == AF_INET6);
}

static int make_ours(int fd, char error[ACTIVATION_LIMIT_ERROR])
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return explain(-errno, error, "descriptor %d: %s", fd, strerror(errno));
	if (!listens(fd))
		return explain(-ENOTSOCK, error, "descriptor %d is no TCP socket that listens", fd);
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

static bool is_unit(const char *name)
{
	size_t len = strlen(name);

	return len > 7 && !strcmp(name + len - 7, ".socket");
}

static int assign(struct activation *activation, int fd, const char *name,
		  char error[ACTIVATION_LIMIT_ERROR])
{
	int *place = NULL;

	if (!*name || !strcmp(name, "https") || is_unit(name))
		place = &activation->https_fd;
	else if (!strcmp(name, "metrics"))
		place = &activation->metrics_fd;
	else
		return explain(-EINVAL, error,
			       "\"%s\" is no socket's name; there are https and "
			       "metrics",
			       name);
	if (*place >= 0)
		return explain(-EEXIST, error, "there are two sockets for %s",
			       *name ? name : "https");
	*place = fd;
	return make_ours(fd, error);
}

static int take(struct activation *activation, long n, char *names,
		char error[ACTIVATION_LIMIT_ERROR])
{
	for (int i = 0; i < n; i++) {
		const char *name = strsep(&names, ":");
		int r = assign(activation, FIRST_FD + i, name ? name : "", error);

		if (r)
			return r;
	}
	return 0;
}

int activation_take(struct activation *ret_activation, char ret_error[ACTIVATION_LIMIT_ERROR])
{
	struct activation activation = { .https_fd = -1, .metrics_fd = -1 };
	const char *names = getenv("LISTEN_FDNAMES");
	long pid = number_of(getenv("LISTEN_PID")), n = number_of(getenv("LISTEN_FDS"));
	char *copy;
	int r;

	*ret_activation = activation;
	if (pid != getpid() || n < 1)
		return 0;
	if (n > FDS_MAX)
		return explain(-EINVAL, ret_error, "there are %ld sockets", n);
	copy = strdup(names ? names : "");
	if (!copy)
		return explain(-ENOMEM, ret_error, "%s", strerror(ENOMEM));
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	r = take(&activation, n, copy, ret_error);
	free(copy);
	if (!r)
		*ret_activation = activation;
	return r;
}
