/* SPDX-License-Identifier: MIT */

/*
 * Memory that the ring knows: registered buffers, each held by its owner and by every op that uses
 * it, and pools that the kernel takes a buffer from when data is there, so that whoever only waits
 * holds none.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.h"
#include "uring/inside.h"

enum {
	ALIGNMENT = 64, /* of a pool's buffers: control messages want 8, caches 64 */
};

static void *map(size_t len)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static size_t whole_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

/* -- the table of registered buffers -- */

/* Without a table every buffer is an unregistered one. */
int buffers_new(struct uring *ring)
{
	unsigned int n = ring->options.buffers;

	if (!n || !uring_has(ring, URING_HAS_BUFFERS))
		return 0;
	ring->free_buffers = calloc(n, sizeof(*ring->free_buffers));
	if (!ring->free_buffers)
		return -ENOMEM;
	if (io_uring_register_buffers_sparse(&ring->io, n) < 0)
		return 0;
	while (n)
		ring->free_buffers[ring->free_buffers_n++] = --n;
	return 0;
}

static int update_table(struct uring *ring, unsigned int index, void *data, size_t len)
{
	const struct iovec iov = { .iov_base = data, .iov_len = len };
	const __u64 tag = 0;
	int r = io_uring_register_buffers_update_tag(&ring->io, index, &iov, &tag, 1);

	return r < 0 ? r : 0;
}

static bool enter_table(struct uring *ring, struct uring_buffer *buffer)
{
	if (!ring->free_buffers_n)
		return false;
	buffer->index = ring->free_buffers[ring->free_buffers_n - 1];
	if (update_table(ring, buffer->index, buffer->data, buffer->len) < 0)
		return false;
	ring->free_buffers_n--;
	return true;
}

static void leave_table(struct uring *ring, const struct uring_buffer *buffer)
{
	if (!buffer->registered)
		return;
	/* That cannot fail; if it did, the place would stay taken. */
	if (update_table(ring, buffer->index, NULL, 0) == 0)
		ring->free_buffers[ring->free_buffers_n++] = buffer->index;
}

static void enter_ring(struct uring_buffer *buffer)
{
	struct uring *ring = buffer->ring;

	buffer->registered = enter_table(ring, buffer);
	buffer->next = ring->buffers;
	if (buffer->next)
		buffer->next->previous = buffer;
	ring->buffers = buffer;
}

static void leave_ring(struct uring_buffer *buffer)
{
	leave_table(buffer->ring, buffer);
	if (buffer->next)
		buffer->next->previous = buffer->previous;
	if (buffer->previous)
		buffer->previous->next = buffer->next;
	else
		buffer->ring->buffers = buffer->next;
	buffer->ring = NULL;
	buffer->registered = false;
}

/* The table went with the kernel's ring. */
void buffers_free(struct uring *ring)
{
	while (ring->buffers) {
		ring->buffers->registered = false;
		leave_ring(ring->buffers);
	}
	free(ring->free_buffers);
	ring->free_buffers = NULL;
}

/* -- buffers -- */

int uring_buffer_new(struct uring_buffer **ret_buffer, struct uring *ring, size_t len)
{
	struct uring_buffer *buffer;

	if (!len || len > URING_BUFFER_LEN_MAX)
		return -EINVAL;
	buffer = malloc(sizeof(*buffer));
	if (!buffer)
		return -ENOMEM;
	len = whole_pages(len);
	*buffer = (struct uring_buffer){ .data = map(len), .len = len, .ring = ring, .refs = 1 };
	if (!buffer->data) {
		free(buffer);
		return -ENOMEM;
	}
	if (ring)
		enter_ring(buffer);
	*ret_buffer = buffer;
	return 0;
}

struct uring_buffer *uring_buffer_ref(struct uring_buffer *buffer)
{
	assert(buffer->refs);
	buffer->refs++;
	return buffer;
}

struct uring_buffer *uring_buffer_unref(struct uring_buffer *buffer)
{
	if (!buffer)
		return NULL;
	assert(buffer->refs);
	if (--buffer->refs)
		return NULL;
	if (buffer->ring)
		leave_ring(buffer);
	munmap(buffer->data, buffer->len);
	free(buffer);
	return NULL;
}

/* -- pools -- */

static size_t stride_of(const struct uring_pool *pool)
{
	return (pool->size + (size_t)ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void destroy(struct uring_pool *pool)
{
	if (pool->data)
		munmap(pool->data, pool->mapped);
	if (pool->shared)
		munmap(pool->shared, whole_pages(pool->count * sizeof(struct io_uring_buf)));
	free(pool->out);
	free(pool);
}

static void destroy_pointer(struct uring_pool **pool)
{
	if (*pool)
		destroy(*pool);
}

static int find_group(const struct uring *ring)
{
	for (int i = 0; i < URING_POOLS_MAX; i++) {
		if (!ring->pools[i])
			return i;
	}
	return -ENOSPC;
}

static int register_pool(struct uring_pool *pool)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)pool->shared,
		.ring_entries = pool->count,
		.bgid = pool->group,
	};

	return io_uring_register_buf_ring(&pool->ring->io, &reg, 0);
}

