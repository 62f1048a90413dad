/* SPDX-License-Identifier: MIT */

/* How ops end before they are done: cancelled at any time, late, drained; each exactly once. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "tests/kit.h"
#include "tests/ringing.h"

enum {
	OPS = 64,
	UNTOUCHED = 0x5a,
	MANY = 3000,
};

TestSuite(ends, .init = ringing_require);

/* -- cancels -- */

Test(ends, cancelled_before_it_was_submitted_it_never_began)
{
	struct uring *ring = ringing_new_plain(OPS);
	char in[8];
	uint64_t op;
	int fd[2];

	ringing_pair(fd);
	ringing_say(fd[0], "hello");
	memset(in, UNTOUCHED, sizeof(in));
	op = ringing_start(ring, ringing_recv(fd[1], in, sizeof(in)));
	cr_assert_eq(uring_cancel(ring, op), 0);
	cr_assert_eq(ringing_end_of(ring, op), -ECANCELED);
	ringing_quiet(ring);
	cr_assert_eq(in[0], UNTOUCHED);
	ringing_expect_waiting(fd[1], "hello");
	cr_assert_eq(uring_cancel(ring, op), -ENOENT);
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(ends, cancelled_before_it_was_submitted_it_takes_its_chain_along)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_request chain[] = {
		{ .kind = URING_NOP, .deadline_ns = ktls_deadline_in(RINGING_PATIENCE_MS) },
		{ .kind = URING_NOP },
		{ .kind = URING_NOP },
	};
	uint64_t ops[3];

	for (int which = 0; which < 3; which++) {
		cr_assert_eq(uring_start(ring, chain, 3, ops), 0);
		cr_assert_eq(uring_cancel(ring, ops[which]), 0);
		for (int i = 0; i < 3; i++) {
			struct uring_event event = ringing_next(ring);
			int place = event.op == ops[0] ? 0 : event.op == ops[1] ? 1 : 2;

			cr_assert_eq(event.op, ops[place]);
			cr_assert_eq(event.res, place < which ? 0 : -ECANCELED);
		}
		ringing_quiet(ring);
	}
	ringing_end(ring);
}

Test(ends, cancelled_in_flight_it_ends_once_and_touches_nothing_after)
{
	struct uring *ring = ringing_new_plain(OPS);
	char in[8];
	uint64_t op;
	int fd[2];

	ringing_pair(fd);
	memset(in, UNTOUCHED, sizeof(in));
	op = ringing_start(ring, ringing_recv(fd[1], in, sizeof(in)));
	ringing_submit(ring);
	cr_assert_eq(uring_cancel(ring, op), 0);
	cr_assert_eq(uring_cancel(ring, op), 0);
	cr_assert_eq(ringing_end_of(ring, op), -ECANCELED);
	ringing_say(fd[0], "hello");
	ringing_quiet(ring);
	cr_assert_eq(in[0], UNTOUCHED);
	ringing_expect_waiting(fd[1], "hello");
	ringing_end(ring);
	ringing_close_pair(fd);
}

