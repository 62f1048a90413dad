/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TRANSPORT_H
#define KTLS_TRANSPORT_H

/*
 * A transport of the caller's own: a pair of pipes, a tunnel, buffers in memory. Records stay in
 * userspace then (KTLS_REASON_NOT_TCP); everything else is as over a socket. The functions are
 * called from within the connection's own calls, by its thread, and must not call it back.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_transport {
	/* Takes some of the bytes, in order: how many (at least one), or -errno; -EAGAIN: none can
	 * be taken now. */
	ssize_t (*send)(void *context, const struct iovec *iov, int iovcnt);
	/* Gives some bytes: how many; 0: the peer has ended; -EAGAIN: there are none now. */
	ssize_t (*receive)(void *context, void *buf, size_t len);
	/* Waits for any of poll(2)'s events (POLLIN, POLLOUT) until the deadline: KTLS_DONE,
	 * KTLS_TIMEDOUT or -errno. NULL: the connection's calls never wait, and answer
	 * KTLS_WANT_... whatever their deadline. */
	int (*wait)(void *context, short events, uint64_t deadline_ns);
	/* The sending side ends: 0 or -errno. NULL: close_notify alone says so. */
	int (*shutdown)(void *context);
};

/*
 * A connection in state NEW over *transport, which is copied (`size` is sizeof(struct
 * ktls_transport) as the caller knows it: members that are newer count as NULL); the context stays
 * the caller's and must outlive the connection. Such a connection has no fd, and cannot be frozen.
 * -EINVAL, also for a config that requires the kernel; -ENOMEM; as ktls_conn_new().
 */
int ktls_conn_new_over(struct ktls_conn **ret_conn, struct ktls_config *config,
		       const struct ktls_transport *transport, size_t size, void *context);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
