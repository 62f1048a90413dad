/* SPDX-License-Identifier: MIT */

/* Whole connections with the kernel protecting one direction, the other, or both;
 * /proc/net/tls_stat is the witness in each test. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"
#include "pair.h"

static const struct mode {
	const char *name;
	enum ktls_offload tx[2], rx[2];
} modes[] = {
	{ "client tx",
	  { KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER },
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER } },
	{ "client rx",
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER },
	  { KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER } },
	{ "server tx",
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_REQUIRED },
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER } },
	{ "server rx",
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER },
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_REQUIRED } },
	{ "client both",
	  { KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER },
	  { KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_NEVER } },
	{ "server both",
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_REQUIRED },
	  { KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_REQUIRED } },
	{ "all",
	  { KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_REQUIRED },
	  { KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_REQUIRED } },
};

enum {
	MODES_N = sizeof(modes) / sizeof(modes[0]),
};

static struct pair_options mode_options(const struct mode *mode, int suite)
{
	struct pair_options options = { .protocol = kit_suites[suite].protocol,
					.cipher = kit_suites[suite].cipher };

	for (int end = 0; end < 2; end++) {
		options.tx[end] = mode->tx[end];
		options.rx[end] = mode->rx[end];
	}
	return options;
}

static unsigned int required(const enum ktls_offload offload[2])
{
	return (offload[0] == KTLS_OFFLOAD_REQUIRED) + (offload[1] == KTLS_OFFLOAD_REQUIRED);
}

/* What a connection says of itself, the kernel says, too; to CAP_NET_ADMIN at least. */
static void expect_agreement(int fd, const struct ktls_info *info)
{
	struct ktls_diag_socket socket;

	cr_assert(!ktls_diag_fd(fd, &socket, sizeof(socket)));
	if (!(socket.told & KTLS_DIAG_TOLD_MODE))
		return;
	for (int d = 0; d < _KTLS_DIRECTION_N; d++)
		cr_assert(socket.mode[d] == (info->protection[d] == KTLS_PROTECTION_KERNEL
						     ? KTLS_DIAG_SOFTWARE
						     : KTLS_DIAG_NONE));
	if (socket.protocol) {
		cr_assert(socket.protocol == info->protocol);
		cr_assert(!strcmp(socket.cipher, ktls_cipher_name(info->cipher)));
	}
}

/* Where the connection says its records are protected. */
static void expect_protection(const struct pair *pair, const struct mode *mode)
{
	for (int end = 0; end < 2; end++) {
		struct ktls_info info;

		cr_assert(!ktls_conn_get_info(pair->conn[end], &info, sizeof(info)));
		cr_assert(info.protection[KTLS_TX] == (mode->tx[end] == KTLS_OFFLOAD_REQUIRED
							       ? KTLS_PROTECTION_KERNEL
							       : KTLS_PROTECTION_USER));
		cr_assert(info.protection[KTLS_RX] == (mode->rx[end] == KTLS_OFFLOAD_REQUIRED
							       ? KTLS_PROTECTION_KERNEL
							       : KTLS_PROTECTION_USER));
		expect_agreement(pair->fd[end], &info);
	}
}

static void run_mode(const struct mode *mode, int suite)
{
	struct pair_options options = mode_options(mode, suite);
	uint64_t tx = kit_tls_stat("TlsTxSw"), rx = kit_tls_stat("TlsRxSw");
	int file = kit_file(300000);
	struct pair pair = pair_open(&options);

	expect_protection(&pair, mode);
	cr_assert(kit_tls_stat("TlsTxSw") - tx >= required(mode->tx), "%s", mode->name);
	cr_assert(kit_tls_stat("TlsRxSw") - rx >= required(mode->rx), "%s", mode->name);
	pair_move(&pair, PAIR_CLIENT, 200000, 70000);
	pair_move(&pair, PAIR_SERVER, 200000, 1000);
	pair_move_file(&pair, PAIR_SERVER, file, 12345, 234567);
	pair_move_file(&pair, PAIR_CLIENT, file, 0, 300000);
	pair_close(&pair);
	pair_free(&pair);
	close(file);
}

static void run_all_modes(int suite)
{
	kit_require_tls();
	for (int i = 0; i < MODES_N; i++)
		run_mode(&modes[i], suite);
}

Test(kernel, tls12_aes_128_gcm_in_every_direction)
{
	run_all_modes(0);
}

Test(kernel, tls12_aes_256_gcm_in_every_direction)
{
	run_all_modes(1);
}

Test(kernel, tls12_aes_128_ccm_in_every_direction)
{
	run_all_modes(2);
}

