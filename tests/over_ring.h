/* SPDX-License-Identifier: MIT */
#ifndef TESTS_OVER_RING_H
#define TESTS_OVER_RING_H

/*
 * The suites of connections once more, over a ring: a test that is compiled with this in front of
 * it (meson.build) makes its calls as ops, each waited for. What the contracts say of a call must
 * hold of the op of its name.
 */

#include <ktls/ktls.h>

int over_ring_handshake(struct ktls_conn *conn, uint64_t deadline_ns);
int over_ring_read(struct ktls_conn *conn, void *buf, size_t len, uint64_t deadline_ns,
		   size_t *ret_n);
int over_ring_readv(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		    uint64_t deadline_ns, size_t *ret_n);
int over_ring_write(struct ktls_conn *conn, const void *buf, size_t len, uint64_t deadline_ns,
		    size_t *ret_n);
int over_ring_writev(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		     uint64_t deadline_ns, size_t *ret_n);
int over_ring_sendfile(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		       uint64_t deadline_ns, uint64_t *ret_n);
int over_ring_update_key(struct ktls_conn *conn, enum ktls_key_update update, uint64_t deadline_ns);
int over_ring_shutdown(struct ktls_conn *conn, uint64_t deadline_ns);
int over_ring_shutdown_and_close(struct ktls_conn *conn, uint64_t deadline_ns);

/* Takes it out of the ring first. */
int over_ring_freeze(struct ktls_conn *conn, void *buf, size_t size, size_t *ret_len);

#define ktls_conn_freeze	     over_ring_freeze
#define ktls_conn_handshake	     over_ring_handshake
#define ktls_conn_read		     over_ring_read
#define ktls_conn_readv		     over_ring_readv
#define ktls_conn_write		     over_ring_write
#define ktls_conn_writev	     over_ring_writev
#define ktls_conn_sendfile	     over_ring_sendfile
#define ktls_conn_update_key	     over_ring_update_key
#define ktls_conn_shutdown	     over_ring_shutdown
#define ktls_conn_shutdown_and_close over_ring_shutdown_and_close

#endif
