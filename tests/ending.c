/* SPDX-License-Identifier: MIT */

/* Transfers that end right behind their last byte; see ending.h. */

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/deadline.h"
#include "ending.h"
#include "kit.h"

enum {
	LEN_MAX = 10000000,
	SMALL_LEN = 30000, /* over sockets with buffers of some KiB */
	LARGE_LEN = 200000,
	STEP = 7919, /* from one length to the next, so that records end anywhere */
	STEPS = 5,
	UPLOAD_LEN = 1000000,
	WRITTEN_FIRST = 300000, /* more than SMALL_BUFFERS hold */
	PIECES = 7,
	READ_LEN = 1400,
	PAUSE_EVERY = 16384,
	PAUSE_US = 1000,
	LINGER_S = 10,
	TIMEOUT_MS = 300,
	SLACK_MS = 5000, /* of an emulator */
	TINY_BUFFERS = 2048,
	SMALL_BUFFERS = 16384,
};

static struct ktls_config *config[2][2][2]; /* by protocol, subject, end */
static uint8_t bytes[LEN_MAX];
static int file_fd;

static unsigned int rounds_of(unsigned int rounds)
{
	const char *value = getenv("KTLS_TEST_ROUNDS");

	return value ? (unsigned int)strtoul(value, NULL, 10) : rounds;
}

void ending_begin(enum ktls_offload tx, enum ktls_offload rx)
{
	for (int i = 0; i < 4; i++) {
		int subject = i & 1;
		struct pair_options options = PAIR_OPTIONS_USER;
		struct pair pair;

		options.protocol = i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
		options.tx[subject] = tx;
		options.rx[subject] = rx;
		pair = pair_new(&options);
		for (int end = 0; end < 2; end++)
			config[i >> 1][subject][end] = ktls_config_ref(pair.config[end]);
		pair_free(&pair);
	}
	for (size_t i = 0; i < LEN_MAX; i++)
		bytes[i] = kit_byte(i);
	file_fd = kit_file(LEN_MAX);
}

void ending_end(void)
{
	for (int i = 0; i < 8; i++)
		ktls_config_unref(config[i >> 2][i >> 1 & 1][i & 1]);
	close(file_fd);
}

struct pair ending_open(const struct ending *ending)
{
	struct ktls_config **both = config[ending->protocol == KTLS_TLS_1_3][ending->subject];
	struct pair pair =
		pair_join(ktls_config_ref(both[PAIR_CLIENT]), ktls_config_ref(both[PAIR_SERVER]),
			  "localhost", ending->buffer_bytes);
	const struct linger linger = {
		.l_onoff = ending->linger != ENDING_LINGER_OFF,
		.l_linger = ending->linger == ENDING_LINGER_LONG ? LINGER_S : 0,
	};
	int rc[2];

	pair_handshake(&pair, rc);
	for (int end = 0; end < 2; end++)
		cr_assert(!rc[end], "%s", ktls_conn_error(pair.conn[end]));
	cr_assert(!setsockopt(pair.fd[ending->subject], SOL_SOCKET, SO_LINGER, &linger,
			      sizeof(linger)));
	return pair;
}

/* The peer: a thread, which asserts nothing itself. */

struct peer {
	const struct ending *ending;
	struct ktls_conn *conn;
	int fd;
	size_t got, written, wrong;
	int rc; /* what ended its reading */
	pthread_t thread;
};

static void peer_check(struct peer *peer, const uint8_t *from, size_t n)
{
	if (peer->got + n > LEN_MAX || memcmp(from, bytes + peer->got, n))
		peer->wrong++;
	if (peer->got / PAUSE_EVERY != (peer->got + n) / PAUSE_EVERY)
		usleep(PAUSE_US);
	peer->got += n;
}

static bool peer_talks(const struct peer *peer)
{
	switch (peer->ending->peer) {
	case ENDING_PEER_TALKS:
		return !peer->rc;
	case ENDING_PEER_NEVER_SILENT:
	case ENDING_PEER_NEVER_READS:
		return true;
	case ENDING_PEER_READS:
	case ENDING_PEER_WRITES_FIRST:
	case ENDING_PEER_NEVER_ENDS:
		break;
	}
	return false;
}

