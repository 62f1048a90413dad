/* SPDX-License-Identifier: MIT */

/*
 * Where a connection's bytes are carried: a socket that it dials, takes over or shares, or
 * functions of the caller's. From here on all of them are one and the same.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ktls/socket.h>
#include <ktls/transport.h>

#include "base/deadline.h"
#include "config.h"
#include "conn.h"

/* The caller's transport */

static bool requires_kernel(const struct ktls_config *config)
{
	return config->offload[KTLS_TX].when == KTLS_OFFLOAD_REQUIRED ||
	       config->offload[KTLS_RX].when == KTLS_OFFLOAD_REQUIRED;
}

int ktls_conn_new_over(struct ktls_conn **ret_conn, struct ktls_config *config,
		       const struct ktls_transport *transport, size_t size, void *context)
{
	struct ktls_conn *conn;
	int r;

	if (!ret_conn || !config || !transport || size < offsetof(struct ktls_transport, wait) ||
	    !transport->send || !transport->receive || requires_kernel(config))
		return -EINVAL;
	r = ktls_conn_make(&conn, config);
	if (r < 0)
		return r;
	conn->ulp_reason = KTLS_REASON_NOT_TCP;
	conn->transport_context = context;
	conn->transport = calloc(1, sizeof(*conn->transport));
	if (!conn->transport) {
		ktls_conn_free(conn);
		return -ENOMEM;
	}
	memcpy(conn->transport, transport, size < sizeof(*transport) ? size : sizeof(*transport));
	*ret_conn = conn;
	return 0;
}

/* What can be asked of it */

int ktls_conn_get_fd(const struct ktls_conn *conn)
{
	if (!conn)
		return -EINVAL;
	return conn->fd < 0 ? -ENOTCONN : conn->fd;
}

static int get_address(const struct ktls_conn *conn,
		       int (*get_name)(int fd, struct sockaddr *address, socklen_t *len),
		       struct ktls_address *ret_address)
{
	struct sockaddr_storage storage;
	struct sockaddr *address = (struct sockaddr *)&storage;
	socklen_t len = sizeof(storage);

	if (!conn || !ret_address)
		return -EINVAL;
	if (conn->fd < 0)
		return -ENOTCONN;
	if (get_name(conn->fd, address, &len) < 0)
		return -errno;
	return ktls_address_from_sockaddr(ret_address, address, len);
}

int ktls_conn_get_local_address(const struct ktls_conn *conn, struct ktls_address *ret_address)
{
	return get_address(conn, getsockname, ret_address);
}

int ktls_conn_get_peer_address(const struct ktls_conn *conn, struct ktls_address *ret_address)
{
	return get_address(conn, getpeername, ret_address);
}
