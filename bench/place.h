/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H

/* Where a server is, and sockets to it and of it: on loopback, in a namespace, on another machine.
 */

#include <stdint.h>

enum place_limit {
	PLACE_HOST_LEN = 256, /* with its end */
	PLACE_WHY_MAX = 256,
};

struct place {
	char host[PLACE_HOST_LEN]; /* a name, or an address without brackets */
	uint16_t port;
};

/* HOST:PORT, [HOST]:PORT, or PORT alone, of which the host is "". -EINVAL: it is neither. */
int place_parse(const char *text, struct place *ret_place);

/* A descriptor that does not block, of a connection whose other end is noticed to be gone within
 * half a minute; -ETIMEDOUT, -errno, with the end of a sentence in `why`. */
int place_dial(const struct place *place, int timeout_ms, char why[PLACE_WHY_MAX]);

/* The same that listens; host "": on all addresses of both families; port 0: any. */
int place_listen(const struct place *place, uint16_t *ret_port, char why[PLACE_WHY_MAX]);

/* The same of a connection that was accepted. */
void place_watch_peer(int fd);

/* This end of a connection, as numbers. -EINVAL: it is none. */
int place_of(int fd, struct place *ret_place);

#endif
