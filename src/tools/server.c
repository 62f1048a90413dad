/* SPDX-License-Identifier: MIT */

/*
 * The loop: one wait for all that goes on, then each event to its session, then the lines of the
 * log. Where there are too many connections, or handshakes, the one that was idle for the longest
 * time, or has not said what it wants for it, is ended for another; if all take their answers,
 * newcomers wait in the socket's queue.
 */

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "server.h"
#include "tool.h"

struct server {
	struct session_shop shop;
	unsigned int max;	/* sessions */
	unsigned int most;	/* that there were, since memory was last given back */
	unsigned int most_busy; /* the same, of those that did not rest */
	struct ktls_op accept_op;
	bool accepting;
	uint64_t pause_end_ns; /* not to accept before; 0: no pause */
	struct ktls_op stop_op;
	uint64_t stop_ns; /* when the stop began; 0: it has not */
	bool caching;	  /* files are open that nobody may ask for again */
	bool logging;	  /* lines wait to be written */
	uint64_t next_tick_ns;
};

static void look_at_clock(struct server *server)
{
	server->shop.now_ns = ktls_deadline_in(0);
	server->shop.now = time(NULL);
}

/* Those that are ending have room beside the others, and what the others leave. */
static unsigned int count_others(const struct server *server)
{
	const struct session_list *sessions = server->shop.sessions;

	return server->shop.n_sessions - sessions[SESSION_CLOSE].n - sessions[SESSION_LINGER].n;
}

static bool is_full(const struct server *server)
{
	return count_others(server) > server->max ||
	       server->shop.n_sessions >= server->max + SERVER_LIMIT_SLACK;
}

static int accept_on(struct server *server)
{
	int r = 0;

	if (server->accepting || server->stop_ns || server->pause_end_ns || is_full(server))
		return 0;
	r = ktls_op_accept(&server->accept_op, server->shop.ring, server->shop.site->listener);
	server->accepting = !r;
	return r == -EAGAIN ? 0 : r;
}

/* False: there is none, or each has been told. */
static bool end_oldest(struct server *server, enum session_state state)
{
	struct session *oldest = server->shop.sessions[state].first;

	while (oldest && session_is_ending(oldest))
		oldest = session_newer(oldest);
	if (oldest)
		session_end(oldest);
	return oldest;
}

/* Who loses least goes first. An end is a while in which a peer still takes a place; where such
 * take all that is left, they have had their time. */
static void make_room(struct server *server)
{
	static const enum session_state order[] = {
		SESSION_LINGER, SESSION_CLOSE, SESSION_IDLE, SESSION_REQUEST, SESSION_HANDSHAKE,
	};
	size_t i = count_others(server) > server->max ? 2 : 0;

	while (i < sizeof(order) / sizeof(*order) && !end_oldest(server, order[i]))
		i++;
}

static void begin_session(struct server *server, struct ktls_conn *conn)
{
	session_begin(&server->shop, conn);
	if (server->shop.sessions[SESSION_HANDSHAKE].n > SERVER_LIMIT_HANDSHAKES)
		end_oldest(server, SESSION_HANDSHAKE);
	if (!is_full(server))
		return;
	make_room(server);
	if (server->accepting)
		ktls_op_cancel(&server->accept_op);
}

/* Who comes now is refused, or waits for another process that has the socket, too. */
static void stop_listening(struct server *server)
{
	struct session_site *site = server->shop.site;

	site->listener = ktls_listener_free(site->listener);
}

/* What it ended with: nothing more may be had for the moment, or the socket is of no use. */
static int accept_ended(struct server *server, int result)
{
	server->accepting = false;
	if (server->stop_ns)
		stop_listening(server);
	switch (result) {
	case -ECANCELED:
	case -ENOSPC:
		return 0;
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
		make_room(server);
		server->pause_end_ns =
			server->shop.now_ns + SERVER_LIMIT_PAUSE_MS * UINT64_C(1000000);
		return 0;
	}
	return result;
}

static void end_all(struct server *server, enum session_state state)
{
	struct session *next;

	/* None of them leaves its list at once. */
	for (struct session *at = server->shop.sessions[state].first; at; at = next) {
		next = session_newer(at);
		session_end(at);
	}
}

/* No more connections, and no more requests on those that are idle. */
static void begin_stop(struct server *server)
{
	server->stop_ns = server->shop.now_ns;
	server->shop.responses.closing = true;
	if (server->accepting)
		ktls_op_cancel(&server->accept_op);
	else
		stop_listening(server);
	end_all(server, SESSION_IDLE);
}

static int take_event(struct server *server, const struct ktls_event *event)
{
	if (event->op == &server->stop_op) {
		begin_stop(server);
		return 0;
	}
	if (event->op != &server->accept_op) {
		session_go_on(session_of(event->op), event);
		return 0;
	}
	if (!event->result && event->conn)
		begin_session(server, event->conn);
	return event->more ? 0 : accept_ended(server, event->result);
}

