/* SPDX-License-Identifier: MIT */

/* Connections in the kernel, frozen and thawed; and a socket of it given to a program that knows
 * nothing of TLS. The peer is in userspace. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conn.h"
#include "flow.h"
#include "freezing.h"
#include "frozen.h"
#include "kit.h"

enum {
	SMALL = 16384,
	LONG = 300000,
	AFTER_BYTES = 100000,
	CALL_MS = 20000,
	FILE_LEN = 1000003,
};

static const struct mode {
	enum ktls_offload tx, rx;
} modes[] = {
	{ KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_NEVER },
	{ KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_AT_ONCE },
	{ KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_AT_ONCE },
};

enum {
	MODES_N = sizeof(modes) / sizeof(*modes),
};

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

static uint8_t bytes[FROZEN_MAX];

static bool is_kernel(const struct pair *pair, enum pair_end end, enum ktls_direction direction)
{
	return flow_info(pair, end).protection[direction] == KTLS_PROTECTION_KERNEL;
}

/* From process to process */

static void relay_all(enum ktls_protocol protocol, const struct mode *mode)
{
	uint64_t tx, rx;

	kit_require_tls();
	tx = kit_tls_stat("TlsTxSw");
	rx = kit_tls_stat("TlsRxSw");
	for (int i = 0; i < 2 * _KTLS_CIPHER_N; i++)
		frozen_relay(&(struct frozen_plan){
			.end = i % 2 ? PAIR_SERVER : PAIR_CLIENT,
			.protocol = protocol,
			.cipher = i / 2,
			.tx = mode->tx,
			.rx = mode->rx,
			.buffer_bytes = i / 2 % 2 ? SMALL : 0,
			.by_sendfile = (i + i / 2) % 2,
			.to_send = LONG,
			.to_see = LONG,
			.hops = 5,
			.seed = 100 + (uint32_t)i,
		});
	cr_assert(mode->tx == KTLS_OFFLOAD_NEVER ||
		  kit_tls_stat("TlsTxSw") - tx >= 2 * _KTLS_CIPHER_N);
	cr_assert(mode->rx == KTLS_OFFLOAD_NEVER ||
		  kit_tls_stat("TlsRxSw") - rx >= 2 * _KTLS_CIPHER_N);
}

Test(kernel, tls12_tx_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_2, &modes[0]);
}

Test(kernel, tls12_rx_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_2, &modes[1]);
}

Test(kernel, tls12_both_go_from_process_to_process)
{
	relay_all(KTLS_TLS_1_2, &modes[2]);
}

Test(kernel, tls13_tx_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_3, &modes[0]);
}

Test(kernel, tls13_rx_goes_from_process_to_process)
{
	relay_all(KTLS_TLS_1_3, &modes[1]);
}

Test(kernel, tls13_both_go_from_process_to_process)
{
	relay_all(KTLS_TLS_1_3, &modes[2]);
}

Test(kernel, a_connection_outlives_its_program)
{
	kit_require_tls();
	for (int i = 0; i < 4; i++)
		frozen_relay(&(struct frozen_plan){ .end = i % 2 ? PAIR_SERVER : PAIR_CLIENT,
						    .protocol = protocols[i / 2],
						    .cipher = -1,
						    .tx = KTLS_OFFLOAD_AT_ONCE,
						    .rx = KTLS_OFFLOAD_AT_ONCE,
						    .by_exec = true,
						    .to_send = LONG,
						    .to_see = LONG,
						    .hops = 3,
						    .seed = 7 + (uint32_t)i });
}

/* Promoted somewhere in the middle, by whoever has it then. */
Test(kernel, promotion_happens_on_the_way)
{
	uint64_t tx;

	kit_require_tls();
	tx = kit_tls_stat("TlsTxSw");
	for (int i = 0; i < 4; i++)
		frozen_relay(&(struct frozen_plan){ .end = i % 2 ? PAIR_SERVER : PAIR_CLIENT,
						    .protocol = KTLS_TLS_1_2,
						    .cipher = i,
						    .tx = KTLS_OFFLOAD_AFTER_BYTES,
						    .rx = KTLS_OFFLOAD_AFTER_BYTES,
						    .after_bytes = AFTER_BYTES,
						    .to_send = LONG,
						    .to_see = LONG,
						    .hops = 6,
						    .seed = 70 + (uint32_t)i });
	cr_assert_geq(kit_tls_stat("TlsTxSw") - tx, 4);
}

/* In place */

Test(kernel, bytes_by_every_call_flow_through_freezes_of_both_ends)
{
	kit_require_tls();
	for (int i = 0; i < MODES_N; i++)
		freezing_in_the_flow(modes[i].tx, modes[i].rx);
}