static int check_pool(const struct uring *ring, unsigned int count, unsigned int size)
{
	if (!count || count > URING_POOL_COUNT_MAX || count & (count - 1) || !size ||
	    size > URING_POOL_SIZE_MAX)
		return -EINVAL;
	if (!uring_has(ring, URING_HAS_POOLS))
		return -EOPNOTSUPP;
	return find_group(ring);
}

/* Puts it where the kernel takes from; the tail moves with it. */
static void offer(struct uring_pool *pool, unsigned int buffer)
{
	io_uring_buf_ring_add(pool->shared, pool->data + buffer * stride_of(pool), pool->size,
			      (unsigned short)buffer, io_uring_buf_ring_mask(pool->count), 0);
	io_uring_buf_ring_advance(pool->shared, 1);
	pool->left++;
}

int uring_pool_new(struct uring_pool **ret_pool, struct uring *ring, unsigned int count,
		   unsigned int size)
{
	_cleanup_(destroy_pointer) struct uring_pool *pool = NULL;
	int group = check_pool(ring, count, size);
	int r;

	if (group < 0)
		return group;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->ring = ring;
	pool->count = count;
	pool->size = size;
	pool->group = (uint16_t)group;
	pool->out = calloc(count, sizeof(*pool->out));
	pool->mapped = whole_pages(count * stride_of(pool));
	pool->data = map(pool->mapped);
	pool->shared = map(whole_pages(count * sizeof(struct io_uring_buf)));
	if (!pool->out || !pool->data || !pool->shared)
		return -ENOMEM;
	r = register_pool(pool);
	if (r < 0)
		return r;
	io_uring_buf_ring_init(pool->shared);
	for (unsigned int i = 0; i < count; i++)
		offer(pool, i);
	ring->pools[group] = pool;
	*ret_pool = pool;
	pool = NULL;
	return 0;
}

static void end_pool(struct uring_pool *pool)
{
	io_uring_unregister_buf_ring(&pool->ring->io, pool->group);
	pool->ring->pools[pool->group] = NULL;
	destroy(pool);
}

struct uring_pool *uring_pool_free(struct uring_pool *pool)
{
	if (!pool)
		return NULL;
	pool->dying = true;
	if (!pool->ops)
		end_pool(pool);
	return NULL;
}

void pool_use(struct uring_pool *pool)
{
	pool->ops++;
}

void pool_unuse(struct uring_pool *pool)
{
	assert(pool->ops);
	pool->ops--;
	if (pool->dying && !pool->ops)
		end_pool(pool);
}

void pool_take(struct uring_pool *pool, unsigned int buffer)
{
	assert(buffer < pool->count && !pool->out[buffer]);
	pool->out[buffer] = true;
	pool->left--;
}

void *uring_pool_data(const struct uring_pool *pool, int32_t buffer)
{
	assert(buffer >= 0 && (unsigned int)buffer < pool->count && pool->out[buffer]);
	return pool->data + (unsigned int)buffer * stride_of(pool);
}

void uring_pool_give(struct uring_pool *pool, int32_t buffer)
{
	assert(buffer >= 0 && (unsigned int)buffer < pool->count && pool->out[buffer]);
	pool->out[buffer] = false;
	offer(pool, (unsigned int)buffer);
}

unsigned int uring_pool_left(const struct uring_pool *pool)
{
	return pool->left;
}

/* -- messages in buffers -- */

static_assert(sizeof(struct io_uring_recvmsg_out) == URING_MESSAGE_HEADER, "the kernel's");

int uring_message(const void *data, int32_t res, const struct msghdr *msg,
		  struct uring_message *ret_message)
{
	const size_t rooms = (size_t)msg->msg_namelen + msg->msg_controllen;
	const uint8_t *bytes = data;
	struct io_uring_recvmsg_out out;
	size_t left;

	if (res < URING_MESSAGE_HEADER || (size_t)res - URING_MESSAGE_HEADER < rooms)
		return -EBADMSG;
	memcpy(&out, bytes, sizeof(out));
	left = (size_t)res - URING_MESSAGE_HEADER - rooms;
	if (out.controllen > msg->msg_controllen)
		return -EBADMSG;
	*ret_message = (struct uring_message){
		.control = bytes + URING_MESSAGE_HEADER + msg->msg_namelen,
		.control_len = out.controllen,
		.payload = bytes + URING_MESSAGE_HEADER + rooms,
		/* With MSG_TRUNC it is what there would have been. */
		.payload_len = out.payloadlen < left ? out.payloadlen : left,
		.flags = (int)out.flags,
	};
	return 0;
}
