/* SPDX-License-Identifier: MIT */

/* Ops on a ring itself: connections as they come, and go; descriptors; times. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/calling.h"
#include "tests/kit.h"
#include "tests/ringing.h"
#include "tests/turns.h"

enum {
	SOON_MS = 50,
	MANY = 100,
	CONNS = 2 * MANY,
};

/* -- Accepting -- */

/* A ring, and a listener whose connections come to it. */
struct here {
	struct ktls_ring *ring;
	struct ktls_config *client, *server;
	struct ktls_listener *listener;
	struct turns_op accept;
	struct ktls_conn *conns[CONNS];
	size_t n;
};

static void make(struct here *here, uint32_t conns)
{
	*here = (struct here){ .ring = turns_ring(conns, 8) };
	here->server = calling_server("localhost");
	here->client = calling_client();
	here->listener = calling_listener(here->server);
	cr_assert(!ktls_op_accept(turns_op(&here->accept), here->ring, here->listener));
}

static void unmake(struct here *here)
{
	for (size_t i = 0; i < here->n; i++)
		ktls_conn_free(here->conns[i]);
	ktls_ring_free(here->ring);
	ktls_listener_free(here->listener);
	ktls_config_unref(here->server);
	ktls_config_unref(here->client);
}

/* Waits until `n` connections have come in all, or the op has ended: its result then, else 0. */
static int expect_conns(struct here *here, size_t n)
{
	const uint64_t deadline_ns = ktls_deadline_in(TURNS_PATIENCE_MS);
	struct ktls_event event;
	size_t got;

	while (here->n < n) {
		cr_assert_eq(ktls_ring_wait(here->ring, deadline_ns, &event, 1, &got), 0,
			     "%zu connections came", here->n);
		cr_assert_eq(event.op, &here->accept.op);
		if (!event.more)
			return event.result;
		cr_assert(!event.result && event.conn);
		here->conns[here->n++] = event.conn;
	}
	return 0;
}

/* The client's handshake, and the server's. */
static void open_both(struct here *here, struct ktls_conn *client, struct ktls_conn *server)
{
	struct turns_op ops[2] = { { .end = 0 } };

	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), client, KTLS_FOREVER));
	cr_assert(!ktls_op_handshake(turns_op(&ops[1]), server, KTLS_FOREVER));
	for (int i = 0; i < 2; i++)
		cr_assert_eq(turns_end(here->ring, &ops[i]), 0, "%d: %s", i,
			     ktls_conn_error(i ? server : client));
}

static struct ktls_conn *call(struct here *here)
{
	struct ktls_conn *client = calling_new(here->listener, here->client, "localhost");

	cr_assert_eq(ktls_ring_add(here->ring, client), 0);
	return client;
}

Test(op_accept, arguments_that_make_no_sense_are_refused)
{
	struct ktls_op op = { .user = NULL };
	struct here here;

	make(&here, 4);
	cr_assert_eq(ktls_op_accept(NULL, here.ring, here.listener), -EINVAL);
	cr_assert_eq(ktls_op_accept(&op, NULL, here.listener), -EINVAL);
	cr_assert_eq(ktls_op_accept(&op, here.ring, NULL), -EINVAL);
	cr_assert_eq(ktls_op_accept(&here.accept.op, here.ring, here.listener), -EBUSY);
	cr_assert_eq(turns_cancel(here.ring, &here.accept), -ECANCELED);
	unmake(&here);
}

Test(op_accept, a_hundred_connections_come_by_one_op)
{
	int fds[MANY];
	struct here here;

	make(&here, CONNS);
	for (int i = 0; i < MANY; i++)
		fds[i] = calling_silent(here.listener);

	cr_assert_eq(expect_conns(&here, MANY), 0);
	turns_quiet(here.ring);
	cr_assert_eq(turns_cancel(here.ring, &here.accept), -ECANCELED);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	unmake(&here);
}

Test(op_accept, what_came_is_in_the_ring_and_works)
{
	struct pair pair;
	struct here here;

	make(&here, 4);
	pair.conn[0] = call(&here);
	cr_assert_eq(expect_conns(&here, 1), 0);
	pair.conn[1] = here.conns[0];
	cr_assert_eq(ktls_ring_add(here.ring, pair.conn[1]), -EBUSY);
	open_both(&here, pair.conn[0], pair.conn[1]);

	turns_carry(here.ring, &pair, PAIR_CLIENT);
	turns_carry(here.ring, &pair, PAIR_SERVER);
	ktls_conn_free(pair.conn[0]);
	unmake(&here);
}

