/* SPDX-License-Identifier: MIT */

/*
 * Names to addresses, with c-ares, which speaks DNS and reads resolv.conf and the hosts file. Its
 * sockets and our timer stand in one epoll set, which is what the caller polls. The questions for
 * IPv6 and IPv4 are two of their own, so that each counts as soon as it is answered.
 */

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/secret.h"
#include "base/sigpipe.h"
#include "resolve.h"

enum {
	NAME_MAX_LEN = 253, /* RFC 1035 3.1, as text without the last dot */
	LABEL_MAX_LEN = 63,
	QUESTIONS_N = 2, /* IPv6, IPv4 */
	ANSWER_MAX = KTLS_RESOLVE_ADDRESSES_MAX / QUESTIONS_N,
	EVENTS_N = 8,	   /* of c-ares' sockets at once; the others come next time */
	TIMEOUT_MS = 2000, /* then a server is asked again, and then after twice that */
	TRIES = 3,
	TEXT_LEN = 512,
};

static const int families[QUESTIONS_N] = { AF_INET6, AF_INET };

struct question {
	struct ktls_resolve *resolve;
	int status; /* of c-ares, once answered */
	bool answered;
	size_t n;
	struct ktls_address addresses[ANSWER_MAX];
};

struct ktls_resolve {
	int epoll_fd, timer_fd;
	uint16_t port;
	int result;			  /* KTLS_WANT_READ until all is answered */
	struct ares_channeldata *channel; /* while there is somebody to ask */
	struct question questions[QUESTIONS_N];
	char host[NAME_MAX_LEN + 2]; /* with its last dot */
	char text[TEXT_LEN];
};

static struct {
	const char *servers;
	int timeout_ms;
} replaced;

void ktls_resolve_use_servers(const char *servers, int timeout_ms)
{
	replaced.servers = servers;
	replaced.timeout_ms = timeout_ms;
}

/* Hosts */

/* A dot more than DNS needs ends it, and makes it absolute. */
static bool is_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	size_t len = strlen(text), label = 0;
	bool numeric = false;

	if (len && text[len - 1] == '.')
		len--;
	if (!len || len > NAME_MAX_LEN)
		return false;
	for (size_t at = 0; at < len; at += label + 1) {
		label = strspn(text + at, letters);
		if (!label || label > LABEL_MAX_LEN)
			return false;
		if (text[at + label] && text[at + label] != '.')
			return false;
		numeric = strspn(text + at, "0123456789") == label ||
			  !strncasecmp(text + at, "0x", 2);
	}
	/* 127.1 and 0x7f000001 are addresses to some, and must not be names to us. */
	return !numeric;
}

/* An address without a port; IPv6 may have its brackets. */
static int parse_literal(const char *text, struct ktls_address *ret_address)
{
	struct ktls_address address;
	int r = ktls_address_parse(&address, text);

	if (r < 0)
		return r;
	if (address.family == AF_INET ? strchr(text, ':') != NULL
				      : *text == '[' && text[strlen(text) - 1] != ']')
		return -EINVAL;
	*ret_address = address;
	return 0;
}

static bool is_localhost(const char *name)
{
	static const char localhost[] = "localhost";
	const size_t want = sizeof(localhost) - 1;
	size_t len = strlen(name);

	len -= name[len - 1] == '.';
	return len >= want && !strncasecmp(name + len - want, localhost, want) &&
	       (len == want || name[len - want - 1] == '.');
}

/* Answers */

static void add_address(struct ktls_resolve *resolve, const struct ktls_address *address)
{
	struct question *question = &resolve->questions[address->family == AF_INET];
	struct ktls_address *added;

	if (question->n == ANSWER_MAX)
		return;
	added = &question->addresses[question->n++];
	*added = *address;
	added->port = resolve->port;
}

static void add_localhost(struct ktls_resolve *resolve)
{
	struct ktls_address ipv4 = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
	struct ktls_address ipv6 = { .family = AF_INET6, .bytes = { [15] = 1 } };

	add_address(resolve, &ipv6);
	add_address(resolve, &ipv4);
}

static void take_answer(void *arg, int status, int timeouts, struct ares_addrinfo *list)
{
	struct question *question = arg;

	(void)timeouts;
	/* The channel goes, and the question with it. */
	if (status == ARES_EDESTRUCTION)
		return;
	question->answered = true;
	question->status = status;
	if (!list)
		return;
	for (struct ares_addrinfo_node *node = list->nodes; node; node = node->ai_next) {
		struct ktls_address address;

		if (!ktls_address_from_sockaddr(&address, node->ai_addr, node->ai_addrlen))
			add_address(question->resolve, &address);
	}
	ares_freeaddrinfo(list);
}

