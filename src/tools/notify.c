/* SPDX-License-Identifier: MIT */

/* Five kinds of lines; see notify.h. That is too little to load a library for. */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "notify.h"
#include "tool.h"

int notify_open(int *ret_fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(tool_fd_close) int fd = -EBADF;

	if (!len) {
		*ret_fd = -1;
		return 0;
	}
	if (*path != '/' && *path != '@')
		return -EAFNOSUPPORT;
	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	/* An abstract name, which has no end but its length (unix(7)). */
	if (*path == '@')
		*address.sun_path = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
		return -errno;
	*ret_fd = tool_fd_steal(&fd);
	return 0;
}

static void tell(int fd, const char *text)
{
	if (fd >= 0)
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

void notify_ready(int fd, const char *status)
{
	char text[256];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s\n", status);
	tell(fd, text);
}

void notify_reloading(int fd)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
		 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	tell(fd, text);
}

void notify_stopping(int fd)
{
	tell(fd, "STOPPING=1\n");
}
