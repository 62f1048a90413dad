/* SPDX-License-Identifier: MIT */

/*
 * Ops: their starts, their deadlines, their ends; see ktls/op.h. Whatever ends one, its event comes
 * when nothing is in flight for it any more, and once.
 */

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "base/deadline.h"
#include "listener.h"
#include "ring.h"
#include "wait.h"

struct ktls_task *ktls_task_of(struct ktls_op *op)
{
	return (struct ktls_task *)(void *)op->inside;
}

struct ktls_op *ktls_op_of(struct ktls_task *task)
{
	return (struct ktls_op *)(void *)((uint8_t *)task - offsetof(struct ktls_op, inside));
}

/* -- Times -- */

static struct ktls_task *task_of_timer(struct ktls_timer *timer)
{
	return (struct ktls_task *)(void *)((uint8_t *)timer - offsetof(struct ktls_task, timer));
}

static void set_timer(struct ktls_task *task, uint64_t at_ns)
{
	struct ktls_timers *timers = &task->ring->timers;

	ktls_timers_remove(timers, &task->timer);
	if (at_ns != KTLS_FOREVER)
		ktls_timers_add(timers, &task->timer, at_ns);
}

void ktls_task_retry(struct ktls_task *task)
{
	uint64_t at_ns = ktls_deadline_clock() + KTLS_RING_PAUSE_NS;

	set_timer(task, at_ns < task->deadline_ns ? at_ns : task->deadline_ns);
}

uint64_t ktls_ring_next_ns(const struct ktls_ring *ring)
{
	return ring->timers.root ? ring->timers.root->at_ns : KTLS_FOREVER;
}

/* A close at its deadline is the call's own: it closes all the same. */
static void due(struct ktls_task *task, uint64_t now_ns)
{
	bool over = now_ns >= task->deadline_ns;

	set_timer(task, over ? KTLS_FOREVER : task->deadline_ns);
	if (task->fruitless > KTLS_RING_FRUITLESS_MAX)
		task->fruitless = KTLS_RING_FRUITLESS_MAX;
	if (over && task->kind == KTLS_TASK_CLOSE)
		task->too_late = true;
	else if (over)
		ktls_task_end(task, KTLS_TIMEDOUT);
	if (task->lane)
		ktls_lane_wake(task->lane);
}

void ktls_ring_run_timers(struct ktls_ring *ring)
{
	uint64_t now_ns;

	if (!ring->timers.root)
		return;
	now_ns = ktls_deadline_clock();
	while (ring->timers.root && ring->timers.root->at_ns <= now_ns)
		due(task_of_timer(ring->timers.root), now_ns);
}

/* -- Ends -- */

static void finish(struct ktls_task *task)
{
	struct ktls_ring *ring = task->ring;
	struct ktls_lane *lane = task->lane;

	set_timer(task, KTLS_FOREVER);
	task->buffer = uring_buffer_unref(task->buffer);
	/* Nobody waits for bytes any more: none are to arrive, and hold a buffer. */
	if (lane && lane->task[KTLS_RX] == task) {
		ktls_lane_cancel(lane, KTLS_FLIGHT_RECEIVE);
		lane->unbuffered = false;
	}
	for (int d = 0; lane && d < _KTLS_DIRECTION_N; d++)
		if (lane->task[d] == task)
			lane->task[d] = NULL;
	task->next = NULL;
	*ring->over_end = task;
	ring->over_end = &task->next;
}

/* What a write that was to end may have come to meanwhile. */
static int late_result(const struct ktls_task *task)
{
	const struct ktls_conn *conn = task->conn;

	if (task->kind != KTLS_TASK_WRITE)
		return task->result;
	if (conn->state == KTLS_STATE_FAILED)
		return conn->error;
	if (!ktls_cursor_left(&task->write.cursor) && !ktls_conn_has_rest(conn))
		return KTLS_DONE;
	return task->result;
}

void ktls_task_end(struct ktls_task *task, int result)
{
	struct ktls_lane *lane = task->lane;

	if (!task->ending)
		task->result = result;
	task->ending = true;
	if (task->kind == KTLS_TASK_WRITE && lane->flight[KTLS_FLIGHT_SEND]) {
		ktls_lane_cancel(lane, KTLS_FLIGHT_SEND);
	} else if (task->kind == KTLS_TASK_SENDFILE && lane->flight[KTLS_FLIGHT_FILE]) {
		ktls_lane_cancel(lane, KTLS_FLIGHT_FILE);
	} else if (task->flight) {
		ktls_door_cancel(task->ring, task->flight);
	} else {
		if (task->result == KTLS_TIMEDOUT || task->result == -ECANCELED)
			task->result = late_result(task);
		finish(task);
	}
}

