/* SPDX-License-Identifier: MIT */

/*
 * How a connection ends where the kernel protects what it sends, and in the last of them what it
 * receives: the records that the kernel's tls still holds at the end are what could be lost.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ending.h"
#include "kit.h"

enum {
	ALL_WAYS = 144, /* each once */
	UPLOADS = 8,
	BUFFERS = 4096,
	LEN = 1000000,
	PATIENCE_MS = 5000,
};

static void begin(enum ktls_offload tx, enum ktls_offload rx)
{
	kit_require_tls();
	ending_begin(tx, rx);
}

static void expect_tx_keys(uint64_t before, uint64_t n)
{
	cr_assert(kit_tls_stat("TlsTxSw") - before >= n);
}

Test(kernel, closing_behind_the_last_byte_loses_nothing_that_the_kernel_holds)
{
	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER);
	uint64_t before = kit_tls_stat("TlsTxSw");

	ending_run_all_ways(ALL_WAYS);
	expect_tx_keys(before, 1);
	ending_end();
}

Test(kernel, closing_behind_the_last_byte_loses_nothing_with_both_directions_in_the_kernel)
{
	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_REQUIRED);
	ending_run_all_ways(ALL_WAYS);
	ending_end();
}

Test(kernel, closing_behind_the_last_byte_loses_nothing_from_userspace)
{
	begin(KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
	ending_run_all_ways(ALL_WAYS);
	ending_end();
}

Test(kernel, a_client_that_writes_and_closes_without_reading_is_heard_to_the_end)
{
	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER);
	uint64_t before = kit_tls_stat("TlsTxSw");

	ending_run_uploads(UPLOADS);
	expect_tx_keys(before, 1);
	ending_end();
}

Test(kernel, a_peer_that_sends_all_the_while_gets_every_byte)
{
	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_REQUIRED);
	ending_run_response_to_a_talker();
	ending_end();
}

Test(kernel, a_peer_that_writes_before_it_reads_is_read_until_it_does)
{
	for (int rx = 0; rx < 2; rx++) {
		begin(KTLS_OFFLOAD_REQUIRED, rx ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER);
		ending_run_both_write_first();
		ending_end();
	}
}

Test(kernel, at_its_deadline_the_socket_is_closed_whatever_the_peer_does)
{
	for (int rx = 0; rx < 2; rx++) {
		begin(KTLS_OFFLOAD_REQUIRED, rx ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER);
		ending_run_deadlines();
		ending_end();
	}
}

static void reset(struct pair *pair, enum pair_end end)
{
	const struct linger linger = { .l_onoff = 1 };

	cr_assert(!setsockopt(pair->fd[end], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(pair->fd[end]);
	pair->fd[end] = -1;
}

/* What it holds will never leave then: a wait for that would have no end. */
Test(kernel, a_reset_ends_the_wait_for_what_the_kernel_holds)
{
	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER);
	for (int i = 0; i < 8; i++) {
		const struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.buffer_bytes = BUFFERS,
		};
		struct pair pair = ending_open(&ending);
		static uint8_t bytes[LEN];
		bool they_ended = i & 4;
		size_t n;
		int rc;

		if (they_ended) {
			cr_assert(!ktls_conn_shutdown(pair.conn[1], KTLS_NOW));
			cr_assert(ktls_conn_read(pair.conn[0], bytes, 1,
						 ktls_deadline_in(PATIENCE_MS), &n) == KTLS_EOF);
		}
		cr_assert(ktls_conn_write(pair.conn[0], bytes, LEN, KTLS_NOW, &n) ==
			  KTLS_WANT_WRITE);
		cr_assert(ktls_conn_shutdown(pair.conn[0], KTLS_NOW) == KTLS_WANT_WRITE);
		reset(&pair, PAIR_SERVER);
		rc = i & 2 ? ktls_conn_shutdown(pair.conn[0], ktls_deadline_in(PATIENCE_MS))
			   : ktls_conn_shutdown_and_close(pair.conn[0],
							  ktls_deadline_in(PATIENCE_MS));
		cr_assert(rc == -ECONNRESET || rc == -EPIPE, "%d: %s", i, ktls_strerrorname(rc));
		if (!(i & 2))
			pair.fd[0] = -1;
		pair_free(&pair);
	}
	ending_end();
}

Test(kernel, what_is_known_of_a_connection_outlives_its_socket)
{
	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_REQUIRED);
	for (int i = 0; i < 2; i++) {
		const struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
		};
		struct pair pair = ending_open(&ending);
		struct ktls_info before, after;

		pair_move(&pair, PAIR_CLIENT, 100000, 30000);
		pair_move(&pair, PAIR_SERVER, 100000, 30000);
		pair_close(&pair);
		cr_assert(!ktls_conn_get_info(pair.conn[0], &before, sizeof(before)));
		cr_assert(!ktls_conn_shutdown_and_close(pair.conn[0], KTLS_NOW));
		pair.fd[0] = -1;
		cr_assert(!ktls_conn_get_info(pair.conn[0], &after, sizeof(after)));
		cr_assert(!memcmp(&before, &after, sizeof(after)) && after.records[KTLS_TX] > 6);
		cr_assert(after.protection[KTLS_RX] == KTLS_PROTECTION_KERNEL);
		pair_free(&pair);
	}
	ending_end();
}
