/* SPDX-License-Identifier: MIT */

/*
 * A connection in a ring: what is in flight for it, and what arrived; see lane.h.
 *
 * Receiving takes one buffer of the ring's at a time, and only while an op wants bytes: a peer that
 * sends faster than it is read waits in its own socket, and cannot take the buffers of the others.
 * A lane outlives its connection until nothing is in flight for it.
 */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/poll.h>
#include <ktls/socket.h>

#include "config.h"
#include "lane.h"
#include "pool.h"
#include "ring.h"
#include "wait.h"

enum {
	NO_BUFFER = -1,
};

int ktls_lane_new(struct ktls_lane **ret_lane, struct ktls_ring *ring, struct ktls_conn *conn)
{
	struct ktls_lane *lane;

	if (ring->conns >= ring->conns_max)
		return -ENOSPC;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return -ENOMEM;
	lane->ring = ring;
	lane->conn = conn;
	lane->buffer = NO_BUFFER;
	lane->next = ring->lanes;
	if (lane->next)
		lane->next->previous = lane;
	ring->lanes = lane;
	ring->conns++;
	conn->lane = lane;
	*ret_lane = lane;
	return 0;
}

static void give_buffer(struct ktls_lane *lane)
{
	if (lane->buffer != NO_BUFFER)
		uring_pool_give(lane->ring->pool, lane->buffer);
	lane->buffer = NO_BUFFER;
	lane->arrived = false;
}

static void give_kept(struct ktls_lane *lane)
{
	if (lane->kept)
		ktls_pool_give(lane->kept_config->pool, lane->kept);
	ktls_config_unref(lane->kept_config);
	lane->kept = NULL;
	lane->kept_config = NULL;
}

void ktls_lane_drop(struct ktls_lane *lane)
{
	struct ktls_ring *ring = lane->ring;

	if (lane->conn)
		lane->conn->lane = NULL;
	for (int d = 0; d < _KTLS_DIRECTION_N; d++)
		if (lane->task[d])
			lane->task[d]->buffer = uring_buffer_unref(lane->task[d]->buffer);
	give_buffer(lane);
	give_kept(lane);
	if (lane->next)
		lane->next->previous = lane->previous;
	if (lane->previous)
		lane->previous->next = lane->next;
	else
		ring->lanes = lane->next;
	ring->conns--;
	free(lane);
}

void ktls_lane_abandon(struct ktls_lane *lane)
{
	struct ktls_conn *conn = lane->conn;

	if (conn && lane->buffer != NO_BUFFER && !conn->rx_end && !ktls_conn_check_open(conn))
		ktls_conn_fail(conn, -ECANCELED,
			       "reading: the ring was freed with bytes in it that nobody had read");
	ktls_lane_drop(lane);
}

bool ktls_lane_is_in_flight(const struct ktls_lane *lane)
{
	for (int i = 0; i < _KTLS_FLIGHT_N; i++)
		if (lane->flight[i])
			return true;
	return false;
}

void ktls_lane_wake(struct ktls_lane *lane)
{
	if (lane->ready)
		return;
	lane->ready = true;
	lane->next_ready = NULL;
	*lane->ring->ready_end = lane;
	lane->ring->ready_end = &lane->next_ready;
}

void ktls_lane_unwake(struct ktls_lane *lane)
{
	struct ktls_lane **link = &lane->ring->ready;

	if (!lane->ready)
		return;
	while (*link != lane)
		link = &(*link)->next_ready;
	*link = lane->next_ready;
	if (!*link)
		lane->ring->ready_end = link;
	lane->ready = false;
}

/* -- What the connection asks -- */

bool ktls_lane_forbids(const struct ktls_conn *conn)
{
	return conn->lane && !conn->lane->inside;
}

bool ktls_lane_is_sending(const struct ktls_conn *conn)
{
	return conn->lane && conn->lane->flight[KTLS_FLIGHT_SEND];
}

bool ktls_lane_has_others(const struct ktls_conn *conn)
{
	const struct ktls_task *task = conn->lane ? conn->lane->task[KTLS_RX] : NULL;

	return task && task->deadline_ns != KTLS_NOW;
}

