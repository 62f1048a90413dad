/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_TELLING_H
#define KTLS_TESTS_TELLING_H

/*
 * A kernel that tells over netlink what the test wants: behind the seam of system calls, a script
 * of datagrams and errnos. One per process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "src/netlink.h"

enum {
	TELLING_DATAGRAMS_MAX = 64,
	TELLING_ROOM = 40000, /* of a datagram; more than is ever read */
};

/* A datagram, or an errno, that recvmsg(2) will answer. */
struct telling_datagram {
	int error;
	uint32_t from;
	size_t len;
	uint8_t data[TELLING_ROOM];
};

struct telling {
	struct telling_datagram script[TELLING_DATAGRAMS_MAX];
	size_t n, next;
	bool again;		  /* the script begins anew with each request */
	int send_error;		  /* of every sendmsg(2) */
	unsigned int interrupted; /* calls that are yet to answer EINTR */
	/* What was asked last: */
	unsigned int asked, polled;
	struct nlmsghdr request;
	uint8_t payload[KTLS_NETLINK_ASK_MAX];
};

extern struct telling telling;

/* From now on nothing reaches the real kernel; the script is empty. */
void telling_begin(void);

/* A datagram more, or an errno. */
void telling_datagram(void);
void telling_errno(int error);
struct telling_datagram *telling_last(void);

/* Appends a message to the last datagram; seq 0 answers the request, any other is one too far. */
void telling_say(uint16_t type, uint16_t flags, uint32_t seq, const void *payload, size_t len);
void telling_done(int error);
void telling_error(int error);

#endif
