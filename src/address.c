/* SPDX-License-Identifier: MIT */

/*
 * Addresses as values: text (RFC 4291 2.2, RFC 5952, RFC 4007 11) and sockaddr, both ways. libc's
 * inet_pton() is strict enough to read with; its inet_ntop() writes ::0.1.0.2 for ::1:2, so
 * writing is done here.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/address.h>

enum {
	GROUPS_N = 8, /* of an IPv6 address, 16 bits each */
	IPV4_AT = 12, /* where a mapped address has its IPv4 */
};

static const char digits[] = "0123456789";
static const uint8_t mapped_prefix[IPV4_AT] = { [10] = 0xff, [11] = 0xff };

/* Reading */

/* A decimal number without a needless 0, up to the text's end. */
static int parse_number(const char *text, uint32_t max, uint32_t *ret_number)
{
	size_t len = strspn(text, digits);
	unsigned long long number;

	if (!len || text[len] || len > 10 || (*text == '0' && len > 1))
		return -EINVAL;
	number = strtoull(text, NULL, 10);
	if (number > max)
		return -EINVAL;
	*ret_number = (uint32_t)number;
	return 0;
}

static int parse_zone(const char *text, uint32_t *ret_scope_id)
{
	if (!text[strspn(text, digits)]) {
		uint32_t number;

		if (parse_number(text, UINT32_MAX, &number) || !number)
			return -EINVAL;
		*ret_scope_id = number;
		return 0;
	}
	if (strlen(text) >= IF_NAMESIZE)
		return -EINVAL;
	*ret_scope_id = if_nametoindex(text);
	return *ret_scope_id ? 0 : -ENODEV;
}

/* Cuts at the first `mark`: what is behind it, or NULL. */
static char *cut(char *text, char mark)
{
	char *at = strchr(text, mark);

	if (at)
		*at++ = '\0';
	return at;
}

/* Takes the parts of `text`, which is changed: ADDRESS, ADDRESS:PORT, [ADDRESS], [ADDRESS]:PORT.
 * *ret_port is NULL if there is none. */
static int split(char *text, int family, char **ret_host, char **ret_port)
{
	char *port = NULL;

	if (family == AF_INET) {
		port = cut(text, ':');
	} else if (*text == '[') {
		port = cut(++text, ']');
		if (!port || (*port && *port != ':'))
			return -EINVAL;
		port = *port ? port + 1 : NULL;
	}
	*ret_host = text;
	*ret_port = port;
	return 0;
}

int ktls_address_parse(struct ktls_address *ret_address, const char *text)
{
	struct ktls_address address = { .family = AF_INET };
	char copy[sizeof("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%]:65535") + IF_NAMESIZE];
	char *host, *port, *zone = NULL;
	uint32_t number;
	int r;

	if (!ret_address || !text || strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	/* Where IPv6 has one more colon, or a bracket, IPv4 has a dot. */
	if (*text == '[' || strchr(text, ':') != strrchr(text, ':'))
		address.family = AF_INET6;
	r = split(copy, address.family, &host, &port);
	if (r < 0)
		return r;
	if (address.family == AF_INET6)
		zone = cut(host, '%');
	if (inet_pton(address.family, host, address.bytes) != 1)
		return -EINVAL;
	if (port) {
		r = parse_number(port, UINT16_MAX, &number);
		if (r < 0)
			return r;
		address.port = (uint16_t)number;
	}
	r = zone ? parse_zone(zone, &address.scope_id) : 0;
	if (r < 0)
		return r;
	*ret_address = address;
	return 0;
}

/* Writing */

static bool is_mapped(const struct ktls_address *address)
{
	return address->family == AF_INET6 &&
	       !memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix));
}

static unsigned int group(const uint8_t *bytes, unsigned int i)
{
	return (unsigned int)bytes[2 * i] << 8 | bytes[2 * i + 1];
}

/* RFC 5952 4.2: "::" stands for the longest run of zeros, the first of them, and never for a single
 * one. *ret_len 0: there is none. */
static unsigned int longest_zeros(const uint8_t *bytes, unsigned int *ret_len)
{
	unsigned int best = 0, best_len = 0;

	for (unsigned int i = 0; i < GROUPS_N; i++) {
		unsigned int len = 0;

		while (i + len < GROUPS_N && !group(bytes, i + len))
			len++;
		if (len > 1 && len > best_len) {
			best = i;
			best_len = len;
		}
		i += len;
	}
	*ret_len = best_len;
	return best;
}

