/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_SIZED_H
#define KTLS_BASE_SIZED_H

/*
 * Structs of the public headers grow at their end, and cross with the size that the program knows:
 * what both sides know is copied, and what only the receiver knows is zero.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void ktls_sized_copy(void *to, size_t to_size, const void *from, size_t from_size)
{
	size_t both = to_size < from_size ? to_size : from_size;

	memcpy(to, from, both);
	memset((uint8_t *)to + both, 0, to_size - both);
}

#endif
