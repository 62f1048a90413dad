/* SPDX-License-Identifier: MIT */

/*
 * A ring's life, and its turns: connections that can go on do, what they asked for goes to the
 * kernel, and what is done comes in, all with one system call. See ktls/ring.h.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/sized.h"
#include "ring.h"

enum {
	CONNS_DEFAULT = 1024,
	BUFFERS_DEFAULT = 64,
	FLIGHTS_PER_CONN = 3, /* one that reads, one that writes, one that polls */
	FLIGHTS_BESIDE = 64,
	TAG_BITS = 7,
};

/* -- Life -- */

static int set_up(struct ktls_ring *ring, const struct ktls_ring_options *asked)
{
	ring->lent = malloc(KTLS_RING_LENT_LEN);
	ring->unread = malloc(KTLS_RING_COLD_BYTES);
	if (!ring->lent || !ring->unread) {
		ktls_door_set_error("making a ring: %s", ktls_strerror(-ENOMEM));
		return -ENOMEM;
	}
	return ktls_door_open(ring, (enum ktls_ring_kind)asked->kind,
			      ring->conns_max * FLIGHTS_PER_CONN + FLIGHTS_BESIDE,
			      asked->buffers ? asked->buffers : BUFFERS_DEFAULT);
}

static int check(const struct ktls_ring_options *asked)
{
	if (asked->conns > KTLS_RING_CONNS_MAX || asked->buffers > KTLS_RING_BUFFERS_MAX ||
	    asked->buffers & (asked->buffers - 1)) {
		ktls_door_set_error("making a ring: %u connections, at most %u; %u buffers, a "
				    "power of two, at most %u",
				    asked->conns, KTLS_RING_CONNS_MAX, asked->buffers,
				    KTLS_RING_BUFFERS_MAX);
		return -EINVAL;
	}
	if (asked->kind >= _KTLS_RING_KIND_N) {
		ktls_door_set_error("making a ring: there is no kind %u of it", asked->kind);
		return -EINVAL;
	}
	return 0;
}

int ktls_ring_new(struct ktls_ring **ret_ring, const struct ktls_ring_options *options, size_t size)
{
	struct ktls_ring_options asked = { 0 };
	struct ktls_ring *ring;
	int r;

	ktls_door_set_error("%s", "");
	if (!ret_ring || (options && !size))
		return -EINVAL;
	if (options)
		ktls_sized_copy(&asked, sizeof(asked), options, size);
	r = check(&asked);
	if (r < 0)
		return r;
	ring = calloc(1, sizeof(*ring));
	if (!ring) {
		ktls_door_set_error("making a ring: %s", ktls_strerror(-ENOMEM));
		return -ENOMEM;
	}
	ring->conns_max = asked.conns ? asked.conns : CONNS_DEFAULT;
	ring->ready_end = &ring->ready;
	ring->accepted_end = &ring->accepted;
	ring->over_end = &ring->over;
	r = set_up(ring, &asked);
	if (r < 0) {
		ktls_ring_free(ring);
		return r;
	}
	*ret_ring = ring;
	return 0;
}

/* -- Connections -- */

int ktls_ring_add(struct ktls_ring *ring, struct ktls_conn *conn)
{
	struct ktls_lane *lane;

	if (!ring || !conn)
		return -EINVAL;
	if (conn->lane)
		return -EBUSY;
	if (conn->transport)
		return -EOPNOTSUPP;
	return ktls_lane_new(&lane, ring, conn);
}

/* -- Turns -- */

/* A pointer whose low bits are none of its own. */
uint64_t ktls_ring_tag(const void *of, enum ktls_flight flight)
{
	static_assert(sizeof(of) <= sizeof(uint64_t), "a pointer fits a tag");
	assert(!((uintptr_t)of & TAG_BITS) && (unsigned int)flight <= TAG_BITS);
	return (uint64_t)(uintptr_t)of | (unsigned int)flight;
}

static void land(struct ktls_ring *ring, const struct uring_event *event)
{
	enum ktls_flight flight = event->tag & TAG_BITS;
	void *of = (void *)(uintptr_t)(event->tag & ~(uint64_t)TAG_BITS);

	if (!event->op)
		ring->woken = true;
	else if (flight < _KTLS_FLIGHT_N)
		ktls_lane_landed(of, flight, event);
	else
		ktls_task_landed(of, flight, event);
}

/* Those that can go on now; who asks for more is in the next turn. */
static void run_ready(struct ktls_ring *ring)
{
	struct ktls_lane *lane = ring->ready, *next;

	ring->ready = NULL;
	ring->ready_end = &ring->ready;
	for (; lane; lane = next) {
		next = lane->next_ready;
		lane->ready = false;
		ktls_lane_run(lane);
	}
}

static bool has_events(const struct ktls_ring *ring)
{
	return ring->over || ring->accepted || ring->woken;
}