bool ktls_lane_holds(const struct ktls_conn *conn)
{
	return conn->lane && (conn->lane->arrived || conn->lane->flight[KTLS_FLIGHT_RECEIVE]);
}

/* The key came with a thawed connection where the config never wanted the kernel. */
static bool has_whole_records(const struct ktls_conn *conn)
{
	const struct ktls_probe *probe = conn->config->probe ? conn->config->probe : kern_probe();

	return probe->rx_whole_records;
}

/* A read that may not wait at all looks by itself; and a direction that is to be promoted at its
 * next boundary must not be read past it. */
bool ktls_lane_receives(const struct ktls_conn *conn)
{
	if (ktls_lane_holds(conn))
		return true;
	if (!ktls_lane_has_others(conn) || !conn->lane->ring->uring || conn->lane->unbuffered)
		return false;
	/* Where half a record wakes the reader, io_uring would turn on the spot, in a thread of its
	 * own for each connection. */
	if (ktls_conn_is_kernels(conn, KTLS_RX) && has_whole_records(conn))
		return false;
	return conn->state != KTLS_STATE_HANDSHAKE && conn->half[KTLS_RX].protect &&
	       !ktls_conn_promotion_due(conn, KTLS_RX);
}

/* Some of what arrived; the end of it gives the buffer back. */
static size_t take(struct ktls_lane *lane, struct ktls_cursor *cursor)
{
	const uint8_t *data = uring_pool_data(lane->ring->pool, lane->buffer);
	size_t n = ktls_cursor_write(cursor, data + lane->at, lane->end - lane->at);

	lane->at += (uint32_t)n;
	if (lane->at == lane->end)
		give_buffer(lane);
	return n;
}

int ktls_lane_receive(struct ktls_conn *conn, void *buf, size_t len, size_t *ret_n)
{
	const struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct ktls_cursor cursor = { .iov = &iov, .count = 1 };
	struct ktls_lane *lane = conn->lane;
	int r;

	if (!lane->arrived)
		return -EAGAIN;
	if (lane->buffer == NO_BUFFER) {
		lane->arrived = false;
		r = lane->arrived_res;
		if (!r)
			*ret_n = 0;
		return r;
	}
	*ret_n = take(lane, &cursor);
	return 0;
}

int ktls_lane_receive_record(struct ktls_conn *conn, struct ktls_cursor *cursor, uint8_t *ret_type,
			     bool *ret_end)
{
	struct ktls_lane *lane = conn->lane;

	if (!lane->arrived)
		return -EAGAIN;
	if (lane->buffer == NO_BUFFER && lane->arrived_res) {
		lane->arrived = false;
		return lane->arrived_res;
	}
	*ret_type = lane->type;
	if (lane->buffer == NO_BUFFER)
		lane->arrived = false;
	else
		take(lane, cursor);
	*ret_end = lane->ends && !lane->arrived;
	return 0;
}

void ktls_lane_keep(struct ktls_conn *conn, uint8_t *buffer)
{
	struct ktls_lane *lane = conn->lane;

	assert(!lane->kept);
	lane->kept = buffer;
	lane->kept_config = ktls_config_ref(conn->config);
}

void ktls_lane_let_go(struct ktls_conn *conn)
{
	if (conn->lane)
		ktls_lane_cancel_all(conn->lane);
}

void ktls_lane_leave(struct ktls_conn *conn)
{
	struct ktls_lane *lane = conn->lane;

	if (!lane)
		return;
	assert(!lane->task[KTLS_RX] && !lane->task[KTLS_TX]);
	lane->conn = NULL;
	conn->lane = NULL;
	give_buffer(lane);
	ktls_lane_cancel_all(lane);
	ktls_lane_wake(lane);
}

/* -- What is asked of the kernel -- */

static int start(struct ktls_lane *lane, enum ktls_flight flight, struct uring_request *request)
{
	/* While it dials it waits at another descriptor. */
	request->fd = ktls_conn_get_fd(lane->conn);
	request->tag = ktls_ring_tag(lane, flight);
	return ktls_door_start(lane->ring, request, &lane->flight[flight]);
}