static size_t count(const struct ktls_resolve *resolve)
{
	return resolve->questions[0].n + resolve->questions[1].n;
}

/* Asking */

/* c-ares opened, closes, or waits otherwise for a socket. */
static void watch_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct ktls_resolve *resolve = arg;
	struct epoll_event event = {
		.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
		.data.fd = fd,
	};

	if (!event.events)
		epoll_ctl(resolve->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(resolve->epoll_fd, EPOLL_CTL_MOD, fd, &event) && errno == ENOENT)
		/* One that cannot be watched is found by its time-out. */
		epoll_ctl(resolve->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* c-ares' next time-out, at which it wants to be called. */
static void arm_timer(struct ktls_resolve *resolve)
{
	struct timeval left;
	struct itimerspec timer = { .it_value = { 0, 0 } };

	if (ares_timeout(resolve->channel, NULL, &left)) {
		timer.it_value.tv_sec = left.tv_sec;
		timer.it_value.tv_nsec = left.tv_usec * 1000;
		/* Zero would be never. */
		if (!left.tv_sec && left.tv_usec < 1000)
			timer.it_value.tv_nsec = 1000000;
	}
	timerfd_settime(resolve->timer_fd, 0, &timer, NULL);
}

static int error_of(int status)
{
	return status == ARES_ENOMEM ? -ENOMEM : -KTLS_E_RESOLVER;
}

/* That looks in the hosts file ("f"), or asks name servers ("b"). */
static int open_channel(struct ktls_resolve *resolve, const char *lookups)
{
	struct ares_options options = {
		.timeout = replaced.servers ? replaced.timeout_ms : TIMEOUT_MS,
		.tries = TRIES,
		.lookups = (char *)lookups, /* copied */
		.sock_state_cb = watch_socket,
		.sock_state_cb_data = resolve,
	};
	int status = ares_init_options(&resolve->channel, &options,
				       ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
					       ARES_OPT_SOCK_STATE_CB);

	if (status != ARES_SUCCESS) {
		resolve->channel = NULL;
		return error_of(status);
	}
	if (replaced.servers)
		status = ares_set_servers_ports_csv(resolve->channel, replaced.servers);
	return status == ARES_SUCCESS ? 0 : error_of(status);
}

static void close_channel(struct ktls_resolve *resolve)
{
	if (resolve->channel)
		ares_destroy(resolve->channel);
	resolve->channel = NULL;
}

/* Sorting (RFC 6724) would open a socket for each address of an answer, however many those are; who
 * connects learns of a missing route at once. */
static void ask(struct ktls_resolve *resolve, int family, struct question *question)
{
	const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
	};

	ares_getaddrinfo(resolve->channel, resolve->host, NULL, &hints, take_answer, question);
}

/* What the hosts file says is for both families: where it has one, the other is not asked for
 * elsewhere. It is read at once. */
static int ask_hosts(struct ktls_resolve *resolve)
{
	struct question question = { .resolve = resolve };
	int r = open_channel(resolve, "f");

	if (r < 0)
		return r;
	ask(resolve, AF_UNSPEC, &question);
	close_channel(resolve);
	return question.status == ARES_ENOMEM ? -ENOMEM : 0;
}

static int ask_servers(struct ktls_resolve *resolve)
{
	int r = open_channel(resolve, "b");

	if (r < 0)
		return r;
	for (size_t i = 0; i < QUESTIONS_N; i++)
		ask(resolve, families[i], &resolve->questions[i]);
	arm_timer(resolve);
	return 0;
}

/* The end */

static int conclude_failure(struct ktls_resolve *resolve)
{
	for (size_t i = 0; i < QUESTIONS_N; i++) {
		int status = resolve->questions[i].status;

		if (status == ARES_ENOMEM)
			return -ENOMEM;
		if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
			continue;
		snprintf(resolve->text, sizeof(resolve->text),
			 "resolving %s: no name server had an answer (%s). To do: check the "
			 "network and /etc/resolv.conf",
			 resolve->host, ares_strerror(status));
		return -KTLS_E_RESOLVER;
	}
	snprintf(resolve->text, sizeof(resolve->text),
		 "resolving %s: there is no such host, or it has no address. To do: check the "
		 "name's spelling",
		 resolve->host);
	return -KTLS_E_NO_HOST;
}

/* When every question has its answer, so has the whole, and nothing stays open but what is
 * polled. */
static void conclude(struct ktls_resolve *resolve)
{
	static const struct itimerspec never = { .it_value = { 0, 0 } };

	if (!resolve->questions[0].answered || !resolve->questions[1].answered)
		return;
	resolve->result = count(resolve) ? KTLS_DONE : conclude_failure(resolve);
	timerfd_settime(resolve->timer_fd, 0, &never, NULL);
	close_channel(resolve);
}

