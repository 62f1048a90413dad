/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_SOAK_H
#define KTLS_TESTS_SOAK_H

/* The parts of soak.c, and what they share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "../../bench/histogram.h"

enum soak_limit {
	SOAK_TIMEOUT_MS = 120000,
	SOAK_DIALING_MAX = 64, /* at once */
	SOAK_FILES_MAX = 8,
};

enum soak_state {
	ABSENT = 0,
	DIALING,
	RESTING,
	ASKING,
	ANSWERED, /* some of it */
	ENDING,
	SLOW,
};

struct soak_file {
	const char *name;
	const char *data;
	size_t len;
};

struct soak_client {
	struct ktls_conn *conn;
	struct ktls_op op, slow_op; /* the second one writes while the first reads */
	bool busy, slow_busy;
	enum soak_state state;
	unsigned int asked;
	const struct soak_file *file;
	uint64_t began_ns;
	size_t at; /* of the request that is sent slowly, or of the body */
	size_t head_len;
	char head[1024];
	char request[256];
	char byte;
};

struct soak {
	/* Options. */
	uint64_t n_clients, n_requests, n_busy, renew_after, random, pid, slow_s;
	bool waits, may_end, reset, asks_slowly, takes_slowly;
	uint16_t port;

	struct ktls_config *config;
	struct ktls_ring *ring;
	struct soak_file files[SOAK_FILES_MAX];
	size_t n_files;
	struct soak_client *clients, **absent, **resting;
	size_t n_absent, n_resting, n_dialing, n_asking, n_ending;
	size_t begun, done, errors, unanswered, dialed, refused, ended, next_sample;
	bool held, gone; /* all were open once; the server is there no more */
	struct histogram latency;
};

/* The connection has ended, and its place may be another's. */
void soak_let_go(struct soak *soak, struct soak_client *client);

/* The server's memory and descriptors, and what was done so far. */
void soak_say_server(const struct soak *soak);

/* Waits for events, and lets them be taken. */
int soak_turn(struct soak *soak, uint64_t deadline_ns,
	      void (*take)(struct soak *, const struct ktls_event *));

/* soak_slow.c: with all connections open. 0: the server ended all of them in time. */
int soak_run_slowly(struct soak *soak);

#endif
