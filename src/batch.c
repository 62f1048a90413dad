/* SPDX-License-Identifier: MIT */

/* Records side by side in a buffer; see batch.h. */

#include <errno.h>

#include "base/sys.h"
#include "batch.h"
#include "config.h"
#include "conn.h"
#include "pool.h"

/* How long a payload is with its padding (RFC 8446 5.4). */
static size_t padded(const struct ktls_conn *conn, size_t len)
{
	size_t block = conn->protocol == KTLS_TLS_1_3 ? conn->config->padding : 0;
	size_t full = block ? (len + block - 1) / block * block : len;

	return full < conn->payload_max ? full : conn->payload_max;
}

size_t ktls_batch_record_len(const struct ktls_conn *conn, size_t len)
{
	const struct kern_keys *keys = &conn->half[KTLS_TX].keys;

	return padded(conn, len) + kern_record_overhead(keys->protocol, keys->cipher);
}

static struct iovec payload_of(const struct ktls_batch *batch, size_t i)
{
	size_t done = i * batch->payload_max;
	size_t left = batch->plain_len - done;

	return (struct iovec){
		.iov_base = batch->buffer + i * batch->stride + batch->payload_offset,
		.iov_len = left < batch->payload_max ? left : batch->payload_max,
	};
}

struct ktls_batch ktls_batch_plan(const struct ktls_conn *conn, uint8_t type, uint64_t plain_left)
{
	const struct ktls_half *half = &conn->half[KTLS_TX];
	struct ktls_batch batch = {
		.buffer = half->user.buffer + half->user.end,
		.base = half->user.end,
		.payload_offset = (uint32_t)ktls_record_payload_offset(&half->keys),
		.payload_max = type == KERN_RECORD_DATA ? conn->pace.payload : conn->payload_max,
		.count = half->user.batch,
	};
	uint32_t room;
	size_t last;

	batch.stride = (uint32_t)ktls_batch_record_len(conn, batch.payload_max);
	room = (KTLS_POOL_BUFFER_LEN - batch.base) / batch.stride;
	if (batch.count > room)
		batch.count = room;
	if (plain_left < batch.count * batch.payload_max)
		batch.count = (uint32_t)((plain_left + batch.payload_max - 1) / batch.payload_max);
	batch.plain_len = batch.count * batch.payload_max;
	if (batch.plain_len > plain_left)
		batch.plain_len = (uint32_t)plain_left;
	last = payload_of(&batch, batch.count - 1).iov_len;
	batch.wire_len =
		(uint32_t)((batch.count - 1) * batch.stride + ktls_batch_record_len(conn, last));
	return batch;
}

int ktls_batch_seal(const struct ktls_conn *conn, const struct ktls_batch *batch, uint8_t type)
{
	const struct ktls_half *half = &conn->half[KTLS_TX];
	int r;

	for (size_t i = 0; i < batch->count; i++) {
		size_t len = payload_of(batch, i).iov_len;

		r = ktls_record_seal(half->user.aead, &half->keys, half->keys.seq + i, type,
				     batch->buffer + i * batch->stride, len,
				     padded(conn, len) - len);
		if (r < 0)
			return r;
	}
	return 0;
}

void ktls_batch_fill(const struct ktls_batch *batch, struct ktls_cursor cursor)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct iovec payload = payload_of(batch, i);

		ktls_cursor_read(&cursor, payload.iov_base, payload.iov_len);
	}
}

int ktls_batch_read(int file_fd, uint64_t offset, const struct ktls_batch *batch)
{
	struct iovec iov[KTLS_POOL_BATCH];
	struct ktls_cursor cursor = { .iov = iov, .count = (int)batch->count };
	size_t done = 0;

	for (size_t i = 0; i < batch->count; i++)
		iov[i] = payload_of(batch, i);
	while (done < batch->plain_len) {
		struct iovec rest[KTLS_POOL_BATCH];
		int count = ktls_cursor_window(&cursor, rest, KTLS_POOL_BATCH);
		ssize_t n = ktls_sys.preadv(file_fd, rest, count, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -KTLS_E_FILE_SHORT;
		ktls_cursor_advance(&cursor, (size_t)n);
		done += (size_t)n;
	}
	return 0;
}
