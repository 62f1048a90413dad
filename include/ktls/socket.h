/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SOCKET_H
#define KTLS_SOCKET_H

/*
 * Connections that make, or take over, their socket: by the name of a host, by an address, or from
 * a connected socket that becomes theirs. ktls_conn_free() closes it. What accepts them is a
 * listener (listener.h).
 */

#include <stdint.h>

#include <ktls/address.h>
#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * A client's connection to a port of a host, in state CONNECTING; nothing is sent yet. The host, a
 * DNS name or an IP address, is also the name to be verified, as by ktls_conn_set_server_name().
 * Go on with ktls_conn_handshake(), which connects first. -EINVAL, -ENOMEM, -EMFILE; as
 * ktls_conn_new().
 */
int ktls_conn_dial(struct ktls_conn **ret_conn, struct ktls_config *config, const char *host,
		   uint16_t port);

/* The same to an address. There is no name to verify yet: ktls_conn_set_server_name(). */
int ktls_conn_dial_address(struct ktls_conn **ret_conn, struct ktls_config *config,
			   const struct ktls_address *address);

/*
 * Connects, and no more: resolves the host (A and AAAA, by DNS and the hosts file), tries its
 * addresses as RFC 8305 says (both families, IPv6 first, 250 ms between attempts), and keeps the
 * first that answers, TCP_NODELAY set. KTLS_WANT_READ with KTLS_NOW (wait for ktls_conn_get_fd());
 * KTLS_TIMEDOUT: call again, and it goes on where it was, over the same TCP connection. KTLS_DONE,
 * also if it is connected already. -KTLS_E_NO_NAME, before anything is sent; -KTLS_E_NO_HOST,
 * -KTLS_E_RESOLVER; -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, of the last address
 * that was tried: the connection has failed.
 */
int ktls_conn_connect(struct ktls_conn *conn, uint64_t deadline_ns);

/*
 * A connection in state NEW on a connected stream socket that becomes its own, and is closed with
 * it; else as ktls_conn_new(), on whose errors the socket stays the caller's.
 */
int ktls_conn_adopt(struct ktls_conn **ret_conn, struct ktls_config *config, int fd);

/*
 * The connection's own descriptor, to be waited for with poll(2) and to be asked for facts; it must
 * not be closed, read or written. While CONNECTING it is another one than afterwards, readable when
 * ktls_conn_connect() is worth calling. -EINVAL; -ENOTCONN where there is none: after
 * ktls_conn_shutdown_and_close(), and over a transport of the caller's.
 */
int ktls_conn_get_fd(const struct ktls_conn *conn);

/* The two ends of its socket. -ENOTCONN; -EAFNOSUPPORT: neither IPv4 nor IPv6. */
int ktls_conn_get_local_address(const struct ktls_conn *conn, struct ktls_address *ret_address);
int ktls_conn_get_peer_address(const struct ktls_conn *conn, struct ktls_address *ret_address);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
