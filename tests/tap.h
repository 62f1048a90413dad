/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

/*
 * What arrives at one end of a pair, opened on its way by the judge: each record's type, its size
 * and how many keys came before its own. The end has its RX in userspace; one tap per process.
 *
 *   conn (user or kernel) ====loopback==== tap, then conn (userspace)
 */

#include <stddef.h>
#include <stdint.h>

#include "pair.h"

enum tap_limit {
	TAP_RECORDS_MAX = 1 << 17,
};

struct tap_record {
	uint8_t type;
	uint16_t len;	/* of what it carries */
	uint16_t inner; /* with its padding */
	uint32_t key;	/* changes before it */
};

struct tap {
	size_t n;
	struct tap_record records[TAP_RECORDS_MAX];
};

extern struct tap tap;

/* From now on, right behind the handshake. */
void tap_begin(const struct pair *pair, enum pair_end to);
/* Asserts that every record was opened. */
void tap_end(void);

/* How many records of the type there were; 0: of any. */
size_t tap_count(uint8_t type);
/* How often the key was changed. */
uint32_t tap_key_updates(void);
/* The most records under one key. */
size_t tap_most_under_one_key(void);
/* The largest record of data. */
size_t tap_largest(void);

#endif