/* A kernel that protects says a record's type beside it; plain bytes have none. */
static int start_receive(struct ktls_lane *lane)
{
	struct uring_request request = {
		.kind = URING_RECV,
		.pool = lane->ring->pool,
	};

	if (ktls_conn_is_kernels(lane->conn, KTLS_RX)) {
		lane->iov = (struct iovec){ .iov_len = KTLS_RING_BUFFER_LEN };
		lane->msg = (struct msghdr){
			.msg_iov = &lane->iov,
			.msg_iovlen = 1,
			.msg_control = lane->control.bytes,
			.msg_controllen = sizeof(lane->control.bytes),
		};
		request.kind = URING_RECVMSG;
		request.data = &lane->msg;
	}
	return start(lane, KTLS_FLIGHT_RECEIVE, &request);
}

/* One that is under way for other events, or where it waited while it dialled, ends first, which
 * wakes the lane. */
static int start_poll(struct ktls_lane *lane, enum ktls_flight flight, short events)
{
	struct ktls_lane_poll *polled =
		&lane->polled[flight == KTLS_FLIGHT_POLL_RX ? KTLS_RX : KTLS_TX];
	struct uring_request request = { .kind = URING_POLL, .arg = (uint32_t)events };
	int fd = ktls_conn_get_fd(lane->conn);

	if (lane->flight[flight]) {
		if (events & ~polled->events || fd != polled->fd)
			ktls_lane_cancel(lane, flight);
		return 0;
	}
	*polled = (struct ktls_lane_poll){ .fd = fd, .events = events };
	return start(lane, flight, &request);
}

/* Reads carry on with what is left of a write, and for that the socket must be writable. */
static int want_read(struct ktls_lane *lane)
{
	struct ktls_conn *conn = lane->conn;
	short events;
	int r = 0;

	/* It only had its turn. */
	if (lane->arrived || ktls_conn_is_ready(conn)) {
		ktls_lane_wake(lane);
		return 0;
	}
	events = ktls_conn_get_events(conn, KTLS_POLL_READ);
	if (ktls_lane_receives(conn)) {
		if (!lane->flight[KTLS_FLIGHT_RECEIVE])
			r = start_receive(lane);
		events &= POLLOUT;
		if (ktls_lane_is_sending(conn))
			events = 0;
	} else {
		events |= POLLIN;
	}
	if (!r && events)
		r = start_poll(lane, KTLS_FLIGHT_POLL_RX, events);
	return r;
}

int ktls_lane_want(struct ktls_lane *lane, const struct ktls_task *task, int want)
{
	int r = 0;

	if (want == KTLS_WANT_BUFFER)
		return want;
	if (want == KTLS_WANT_READ || task->kind == KTLS_TASK_CLOSE)
		r = want_read(lane);
	/* The end of the send will tell. */
	if (!r && want == KTLS_WANT_WRITE && !lane->flight[KTLS_FLIGHT_SEND])
		r = start_poll(lane, KTLS_FLIGHT_POLL_TX, POLLOUT);
	return r;
}

static bool is_registered(const struct ktls_lane *lane, const struct ktls_task *task)
{
	return task->buffer && task->buffer->registered && task->write.stage.count == 1 &&
	       task->deadline_ns != KTLS_NOW && ktls_conn_is_kernels(lane->conn, KTLS_TX);
}

int ktls_lane_send(struct ktls_lane *lane, struct ktls_task *task)
{
	const struct ktls_stage *stage = &task->write.stage;
	struct uring_request request = {
		.kind = URING_SEND,
		.data = stage->pieces[0].iov_base,
		.len = stage->pieces[0].iov_len,
		.arg = MSG_NOSIGNAL,
	};

	if (task->deadline_ns == KTLS_NOW)
		request.arg |= MSG_DONTWAIT;
	if (is_registered(lane, task)) {
		request.kind = URING_WRITE;
		request.arg = 0;
		request.offset = UINT64_MAX;
		request.buffer = task->buffer;
	} else if (stage->count > 1) {
		task->write.msg = (struct msghdr){
			.msg_iov = stage->list ? (struct iovec *)stage->list
					       : task->write.stage.pieces,
			.msg_iovlen = (size_t)stage->count,
		};
		request.kind = URING_SENDMSG;
		request.data = &task->write.msg;
		request.len = 0;
	}
	return start(lane, KTLS_FLIGHT_SEND, &request);
}

