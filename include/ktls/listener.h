/* SPDX-License-Identifier: MIT */
#ifndef KTLS_LISTENER_H
#define KTLS_LISTENER_H

/*
 * A listening socket whose connections are TLS. ktls_listener_accept() hands out a connection as
 * soon as it is there, with its handshake still to be done; ktls_listener_accept_open() hands out
 * those whose handshake is done, and does it for all meanwhile. So neither waits for a client that
 * connects and says nothing.
 *
 * Thread rule: accept, set_config, get_address and get_stats by any thread, at the same time;
 * accept_open, set_handshakes and get_fd by one owner; free when nobody is in a call.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/address.h>
#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_listener;

enum ktls_listener_flag {
	KTLS_LISTENER_REUSE_PORT = 1u << 0, /* several listeners share the port, and the load */
	KTLS_LISTENER_V6_ONLY = 1u << 1,    /* an IPv6 address takes no IPv4 clients */
	KTLS_LISTENER_EXCLUSIVE = 1u << 2,  /* no SO_REUSEADDR: wait until old connections of the
					       port are forgotten */
};

/*
 * Listens on the address (port 0: a free one), IPv6's any for IPv4 too, close-on-exec. `backlog` is
 * listen(2)'s, -1 as many as the system allows; `flags` 0 or enum ktls_listener_flag. Takes a
 * reference on the config, which must be a server's, and freezes it: -KTLS_E_NO_IDENTITY if it has
 * no certificate, before anything listens. -EADDRINUSE, -EACCES, -EMFILE...; -EINVAL, -ENOMEM.
 */
int ktls_listener_new(struct ktls_listener **ret_listener, struct ktls_config *config,
		      const struct ktls_address *address, int backlog, uint32_t flags);

/* The same on a stream socket that listens already, of any family (socket activation, AF_UNIX,
 * vsock): keeps a dup(2); the caller's stays the caller's, and is non-blocking from now on. */
int ktls_listener_new_fd(struct ktls_listener **ret_listener, struct ktls_config *config, int fd);

/* Listens no more; handshakes of accept_open that are not done end. What was handed out stays.
 * Takes NULL; always returns NULL. */
struct ktls_listener *ktls_listener_free(struct ktls_listener *listener);

/* From the next connection on another config, as above: certificates are replaced while connections
 * go on with theirs. -EINVAL, -KTLS_E_NO_IDENTITY: nothing has changed. */
int ktls_listener_set_config(struct ktls_listener *listener, struct ktls_config *config);

/* Where it listens, with the real port. -EAFNOSUPPORT: neither IPv4 nor IPv6. */
int ktls_listener_get_address(const struct ktls_listener *listener,
			      struct ktls_address *ret_address);

/*
 * The next connection: in state NEW, its socket its own (see ktls_conn_adopt()), TCP_NODELAY set.
 * *ret_peer, unless NULL, is where from; family 0 if neither IPv4 nor IPv6. KTLS_WANT_READ with
 * KTLS_NOW, KTLS_TIMEDOUT: there is none. Connections that broke while they waited are skipped.
 * -EMFILE, -ENFILE, -ENOBUFS: it stays in the queue, and the socket readable; free some, or pause.
 * -ENOMEM: it may be lost. The listener goes on in any case.
 */
int ktls_listener_accept(struct ktls_listener *listener, uint64_t deadline_ns,
			 struct ktls_conn **ret_conn, struct ktls_address *ret_peer);

/*
 * The same, in state OPEN. Handshakes go on only within this call: call it again soon. Those
 * that fail or take too long are dropped; where there are too many, or descriptors run out, the
 * oldest is given up for a new one. KTLS_WANT_VERDICT: one whose verifier wants to know later, in
 * *ret_conn as well; go on with it as verify.h says.
 */
int ktls_listener_accept_open(struct ktls_listener *listener, uint64_t deadline_ns,
			      struct ktls_conn **ret_conn, struct ktls_address *ret_peer);

/* Before the first accept_open: how many handshakes at once (1 to 65536, default 1024), and how
 * long each may take from its connection on (default 10 s; not 0). -EINVAL, -EBUSY. */
int ktls_listener_set_handshakes(struct ktls_listener *listener, size_t limit, uint32_t timeout_ms);

/* The descriptor to wait for until one of the two is worth calling: readable then. It is another
 * one from the first accept_open on. */
int ktls_listener_get_fd(const struct ktls_listener *listener);

/* Counted since it was made; what follows `accepted` are accept_open's. */
struct ktls_listener_stats {
	uint64_t accepted;  /* connections taken from the queue, by either call */
	uint64_t open;	    /* handed out */
	uint64_t failed;    /* in their handshake */
	uint64_t timed_out; /* took too long */
	uint64_t given_up;  /* were the oldest */
	uint64_t waiting;   /* whose handshakes go on, now */
};

/* Fills *ret_stats, sizeof(struct ktls_listener_stats) as the caller knows it. -EINVAL. */
int ktls_listener_get_stats(const struct ktls_listener *listener,
			    struct ktls_listener_stats *ret_stats, size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
