/* SPDX-License-Identifier: MIT */

/*
 * Ops: slots in a table of fixed size, each with a generation that its completions carry, so that a
 * late one never reaches the slot's next op. Every op has exactly one last event, however it ends.
 *
 *   FREE -> LIVE -> [CANCELLING] -> [DONE] -> FREE
 *
 * DONE waits for the deadline's own completion: only that tells a deadline from other ends.
 */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "base/deadline.h"
#include "uring/inside.h"

#define NS_PER_S 1000000000ull

enum {
	RETRY_NS = 10000000, /* between two cancels of an op that the first did not find */
	KERNEL_ERESTARTSYS = 512,
};

/* What no handle and no user_data of ours is. */
#define NOBODY UINT64_MAX

/* -- slots -- */

static void set_state(struct op *op, enum op_state state)
{
	static const uint8_t allowed[_OP_STATE_N] = {
		[OP_FREE] = 1u << OP_LIVE,
		[OP_LIVE] = 1u << OP_CANCELLING | 1u << OP_DONE | 1u << OP_FREE,
		[OP_CANCELLING] = 1u << OP_DONE | 1u << OP_FREE,
		[OP_DONE] = 1u << OP_FREE,
	};

	assert(allowed[op->state] & 1u << state);
	op->state = (uint8_t)state;
}

uint64_t ops_user_data(enum role role, uint32_t generation, uint32_t slot)
{
	return (uint64_t)generation << (SLOT_BITS + ROLE_BITS) | (uint64_t)role << SLOT_BITS | slot;
}

static enum role role_of(uint64_t user_data)
{
	return (enum role)(user_data >> SLOT_BITS & ((1u << ROLE_BITS) - 1));
}

/* The live op that it speaks of, or NULL. */
static struct op *find(struct uring *ring, uint64_t user_data)
{
	uint32_t slot = (uint32_t)(user_data & NO_SLOT);
	struct op *op;

	if (slot >= ring->options.ops)
		return NULL;
	op = &ring->ops[slot];
	if (op->state == OP_FREE ||
	    op->generation != (uint32_t)(user_data >> (SLOT_BITS + ROLE_BITS)))
		return NULL;
	return op;
}

static uint64_t name_of(const struct uring *ring, const struct op *op, enum role role)
{
	return ops_user_data(role, op->generation, (uint32_t)(op - ring->ops));
}

int ops_new(struct uring *ring)
{
	ring->ops = calloc(ring->options.ops, sizeof(*ring->ops));
	if (!ring->ops)
		return -ENOMEM;
	for (uint32_t i = 0; i < ring->options.ops; i++)
		ring->ops[i] = (struct op){
			.next_free = i + 1 < ring->options.ops ? i + 1 : NO_SLOT,
			.generation = 1,
		};
	return 0;
}

void ops_free(struct uring *ring)
{
	free(ring->ops);
	ring->ops = NULL;
}

static struct op *take_slot(struct uring *ring, const struct uring_request *request)
{
	struct op *op = &ring->ops[ring->free_op];

	ring->free_op = op->next_free;
	ring->live++;
	ring->writes += request->kind == URING_WRITE;
	set_state(op, OP_LIVE);
	op->tag = request->tag;
	op->kind = (uint8_t)request->kind;
	op->to_direct = request->flags & URING_TO_DIRECT;
	op->buffer = request->buffer ? uring_buffer_ref(request->buffer) : NULL;
	op->pool = request->pool;
	if (op->pool)
		pool_use(op->pool);
	return op;
}

static void set_retry(struct uring *ring, struct op *op, bool retry)
{
	if (op->retry == retry)
		return;
	op->retry = retry;
	ring->retries += retry ? 1 : -1u;
	if (retry && ring->retries == 1)
		ring->retry_at_ns = ktls_deadline_clock() + RETRY_NS;
}

static void release_slot(struct uring *ring, struct op *op)
{
	uint32_t generation = op->generation + 1;
	uint8_t kind = op->kind;

	set_retry(ring, op, false);
	if (op->pool)
		pool_unuse(op->pool);
	uring_buffer_unref(op->buffer);
	set_state(op, OP_FREE);
	*op = (struct op){ .next_free = ring->free_op, .generation = generation ? generation : 1 };
	ring->free_op = (uint32_t)(op - ring->ops);
	ring->live--;
	ring->writes -= kind == URING_WRITE;
}

/* -- starting -- */

