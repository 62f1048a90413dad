/* SPDX-License-Identifier: MIT */

/* Sizes of records; see sizing.h. */

#include <criterion/criterion.h>
#include <poll.h>
#include <unistd.h>

#include <ktls/limits.h>

#include "conn.h"
#include "flow.h"
#include "kit.h"
#include "peer.h"
#include "sizing.h"
#include "tap.h"

enum {
	LEN = 60000,
	IDLE_MS = 20000,
	FIRST_PAYLOAD = 1400,
	FIRST_BYTES = 65536,
	FIRST_IDLE_MS = 20000,
	NS_PER_MS = 1000000,
	PART = 200000,
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

/* Peers with a limit */

static int send_some(struct peer *peer, bool file, int file_fd, const uint8_t *bytes, size_t *sent)
{
	uint64_t n64;
	size_t n;
	int r;

	if (file) {
		r = ktls_conn_sendfile(peer->conn, file_fd, *sent, LEN - *sent, KTLS_NOW, &n64);
		*sent += (size_t)n64;
	} else {
		r = ktls_conn_write(peer->conn, bytes + *sent, LEN - *sent, KTLS_NOW, &n);
		*sent += n;
	}
	cr_assert(r >= 0, "%s", ktls_conn_error(peer->conn));
	return r;
}

static void move(struct peer *peer, bool file)
{
	static uint8_t bytes[LEN];
	struct pollfd pollfd = { .events = POLLIN };
	int file_fd = kit_file(LEN), tx = KTLS_WANT_WRITE;
	size_t sent = 0;

	for (size_t i = 0; i < LEN; i++)
		bytes[i] = kit_byte(i);
	peer->seen = 0;
	peer->largest = 0;
	pollfd.fd = peer->their_fd;
	while (peer->seen < LEN) {
		if (tx)
			tx = send_some(peer, file, file_fd, bytes, &sent);
		cr_assert(peer_read(peer) == KTLS_WANT_READ);
		if (!tx && peer->seen < LEN)
			cr_assert(poll(&pollfd, 1, IDLE_MS) == 1, "%zu of %zu came", peer->seen,
				  sent);
	}
	close(file_fd);
}

static void expect_protection(const struct peer *peer, const struct peer_options *options)
{
	struct ktls_probe probe;
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(peer->conn, &info, sizeof(info)));
	if (options->tx == KTLS_OFFLOAD_NEVER) {
		cr_assert(info.protection[KTLS_TX] == KTLS_PROTECTION_USER);
		return;
	}
	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	if (options->size >= KERN_PAYLOAD_MAX || !probe.tx_max_payload_len) {
		cr_assert(info.protection[KTLS_TX] == KTLS_PROTECTION_KERNEL, "%zu: %s",
			  options->size, ktls_reason_name(info.reason[KTLS_TX]));
	} else {
		cr_assert(info.protection[KTLS_TX] == KTLS_PROTECTION_USER);
		cr_assert(info.reason[KTLS_TX] == KTLS_REASON_RECORD_SIZE, "%s",
			  ktls_reason_name(info.reason[KTLS_TX]));
	}
}

static void serve(const struct peer_options *options)
{
	struct peer peer = peer_open(options);

	expect_protection(&peer, options);
	for (int file = 0; file < 2; file++) {
		move(&peer, file);
		cr_assert(peer.largest == options->size, "%s, limit %d, %zu: %zu",
			  ktls_protocol_name(options->protocol), options->limit, options->size,
			  peer.largest);
	}
	peer_free(&peer);
}

void sizing_for_small_peers(enum ktls_offload tx)
{
	static const size_t limits[] = { 64, 512, 1000, 16384 };
	static const size_t fragments[] = { 512, 1024, 2048, 4096 };

	for (int i = 0; i < 16; i++) {
		struct peer_options options = { .protocol = protocols[i & 1],
						.subject = i & 2 ? PAIR_SERVER : PAIR_CLIENT,
						.tx = tx,
						.limit = PEER_RECORD_SIZE_LIMIT,
						.size = limits[i / 4] };

		serve(&options);
	}
	for (int i = 0; i < 8; i++) {
		struct peer_options options = { .protocol = protocols[i & 1],
						.subject = PAIR_SERVER,
						.tx = tx,
						.limit = PEER_MAX_FRAGMENT_LENGTH,
						.size = fragments[i / 2] };

		serve(&options);
	}
}

/* First records */

static void set_first(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(
		!ktls_config_set_first_records(config, FIRST_PAYLOAD, FIRST_BYTES, FIRST_IDLE_MS));
}

/* The records from `at` on: small until FIRST_BYTES have come, then full but for a few. Returns
 * behind them. */
static size_t expect_small_then_full(size_t at, const char *when)
{
	size_t bytes = 0, full = 0;

	for (; at < tap.n && bytes < PART; at++) {
		const struct tap_record *record = &tap.records[at];

		if (record->type != KERN_RECORD_DATA)
			continue;
		cr_assert(bytes >= FIRST_BYTES || record->len <= FIRST_PAYLOAD,
			  "%s: %u bytes at %zu", when, record->len, bytes);
		bytes += record->len;
		full += record->len == KERN_PAYLOAD_MAX;
	}
	cr_assert(bytes == PART, "%s: %zu", when, bytes);
	cr_assert(full >= (PART - FIRST_BYTES) / KERN_PAYLOAD_MAX - 3, "%s: %zu full ones", when,
		  full);
	return at;
}

static void run_first_records(const struct pair_options *options, enum pair_end from,
			      enum flow_call call)
{
	struct pair pair = pair_open(options);
	struct flow flow = { .pair = &pair, .from = from, .call = call, .len = PART };
	size_t at;

	tap_begin(&pair, !from);
	flow_run_whole(&flow);
	at = expect_small_then_full(0, "at the beginning");
	flow_run_whole(&flow);
	for (; at < tap.n; at++)
		cr_assert(tap.records[at].type != KERN_RECORD_DATA ||
				  tap.records[at].len > FIRST_PAYLOAD || at + 1 == tap.n,
			  "%u bytes in the middle", tap.records[at].len);
	/* As if so much time had passed. */
	pair.conn[from]->pace.moved_ns -= (FIRST_IDLE_MS + 1ull) * NS_PER_MS;
	flow_run_whole(&flow);
	expect_small_then_full(at, "after a silence");
	tap_end();
	pair_close(&pair);
	pair_free(&pair);
}

void sizing_of_first_records(enum ktls_offload tx)
{
	for (int i = 0; i < 4 * FLOW_CALLS_N; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		enum pair_end from = i & 1;

		options.protocol = protocols[(i >> 1) & 1];
		options.cipher = KTLS_AES_128_GCM;
		options.tx[from] = tx;
		options.configure = set_first;
		run_first_records(&options, from, i / 4);
	}
}
