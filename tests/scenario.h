/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_SCENARIO_H
#define KTLS_TESTS_SCENARIO_H

/*
 * A connection's whole life, to be lived again under every fault: handshake, write, writev,
 * sendfile, read, shutdown, read to the end. The subject makes these calls and waits in them; the
 * peer lives, step by step, in the subject's waits, so one run is like the next and each has the
 * same calls in the same order.
 *
 *   subject conn (calls that wait, under the seam) ====loopback==== peer conn (in its waits)
 */

#include <stdbool.h>
#include <stdint.h>

#include "pair.h"
#include "seam.h"

enum scenario_step {
	SCENARIO_HANDSHAKE = 0,
	SCENARIO_WRITE,
	SCENARIO_WRITEV,
	SCENARIO_SENDFILE,
	SCENARIO_READ,
	SCENARIO_SHUTDOWN,
	SCENARIO_END, /* reading until KTLS_EOF */
	SCENARIO_DONE,
};

enum scenario_limit {
	SCENARIO_WRITE_LEN = 20000,
	SCENARIO_WRITEV_LEN = 9000, /* in three pieces */
	SCENARIO_FILE_LEN = 40000,
	SCENARIO_SENT = SCENARIO_WRITE_LEN + SCENARIO_WRITEV_LEN + SCENARIO_FILE_LEN,
	SCENARIO_REPLY = 30000,
};

/* What all runs of a test share: both configs, and the file. */
struct scenario {
	struct ktls_config *config[2];
	enum pair_end subject;
	int file_fd;
	int buffer_bytes; /* of the sockets */
};

/* How a run went, with both connections as they are then. */
struct scenario_run {
	struct pair pair;
	enum scenario_step step; /* where the subject stopped */
	int rc;			 /* what it was answered there: 0 at SCENARIO_DONE */
	uint64_t accepted;	 /* bytes of the subject's */
	int peer_rc;		 /* what ended the peer: KTLS_EOF if all went well */
	uint64_t peer_got;
};

/* The subject's offload as said, the peer in userspace. */
struct scenario scenario_new(enum ktls_protocol protocol, enum pair_end subject,
			     enum ktls_offload tx, enum ktls_offload rx);
void scenario_free(struct scenario *scenario);

/* One life under a fault (NULL: none), with the peer run to its end after it. */
struct scenario_run scenario_run(const struct scenario *scenario, const struct seam_fault *fault);
void scenario_run_free(struct scenario_run *run);

/* For a fault's `happens`: the peer is no more; its socket is closed, or reset. */
void scenario_close_peer(void);
void scenario_reset_peer(void);

const char *scenario_step_name(enum scenario_step step);

#endif
