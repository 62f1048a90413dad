/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_LISTEN_H
#define KTLS_TOOL_LISTEN_H

/* Listening sockets, and the words for where they are. */

#include <stddef.h>

enum listen_limit {
	LISTEN_LIMIT_NAME = 128, /* "https://[...]:65535" and its end */
};

/* Listens on "ADDR:PORT", non-blocking: the first address of a name's that lets itself be bound.
 * 0, or an enum tool_exit: it has been said why, with `option` as what it came from. */
int listen_open(int *ret_fd, const char *option, const char *address, int backlog);

/* Another socket that listens at the address of this one, for another thread: the kernel deals
 * connections out among them. Only this process may, as nobody but its own user could; and who
 * comes later and does not mean to share finds the address in use. -errno: there can be none. */
int listen_again(int fd);

/* "SCHEME://HOST:PORT" of a socket's own name. -errno. */
int listen_describe(int fd, const char *scheme, char ret_text[LISTEN_LIMIT_NAME]);

#endif
