/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ENDING_H
#define TESTS_ENDING_H

/*
 * Transfers that end right behind their last byte, to a peer that reads slowly: all of it must
 * arrive, and the end after it. The subject is driven by the test, in calls that wait or step by
 * step; the peer is this library in userspace, in a thread of its own.
 *
 *   subject conn (the test) --- kit_byte() ---> peer conn (reads with pauses, and may talk)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pair.h"

enum ending_call {
	ENDING_WRITE = 0,
	ENDING_WRITEV,
	ENDING_SENDFILE,
	ENDING_CALLS_N,
};

enum ending_linger {
	ENDING_LINGER_OFF = 0,
	ENDING_LINGER_LONG, /* close(2) waits for the peer */
	ENDING_LINGER_ZERO, /* close(2) resets */
};

enum ending_peer {
	ENDING_PEER_READS = 0,	  /* slowly, to the end, and answers it */
	ENDING_PEER_TALKS,	  /* the same, and sends all the while until that end */
	ENDING_PEER_WRITES_FIRST, /* more than buffers hold, before it reads */
	ENDING_PEER_NEVER_ENDS,	  /* reads, answers no end and keeps its socket open */
	ENDING_PEER_NEVER_SILENT, /* reads, and sends on after our end, without its own */
	ENDING_PEER_NEVER_READS,
};

struct ending {
	enum ktls_protocol protocol;
	enum pair_end subject;
	enum ending_call call;
	enum ending_linger linger;
	enum ending_peer peer;
	int buffer_bytes; /* of the sockets; 0: the system's */
	size_t len;
	bool waits;  /* else KTLS_NOW and poll(2) */
	bool closes; /* ktls_conn_shutdown_and_close(), else ktls_conn_shutdown() and close(2) */
};

/* Before all others: how the subjects' directions are protected. */
void ending_begin(enum ktls_offload tx, enum ktls_offload rx);
void ending_end(void);

/* A connection, with the handshake done. The socket of a subject that closes is its own. */
struct pair ending_open(const struct ending *ending);

/* One transfer and its end; asserts that all of it arrived, and what the end answered. */
void ending_run(const struct ending *ending);

/* So many transfers, or what KTLS_TEST_ROUNDS says, in all the ways that there are. */
void ending_run_all_ways(unsigned int rounds);
/* A client that writes 1 MB and closes without reading a byte. */
void ending_run_uploads(unsigned int rounds);
/* 10 MB to a peer that sends all the while and is never read. */
void ending_run_response_to_a_talker(void);
/* Peers that write more than the buffers hold before they read. */
void ending_run_both_write_first(void);
/* Peers with which no orderly end is to be had before a deadline. */
void ending_run_deadlines(void);

#endif