Test(kernel, what_is_owed_and_half_read_survives)
{
	kit_require_tls();
	for (int i = 0; i < MODES_N; i++)
		freezing_what_is_owed(modes[i].tx, modes[i].rx);
}

Test(kernel, every_end_survives)
{
	kit_require_tls();
	for (int i = 0; i < MODES_N; i++)
		freezing_at_the_ends(modes[i].tx, modes[i].rx);
}

Test(kernel, promotion_after_some_bytes_counts_those_before_the_thaw)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	kit_require_tls();
	options.after_bytes = AFTER_BYTES;
	options.tx[PAIR_SERVER] = options.rx[PAIR_SERVER] = KTLS_OFFLOAD_AFTER_BYTES;
	for (int i = 0; i < 2; i++) {
		struct pair pair;

		options.protocol = protocols[i];
		pair = pair_open(&options);
		for (int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
			enum pair_end from = d == KTLS_TX ? PAIR_SERVER : PAIR_CLIENT;

			pair_move(&pair, from, AFTER_BYTES - 1000, 7000);
			frozen_swap(&pair, PAIR_SERVER);
			cr_assert(!is_kernel(&pair, PAIR_SERVER, (enum ktls_direction)d));
			pair_move(&pair, from, 2000, 1000);
			pair_move(&pair, from, 2000, 1000);
			cr_assert(is_kernel(&pair, PAIR_SERVER, (enum ktls_direction)d));
			frozen_swap(&pair, PAIR_SERVER);
			pair_move(&pair, from, AFTER_BYTES, 7000);
		}
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(kernel, promotion_at_the_first_file_comes_after_the_thaw_too)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	int file;

	kit_require_tls();
	file = kit_file(LONG);
	options.tx[PAIR_SERVER] = KTLS_OFFLOAD_AT_SENDFILE;
	for (int i = 0; i < 2; i++) {
		struct pair pair;

		options.protocol = protocols[i];
		pair = pair_open(&options);
		pair_move(&pair, PAIR_SERVER, 10000, 1000);
		frozen_swap(&pair, PAIR_SERVER);
		pair_move(&pair, PAIR_SERVER, 10000, 1000);
		cr_assert(!is_kernel(&pair, PAIR_SERVER, KTLS_TX));
		pair_move_file(&pair, PAIR_SERVER, file, 0, LONG);
		cr_assert(is_kernel(&pair, PAIR_SERVER, KTLS_TX));
		frozen_swap(&pair, PAIR_SERVER);
		pair_move_file(&pair, PAIR_SERVER, file, 0, LONG);
		pair_close(&pair);
		pair_free(&pair);
	}
	close(file);
}

/* What is refused */

static int try_thaw(struct ktls_config *config, int fd, size_t len)
{
	struct ktls_conn *conn = NULL;
	int r = ktls_conn_thaw(&conn, config, fd, bytes, len);

	ktls_conn_free(conn);
	return r;
}