/* Whether the kernel has done it by itself, or would as we wait, depends on the ring's flags. */
Test(ends, cancelled_when_its_bytes_are_there_it_has_them_or_leaves_them)
{
	struct uring *ring = ringing_new_plain(OPS);
	char in[8] = { UNTOUCHED };
	uint64_t op;
	int fd[2], r;

	ringing_pair(fd);
	op = ringing_start(ring, ringing_recv(fd[1], in, sizeof(in)));
	ringing_submit(ring);
	ringing_say(fd[0], "hello");
	usleep(1000);
	cr_assert_eq(uring_cancel(ring, op), 0);
	r = ringing_end_of(ring, op);
	cr_assert(r == 5 || r == -ECANCELED, "%d", r);
	cr_assert_eq(uring_cancel(ring, op), -ENOENT);
	ringing_quiet(ring);
	if (r < 0) {
		cr_assert_eq(in[0], UNTOUCHED);
		ringing_expect_waiting(fd[1], "hello");
	} else {
		cr_assert_arr_eq(in, "hello", 5);
	}
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(ends, cancelled_before_its_turn_in_the_chain_it_ends_when_its_turn_comes)
{
	struct uring *ring = ringing_new_plain(OPS);
	char in[2][8];
	struct uring_request chain[2];
	uint64_t ops[2];
	int fd[2], other[2];

	ringing_pair(fd);
	ringing_pair(other);
	chain[0] = ringing_recv(fd[1], in[0], sizeof(in[0]));
	chain[1] = ringing_recv(other[1], in[1], sizeof(in[1]));
	cr_assert_eq(uring_start(ring, chain, 2, ops), 0);
	ringing_submit(ring);
	cr_assert_eq(uring_cancel(ring, ops[1]), 0);
	ringing_quiet(ring);
	ringing_say(fd[0], "hello");
	cr_assert_eq(ringing_end_of(ring, ops[0]), 5);
	cr_assert_eq(ringing_end_of(ring, ops[1]), -ECANCELED);
	ringing_quiet(ring);
	ringing_end(ring);
	ringing_close_pair(fd);
	ringing_close_pair(other);
}

Test(ends, an_old_handle_does_not_reach_the_slots_next_op)
{
	struct uring *ring = ringing_new_plain(1);
	char in[8];
	uint64_t old, op;
	int fd[2];

	ringing_pair(fd);
	old = ringing_start(ring, (struct uring_request){ .kind = URING_NOP });
	cr_assert_eq(ringing_end_of(ring, old), 0);
	op = ringing_start(ring, ringing_recv(fd[1], in, sizeof(in)));
	cr_assert_neq(op, old);
	cr_assert_eq(uring_cancel(ring, old), -ENOENT);
	cr_assert_eq(uring_cancel(ring, 0), -ENOENT);
	cr_assert_eq(uring_cancel(ring, UINT64_MAX), -ENOENT);
	ringing_quiet(ring);
	ringing_say(fd[0], "x");
	cr_assert_eq(ringing_end_of(ring, op), 1);
	ringing_end(ring);
	ringing_close_pair(fd);
}

/* -- deadlines -- */

Test(ends, a_deadline_that_comes_first_ends_it)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_request request;
	char in[8];
	int fd[2];

	ringing_pair(fd);
	memset(in, UNTOUCHED, sizeof(in));
	request = ringing_recv(fd[1], in, sizeof(in));
	for (int i = 0; i < 3; i++) {
		request.deadline_ns = i ? ktls_deadline_in(10) : 1; /* long ago */
		cr_assert_eq(ringing_end_of(ring, ringing_start(ring, request)), -ETIME);
	}
	ringing_say(fd[0], "hello");
	ringing_quiet(ring);
	cr_assert_eq(in[0], UNTOUCHED);
	ringing_expect_waiting(fd[1], "hello");
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(ends, a_deadline_that_comes_later_is_not_felt)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_request request;
	char in[8];
	uint64_t op;
	int fd[2];

	ringing_pair(fd);
	request = ringing_recv(fd[1], in, sizeof(in));
	request.deadline_ns = ktls_deadline_in(RINGING_PATIENCE_MS);
	op = ringing_start(ring, request);
	ringing_submit(ring);
	ringing_say(fd[0], "hello");
	cr_assert_eq(ringing_end_of(ring, op), 5);
	cr_assert_eq(uring_live(ring), 0);

	op = ringing_start(ring, request);
	ringing_submit(ring);
	cr_assert_eq(uring_cancel(ring, op), 0);
	cr_assert_eq(ringing_end_of(ring, op), -ECANCELED);
	ringing_quiet(ring);

	request.deadline_ns = KTLS_FOREVER;
	op = ringing_start(ring, request);
	ringing_quiet(ring);
	ringing_end(ring);
	ringing_close_pair(fd);
}

Test(ends, each_of_a_chain_has_a_deadline_of_its_own)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_request chain[3];
	char in[3][8];
	uint64_t ops[3];
	int fd[2];

	ringing_pair(fd);
	ringing_say(fd[0], "hello");
	for (int i = 0; i < 3; i++) {
		chain[i] = ringing_recv(fd[1], in[i], sizeof(in[i]));
		chain[i].deadline_ns = ktls_deadline_in(i == 1 ? 10 : RINGING_PATIENCE_MS);
	}
	cr_assert_eq(uring_start(ring, chain, 3, ops), 0);
	cr_assert_eq(ringing_end_of(ring, ops[0]), 5);
	for (int i = 0; i < 2; i++) {
		struct uring_event event = ringing_next(ring);

		cr_assert(event.op == ops[1] || event.op == ops[2]);
		cr_assert_eq(event.res, event.op == ops[1] ? -ETIME : -ECANCELED);
	}
	cr_assert_eq(uring_live(ring), 0);
	ringing_end(ring);
	ringing_close_pair(fd);
}

/* -- in a worker of the kernel's, where a signal is what stops an op -- */