Test(op_accept, cancelled_it_can_be_started_again)
{
	struct here here;
	int fds[2];

	make(&here, 4);
	fds[0] = calling_silent(here.listener);
	cr_assert_eq(expect_conns(&here, 1), 0);
	cr_assert_eq(turns_cancel(here.ring, &here.accept), -ECANCELED);

	fds[1] = calling_silent(here.listener);
	turns_quiet(here.ring);
	cr_assert(!ktls_op_accept(turns_op(&here.accept), here.ring, here.listener));
	cr_assert_eq(expect_conns(&here, 2), 0);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
	unmake(&here);
}

Test(op_accept, a_full_ring_ends_it_and_room_lets_it_go_on)
{
	enum {
		ROOM = 3
	};
	struct here here;
	int fds[ROOM + 2];

	make(&here, ROOM);
	for (int i = 0; i <= ROOM; i++)
		fds[i] = calling_silent(here.listener);
	cr_assert_eq(expect_conns(&here, ROOM + 1), -ENOSPC);
	cr_assert_eq(here.n, ROOM);

	while (here.n)
		ktls_conn_free(here.conns[--here.n]);
	turns_quiet(here.ring);
	fds[ROOM + 1] = calling_silent(here.listener);
	cr_assert(!ktls_op_accept(turns_op(&here.accept), here.ring, here.listener));
	cr_assert_eq(expect_conns(&here, 1), 0);
	for (int i = 0; i < ROOM + 2; i++)
		close(fds[i]);
	unmake(&here);
}

Test(op_accept, descriptors_that_run_out_end_it_and_it_goes_on_when_there_are_some)
{
	struct rlimit limit, tight;
	struct here here;
	int fds[2];

	make(&here, 4);
	for (int i = 0; i < 2; i++)
		fds[i] = calling_silent(here.listener);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = (rlim_t)dup(0); /* the first that is free */
	close((int)tight.rlim_cur);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	cr_assert_eq(expect_conns(&here, 1), -EMFILE);

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert(!ktls_op_accept(turns_op(&here.accept), here.ring, here.listener));
	cr_assert_eq(expect_conns(&here, 2), 0);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
	unmake(&here);
}

Test(op_accept, the_listeners_present_config_is_the_connections)
{
	struct ktls_config *other = calling_server("other.example");
	struct ktls_conn *clients[2];
	struct here here;

	make(&here, 4);
	clients[0] = call(&here);
	cr_assert_eq(expect_conns(&here, 1), 0);
	cr_assert_eq(ktls_listener_set_config(here.listener, other), 0);
	clients[1] = calling_new(here.listener, here.client, "other.example");
	cr_assert_eq(ktls_ring_add(here.ring, clients[1]), 0);
	cr_assert_eq(expect_conns(&here, 2), 0);

	for (int i = 0; i < 2; i++)
		open_both(&here, clients[i], here.conns[i]);
	for (int i = 0; i < 2; i++)
		ktls_conn_free(clients[i]);
	unmake(&here);
	ktls_config_unref(other);
}

/* Nobody was told of them. */
Test(op_accept, connections_that_came_are_gone_with_the_ring)
{
	unsigned int before;
	struct here here;
	char byte;
	int fd[2];

	make(&here, 4);
	before = kit_count_fds();
	for (int i = 0; i < 2; i++)
		fd[i] = calling_silent(here.listener);
	/* Both come in one turn, and one of them is told. */
	cr_assert_eq(expect_conns(&here, 1), 0);
	here.ring = ktls_ring_free(here.ring);
	ktls_conn_free(here.conns[--here.n]);

	ktls_listener_free(here.listener);
	here.listener = NULL;
	for (int i = 0; i < 2; i++) {
		cr_assert_leq(recv(fd[i], &byte, 1, 0), 0);
		close(fd[i]);
	}
	cr_assert_lt(kit_count_fds(), before);
	unmake(&here);
}

/* -- Dialling -- */