/* Takes what has come, if anything, and what has not come in time. c-ares writes to TCP sockets, of
 * servers that may be gone, without MSG_NOSIGNAL. */
static void step(struct ktls_resolve *resolve)
{
	struct ktls_sigpipe sigpipe = { .held = false };
	struct epoll_event events[EVENTS_N];
	int n = epoll_wait(resolve->epoll_fd, events, EVENTS_N, 0);

	ktls_sigpipe_hold(&sigpipe);
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd != resolve->timer_fd)
			ares_process_fd(resolve->channel,
					events[i].events & ~EPOLLOUT ? fd : ARES_SOCKET_BAD,
					events[i].events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	}
	ares_process_fd(resolve->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	ktls_sigpipe_release(&sigpipe);
	arm_timer(resolve);
	conclude(resolve);
}

/* A life */

static int open_fds(struct ktls_resolve *resolve)
{
	struct epoll_event event = { .events = EPOLLIN };

	resolve->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (resolve->epoll_fd < 0)
		return -errno;
	resolve->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (resolve->timer_fd < 0)
		return -errno;
	event.data.fd = resolve->timer_fd;
	if (epoll_ctl(resolve->epoll_fd, EPOLL_CTL_ADD, resolve->timer_fd, &event))
		return -errno;
	return 0;
}

static int begin(struct ktls_resolve *resolve)
{
	int r = open_fds(resolve);

	if (r < 0)
		return r;
	if (!count(resolve) && is_localhost(resolve->host))
		add_localhost(resolve);
	if (!count(resolve))
		r = ask_hosts(resolve);
	for (size_t i = 0; count(resolve) && i < QUESTIONS_N; i++)
		resolve->questions[i].answered = true;
	if (!r && !count(resolve))
		r = ask_servers(resolve);
	if (r < 0)
		return r;
	conclude(resolve);
	return 0;
}

static void free_half(struct ktls_resolve **resolve)
{
	ktls_resolve_free(*resolve);
}

int ktls_resolve_new(struct ktls_resolve **ret_resolve, const char *host, uint16_t port)
{
	_cleanup_(free_half) struct ktls_resolve *resolve = NULL;
	struct ktls_address literal;
	int r;

	if (!ret_resolve || !host)
		return -EINVAL;
	r = parse_literal(host, &literal);
	if (r == -EINVAL && is_name(host))
		literal.family = 0;
	else if (r < 0)
		return r;
	resolve = calloc(1, sizeof(*resolve));
	if (!resolve)
		return -ENOMEM;
	resolve->epoll_fd = resolve->timer_fd = -EBADF;
	resolve->port = port;
	resolve->result = KTLS_WANT_READ;
	for (size_t i = 0; i < QUESTIONS_N; i++)
		resolve->questions[i].resolve = resolve;
	strcpy(resolve->host, host);
	if (literal.family)
		add_address(resolve, &literal);
	r = begin(resolve);
	if (r < 0)
		return r;
	*ret_resolve = resolve;
	resolve = NULL;
	return 0;
}

struct ktls_resolve *ktls_resolve_free(struct ktls_resolve *resolve)
{
	if (!resolve)
		return NULL;
	close_channel(resolve);
	ktls_fd_close(&resolve->timer_fd);
	ktls_fd_close(&resolve->epoll_fd);
	free(resolve);
	return NULL;
}

int ktls_resolve_run(struct ktls_resolve *resolve, uint64_t deadline_ns)
{
	if (!resolve)
		return -EINVAL;
	for (;;) {
		int r;

		if (resolve->result == KTLS_WANT_READ)
			step(resolve);
		if (resolve->result != KTLS_WANT_READ || deadline_ns == KTLS_NOW)
			return resolve->result;
		r = ktls_deadline_poll(resolve->epoll_fd, POLLIN, deadline_ns);
		if (r)
			return r;
	}
}

/* What can be seen of it */

int ktls_resolve_get_fd(const struct ktls_resolve *resolve)
{
	return resolve->epoll_fd;
}

size_t ktls_resolve_get_addresses(const struct ktls_resolve *resolve,
				  struct ktls_address *ret_addresses, size_t n)
{
	size_t copied = 0;

	for (size_t i = 0; i < ANSWER_MAX; i++) {
		for (size_t j = 0; j < QUESTIONS_N; j++) {
			if (i < resolve->questions[j].n && copied < n)
				ret_addresses[copied++] = resolve->questions[j].addresses[i];
		}
	}
	return copied;
}

const char *ktls_resolve_error(const struct ktls_resolve *resolve)
{
	return resolve->text;
}

bool ktls_resolve_answered(const struct ktls_resolve *resolve, int family)
{
	return resolve->questions[family == AF_INET].answered;
}
