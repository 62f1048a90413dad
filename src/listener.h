/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_LISTENER_H
#define KTLS_SRC_LISTENER_H

/*
 * The inside of a listener:
 *
 *   listener.c       the socket, its config, connections as they come
 *   listener_open.c  handshakes, until they are done
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <ktls/listener.h>

enum {
	KTLS_HANDSHAKES_DEFAULT = 1024,
	KTLS_HANDSHAKES_MAX = 65536,
	KTLS_HANDSHAKE_TIMEOUT_DEFAULT_MS = 10000,
};

/* A connection whose handshake goes on. */
struct ktls_greeted {
	struct ktls_conn *conn;
	struct ktls_address peer;
	uint64_t until_ns;
	short events; /* that are waited for */
	struct ktls_greeted *older, *newer;
};

struct ktls_listener {
	int fd;
	pthread_mutex_t lock; /* of config */
	struct ktls_config *config;
	atomic_uint_least64_t accepted, open, failed, timed_out, given_up, waiting;
	/* listener_open.c, by its one owner */
	int epoll_fd; /* -EBADF before the first call */
	struct ktls_greeted *oldest, *newest;
	size_t limit;
	uint32_t timeout_ms;
};

/* One connection, without waiting. 0, KTLS_WANT_READ, -errno. */
int ktls_listener_take(struct ktls_listener *listener, struct ktls_conn **ret_conn,
		       struct ktls_address *ret_peer);

/* The connection of a socket that was accepted, which is closed on failure. -errno. */
int ktls_listener_welcome(struct ktls_listener *listener, int fd, struct ktls_conn **ret_conn);

/* Whether it is what accept(2) tells of a connection that broke while it waited, and not of us. */
bool ktls_listener_is_of_the_peer(int error);

/* Ends all handshakes. */
void ktls_listener_stop(struct ktls_listener *listener);

#endif
