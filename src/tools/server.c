/* SPDX-License-Identifier: MIT */

/*
 * The loop. Sessions lie in a table; epoll(7), level-triggered, says which of them can go on, and
 * each then has one turn. Two kinds of waiting are none of epoll's: for a buffer of the library,
 * and for a socket that calls itself ready although the call cannot go on (the kernel's tls says
 * "writable" while it still holds a record). Such a session rests, and is tried again after some
 * milliseconds.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "server.h"
#include "tool.h"

struct slot {
	struct session *session;
	int fd;
	uint32_t events; /* that epoll waits for */
	bool resting;
	unsigned int fruitless;
};

struct server {
	struct session_site *site;
	int epoll_fd;
	int listen_fd;
	bool listening;	       /* epoll waits for listen_fd */
	uint64_t pause_end_ns; /* not to accept before */
	uint64_t next_tick_ns;
	bool logging; /* lines wait to be written */
	bool caching; /* files are open that nobody may ask for again */
	unsigned int n_sessions;
	unsigned int n_resting;
	struct slot slots[SERVER_LIMIT_SESSIONS];
};

/* What epoll's data says of the two descriptors that are no slot. */
enum {
	EVENT_LISTEN = SERVER_LIMIT_SESSIONS,
	EVENT_STOP,
};

static int watch(struct server *server, int operation, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data = { .u64 = data } };

	return epoll_ctl(server->epoll_fd, operation, fd, &event) ? -errno : 0;
}

/* Takes no more connections for the moment: they wait in the socket's queue. */
static int set_listening(struct server *server, bool listening)
{
	int r;

	if (server->listening == listening)
		return 0;
	r = watch(server, EPOLL_CTL_MOD, server->listen_fd, listening ? EPOLLIN : 0, EVENT_LISTEN);
	if (!r)
		server->listening = listening;
	return r;
}

static void set_resting(struct server *server, struct slot *slot, bool resting)
{
	if (slot->resting == resting)
		return;
	slot->resting = resting;
	server->n_resting += resting ? 1 : -1u;
}

static void end_session(struct server *server, struct slot *slot)
{
	set_resting(server, slot, false);
	/* Closing the descriptor takes it out of epoll. */
	*slot = (struct slot){ .session = session_free(slot->session) };
	server->n_sessions--;
}

/* A session said what it waits for. */
static void settle(struct server *server, struct slot *slot, enum session_want want)
{
	static const uint32_t events_of[] = {
		[SESSION_READ] = EPOLLIN,
		[SESSION_WRITE] = EPOLLOUT,
		[SESSION_BUFFER] = 0,
	};
	bool rest = want == SESSION_BUFFER || slot->fruitless > SERVER_LIMIT_FRUITLESS;
	uint32_t events;

	if (want == SESSION_OVER) {
		end_session(server, slot);
		return;
	}
	events = rest ? 0 : events_of[want];
	if (events != slot->events &&
	    watch(server, EPOLL_CTL_MOD, slot->fd, events, (uint64_t)(slot - server->slots))) {
		end_session(server, slot);
		return;
	}
	slot->events = events;
	set_resting(server, slot, rest);
}

static void run_turn(struct server *server, struct slot *slot)
{
	uint64_t before = session_progress(slot->session);
	enum session_want want = session_step(slot->session);

	if (session_progress(slot->session) == before)
		slot->fruitless++;
	else
		slot->fruitless = 0;
	settle(server, slot, want);
}

/* A resting session is not woken by its socket, save when that is broken: no call can go on then.
 */
static void run_event(struct server *server, struct slot *slot)
{
	if (slot->resting)
		end_session(server, slot);
	else
		run_turn(server, slot);
}

static struct slot *find_slot(struct server *server)
{
	for (size_t i = 0; i < SERVER_LIMIT_SESSIONS; i++) {
		if (!server->slots[i].session)
			return &server->slots[i];
	}
	return NULL;
}