int ktls_lane_warm(struct ktls_lane *lane, int file_fd, uint64_t offset, size_t len)
{
	const struct uring_request request = {
		.kind = URING_READ,
		.fd = file_fd,
		.data = lane->ring->unread,
		.len = len,
		.offset = offset,
		.tag = ktls_ring_tag(lane, KTLS_FLIGHT_FILE),
	};

	return ktls_door_start(lane->ring, &request, &lane->flight[KTLS_FLIGHT_FILE]);
}

void ktls_lane_cancel(struct ktls_lane *lane, enum ktls_flight flight)
{
	if (lane->flight[flight])
		ktls_door_cancel(lane->ring, lane->flight[flight]);
}

void ktls_lane_cancel_all(struct ktls_lane *lane)
{
	for (int i = 0; i < _KTLS_FLIGHT_N; i++)
		ktls_lane_cancel(lane, i);
}

/* -- What comes back -- */

/* Bytes, a record or a piece of one, an end, or an error. */
static void arrive(struct ktls_lane *lane, const struct uring_event *event)
{
	bool kernels = ktls_conn_is_kernels(lane->conn, KTLS_RX);
	int r = event->res < 0 ? event->res : 0;

	lane->buffer = event->buffer;
	lane->at = 0;
	lane->end = event->res > 0 ? (uint32_t)event->res : 0;
	lane->type = KERN_RECORD_NONE;
	if (!r && kernels)
		r = kern_parse(&lane->msg, lane->end, KTLS_RING_BUFFER_LEN, &lane->type,
			       &lane->ends);
	if (!lane->end || r)
		give_buffer(lane);
	lane->arrived_res = r;
	lane->arrived = true;
}

static bool is_for_nothing(int res)
{
	return res == -ECANCELED || res == -EINTR || res == -EAGAIN || res == -ENOBUFS;
}

static void received(struct ktls_lane *lane, const struct uring_event *event)
{
	if (lane->conn && !is_for_nothing(event->res)) {
		arrive(lane, event);
		return;
	}
	if (event->buffer != NO_BUFFER)
		uring_pool_give(lane->ring->pool, event->buffer);
	/* Others have them all, perhaps for long: who reads little of much keeps his. */
	lane->unbuffered = event->res == -ENOBUFS;
}

static void sent(struct ktls_lane *lane, int res)
{
	struct ktls_task *task = lane->task[KTLS_TX];
	struct ktls_conn *conn = lane->conn;

	give_kept(lane);
	if (!conn || !task || conn->state == KTLS_STATE_FAILED)
		return;
	lane->inside = true;
	task->n += ktls_conn_sent(conn, &task->write.cursor, &task->write.stage,
				  res > 0 ? (size_t)res : 0);
	task->blocked = res == -EAGAIN;
	if (res > 0)
		task->fruitless = 0;
	if (res < 0 && !is_for_nothing(res))
		ktls_conn_fail_io(conn, res, "writing");
	lane->inside = false;
}

static void polled(struct ktls_lane *lane, enum ktls_direction direction)
{
	struct ktls_task *task = lane->task[direction];

	if (!lane->conn || !task)
		return;
	if (direction == KTLS_TX)
		task->blocked = false;
	if (ktls_wait_may_mislead(lane->conn, direction))
		task->fruitless++;
}

void ktls_lane_landed(struct ktls_lane *lane, enum ktls_flight flight,
		      const struct uring_event *event)
{
	lane->flight[flight] = 0;
	switch (flight) {
	case KTLS_FLIGHT_RECEIVE:
		received(lane, event);
		break;
	case KTLS_FLIGHT_SEND:
		sent(lane, event->res);
		break;
	case KTLS_FLIGHT_POLL_RX:
		polled(lane, KTLS_RX);
		break;
	case KTLS_FLIGHT_POLL_TX:
		polled(lane, KTLS_TX);
		break;
	case KTLS_FLIGHT_FILE:
	case _KTLS_FLIGHT_N:
	case KTLS_FLIGHT_ACCEPT:
	case KTLS_FLIGHT_ONE:
		break;
	}
	ktls_lane_wake(lane);
}
