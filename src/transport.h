/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_TRANSPORT_H
#define KTLS_SRC_TRANSPORT_H

/*
 * What carries a connection's bytes: its socket, or functions of the caller's. Records in userspace
 * and handshakes come and go here; the kernel's protection knows sockets only.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct ktls_conn;

/* Some of the bytes, without waiting, through signals. 0 or -errno; -EAGAIN: none now. */
int ktls_transport_send(const struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
			size_t *ret_n);

/* The same; of none: the transport has ended. */
int ktls_transport_receive(struct ktls_conn *conn, void *buf, size_t len, size_t *ret_n);

/*
 * Waits for poll(2)'s events until the deadline. 0, KTLS_TIMEDOUT, -errno; -EAGAIN: it cannot wait,
 * and what is wanted is the caller's to wait for.
 */
int ktls_transport_wait(const struct ktls_conn *conn, short events, uint64_t deadline_ns);

/* Ends the sending side. 0 or -errno. */
int ktls_transport_shutdown(const struct ktls_conn *conn);

#endif