static void write_ipv4(const uint8_t *bytes, char *ret_text)
{
	sprintf(ret_text, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

static void write_ipv6(const uint8_t *bytes, char *ret_text)
{
	unsigned int len, at = longest_zeros(bytes, &len);
	char *to = ret_text;

	for (unsigned int i = 0; i < GROUPS_N; i++) {
		if (len && i == at) {
			to = stpcpy(to, "::");
			i += len - 1;
			continue;
		}
		to += sprintf(to, "%s%x", i && i != at + len ? ":" : "", group(bytes, i));
	}
}

int ktls_address_format(const struct ktls_address *address, char *ret_text, size_t size)
{
	char host[KTLS_ADDRESS_TEXT_LEN], zone[16] = "", port[8] = "";
	bool bracketed = false;
	int len;

	if (!address || !ret_text)
		return -EINVAL;
	if (address->family == AF_INET) {
		write_ipv4(address->bytes, host);
	} else if (address->family == AF_INET6) {
		bracketed = address->port;
		if (is_mapped(address))
			write_ipv4(address->bytes + IPV4_AT, stpcpy(host, "::ffff:"));
		else
			write_ipv6(address->bytes, host);
		if (address->scope_id)
			snprintf(zone, sizeof(zone), "%%%u", address->scope_id);
	} else {
		return -EINVAL;
	}
	if (address->port)
		snprintf(port, sizeof(port), ":%u", address->port);
	len = snprintf(NULL, 0, "%s%s%s", host, zone, port) + 2 * bracketed;
	if ((size_t)len >= size)
		return -ENOSPC;
	snprintf(ret_text, size, "%s%s%s%s%s", bracketed ? "[" : "", host, zone,
		 bracketed ? "]" : "", port);
	return 0;
}

/* Sockets' addresses */

int ktls_address_from_sockaddr(struct ktls_address *ret_address, const struct sockaddr *sockaddr,
			       socklen_t len)
{
	struct ktls_address address = { .family = 0 };

	if (!ret_address || !sockaddr || len < sizeof(sockaddr->sa_family))
		return -EINVAL;
	address.family = sockaddr->sa_family;
	if (address.family == AF_INET) {
		struct sockaddr_in in;

		if (len < sizeof(in))
			return -EINVAL;
		memcpy(&in, sockaddr, sizeof(in));
		address.port = ntohs(in.sin_port);
		memcpy(address.bytes, &in.sin_addr, sizeof(in.sin_addr));
	} else if (address.family == AF_INET6) {
		struct sockaddr_in6 in6;

		if (len < sizeof(in6))
			return -EINVAL;
		memcpy(&in6, sockaddr, sizeof(in6));
		address.port = ntohs(in6.sin6_port);
		address.scope_id = in6.sin6_scope_id;
		memcpy(address.bytes, &in6.sin6_addr, sizeof(in6.sin6_addr));
	} else {
		return -EAFNOSUPPORT;
	}
	*ret_address = address;
	return 0;
}

int ktls_address_to_sockaddr(const struct ktls_address *address,
			     struct sockaddr_storage *ret_sockaddr, socklen_t *ret_len)
{
	if (!address || !ret_sockaddr || !ret_len)
		return -EINVAL;
	if (address->family == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(address->port) };

		memcpy(&in.sin_addr, address->bytes, sizeof(in.sin_addr));
		*ret_sockaddr = (struct sockaddr_storage){ .ss_family = AF_INET };
		memcpy(ret_sockaddr, &in, sizeof(in));
		*ret_len = sizeof(in);
		return 0;
	}
	if (address->family == AF_INET6) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
					    .sin6_port = htons(address->port),
					    .sin6_scope_id = address->scope_id };

		memcpy(&in6.sin6_addr, address->bytes, sizeof(in6.sin6_addr));
		*ret_sockaddr = (struct sockaddr_storage){ .ss_family = AF_INET6 };
		memcpy(ret_sockaddr, &in6, sizeof(in6));
		*ret_len = sizeof(in6);
		return 0;
	}
	return -EINVAL;
}

/* Kinds */

/* The four bytes of an IPv4 address, be it mapped; NULL of any other. */
static const uint8_t *ipv4_of(const struct ktls_address *address)
{
	if (address->family == AF_INET)
		return address->bytes;
	return is_mapped(address) ? address->bytes + IPV4_AT : NULL;
}

static bool is_ipv6(const struct ktls_address *address, const struct in6_addr *wanted)
{
	return address->family == AF_INET6 && !memcmp(address->bytes, wanted, sizeof(*wanted));
}

bool ktls_address_is_loopback(const struct ktls_address *address)
{
	const uint8_t *ipv4 = ipv4_of(address);

	return ipv4 ? ipv4[0] == 127 : is_ipv6(address, &in6addr_loopback);
}

bool ktls_address_is_any(const struct ktls_address *address)
{
	const uint8_t *ipv4 = ipv4_of(address);

	return ipv4 ? !memcmp(ipv4, "\0\0\0", 4) : is_ipv6(address, &in6addr_any);
}

bool ktls_address_is_multicast(const struct ktls_address *address)
{
	const uint8_t *ipv4 = ipv4_of(address);

	if (ipv4)
		return ipv4[0] >> 4 == 0xe;
	return address->family == AF_INET6 && address->bytes[0] == 0xff;
}
