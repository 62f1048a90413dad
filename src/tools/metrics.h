/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_METRICS_H
#define KTLS_TOOL_METRICS_H

/*
 * What a server counts: one struct metrics for each of its threads, which alone writes it, so that
 * counting needs neither a lock nor an atomic instruction. Any other thread may read it at any time
 * (metrics_add_up()). To count a further thing, add it to enum metrics_counter, and say in
 * metrics_text.c what it is called.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/ktls.h>

enum metrics_counter {
	METRICS_ACCEPTED = 0, /* connections taken from the socket */
	METRICS_REFUSED,      /* of these, closed at once, for want of something */
	METRICS_CLOSED,	      /* of the others, those that have ended */
	METRICS_BYTES_OUT,    /* application bytes, by metrics_count_traffic() as the next three */
	METRICS_BYTES_IN,
	METRICS_REKEYS_OUT,
	METRICS_REKEYS_IN,
	METRICS_LOG_LOST, /* lines of the access log that could not be written */
	METRICS_CACHE_HITS,
	METRICS_CACHE_MISSES,
	_METRICS_COUNTER_N,
};

/* When a connection failed. */
enum metrics_stage {
	METRICS_HANDSHAKE = 0,
	METRICS_OPEN,
	_METRICS_STAGE_N,
};

enum metrics_limit {
	METRICS_LIMIT_SUITES = 24, /* each GnuTLS has that we take, and one for all others */
	METRICS_STATUS_CLASSES = 5,
	METRICS_CAUSES = _KTLS_ERROR_END - KTLS_E_NO_NAME + 8,
};

struct metrics_suite {
	const char *_Atomic name; /* static, NULL in rows that are free */
	uint64_t protocol;
	_Atomic uint64_t handshakes[2]; /* full, resumed */
};

struct metrics {
	_Atomic uint64_t counters[_METRICS_COUNTER_N];
	_Atomic uint64_t failures[_METRICS_STAGE_N][METRICS_CAUSES];
	_Atomic uint64_t directions[_KTLS_DIRECTION_N][_KTLS_PROTECTION_N][_KTLS_REASON_N];
	_Atomic uint64_t responses[METRICS_STATUS_CLASSES];
	struct metrics_suite suites[METRICS_LIMIT_SUITES];
};

/* What of a connection is counted already; lies with its session, zeroed. */
struct metrics_traffic {
	uint64_t bytes[_KTLS_DIRECTION_N];
	uint64_t key_updates[_KTLS_DIRECTION_N];
};

/* All of these take NULL, which counts nothing, and are the owning thread's. */

void metrics_count(struct metrics *metrics, enum metrics_counter counter);
void metrics_count_many(struct metrics *metrics, enum metrics_counter counter, uint64_t n);

/* A handshake is done: version, suite, and where each direction is protected. */
void metrics_count_handshake(struct metrics *metrics, const struct ktls_info *info);

/* A connection failed: `status` as the call answered, or KTLS_TIMEDOUT for a deadline of ours. */
void metrics_count_failure(struct metrics *metrics, enum metrics_stage stage, int status);

/* A response was sent, with this status of HTTP. */
void metrics_count_response(struct metrics *metrics, unsigned int status);

/* What has moved since the last call for this connection: after each response and at its end, so
 * that a long life is seen before it is over. */
void metrics_count_traffic(struct metrics *metrics, struct metrics_traffic *seen,
			   const struct ktls_info *info);

/* Adds one thread's to *total, which was zeroed and is nobody else's. Any thread. */
void metrics_add_up(struct metrics *total, const struct metrics *metrics);

uint64_t metrics_get(const struct metrics *metrics, enum metrics_counter counter);

/* The name of a row of failures[][]; NULL from METRICS_CAUSES on. */
const char *metrics_cause_name(size_t cause);

#endif
