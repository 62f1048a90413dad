/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_PEERS_H
#define KTLS_TOOL_PEERS_H

/* How many connections each address has, so that one does not take them all. Of IPv6 the first 64
 * bits count, for a host has the others for the asking. One thread. */

#include <ktls/ktls.h>

struct peer;
struct peers;

/* At most so many of each. 0 or -ENOMEM. */
int peers_new(struct peers **ret_peers, unsigned int limit);

/* None may be in it. Takes NULL. */
struct peers *peers_free(struct peers *peers);

/* One more of this address: 0, to be taken back by peers_leave(); -EUSERS: it has enough; -ENOMEM.
 */
int peers_enter(struct peers *peers, const struct ktls_address *address, struct peer **ret_peer);
void peers_leave(struct peers *peers, struct peer *peer);

#endif