/* Whether the peer has ended: one that never does ends when the subject's socket is gone. */
static bool peer_reads(struct peer *peer)
{
	uint8_t buf[READ_LEN];
	size_t n;
	int rc;

	if (peer->rc)
		return false;
	rc = ktls_conn_read(peer->conn, buf, sizeof(buf), KTLS_NOW, &n);
	peer_check(peer, buf, n);
	if (rc && rc != KTLS_WANT_READ)
		peer->rc = rc;
	return !rc;
}

/* 0 if it is of no use to go on. */
static bool peer_writes(struct peer *peer)
{
	size_t n;
	int rc = ktls_conn_write(peer->conn, bytes, READ_LEN * 4, KTLS_NOW, &n);

	peer->written += n;
	return rc >= 0;
}

/* Until the subject's end was read and nothing is to be said any more, or the transport is no
 * more. */
static void peer_converse(struct peer *peer)
{
	bool reads = peer->ending->peer != ENDING_PEER_NEVER_READS;

	for (;;) {
		struct pollfd pollfd = { .fd = peer->fd };
		bool moved = reads && peer_reads(peer), talks = peer_talks(peer);

		if ((peer->rc && !talks) || (talks && !peer_writes(peer)))
			return;
		pollfd.events = (short)((reads && !peer->rc ? POLLIN : 0) | (talks ? POLLOUT : 0));
		if (!moved && poll(&pollfd, 1, KIT_PATIENCE_MS) < 1)
			return;
	}
}

static void *peer_main(void *context)
{
	struct peer *peer = context;
	struct pollfd pollfd = { .fd = peer->fd };
	size_t n;

	if (peer->ending->peer == ENDING_PEER_WRITES_FIRST &&
	    ktls_conn_write(peer->conn, bytes, WRITTEN_FIRST, ktls_deadline_in(KIT_PATIENCE_MS),
			    &n)) {
		peer->rc = -ETIMEDOUT;
		return NULL;
	}
	peer_converse(peer);
	if (peer->ending->peer < ENDING_PEER_NEVER_ENDS)
		ktls_conn_shutdown(peer->conn, ktls_deadline_in(KIT_PATIENCE_MS));
	else
		poll(&pollfd, 1, KIT_PATIENCE_MS); /* POLLHUP, when the test has seen enough */
	return NULL;
}

static void peer_start(struct peer *peer, const struct ending *ending, const struct pair *pair)
{
	*peer = (struct peer){
		.ending = ending,
		.conn = pair->conn[!ending->subject],
		.fd = pair->fd[!ending->subject],
	};
	cr_assert(!pthread_create(&peer->thread, NULL, peer_main, peer));
}

/* The subject */

/* Says, when nothing comes, where everything stands. */
static void wait_for(const struct ending *ending, const struct pair *pair, int want)
{
	int fd = pair->fd[ending->subject], unsent = -1, unread[2] = { -1, -1 };
	struct pollfd pollfd = { .fd = fd, .events = want == KTLS_WANT_READ ? POLLIN : POLLOUT };
	struct ktls_info info;

	if (poll(&pollfd, 1, KIT_PATIENCE_MS) == 1)
		return;
	ktls_conn_get_info(pair->conn[ending->subject], &info, sizeof(info));
	ioctl(fd, SIOCOUTQ, &unsent);
	for (int end = 0; end < 2; end++)
		ioctl(pair->fd[end], SIOCINQ, &unread[end]);
	cr_assert_fail(
		"nothing came: TLS 1.%d, call %d, buffers %d, linger %d, %s; wants %s, %s; "
		"%d bytes not acknowledged, %d unread here, %d at the peer, which says \"%s\"",
		ending->protocol == KTLS_TLS_1_3 ? 3 : 2, ending->call, ending->buffer_bytes,
		ending->linger, ending->closes ? "shutdown_and_close" : "shutdown, close",
		ktls_strerrorname(want), ktls_state_name(info.state), unsent,
		unread[ending->subject], unread[!ending->subject],
		ktls_conn_error(pair->conn[!ending->subject]));
}