Test(kernel, tls12_chacha20_poly1305_in_every_direction)
{
	run_all_modes(3);
}

Test(kernel, tls13_aes_128_gcm_in_every_direction)
{
	run_all_modes(4);
}

Test(kernel, tls13_aes_256_gcm_in_every_direction)
{
	run_all_modes(5);
}

Test(kernel, tls13_aes_128_ccm_in_every_direction)
{
	run_all_modes(6);
}

Test(kernel, tls13_chacha20_poly1305_in_every_direction)
{
	run_all_modes(7);
}

Test(kernel, by_default_tx_is_in_the_kernel_and_rx_where_keys_can_change)
{
	struct pair_options options = { .cipher = -1 };
	struct ktls_probe probe;
	struct ktls_info info;

	kit_require_tls();
	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	uint64_t tx = kit_tls_stat("TlsTxSw"), rx = kit_tls_stat("TlsRxSw");
	struct pair pair = pair_open(&options);

	for (int end = 0; end < 2; end++) {
		cr_assert(!ktls_conn_get_info(pair.conn[end], &info, sizeof(info)));
		cr_assert(info.protection[KTLS_TX] == KTLS_PROTECTION_KERNEL);
		cr_assert(info.protection[KTLS_RX] ==
			  (probe.rekey[KTLS_RX] ? KTLS_PROTECTION_USER : KTLS_PROTECTION_KERNEL));
		cr_assert(info.reason[KTLS_RX] ==
			  (probe.rekey[KTLS_RX] ? KTLS_REASON_NO_REKEY : KTLS_REASON_NONE));
	}
	cr_assert(kit_tls_stat("TlsTxSw") - tx >= 2);
	cr_assert(kit_tls_stat("TlsRxSw") - rx >= (probe.rekey[KTLS_RX] ? 0 : 2));
	pair_move(&pair, PAIR_CLIENT, 100000, 100000);
	pair_move(&pair, PAIR_SERVER, 100000, 100000);
	pair_close(&pair);
	pair_free(&pair);
}

/* What follows Finished at once must reach the reader, whoever opens it. */
static void run_data_behind_finished(enum ktls_protocol protocol, enum ktls_offload rx)
{
	struct pair_options options = { .protocol = protocol, .cipher = -1, .rx = { rx, rx } };
	struct pair pair = pair_new(&options);
	uint64_t before = kit_tls_stat("TlsRxSw");
	/* In TLS 1.3 the client is done first, in TLS 1.2 the server. */
	enum pair_end first = protocol == KTLS_TLS_1_3 ? PAIR_CLIENT : PAIR_SERVER;
	enum pair_end last = first == PAIR_CLIENT ? PAIR_SERVER : PAIR_CLIENT;
	char text[6];
	size_t n;

	while (ktls_conn_handshake(pair.conn[first], KTLS_NOW) > 0)
		cr_assert(ktls_conn_handshake(pair.conn[last], KTLS_NOW) > 0);
	for (int i = 0; i < 5; i++)
		cr_assert(!ktls_conn_write(pair.conn[first], "hello", 5, KTLS_NOW, &n) && n == 5);
	cr_assert(!ktls_conn_handshake(pair.conn[last], ktls_deadline_in(5000)));
	for (size_t i = 0; i < 5; i++) {
		cr_assert(!ktls_conn_read(pair.conn[last], text, 5, ktls_deadline_in(5000), &n),
			  "%s", ktls_conn_error(pair.conn[last]));
		cr_assert(n == 5 && !memcmp(text, "hello", 5));
	}
	cr_assert(kit_tls_stat("TlsRxSw") - before >= 2);
	pair_close(&pair);
	pair_free(&pair);
}

Test(kernel, records_right_behind_finished_are_read_by_the_kernel)
{
	kit_require_tls();
	run_data_behind_finished(KTLS_TLS_1_2, KTLS_OFFLOAD_REQUIRED);
	run_data_behind_finished(KTLS_TLS_1_3, KTLS_OFFLOAD_REQUIRED);
}

static void expect_kernel(const struct pair *pair, enum pair_end end, enum ktls_direction direction,
			  bool kernel)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(pair->conn[end], &info, sizeof(info)));
	cr_assert(info.protection[direction] ==
		  (kernel ? KTLS_PROTECTION_KERNEL : KTLS_PROTECTION_USER));
	cr_assert(info.reason[direction] == (kernel ? KTLS_REASON_NONE : KTLS_REASON_NOT_YET));
}

