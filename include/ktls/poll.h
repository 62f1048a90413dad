/* SPDX-License-Identifier: MIT */
#ifndef KTLS_POLL_H
#define KTLS_POLL_H

/*
 * Waiting for many: connections, listeners and plain descriptors side by side. A connection
 * may hold what its socket does not show, and a socket may show what is no use yet; this knows
 * both. For loops of other kinds (epoll, io_uring, a library's) there is what a connection waits
 * for.
 *
 * Thread rule: as for the connections: each is polled by its owner. Nothing here allocates.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_listener;

enum ktls_poll_limit {
	KTLS_POLL_MAX = 1024, /* handles at once */
};

enum ktls_poll_bit {
	KTLS_POLL_READ = 1u << 0,  /* a read is worth calling: data, an end, an error */
	KTLS_POLL_WRITE = 1u << 1, /* a write is worth calling */
	/* Reported without being asked for: */
	KTLS_POLL_ERROR = 1u << 2,	  /* it has failed, or its socket has an error */
	KTLS_POLL_CLOSED = 1u << 3,	  /* both directions have ended */
	KTLS_POLL_NOT_POLLABLE = 1u << 4, /* it has no descriptor that could be waited for */
};

enum ktls_handle_kind {
	KTLS_HANDLE_NONE = 0, /* skipped */
	KTLS_HANDLE_CONN,
	KTLS_HANDLE_FD,
	KTLS_HANDLE_LISTENER, /* READ: one of its accepts is worth calling */
	_KTLS_HANDLE_N,
};

/* Something to wait for; made by the calls below. All zeros is NONE. */
struct ktls_handle {
	uint32_t kind; /* enum ktls_handle_kind */
	int32_t fd;
	void *object;
};

/* The handle of it, which it must outlive; of NULL: NONE. */
struct ktls_handle ktls_handle_of_conn(struct ktls_conn *conn);
struct ktls_handle ktls_handle_of_listener(struct ktls_listener *listener);
struct ktls_handle ktls_handle_of_fd(int fd);

/*
 * Waits until at least one of n handles has something of what query[i] asks for
 * (KTLS_POLL_READ, KTLS_POLL_WRITE), or one of the other bits. It is added to out[i], whose bits
 * are never cleared here. *ret_n is how many handles had something. A connection in its handshake
 * is waited for as the handshake needs, whichever of the two was asked for, and says so: call
 * ktls_conn_handshake() then. Before KTLS_POLL_READ is said again of a connection whose read found
 * nothing to give, more must have come.
 *
 * KTLS_DONE: something had; at once with *ret_n 0 if there is none but NONE. KTLS_TIMEDOUT, *ret_n
 * 0; KTLS_NOW looks once. -EDOM: n is above KTLS_POLL_MAX; -EINVAL; -errno of poll(2).
 */
int ktls_poll(uint32_t *out, const struct ktls_handle *handles, const uint32_t *query, size_t n,
	      uint64_t deadline_ns, size_t *ret_n);

/* For other loops: the events of poll(2) to wait for on the connection's socket, in whichever state
 * it is, before the call that `query` stands for is worth making again; 0: none. Ask after each
 * call. */
short ktls_conn_get_events(const struct ktls_conn *conn, uint32_t query);

/* Whether a read would answer at once without the socket's help: then do not wait. */
bool ktls_conn_is_ready(const struct ktls_conn *conn);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
