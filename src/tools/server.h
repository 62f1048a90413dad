/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_SERVER_H
#define KTLS_TOOL_SERVER_H

/* Many sessions in one thread, over one ring: accepts, lets each go on as its events come, and ends
 * them in order. */

#include "session.h"

enum server_limit {
	SERVER_LIMIT_BACKLOG = 4096,
	SERVER_LIMIT_HANDSHAKES = 1024, /* at once; the oldest is given up for another one */
	SERVER_LIMIT_SLACK = 1024,	/* connections that are ending already, beside the others */
	SERVER_LIMIT_EVENTS = 256,	/* at once */
	SERVER_LIMIT_CROWD = 128,	/* sessions at once, whose memory is given back when only */
	SERVER_LIMIT_CROWD_PARTS = 8,	/* such a part of them is left */
	SERVER_LIMIT_TICK_MS = 250,	/* how often we look at what nobody tells us of */
	SERVER_LIMIT_PAUSE_MS = 500,	/* without accepting, after the system had no more for us */
	SERVER_LIMIT_STOP_MS = 1000,	/* for requests that have begun, when the server ends */
};

struct server;

/* The calling thread's. The site's listener and `stop_fd` stay the caller's. 0 or -errno; *ret_why
 * is why there can be no ring, or none over io_uring where the site lets us choose, in words,
 * static or the thread's; or "". */
int server_new(struct server **ret_server, struct session_site *site, int stop_fd,
	       const char **ret_why);
struct server *server_free(struct server *server);

/* Serves until stop_fd is readable, and then until the answers that are under way are finished, or
 * the site's stop_ms have passed. 0 or -errno. */
int server_run(struct server *server);

#endif