int ktls_op_cancel(struct ktls_op *op)
{
	struct ktls_task *task;

	if (!op)
		return -EINVAL;
	task = ktls_task_of(op);
	if (!task->ring || task->ending)
		return -ENOENT;
	ktls_task_end(task, -ECANCELED);
	return 0;
}

/* -- Starts, on connections -- */

enum occupies {
	READS = 1u << KTLS_RX,
	WRITES = 1u << KTLS_TX,
};

/* The op's inside, empty and under way; the caller fills the rest. */
static int begin(struct ktls_op *op, struct ktls_conn *conn, enum ktls_task_kind kind,
		 unsigned int occupies, uint64_t deadline_ns, struct ktls_task **ret_task)
{
	struct ktls_lane *lane = conn ? conn->lane : NULL;
	struct ktls_task *task;

	if (!op || !lane)
		return -EINVAL;
	task = ktls_task_of(op);
	if (task->ring)
		return -EBUSY;
	for (unsigned int d = 0; d < _KTLS_DIRECTION_N; d++)
		if (occupies & 1u << d && lane->task[d])
			return -EBUSY;
	*task = (struct ktls_task){
		.ring = lane->ring,
		.lane = lane,
		.conn = conn,
		.kind = kind,
		.deadline_ns = deadline_ns,
	};
	for (unsigned int d = 0; d < _KTLS_DIRECTION_N; d++)
		if (occupies & 1u << d)
			lane->task[d] = task;
	if (deadline_ns != KTLS_NOW)
		set_timer(task, deadline_ns);
	ktls_lane_wake(lane);
	*ret_task = task;
	return 0;
}

int ktls_op_handshake(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_task *task;

	return begin(op, conn, KTLS_TASK_HANDSHAKE, READS | WRITES, deadline_ns, &task);
}

int ktls_op_read(struct ktls_op *op, struct ktls_conn *conn, void *buf, size_t len,
		 uint64_t deadline_ns)
{
	struct ktls_task *task;
	int r;

	if (!buf && len)
		return -EINVAL;
	r = begin(op, conn, KTLS_TASK_READ, READS, deadline_ns, &task);
	if (r < 0)
		return r;
	task->read.buf = buf;
	task->read.len = len;
	return 0;
}

int ktls_op_receive(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_task *task;

	return begin(op, conn, KTLS_TASK_RECEIVE, READS, deadline_ns, &task);
}

int ktls_op_writev(struct ktls_op *op, struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		   uint64_t deadline_ns)
{
	struct ktls_task *task;
	int r;

	if (iovcnt < 0 || (iovcnt && !iov))
		return -EINVAL;
	r = begin(op, conn, KTLS_TASK_WRITE, WRITES, deadline_ns, &task);
	if (r < 0)
		return r;
	task->write.cursor = (struct ktls_cursor){ .iov = iov, .count = iovcnt };
	return 0;
}

int ktls_op_write(struct ktls_op *op, struct ktls_conn *conn, const void *buf, size_t len,
		  uint64_t deadline_ns)
{
	struct ktls_task *task;
	int r;

	if (!buf && len)
		return -EINVAL;
	r = begin(op, conn, KTLS_TASK_WRITE, WRITES, deadline_ns, &task);
	if (r < 0)
		return r;
	task->write.one = (struct iovec){ .iov_base = (void *)buf, .iov_len = len };
	task->write.cursor = (struct ktls_cursor){ .iov = &task->write.one, .count = 1 };
	return 0;
}

int ktls_op_sendfile(struct ktls_op *op, struct ktls_conn *conn, int file_fd, uint64_t offset,
		     uint64_t len, uint64_t deadline_ns)
{
	struct ktls_task *task;
	int r = begin(op, conn, KTLS_TASK_SENDFILE, WRITES, deadline_ns, &task);

	if (r < 0)
		return r;
	task->file.fd = file_fd;
	task->file.offset = offset;
	task->file.len = len;
	return 0;
}

int ktls_op_update_key(struct ktls_op *op, struct ktls_conn *conn, enum ktls_key_update update,
		       uint64_t deadline_ns)
{
	struct ktls_task *task;
	int r;

	if (update >= _KTLS_KEY_UPDATE_N)
		return -EINVAL;
	r = begin(op, conn, KTLS_TASK_UPDATE_KEY, WRITES, deadline_ns, &task);
	if (r < 0)
		return r;
	task->update = update;
	return 0;
}

int ktls_op_shutdown(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_task *task;

	return begin(op, conn, KTLS_TASK_SHUTDOWN, WRITES, deadline_ns, &task);
}

