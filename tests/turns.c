/* SPDX-License-Identifier: MIT */

/* Ops and what became of them; see turns.h. */

#include <criterion/criterion.h>
#include <string.h>

#include "tests/ring_kind.h"
#include "tests/ringing.h"
#include "tests/turns.h"

enum {
	EVENTS = 16,
};

struct ktls_ring *turns_ring(uint32_t conns, uint32_t buffers)
{
	const struct ktls_ring_options options = {
		.conns = conns,
		.buffers = buffers,
		.kind = ring_kind(),
	};
	struct ktls_ring *ring = NULL;
	int r;

	if (options.kind == KTLS_RING_IO_URING)
		ringing_require();
	r = ktls_ring_new(&ring, &options, sizeof(options));
	cr_assert(!r, "%s: %s", ktls_strerrorname(r), ktls_ring_error());
	return ring;
}

static struct pair join(struct ktls_ring *ring, const struct pair_options *options)
{
	struct pair pair = pair_open(options);

	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_ring_add(ring, pair.conn[end]));
	return pair;
}

struct pair turns_pair(struct ktls_ring *ring, int buffer_bytes)
{
	const struct pair_options options = { .cipher = -1, .buffer_bytes = buffer_bytes };

	return join(ring, &options);
}

struct pair turns_pair_user(struct ktls_ring *ring, int buffer_bytes)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.buffer_bytes = buffer_bytes;
	return join(ring, &options);
}

struct ktls_op *turns_op(struct turns_op *op)
{
	op->event = (struct ktls_event){ .op = NULL };
	op->events = op->end = 0;
	op->op.user = op;
	return &op->op;
}

size_t turns_wait(struct ktls_ring *ring, uint64_t deadline_ns)
{
	struct ktls_event events[EVENTS];
	size_t n = EVENTS;
	int r = ktls_ring_wait(ring, deadline_ns, events, EVENTS, &n);

	cr_assert(!r || r == KTLS_TIMEDOUT, "%s", ktls_strerrorname(r));
	cr_assert(n <= EVENTS && !n == (r == KTLS_TIMEDOUT));
	for (size_t i = 0; i < n; i++) {
		struct turns_op *op = events[i].op ? events[i].op->user : NULL;

		if (!op)
			continue;
		cr_assert(!op->end, "an event after the last one");
		op->event = events[i];
		op->events++;
		op->end += !events[i].more;
	}
	return n;
}

int turns_end(struct ktls_ring *ring, struct turns_op *op)
{
	const uint64_t deadline_ns = ktls_deadline_in(TURNS_PATIENCE_MS);

	while (!op->end)
		cr_assert(turns_wait(ring, deadline_ns) || ktls_deadline_in(0) < deadline_ns,
			  "it has not ended");
	return op->event.result;
}

void turns_quiet(struct ktls_ring *ring)
{
	cr_assert_eq(turns_wait(ring, ktls_deadline_in(TURNS_QUIET_MS)), 0);
}

int turns_cancel(struct ktls_ring *ring, struct turns_op *op)
{
	cr_assert_eq(ktls_op_cancel(&op->op), 0);
	return turns_end(ring, op);
}

void turns_carry(struct ktls_ring *ring, struct pair *pair, enum pair_end from)
{
	static const char said[] = "some bytes, and then some more of them";
	struct turns_op write = { .end = 0 }, read = { .end = 0 };
	char heard[sizeof(said)];
	size_t got = 0;

	cr_assert(!ktls_op_write(turns_op(&write), pair->conn[from], said, sizeof(said),
				 KTLS_FOREVER));
	while (got < sizeof(said)) {
		cr_assert(!ktls_op_read(turns_op(&read), pair->conn[!from], heard + got,
					sizeof(heard) - got, KTLS_FOREVER));
		cr_assert(!turns_end(ring, &read), "%s", ktls_conn_error(pair->conn[!from]));
		got += read.event.n;
	}
	cr_assert(!turns_end(ring, &write) && write.event.n == sizeof(said));
	cr_assert_arr_eq(heard, said, sizeof(said));
}
