/* SPDX-License-Identifier: MIT */

/* A name server; see dns.h. RFC 1035 4.1, RFC 3596 2. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "src/resolve.h"
#include "tests/dns.h"

enum {
	HEADER_LEN = 12,
	TYPE_A = 1,
	TYPE_AAAA = 28,
	CLASS_IN = 1,
	TTL_S = 60,
};

static const int rcodes[_DNS_SAYS_N] = { [DNS_SAYS_NO_NAME] = 3, [DNS_SAYS_FAILURE] = 2 };

/* UDP at a port that is free for TCP, too. */
static bool bind_both(struct dns *dns, struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);

	dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	dns->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_geq(dns->listener, 0);
	cr_assert_eq(bind(dns->fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(dns->fd, (struct sockaddr *)&address, &len), 0);
	*ret_address = address;
	if (!bind(dns->listener, (struct sockaddr *)&address, len))
		return true;
	close(dns->fd);
	close(dns->listener);
	return false;
}

void dns_open(struct dns *dns, int timeout_ms)
{
	struct sockaddr_in address;

	memset(dns, 0, sizeof(*dns));
	while (!bind_both(dns, &address))
		continue;
	cr_assert_eq(listen(dns->listener, 8), 0);
	snprintf(dns->servers, sizeof(dns->servers), "127.0.0.1:%u", ntohs(address.sin_port));
	ktls_resolve_use_servers(dns->servers, timeout_ms);
}

void dns_close(struct dns *dns)
{
	close(dns->fd);
	close(dns->listener);
	ktls_resolve_use_servers(NULL, 0);
}

static uint8_t *put16(uint8_t *to, unsigned int value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

/* The name behind the header, as text; what is behind it. */
static uint8_t *read_name(uint8_t *at, char ret_name[DNS_NAME_LEN])
{
	char *to = ret_name;

	while (*at) {
		if (to != ret_name)
			*to++ = '.';
		memcpy(to, at + 1, *at);
		to += *at;
		at += 1 + *at;
	}
	*to = '\0';
	return at + 1;
}

/* Writes the records, a name each that points to the question's; returns the end. */
static uint8_t *put_addresses(uint8_t *to, const struct dns_answer *answer, enum dns_family which,
			      unsigned int *ret_n)
{
	unsigned int len = which == DNS_IPV6 ? 16 : 4, n = 0;

	while (n < DNS_ADDRESSES_MAX && answer->addresses[n]) {
		to = put16(to, 0xc000 | HEADER_LEN);
		to = put16(to, which == DNS_IPV6 ? TYPE_AAAA : TYPE_A);
		to = put16(to, CLASS_IN);
		to = put16(put16(to, 0), TTL_S);
		to = put16(to, len);
		cr_assert_eq(inet_pton(which == DNS_IPV6 ? AF_INET6 : AF_INET, answer->addresses[n],
				       to),
			     1);
		to += len;
		n++;
	}
	*ret_n = n;
	return to;
}

size_t dns_reply(struct dns *dns, uint8_t message[DNS_MESSAGE_LEN])
{
	char name[DNS_NAME_LEN];
	uint8_t *at = read_name(message + HEADER_LEN, name);
	enum dns_family which = (at[0] << 8 | at[1]) == TYPE_AAAA ? DNS_IPV6 : DNS_IPV4;
	struct dns_answer *answer = &dns->answers[which];
	unsigned int n = 0;

	answer->asked++;
	strcpy(answer->name, name);
	at += 4;
	if (answer->says == DNS_SAYS_NOTHING)
		return 0;
	if (answer->says == DNS_SAYS_GARBAGE) {
		memset(message + 4, 0xff, HEADER_LEN);
		return HEADER_LEN + 4;
	}
	if (answer->says == DNS_SAYS_ADDRESSES)
		at = put_addresses(at, answer, which, &n);
	put16(message + 2, 0x8180u | (unsigned int)rcodes[answer->says] |
				   (answer->says == DNS_SAYS_TRUNCATED ? 0x200u : 0));
	put16(message + 6, n);
	put16(put16(message + 8, 0), 0);
	return (size_t)(at - message);
}

void dns_pump(struct dns *dns)
{
	for (;;) {
		uint8_t message[DNS_MESSAGE_LEN] = { 0 };
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(dns->fd, message, sizeof(message) / 2, 0,
				     (struct sockaddr *)&from, &from_len);
		size_t len;

		if (n < 0) {
			cr_assert_eq(errno, EAGAIN);
			return;
		}
		cr_assert_gt(n, HEADER_LEN);
		len = dns_reply(dns, message);
		if (len)
			sendto(dns->fd, message, len, 0, (struct sockaddr *)&from, from_len);
	}
}