Test(op_dial, a_handshake_connects_first)
{
	struct ktls_address address;
	struct pair pair;
	struct turns_op ops[2] = { { .end = 0 } };
	struct here here;

	make(&here, 4);
	cr_assert_eq(ktls_listener_get_address(here.listener, &address), 0);
	cr_assert_eq(ktls_conn_dial_address(&pair.conn[0], here.client, &address), 0);
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[0], "localhost"), 0);
	cr_assert_eq(ktls_ring_add(here.ring, pair.conn[0]), 0);
	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), pair.conn[0], KTLS_FOREVER));
	cr_assert_eq(expect_conns(&here, 1), 0);
	pair.conn[1] = here.conns[0];
	cr_assert(!ktls_op_handshake(turns_op(&ops[1]), pair.conn[1], KTLS_FOREVER));
	for (int i = 0; i < 2; i++)
		cr_assert_eq(turns_end(here.ring, &ops[i]), 0, "%s", ktls_conn_error(pair.conn[i]));

	turns_carry(here.ring, &pair, PAIR_CLIENT);
	turns_carry(here.ring, &pair, PAIR_SERVER);
	ktls_conn_free(pair.conn[0]);
	unmake(&here);
}

/* What it waited at while it dialled is gone when the next op goes on. */
Test(op_dial, one_that_was_too_late_goes_on_when_it_has_connected_since)
{
	struct pair pair = { .config = { calling_client(), calling_server("localhost") } };
	int listener = ringing_listener(), first = ringing_client(listener);
	struct pollfd somebody = { .fd = listener, .events = POLLIN };
	struct ktls_ring *ring = turns_ring(2, 1);
	struct turns_op ops[2] = { { .end = 0 } };
	struct sockaddr_storage storage;
	socklen_t len = sizeof(storage);
	struct ktls_address address;

	/* One is in the queue, which has no room for another. */
	cr_assert(!listen(listener, 0));
	cr_assert(!getsockname(listener, (struct sockaddr *)&storage, &len));
	cr_assert(!ktls_address_from_sockaddr(&address, (struct sockaddr *)&storage, len));
	cr_assert(!ktls_conn_dial_address(&pair.conn[0], pair.config[0], &address));
	cr_assert(!ktls_conn_set_server_name(pair.conn[0], "localhost"));
	cr_assert(!ktls_ring_add(ring, pair.conn[0]));
	cr_assert(!ktls_op_handshake(turns_op(&ops[0]), pair.conn[0], ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &ops[0]), KTLS_TIMEDOUT);

	close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	cr_assert_eq(poll(&somebody, 1, TURNS_PATIENCE_MS), 1);
	cr_assert(!ktls_conn_adopt(&pair.conn[1], pair.config[1],
				   accept4(listener, NULL, NULL, SOCK_CLOEXEC)));
	cr_assert(!ktls_ring_add(ring, pair.conn[1]));
	for (int i = 0; i < 2; i++)
		cr_assert(!ktls_op_handshake(turns_op(&ops[i]), pair.conn[i], KTLS_FOREVER));
	for (int i = 0; i < 2; i++)
		cr_assert_eq(turns_end(ring, &ops[i]), 0, "%s", ktls_conn_error(pair.conn[i]));
	turns_carry(ring, &pair, PAIR_CLIENT);
	pair_free(&pair);
	ktls_ring_free(ring);
	close(first);
	close(listener);
}

Test(op_dial, where_nobody_listens_it_is_refused)
{
	struct turns_op op = { .end = 0 };
	struct ktls_address address;
	struct ktls_conn *conn;
	struct here here;

	make(&here, 4);
	cr_assert_eq(ktls_listener_get_address(here.listener, &address), 0);
	cr_assert_eq(turns_cancel(here.ring, &here.accept), -ECANCELED);
	here.listener = ktls_listener_free(here.listener);
	cr_assert_eq(ktls_conn_dial_address(&conn, here.client, &address), 0);
	cr_assert_eq(ktls_conn_set_server_name(conn, "localhost"), 0);
	cr_assert_eq(ktls_ring_add(here.ring, conn), 0);

	cr_assert(!ktls_op_handshake(turns_op(&op), conn, KTLS_FOREVER));
	cr_assert_eq(turns_end(here.ring, &op), -ECONNREFUSED);
	ktls_conn_free(conn);
	unmake(&here);
}

/* -- Descriptors -- */