/* Takes the descriptor in any case. */
static void begin_session(struct server *server, int fd)
{
	struct slot *slot = find_slot(server);
	int on = 1;
	int r = -EMFILE;

	/* A head and the file behind it are two writes: the second must not wait for the peer. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	metrics_count(server->site->metrics, METRICS_ACCEPTED);
	if (slot)
		r = session_new(&slot->session, server->site, fd);
	if (r) {
		if (server->site->verbose)
			tool_fail(0, "accept", "%s", ktls_strerror(r));
		metrics_count(server->site->metrics, METRICS_REFUSED);
		close(fd);
		return;
	}
	slot->fd = fd;
	slot->events = EPOLLIN;
	server->n_sessions++;
	if (watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, (uint64_t)(slot - server->slots)))
		end_session(server, slot);
}

/* What accept4(2) may answer that is no fault of the listening socket: a connection that broke
 * before it was taken, or the network's state, passed on (accept(2), NOTES). */
static bool is_passing(int error)
{
	switch (error) {
	case EBADF:
	case EFAULT:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		return false;
	}
	return true;
}

static bool is_exhausted(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static int accept_some(struct server *server)
{
	for (int i = 0; i < SERVER_LIMIT_ACCEPTS; i++) {
		int fd;

		if (server->n_sessions == SERVER_LIMIT_SESSIONS)
			return set_listening(server, false);
		fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			begin_session(server, fd);
			continue;
		}
		if (errno == EAGAIN)
			return 0;
		if (is_exhausted(errno)) {
			server->pause_end_ns = ktls_deadline_in(SERVER_LIMIT_PAUSE_MS);
			return set_listening(server, false);
		}
		if (!is_passing(errno))
			return -errno;
	}
	return 0;
}

static void run_resting(struct server *server)
{
	for (size_t i = 0; server->n_resting && i < SERVER_LIMIT_SESSIONS; i++) {
		if (server->slots[i].resting)
			run_turn(server, &server->slots[i]);
	}
}

/* Times that have run out, and listening again. */
static int tick(struct server *server)
{
	uint64_t now_ns = ktls_deadline_in(0);

	if (now_ns < server->next_tick_ns)
		return 0;
	server->next_tick_ns = ktls_deadline_in(SERVER_LIMIT_TICK_MS);
	server->caching = cache_sweep(server->site->responses.cache, now_ns);
	for (size_t i = 0; i < SERVER_LIMIT_SESSIONS; i++) {
		struct slot *slot = &server->slots[i];

		if (slot->session && session_expired(slot->session, now_ns))
			settle(server, slot, session_expire(slot->session));
	}
	if (server->n_sessions < SERVER_LIMIT_SESSIONS && now_ns >= server->pause_end_ns)
		return set_listening(server, true);
	return 0;
}

static int timeout_ms(const struct server *server)
{
	if (server->n_resting)
		return SERVER_LIMIT_REST_MS;
	return server->n_sessions || !server->listening || server->caching || server->logging
		       ? SERVER_LIMIT_TICK_MS
		       : -1;
}

/* One round. 0 to go on, 1 when asked to stop, or -errno. */
static int run_round(struct server *server)
{
	struct epoll_event events[SERVER_LIMIT_EVENTS];
	int n = epoll_wait(server->epoll_fd, events, SERVER_LIMIT_EVENTS, timeout_ms(server));
	int r = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n && !r; i++) {
		uint64_t data = events[i].data.u64;

		if (data == EVENT_STOP)
			return 1;
		if (data == EVENT_LISTEN)
			r = accept_some(server);
		else if (server->slots[data].session)
			run_event(server, &server->slots[data]);
	}
	if (r)
		return r;
	run_resting(server);
	server->logging = access_log_flush(server->site->log, ktls_deadline_in(0));
	return tick(server);
}

static int set_up(struct server *server, int stop_fd)
{
	int r = watch(server, EPOLL_CTL_ADD, server->listen_fd, EPOLLIN, EVENT_LISTEN);

	if (r)
		return r;
	server->listening = true;
	return watch(server, EPOLL_CTL_ADD, stop_fd, EPOLLIN, EVENT_STOP);
}

static void end_all(struct server *server)
{
	for (size_t i = 0; i < SERVER_LIMIT_SESSIONS; i++) {
		struct slot *slot = &server->slots[i];

		if (!slot->session)
			continue;
		session_stop(slot->session);
		end_session(server, slot);
	}
}

static void free_server(struct server **server)
{
	if (*server)
		tool_fd_close(&(*server)->epoll_fd);
	free(*server);
}

int server_run(struct session_site *site, int listen_fd, int stop_fd)
{
	_cleanup_(free_server) struct server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->site = site;
	server->listen_fd = listen_fd;
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll_fd < 0)
		return -errno;
	r = cache_new(&site->responses.cache, site->root_fd, site->mime);
	if (!r && site->access)
		r = access_log_new(&site->log, site->access, site->metrics);
	if (!r)
		r = set_up(server, stop_fd);
	while (!r)
		r = run_round(server);
	end_all(server);
	site->responses.cache = cache_free(site->responses.cache);
	site->log = access_log_free(site->log);
	return r < 0 ? r : 0;
}
