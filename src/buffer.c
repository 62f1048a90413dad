/* SPDX-License-Identifier: MIT */

/* Registered memory, and the ops that use it; see ktls/buffer.h. The buffer itself is uring's. */

#include <errno.h>

#include <ktls/buffer.h>

#include "ring.h"

static struct uring_buffer *inside(const struct ktls_buffer *buffer)
{
	return (struct uring_buffer *)(uintptr_t)buffer;
}

static struct ktls_buffer *outside(struct uring_buffer *buffer)
{
	return (struct ktls_buffer *)(void *)buffer;
}

int ktls_buffer_new(struct ktls_buffer **ret_buffer, struct ktls_ring *ring, size_t size)
{
	struct uring_buffer *buffer;
	int r;

	static_assert((int)KTLS_BUFFER_SIZE_MAX == (int)URING_BUFFER_LEN_MAX, "the kernel's");
	if (!ret_buffer || !ring)
		return -EINVAL;
	r = uring_buffer_new(&buffer, ring->uring, size);
	if (r < 0)
		return r;
	*ret_buffer = outside(buffer);
	return 0;
}

struct ktls_buffer *ktls_buffer_ref(struct ktls_buffer *buffer)
{
	return outside(uring_buffer_ref(inside(buffer)));
}

struct ktls_buffer *ktls_buffer_unref(struct ktls_buffer *buffer)
{
	return outside(uring_buffer_unref(inside(buffer)));
}

void *ktls_buffer_data(const struct ktls_buffer *buffer)
{
	return inside(buffer)->data;
}

size_t ktls_buffer_size(const struct ktls_buffer *buffer)
{
	return inside(buffer)->len;
}

bool ktls_buffer_is_registered(const struct ktls_buffer *buffer)
{
	return inside(buffer)->registered;
}

/* -- Ops -- */

static bool is_range(const struct ktls_ring *ring, const struct ktls_buffer *buffer, size_t at,
		     size_t len)
{
	const struct uring_buffer *memory = inside(buffer);

	return memory && memory->ring == ring->uring && at <= memory->len &&
	       len <= memory->len - at;
}

/* Where it begins for an op of the connection; NULL: it may not. */
static uint8_t *begin_of(const struct ktls_conn *conn, const struct ktls_buffer *buffer, size_t at,
			 size_t len)
{
	bool fits = conn && conn->lane && is_range(conn->lane->ring, buffer, at, len);

	return fits ? inside(buffer)->data + at : NULL;
}

/* An op that was started holds it. */
static int keep(struct ktls_op *op, const struct ktls_buffer *buffer, int r)
{
	if (!r)
		ktls_task_of(op)->buffer = uring_buffer_ref(inside(buffer));
	return r;
}

int ktls_op_read_buffer(struct ktls_op *op, struct ktls_conn *conn, struct ktls_buffer *buffer,
			size_t at, size_t len, uint64_t deadline_ns)
{
	uint8_t *data = begin_of(conn, buffer, at, len);

	if (!data)
		return -EINVAL;
	return keep(op, buffer, ktls_op_read(op, conn, data, len, deadline_ns));
}

int ktls_op_write_buffer(struct ktls_op *op, struct ktls_conn *conn, struct ktls_buffer *buffer,
			 size_t at, size_t len, uint64_t deadline_ns)
{
	uint8_t *data = begin_of(conn, buffer, at, len);

	if (!data)
		return -EINVAL;
	return keep(op, buffer, ktls_op_write(op, conn, data, len, deadline_ns));
}

int ktls_op_read_file(struct ktls_op *op, struct ktls_ring *ring, int file_fd, uint64_t offset,
		      struct ktls_buffer *buffer, size_t at, size_t len, uint64_t deadline_ns)
{
	struct uring_request request = { .kind = URING_READ, .fd = file_fd, .offset = offset };

	if (file_fd < 0 || offset > INT64_MAX || !ring || !is_range(ring, buffer, at, len))
		return -EINVAL;
	request.buffer = inside(buffer);
	request.data = request.buffer->data + at;
	request.len = len;
	return ktls_task_begin_one(op, ring, &request, deadline_ns);
}
