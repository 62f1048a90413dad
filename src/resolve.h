/* SPDX-License-Identifier: MIT */
#ifndef KTLS_RESOLVE_INTERNAL_H
#define KTLS_RESOLVE_INTERNAL_H

/* What a dial must know of a resolution beside <ktls/resolve.h>, and a seam for tests. */

#include <stdbool.h>

#include <ktls/resolve.h>

/* Whether the question for this family's addresses has its answer, be it none. */
bool ktls_resolve_answered(const struct ktls_resolve *resolve, int family);

/* For tests, before any resolution: the name servers, "127.0.0.1:5353", and after which time each
 * is asked again. NULL: the system's. The text must stay. */
void ktls_resolve_use_servers(const char *servers, int timeout_ms);

#endif
