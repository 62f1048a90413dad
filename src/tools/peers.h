/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_PEERS_H
#define KTLS_TOOL_PEERS_H

/* How many connections each address has, so that one does not take them all. Of IPv6 the first 64
 * bits count, for a host has the others for the asking. Any thread, several at once. */

#include <ktls/ktls.h>

struct peer;
struct peers;

/* A peer's address without its port; and IPv4 as such where a socket for both families has it
 * within IPv6 (RFC 4291 2.5.5.2). */
void peers_strip(struct ktls_address *address);

/* At most so many of each. 0 or -ENOMEM. */
int peers_new(struct peers **ret_peers, unsigned int limit);

/* None may be in it. Takes NULL. */
struct peers *peers_free(struct peers *peers);

/* One more of this address, which was stripped: 0, to be taken back by peers_leave(); -EUSERS: it
 * has enough; -ENOMEM. */
int peers_enter(struct peers *peers, const struct ktls_address *address, struct peer **ret_peer);
void peers_leave(struct peers *peers, struct peer *peer); /* both may be NULL */

#endif
