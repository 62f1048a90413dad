/* SPDX-License-Identifier: MIT */

/* Bytes from one end to the other; see flow.h. */

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow.h"
#include "kit.h"

enum {
	PERIOD = 251, /* of kit_byte() */
	PATTERN_LEN = PERIOD * 2048,
	READ_LEN = 100001,
	IDLE_MS = 20000,
	PIECES = 150,
};

static uint8_t pattern[PATTERN_LEN + PERIOD];

static enum pair_end to_of(const struct flow *flow)
{
	return flow->from == PAIR_CLIENT ? PAIR_SERVER : PAIR_CLIENT;
}

static const uint8_t *bytes_at(uint64_t at)
{
	return pattern + at % PERIOD;
}

static uint64_t deadline_of(const struct flow *flow)
{
	return flow->waits ? ktls_deadline_in(IDLE_MS) : KTLS_NOW;
}

/* Pieces of 0, 7, 14, ... bytes; how many bytes they hold. */
static size_t make_pieces(const uint8_t *bytes, size_t len, struct iovec *ret_iov, int *ret_n)
{
	size_t at = 0;
	int n = 0;

	for (; n < PIECES && (at < len || !n); n++) {
		size_t piece = (size_t)(n % 50) * 7;

		if (piece > len - at)
			piece = len - at;
		ret_iov[n] = (struct iovec){ (void *)(bytes + at), piece };
		at += piece;
	}
	*ret_n = n;
	return at;
}

static int send_some(struct flow *flow, struct ktls_conn *conn)
{
	uint64_t left = flow->len - flow->sent, n64;
	size_t chunk = flow->chunk ? flow->chunk : (size_t)left, n;
	struct iovec iov[PIECES];
	int count, r;

	if (chunk > left)
		chunk = (size_t)left;
	if (flow->call == FLOW_SENDFILE) {
		r = ktls_conn_sendfile(conn, flow->file_fd, flow->sent, chunk, deadline_of(flow),
				       &n64);
		flow->sent += n64;
		return r;
	}
	if (chunk > PATTERN_LEN)
		chunk = PATTERN_LEN;
	if (flow->call == FLOW_WRITE) {
		r = ktls_conn_write(conn, bytes_at(flow->sent), chunk, deadline_of(flow), &n);
	} else {
		make_pieces(bytes_at(flow->sent), chunk, iov, &count);
		r = ktls_conn_writev(conn, iov, count, deadline_of(flow), &n);
	}
	flow->sent += n;
	return r;
}

static bool receive_some(struct flow *flow, uint8_t *bytes)
{
	size_t n;

	flow->rx = ktls_conn_read(flow->pair->conn[to_of(flow)], bytes, READ_LEN, deadline_of(flow),
				  &n);
	if (memcmp(bytes, bytes_at(flow->seen), n))
		return false;
	flow->seen += n;
	return true;
}

/* Answers a sentence if something is wrong. */
static void *receive_all(void *arg)
{
	static uint8_t bytes[READ_LEN];
	static char wrong[] = "wrong bytes";
	struct flow *flow = arg;

	do {
		if (!receive_some(flow, bytes))
			return wrong;
	} while (!flow->rx && flow->seen < flow->len);
	return NULL;
}

static void run_waiting(struct flow *flow)
{
	pthread_t thread;
	void *wrong;

	cr_assert(!pthread_create(&thread, NULL, receive_all, flow));
	do {
		flow->tx = send_some(flow, flow->pair->conn[flow->from]);
	} while (!flow->tx && flow->sent < flow->len);
	cr_assert(!pthread_join(thread, &wrong));
	cr_assert_null(wrong, "%s before %llu", (const char *)wrong,
		       (unsigned long long)flow->seen);
}

static bool goes_on(int r)
{
	return !r || r == KTLS_WANT_READ || r == KTLS_WANT_WRITE;
}

/* Until something can move at either end. */
static void wait_any(const struct flow *flow)
{
	struct pollfd fds[2] = {
		{ .fd = flow->pair->fd[flow->from],
		  .events = flow->tx == KTLS_WANT_WRITE ? POLLOUT : 0 },
		{ .fd = flow->pair->fd[to_of(flow)], .events = POLLIN },
	};

	cr_assert(poll(fds, 2, IDLE_MS) > 0, "nothing moves: %llu sent, %llu seen",
		  (unsigned long long)flow->sent, (unsigned long long)flow->seen);
}

static void run_stepping(struct flow *flow)
{
	static uint8_t bytes[READ_LEN];

	do {
		/* An empty write sends what was accepted before. */
		if (flow->tx >= 0 && (flow->tx || flow->sent < flow->len))
			flow->tx = send_some(flow, flow->pair->conn[flow->from]);
		cr_assert(receive_some(flow, bytes), "wrong bytes at %llu",
			  (unsigned long long)flow->seen);
		if (flow->step && flow->tx >= 0)
			flow->step(flow);
		if (flow->rx == KTLS_WANT_READ && flow->seen < flow->len &&
		    (flow->tx || flow->sent == flow->len))
			wait_any(flow);
	} while (goes_on(flow->rx) && flow->seen < flow->len);
}

void flow_run(struct flow *flow)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = kit_byte(i);
	if (flow->call == FLOW_SENDFILE)
		flow->file_fd = kit_file((size_t)flow->len);
	flow->sent = flow->seen = 0;
	flow->tx = flow->rx = 0;
	if (flow->waits)
		run_waiting(flow);
	else
		run_stepping(flow);
	if (flow->call == FLOW_SENDFILE)
		close(flow->file_fd);
}

void flow_run_whole(struct flow *flow)
{
	flow_run(flow);
	cr_assert(flow->seen == flow->len && flow->sent == flow->len,
		  "%s: %llu of %llu sent: %s %s; %llu seen: %s %s", flow_call_name(flow->call),
		  (unsigned long long)flow->sent, (unsigned long long)flow->len,
		  ktls_strerrorname(flow->tx), ktls_conn_error(flow->pair->conn[flow->from]),
		  (unsigned long long)flow->seen, ktls_strerrorname(flow->rx),
		  ktls_conn_error(flow->pair->conn[to_of(flow)]));
}

const char *flow_call_name(enum flow_call call)
{
	static const char *const names[FLOW_CALLS_N] = { "write", "writev", "sendfile" };

	return names[call];
}

unsigned int flow_setting(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text && *text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

struct ktls_info flow_info(const struct pair *pair, enum pair_end end)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(pair->conn[end], &info, sizeof(info)));
	return info;
}