/* Promoted in mid-stream, with small buffers, so that records lie half here and half there. */
Test(kernel, a_direction_is_promoted_after_so_many_bytes)
{
	kit_require_tls();
	for (int protocol = KTLS_TLS_1_2; protocol <= KTLS_TLS_1_3; protocol++) {
		struct pair_options options = {
			.protocol = (enum ktls_protocol)protocol,
			.cipher = -1,
			.tx = { KTLS_OFFLOAD_AFTER_BYTES, KTLS_OFFLOAD_AFTER_BYTES },
			.rx = { KTLS_OFFLOAD_AFTER_BYTES, KTLS_OFFLOAD_AFTER_BYTES },
			.after_bytes = 65536,
			.buffer_bytes = 4096
		};
		uint64_t tx = kit_tls_stat("TlsTxSw"), rx = kit_tls_stat("TlsRxSw");
		struct pair pair = pair_open(&options);

		expect_kernel(&pair, PAIR_CLIENT, KTLS_TX, false);
		pair_move(&pair, PAIR_CLIENT, 300000, 5000);
		expect_kernel(&pair, PAIR_CLIENT, KTLS_TX, true);
		expect_kernel(&pair, PAIR_SERVER, KTLS_RX, true);
		expect_kernel(&pair, PAIR_SERVER, KTLS_TX, false);
		pair_move(&pair, PAIR_SERVER, 300000, 50000);
		expect_kernel(&pair, PAIR_SERVER, KTLS_TX, true);
		expect_kernel(&pair, PAIR_CLIENT, KTLS_RX, true);
		cr_assert(kit_tls_stat("TlsTxSw") - tx >= 2 && kit_tls_stat("TlsRxSw") - rx >= 2);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(kernel, tx_is_promoted_at_the_first_sendfile)
{
	struct pair_options options = {
		.cipher = -1, .tx = { KTLS_OFFLOAD_AT_SENDFILE, KTLS_OFFLOAD_AT_SENDFILE }
	};
	int file = kit_file(200000);

	kit_require_tls();
	uint64_t tx = kit_tls_stat("TlsTxSw");
	struct pair pair = pair_open(&options);

	pair_move(&pair, PAIR_SERVER, 100000, 30000);
	expect_kernel(&pair, PAIR_SERVER, KTLS_TX, false);
	pair_move_file(&pair, PAIR_SERVER, file, 1, 199999);
	expect_kernel(&pair, PAIR_SERVER, KTLS_TX, true);
	cr_assert(kit_tls_stat("TlsTxSw") - tx >= 1);
	pair_close(&pair);
	pair_free(&pair);
	close(file);
}

/* The kernel may hold the last record when the socket is shut down; none may be lost. */
static void run_close_behind_last_byte(int buffer_bytes, enum ktls_protocol protocol, size_t len)
{
	struct pair_options options = { .protocol = protocol,
					.cipher = KTLS_AES_128_GCM,
					.tx = { KTLS_OFFLOAD_REQUIRED, KTLS_OFFLOAD_REQUIRED },
					.buffer_bytes = buffer_bytes };
	struct pair pair = pair_open(&options);
	static uint8_t out[1 << 17], in[1 << 17];
	size_t sent = 0, seen = 0, n;
	int tx = KTLS_WANT_WRITE, rx = 0;

	while (rx != KTLS_EOF) {
		if (sent < len) {
			tx = ktls_conn_write(pair.conn[1], out,
					     len - sent < sizeof(out) ? len - sent : sizeof(out),
					     KTLS_NOW, &n);
			cr_assert(tx >= 0);
			sent += n;
		}
		if (sent == len)
			cr_assert(ktls_conn_shutdown(pair.conn[1], KTLS_NOW) >= 0);
		rx = ktls_conn_read(pair.conn[0], in, sizeof(in),
				    ktls_deadline_in(sent < len ? 1 : 50), &n);
		cr_assert(rx >= 0 && rx != KTLS_CLOSED, "%d %s after %zu of %zu", rx,
			  ktls_conn_error(pair.conn[0]), seen, len);
		seen += n;
	}
	cr_assert(seen == len, "%zu of %zu bytes arrived", seen, len);
	pair_free(&pair);
}

Test(kernel, nothing_accepted_is_lost_when_the_end_follows_at_once)
{
	kit_require_tls();
	uint64_t tx = kit_tls_stat("TlsTxSw");

	for (int i = 0; i < 20; i++) {
		run_close_behind_last_byte(0, KTLS_TLS_1_2, 4000000);
		run_close_behind_last_byte(0, KTLS_TLS_1_3, 4000000);
		run_close_behind_last_byte(4096, KTLS_TLS_1_2, 200000);
		run_close_behind_last_byte(4096, KTLS_TLS_1_3, 200000);
	}
	cr_assert(kit_tls_stat("TlsTxSw") - tx >= 80);
}