static int send_some(const struct ending *ending, struct ktls_conn *conn, size_t at, size_t *ret_n)
{
	uint64_t deadline_ns = ending->waits ? KTLS_FOREVER : KTLS_NOW, n64;
	size_t left = ending->len - at, piece = left / PIECES + 1;
	struct iovec iov[PIECES + 1];
	int count = 0, rc;

	switch (ending->call) {
	case ENDING_WRITE:
		return ktls_conn_write(conn, bytes + at, left, deadline_ns, ret_n);
	case ENDING_WRITEV:
		for (; left; left -= iov[count - 1].iov_len, at += iov[count - 1].iov_len)
			iov[count++] = (struct iovec){ bytes + at, left < piece ? left : piece };
		return ktls_conn_writev(conn, iov, count, deadline_ns, ret_n);
	case ENDING_SENDFILE:
	case ENDING_CALLS_N:
		break;
	}
	rc = ktls_conn_sendfile(conn, file_fd, at, left, deadline_ns, &n64);
	*ret_n = (size_t)n64;
	return rc;
}

/* To the last accepted byte, and no call more. */
static void send_all(const struct ending *ending, const struct pair *pair)
{
	struct ktls_conn *conn = pair->conn[ending->subject];
	size_t at = 0, n;

	while (at < ending->len) {
		int rc = send_some(ending, conn, at, &n);

		cr_assert(rc >= 0, "%s", ktls_conn_error(conn));
		at += n;
		if (at == ending->len)
			return;
		wait_for(ending, pair, rc);
		/* A kernel may say "writable" while it still holds a record. */
		if (!n)
			usleep(PAUSE_US);
	}
}

static int end_once(const struct ending *ending, struct ktls_conn *conn, uint64_t deadline_ns)
{
	return ending->closes ? ktls_conn_shutdown_and_close(conn, deadline_ns)
			      : ktls_conn_shutdown(conn, deadline_ns);
}

/* Ends the connection and closes the socket; what the end answered. */
static int end_and_close(const struct ending *ending, struct pair *pair)
{
	struct ktls_conn *conn = pair->conn[ending->subject];
	int *fd = &pair->fd[ending->subject];
	int rc = end_once(ending, conn, ending->waits ? KTLS_FOREVER : KTLS_NOW);

	while (rc == KTLS_WANT_READ || rc == KTLS_WANT_WRITE) {
		cr_assert(!ending->waits);
		wait_for(ending, pair, rc);
		if (rc == KTLS_WANT_WRITE && !ending->closes)
			usleep(PAUSE_US);
		rc = end_once(ending, conn, KTLS_NOW);
	}
	if (!ending->closes)
		kit_vanish(*fd);
	*fd = -1;
	return rc;
}

/* All of it is with the peer, and the end behind it. */
static void expect_all(const struct ending *ending, struct pair *pair, struct peer *peer)
{
	cr_assert(!pthread_join(peer->thread, NULL));
	cr_assert(!peer->wrong && peer->got == ending->len && peer->rc == KTLS_EOF,
		  "TLS 1.%d, call %d, buffers %d, linger %d, peer %d, %s, %s: %zu of %zu bytes "
		  "arrived (%zu wrong), then %s %s",
		  ending->protocol == KTLS_TLS_1_3 ? 3 : 2, ending->call, ending->buffer_bytes,
		  ending->linger, ending->peer, ending->waits ? "waits" : "polls",
		  ending->closes ? "shutdown_and_close" : "shutdown, close", peer->got, ending->len,
		  peer->wrong, ktls_strerrorname(peer->rc),
		  ktls_conn_error(pair->conn[!ending->subject]));
	pair_free(pair);
}

void ending_run(const struct ending *ending)
{
	struct pair pair = ending_open(ending);
	struct peer peer;
	int rc;

	peer_start(&peer, ending, &pair);
	send_all(ending, &pair);
	rc = end_and_close(ending, &pair);
	cr_assert(!rc, "%s %s", ktls_strerrorname(rc), ktls_conn_error(pair.conn[ending->subject]));
	expect_all(ending, &pair, &peer);
}

/* Takes the next of `n` values off a number that has a digit for each choice. */
static unsigned int choose(unsigned int *number, unsigned int n)
{
	unsigned int value = *number % n;

	*number /= n;
	return value;
}