/* Whether all has ended, or has had its time. */
static bool is_over(struct server *server)
{
	uint64_t past_ms;

	if (!server->stop_ns)
		return false;
	past_ms = (server->shop.now_ns - server->stop_ns) / 1000000;
	return !server->shop.n_sessions || past_ms >= server->shop.site->stop_ms;
}

static unsigned int count_busy(const struct server *server)
{
	return server->shop.n_sessions - server->shop.sessions[SESSION_IDLE].n;
}

/* Since this was last so. */
static bool has_gone(unsigned int *most, unsigned int n)
{
	if (*most < SERVER_LIMIT_CROWD || n > *most / SERVER_LIMIT_CROWD_PARTS)
		return false;
	*most = n;
	return true;
}

/* A handshake needs much, and an answer some: what a crowd of them has left, or of those that only
 * rested, would stay the heap's for good. */
static void give_memory_back(struct server *server)
{
	bool all = has_gone(&server->most, server->shop.n_sessions);
	bool busy = has_gone(&server->most_busy, count_busy(server));

	if (all || busy)
		malloc_trim(0);
}

static void note_crowd(struct server *server)
{
	unsigned int n = server->shop.n_sessions, busy = count_busy(server);

	if (n > server->most)
		server->most = n;
	if (busy > server->most_busy)
		server->most_busy = busy;
}

static void tick(struct server *server)
{
	struct session_shop *shop = &server->shop;

	note_crowd(server);
	if (shop->now_ns < server->next_tick_ns)
		return;
	server->next_tick_ns = shop->now_ns + SERVER_LIMIT_TICK_MS * UINT64_C(1000000);
	server->caching = cache_sweep(shop->responses.cache, shop->now_ns);
	give_memory_back(server);
	if (shop->now_ns >= server->pause_end_ns)
		server->pause_end_ns = 0;
	if (server->stop_ns &&
	    shop->now_ns - server->stop_ns >= SERVER_LIMIT_STOP_MS * UINT64_C(1000000)) {
		end_all(server, SESSION_HANDSHAKE);
		end_all(server, SESSION_REQUEST);
		end_all(server, SESSION_LINGER);
	}
}

static uint64_t deadline_ns(const struct server *server)
{
	bool ticking =
		server->caching || server->logging || server->pause_end_ns || server->stop_ns;

	return ticking ? server->next_tick_ns : KTLS_FOREVER;
}

/* One turn. */
static int run_turn(struct server *server)
{
	struct ktls_event events[SERVER_LIMIT_EVENTS];
	size_t n = 0;
	int r = ktls_ring_wait(server->shop.ring, deadline_ns(server), events, SERVER_LIMIT_EVENTS,
			       &n);

	if (r < 0)
		return r;
	look_at_clock(server);
	r = 0;
	for (size_t i = 0; i < n && !r; i++)
		r = take_event(server, &events[i]);
	if (r)
		return r;
	/* What was asked for may have been opened just now. */
	server->caching = server->caching || n;
	server->logging = access_log_flush(server->shop.log, server->shop.now_ns);
	tick(server);
	return accept_on(server);
}

static int set_up(struct server *server, int stop_fd, const char **ret_why)
{
	struct session_site *site = server->shop.site;
	const struct ktls_ring_options options = {
		.conns = site->connections + SERVER_LIMIT_SLACK,
		.kind = site->engine,
	};
	int r = ktls_ring_new(&server->shop.ring, &options, sizeof(options));

	*ret_why = ktls_ring_error();
	if (r)
		return r;
	look_at_clock(server);
	r = session_shop_init(&server->shop);
	if (!r)
		r = ktls_op_poll(&server->stop_op, server->shop.ring, stop_fd, POLLIN,
				 KTLS_FOREVER);
	if (!r)
		r = accept_on(server);
	if (r)
		*ret_why = "";
	return r;
}

int server_new(struct server **ret_server, struct session_site *site, int stop_fd,
	       const char **ret_why)
{
	struct server *server = calloc(1, sizeof(*server));
	int r;

	*ret_why = "";
	if (!server)
		return -ENOMEM;
	server->max = site->connections;
	server->shop.site = site;
	r = set_up(server, stop_fd, ret_why);
	if (r) {
		server_free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

struct server *server_free(struct server *server)
{
	if (!server)
		return NULL;
	/* Nothing is under way after this, so that all may be freed. */
	ktls_ring_free(server->shop.ring);
	session_shop_done(&server->shop);
	free(server);
	return NULL;
}

int server_run(struct server *server)
{
	int r = 0;

	while (!r && !is_over(server))
		r = run_turn(server);
	return r;
}
