/* SPDX-License-Identifier: MIT */

/*
 * Happy Eyeballs, as a machine that is stepped. Everything that can wake it (the resolver, the
 * attempts, the timer for the next one) stands in one epoll set; which of them did is looked at
 * only for attempts, for the others are cheap to ask.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/secret.h"
#include "dial.h"
#include "resolve.h"

enum {
	SOURCES_N = KTLS_DIAL_ATTEMPTS_MAX + 2, /* of events: the attempts, resolver and timer */
	NOT_AN_ATTEMPT = KTLS_DIAL_ATTEMPTS_MAX,
	HOST_LEN = 256,
	TEXT_LEN = 1536,
};

struct attempt {
	struct ktls_address address;
	int fd;
	int error; /* -errno once it failed, and the fd is closed */
};

struct ktls_dial {
	int epoll_fd, timer_fd;
	struct ktls_resolve *resolve; /* NULL: the address was given */
	int resolved;		      /* its last answer; KTLS_WANT_READ while it goes on */
	int result;		      /* KTLS_WANT_READ until the end */
	int last_error;		      /* of an attempt */
	uint64_t next_ns;	      /* no new attempt before this */
	size_t n_known, n_attempts;
	struct ktls_address known[KTLS_RESOLVE_ADDRESSES_MAX];
	struct attempt attempts[KTLS_DIAL_ATTEMPTS_MAX];
	char target[HOST_LEN + sizeof(" port 65535")];
	char text[TEXT_LEN];
};

/* The set of events */

