/* SPDX-License-Identifier: MIT */

/*
 * Connections over functions of the caller's: buffers in memory that take and give as few bytes as
 * the test likes, and pipes that can be waited for. The handshake, data, files and ends are those
 * of a socket.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/socket.h>
#include <ktls/transport.h>

#include "kit.h"
#include "pair.h"

enum {
	WIRE_LEN = 1 << 16,
	LEN = 100000,
	ROUNDS_MAX = 4000000,
	SHORT_MS = 30,
	PATIENCE_MS = 20000,
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };
static uint8_t bytes[LEN], seen[LEN];

/* One way between two ends, in memory. */
struct wire {
	uint8_t bytes[WIRE_LEN];
	size_t len;
	bool ended;
};

/* One end: what it sends goes out, what it receives comes in. */
struct end {
	struct wire *in, *out;
	size_t step; /* bytes a call moves at most */
	int fault;   /* what every call answers; 0: as it should */
	size_t interruptions;
	unsigned int shutdowns;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static ssize_t end_send(void *context, const struct iovec *iov, int iovcnt)
{
	struct end *end = context;
	struct wire *wire = end->out;
	size_t n = 0;

	if (end->fault)
		return end->fault;
	if (end->interruptions && end->interruptions--)
		return -EINTR;
	for (int i = 0; i < iovcnt; i++) {
		size_t some = least(iov[i].iov_len, least(end->step - n, WIRE_LEN - wire->len));

		memcpy(wire->bytes + wire->len, iov[i].iov_base, some);
		wire->len += some;
		n += some;
	}
	return n ? (ssize_t)n : -EAGAIN;
}

static ssize_t end_receive(void *context, void *buf, size_t len)
{
	struct end *end = context;
	struct wire *wire = end->in;
	size_t n = least(len, least(end->step, wire->len));

	if (end->fault)
		return end->fault;
	if (end->interruptions && end->interruptions--)
		return -EINTR;
	if (!n)
		return wire->ended ? 0 : -EAGAIN;
	memcpy(buf, wire->bytes, n);
	wire->len -= n;
	memmove(wire->bytes, wire->bytes + n, wire->len);
	return (ssize_t)n;
}

static int end_shutdown(void *context)
{
	struct end *end = context;

	end->shutdowns++;
	end->out->ended = true;
	return 0;
}

static const struct ktls_transport in_memory = {
	.send = end_send,
	.receive = end_receive,
	.shutdown = end_shutdown,
};

struct world {
	struct wire wire[2];
	struct end end[2];
	struct ktls_config *config[2];
	struct ktls_conn *conn[2];
};

static struct world *world_new(enum ktls_protocol protocol, size_t step)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct world *world = calloc(1, sizeof(*world));

	options.protocol = protocol;
	pair_configs(&options, world->config);
	for (int i = 0; i < 2; i++) {
		world->end[i] = (struct end){ .in = &world->wire[i],
					      .out = &world->wire[!i],
					      .step = step };
		cr_assert(!ktls_conn_new_over(&world->conn[i], world->config[i], &in_memory,
					      sizeof(in_memory), &world->end[i]));
	}
	cr_assert(!ktls_conn_set_server_name(world->conn[0], "localhost"));
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = kit_byte(i);
	return world;
}

static void world_free(struct world *world)
{
	for (int i = 0; i < 2; i++) {
		ktls_conn_free(world->conn[i]);
		ktls_config_unref(world->config[i]);
	}
	free(world);
}

static bool is_want(int r)
{
	return r == KTLS_WANT_READ || r == KTLS_WANT_WRITE;
}

static void shake_hands(struct world *world)
{
	int r[2] = { KTLS_WANT_READ, KTLS_WANT_READ };

	for (unsigned int i = 0; is_want(r[0]) || is_want(r[1]); i++) {
		cr_assert(i < ROUNDS_MAX);
		for (int end = 0; end < 2; end++)
			r[end] = ktls_conn_handshake(world->conn[end], KTLS_NOW);
	}
	for (int end = 0; end < 2; end++)
		cr_assert(!r[end], "end %d: %s", end, ktls_conn_error(world->conn[end]));
}

static struct world *world_open(enum ktls_protocol protocol, size_t step)
{
	struct world *world = world_new(protocol, step);

	shake_hands(world);
	return world;
}

