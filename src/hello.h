/* SPDX-License-Identifier: MIT */
#ifndef KTLS_HELLO_H
#define KTLS_HELLO_H

/*
 * What GnuTLS does not tell of the extensions in the peer's messages: read by ourselves, while they
 * pass by.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KTLS_HELLO_TICKETS_MAX = 4, /* that a client offers, beyond which none is looked at */
	KTLS_HELLO_NAME_LEN = 16,   /* of the key a ticket is sealed with: its first bytes */
	KTLS_HELLO_SERVER_NAME_SIZE = 254, /* RFC 1035 2.3.4, with an end */
};

struct ktls_hello {
	bool no_tls12;		    /* a client that lists versions, but not this one */
	uint16_t record_size_limit; /* RFC 8449, as on the wire; 0: none was sent */
	uint8_t tickets_n;
	uint8_t tickets[KTLS_HELLO_TICKETS_MAX][KTLS_HELLO_NAME_LEN];
	char server_name[KTLS_HELLO_SERVER_NAME_SIZE]; /* a client's, as sent; "": none */
};

/* A handshake message that has arrived, without its header. */
void ktls_hello_look(struct ktls_hello *hello, unsigned int message, const uint8_t *bytes,
		     size_t len);

#endif
