/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_ATTACKER_H
#define KTLS_TESTS_ATTACKER_H

/*
 * A peer that says what it likes: two ends of the library do the handshake, then one of them is put
 * aside and the test writes records of its own with its keys (judge.h), and opens what comes back.
 *
 *   the test: judge, counting by itself ====loopback==== victim conn
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge.h"
#include "pair.h"
#include "record.h"
#include "secrets.h"

struct attacker {
	struct pair pair;
	struct ktls_conn *victim;
	enum pair_end end; /* the victim's */
	enum ktls_protocol protocol;
	int fd;
	struct kern_keys keys[_KTLS_DIRECTION_N]; /* as the attacker uses them */
	struct ktls_secret secret[_KTLS_DIRECTION_N];
	size_t buffer_len; /* that the victim reads with */
	size_t got;	   /* data bytes that the victim has read */
};

/* The victim's end and offload; the handshake is done. */
struct attacker attacker_new(enum ktls_protocol protocol, enum pair_end victim,
			     enum ktls_offload tx, enum ktls_offload rx);
void attacker_free(struct attacker *attacker);

/* Bytes as they are; a record; one with padding. */
void attacker_send_raw(struct attacker *attacker, const void *bytes, size_t len);
void attacker_send(struct attacker *attacker, uint8_t type, const void *data, size_t len);
void attacker_send_padded(struct attacker *attacker, uint8_t type, const void *data, size_t len,
			  size_t padding);
/* A record with one bit changed, counted from its first byte. */
void attacker_send_flipped(struct attacker *attacker, const void *data, size_t len, size_t bit);

/* The next secret and key of a direction (RFC 8446 7.2). */
void attacker_next_key(struct attacker *attacker, enum ktls_direction direction);

/* The next record of the victim's; false if none has come. */
bool attacker_receive(struct attacker *attacker, uint8_t *ret_type, uint8_t *ret_data,
		      size_t *ret_len);

/* The victim reads all that is there; what it is answered last, KTLS_WANT_READ if it goes on. */
int attacker_victim_reads(struct attacker *attacker);

/* The victim reads, and fails with the code; what it tells is the alert (KTLS_ALERT_NONE: nothing),
 * and nothing works afterwards. */
void attacker_expect_failure(struct attacker *attacker, int code, enum ktls_alert alert,
			     const char *what);

/* The connection works both ways. */
void attacker_expect_alive(struct attacker *attacker, const char *what);

#endif
