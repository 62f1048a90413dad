/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_SERVER_H
#define KTLS_TOOL_SERVER_H

/* Many sessions in one thread: accepts, waits for all of them at once, and lets each go on in turn.
 */

#include "session.h"

enum server_limit {
	SERVER_LIMIT_SESSIONS = 1024, /* more wait in the socket's queue */
	SERVER_LIMIT_BACKLOG = 1024,
	SERVER_LIMIT_ACCEPTS = 64,  /* in a row */
	SERVER_LIMIT_EVENTS = 256,  /* at once */
	SERVER_LIMIT_FRUITLESS = 8, /* wake-ups for nothing in a row, before a session rests */
	SERVER_LIMIT_REST_MS = 5,
	SERVER_LIMIT_TICK_MS = 500,  /* how often times are looked at */
	SERVER_LIMIT_PAUSE_MS = 500, /* without accepting, after the system had no more for us */
};

/* Serves until `stop_fd` is readable. Both descriptors stay the caller's. 0 or -errno. */
int server_run(struct session_site *site, int listen_fd, int stop_fd);

#endif
