/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RING_KIND_H
#define TESTS_RING_KIND_H

/* The kind of the rings in tests, which run once for each (meson.build): io_uring, or with
 * TESTS_RING=epoll in the environment epoll. */

#include <stdlib.h>
#include <string.h>

#include <ktls/ring.h>

static inline enum ktls_ring_kind ring_kind(void)
{
	const char *name = getenv("TESTS_RING");

	return name && !strcmp(name, "epoll") ? KTLS_RING_EPOLL : KTLS_RING_IO_URING;
}

#endif