Test(op_poll, says_what_a_descriptor_has)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	struct turns_op op = { .end = 0 };
	int fds[2];

	ringing_pair(fds);
	cr_assert_eq(ktls_op_poll(NULL, ring, fds[0], POLLIN, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_poll(&op.op, NULL, fds[0], POLLIN, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_poll(&op.op, ring, -1, POLLIN, KTLS_NOW), -EINVAL);

	cr_assert(!ktls_op_poll(turns_op(&op), ring, fds[0], POLLIN, KTLS_NOW));
	cr_assert_eq(turns_end(ring, &op), KTLS_TIMEDOUT);
	cr_assert(!ktls_op_poll(turns_op(&op), ring, fds[0], POLLIN, ktls_deadline_in(SOON_MS)));
	cr_assert_eq(turns_end(ring, &op), KTLS_TIMEDOUT);
	cr_assert(!ktls_op_poll(turns_op(&op), ring, fds[0], POLLIN, KTLS_FOREVER));
	cr_assert_eq(ktls_op_poll(&op.op, ring, fds[0], POLLIN, KTLS_FOREVER), -EBUSY);
	turns_quiet(ring);
	cr_assert_eq(turns_cancel(ring, &op), -ECANCELED);

	ringing_say(fds[1], "x");
	cr_assert(!ktls_op_poll(turns_op(&op), ring, fds[0], POLLIN | POLLOUT, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), 0);
	cr_assert_eq(op.event.n, POLLIN | POLLOUT);
	cr_assert_null(op.event.conn);
	close(fds[1]);
	cr_assert(!ktls_op_poll(turns_op(&op), ring, fds[0], 0, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), 0);
	cr_assert(op.event.n & POLLHUP);
	close(fds[0]);
	cr_assert(!ktls_op_poll(turns_op(&op), ring, fds[0], POLLIN, KTLS_FOREVER));
	cr_assert_eq(turns_end(ring, &op), -EBADF);
	ktls_ring_free(ring);
}

Test(op_poll, too_many_at_once_are_refused)
{
	enum {
		TOO_MANY = 1000
	};
	static struct turns_op ops[TOO_MANY];
	struct ktls_ring *ring = turns_ring(1, 1);
	int fds[2], n = 0, r = 0;

	ringing_pair(fds);
	while (n < TOO_MANY && !r)
		r = ktls_op_poll(turns_op(&ops[n++]), ring, fds[0], POLLIN, KTLS_FOREVER);
	cr_assert_eq(r, -EAGAIN);
	cr_assert_eq(ktls_op_cancel(&ops[--n].op), -ENOENT);

	/* Those that were started all end. */
	ringing_say(fds[1], "x");
	for (int i = 0; i < n; i++)
		cr_assert_eq(turns_end(ring, &ops[i]), 0);
	ktls_ring_free(ring);
	ringing_close_pair(fds);
}

/* -- Times -- */

Test(op_timer, ends_at_its_time)
{
	struct ktls_ring *ring = turns_ring(2, 1);
	const uint64_t at_ns = ktls_deadline_in(SOON_MS);
	struct turns_op op = { .end = 0 };

	cr_assert_eq(ktls_op_timer(NULL, ring, KTLS_NOW), -EINVAL);
	cr_assert_eq(ktls_op_timer(&op.op, NULL, KTLS_NOW), -EINVAL);
	cr_assert(!ktls_op_timer(turns_op(&op), ring, KTLS_NOW));
	cr_assert_eq(ktls_op_timer(&op.op, ring, KTLS_NOW), -EBUSY);
	cr_assert_eq(turns_end(ring, &op), KTLS_TIMEDOUT);

	cr_assert(!ktls_op_timer(turns_op(&op), ring, at_ns));
	cr_assert_eq(turns_end(ring, &op), KTLS_TIMEDOUT);
	cr_assert_geq(ktls_deadline_in(0), at_ns);
	cr_assert_lt(ktls_deadline_in(0), at_ns + TURNS_PATIENCE_MS * 1000000ull);

	cr_assert(!ktls_op_timer(turns_op(&op), ring, KTLS_FOREVER));
	turns_quiet(ring);
	cr_assert_eq(turns_cancel(ring, &op), -ECANCELED);
	ktls_ring_free(ring);
}

Test(op_timer, many_end_in_the_order_of_their_times)
{
	static struct turns_op ops[MANY];
	struct ktls_ring *ring = turns_ring(2, 1);
	const uint64_t base_ns = ktls_deadline_in(SOON_MS);
	struct ktls_event event;
	size_t n;

	for (int i = 0; i < MANY; i++)
		cr_assert(!ktls_op_timer(turns_op(&ops[i]), ring,
					 base_ns + (uint64_t)(i * 37 % MANY) * 100000));
	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(ktls_ring_wait(ring, ktls_deadline_in(TURNS_PATIENCE_MS), &event, 1,
					    &n),
			     0);
		cr_assert_eq(event.result, KTLS_TIMEDOUT);
		cr_assert_eq(((struct turns_op *)event.op->user - ops) * 37 % MANY, i);
	}
	ktls_ring_free(ring);
}
