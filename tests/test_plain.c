/* SPDX-License-Identifier: MIT */

/*
 * Plaintext, where a call named insecure asked for it: the same calls, and on the wire nothing but
 * the bytes.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/freeze.h>
#include <ktls/session.h>
#include <ktls/socket.h>

#include "kit.h"
#include "pair.h"

enum {
	LEN = 1000000,
	PATIENCE_MS = 20000,
};

static uint8_t seen[LEN];

static struct ktls_config *plain_config(enum ktls_role role)
{
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, role));
	cr_assert(!ktls_config_set_insecure_plaintext(config));
	return config;
}

/* No certificate, no name. */
static struct pair plain_pair(int buffer_bytes)
{
	struct pair pair =
		pair_join(plain_config(KTLS_CLIENT), plain_config(KTLS_SERVER), NULL, buffer_bytes);
	size_t n;

	cr_assert_eq(ktls_conn_write(pair.conn[0], "x", 1, KTLS_NOW, &n), -ENOTCONN);
	cr_assert_eq(ktls_conn_read(pair.conn[0], seen, 1, KTLS_NOW, &n), -ENOTCONN);
	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_conn_handshake(pair.conn[end], KTLS_NOW));
	return pair;
}

Test(unit, the_same_calls_carry_the_same_bytes)
{
	static const int buffers[] = { 0, 4096 };

	for (int i = 0; i < 2; i++) {
		struct pair pair = plain_pair(buffers[i]);
		int file_fd = kit_file(LEN);

		pair_move(&pair, PAIR_CLIENT, LEN, 5000);
		pair_move(&pair, PAIR_SERVER, LEN, SIZE_MAX);
		pair_move_file(&pair, PAIR_SERVER, file_fd, 17, LEN - 17);
		pair_close(&pair);
		for (int end = 0; end < 2; end++)
			cr_assert(!ktls_conn_shutdown_and_close(pair.conn[end], KTLS_NOW));
		pair_free(&pair);
		close(file_fd);
	}
}

Test(unit, on_the_wire_there_are_only_the_bytes)
{
	struct ktls_config *config = plain_config(KTLS_CLIENT);
	struct iovec iov[] = { { (void *)"GET", 3 }, { (void *)" /", 2 } };
	struct ktls_conn *conn;
	size_t n;
	int fd[2];

	pair_sockets(fd, 0);
	cr_assert(!ktls_conn_adopt(&conn, config, fd[0]));
	cr_assert(!ktls_conn_handshake(conn, KTLS_NOW));
	cr_assert(!ktls_conn_writev(conn, iov, 2, KTLS_NOW, &n) && n == 5);
	cr_assert(!ktls_conn_shutdown(conn, KTLS_NOW));
	cr_assert_eq(recv(fd[1], seen, sizeof(seen), MSG_WAITALL), 5);
	cr_assert(!memcmp(seen, "GET /", 5));
	cr_assert_eq(ktls_conn_write(conn, "x", 1, KTLS_NOW, &n), -EPIPE);
	cr_assert_eq(send(fd[1], "hello", 5, 0), 5);
	cr_assert(!ktls_conn_read(conn, seen, 5, ktls_deadline_in(PATIENCE_MS), &n) && n == 5);
	cr_assert(!memcmp(seen, "hello", 5));
	close(fd[1]);
	cr_assert_eq(ktls_conn_read(conn, seen, 5, ktls_deadline_in(PATIENCE_MS), &n), KTLS_EOF);
	ktls_conn_free(conn);
	ktls_config_unref(config);
}

Test(unit, a_reset_is_no_end)
{
	const struct linger linger = { .l_onoff = 1 };
	struct pair pair = plain_pair(0);
	size_t n;

	cr_assert(!setsockopt(pair.fd[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	pair_vanish(&pair, PAIR_SERVER);
	cr_assert_eq(ktls_conn_read(pair.conn[0], seen, 1, ktls_deadline_in(PATIENCE_MS), &n),
		     -ECONNRESET);
	cr_assert_eq(ktls_conn_write(pair.conn[0], seen, 1, KTLS_NOW, &n), -ECONNRESET);
	pair_free(&pair);
}

Test(unit, it_says_that_there_is_no_protection)
{
	struct pair pair = plain_pair(0);
	struct ktls_info info;

	pair_move(&pair, PAIR_CLIENT, 1000, 1000);
	cr_assert(!ktls_conn_get_info(pair.conn[0], &info, sizeof(info)));
	cr_assert_eq(info.state, KTLS_STATE_OPEN);
	cr_assert_str_eq(ktls_protocol_name(info.protocol), "none");
	cr_assert(!info.suite && !info.alpn && !info.server_name && !info.resumed);
	for (int d = KTLS_TX; d <= KTLS_RX; d++) {
		cr_assert_eq(info.protection[d], KTLS_PROTECTION_NONE);
		cr_assert_eq(info.reason[d], KTLS_REASON_POLICY);
	}
	cr_assert_eq(info.bytes[KTLS_TX], 1000);
	pair_free(&pair);
}

Test(unit, what_needs_keys_is_refused)
{
	struct pair pair = plain_pair(0);
	size_t n;

	cr_assert_eq(ktls_conn_update_key(pair.conn[0], KTLS_KEY_UPDATE_OURS, KTLS_NOW),
		     -EOPNOTSUPP);
	cr_assert_eq(ktls_conn_freeze(pair.conn[0], seen, sizeof(seen), &n), -EOPNOTSUPP);
	cr_assert_eq(ktls_conn_set_session(pair.conn[0], "KTLS", 4), -EINVAL);
	pair_move(&pair, PAIR_CLIENT, 1000, 1000);
	pair_free(&pair);
}

Test(unit, a_file_that_shrinks_is_an_error)
{
	struct pair pair = plain_pair(4096);
	int file_fd = kit_file(LEN);
	uint64_t sent, n;
	int r;

	r = ktls_conn_sendfile(pair.conn[0], file_fd, 0, LEN, KTLS_NOW, &sent);
	cr_assert(r == KTLS_WANT_WRITE && sent < LEN);
	cr_assert(!ftruncate(file_fd, (off_t)sent));
	r = ktls_conn_sendfile(pair.conn[0], file_fd, sent, LEN - sent, KTLS_NOW, &n);
	cr_assert_eq(r, -KTLS_E_FILE_SHORT);
	cr_assert(strstr(ktls_conn_error(pair.conn[0]), "shrank"));
	close(file_fd);
	pair_free(&pair);
}
