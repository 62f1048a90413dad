/* SPDX-License-Identifier: MIT */
#ifndef KTLS_RESOLVE_H
#define KTLS_RESOLVE_H

/*
 * Names to addresses, without blocking and without a thread: addresses as text are taken as they
 * are, "localhost" is this machine (RFC 6761 6.3), then /etc/hosts is read, then the name servers
 * of /etc/resolv.conf are asked for IPv6 and IPv4 side by side, with its search list unless the
 * name ends with a dot. Nothing is cached; other services of nsswitch.conf are not asked. One owner
 * at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/address.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* No resolution finds more. */
#define KTLS_RESOLVE_ADDRESSES_MAX 32

struct ktls_resolve;

/*
 * Begins to resolve `host`, which is copied; the addresses will have `port`. A name consists of
 * letters, digits, "-", "_" and dots, and does not end in a number; one in other letters is given
 * as A-labels (RFC 5890: "xn--..."). -EINVAL: neither name nor address; -ENODEV: an address with an
 * unknown interface; -KTLS_E_RESOLVER: the system's settings cannot be read; -ENOMEM, -EMFILE.
 */
int ktls_resolve_new(struct ktls_resolve **ret_resolve, const char *host, uint16_t port);
/* Ends the questions that are open, and frees. Takes NULL; always returns NULL. */
struct ktls_resolve *ktls_resolve_free(struct ktls_resolve *resolve);

/*
 * Goes on until every question has its answer: KTLS_DONE, and there is an address.
 * KTLS_WANT_READ, with KTLS_NOW only: call again when ktls_resolve_get_fd() is readable.
 * KTLS_TIMEDOUT: call again, or make do with what ktls_resolve_get_addresses() has.
 * -KTLS_E_NO_HOST: there is no such name, or it has no address; -KTLS_E_RESOLVER: no name server
 * answered, or none with an answer; -ENOMEM, -errno. What was once the answer stays it.
 */
int ktls_resolve_run(struct ktls_resolve *resolve, uint64_t deadline_ns);

/* A descriptor for poll(2) or epoll(7), the same for the resolution's whole life; not the caller's
 * to read or close. */
int ktls_resolve_get_fd(const struct ktls_resolve *resolve);

/*
 * Copies the first n addresses that have come so far, at any time, and returns how many it copied.
 * IPv6 and IPv4 take turns, IPv6 first; those of one family are in the order they came in.
 */
size_t ktls_resolve_get_addresses(const struct ktls_resolve *resolve,
				  struct ktls_address *ret_addresses, size_t n);

/* What went wrong and what to do, in words; "" if nothing did. Lives as long as the resolution. */
const char *ktls_resolve_error(const struct ktls_resolve *resolve);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