static bool has_deadline(const struct uring_request *request)
{
	return request->deadline_ns && request->deadline_ns != KTLS_FOREVER;
}

static unsigned int free_slots(const struct uring *ring)
{
	return ring->options.ops - ring->live;
}

/* *ret_sqes is how many entries the chain takes. */
static int check_chain(const struct uring *ring, const struct uring_request *requests,
		       unsigned int n, unsigned int *ret_sqes)
{
	unsigned int sqes = n;

	if (!n || n > URING_CHAIN_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		int r = request_check(ring, &requests[i]);

		if (r < 0)
			return r;
		if (has_deadline(&requests[i]))
			sqes++;
	}
	/* A chain ends where a submission does, so it has to fit as a whole. */
	if (sqes > ring->io.sq.ring_entries || n > ring->options.ops)
		return -EINVAL;
	*ret_sqes = sqes;
	return 0;
}

static void add_deadline(struct uring *ring, struct op *op, uint64_t deadline_ns, bool linked)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	op->deadline.tv_sec = (long long)(deadline_ns / NS_PER_S);
	op->deadline.tv_nsec = (long long)(deadline_ns % NS_PER_S);
	io_uring_prep_link_timeout(sqe, &op->deadline, IORING_TIMEOUT_ABS);
	sqe->user_data = name_of(ring, op, OF_DEADLINE);
	sqe->flags |= linked ? IOSQE_IO_LINK : 0;
	op->has_deadline = true;
}

static uint64_t add_op(struct uring *ring, const struct uring_request *request, bool linked)
{
	struct op *op = take_slot(ring, request);
	uint8_t link = request->flags & URING_ALWAYS ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK;

	op->sqe = ring_sqe(ring);
	op->number = ring->prepared;
	request_fill(request, op->sqe);
	op->sqe->user_data = name_of(ring, op, OF_OP);
	if (linked || has_deadline(request))
		op->sqe->flags |= link;
	if (has_deadline(request))
		add_deadline(ring, op, request->deadline_ns, linked);
	return name_of(ring, op, OF_OP);
}

int uring_start(struct uring *ring, const struct uring_request *requests, unsigned int n,
		uint64_t *ret_ops)
{
	unsigned int sqes;
	int r = check_chain(ring, requests, n, &sqes);

	if (r < 0)
		return r;
	if (n > free_slots(ring))
		return KTLS_WANT_BUFFER;
	r = ring_reserve(ring, sqes);
	if (r)
		return r;
	for (unsigned int i = 0; i < n; i++) {
		uint64_t op = add_op(ring, &requests[i], i + 1 < n);

		if (ret_ops)
			ret_ops[i] = op;
	}
	return 0;
}

/* -- cancelling -- */

/*
 * Before the kernel saw it, an op is turned into one that fails, and takes the rest of its chain
 * with it as any failure: a cancel of nobody.
 */
static void withdraw(struct op *op)
{
	struct io_uring_sqe *sqe = op->sqe;
	uint64_t user_data = sqe->user_data;
	uint8_t links = sqe->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);

	*sqe = (struct io_uring_sqe){ 0 };
	io_uring_prep_cancel64(sqe, NOBODY, 0);
	sqe->user_data = user_data;
	sqe->flags = links;
	op->withdrawn = true;
}

/* What cannot be sent now is sent later: the caller is never refused. */
static void send_cancel(struct uring *ring, struct op *op)
{
	struct io_uring_sqe *sqe;

	if (ring_reserve(ring, 1) != 0) {
		set_retry(ring, op, true);
		return;
	}
	set_retry(ring, op, false);
	sqe = ring_sqe(ring);
	io_uring_prep_cancel64(sqe, name_of(ring, op, OF_OP), 0);
	sqe->user_data = name_of(ring, op, OF_CANCEL);
}

static void cancel(struct uring *ring, struct op *op)
{
	if (op->state != OP_LIVE)
		return;
	set_state(op, OP_CANCELLING);
	op->cancelled = true;
	if (ring_has_not_submitted(ring, op->number))
		withdraw(op);
	else
		send_cancel(ring, op);
}

int uring_cancel(struct uring *ring, uint64_t name)
{
	struct op *op = role_of(name) == OF_OP ? find(ring, name) : NULL;

	if (!op)
		return -ENOENT;
	cancel(ring, op);
	return 0;
}

