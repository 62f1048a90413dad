/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FROZEN_H
#define TESTS_FROZEN_H

/*
 * Connections that are frozen and thawed while they live: in place, and in a relay of real
 * processes, which pass socket and bytes on and share nothing else:
 *
 *   peer ====loopback==== A -> B -> A -> B ...     the socket by SCM_RIGHTS
 *                         A -> exec -> exec ...    the socket inherited
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pair.h"

enum {
	FROZEN_MAX = 1 << 19, /* more than any is */
};

struct frozen_plan {
	enum pair_end end; /* who is passed on; the other is in userspace */
	enum ktls_protocol protocol;
	int cipher;
	enum ktls_offload tx, rx;
	uint64_t after_bytes;
	int buffer_bytes;
	bool by_exec;
	bool by_sendfile;
	uint32_t to_send, to_see; /* bytes, before the keys change and the end */
	uint32_t hops, seed;
};

/* Both stream at once, the subject freezing at random places; then each changes its key where that
 * can be, a little more is exchanged, and both end in order. Every byte is looked at. */
void frozen_relay(const struct frozen_plan *plan);

/* The end of the pair, frozen and thawed, with the same facts. */
void frozen_swap(struct pair *pair, enum pair_end end);

/* The end's bytes; it is KTLS_STATE_FROZEN then. */
size_t frozen_take(struct pair *pair, enum pair_end end, uint8_t ret_bytes[FROZEN_MAX]);
/* The end again. */
void frozen_thaw(struct pair *pair, enum pair_end end, const uint8_t *bytes, size_t len);

/* A pair of which one end is protected so, the other in userspace. */
struct pair frozen_pair(enum ktls_protocol protocol, enum pair_end end, enum ktls_offload tx,
			enum ktls_offload rx, int buffer_bytes);

#endif
