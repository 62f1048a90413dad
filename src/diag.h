/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_DIAG_H
#define KTLS_SRC_DIAG_H

/*
 * Answers of sock_diag(7) as struct ktls_diag_socket. What is not in the answer is not touched:
 * so an answer may complete what is known already.
 */

#include <stdbool.h>

#include <ktls/diag.h>

#include "netlink.h"

/* What an answer shows beside the socket. */
struct ktls_diag_signs {
	bool remnant; /* TIME-WAIT, by another name: there is no socket any more, nor TLS */
	bool ulp;     /* an upper layer was told, so they are told to us */
	bool trusted; /* what only CAP_NET_ADMIN sees was told */
};

/* Of a message of type SOCK_DIAG_BY_FAMILY. -EBADMSG: *ret_socket may have changed. */
int ktls_diag_read(struct ktls_view message, struct ktls_diag_socket *ret_socket,
		   struct ktls_diag_signs *ret_signs);

/* What is in the bytes of a struct tcp_info, of any length. */
void ktls_diag_read_tcp(struct ktls_view info, struct ktls_diag_socket *ret_socket);

/* TLS is attached, or not: the facts that follow from that alone. */
void ktls_diag_set_tls(struct ktls_diag_socket *socket, bool tls);

/* ktls_diag_fd(), with what sock_diag showed beside: nothing where it could not be asked. */
int ktls_diag_look(int fd, struct ktls_diag_socket *ret_socket, struct ktls_diag_signs *ret_signs);

#endif