/* bytes, by writes or as a file. */
static void move(struct world *world, int from, int file_fd)
{
	size_t sent = 0, got = 0, n;
	uint64_t n64;
	int r;

	for (unsigned int i = 0; got < LEN; i++) {
		cr_assert(i < ROUNDS_MAX);
		if (file_fd < 0) {
			r = ktls_conn_write(world->conn[from], bytes + sent, LEN - sent, KTLS_NOW,
					    &n);
			sent += n;
		} else {
			r = ktls_conn_sendfile(world->conn[from], file_fd, sent, LEN - sent,
					       KTLS_NOW, &n64);
			sent += n64;
		}
		cr_assert(!r || is_want(r), "%s", ktls_conn_error(world->conn[from]));
		r = ktls_conn_read(world->conn[!from], seen + got, LEN - got, KTLS_NOW, &n);
		cr_assert(!r || is_want(r), "%s", ktls_conn_error(world->conn[!from]));
		got += n;
	}
	cr_assert(sent == LEN && !memcmp(bytes, seen, LEN));
}

Test(unit, everything_is_as_over_a_socket)
{
	static const size_t steps[] = { 1, 7, 1000, SIZE_MAX };

	for (int i = 0; i < 8; i++) {
		struct world *world = world_open(protocols[i % 2], steps[i / 2]);
		int file_fd = kit_file(LEN), r[2] = { KTLS_WANT_READ, KTLS_WANT_READ };
		struct ktls_info info;

		cr_assert(!ktls_conn_get_info(world->conn[0], &info, sizeof(info)));
		cr_assert_eq(info.protection[KTLS_TX], KTLS_PROTECTION_USER);
		move(world, 0, -1);
		move(world, 1, file_fd);
		if (info.protocol == KTLS_TLS_1_3)
			cr_assert(ktls_conn_update_key(world->conn[1], KTLS_KEY_UPDATE_BOTH,
						       KTLS_NOW) >= 0);
		move(world, 1, -1);
		for (int n = 0; is_want(r[0]) || is_want(r[1]); n++) {
			cr_assert(n < ROUNDS_MAX);
			for (int end = 0; end < 2; end++)
				if (is_want(r[end]))
					r[end] = ktls_conn_shutdown_and_close(world->conn[end],
									      KTLS_NOW);
		}
		cr_assert(!r[0] && !r[1], "%d %d", r[0], r[1]);
		cr_assert(world->end[0].shutdowns == 1 && world->end[1].shutdowns == 1);
		cr_assert(ktls_conn_shutdown(world->conn[0], KTLS_NOW) == -ENOTCONN);
		close(file_fd);
		world_free(world);
	}
}

Test(unit, it_says_why_it_is_not_in_the_kernel)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct world *world = world_new(KTLS_TLS_1_3, SIZE_MAX);
	struct ktls_address address;
	uint8_t frozen[1000];
	struct ktls_info info;
	size_t n;

	for (int i = 0; i < 2; i++)
		options.tx[i] = options.rx[i] = KTLS_OFFLOAD_AT_ONCE;
	for (int i = 0; i < 2; i++) {
		ktls_conn_free(world->conn[i]);
		ktls_config_unref(world->config[i]);
	}
	pair_configs(&options, world->config);
	for (int i = 0; i < 2; i++)
		cr_assert(!ktls_conn_new_over(&world->conn[i], world->config[i], &in_memory,
					      sizeof(in_memory), &world->end[i]));
	cr_assert(!ktls_conn_set_server_name(world->conn[0], "localhost"));
	shake_hands(world);
	cr_assert(!ktls_conn_get_info(world->conn[0], &info, sizeof(info)));
	for (int d = KTLS_TX; d <= KTLS_RX; d++) {
		cr_assert_eq(info.protection[d], KTLS_PROTECTION_USER);
		cr_assert_eq(info.reason[d], KTLS_REASON_NOT_TCP);
	}
	cr_assert_eq(ktls_conn_get_fd(world->conn[0]), -ENOTCONN);
	cr_assert_eq(ktls_conn_get_local_address(world->conn[0], &address), -ENOTCONN);
	cr_assert_eq(ktls_conn_get_peer_address(world->conn[0], &address), -ENOTCONN);
	cr_assert_eq(ktls_conn_freeze(world->conn[0], frozen, sizeof(frozen), &n), -EOPNOTSUPP);
	move(world, 0, -1);
	world_free(world);
}

