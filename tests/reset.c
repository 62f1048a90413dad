/* SPDX-License-Identifier: MIT */

/* Resets between our close_notify and the end of our side, where they are seldom; see reset.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include "ending.h"
#include "kit.h"
#include "reset.h"
#include "seam.h"

enum {
	LEN = 1000,
	PATIENCE_MS = 20000,
	PAUSE_MS = 1,
};

static struct pair pair;

void reset_by(struct pair *of, enum pair_end end)
{
	const struct linger linger = { .l_onoff = 1 };

	cr_assert(!setsockopt(of->fd[end], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	pair_vanish(of, end);
}

static void open_pair(int i)
{
	const struct ending ending = { .protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2 };

	pair = ending_open(&ending);
}

static void write_some(void)
{
	static const uint8_t bytes[LEN];
	size_t n;

	cr_assert(!ktls_conn_write(pair.conn[0], bytes, LEN, KTLS_FOREVER, &n) && n == LEN);
}

static void peer_reads_all(void)
{
	static uint8_t bytes[LEN];
	size_t n;

	for (size_t got = 0; got < LEN; got += n)
		cr_assert(!ktls_conn_read(pair.conn[1], bytes, LEN, ktls_deadline_in(PATIENCE_MS),
					  &n));
}

/* Its end has come when it may close: what it answers later could overtake it. */
static void peer_ends(void)
{
	cr_assert(!ktls_conn_shutdown(pair.conn[1], KTLS_FOREVER));
	kit_wait(pair.fd[0], POLLRDHUP);
}

/* What happens when all of ours is with TCP, and our side has not ended yet. */

static void await_reset(void)
{
	kit_wait(pair.fd[0], 0);
}

static void peer_closes_over_unread(void)
{
	int unacknowledged;

	while (!ioctl(pair.fd[0], SIOCOUTQ, &unacknowledged) && unacknowledged)
		poll(NULL, 0, PAUSE_MS);
	pair_vanish(&pair, PAIR_SERVER);
	await_reset();
}

static void cork(int on)
{
	cr_assert(!setsockopt(pair.fd[0], IPPROTO_TCP, TCP_CORK, &on, sizeof(on)));
}

static void uncork(void)
{
	cork(0);
	await_reset();
}

/* The subject ends, by either call. */
static int end(int i, void (*happens)(void))
{
	const struct seam_fault fault = {
		.calls = 1 << SEAM_SHUTDOWN,
		.times = 1,
		.happens = happens,
	};
	uint64_t deadline_ns = ktls_deadline_in(PATIENCE_MS);
	int r;

	seam_begin(pair.fd[0], &fault, NULL);
	if (i & 2)
		r = ktls_conn_shutdown(pair.conn[0], deadline_ns);
	else
		r = ktls_conn_shutdown_and_close(pair.conn[0], deadline_ns);
	cr_assert(seam.touched == 1);
	seam_end();
	if (!(i & 2))
		pair.fd[0] = -1;
	return r;
}

void reset_run_of_close_notify(void)
{
	for (int i = 0; i < 4; i++) {
		uint8_t byte;
		size_t n;
		int r;

		open_pair(i);
		write_some();
		peer_reads_all();
		peer_ends();
		pair_vanish(&pair, PAIR_SERVER);
		r = end(i, await_reset);
		cr_assert(!r, "%d: %s: %s", i, ktls_strerrorname(r), ktls_conn_error(pair.conn[0]));
		cr_assert(ktls_conn_read(pair.conn[0], &byte, 1, KTLS_FOREVER, &n) == KTLS_EOF);
		pair_free(&pair);
	}
}

void reset_run_of_unread_bytes(void)
{
	for (int i = 0; i < 8; i++) {
		int r;

		open_pair(i);
		write_some();
		if (i & 4)
			peer_ends();
		r = end(i, peer_closes_over_unread);
		cr_assert(r == -ECONNRESET, "%d: %s", i, ktls_strerrorname(r));
		pair_free(&pair);
	}
}

void reset_run_of_bytes_behind_the_end(void)
{
	for (int i = 0; i < 4; i++) {
		int r;

		open_pair(i);
		peer_ends();
		pair_vanish(&pair, PAIR_SERVER);
		cork(1);
		write_some();
		r = end(i, uncork);
		cr_assert(r == -ECONNRESET, "%d: %s", i, ktls_strerrorname(r));
		pair_free(&pair);
	}
}