static int watch(struct ktls_dial *dial, int fd, uint32_t events, uint32_t source)
{
	struct epoll_event event = { .events = events, .data.u32 = source };

	return epoll_ctl(dial->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* By hand, for a socket that a fork has taken along stays in the set when it is closed here. */
static void unwatch(struct ktls_dial *dial, int fd)
{
	epoll_ctl(dial->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void arm_timer(struct ktls_dial *dial, uint64_t at_ns)
{
	struct itimerspec timer = {
		.it_value.tv_sec = (time_t)(at_ns / 1000000000u),
		.it_value.tv_nsec = (long)(at_ns % 1000000000u),
	};

	timerfd_settime(dial->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

/* Attempts */

static void end_attempt(struct ktls_dial *dial, struct attempt *attempt, int error)
{
	if (attempt->fd >= 0)
		unwatch(dial, attempt->fd);
	ktls_fd_close(&attempt->fd);
	attempt->error = error;
}

static void fail_attempt(struct ktls_dial *dial, struct attempt *attempt, int error)
{
	end_attempt(dial, attempt, error);
	dial->last_error = error;
	dial->next_ns = 0;
}

/* 0: the connection is made, or under way. */
static int connect_attempt(struct ktls_dial *dial, struct attempt *attempt, uint32_t source)
{
	struct sockaddr_storage sockaddr;
	const int on = 1;
	socklen_t len;
	int r;

	r = ktls_address_to_sockaddr(&attempt->address, &sockaddr, &len);
	if (r < 0)
		return r;
	attempt->fd =
		socket(sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (attempt->fd < 0)
		return -errno;
	if (setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		return -errno;
	/* Interrupted, it goes on by itself (connect(2)); made at once, it is writable at once. */
	if (connect(attempt->fd, (struct sockaddr *)&sockaddr, len) && errno != EINPROGRESS &&
	    errno != EINTR)
		return -errno;
	return watch(dial, attempt->fd, EPOLLOUT, source);
}

static void start_attempt(struct ktls_dial *dial, const struct ktls_address *address)
{
	uint32_t source = (uint32_t)dial->n_attempts++;
	struct attempt *attempt = &dial->attempts[source];
	int r;

	*attempt = (struct attempt){ .address = *address, .fd = -EBADF };
	dial->next_ns = ktls_deadline_clock() + KTLS_DIAL_ATTEMPT_DELAY_MS * 1000000ull;
	r = connect_attempt(dial, attempt, source);
	if (r < 0)
		fail_attempt(dial, attempt, r);
}

/* What became of an attempt that woke us. 0: it is connected. */
static int outcome_of(const struct attempt *attempt)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

/* The first attempt that is connected, or NULL; those that failed are closed. */
static struct attempt *find_winner(struct ktls_dial *dial)
{
	struct epoll_event events[SOURCES_N];
	int n = epoll_wait(dial->epoll_fd, events, SOURCES_N, 0);
	struct attempt *winner = NULL;

	for (int i = 0; i < n; i++) {
		struct attempt *attempt = &dial->attempts[events[i].data.u32];
		int error;

		if (events[i].data.u32 == NOT_AN_ATTEMPT)
			continue;
		error = outcome_of(attempt);
		if (error)
			fail_attempt(dial, attempt, error);
		else if (!winner || attempt < winner)
			winner = attempt;
	}
	return winner;
}

static bool any_attempt_open(const struct ktls_dial *dial)
{
	for (size_t i = 0; i < dial->n_attempts; i++) {
		if (dial->attempts[i].fd >= 0)
			return true;
	}
	return false;
}

/* Which address next */

static bool was_tried(const struct ktls_dial *dial, const struct ktls_address *address)
{
	for (size_t i = 0; i < dial->n_attempts; i++) {
		if (!memcmp(&dial->attempts[i].address, address, sizeof(*address)))
			return true;
	}
	return false;
}

/* RFC 8305 4: of the family that was not tried last, if it has one left. NULL: none is left. */
static const struct ktls_address *next_address(const struct ktls_dial *dial)
{
	const struct ktls_address *other = NULL;
	int last = AF_INET;

	if (dial->n_attempts == KTLS_DIAL_ATTEMPTS_MAX)
		return NULL;
	if (dial->n_attempts)
		last = dial->attempts[dial->n_attempts - 1].address.family;
	for (size_t i = 0; i < dial->n_known; i++) {
		const struct ktls_address *address = &dial->known[i];

		if (was_tried(dial, address))
			continue;
		if (address->family != last)
			return address;
		if (!other)
			other = address;
	}
	return other;
}

/* RFC 8305 3: who knows IPv4 only waits a little for IPv6. */
static void prefer_ipv6(struct ktls_dial *dial)
{
	if (!dial->resolve || dial->n_attempts || !dial->n_known)
		return;
	if (ktls_resolve_answered(dial->resolve, AF_INET6))
		dial->next_ns = 0;
	else if (!dial->next_ns)
		dial->next_ns = ktls_deadline_clock() + KTLS_DIAL_RESOLUTION_DELAY_MS * 1000000ull;
}

static void resolve_on(struct ktls_dial *dial)
{
	if (dial->resolved != KTLS_WANT_READ)
		return;
	dial->resolved = ktls_resolve_run(dial->resolve, KTLS_NOW);
	dial->n_known =
		ktls_resolve_get_addresses(dial->resolve, dial->known, KTLS_RESOLVE_ADDRESSES_MAX);
	if (dial->resolved != KTLS_WANT_READ)
		unwatch(dial, ktls_resolve_get_fd(dial->resolve));
	prefer_ipv6(dial);
}

/* Steps */

static void end_all(struct ktls_dial *dial)
{
	for (size_t i = 0; i < dial->n_attempts; i++) {
		if (dial->attempts[i].fd >= 0)
			end_attempt(dial, &dial->attempts[i], -ECANCELED);
	}
	arm_timer(dial, 0);
}

static int hand_over(struct ktls_dial *dial, struct attempt *winner)
{
	int fd = ktls_fd_steal(&winner->fd);

	unwatch(dial, fd);
	end_all(dial);
	dial->result = -EISCONN;
	return fd;
}

/* Starts what is due, and sees to it that we are woken for the rest. */
static void start_due(struct ktls_dial *dial)
{
	const struct ktls_address *address = next_address(dial);

	while (address && ktls_deadline_clock() >= dial->next_ns) {
		start_attempt(dial, address);
		address = next_address(dial);
	}
	arm_timer(dial, address ? dial->next_ns : 0);
}

int ktls_dial_step(struct ktls_dial *dial, int *ret_fd)
{
	struct attempt *winner;

	if (dial->result != KTLS_WANT_READ)
		return dial->result;
	resolve_on(dial);
	winner = find_winner(dial);
	if (winner) {
		*ret_fd = hand_over(dial, winner);
		return 0;
	}
	start_due(dial);
	if (!any_attempt_open(dial) && !next_address(dial) && dial->resolved != KTLS_WANT_READ) {
		dial->result = dial->n_attempts ? dial->last_error : dial->resolved;
		end_all(dial);
	}
	return dial->result;
}

/* Words */

static const char *remedy_of(int error)
{
	static const struct {
		int error;
		const char *remedy;
	} rows[] = {
		{ -ECONNREFUSED, "check the port, and that the service runs there" },
		{ -ETIMEDOUT, "check that the host is up, and that no firewall drops packets" },
		{ -EHOSTUNREACH, "check that the host is up, and the routes to it" },
		{ -ENETUNREACH, "check this machine's network and routes" },
		{ -EACCES, "check this machine's firewall" },
		{ -EPERM, "check this machine's firewall" },
		{ -EMFILE, "close descriptors, or raise the limit (ulimit -n)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].error == error)
			return rows[i].remedy;
	}
	return NULL;
}

static void append(struct ktls_dial *dial, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void append(struct ktls_dial *dial, const char *format, ...)
{
	size_t len = strlen(dial->text);
	va_list args;

	va_start(args, format);
	vsnprintf(dial->text + len, sizeof(dial->text) - len, format, args);
	va_end(args);
}

const char *ktls_dial_error(struct ktls_dial *dial)
{
	const char *remedy;

	if (dial->resolve && !dial->n_attempts && dial->resolved < 0 &&
	    *ktls_resolve_error(dial->resolve))
		return ktls_resolve_error(dial->resolve);
	snprintf(dial->text, sizeof(dial->text), "connecting to %s:", dial->target);
	for (size_t i = 0; i < dial->n_attempts; i++) {
		const struct attempt *attempt = &dial->attempts[i];
		char address[KTLS_ADDRESS_TEXT_LEN] = "?";

		ktls_address_format(&attempt->address, address, sizeof(address));
		append(dial, "%s %s: %s", i ? ";" : "", address,
		       attempt->error ? ktls_strerror(attempt->error) : "no answer yet");
	}
	if (!dial->n_attempts)
		append(dial, " %s",
		       dial->resolved < 0 ? ktls_strerror(dial->resolved)
					  : "its addresses are not known yet");
	remedy = remedy_of(dial->last_error);
	if (remedy)
		append(dial, ". To do: %s", remedy);
	return dial->text;
}

/* A life */

static int open_fds(struct ktls_dial *dial)
{
	dial->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (dial->epoll_fd < 0)
		return -errno;
	dial->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (dial->timer_fd < 0)
		return -errno;
	return watch(dial, dial->timer_fd, EPOLLIN, NOT_AN_ATTEMPT);
}

static void free_half(struct ktls_dial **dial)
{
	ktls_dial_free(*dial);
}

static int make(struct ktls_dial **ret_dial)
{
	_cleanup_(free_half) struct ktls_dial *dial = calloc(1, sizeof(*dial));
	int r;

	if (!dial)
		return -ENOMEM;
	dial->epoll_fd = dial->timer_fd = -EBADF;
	dial->result = KTLS_WANT_READ;
	r = open_fds(dial);
	if (r < 0)
		return r;
	*ret_dial = dial;
	dial = NULL;
	return 0;
}

int ktls_dial_new(struct ktls_dial **ret_dial, const char *host, uint16_t port)
{
	_cleanup_(free_half) struct ktls_dial *dial = NULL;
	int r;

	if (!port)
		return -EINVAL;
	r = make(&dial);
	if (r < 0)
		return r;
	r = ktls_resolve_new(&dial->resolve, host, port);
	if (r < 0)
		return r;
	dial->resolved = KTLS_WANT_READ;
	snprintf(dial->target, sizeof(dial->target), "%.*s port %u", HOST_LEN, host, port);
	r = watch(dial, ktls_resolve_get_fd(dial->resolve), EPOLLIN, NOT_AN_ATTEMPT);
	if (r < 0)
		return r;
	*ret_dial = dial;
	dial = NULL;
	return 0;
}

int ktls_dial_new_address(struct ktls_dial **ret_dial, const struct ktls_address *address)
{
	char text[KTLS_ADDRESS_TEXT_LEN];
	int r = ktls_address_format(address, text, sizeof(text));

	if (r < 0 || !address->port)
		return -EINVAL;
	r = make(ret_dial);
	if (r < 0)
		return r;
	(*ret_dial)->known[0] = *address;
	(*ret_dial)->n_known = 1;
	snprintf((*ret_dial)->target, sizeof((*ret_dial)->target), "%s", text);
	return 0;
}

struct ktls_dial *ktls_dial_free(struct ktls_dial *dial)
{
	if (!dial)
		return NULL;
	for (size_t i = 0; i < dial->n_attempts; i++)
		end_attempt(dial, &dial->attempts[i], -ECANCELED);
	ktls_resolve_free(dial->resolve);
	ktls_fd_close(&dial->timer_fd);
	ktls_fd_close(&dial->epoll_fd);
	free(dial);
	return NULL;
}

int ktls_dial_fd(const struct ktls_dial *dial)
{
	return dial->epoll_fd;
}