void ending_run_all_ways(unsigned int rounds)
{
	static const int buffers[] = { TINY_BUFFERS, SMALL_BUFFERS, 0 };

	rounds = rounds_of(rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int number = i;
		struct ending ending = {
			.protocol = choose(&number, 2) ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.call = choose(&number, ENDING_CALLS_N),
			.closes = choose(&number, 2),
			.buffer_bytes = buffers[choose(&number, 3)],
			.waits = choose(&number, 2),
			.linger = choose(&number, 2),
			.subject = PAIR_SERVER,
		};

		/* Which only a close that cares can survive. */
		if (ending.closes && ending.linger)
			ending.linger = ENDING_LINGER_ZERO;
		if (ending.closes && ending.waits)
			ending.peer = ENDING_PEER_TALKS;
		ending.len = (ending.buffer_bytes ? SMALL_LEN : LARGE_LEN) + i % STEPS * STEP;
		ending_run(&ending);
	}
}

void ending_run_uploads(unsigned int rounds)
{
	rounds = rounds_of(rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.subject = PAIR_CLIENT,
			.waits = i & 2,
			.len = UPLOAD_LEN,
		};

		ending_run(&ending);
	}
}

void ending_run_response_to_a_talker(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.subject = PAIR_SERVER,
			.call = ENDING_SENDFILE,
			.peer = ENDING_PEER_TALKS,
			.len = LEN_MAX,
			.waits = i & 2,
			.closes = true,
		};

		ending_run(&ending);
	}
}

/* As much as the socket takes: both would wait for the other, if the end did not read. */
void ending_run_both_write_first(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.subject = i & 2 ? PAIR_SERVER : PAIR_CLIENT,
			.peer = ENDING_PEER_WRITES_FIRST,
			.buffer_bytes = SMALL_BUFFERS,
			.closes = true,
		};
		struct pair pair = ending_open(&ending);
		struct ktls_conn *conn = pair.conn[ending.subject];
		struct peer peer;
		int rc;

		peer_start(&peer, &ending, &pair);
		rc = ktls_conn_write(conn, bytes, LEN_MAX, KTLS_NOW, &ending.len);
		cr_assert(rc == KTLS_WANT_WRITE && ending.len);
		ending.waits = true;
		rc = end_and_close(&ending, &pair);
		cr_assert(!rc, "%s %s", ktls_strerrorname(rc), ktls_conn_error(conn));
		expect_all(&ending, &pair, &peer);
	}
}

/* A deadline */

static void run_deadline(const struct ending *ending)
{
	struct pair pair = ending_open(ending);
	struct ktls_conn *conn = pair.conn[ending->subject];
	struct peer peer;
	uint64_t took_ms;
	size_t n;
	int rc;

	peer_start(&peer, ending, &pair);
	while (ending->peer == ENDING_PEER_NEVER_READS &&
	       !(rc = ktls_conn_write(conn, bytes, LEN_MAX, KTLS_NOW, &n)))
		;
	took_ms = ktls_deadline_clock() / 1000000u;
	rc = ktls_conn_shutdown_and_close(conn, ktls_deadline_in(TIMEOUT_MS));
	took_ms = ktls_deadline_clock() / 1000000u - took_ms;
	cr_assert(rc == KTLS_TIMEDOUT, "peer %d: %s %s", ending->peer, ktls_strerrorname(rc),
		  ktls_conn_error(conn));
	cr_assert(took_ms + 1 >= TIMEOUT_MS && took_ms < TIMEOUT_MS + SLACK_MS, "%llu ms",
		  (unsigned long long)took_ms);
	pair.fd[ending->subject] = -1;
	shutdown(pair.fd[!ending->subject], SHUT_RDWR);
	cr_assert(!pthread_join(peer.thread, NULL));
	cr_assert(ktls_conn_read(conn, bytes, 0, KTLS_NOW, &n) == KTLS_CLOSED);
	pair_free(&pair);
}

void ending_run_deadlines(void)
{
	static const enum ending_peer peers[] = { ENDING_PEER_NEVER_ENDS, ENDING_PEER_NEVER_SILENT,
						  ENDING_PEER_NEVER_READS };

	for (unsigned int i = 0; i < 6; i++) {
		struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.subject = PAIR_SERVER,
			.peer = peers[i / 2],
			.linger = ENDING_LINGER_LONG,
			.closes = true,
		};

		run_deadline(&ending);
	}
}
