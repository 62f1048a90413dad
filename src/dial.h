/* SPDX-License-Identifier: MIT */
#ifndef KTLS_DIAL_H
#define KTLS_DIAL_H

/*
 * From a name and a port to one connected TCP socket, without waiting: Happy Eyeballs (RFC 8305).
 * The families take turns, IPv6 first; an address that says nothing for a while is joined by the
 * next one, one that fails is followed at once, and the first that answers ends all others. It
 * knows no deadline: stepped again later, it goes on with what it has. One owner at a time.
 */

#include <stdint.h>

#include <ktls/address.h>

enum {
	KTLS_DIAL_ATTEMPTS_MAX = 16,	    /* addresses that are tried, and so sockets at once */
	KTLS_DIAL_ATTEMPT_DELAY_MS = 250,   /* until the next joins (RFC 8305 5) */
	KTLS_DIAL_RESOLUTION_DELAY_MS = 50, /* that IPv4 waits for IPv6's answer (RFC 8305 3) */
};

struct ktls_dial;

/* The host is a name or an address; copied. -EINVAL: it is neither, or the port is 0; -ENOMEM,
 * -EMFILE and the like. */
int ktls_dial_new(struct ktls_dial **ret_dial, const char *host, uint16_t port);
int ktls_dial_new_address(struct ktls_dial **ret_dial, const struct ktls_address *address);
/* Closes what is under way. Takes NULL; returns NULL. */
struct ktls_dial *ktls_dial_free(struct ktls_dial *dial);

/*
 * One attempt to get on; never waits. 0: *ret_fd is connected, non-blocking, close-on-exec, without
 * Nagle, and the caller's. KTLS_WANT_READ: again when ktls_dial_fd() is readable. Negative: the
 * last address's error (-ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH, ...), or the
 * resolver's if there was none (-KTLS_E_NO_HOST, -KTLS_E_RESOLVER); the same again from then on.
 */
int ktls_dial_step(struct ktls_dial *dial, int *ret_fd);

/* An epoll(7) descriptor over all that the dial waits for; the dial's. */
int ktls_dial_fd(const struct ktls_dial *dial);

/* What was tried and how each went, and what to do. Lives until the next call on the dial. */
const char *ktls_dial_error(struct ktls_dial *dial);

#endif
