/* SPDX-License-Identifier: MIT */

/*
 * What an op does when its connection can go on: the call of its name, without waiting; a write in
 * two halves, with the ring's send between them.
 */

#include <errno.h>

#include "base/deadline.h"
#include "base/sys.h"
#include "ring.h"
#include "wait.h"

/* Beside what calls answer: io_uring will tell when it goes on. */
enum {
	IN_FLIGHT = _KTLS_STATUS_N,
	AGAIN, /* it could go on, but others are waiting */
};

enum {
	PAGE_LEN = 4096, /* where pages are larger, one is looked at twice */
};

static int step_handshake(struct ktls_lane *lane, struct ktls_task *task)
{
	(void)task;
	return ktls_conn_handshake(lane->conn, KTLS_NOW);
}

static int step_read(struct ktls_lane *lane, struct ktls_task *task)
{
	size_t n = 0;
	int r = ktls_conn_read(lane->conn, task->read.buf, task->read.len, KTLS_NOW, &n);

	task->n = n;
	return r;
}

static int step_receive(struct ktls_lane *lane, struct ktls_task *task)
{
	struct ktls_ring *ring = lane->ring;
	uint8_t *lent = ring->lent + ring->lent_used;
	size_t n = 0;
	int r;

	/* What is lent already comes back with the next wait. */
	if (KTLS_RING_LENT_LEN - ring->lent_used < KERN_PAYLOAD_MAX)
		return AGAIN;
	r = ktls_conn_read(lane->conn, lent, KERN_PAYLOAD_MAX, KTLS_NOW, &n);
	task->n = n;
	task->lent = lent;
	ring->lent_used += n;
	ring->lent_events += n > 0;
	return r;
}

static int step_write(struct ktls_lane *lane, struct ktls_task *task)
{
	/* A read found that it has: nothing need be taken any more. */
	bool failed = lane->conn->state == KTLS_STATE_FAILED;
	int r;

	if (lane->flight[KTLS_FLIGHT_SEND]) {
		if (failed)
			ktls_lane_cancel(lane, KTLS_FLIGHT_SEND);
		return IN_FLIGHT;
	}
	if (task->blocked && !failed)
		return KTLS_WANT_WRITE;
	r = ktls_conn_stage(lane->conn, &task->write.cursor, &task->write.stage);
	if (r || !task->write.stage.count)
		return r;
	r = ktls_lane_send(lane, task);
	return r ? r : IN_FLIGHT;
}

/* Whether a byte of a file would have to come from its disk. A file system that cannot say is
 * believed to be warm. */
static bool is_cold(int fd, uint64_t offset)
{
	uint8_t byte;
	const struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };

	return ktls_sys.preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT) < 0 && errno == EAGAIN;
}

/*
 * sendfile(2) waits for the disk, and every connection of the ring with it. So what is not in the
 * page cache is read there by the ring first, into memory that nobody reads, and whatever comes of
 * that, sendfile(2) is next. Of a file that was cold once all the rest is: to look at the end of a
 * piece would have the disk seek there. Over epoll nobody reads for us. 0, IN_FLIGHT, or as
 * uring_start().
 */
static int warm(struct ktls_lane *lane, struct ktls_task *task)
{
	uint64_t at = task->file.offset + task->n, len = task->file.len - task->n;
	int r;

	if (lane->flight[KTLS_FLIGHT_FILE])
		return IN_FLIGHT;
	if (task->n < task->file.warm || !len)
		return 0;
	if (len > KTLS_RING_TURN_BYTES)
		len = KTLS_RING_TURN_BYTES;
	if (lane->ring->uring && !task->file.cold)
		task->file.cold = is_cold(task->file.fd, at + len - 1) ||
				  (!task->n && at / PAGE_LEN != (at + len - 1) / PAGE_LEN &&
				   is_cold(task->file.fd, at));
	if (!task->file.cold) {
		task->file.warm = task->n + len;
		return 0;
	}
	if (len > KTLS_RING_COLD_BYTES)
		len = KTLS_RING_COLD_BYTES;
	r = ktls_lane_warm(lane, task->file.fd, at, len);
	if (r)
		return r;
	task->file.warm = task->n + len;
	return IN_FLIGHT;
}

static int step_sendfile(struct ktls_lane *lane, struct ktls_task *task)
{
	uint64_t n = 0, left = task->file.len - task->n;
	int r = warm(lane, task);

	if (r)
		return r;
	r = ktls_conn_sendfile_turn(lane->conn, task->file.fd, task->file.offset + task->n, left,
				    task->file.warm - task->n, &n);
	task->n += n;
	if (n)
		task->fruitless = 0;
	return !r && n < left ? AGAIN : r;
}

static int step_update_key(struct ktls_lane *lane, struct ktls_task *task)
{
	/* Once it was begun, finishing it is the same call. */
	return ktls_conn_update_key(lane->conn, task->update, KTLS_NOW);
}

static int step_shutdown(struct ktls_lane *lane, struct ktls_task *task)
{
	(void)task;
	return ktls_conn_shutdown(lane->conn, KTLS_NOW);
}

static int step_close(struct ktls_lane *lane, struct ktls_task *task)
{
	return ktls_conn_shutdown_and_close(lane->conn,
					    task->too_late ? task->deadline_ns : KTLS_NOW);
}

static int (*const steps[_KTLS_TASK_N])(struct ktls_lane *lane, struct ktls_task *task) = {
	[KTLS_TASK_HANDSHAKE] = step_handshake, [KTLS_TASK_READ] = step_read,
	[KTLS_TASK_RECEIVE] = step_receive,	[KTLS_TASK_WRITE] = step_write,
	[KTLS_TASK_SENDFILE] = step_sendfile,	[KTLS_TASK_UPDATE_KEY] = step_update_key,
	[KTLS_TASK_SHUTDOWN] = step_shutdown,	[KTLS_TASK_CLOSE] = step_close,
};

/* What it wants is asked for. A socket that was ready for nothing, again and again, is left alone
 * for a while (wait.h). */
static void settle(struct ktls_lane *lane, struct ktls_task *task, int r)
{
	if (r == IN_FLIGHT)
		return;
	else if (r == AGAIN)
		ktls_lane_wake(lane);
	else if (!ktls_wait_is_want(r) || task->deadline_ns == KTLS_NOW)
		ktls_task_end(task, r);
	else if (task->fruitless > KTLS_RING_FRUITLESS_MAX || ktls_lane_want(lane, task, r))
		ktls_task_retry(task);
}

static void run(struct ktls_lane *lane, struct ktls_task *task)
{
	int r;

	if (task->ending) {
		ktls_task_end(task, task->result);
		return;
	}
	lane->inside = true;
	r = steps[task->kind](lane, task);
	lane->inside = false;
	settle(lane, task, r);
}

void ktls_lane_run(struct ktls_lane *lane)
{
	struct ktls_task *rx = lane->task[KTLS_RX], *tx = lane->task[KTLS_TX];

	if (rx)
		run(lane, rx);
	if (tx && tx != rx && lane->task[KTLS_TX] == tx)
		run(lane, tx);
	if (!lane->conn && !ktls_lane_is_in_flight(lane))
		ktls_lane_drop(lane);
}
