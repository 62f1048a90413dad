/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_BATCH_H
#define KTLS_SRC_BATCH_H

/*
 * Several records that are made at once, side by side in a buffer of userspace protection, so that
 * they leave with one call: planned, filled with plaintext, sealed in place. What of them TCP then
 * took is protect_user.c's affair.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

struct ktls_conn;

/* All full but the last. */
struct ktls_batch {
	uint8_t *buffer;	 /* where the first of them begins */
	uint32_t base;		 /* that place's offset */
	uint32_t payload_offset; /* in each record */
	uint32_t payload_max;
	uint32_t stride; /* of a full record, padded */
	uint32_t count;
	uint32_t plain_len, wire_len; /* of all */
};

/* How long a record of so many bytes is on its way. */
size_t ktls_batch_record_len(const struct ktls_conn *conn, size_t len);

/* As many as the data, the last answer of the socket and the room behind what is held there allow.
 */
struct ktls_batch ktls_batch_plan(const struct ktls_conn *conn, uint8_t type, uint64_t plain_left);

/* Its plaintext, from memory or from a file: -KTLS_E_FILE_SHORT if that ends first. */
void ktls_batch_fill(const struct ktls_batch *batch, struct ktls_cursor cursor);
int ktls_batch_read(int file_fd, uint64_t offset, const struct ktls_batch *batch);

/* Protects it; the records' numbers are the next ones, and not used up by it. */
int ktls_batch_seal(const struct ktls_conn *conn, const struct ktls_batch *batch, uint8_t type);

#endif
