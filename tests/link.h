/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_LINK_H
#define KTLS_TESTS_LINK_H

/*
 * A connection whose fd[0] sends records to fd[1] through the kernel: both ends keyed, or one, for
 * the judge to be the other. Each call asserts what it needs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/kit.h"

enum link_limit {
	LINK_BUFFER_LEN = 4 << 20,
};

struct link {
	const struct kit_suite *suite;
	struct kern_keys keys;
	uint64_t counted[_KTLS_DIRECTION_N];
	int fd[2];
};

/* AES-128-GCM in TLS 1.2 and in TLS 1.3: what every kernel with tls has. */
extern const struct kit_suite *const link_tls12, *const link_tls13;

/* What is sent, each byte kit_byte() of its place, and what was received. */
extern uint8_t link_plain[LINK_BUFFER_LEN], link_received[LINK_BUFFER_LEN];

/* A fixture: skips without tls, and fills link_plain. */
void link_setup(void);

/* The ends in `tx` and `rx` get the keys; the buffers hold LINK_BUFFER_LEN. */
void link_open(struct link *link, const struct kit_suite *suite, bool tx, bool rx);

/* Closes it, and asserts by the kernel's counters that it was the kernel that had the keys. */
void link_close(struct link *link, bool tx, bool rx);

/* One record of the beginning of `data`, whole. */
void link_send(const struct link *link, uint8_t type, const void *data, size_t len);

/* kern_recv() into link_received, when there is something; past empty data. */
int link_receive(const struct link *link, size_t room, uint8_t *ret_type, bool *ret_end,
		 size_t *ret_n);

/* Receives so many bytes of data, which must be link_plain's from there on. */
void link_drain(const struct link *link, size_t len, size_t plain_at);

#endif
