/* SPDX-License-Identifier: MIT */

/*
 * How a connection ends where the kernel protects what it sends, and in the last of them what it
 * receives: the records that the kernel's tls still holds at the end are what could be lost.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ending.h"
#include "kit.h"
#include "reset.h"
#include "seam.h"

enum {
	ALL_WAYS = 144, /* each once */
	UPLOADS = 8,
	BUFFERS = 4096,
	STEP = 499,
	STEPS = 7,
	TRIES = 200,
	HELD_ENOUGH = 2,
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
		reset_by(&pair, PAIR_SERVER);
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

static void run_in_the_kernel(void (*run)(void))
{
	for (int rx = 0; rx < 2; rx++) {
		begin(KTLS_OFFLOAD_REQUIRED, rx ? KTLS_OFFLOAD_REQUIRED : KTLS_OFFLOAD_NEVER);
		run();
		ending_end();
	}
}

Test(kernel, a_reset_that_answers_only_our_close_notify_is_an_end_in_order)
{
	run_in_the_kernel(reset_run_of_close_notify);
}

Test(kernel, a_peer_that_closes_over_what_it_has_not_read_is_an_error)
{
	run_in_the_kernel(reset_run_of_unread_bytes);
}

Test(kernel, bytes_behind_the_peers_end_that_nobody_took_are_an_error)
{
	run_in_the_kernel(reset_run_of_bytes_behind_the_end);
}

/* A close(2) over a file's record that the kernel still holds raises it (6.12, 7.2). */
Test(kernel, closing_over_what_a_dead_peer_left_of_a_file_raises_no_signal)
{
	int file_fd = kit_file(LEN);

	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER);
	for (int i = 0; i < 4; i++) {
		const struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.buffer_bytes = BUFFERS,
		};
		struct pair pair = ending_open(&ending);
		uint64_t n;
		int rc;

		cr_assert(ktls_conn_sendfile(pair.conn[0], file_fd, 0, LEN, KTLS_NOW, &n) ==
			  KTLS_WANT_WRITE);
		reset_by(&pair, PAIR_SERVER);
		if (i & 2)
			cr_assert(ktls_conn_read(pair.conn[0], &(char){ 0 }, 1, KTLS_FOREVER,
						 &(size_t){ 0 }) == -ECONNRESET);
		rc = ktls_conn_shutdown_and_close(pair.conn[0], KTLS_FOREVER);
		cr_assert(rc == -ECONNRESET || rc == -EPIPE, "%s", ktls_strerrorname(rc));
		pair.fd[0] = -1;
		pair_free(&pair);
	}
	ending_end();
	close(file_fd);
}

/* Lets the peer take bytes, `step` at a time, until the kernel has our close_notify. Whether it
 * holds it then. */
static bool is_close_notify_held(const struct pair *pair, size_t step)
{
	static uint8_t bytes[LEN];
	struct ktls_info info;
	int rc;

	do {
		kit_wait(pair->fd[1], POLLIN);
		cr_assert(recv(pair->fd[1], bytes, step, 0) > 0);
		rc = ktls_conn_shutdown(pair->conn[0], KTLS_NOW);
		cr_assert(rc >= 0, "%s", ktls_conn_error(pair->conn[0]));
		cr_assert(!ktls_conn_get_info(pair->conn[0], &info, sizeof(info)));
	} while (info.state == KTLS_STATE_OPEN);
	return rc == KTLS_WANT_WRITE;
}

/* The same where the kernel has accepted our close_notify, too: nothing is left to be sent that the
 * reset could answer. */
Test(kernel, a_reset_ends_the_wait_for_a_close_notify_that_the_kernel_holds)
{
	unsigned int held = 0;

	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER);
	for (unsigned int i = 0; i < TRIES && held < HELD_ENOUGH; i++) {
		const struct ending ending = {
			.protocol = i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
			.buffer_bytes = BUFFERS,
		};
		struct pair pair = ending_open(&ending);
		static uint8_t bytes[LEN];
		size_t n;
		int rc;

		do
			rc = ktls_conn_write(pair.conn[0], bytes, LEN, KTLS_NOW, &n);
		while (!rc);
		if (is_close_notify_held(&pair, STEP * (1 + i % STEPS))) {
			held++;
			reset_by(&pair, PAIR_SERVER);
			rc = ktls_conn_shutdown(pair.conn[0], ktls_deadline_in(PATIENCE_MS));
			cr_assert(rc == -ECONNRESET || rc == -EPIPE, "%s", ktls_strerrorname(rc));
		}
		pair_free(&pair);
	}
	/* Whether it holds any is up to TCP. */
	cr_log_info("held %u times", held);
	ending_end();
}

/* Our KeyUpdate is out, and the kernel does not take its key yet: the end waits for that. */
Test(kernel, an_end_in_the_middle_of_a_change_of_keys_comes_under_the_new_one)
{
	const struct ending ending = { .protocol = KTLS_TLS_1_3 };
	const struct seam_fault busy = {
		.calls = 1 << SEAM_SETSOCKOPT,
		.times = 2,
		.error = EAGAIN,
	};
	struct ktls_probe probe;
	struct pair pair;
	char byte;
	size_t n;

	begin(KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER);
	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	if (probe.rekey[KTLS_TX])
		cr_skip_test("%s", ktls_reason_text(probe.rekey[KTLS_TX]));
	pair = ending_open(&ending);
	seam_begin(pair.fd[0], &busy, NULL);

	cr_assert(ktls_conn_update_key(pair.conn[0], KTLS_KEY_UPDATE_OURS, KTLS_NOW) ==
		  KTLS_WANT_WRITE);
	cr_assert(ktls_conn_shutdown(pair.conn[0], KTLS_NOW) == KTLS_WANT_WRITE);
	cr_assert(!ktls_conn_shutdown(pair.conn[0], KTLS_NOW));

	cr_assert(seam.touched == 2);
	cr_assert(ktls_conn_read(pair.conn[1], &byte, 1, ktls_deadline_in(PATIENCE_MS), &n) ==
			  KTLS_EOF,
		  "%s", ktls_conn_error(pair.conn[1]));
	seam_end();
	pair_free(&pair);
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