/* What was asked for goes out, what is done comes in. */
static int reap(struct ktls_ring *ring, uint64_t deadline_ns)
{
	struct uring_event events[KTLS_RING_EVENTS];
	unsigned int n;
	int r = ktls_door_wait(ring, deadline_ns, events, KTLS_RING_EVENTS, &n);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	for (unsigned int i = 0; !r && i < n; i++)
		land(ring, &events[i]);
	return 0;
}

static int turn(struct ktls_ring *ring, uint64_t deadline_ns)
{
	uint64_t next_ns;
	int r;

	run_ready(ring);
	next_ns = ktls_ring_next_ns(ring);
	if (next_ns < deadline_ns)
		deadline_ns = next_ns;
	if (ring->ready || has_events(ring))
		deadline_ns = KTLS_NOW;
	r = reap(ring, deadline_ns);
	if (r < 0)
		return r;
	ktls_ring_run_timers(ring);
	run_ready(ring);
	return 0;
}

static struct ktls_event take_accepted(struct ktls_ring *ring)
{
	struct ktls_lane *lane = ring->accepted;

	ring->accepted = lane->next_accepted;
	if (!ring->accepted)
		ring->accepted_end = &ring->accepted;
	return (struct ktls_event){
		.op = ktls_op_of(lane->accepted_by),
		.conn = lane->conn,
		.more = 1,
	};
}

static struct ktls_event take_over(struct ktls_ring *ring)
{
	struct ktls_task *task = ring->over;

	ring->over = task->next;
	if (!ring->over)
		ring->over_end = &ring->over;
	task->ring = NULL;
	if (task->kind == KTLS_TASK_RECEIVE && task->n)
		ring->lent_events--;
	return (struct ktls_event){
		.op = ktls_op_of(task),
		.conn = task->conn,
		.result = task->result,
		.n = task->n,
		.data = task->kind == KTLS_TASK_RECEIVE ? task->lent : NULL,
	};
}

static size_t take_events(struct ktls_ring *ring, struct ktls_event *events, size_t max)
{
	size_t n = 0;

	if (ring->woken && n < max) {
		events[n++] = (struct ktls_event){ .op = NULL };
		ring->woken = false;
	}
	while (ring->accepted && n < max)
		events[n++] = take_accepted(ring);
	while (!ring->accepted && ring->over && n < max)
		events[n++] = take_over(ring);
	return n;
}

int ktls_ring_wait(struct ktls_ring *ring, uint64_t deadline_ns, struct ktls_event *events,
		   size_t max, size_t *ret_n)
{
	int r;

	if (!ring || !events || !max || !ret_n)
		return -EINVAL;
	if (!ring->lent_events)
		ring->lent_used = 0;
	do {
		r = turn(ring, deadline_ns);
		if (r < 0)
			return r;
		*ret_n = take_events(ring, events, max);
		if (*ret_n)
			return KTLS_DONE;
	} while (deadline_ns != KTLS_NOW && ktls_deadline_clock() < deadline_ns);
	return KTLS_TIMEDOUT;
}

int ktls_ring_remove(struct ktls_ring *ring, struct ktls_conn *conn)
{
	struct ktls_lane *lane = conn ? conn->lane : NULL;
	int r;

	if (!ring || !lane || lane->ring != ring)
		return -EINVAL;
	if (lane->task[KTLS_RX] || lane->task[KTLS_TX])
		return -EBUSY;
	while (ktls_lane_is_in_flight(lane)) {
		ktls_lane_cancel_all(lane);
		r = turn(ring, KTLS_FOREVER);
		if (r < 0)
			return r;
	}
	if (lane->arrived)
		return -EBUSY;
	ktls_lane_unwake(lane);
	ktls_lane_drop(lane);
	return 0;
}

/* -- The end -- */

/* What is done meanwhile counts: a record that TCP took must not go out again. */
static int let_land(struct ktls_ring *ring)
{
	int r = 0;

	for (struct ktls_lane *lane = ring->lanes; lane; lane = lane->next)
		ktls_lane_cancel_all(lane);
	for (struct ktls_lane *lane = ring->lanes; !r && lane; lane = lane->next)
		while (!r && ktls_lane_is_in_flight(lane))
			r = reap(ring, KTLS_FOREVER);
	return r ? r : ktls_door_drain(ring);
}

struct ktls_ring *ktls_ring_free(struct ktls_ring *ring)
{
	if (!ring)
		return NULL;
	/* What the kernel still writes to cannot be freed: the memory stays, rather. */
	if (let_land(ring) < 0)
		return NULL;
	while (ring->accepted)
		ktls_conn_free(take_accepted(ring).conn);
	while (ring->lanes)
		ktls_lane_abandon(ring->lanes);
	ktls_door_close(ring);
	free(ring->lent);
	free(ring->unread);
	free(ring);
	return NULL;
}
