/* SPDX-License-Identifier: MIT */

/* See calls.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "base/sys.h"
#include "calls.h"
#include "kit.h"
#include "pair.h"

enum {
	PIECES = 64,
	PIECE_LEN = 100,
	TRICKLE_LEN = 5000,
	TRICKLE_READS = 2, /* after each byte */
	BUFFERS = 8192,
	RECORD_MAX = 16384,
	RECORDS_HELD = 2, /* at most, above TCP */
	MANY = 1 << 22,
	SHORT_MS = 20,
	PATIENCE_MS = 20000,
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };
static uint8_t bytes[MANY], seen[MANY];

static struct pair open_pair(int i, enum ktls_offload offload, int buffer_bytes)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocols[i];
	options.no_tickets = true;
	options.buffer_bytes = buffer_bytes;
	for (int end = 0; end < 2; end++)
		options.tx[end] = options.rx[end] = offload;
	for (size_t at = 0; at < sizeof(bytes); at++)
		bytes[at] = kit_byte(at);
	return pair_open(&options);
}

static uint64_t records(const struct pair *pair, enum pair_end end, enum ktls_direction direction)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(pair->conn[end], &info, sizeof(info)));
	return info.records[direction];
}

void calls_join_pieces(enum ktls_offload offload)
{
	struct iovec pieces[PIECES];

	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){ bytes + i * PIECE_LEN, PIECE_LEN };
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i, offload, 0);
		uint64_t before = records(&pair, PAIR_CLIENT, KTLS_TX);
		size_t n;

		cr_assert(!ktls_conn_writev(pair.conn[0], pieces, PIECES, KTLS_FOREVER, &n));
		cr_assert_eq(n, PIECES * PIECE_LEN);
		cr_assert_eq(records(&pair, PAIR_CLIENT, KTLS_TX) - before, 1);
		cr_assert(!ktls_conn_read(pair.conn[1], seen, sizeof(seen),
					  ktls_deadline_in(PATIENCE_MS), &n));
		cr_assert(n == PIECES * PIECE_LEN && !memcmp(seen, bytes, n));
		pair_free(&pair);
	}
}

/* Where n bytes of the list end. */
static void advance(struct iovec *pieces, size_t n)
{
	for (int i = 0; n; i++) {
		size_t some = n < pieces[i].iov_len ? n : pieces[i].iov_len;

		pieces[i].iov_base = (uint8_t *)pieces[i].iov_base + some;
		pieces[i].iov_len -= some;
		n -= some;
	}
}

void calls_go_on_in_the_middle(enum ktls_offload offload)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i, offload, BUFFERS);
		struct iovec pieces[PIECES];
		size_t sent = 0, got = 0, n, len = PIECES * (size_t)4321;
		int r = KTLS_WANT_WRITE;

		for (size_t p = 0; p < PIECES; p++)
			pieces[p] = (struct iovec){ bytes + p * 4321, 4321 };
		while (got < len) {
			if (r)
				r = ktls_conn_writev(pair.conn[0], pieces, PIECES, KTLS_NOW, &n);
			cr_assert(!r || r == KTLS_WANT_WRITE);
			advance(pieces, n);
			sent += n;
			n = 0;
			cr_assert(ktls_conn_read(pair.conn[1], seen + got, 3000,
						 ktls_deadline_in(SHORT_MS), &n) >= 0);
			got += n;
			n = 0;
		}
		cr_assert(sent == len && !memcmp(seen, bytes, len));
		pair_free(&pair);
	}
}