void ops_cancel_all(struct uring *ring)
{
	for (uint32_t i = 0; ring->live && i < ring->options.ops; i++)
		cancel(ring, &ring->ops[i]);
}

/*
 * A cancel misses an op that has not begun because its chain is not so far, and one that is on its
 * way between two places in the kernel. Both are rare, so they are looked for.
 */
void ops_retry_cancels(struct uring *ring)
{
	if (!ring->retries || ktls_deadline_clock() < ring->retry_at_ns)
		return;
	ring->retry_at_ns = ktls_deadline_clock() + RETRY_NS;
	for (uint32_t i = 0; ring->retries && i < ring->options.ops; i++) {
		if (ring->ops[i].retry)
			send_cancel(ring, &ring->ops[i]);
	}
}

/* -- completions -- */

/* ERESTARTSYS, which no program should see: a splice in a worker of the kernel's leaves it. */
static bool was_stopped(int32_t res)
{
	return res == -ECANCELED || res == -EINTR || res == -KERNEL_ERESTARTSYS;
}

static int32_t result_of(const struct op *op, int32_t res)
{
	if (op->withdrawn)
		return -ECANCELED;
	if (!was_stopped(res))
		return res;
	return op->timed_out && !op->cancelled ? -ETIME : -ECANCELED;
}

static int32_t buffer_of(const struct op *op, uint32_t cqe_flags)
{
	unsigned int buffer = cqe_flags >> IORING_CQE_BUFFER_SHIFT;

	if (!op->pool || !(cqe_flags & IORING_CQE_F_BUFFER))
		return -1;
	pool_take(op->pool, buffer);
	if (!op->pool->dying)
		return (int32_t)buffer;
	uring_pool_give(op->pool, (int32_t)buffer);
	return -1;
}

/* What an event holds that nobody will take. */
static void throw_away(struct op *op, const struct uring_event *event)
{
	bool is_fd = (op->kind == URING_ACCEPT && !op->to_direct) || op->kind == URING_INSTALL;

	if (event->buffer >= 0)
		uring_pool_give(op->pool, event->buffer);
	if (is_fd && event->res >= 0)
		close(event->res);
}

static void tell(struct uring *ring, struct op *op, int32_t res, uint32_t cqe_flags,
		 struct uring_event *ret)
{
	*ret = (struct uring_event){
		.op = name_of(ring, op, OF_OP),
		.tag = op->tag,
		.res = result_of(op, res),
		.more = cqe_flags & IORING_CQE_F_MORE,
		.pending = cqe_flags & IORING_CQE_F_SOCK_NONEMPTY,
		.buffer = buffer_of(op, cqe_flags),
	};
	if (ring->draining)
		throw_away(op, ret);
	if (!ret->more)
		release_slot(ring, op);
}

static bool complete_op(struct uring *ring, struct op *op, const struct io_uring_cqe *cqe,
			struct uring_event *ret)
{
	assert(op->state != OP_DONE);
	if (op->has_deadline) {
		set_state(op, OP_DONE);
		set_retry(ring, op, false);
		op->res = cqe->res;
		op->cqe_flags = cqe->flags & ~IORING_CQE_F_MORE;
		return false;
	}
	tell(ring, op, cqe->res, cqe->flags, ret);
	return true;
}

/*
 * -ECANCELED: the op, or its chain, came to its end before. Otherwise the time has come: -ETIME, or
 * -EALREADY where a worker had to be stopped, for which 6.1 says -ENOENT.
 */
static bool complete_deadline(struct uring *ring, struct op *op, const struct io_uring_cqe *cqe,
			      struct uring_event *ret)
{
	op->has_deadline = false;
	op->timed_out = cqe->res != -ECANCELED;
	if (op->state != OP_DONE)
		return false;
	tell(ring, op, op->res, op->cqe_flags, ret);
	return true;
}

bool ops_complete(struct uring *ring, const struct io_uring_cqe *cqe, struct uring_event *ret)
{
	struct op *op = find(ring, cqe->user_data);

	if (!op)
		return false;
	switch (role_of(cqe->user_data)) {
	case OF_OP:
		return complete_op(ring, op, cqe, ret);
	case OF_DEADLINE:
		return complete_deadline(ring, op, cqe, ret);
	case OF_CANCEL:
		if (cqe->res < 0 && op->state == OP_CANCELLING)
			set_retry(ring, op, true);
		return false;
	case OF_WAKE:
		return false;
	}
	return false;
}