Test(unit, one_that_cannot_wait_answers_what_it_wants)
{
	struct world *world = world_new(KTLS_TLS_1_3, SIZE_MAX);
	size_t n;

	cr_assert_eq(ktls_conn_handshake(world->conn[0], KTLS_FOREVER), KTLS_WANT_READ);
	cr_assert_eq(ktls_conn_handshake(world->conn[1], ktls_deadline_in(PATIENCE_MS)),
		     KTLS_WANT_READ);
	shake_hands(world);
	cr_assert_eq(ktls_conn_read(world->conn[0], seen, 1, KTLS_FOREVER, &n), KTLS_WANT_READ);
	cr_assert_eq(ktls_conn_read(world->conn[0], seen, 1, 1, &n), KTLS_TIMEDOUT);
	world->end[0].step = 0;
	cr_assert_eq(ktls_conn_write(world->conn[0], bytes, LEN, KTLS_FOREVER, &n),
		     KTLS_WANT_WRITE);
	cr_assert_eq(ktls_conn_shutdown(world->conn[0], KTLS_FOREVER), KTLS_WANT_WRITE);
	cr_assert_eq(ktls_conn_shutdown_and_close(world->conn[0], KTLS_FOREVER), KTLS_WANT_WRITE);
	world->end[0].step = SIZE_MAX;
	cr_assert_eq(ktls_conn_shutdown_and_close(world->conn[0], KTLS_FOREVER), KTLS_WANT_READ);
	world->wire[0].ended = true;
	cr_assert_eq(ktls_conn_shutdown_and_close(world->conn[0], KTLS_FOREVER), KTLS_CLOSED);
	world_free(world);
}

Test(unit, what_it_answers_is_forwarded_or_refused)
{
	static const struct {
		int answers, expected;
	} cases[] = {
		{ -EIO, -EIO },
		{ -ECONNRESET, -ECONNRESET },
		{ 1 << 20, -EPROTO }, /* more than was asked for */
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = world_open(protocols[i % 2], SIZE_MAX);
		size_t n;

		world->end[0].fault = cases[i / 2].answers;
		cr_assert_eq(ktls_conn_write(world->conn[0], bytes, 1, KTLS_NOW, &n),
			     cases[i / 2].expected);
		world->end[1].fault = cases[i / 2].answers;
		cr_assert_eq(ktls_conn_read(world->conn[1], seen, 1, KTLS_NOW, &n),
			     cases[i / 2].expected);
		world_free(world);
		world = world_new(protocols[i % 2], SIZE_MAX);
		world->end[0].fault = cases[i / 2].answers;
		cr_assert_eq(ktls_conn_handshake(world->conn[0], KTLS_NOW), cases[i / 2].expected);
		world_free(world);
	}
}

Test(unit, interruptions_and_a_cut_are_what_they_are_on_a_socket)
{
	for (int i = 0; i < 2; i++) {
		struct world *world = world_open(protocols[i], 1000);
		size_t n;

		world->end[0].interruptions = world->end[1].interruptions = 20;
		move(world, 0, -1);
		world->wire[1].ended = true;
		cr_assert_eq(ktls_conn_read(world->conn[1], seen, 1, KTLS_NOW, &n), KTLS_CLOSED);
		world_free(world);
	}
}

Test(unit, what_is_no_transport_is_refused)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct ktls_transport transport = { .send = end_send };
	struct ktls_config *config[2];
	struct ktls_conn *conn = NULL;
	struct end end = { 0 };

	pair_configs(&options, config);
	cr_assert_eq(ktls_conn_new_over(&conn, config[0], &transport, sizeof(transport), &end),
		     -EINVAL);
	transport = (struct ktls_transport){ .receive = end_receive };
	cr_assert_eq(ktls_conn_new_over(&conn, config[0], &transport, sizeof(transport), &end),
		     -EINVAL);
	cr_assert_eq(ktls_conn_new_over(&conn, config[0], &in_memory, sizeof(void *), &end),
		     -EINVAL);
	cr_assert_eq(ktls_conn_new_over(&conn, config[0], NULL, sizeof(in_memory), &end), -EINVAL);
	cr_assert_eq(ktls_conn_new_over(&conn, NULL, &in_memory, sizeof(in_memory), &end), -EINVAL);
	cr_assert_eq(ktls_conn_new_over(NULL, config[0], &in_memory, sizeof(in_memory), &end),
		     -EINVAL);
	cr_assert(!ktls_config_set_offload(config[0], KTLS_TX, KTLS_OFFLOAD_REQUIRED, 0));
	cr_assert_eq(ktls_conn_new_over(&conn, config[0], &in_memory, sizeof(in_memory), &end),
		     -EINVAL);
	cr_assert_null(conn);
	/* As a program would that knows only the first two members. */
	cr_assert(!ktls_conn_new_over(&conn, config[1], &in_memory,
				      offsetof(struct ktls_transport, wait), &end));
	ktls_conn_free(conn);
	ktls_config_unref(config[0]);
	ktls_config_unref(config[1]);
}

