/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_SESSION_H
#define KTLS_TOOL_SESSION_H

/*
 * One HTTP connection of the server, from its handshake to its end: a machine that starts one
 * operation of the ring at a time, and is driven by its events. At rest it holds nothing but
 * itself; what a request or an answer needs is borrowed from its thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "access.h"
#include "answer.h"
#include "metrics.h"
#include "peers.h"
#include "response.h"

enum session_limit {
	SESSION_LIMIT_CLOSE_MS = 15000, /* to get the last bytes out, and the peer's end */
	SESSION_LIMIT_LINGER_MS = 2000, /* for the peer to have read an alert */
};

/* What a server's threads have in common. Each thread has a copy. */
struct session_site {
	struct ktls_listener *listener; /* the thread's own */
	struct metrics *metrics;	/* the thread's own, or NULL */
	struct access_file *access;	/* or NULL */
	const struct mime *mime;
	int root_fd;
	enum ktls_ring_kind engine;
	unsigned int connections; /* at once, of each thread */
	struct peers *peers;	  /* of all threads, or NULL */
	uint64_t handshake_ms;
	uint64_t idle_ms;    /* between two requests */
	uint64_t request_ms; /* from the first byte of a head to its last */
	uint64_t send_ms;    /* in each such time a client takes so much of an answer, */
	uint64_t send_bytes; /* or all that is left */
	uint64_t stop_ms;    /* that answers under way have when the server ends */
	bool verbose;
	uint64_t requests;
	uint64_t bytes; /* of bodies */
};

enum session_state {
	SESSION_HANDSHAKE = 0,
	SESSION_IDLE,	  /* between two requests */
	SESSION_REQUEST,  /* half a head has come */
	SESSION_RESPONSE, /* one is being sent */
	SESSION_CLOSE,	  /* our close_notify, and everything before it; until the peer ends, too */
	SESSION_LINGER,	  /* after a failure, below TLS, until the peer has seen the alert */
	_SESSION_STATE_N,
};

/* In the order in which they came to their state. */
struct session_list {
	struct session *first, *last;
	unsigned int n;
};

/* What the sessions of a thread share; zeroed but for site and ring, then session_shop_init(). */
struct session_shop {
	struct session_site *site;
	struct ktls_ring *ring;
	struct access_log *log; /* or NULL */
	struct response_site responses;
	struct http_reader *reader; /* for heads that come whole; NULL: lent to one that did not */
	struct answer_pool answers;
	int64_t now; /* seconds since 1970; of this turn, as the next */
	uint64_t now_ns;
	struct session_list sessions[_SESSION_STATE_N];
	unsigned int n_sessions;
};

/* -ENOMEM; session_shop_done() in any case, when no ring has any of its sessions. */
int session_shop_init(struct session_shop *shop);
void session_shop_done(struct session_shop *shop);

/* A session on a connection that was just accepted, in the shop's ring; takes it in any case. */
void session_begin(struct session_shop *shop, struct ktls_conn *conn);

/* The session whose op this is has come to the end of it. */
void session_go_on(struct session *session, const struct ktls_event *event);

/* Whose op it is. */
struct session *session_of(const struct ktls_op *op);

/* The next of its list; NULL: it is the last. */
struct session *session_newer(const struct session *session);

bool session_is_ending(const struct session *session);

/* Ends it: with close_notify if it is between two requests; cuts it otherwise. Soon. */
void session_end(struct session *session);

#endif
