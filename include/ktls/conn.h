/* SPDX-License-Identifier: MIT */
#ifndef KTLS_CONN_H
#define KTLS_CONN_H

/*
 * One TLS connection on a connected socket: handshake, then bytes, then an orderly end. GnuTLS does
 * the handshake; afterwards each direction is protected in the kernel or in userspace, and every
 * call here works the same over both. A connection moves NEW -> HANDSHAKE -> OPEN -> CLOSING ->
 * CLOSED, and from anywhere to FAILED.
 *
 * Waiting: each call takes a deadline, and the socket is made non-blocking. With KTLS_NOW a call
 * never waits: it does what it can, and answers KTLS_WANT_READ or KTLS_WANT_WRITE if that was
 * nothing. With KTLS_FOREVER or a time it waits itself, through signals, and answers KTLS_TIMEDOUT
 * when the time has come. Data may be waiting inside the connection while the socket is not
 * readable: read until KTLS_WANT_READ before polling.
 *
 * Thread rule: one owner at a time; nothing here may be called on one connection from two threads
 * at once.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <ktls/config.h>
#include <ktls/error.h>
#include <ktls/info.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_conn;

/* Deadlines: absolute CLOCK_MONOTONIC time in nanoseconds, or one of these. */
#define KTLS_NOW     0
#define KTLS_FOREVER UINT64_MAX

/* The deadline that lies timeout_ms milliseconds ahead. Any thread. */
uint64_t ktls_deadline_in(uint64_t timeout_ms);

/*
 * A connection in state NEW on a connected stream socket, of which it keeps a descriptor of its own
 * (dup(2)): the caller's stays the caller's, and may be closed at any time. The socket is made
 * non-blocking and, where the config may want the kernel, gets the tls ULP attached, which changes
 * nothing until keys are set. Takes a reference on the config and freezes it. -EINVAL, -ENOMEM,
 * -EMFILE, -ENOTSOCK, -KTLS_E_NO_IDENTITY (see ktls_config_error()). Connections that dial, or
 * take a socket over: socket.h; over a transport of the caller's: transport.h.
 */
int ktls_conn_new(struct ktls_conn **ret_conn, struct ktls_config *config, int fd);
/* Wipes, frees, and closes its own descriptor; sends nothing: an orderly end comes before. Takes
 * NULL; always returns NULL. */
struct ktls_conn *ktls_conn_free(struct ktls_conn *conn);

/*
 * Client, before the handshake: the DNS name or IP address the peer's certificate must list (RFC
 * 9525; its CN does not count); also sent as SNI (RFC 6066 3; not for addresses). A name may be
 * UTF-8 (RFC 5890), in any case, with a dot at its end. Copied. -EINVAL: no host has such a name;
 * -EISCONN once the handshake has begun.
 */
int ktls_conn_set_server_name(struct ktls_conn *conn, const char *name);

/*
 * The handshake (RFC 8446 4, RFC 5246 7), to be called until it answers KTLS_DONE. On failure the
 * peer gets the alert that the RFC names and the state is FAILED. KTLS_WANT_READ, KTLS_WANT_WRITE,
 * KTLS_TIMEDOUT; KTLS_WANT_VERDICT (see verify.h); KTLS_CLOSED if the peer ended the transport;
 * -KTLS_E_... says what was wrong; -ECONNRESET and the like from the socket.
 */
int ktls_conn_handshake(struct ktls_conn *conn, uint64_t deadline_ns);

/*
 * Reads application bytes: as many as are there, at least one. *ret_n is how many, also on KTLS_EOF
 * and errors (0). KTLS_WANT_READ, KTLS_WANT_BUFFER, KTLS_TIMEDOUT; KTLS_EOF after close_notify;
 * KTLS_CLOSED when the transport ended without one; -ENOTCONN before OPEN; -KTLS_E_BAD_MAC,
 * -KTLS_E_BAD_RECORD, -KTLS_E_ALERT, -KTLS_E_PROTOCOL, -errno: the connection has failed.
 */
int ktls_conn_read(struct ktls_conn *conn, void *buf, size_t len, uint64_t deadline_ns,
		   size_t *ret_n);
int ktls_conn_readv(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		    uint64_t deadline_ns, size_t *ret_n);