int ktls_op_shutdown_and_close(struct ktls_op *op, struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_task *task;

	return begin(op, conn, KTLS_TASK_CLOSE, READS | WRITES, deadline_ns, &task);
}

/* -- Starts, on a ring -- */

static int begin_here(struct ktls_op *op, struct ktls_ring *ring, enum ktls_task_kind kind,
		      uint64_t deadline_ns, struct ktls_task **ret_task)
{
	struct ktls_task *task;

	if (!op || !ring)
		return -EINVAL;
	task = ktls_task_of(op);
	if (task->ring)
		return -EBUSY;
	*task = (struct ktls_task){ .ring = ring, .kind = kind, .deadline_ns = deadline_ns };
	set_timer(task, deadline_ns);
	*ret_task = task;
	return 0;
}

/* It was begun, and cannot be. */
static int fail_start(struct ktls_task *task, int r)
{
	set_timer(task, KTLS_FOREVER);
	task->ring = NULL;
	return r == KTLS_WANT_BUFFER ? -EAGAIN : r;
}

static int start_accept(struct ktls_task *task)
{
	struct uring_request request = {
		.kind = URING_ACCEPT,
		.flags = URING_MULTISHOT,
		.fd = task->listener->fd,
		.arg = SOCK_NONBLOCK | SOCK_CLOEXEC,
		.tag = ktls_ring_tag(task, KTLS_FLIGHT_ACCEPT),
	};

	return ktls_door_start(task->ring, &request, &task->flight);
}

int ktls_op_accept(struct ktls_op *op, struct ktls_ring *ring, struct ktls_listener *listener)
{
	struct ktls_task *task;
	int r;

	if (!listener)
		return -EINVAL;
	r = begin_here(op, ring, KTLS_TASK_ACCEPT, KTLS_FOREVER, &task);
	if (r < 0)
		return r;
	task->listener = listener;
	r = start_accept(task);
	return r ? fail_start(task, r) : 0;
}

int ktls_task_begin_one(struct ktls_op *op, struct ktls_ring *ring, struct uring_request *request,
			uint64_t deadline_ns)
{
	struct ktls_task *task;
	int r;

	r = begin_here(op, ring, KTLS_TASK_ONE, deadline_ns, &task);
	if (r < 0)
		return r;
	request->tag = ktls_ring_tag(task, KTLS_FLIGHT_ONE);
	r = ktls_door_start(ring, request, &task->flight);
	return r ? fail_start(task, r) : 0;
}

int ktls_op_poll(struct ktls_op *op, struct ktls_ring *ring, int fd, short events,
		 uint64_t deadline_ns)
{
	struct uring_request request = {
		.kind = URING_POLL,
		.fd = fd,
		.arg = (uint16_t)events,
	};

	return fd < 0 ? -EINVAL : ktls_task_begin_one(op, ring, &request, deadline_ns);
}

int ktls_op_timer(struct ktls_op *op, struct ktls_ring *ring, uint64_t deadline_ns)
{
	struct ktls_task *task;

	return begin_here(op, ring, KTLS_TASK_TIMER, deadline_ns, &task);
}

/* -- What comes back -- */

static void accepted(struct ktls_task *task, int fd)
{
	struct ktls_ring *ring = task->ring;
	struct ktls_lane *lane = NULL;
	struct ktls_conn *conn;
	int r = ktls_listener_welcome(task->listener, fd, &conn);

	if (!r) {
		r = ktls_lane_new(&lane, ring, conn);
		if (r < 0)
			ktls_conn_free(conn);
	}
	if (r < 0) {
		ktls_task_end(task, r);
		return;
	}
	lane->next_accepted = NULL;
	lane->accepted_by = task;
	*ring->accepted_end = lane;
	ring->accepted_end = &lane->next_accepted;
}

/* It has ended, but nobody wanted it to: a connection broke while it waited, or the kernel had no
 * room for its events. */
static void accept_again(struct ktls_task *task, int res)
{
	int r = res < 0 && !ktls_listener_is_of_the_peer(-res) ? res : 0;

	if (!r && !task->ending)
		r = start_accept(task);
	if (r || task->ending)
		ktls_task_end(task, r == KTLS_WANT_BUFFER ? -ENOBUFS : r);
}

void ktls_task_landed(struct ktls_task *task, enum ktls_flight flight,
		      const struct uring_event *event)
{
	if (!event->more)
		task->flight = 0;
	if (flight == KTLS_FLIGHT_ACCEPT) {
		if (event->res >= 0)
			accepted(task, event->res);
		if (!event->more)
			accept_again(task, event->res);
		return;
	}
	if (event->res >= 0)
		task->n = (uint64_t)event->res;
	ktls_task_end(task, event->res < 0 ? event->res : KTLS_DONE);
}
