/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_ROUTE_H
#define KTLS_SRC_ROUTE_H

/* The route of a connection: which device it begins with. */

#include <stdint.h>

#include "netlink.h"

/*
 * The index of the device that a connected TCP socket sends by now. The netlink is of
 * NETLINK_ROUTE. -EBADF, -ENOTSOCK, -ENOTCONN; -EOPNOTSUPP: neither IPv4 nor IPv6; what the kernel
 * says of a route that is not there (-ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL: the local
 * address has gone); -ENODEV: it has no device; and what netlink.h says.
 */
int ktls_route_of_fd(struct ktls_netlink *netlink, int fd, uint32_t *ret_index);

/* For fuzzing: what it reads in an answer; *ret_index is left as it is where there is none. */
int ktls_route_take(void *ret_index, uint16_t type, struct ktls_view message);

#endif
