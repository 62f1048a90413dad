/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_BYTES_H
#define KTLS_BASE_BYTES_H

/* Bytes on the heap that are wiped when they go. Zeros: none. */

#include <stddef.h>
#include <stdint.h>

struct ktls_bytes {
	uint8_t *data;
	size_t len;
};

void ktls_bytes_free(struct ktls_bytes *bytes);

/* -ENOMEM, with nothing changed. */
int ktls_bytes_append(struct ktls_bytes *bytes, const void *data, size_t len);

#endif
