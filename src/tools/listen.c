/* SPDX-License-Identifier: MIT */

/* Opening listening sockets; see listen.h. */

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "listen.h"
#include "tool.h"

static const char command[] = "ktls serve";

enum {
	HOST_SIZE = INET6_ADDRSTRLEN + 17, /* "%" and an interface */
	PORT_SIZE = 6,
};

/* A descriptor, or -errno. */
static int bind_first(const struct addrinfo *list, int backlog)
{
	int r = -EADDRNOTAVAIL;

	for (const struct addrinfo *at = list; at; at = at->ai_next) {
		_cleanup_(tool_fd_close) int fd = -EBADF;
		int on = 1;

		/* Plain TCP by name: multipath TCP could not carry the kernel's tls. */
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
		if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
		    !bind(fd, at->ai_addr, at->ai_addrlen) && !listen(fd, backlog))
			return tool_fd_steal(&fd);
		r = -errno;
	}
	return r;
}

int listen_open(int *ret_fd, const char *option, const char *address, int backlog)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct address parts;
	struct addrinfo *list;
	int fd, r;

	if (address_parse(&parts, address, strlen(address)) || !*parts.port) {
		tool_fail(0, command, "%s: \"%s\" is not ADDR:PORT", option, address);
		return tool_usage(command);
	}
	r = getaddrinfo(*parts.host ? parts.host : NULL, parts.port, &hints, &list);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s %s: %s", option, address,
				 gai_strerror(r));
	fd = bind_first(list, backlog);
	freeaddrinfo(list);
	if (fd < 0)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s: cannot listen on %s: %s", option,
				 address, strerror(-fd));
	*ret_fd = fd;
	return 0;
}

static int share_port(int fd)
{
	int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ? -errno : 0;
}

int listen_again(int fd)
{
	_cleanup_(tool_fd_close) int other = -EBADF;
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int on = 1, backlog = 4096, r;

	if (getsockname(fd, (struct sockaddr *)&name, &len))
		return -errno;
	/* Only from now on: whoever was bound to the address was found when the first one was. */
	r = share_port(fd);
	if (r)
		return r;
	other = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (other < 0 || setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	r = share_port(other);
	if (r)
		return r;
	if (bind(other, (struct sockaddr *)&name, len) || listen(other, backlog))
		return -errno;
	return tool_fd_steal(&other);
}

int listen_describe(int fd, const char *scheme, char ret_text[LISTEN_LIMIT_NAME])
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char host[HOST_SIZE], port[PORT_SIZE];
	bool v6;

	if (getsockname(fd, (struct sockaddr *)&name, &len))
		return -errno;
	if (getnameinfo((struct sockaddr *)&name, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return -EAFNOSUPPORT;
	v6 = strchr(host, ':');
	snprintf(ret_text, LISTEN_LIMIT_NAME, "%s://%s%s%s:%s", scheme, v6 ? "[" : "", host,
		 v6 ? "]" : "", port);
	return 0;
}