/*
 * Writes application bytes; many small pieces share a record. *ret_n is how many were accepted,
 * with any answer; go on behind them. KTLS_DONE: all were accepted and are with TCP or the kernel.
 * KTLS_WANT_WRITE: not all are; call again with what is left, even if that is nothing, when the
 * socket is writable (reads and ktls_conn_shutdown() carry on, too). KTLS_WANT_BUFFER,
 * KTLS_TIMEDOUT; -ENOTCONN before OPEN, -EPIPE after our own close_notify; -EPIPE, -ECONNRESET when
 * the peer is gone (no SIGPIPE).
 */
int ktls_conn_write(struct ktls_conn *conn, const void *buf, size_t len, uint64_t deadline_ns,
		    size_t *ret_n);
int ktls_conn_writev(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		     uint64_t deadline_ns, size_t *ret_n);

/*
 * Writes `len` bytes of a regular file from `offset` on, without copying them through userspace
 * when TX is in the kernel; the file's own position is neither used nor changed. Answers as
 * ktls_conn_write(). The range must lie within the file as it is at the call, else
 * -KTLS_E_FILE_SHORT with nothing sent; if the file shrinks while a range is under way, the same
 * error after an alert, and the connection has failed: a cut file never looks whole. -EINVAL: no
 * regular file. No SIGPIPE comes from here; but where a peer is gone and its tls still holds a
 * file's record, the kernel (6.12, 7.2) may raise it when the caller closes the socket: ignore it.
 */
int ktls_conn_sendfile(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		       uint64_t deadline_ns, uint64_t *ret_n);

/* Whether the peer is asked to change its key too. */
enum ktls_key_update {
	KTLS_KEY_UPDATE_OURS = 0,
	KTLS_KEY_UPDATE_BOTH,
	_KTLS_KEY_UPDATE_N,
};

/*
 * Changes our key now (KeyUpdate, RFC 8446 4.6.3); it is changed without being told when the peer
 * asks for it, and before it has protected too much (ktls_config_set_key_records()).
 * KTLS_WANT_WRITE, KTLS_WANT_BUFFER, KTLS_TIMEDOUT: call again, or write, which finishes it. With
 * nothing changed: -EOPNOTSUPP in TLS 1.2, -KTLS_E_REKEY where the kernel has the key and cannot
 * take another; -ENOTCONN before OPEN, -EPIPE after our close_notify.
 */
int ktls_conn_update_key(struct ktls_conn *conn, enum ktls_key_update update, uint64_t deadline_ns);

/*
 * Ends our side: sends what was accepted, then close_notify (RFC 8446 6.1), waits until the kernel
 * has handed all of it to TCP, then ends the transport's sending side. Reading goes on until
 * KTLS_EOF. KTLS_DONE when that is done, also if it was before; KTLS_WANT_WRITE, KTLS_WANT_BUFFER,
 * KTLS_TIMEDOUT: call again, or data may be lost. -ENOTCONN before OPEN.
 */
int ktls_conn_shutdown(struct ktls_conn *conn, uint64_t deadline_ns);

/*
 * The same, then reads and throws away what still comes until the peer's end too, and closes its
 * descriptor: over unread bytes a close alone becomes a reset that takes our last ones with it.
 * KTLS_DONE: close_notify came; KTLS_CLOSED: another end, a reset or bad records; KTLS_TIMEDOUT:
 * closed at the deadline all the same; negative: ours did not all leave (but for a close_notify
 * that found the peer gone), or how it had failed; 0 before OPEN. The socket is let go then; info,
 * error and free are left, reads answer the end, writes -EPIPE. KTLS_WANT_..., with KTLS_NOW only:
 * it is open, call again. -ENOTCONN: closed before, or frozen.
 */
int ktls_conn_shutdown_and_close(struct ktls_conn *conn, uint64_t deadline_ns);

/* Fills *ret_info, sizeof(struct ktls_info) as the caller knows it. Any state. -EINVAL. */
int ktls_conn_get_info(const struct ktls_conn *conn, struct ktls_info *ret_info, size_t size);

/* The first and most specific error of the connection, in words; "" if none. Lives as long as the
 * connection. */
const char *ktls_conn_error(const struct ktls_conn *conn);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
