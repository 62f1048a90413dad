/* SPDX-License-Identifier: MIT */
#ifndef KTLS_ADDRESS_H
#define KTLS_ADDRESS_H

/*
 * An IP address and a port, as a value: made from text or a socket's address, copied freely, two of
 * them equal when memcmp() says so. Nothing here waits or asks anybody, but for the index of an
 * interface that is named; names of hosts are resolve.h's. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_address {
	uint16_t family;   /* AF_INET or AF_INET6; 0: none */
	uint16_t port;	   /* host byte order; 0: none was said */
	uint32_t scope_id; /* AF_INET6: the interface's index (RFC 4007); 0: none */
	uint8_t bytes[16]; /* network byte order; AF_INET has four, then zeros */
};

/* Room for any address as text, its end included. */
#define KTLS_ADDRESS_TEXT_LEN 64

/*
 * Reads "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"; a zone
 * follows the address, as an interface's name or index: "fe80::1%eth0". Strictly: IPv4 has four
 * decimal numbers, no number begins with a needless 0, nothing stands before or behind. -EINVAL: no
 * such text; -ENODEV: this machine has no interface of that name.
 */
int ktls_address_parse(struct ktls_address *ret_address, const char *text);

/*
 * Writes the address as RFC 5952 wants it, with the port unless that is 0, and the zone as a
 * number; ktls_address_parse() reads it back. -EINVAL: family is neither; -ENOSPC: `size` is too
 * small, which KTLS_ADDRESS_TEXT_LEN never is.
 */
int ktls_address_format(const struct ktls_address *address, char *ret_text, size_t size);

/* From and to what bind(2), connect(2), getpeername(2) use. -EINVAL: too short, or family is
 * neither; -EAFNOSUPPORT: a socket of another family. */
int ktls_address_from_sockaddr(struct ktls_address *ret_address, const struct sockaddr *sockaddr,
			       socklen_t len);
int ktls_address_to_sockaddr(const struct ktls_address *address,
			     struct sockaddr_storage *ret_sockaddr, socklen_t *ret_len);

/*
 * Whether it is this machine (127.0.0.0/8, ::1), no address in particular (0.0.0.0, ::), or a group
 * (224.0.0.0/4, ff00::/8). IPv4 within IPv6 (::ffff:127.0.0.1) counts as what it maps: this is how
 * a socket for both families names its IPv4 peers.
 */
bool ktls_address_is_loopback(const struct ktls_address *address);
bool ktls_address_is_any(const struct ktls_address *address);
bool ktls_address_is_multicast(const struct ktls_address *address);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