/* Wrong bytes change nothing of the socket, nor does another socket pass for it. */
Test(kernel, the_key_must_be_in_this_very_socket)
{
	kit_require_tls();
	for (int i = 0; i < MODES_N; i++) {
		struct pair pair =
			frozen_pair(KTLS_TLS_1_3, PAIR_SERVER, modes[i].tx, modes[i].rx, 0);
		size_t len = frozen_take(&pair, PAIR_SERVER, bytes);
		int fds[2];

		kit_tcp_pair(fds);
		cr_assert_eq(try_thaw(pair.config[PAIR_SERVER], fds[0], len), -KTLS_E_BAD_FROZEN);
		cr_assert_eq(try_thaw(pair.config[PAIR_SERVER], pair.fd[PAIR_CLIENT], len),
			     -KTLS_E_BAD_FROZEN);
		close(fds[0]);
		close(fds[1]);
		for (size_t at = 0; at < len; at++) {
			int r;

			bytes[at] ^= 0xff;
			r = try_thaw(pair.config[PAIR_SERVER], pair.fd[PAIR_SERVER], len);
			cr_assert(!r || r == -KTLS_E_BAD_FROZEN, "byte %zu: %d", at, r);
			bytes[at] ^= 0xff;
		}
		frozen_thaw(&pair, PAIR_SERVER, bytes, len);
		pair_move(&pair, PAIR_CLIENT, 50000, 7000);
		pair_move(&pair, PAIR_SERVER, 50000, 7000);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* To a config that wants it elsewhere: the kernel keeps what it has, and gets what it may. */
Test(kernel, another_config_decides_about_what_is_left)
{
	struct pair_options wanting = PAIR_OPTIONS_USER;
	struct pair user, kernel;
	size_t len;

	kit_require_tls();
	wanting.tx[PAIR_SERVER] = wanting.rx[PAIR_SERVER] = KTLS_OFFLOAD_AT_ONCE;
	kernel = pair_open(&wanting);
	user = frozen_pair(0, PAIR_SERVER, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER, 0);
	for (int i = 0; i < 2; i++) {
		struct pair *pair = i ? &kernel : &user;
		struct ktls_config *own = pair->config[PAIR_SERVER];

		pair_move(pair, PAIR_CLIENT, 50000, 7000);
		len = frozen_take(pair, PAIR_SERVER, bytes);
		pair->config[PAIR_SERVER] =
			i ? user.config[PAIR_SERVER] : kernel.config[PAIR_SERVER];
		frozen_thaw(pair, PAIR_SERVER, bytes, len);
		pair->config[PAIR_SERVER] = own;
		pair_move(pair, PAIR_CLIENT, 50000, 7000);
		pair_move(pair, PAIR_SERVER, 50000, 7000);
		cr_assert(is_kernel(pair, PAIR_SERVER, KTLS_TX));
		cr_assert(is_kernel(pair, PAIR_SERVER, KTLS_RX));
		pair_close(pair);
	}
	pair_free(&user);
	pair_free(&kernel);
}

Test(kernel, an_idle_connection_is_small_and_dead_when_frozen)
{
	struct pair pair;
	size_t len, n;

	kit_require_tls();
	pair = frozen_pair(KTLS_TLS_1_3, PAIR_SERVER, KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_AT_ONCE,
			   0);
	pair_move(&pair, PAIR_SERVER, 10, 10);
	len = frozen_take(&pair, PAIR_SERVER, bytes);
	cr_assert_leq(len, 600);
	cr_assert_eq(ktls_conn_write(pair.conn[PAIR_SERVER], "x", 1, KTLS_FOREVER, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_shutdown(pair.conn[PAIR_SERVER], KTLS_FOREVER), -ENOTCONN);
	cr_assert_eq(ktls_conn_shutdown_and_close(pair.conn[PAIR_SERVER], KTLS_FOREVER), -ENOTCONN);
	cr_assert_eq(flow_info(&pair, PAIR_SERVER).state, KTLS_STATE_FROZEN);
	frozen_thaw(&pair, PAIR_SERVER, bytes, len);
	pair_move(&pair, PAIR_CLIENT, 1000, 100);
	pair_close(&pair);
	pair_free(&pair);
}

/* A program that knows no TLS */

/* cat(1) with the connection as its output. */
static pid_t begin_cat(int fd, int file_fd)
{
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid)
		return pid;
	/* It is one file description: who gave it away does not touch it meanwhile. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	if (dup2(file_fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(1);
	lseek(STDIN_FILENO, 0, SEEK_SET);
	execlp("cat", "cat", (char *)NULL);
	_exit(1);
}

static void expect_file(struct ktls_conn *client)
{
	static uint8_t got[70001];
	size_t seen = 0, n;

	while (seen < FILE_LEN) {
		int r = ktls_conn_read(client, got, sizeof(got), ktls_deadline_in(CALL_MS), &n);

		cr_assert(!r, "%zu: %s %s", seen, ktls_strerrorname(r), ktls_conn_error(client));
		for (size_t i = 0; i < n; i++)
			cr_assert(got[i] == kit_byte(seen + i), "byte %zu is wrong", seen + i);
		seen += n;
	}
	cr_assert_eq(seen, FILE_LEN);
}

Test(kernel, cat_serves_a_file_over_tls)
{
	int file, status;

	kit_require_tls();
	file = kit_file(FILE_LEN);
	for (int i = 0; i < 2; i++) {
		struct pair pair = frozen_pair(protocols[i], PAIR_SERVER, KTLS_OFFLOAD_REQUIRED,
					       KTLS_OFFLOAD_NEVER, 0);
		pid_t pid;

		pair_move(&pair, PAIR_CLIENT, 100, 100);
		pair_move(&pair, PAIR_SERVER, 100, 100);
		pid = begin_cat(pair.fd[PAIR_SERVER], file);
		expect_file(pair.conn[PAIR_CLIENT]);
		cr_assert(waitpid(pid, &status, 0) == pid && !status);
		fcntl(pair.fd[PAIR_SERVER], F_SETFL,
		      fcntl(pair.fd[PAIR_SERVER], F_GETFL) | O_NONBLOCK);
		pair_move(&pair, PAIR_SERVER, 1000, 100);
		pair_close(&pair);
		pair_free(&pair);
	}
	close(file);
}
