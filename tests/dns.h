/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_DNS_H
#define KTLS_TESTS_DNS_H

/*
 * A name server on the loopback, in the test's own thread: it says what the test wants, once for
 * IPv6 and once for IPv4, to whatever name, when it is its turn (dns_pump()).
 */

#include <stddef.h>
#include <stdint.h>

enum dns_says {
	DNS_SAYS_NOTHING = 0,
	DNS_SAYS_ADDRESSES,
	DNS_SAYS_NO_DATA, /* the name is there, an address of this family is not */
	DNS_SAYS_NO_NAME,
	DNS_SAYS_FAILURE,
	DNS_SAYS_GARBAGE,
	DNS_SAYS_TRUNCATED, /* so that it is asked again over TCP (RFC 7766) */
	_DNS_SAYS_N,
};

enum dns_family {
	DNS_IPV6 = 0,
	DNS_IPV4,
	_DNS_FAMILY_N,
};

enum dns_limit {
	DNS_ADDRESSES_MAX = 25, /* of IPv4: as many as a datagram of 512 bytes holds */
	DNS_NAME_LEN = 256,
	DNS_SERVERS_LEN = 32,
	DNS_MESSAGE_LEN = 1024, /* room for a question and its answer */
};

struct dns_answer {
	enum dns_says says;
	const char *addresses[DNS_ADDRESSES_MAX]; /* as text, up to the first NULL */
	unsigned int asked;			  /* how often */
	char name[DNS_NAME_LEN];		  /* the last name that was asked for */
};

struct dns {
	int fd;	      /* UDP, which dns_pump() serves */
	int listener; /* TCP, at the same port, for tests to serve; non-blocking */
	char servers[DNS_SERVERS_LEN];
	struct dns_answer answers[_DNS_FAMILY_N];
};

/* A server that every resolution asks from now on, again after timeout_ms. It says nothing yet. */
void dns_open(struct dns *dns, int timeout_ms);
void dns_close(struct dns *dns);
/* Answers what has been asked; never waits. */
void dns_pump(struct dns *dns);
/* Makes a question that came otherwise its own answer; returns how long that is, 0: there is none.
 */
size_t dns_reply(struct dns *dns, uint8_t message[DNS_MESSAGE_LEN]);

#endif
