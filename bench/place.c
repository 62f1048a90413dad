/* SPDX-License-Identifier: MIT */

/* See place.h. */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "place.h"

enum {
	BACKLOG = 4096,
	SILENT_S = 10, /* then the peer is asked, */
	ASK_S = 5,     /* again and again, */
	ASK_N = 3,     /* and so often in vain before it is gone */
};

int place_parse(const char *text, struct place *ret_place)
{
	const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
	size_t n = colon ? (size_t)(colon - text) : 0;
	struct place place = { 0 };
	bool bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
	char *end;
	unsigned long number = strtoul(port, &end, 10);

	if (*port < '0' || *port > '9' || *end || number > UINT16_MAX || (colon && !n))
		return -EINVAL;
	if (bracketed) {
		text++;
		n -= 2;
	}
	/* A colon without brackets would be any part of an IPv6 address. */
	if (n >= sizeof(place.host) || (!bracketed && strcspn(text, "[]:") < n))
		return -EINVAL;
	memcpy(place.host, text, n);
	place.port = (uint16_t)number;
	*ret_place = place;
	return 0;
}

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

void place_watch_peer(int fd)
{
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, SILENT_S);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, ASK_S);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, ASK_N);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (SILENT_S + ASK_N * ASK_S) * 1000);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static int find(const struct place *place, int flags, struct addrinfo **ret_list,
		char why[PLACE_WHY_MAX])
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = flags };
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", place->port);
	r = getaddrinfo(*place->host ? place->host : NULL, port, &hints, ret_list);
	if (r)
		snprintf(why, PLACE_WHY_MAX, "%s", gai_strerror(r));
	return r ? -EADDRNOTAVAIL : 0;
}

/* -errno, or 0 once it is connected. */
static int connect_within(int fd, const struct addrinfo *to, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int r, error = 0;

	if (!connect(fd, to->ai_addr, to->ai_addrlen))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	do {
		r = poll(&pollfd, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (!r)
		return -ETIMEDOUT;
	if (r < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

static int open_socket(const struct addrinfo *at)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int place_dial(const struct place *place, int timeout_ms, char why[PLACE_WHY_MAX])
{
	struct addrinfo *list, *at;
	int r = find(place, 0, &list, why), fd = -1;

	if (r)
		return r;
	for (at = list; at && fd < 0; at = at->ai_next) {
		r = open_socket(at);
		if (r < 0)
			continue;
		fd = r;
		r = connect_within(fd, at, timeout_ms);
		if (r) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0) {
		snprintf(why, PLACE_WHY_MAX, "%s", strerror(-r));
		return r;
	}
	place_watch_peer(fd);
	return fd;
}

static int listen_at(const struct addrinfo *at)
{
	int fd = open_socket(at), r;

	if (fd < 0)
		return fd;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (at->ai_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (!bind(fd, at->ai_addr, at->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* IPv6's any address, which takes IPv4, too, before IPv4's alone. */
static int listen_on(const struct addrinfo *list, bool any)
{
	int r = -EADDRNOTAVAIL;

	for (const struct addrinfo *at = list; at; at = at->ai_next) {
		if (any && at->ai_family != AF_INET6)
			continue;
		r = listen_at(at);
		if (r >= 0)
			return r;
	}
	for (const struct addrinfo *at = list; at && any && r != -EADDRINUSE; at = at->ai_next) {
		r = listen_at(at);
		if (r >= 0)
			return r;
	}
	return r;
}

int place_listen(const struct place *place, uint16_t *ret_port, char why[PLACE_WHY_MAX])
{
	struct sockaddr_in6 taken;
	socklen_t len = sizeof(taken);
	struct addrinfo *list;
	int r = find(place, AI_PASSIVE, &list, why);

	if (r)
		return r;
	r = listen_on(list, !*place->host);
	freeaddrinfo(list);
	if (r < 0) {
		snprintf(why, PLACE_WHY_MAX, "%s", strerror(-r));
		return r;
	}
	getsockname(r, (struct sockaddr *)&taken, &len);
	*ret_port = ntohs(taken.sin6_port); /* at the same place in both */
	return r;
}

int place_of(int fd, struct place *ret_place)
{
	static const char mapped[] = "::ffff:";
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	struct place place = { 0 };

	if (getsockname(fd, (struct sockaddr *)&local, &len) ||
	    getnameinfo((struct sockaddr *)&local, len, place.host, sizeof(place.host), NULL, 0,
			NI_NUMERICHOST))
		return -EINVAL;
	if (strchr(place.host, '.') && !strncmp(place.host, mapped, strlen(mapped)))
		memmove(place.host, place.host + strlen(mapped),
			strlen(place.host + strlen(mapped)) + 1);
	*ret_place = place;
	return 0;
}
