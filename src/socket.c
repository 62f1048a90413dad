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
#include "base/fd.h"
#include "base/secret.h"
#include "base/sized.h"
#include "config.h"
#include "conn.h"
#include "dial.h"

/* Dialing */

static int make_dialing(struct ktls_conn **ret_conn, struct ktls_config *config)
{
	int r;

	if (config->role != KTLS_CLIENT)
		return -EINVAL;
	r = ktls_conn_make(ret_conn, config);
	if (!r)
		(*ret_conn)->state = KTLS_STATE_CONNECTING;
	return r;
}

/* The host as it is asked for: what is verified, absolute if that was said. */
static int dial_host(struct ktls_conn *conn, const char *host, uint16_t port)
{
	bool absolute = *host && host[strlen(host) - 1] == '.';
	char *name;
	int r = ktls_conn_set_server_name(conn, host);

	if (r < 0)
		return r;
	if (asprintf(&name, "%s%s", conn->server_name, absolute ? "." : "") < 0)
		return -ENOMEM;
	r = ktls_dial_new(&conn->dial, name, port);
	free(name);
	return r;
}

int ktls_conn_dial(struct ktls_conn **ret_conn, struct ktls_config *config, const char *host,
		   uint16_t port)
{
	struct ktls_conn *conn = NULL;
	int r;

	if (!ret_conn || !config || !host || !port)
		return -EINVAL;
	r = make_dialing(&conn, config);
	if (r < 0)
		return r;
	r = dial_host(conn, host, port);
	if (r < 0) {
		ktls_conn_free(conn);
		return r;
	}
	*ret_conn = conn;
	return 0;
}

int ktls_conn_dial_address(struct ktls_conn **ret_conn, struct ktls_config *config,
			   const struct ktls_address *address)
{
	struct ktls_conn *conn;
	int r;

	if (!ret_conn || !config || !address)
		return -EINVAL;
	r = make_dialing(&conn, config);
	if (r < 0)
		return r;
	r = ktls_dial_new_address(&conn->dial, address);
	if (r < 0) {
		ktls_conn_free(conn);
		return r;
	}
	*ret_conn = conn;
	return 0;
}

static int dial_step(struct ktls_conn *conn)
{
	_cleanup_(ktls_fd_close) int fd = -EBADF;
	int r = ktls_dial_step(conn->dial, &fd);

	if (r > 0)
		return r;
	if (r < 0)
		return ktls_conn_fail(conn, r, "%s", ktls_dial_error(conn->dial));
	r = ktls_conn_set_fd(conn, fd);
	if (r < 0)
		return ktls_conn_fail_io(conn, r, "connecting");
	ktls_fd_steal(&fd);
	conn->dial = ktls_dial_free(conn->dial);
	ktls_conn_set_state(conn, KTLS_STATE_NEW);
	return 0;
}

int ktls_conn_connect(struct ktls_conn *conn, uint64_t deadline_ns)
{
	int r;

	if (!conn)
		return -EINVAL;
	if (conn->state != KTLS_STATE_CONNECTING)
		return conn->state == KTLS_STATE_FAILED ? conn->error : 0;
	/* Nobody hears of us before there is a name to verify. */
	r = ktls_conn_check_name(conn);
	if (r < 0)
		return r;
	for (;;) {
		r = dial_step(conn);
		if (r <= 0 || deadline_ns == KTLS_NOW)
			return r;
		r = ktls_deadline_poll(ktls_dial_fd(conn->dial), POLLIN, deadline_ns);
		if (r)
			return r < 0 ? ktls_conn_fail_io(conn, r, "waiting to connect") : r;
	}
}

/* The caller's transport */

static bool requires_kernel(const struct ktls_config *config)
{
	return ktls_offload_is_required(config->offload[KTLS_TX].when) ||
	       ktls_offload_is_required(config->offload[KTLS_RX].when);
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
	ktls_sized_copy(conn->transport, sizeof(*conn->transport), transport, size);
	*ret_conn = conn;
	return 0;
}

/* What can be asked of it */

int ktls_conn_get_fd(const struct ktls_conn *conn)
{
	int fd;

	if (!conn)
		return -EINVAL;
	fd = conn->dial ? ktls_dial_fd(conn->dial) : conn->fd;
	return fd < 0 ? -ENOTCONN : fd;
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
