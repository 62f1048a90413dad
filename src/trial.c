/* SPDX-License-Identifier: MIT */

/*
 * What each operation of io_uring does on a connection of the probe's: one end by the ring, the
 * other by the system calls of every connection, and what arrived is what was sent, or it did not
 * work. No wait is without a deadline.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/conn.h>

#include "base/deadline.h"
#include "trial.h"

enum {
	POOL_COUNT = 4,
	PATIENCE_NS = 2000000000, /* the machine may have other things to do */
};

uint64_t ktls_trial_patience(void)
{
	return ktls_deadline_clock() + PATIENCE_NS;
}

/*
 * -- the other end, by system calls --
 */

static int send_here(struct ktls_bench *bench, uint8_t type, size_t *ret_n)
{
	const struct iovec iov = { bench->out, KTLS_TRIAL_LEN };
	ssize_t n;

	if (!bench->plain)
		return kern_send(bench->pair.tx, type, &iov, 1, ret_n);
	n = send(bench->pair.tx, bench->out, KTLS_TRIAL_LEN, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	*ret_n = (size_t)n;
	return 0;
}

static int send_record(struct ktls_bench *bench, uint8_t type)
{
	size_t n;
	int r = send_here(bench, type, &n);

	if (r < 0)
		return r;
	if (n != KTLS_TRIAL_LEN)
		return KTLS_TRIAL_UNSOUND;
	r = ktls_deadline_poll(bench->pair.rx, POLLIN, ktls_trial_patience());
	return r > 0 ? KTLS_TRIAL_SILENT : r;
}

int ktls_trial_receive(struct ktls_bench *bench, uint8_t wanted)
{
	const uint64_t deadline_ns = ktls_trial_patience();
	uint8_t got[KTLS_TRIAL_ROOM];

	if (bench->plain)
		return 0;
	for (size_t at = 0; at < KTLS_TRIAL_LEN;) {
		const struct iovec iov = { got + at, sizeof(got) - at };
		uint8_t type;
		bool end;
		size_t n;
		int r = kern_recv(bench->pair.rx, &iov, 1, &type, &end, &n);

		if (r == -EAGAIN && !ktls_deadline_poll(bench->pair.rx, POLLIN, deadline_ns))
			continue;
		if (r < 0)
			return r == -EAGAIN ? KTLS_TRIAL_SILENT : KTLS_TRIAL_UNSOUND;
		at += n;
		if (type != wanted || at > KTLS_TRIAL_LEN)
			return KTLS_TRIAL_UNSOUND;
	}
	return memcmp(got, bench->out, KTLS_TRIAL_LEN) ? KTLS_TRIAL_UNSOUND : 0;
}

/*
 * -- the operation --
 */

static int check_bytes(const struct ktls_bench *bench, const void *bytes, size_t len)
{
	return len == KTLS_TRIAL_LEN && !memcmp(bytes, bench->out, KTLS_TRIAL_LEN)
		       ? 0
		       : KTLS_TRIAL_UNSOUND;
}

/* A record that is none came by an operation that tells no type. */
static int passed_for_data(const struct ktls_bench *bench)
{
	return bench->plain ? 0 : KTLS_TRIAL_UNSOUND;
}

/* The next event, until the deadline. */
static int await_until(struct ktls_bench *bench, uint64_t deadline_ns,
		       struct uring_event *ret_event)
{
	unsigned int n;
	int r = uring_wait(bench->ring, deadline_ns, ret_event, 1, &n);

	return r > 0 ? KTLS_TRIAL_SILENT : r;
}

/* The op's result, which is not to be less than `min`. */
static int await(struct ktls_bench *bench, int min, struct uring_event *ret_event)
{
	int r = await_until(bench, ktls_trial_patience(), ret_event);

	if (r < 0)
		return r;
	if (ret_event->res < 0)
		return ret_event->res;
	return ret_event->res < min ? KTLS_TRIAL_UNSOUND : 0;
}

static int start(struct ktls_bench *bench, const struct uring_request *requests, unsigned int n)
{
	int r = uring_start(bench->ring, requests, n, NULL);

	return r > 0 ? -EAGAIN : r;
}

/* The trial's request, its memory either the bench's or, registered, the buffer's. */
static struct uring_request request_of(const struct ktls_bench *bench,
				       const struct ktls_trial_row *trial, int fd, const void *data,
				       size_t len)
{
	struct uring_request request = trial->request;

	request.fd = fd;
	request.data = (void *)data;
	request.len = len;
	request.offset = UINT64_MAX;
	if (trial->fixed) {
		request.data = bench->buffer->data;
		request.buffer = bench->buffer;
	}
	return request;
}

static int run_one(struct ktls_bench *bench, const struct uring_request *request, int min)
{
	struct uring_event event;
	int r = start(bench, request, 1);

	return r < 0 ? r : await(bench, min, &event);
}

static int run_send(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request =
		request_of(bench, trial, bench->pair.tx, bench->out, KTLS_TRIAL_LEN);
	int r;

	if (trial->fixed)
		memcpy(bench->buffer->data, bench->out, KTLS_TRIAL_LEN);
	r = run_one(bench, &request, KTLS_TRIAL_LEN);
	return r < 0 ? r : ktls_trial_receive(bench, ktls_trial_type(trial));
}

static int run_sendmsg(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request = request_of(bench, trial, bench->pair.tx, &bench->msg, 0);
	int r;

	bench->iov = (struct iovec){ bench->out, KTLS_TRIAL_LEN };
	bench->msg = (struct msghdr){ .msg_iov = &bench->iov, .msg_iovlen = 1 };
	kern_set_type(&bench->msg, &bench->type_room, ktls_trial_type(trial));
	r = run_one(bench, &request, KTLS_TRIAL_LEN);
	return r < 0 ? r : ktls_trial_receive(bench, ktls_trial_type(trial));
}

static int run_splice_in(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request =
		request_of(bench, trial, bench->pair.tx, NULL, KTLS_TRIAL_LEN);
	int r;

	request.fd_in = bench->pipe[0];
	request.offset_in = UINT64_MAX;
	if (write(bench->pipe[1], bench->out, KTLS_TRIAL_LEN) != KTLS_TRIAL_LEN)
		return -EIO;
	r = run_one(bench, &request, KTLS_TRIAL_LEN);
	return r < 0 ? r : ktls_trial_receive(bench, ktls_trial_type(trial));
}

static int run_receive(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request =
		request_of(bench, trial, bench->pair.rx, bench->in, KTLS_TRIAL_ROOM);
	int r = send_record(bench, ktls_trial_type(trial));

	if (!r)
		r = run_one(bench, &request, KTLS_TRIAL_LEN);
	if (r)
		return r;
	return trial->type ? passed_for_data(bench)
			   : check_bytes(bench, request.data, KTLS_TRIAL_LEN);
}

/* With another op linked behind it, which must not end because all went well. */
static int run_receive_all(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	const struct uring_request requests[] = {
		request_of(bench, trial, bench->pair.rx, bench->in, KTLS_TRIAL_LEN),
		{ .kind = URING_NOP },
	};
	struct uring_event event;
	int r = send_record(bench, ktls_trial_type(trial));

	if (!r)
		r = start(bench, requests, 2);
	if (!r)
		r = await(bench, KTLS_TRIAL_LEN, &event);
	if (!r)
		r = check_bytes(bench, bench->in, KTLS_TRIAL_LEN);
	if (r)
		return r;
	r = await(bench, 0, &event);
	return r == -ECANCELED ? KTLS_TRIAL_UNSOUND : r;
}

/* A message's bytes and, where there are keys, its type. */
static int check_message(const struct ktls_bench *bench, struct msghdr *msg, const void *bytes,
			 size_t len, uint8_t wanted)
{
	uint8_t type;
	bool end;

	if (!bench->plain &&
	    (kern_parse(msg, len, KTLS_TRIAL_ROOM, &type, &end) < 0 || type != wanted || !end))
		return KTLS_TRIAL_UNSOUND;
	return check_bytes(bench, bytes, len);
}

static int run_recvmsg(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request = request_of(bench, trial, bench->pair.rx, &bench->msg, 0);
	int r = send_record(bench, ktls_trial_type(trial));

	bench->iov = (struct iovec){ bench->in, KTLS_TRIAL_ROOM };
	bench->msg = (struct msghdr){
		.msg_iov = &bench->iov,
		.msg_iovlen = 1,
		.msg_control = bench->type_room.bytes,
		.msg_controllen = sizeof(bench->type_room.bytes),
	};
	if (!r)
		r = run_one(bench, &request, KTLS_TRIAL_LEN);
	return r ? r
		 : check_message(bench, &bench->msg, bench->in, KTLS_TRIAL_LEN,
				 ktls_trial_type(trial));
}

/* What lies in a buffer of the pool, which is given back. */
static int check_pooled(struct ktls_bench *bench, const struct ktls_trial_row *trial,
			const struct uring_event *event, uint8_t type)
{
	struct uring_message message;
	const uint8_t *data;
	int r;

	if (event->buffer < 0)
		return KTLS_TRIAL_UNSOUND;
	data = uring_pool_data(bench->pool, event->buffer);
	if (trial->request.kind == URING_RECV && type != KERN_RECORD_DATA) {
		r = passed_for_data(bench);
	} else if (trial->request.kind == URING_RECV) {
		r = check_bytes(bench, data, (size_t)event->res);
	} else {
		r = uring_message(data, event->res, &bench->msg, &message);
		if (!r) {
			struct msghdr msg = {
				.msg_control = (void *)message.control,
				.msg_controllen = message.control_len,
				.msg_flags = message.flags,
			};

			r = check_message(bench, &msg, message.payload, message.payload_len, type);
		}
	}
	uring_pool_give(bench->pool, event->buffer);
	return r;
}

/* Data, and the trial's record, by one op. */
static int run_multishot(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	const uint8_t types[] = { KERN_RECORD_DATA, ktls_trial_type(trial) };
	struct uring_request request = request_of(bench, trial, bench->pair.rx, NULL, 0);
	int r;

	if (trial->request.kind == URING_RECVMSG) {
		bench->msg = (struct msghdr){ .msg_controllen = sizeof(bench->type_room.bytes) };
		request.data = &bench->msg;
	}
	r = uring_pool_new(&bench->pool, bench->ring, POOL_COUNT, KTLS_TRIAL_ROOM);
	if (r < 0)
		return r;
	request.pool = bench->pool;
	r = start(bench, &request, 1);
	for (size_t i = 0; !r && i < sizeof(types); i++) {
		struct uring_event event;

		r = send_record(bench, types[i]);
		if (!r)
			r = await(bench, KTLS_TRIAL_LEN, &event);
		if (!r)
			r = check_pooled(bench, trial, &event, types[i]);
		if (!r && !event.more)
			r = KTLS_TRIAL_UNSOUND;
	}
	return r;
}

static int run_splice_out(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request =
		request_of(bench, trial, bench->pipe[1], NULL, KTLS_TRIAL_LEN);
	int r = send_record(bench, ktls_trial_type(trial));

	request.fd_in = bench->pair.rx;
	request.offset_in = UINT64_MAX;
	if (!r)
		r = run_one(bench, &request, KTLS_TRIAL_LEN);
	if (r || trial->type)
		return r ? r : passed_for_data(bench);
	return check_bytes(bench, bench->in,
			   (size_t)read(bench->pipe[0], bench->in, KTLS_TRIAL_ROOM));
}

/* Nothing is there, then something is. */
static int run_poll(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request = request_of(bench, trial, bench->pair.rx, NULL, 0);
	struct uring_event event;
	int r = start(bench, &request, 1);

	if (r < 0)
		return r;
	r = await_until(bench, KTLS_NOW, &event);
	if (r != KTLS_TRIAL_SILENT)
		return r < 0 ? r : KTLS_TRIAL_UNSOUND;
	r = send_record(bench, ktls_trial_type(trial));
	if (!r)
		r = await(bench, 0, &event);
	if (!r && !(event.res & POLLIN))
		r = KTLS_TRIAL_UNSOUND;
	return r ? r : ktls_trial_receive(bench, ktls_trial_type(trial));
}

/* The key of the receiver, who has none yet; without TLS another option is as good. */
static int run_setsockopt(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	static const int on = 1;
	struct uring_request request =
		request_of(bench, trial, bench->pair.rx, bench->crypto.info, bench->crypto.len);
	int r;

	request.level = KERN_LEVEL;
	request.arg = KERN_KEY_RX;
	if (bench->plain) {
		request.level = SOL_SOCKET;
		request.arg = SO_KEEPALIVE;
		request.data = (void *)&on;
		request.len = sizeof(on);
	}
	r = run_one(bench, &request, 0);
	if (!r)
		r = send_record(bench, ktls_trial_type(trial));
	return r ? r : ktls_trial_receive(bench, ktls_trial_type(trial));
}

/* What was sent before arrives, and then the end. */
static int run_end(struct ktls_bench *bench, const struct ktls_trial_row *trial)
{
	struct uring_request request = request_of(bench, trial, bench->pair.tx, NULL, 0);
	uint8_t byte;
	ssize_t n;
	int r = send_record(bench, ktls_trial_type(trial));

	if (!r)
		r = ktls_trial_receive(bench, ktls_trial_type(trial));
	if (!r)
		r = run_one(bench, &request, 0);
	if (r || bench->plain)
		return r;
	if (trial->request.kind == URING_CLOSE)
		bench->pair.tx = -EBADF;
	r = ktls_deadline_poll(bench->pair.rx, POLLIN, ktls_trial_patience());
	if (r)
		return KTLS_TRIAL_SILENT;
	n = recv(bench->pair.rx, &byte, sizeof(byte), MSG_DONTWAIT);
	return !n || (n < 0 && errno == ECONNRESET) ? 0 : KTLS_TRIAL_UNSOUND;
}

const struct ktls_trial_row ktls_trials[_KTLS_TRIAL_N] = {
	[KTLS_TRIAL_RING] = { "io-uring", "io_uring itself" },
	[KTLS_TRIAL_SEND] = { "send",
			      "send data",
			      run_send,
			      { .kind = URING_SEND, .arg = MSG_NOSIGNAL } },
	[KTLS_TRIAL_SEND_WAITALL] = { "send-waitall",
				      "send data, all of it (MSG_WAITALL)",
				      run_send,
				      { .kind = URING_SEND, .arg = MSG_NOSIGNAL | MSG_WAITALL } },
	[KTLS_TRIAL_SEND_FIXED] = { "send-fixed",
				    "send data from a registered buffer",
				    run_send,
				    { .kind = URING_SEND,
				      .flags = URING_FIXED,
				      .arg = MSG_NOSIGNAL },
				    .fixed = true },
	[KTLS_TRIAL_SEND_ZC] = { "send-zc",
				 "send data without a copy (SEND_ZC)",
				 run_send,
				 { .kind = URING_SEND_ZC, .arg = MSG_NOSIGNAL } },
	[KTLS_TRIAL_SENDMSG] = { "sendmsg",
				 "send a record of another type",
				 run_sendmsg,
				 { .kind = URING_SENDMSG, .arg = MSG_NOSIGNAL },
				 KERN_RECORD_ALERT },
	[KTLS_TRIAL_WRITE] = { "write", "write data", run_send, { .kind = URING_WRITE } },
	[KTLS_TRIAL_WRITE_FIXED] = { "write-fixed",
				     "write data from a registered buffer",
				     run_send,
				     { .kind = URING_WRITE },
				     .fixed = true },
	[KTLS_TRIAL_SPLICE_IN] = { "splice-in",
				   "splice data from a pipe to the socket",
				   run_splice_in,
				   { .kind = URING_SPLICE } },
	[KTLS_TRIAL_RECV] = { "recv", "receive data", run_receive, { .kind = URING_RECV } },
	[KTLS_TRIAL_RECV_WAITALL] = { "recv-waitall",
				      "receive data, all of it (MSG_WAITALL), then the next in a "
				      "chain",
				      run_receive_all,
				      { .kind = URING_RECV, .arg = MSG_WAITALL } },
	[KTLS_TRIAL_RECV_FIXED] = { "recv-fixed",
				    "receive data into a registered buffer",
				    run_receive,
				    { .kind = URING_RECV, .flags = URING_FIXED },
				    .fixed = true },
	[KTLS_TRIAL_RECV_MULTISHOT] = { "recv-multishot",
					"receive data again and again, into provided buffers",
					run_multishot,
					{ .kind = URING_RECV, .flags = URING_MULTISHOT } },
	[KTLS_TRIAL_RECVMSG] = { "recvmsg",
				 "receive data, and its record's type",
				 run_recvmsg,
				 { .kind = URING_RECVMSG } },
	[KTLS_TRIAL_RECVMSG_MULTISHOT] = { "recvmsg-multishot",
					   "the same again and again, into provided buffers",
					   run_multishot,
					   { .kind = URING_RECVMSG, .flags = URING_MULTISHOT } },
	[KTLS_TRIAL_READ] = { "read", "read data", run_receive, { .kind = URING_READ } },
	[KTLS_TRIAL_READ_FIXED] = { "read-fixed",
				    "read data into a registered buffer",
				    run_receive,
				    { .kind = URING_READ },
				    .fixed = true },
	[KTLS_TRIAL_SPLICE_OUT] = { "splice-out",
				    "splice data from the socket to a pipe",
				    run_splice_out,
				    { .kind = URING_SPLICE } },
	[KTLS_TRIAL_RECV_CONTROL] = { "recv-control",
				      "receive a record of another type",
				      run_receive,
				      { .kind = URING_RECV },
				      KERN_RECORD_ALERT },
	[KTLS_TRIAL_RECV_MULTISHOT_CONTROL] = { "recv-multishot-control",
						"receive data, and then such a record",
						run_multishot,
						{ .kind = URING_RECV, .flags = URING_MULTISHOT },
						KERN_RECORD_ALERT },
	[KTLS_TRIAL_RECVMSG_CONTROL] = { "recvmsg-control",
					 "receive such a record, and its type",
					 run_recvmsg,
					 { .kind = URING_RECVMSG },
					 KERN_RECORD_ALERT },
	[KTLS_TRIAL_RECVMSG_MULTISHOT_CONTROL] = { "recvmsg-multishot-control",
						   "receive data and such a record, and their "
						   "types",
						   run_multishot,
						   { .kind = URING_RECVMSG,
						     .flags = URING_MULTISHOT },
						   KERN_RECORD_ALERT },
	[KTLS_TRIAL_READ_CONTROL] = { "read-control",
				      "read such a record",
				      run_receive,
				      { .kind = URING_READ },
				      KERN_RECORD_ALERT },
	[KTLS_TRIAL_SPLICE_OUT_CONTROL] = { "splice-out-control",
					    "splice such a record",
					    run_splice_out,
					    { .kind = URING_SPLICE },
					    KERN_RECORD_ALERT },
	[KTLS_TRIAL_POLL] = { "poll",
			      "wait until a record is there",
			      run_poll,
			      { .kind = URING_POLL, .arg = POLLIN } },
	[KTLS_TRIAL_SETSOCKOPT] = { "setsockopt",
				    "set a key",
				    run_setsockopt,
				    { .kind = URING_SETSOCKOPT } },
	[KTLS_TRIAL_SHUTDOWN] = { "shutdown",
				  "end the sending side",
				  run_end,
				  { .kind = URING_SHUTDOWN, .arg = SHUT_WR } },
	[KTLS_TRIAL_CLOSE] = { "close", "close the socket", run_end, { .kind = URING_CLOSE } },
};
