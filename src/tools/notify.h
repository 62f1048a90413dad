/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_NOTIFY_H
#define KTLS_TOOL_NOTIFY_H

/* Tells whoever started us how far we are, by the protocol of sd_notify(3): a datagram of lines to
 * the socket that NOTIFY_SOCKET names. */

/* A connected socket, to be closed; -1: nobody wants to know. -errno: somebody does, and cannot be
 * told. */
int notify_open(int *ret_fd);

/* Each takes -1, and tells nobody. What does not arrive is lost, as sd_notify(3) has it. */
void notify_ready(int fd, const char *status);
void notify_reloading(int fd);
void notify_stopping(int fd);

#endif
