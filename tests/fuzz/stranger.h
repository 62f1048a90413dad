/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_STRANGER_H
#define TESTS_FUZZ_STRANGER_H

/*
 * The other end of a connection that never was handshaken: both sides' keys are made here, and what
 * goes over the socket goes through the seam of system calls instead, as much of it at a time as
 * the script says. What the connection sends is opened (judge.h) as it comes, and everything that
 * it may not send ends the process.
 *
 *   the script: seals, counting by itself --> wire --> recvmsg of the connection
 *               opens and checks <------------------- sendmsg
 *
 * Data either way are two streams whose bytes tell their place, so that what is lost, repeated or
 * out of order is seen. There is one peer at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn.h"
#include "judge.h"

enum {
	STRANGER_UNLIMITED = 1 << 30,
	STRANGER_SEALED_MAX = 16600, /* bytes with padding that fit a record of the judge's */
};

struct stranger {
	int fd; /* that connections are made on: they have their own of it, never read or written */
	struct kern_keys keys[_KTLS_DIRECTION_N]; /* as the peer uses them */
	struct ktls_secret secret[_KTLS_DIRECTION_N];
	size_t payload_max; /* that the peer takes in a record */

	/* To the connection. */
	size_t readable;  /* bytes that it may still read before the wire looks empty */
	int read_error;	  /* an errno, instead of the next bytes */
	bool ended;	  /* behind what is on the wire */
	bool interrupted; /* the next call either way, by a signal */
	bool flip;	  /* a bit of the next record */
	uint16_t flip_bit;
	uint64_t sent; /* of our stream: bytes sealed */

	/* From the connection. */
	size_t writable;
	int write_error;
	bool shut;	   /* shutdown(2): no more of it */
	bool told;	   /* it sent close_notify or a fatal alert: no more of it */
	bool deaf;	   /* what it sends is not looked at: it may have other keys */
	bool kernel;	   /* where it asks, the kernel has its keys */
	bool silent;	   /* the connection has failed: no call of it */
	uint64_t received; /* of its stream */
	size_t part_len;   /* of a record that has not come whole */
};

extern struct stranger stranger;

/* Makes keys and the peer, and takes the seam. The connection's keys are the same the other way. */
void stranger_begin(int fd, enum ktls_protocol protocol, enum ktls_cipher cipher);

/* A byte of our stream, and of the connection's, which is full of a marker. */
uint8_t stranger_byte(uint64_t at);
uint8_t stranger_conn_byte(uint64_t at);

/* Bytes as they are; false if the wire is full. Behind the transport's end they go nowhere. */
bool stranger_send_raw(const uint8_t *bytes, size_t len);
/* A record, with padding in TLS 1.3. */
bool stranger_send(uint8_t type, const uint8_t *bytes, size_t len, size_t padding);
/* A data record of the next len bytes of our stream. */
bool stranger_send_data(size_t len, size_t padding);

/* Takes the next secret and its keys into use (RFC 8446 7.2). */
void stranger_next_key(enum ktls_direction direction);

#endif
