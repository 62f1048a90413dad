/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_OPENED_H
#define TESTS_FUZZ_OPENED_H

/*
 * A connection in state OPEN that had no handshake, with the peer of stranger.h at its other end,
 * in userspace. Its socket is real, but no byte goes over it; it is the process's, and may be
 * closed.
 */

#include "conn.h"
#include "target.h"

/* What the configs differ in. */
struct opened_config {
	uint16_t padding;
	uint16_t first_payload; /* of the first 1000 bytes */
	uint64_t key_records;
	size_t buffers;
	bool exact; /* the kernel is wanted after 100 bytes, and refuses each time */
};

enum {
	OPENED_CONFIGS_N = 8,
};

struct opened {
	struct ktls_conn *conn;
	struct ktls_config *config; /* of conn; lives as long as the process */
	enum ktls_protocol protocol;
	const struct opened_config *settings;
};

/* As the first two bytes of the input say. */
struct opened opened_new(struct input *input);
/* The connection has failed: it says so to every call, and touches its socket no more. */
void opened_check_failed(struct ktls_conn *conn, int error);
void opened_free(struct opened *opened);

#endif