/* Pipes: one to read from, one to write to. */

struct pipes {
	int in, out;
};

static ssize_t pipes_send(void *context, const struct iovec *iov, int iovcnt)
{
	const struct pipes *pipes = context;
	ssize_t n = writev(pipes->out, iov, iovcnt);

	return n < 0 ? -errno : n;
}

static ssize_t pipes_receive(void *context, void *buf, size_t len)
{
	const struct pipes *pipes = context;
	ssize_t n = read(pipes->in, buf, len);

	return n < 0 ? -errno : n;
}

static int pipes_wait(void *context, short events, uint64_t deadline_ns)
{
	const struct pipes *pipes = context;
	struct pollfd fds[2] = { { .fd = pipes->in, .events = events & POLLIN },
				 { .fd = pipes->out, .events = events & POLLOUT } };

	if (!(events & POLLOUT))
		fds[1].fd = -1;
	if (!(events & POLLIN))
		fds[0].fd = -1;
	return poll(fds, 2, deadline_ns == KTLS_FOREVER ? PATIENCE_MS : SHORT_MS) ? 0
										  : KTLS_TIMEDOUT;
}

static const struct ktls_transport over_pipes = {
	.send = pipes_send,
	.receive = pipes_receive,
	.wait = pipes_wait,
};

static void *serve(void *context)
{
	struct ktls_conn *conn = context;
	size_t n;
	int r = ktls_conn_handshake(conn, KTLS_FOREVER);

	while (!r) {
		r = ktls_conn_read(conn, seen, sizeof(seen), KTLS_FOREVER, &n);
		if (!r)
			r = ktls_conn_write(conn, seen, n, KTLS_FOREVER, &n);
	}
	cr_assert_eq(r, KTLS_EOF);
	cr_assert(!ktls_conn_shutdown(conn, KTLS_FOREVER));
	return NULL;
}

Test(unit, one_that_waits_is_waited_for)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct ktls_config *config[2];
	struct ktls_conn *conn[2];
	struct pipes pipes[2];
	pthread_t thread;
	static uint8_t back[LEN];
	int there[2], here[2];
	size_t n, got = 0;

	cr_assert(!pipe2(there, O_NONBLOCK | O_CLOEXEC) && !pipe2(here, O_NONBLOCK | O_CLOEXEC));
	pipes[0] = (struct pipes){ .in = here[0], .out = there[1] };
	pipes[1] = (struct pipes){ .in = there[0], .out = here[1] };
	pair_configs(&options, config);
	for (int i = 0; i < 2; i++)
		cr_assert(!ktls_conn_new_over(&conn[i], config[i], &over_pipes, sizeof(over_pipes),
					      &pipes[i]));
	cr_assert(!ktls_conn_set_server_name(conn[0], "localhost"));
	cr_assert_eq(ktls_conn_handshake(conn[0], ktls_deadline_in(SHORT_MS)), KTLS_TIMEDOUT);
	cr_assert(!pthread_create(&thread, NULL, serve, conn[1]));
	cr_assert(!ktls_conn_handshake(conn[0], KTLS_FOREVER), "%s", ktls_conn_error(conn[0]));
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = kit_byte(i);
	for (size_t at = 0; at < LEN; at += 1000) {
		cr_assert(!ktls_conn_write(conn[0], bytes + at, 1000, KTLS_FOREVER, &n));
		while (got < at + 1000) {
			cr_assert(
				!ktls_conn_read(conn[0], back + got, LEN - got, KTLS_FOREVER, &n));
			got += n;
		}
	}
	cr_assert(!memcmp(bytes, back, LEN));
	cr_assert_eq(ktls_conn_read(conn[0], back, 1, ktls_deadline_in(SHORT_MS), &n),
		     KTLS_TIMEDOUT);
	cr_assert(!ktls_conn_shutdown_and_close(conn[0], ktls_deadline_in(PATIENCE_MS)));
	cr_assert(!pthread_join(thread, NULL));
	for (int i = 0; i < 2; i++) {
		ktls_conn_free(conn[i]);
		ktls_config_unref(config[i]);
		close(there[i]);
		close(here[i]);
	}
}
