/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_CALLING_H
#define KTLS_TESTS_CALLING_H

/* A listener on the loopback, and clients of every kind that call it. Each asserts what it needs.
 */

#include <stddef.h>

#include <ktls/ktls.h>

enum {
	CALLING_PATIENCE_MS = 20000,
};

/* A server's config with an identity for the name; userspace only. */
struct ktls_config *calling_server(const char *name);
/* A client's that trusts it, too. */
struct ktls_config *calling_client(void);

/* On 127.0.0.1, a free port. */
struct ktls_listener *calling_listener(struct ktls_config *server);

/* A blocking socket that is connected to it, and says nothing. */
int calling_silent(const struct ktls_listener *listener);

/* A client of this library's, in state NEW, for the name. */
struct ktls_conn *calling_new(const struct ktls_listener *listener, struct ktls_config *client,
			      const char *name);

/* Raises RLIMIT_NOFILE as far as it goes; how many more descriptors there may be, at most n. */
size_t calling_room(size_t n);

/* A thread that connects, sends a word, reads it back and ends; joined, it must have. */
struct calling_echo;
struct calling_echo *calling_echo_begin(const struct ktls_listener *listener,
					struct ktls_config *client, const char *name);
void calling_echo_end(struct calling_echo *echo);

/* The server's side of one such: from the handshake to the end. */
void calling_serve(struct ktls_conn *conn);

#endif