/* One end's records, taken off the wire and given to the other byte by byte. */
void calls_read_a_trickle(enum ktls_offload offload)
{
	for (int i = 0; i < 2; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		struct ktls_config *config[2];
		struct ktls_conn *conn[2];
		static uint8_t wire[2 * TRICKLE_LEN];
		int near[2], far[2], r[2] = { KTLS_WANT_READ, KTLS_WANT_READ };
		size_t n, got = 0, reads = 0;
		ssize_t len;

		options.protocol = protocols[i];
		options.rx[PAIR_SERVER] = offload;
		options.no_tickets = true;
		pair_configs(&options, config);
		pair_sockets(near, 0);
		pair_sockets(far, 0);
		for (int end = 0; end < 2; end++)
			cr_assert(
				!ktls_conn_adopt(&conn[end], config[end], end ? far[1] : near[0]));
		cr_assert(!ktls_conn_set_server_name(conn[0], "localhost"));
		while (r[0] || r[1]) {
			for (int end = 0; end < 2; end++)
				r[end] = ktls_conn_handshake(conn[end], KTLS_NOW);
			len = recv(near[1], wire, sizeof(wire), MSG_DONTWAIT);
			cr_assert(len < 0 || send(far[0], wire, (size_t)len, 0) == len);
			len = recv(far[0], wire, sizeof(wire), MSG_DONTWAIT);
			cr_assert(len < 0 || send(near[1], wire, (size_t)len, 0) == len);
		}
		cr_assert(!ktls_conn_write(conn[0], bytes, TRICKLE_LEN, KTLS_NOW, &n));
		shutdown(near[0], SHUT_WR);
		len = recv(near[1], wire, sizeof(wire), MSG_WAITALL);
		cr_assert(len > TRICKLE_LEN);
		for (ssize_t at = 0; at < len; at++) {
			cr_assert_eq(send(far[0], wire + at, 1, 0), 1);
			for (int again = 0; again < TRICKLE_READS; again++, reads++) {
				int rc = ktls_conn_read(conn[1], seen + got, sizeof(seen) - got,
							KTLS_NOW, &n);

				got += n;
				cr_assert(rc == KTLS_WANT_READ || (!rc && got == TRICKLE_LEN), "%s",
					  ktls_strerrorname(rc));
			}
		}
		cr_assert(!got || got == TRICKLE_LEN);
		if (!got)
			cr_assert(!ktls_conn_read(conn[1], seen, sizeof(seen),
						  ktls_deadline_in(PATIENCE_MS), &got));
		cr_assert(got == TRICKLE_LEN && reads >= 10000 && !memcmp(seen, bytes, got));
		for (int end = 0; end < 2; end++) {
			ktls_conn_free(conn[end]);
			ktls_config_unref(config[end]);
		}
		close(near[1]);
		close(far[0]);
	}
}

/* What the peer's socket and ours can hold. */
static size_t room(const struct pair *pair)
{
	int sndbuf, rcvbuf;
	socklen_t len = sizeof(int);

	cr_assert(!getsockopt(pair->fd[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, &len));
	cr_assert(!getsockopt(pair->fd[1], SOL_SOCKET, SO_RCVBUF, &rcvbuf, &len));
	return (size_t)sndbuf + (size_t)rcvbuf;
}

void calls_press_back(enum ktls_offload offload)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i, offload, BUFFERS);
		size_t sent = 0, n, quiet = 0;
		int r;

		while (quiet < 20) {
			r = ktls_conn_write(pair.conn[0], bytes + sent, sizeof(bytes) - sent,
					    ktls_deadline_in(SHORT_MS), &n);
			cr_assert(r == KTLS_TIMEDOUT, "%s", ktls_strerrorname(r));
			quiet = n ? 0 : quiet + 1;
			sent += n;
		}
		/* Little may still fit where much does not. */
		do {
			r = ktls_conn_write(pair.conn[0], bytes, 1, KTLS_NOW, &n);
			sent += n;
			cr_assert(sent <= room(&pair) + RECORDS_HELD * RECORD_MAX, "%zu", sent);
		} while (!r);
		cr_assert_eq(r, KTLS_WANT_WRITE);
		cr_assert_eq(n, 0);
		pair_free(&pair);
	}
}
