/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_SESSION_H
#define KTLS_TOOL_SESSION_H

/*
 * One HTTP connection of the server, from its handshake to its end, as a machine that never waits:
 * each step does what can be done now and says what to wait for.
 */

#include <stdbool.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "access.h"
#include "live.h"
#include "metrics.h"
#include "response.h"

enum session_limit {
	SESSION_LIMIT_INPUT = 4096,	    /* read at once; the rest stays in the socket */
	SESSION_LIMIT_TURN_BYTES = 1 << 20, /* then it is another session's turn */
	SESSION_LIMIT_TURN_REQUESTS = 16,   /* the same, for many small ones */
	SESSION_LIMIT_HANDSHAKE_MS = 60000, /* a crowd on a slow machine takes its time */
	SESSION_LIMIT_IDLE_MS = 60000,	    /* between two requests */
	SESSION_LIMIT_HEAD_MS = 30000,	    /* from the first byte of a request to its last */
	SESSION_LIMIT_STALL_MS = 60000,	    /* while the peer takes nothing of a response */
	SESSION_LIMIT_CLOSE_MS = 10000,	    /* to get the last bytes and the close_notify out */
	SESSION_LIMIT_LINGER_MS = 2000,	    /* for the peer to have read them */
};

/* What all sessions of a server share. */
struct session_site {
	struct live *live;	    /* the config of new ones */
	struct metrics *metrics;    /* or NULL */
	struct access_file *access; /* or NULL */
	struct access_log *log;	    /* the thread's own, or NULL */
	int root_fd;
	const struct mime *mime;
	struct response_site responses; /* the thread's own */
	bool verbose;
	uint64_t requests;
	uint64_t bytes; /* of files */
};

enum session_want {
	SESSION_READ = 0,
	SESSION_WRITE,
	SESSION_BUFFER, /* until another session went on */
	SESSION_OVER,	/* free it */
};

struct session;

/* Takes the socket, which is closed with the session; on failure it stays the caller's. -errno. */
int session_new(struct session **ret_session, struct session_site *site, int fd);
struct session *session_free(struct session *session);

/* Does what can be done now. */
enum session_want session_step(struct session *session);

/* Whether its time has run out; session_expire() then does what that means, and answers as a step
 * does. */
bool session_expired(const struct session *session, uint64_t now_ns);
enum session_want session_expire(struct session *session);

/* Counts what has moved in this session: unchanged by a step, that step was for nothing. */
uint64_t session_progress(const struct session *session);

/* The server ends: says goodbye where that cuts nothing off. */
void session_stop(struct session *session);

#endif