Test(ends, one_that_a_worker_runs_is_stopped_as_well)
{
	struct uring *ring = ringing_new_plain(OPS);
	struct uring_request request = {
		.kind = URING_SPLICE, .offset_in = UINT64_MAX, .offset = UINT64_MAX, .len = 5
	};
	int from[2], to[2];
	uint64_t op;

	cr_assert_eq(pipe2(from, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(to, O_CLOEXEC), 0);
	request.fd_in = from[0];
	request.fd = to[1];
	op = ringing_start(ring, request);
	ringing_quiet(ring);
	cr_assert_eq(uring_cancel(ring, op), 0);
	cr_assert_eq(ringing_end_of(ring, op), -ECANCELED);

	ringing_start(ring, request);
	ringing_quiet(ring);
	ringing_end(ring);
	ringing_close_pair(from);
	ringing_close_pair(to);
}

/* -- all of it at random -- */

struct chance {
	unsigned int state;
	int fd[2];
	char in[OPS][8];
	uint64_t op[OPS]; /* 0: none */
	unsigned int started;
	unsigned int ended;
};

static unsigned int dice(struct chance *chance, unsigned int n)
{
	return (unsigned int)rand_r(&chance->state) % n;
}

static void start_any(struct uring *ring, struct chance *chance, unsigned int place)
{
	struct uring_request request = ringing_recv(chance->fd[1], chance->in[place], 8);

	request.tag = place;
	if (!dice(chance, 3))
		request.kind = URING_NOP;
	if (!dice(chance, 2))
		request.deadline_ns = ktls_deadline_in(dice(chance, 4));
	chance->op[place] = ringing_start(ring, request);
	chance->started++;
}

static void take_events(struct uring *ring, struct chance *chance, uint64_t deadline_ns)
{
	struct uring_event events[8];
	unsigned int n;
	int r = uring_wait(ring, deadline_ns, events, 1 + dice(chance, 8), &n);

	cr_assert(r == 0 || r == KTLS_TIMEDOUT);
	for (unsigned int i = 0; i < n; i++) {
		cr_assert_eq(events[i].op, chance->op[events[i].tag]);
		cr_assert_not(events[i].more);
		chance->op[events[i].tag] = 0;
		chance->ended++;
	}
}

static void play(struct uring *ring, struct chance *chance)
{
	for (int i = 0; i < MANY; i++) {
		unsigned int place = dice(chance, OPS);

		if (!chance->op[place])
			start_any(ring, chance, place);
		else if (!dice(chance, 2))
			cr_assert_eq(uring_cancel(ring, chance->op[place]), 0);
		if (!dice(chance, 4))
			ringing_say(chance->fd[0], "x");
		if (!dice(chance, 3))
			take_events(ring, chance, KTLS_NOW);
	}
}

Test(ends, whatever_happens_each_op_ends_exactly_once)
{
	static const struct uring_options all[] = {
		{ .ops = OPS },
		{ .ops = OPS, .sq = 4, .cq = 4 },
		{ .ops = OPS, .avoid = 1u << URING_HAS_DEFERRED },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct uring *ring = ringing_new(&all[i]);
		static struct chance chance;

		chance = (struct chance){ .state = (unsigned int)i };
		ringing_pair(chance.fd);
		play(ring, &chance);
		for (unsigned int place = 0; place < OPS; place++) {
			if (chance.op[place])
				cr_assert_eq(uring_cancel(ring, chance.op[place]), 0);
		}
		while (chance.ended < chance.started)
			take_events(ring, &chance, ktls_deadline_in(RINGING_PATIENCE_MS));
		cr_assert_eq(uring_live(ring), 0);
		ringing_quiet(ring);
		ringing_end(ring);
		ringing_close_pair(chance.fd);
	}
}

/* -- draining -- */

Test(ends, draining_ends_all_and_closes_what_was_accepted)
{
	struct uring *ring = ringing_new(&(struct uring_options){ .ops = OPS, .sq = 2, .cq = 4 });
	int listener = ringing_listener(), client, fd[2];
	unsigned int before;
	char in[8];

	ringing_pair(fd);
	client = ringing_client(listener);
	before = kit_count_fds();
	ringing_start(ring, (struct uring_request){ .kind = URING_ACCEPT, .fd = listener });
	while (uring_live(ring) < OPS - 2)
		ringing_start(ring, ringing_recv(fd[1], in, sizeof(in)));
	{
		struct uring_request chain[] = { ringing_recv(fd[1], in, sizeof(in)),
						 ringing_recv(fd[1], in, sizeof(in)) };
		int r = uring_start(ring, chain, 2, NULL);

		cr_assert_eq(r, 0);
	}
	cr_assert_eq(uring_drain(ring, ktls_deadline_in(RINGING_PATIENCE_MS)), 0);
	cr_assert_eq(uring_live(ring), 0);
	cr_assert_eq(kit_count_fds(), before);
	/* It can be used after. */
	cr_assert_eq(
		ringing_end_of(ring,
			       ringing_start(ring, (struct uring_request){ .kind = URING_NOP })),
		0);
	ringing_end(ring);
	ringing_close_pair(fd);
	close(client);
	close(listener);
}
