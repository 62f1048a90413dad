/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TEST_SEEN_H
#define KTLS_TEST_SEEN_H

/* What `ktls stat` would have seen on some machine: sockets and owners that are made up. */

#include "stat_moment.h"

/* Nothing but its own namespace; to be freed with stat_moment_done(). */
struct stat_moment seen_nothing(void);

/* Adds a TLS 1.3 socket with AES-128-GCM, both directions in software, of which all is told; the
 * caller may change it, until the next is added. */
struct ktls_diag_socket *seen_add(struct stat_moment *moment, const char *local, const char *peer);

/* Adds one without TLS, and one of which it is not told. */
struct ktls_diag_socket *seen_add_plain(struct stat_moment *moment);
struct ktls_diag_socket *seen_add_untold(struct stat_moment *moment);

/* The last socket has this owner, and no other. */
void seen_own(struct stat_moment *moment, int pid, const char *name, int fd);

/* One more namespace; later sockets are there. */
struct stat_place *seen_add_place(struct stat_moment *moment, const char *name);

#endif
