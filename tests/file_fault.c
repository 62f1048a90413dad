/* SPDX-License-Identifier: MIT */

/* See file_fault.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "file_fault.h"
#include "kit.h"
#include "pair.h"
#include "seam.h"

enum {
	FILE_LEN = 400000,
	CUT_LEN = 300000, /* where it ends later */
	SMALL_BUFFERS = 8192,
	PATIENCE_MS = 20000,
	CALLS_MAX = 1000,
};

static int file_fd;
static uint64_t place; /* of the next byte that the client reads */

static struct pair open_pair(enum ktls_protocol protocol, enum ktls_offload tx, int buffer_bytes)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocol;
	options.cipher = KTLS_AES_128_GCM;
	options.tx[PAIR_SERVER] = tx;
	options.buffer_bytes = buffer_bytes;
	place = 0;
	file_fd = kit_file(FILE_LEN);
	return pair_open(&options);
}

static void close_pair(struct pair *pair)
{
	pair_free(pair);
	close(file_fd);
}

static void expect_state(struct ktls_conn *conn, enum ktls_state state)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	cr_assert(info.state == state, "%s: %s", ktls_state_name(info.state),
		  ktls_conn_error(conn));
}

static void refused(struct ktls_conn *conn, int fd, uint64_t offset, uint64_t len, int code)
{
	uint64_t n = 1;
	int rc = ktls_conn_sendfile(conn, fd, offset, len, KTLS_NOW, &n);

	cr_assert(rc == code, "%llu at %llu: %s, not %s", (unsigned long long)len,
		  (unsigned long long)offset, ktls_strerrorname(rc), ktls_strerrorname(code));
	cr_assert(!n);
	expect_state(conn, KTLS_STATE_OPEN);
}

void file_fault_refused(enum ktls_protocol protocol, enum ktls_offload tx)
{
	struct pair pair = open_pair(protocol, tx, 0);
	struct ktls_conn *conn = pair.conn[PAIR_SERVER];
	int pipes[2], directory = open("/", O_RDONLY | O_DIRECTORY);

	cr_assert(!pipe(pipes) && directory >= 0);
	refused(conn, -1, 0, 1, -EBADF);
	refused(conn, pipes[0], 0, 1, -EINVAL);
	refused(conn, directory, 0, 1, -EINVAL);
	refused(conn, pair.fd[0], 0, 1, -EINVAL);
	refused(conn, file_fd, FILE_LEN, 1, -KTLS_E_FILE_SHORT);
	refused(conn, file_fd, FILE_LEN + 1, 1, -KTLS_E_FILE_SHORT);
	refused(conn, file_fd, FILE_LEN + 1, 0, -KTLS_E_FILE_SHORT);
	refused(conn, file_fd, 1, FILE_LEN, -KTLS_E_FILE_SHORT);
	refused(conn, file_fd, 0, INT64_MAX, -KTLS_E_FILE_SHORT);
	refused(conn, file_fd, 1, INT64_MAX, -EINVAL);
	refused(conn, file_fd, 0, UINT64_MAX, -EINVAL);
	refused(conn, file_fd, UINT64_MAX, 0, -EINVAL);
	refused(conn, file_fd, UINT64_MAX, 1, -EINVAL);
	refused(conn, file_fd, UINT64_MAX, UINT64_MAX, -EINVAL);
	refused(conn, file_fd, 0, 0, 0);
	refused(conn, file_fd, FILE_LEN, 0, 0);
	cr_assert(!ftruncate(file_fd, CUT_LEN));
	refused(conn, file_fd, 0, FILE_LEN, -KTLS_E_FILE_SHORT);
	pair_move_file(&pair, PAIR_SERVER, file_fd, 0, CUT_LEN);
	pair_close(&pair);
	close(pipes[0]);
	close(pipes[1]);
	close(directory);
	close_pair(&pair);
}

/* The client reads to the end; how many bytes, and what the end was. */
static int drain(struct pair *pair, uint64_t *ret_got)
{
	static uint8_t bytes[30000];
	int rc;

	*ret_got = 0;
	do {
		size_t n;

		rc = ktls_conn_read(pair->conn[PAIR_CLIENT], bytes, sizeof(bytes), KTLS_NOW, &n);
		for (size_t i = 0; i < n; i++)
			cr_assert(bytes[i] == kit_byte(place + i), "byte %zu", i);
		place += n;
		*ret_got += n;
	} while (!rc);
	return rc;
}

/* The server has failed for the file; the client hears of it, and never of an end. */
static void expect_cut(struct pair *pair)
{
	struct ktls_conn *server = pair->conn[PAIR_SERVER];
	uint64_t got, n;
	int rc;

	expect_state(server, KTLS_STATE_FAILED);
	cr_assert(strstr(ktls_conn_error(server), "shrank"), "%s", ktls_conn_error(server));
	cr_assert(ktls_conn_sendfile(server, file_fd, 0, 1, KTLS_NOW, &n) == -KTLS_E_FILE_SHORT);
	cr_assert(ktls_conn_shutdown(server, KTLS_NOW) == -KTLS_E_FILE_SHORT);
	pair->conn[PAIR_SERVER] = ktls_conn_free(server);
	pair->fd[PAIR_SERVER] = -1;
	kit_wait(pair->fd[PAIR_CLIENT], POLLIN);
	do
		rc = drain(pair, &got);
	while (rc == KTLS_WANT_READ);
	cr_assert(rc == -KTLS_E_ALERT, "%s: %s", ktls_strerrorname(rc),
		  ktls_conn_error(pair->conn[PAIR_CLIENT]));
	cr_assert(strstr(ktls_conn_error(pair->conn[PAIR_CLIENT]), "internal_error"));
}

void file_fault_shrinks_between(enum ktls_protocol protocol, enum ktls_offload tx)
{
	struct pair pair = open_pair(protocol, tx, SMALL_BUFFERS);
	struct ktls_conn *server = pair.conn[PAIR_SERVER];
	uint64_t sent, n, got;
	int rc;

	rc = ktls_conn_sendfile(server, file_fd, 0, FILE_LEN, KTLS_NOW, &sent);
	cr_assert(rc == KTLS_WANT_WRITE && sent < CUT_LEN, "%s", ktls_strerrorname(rc));
	cr_assert(drain(&pair, &got) == KTLS_WANT_READ);
	cr_assert(!ftruncate(file_fd, CUT_LEN));
	rc = ktls_conn_sendfile(server, file_fd, sent, FILE_LEN - sent, KTLS_NOW, &n);
	cr_assert(rc == -KTLS_E_FILE_SHORT && !n, "%s", ktls_strerrorname(rc));
	expect_cut(&pair);
	close_pair(&pair);
}

static void shrink(void)
{
	cr_assert(!ftruncate(file_fd, CUT_LEN));
}

void file_fault_shrinks_during(enum ktls_protocol protocol, enum ktls_offload tx)
{
	const struct seam_fault fault = {
		.calls = 1 << SEAM_PREADV | 1 << SEAM_SENDFILE,
		.times = 1,
		.happens = shrink,
	};
	struct pair pair = open_pair(protocol, tx, 4 << 20);
	struct ktls_conn *server = pair.conn[PAIR_SERVER];
	uint64_t sent;
	int rc;

	seam_begin(pair.fd[PAIR_SERVER], &fault, NULL);
	seam.keyed = tx != KTLS_OFFLOAD_NEVER;
	rc = ktls_conn_sendfile(server, file_fd, 0, FILE_LEN, ktls_deadline_in(PATIENCE_MS), &sent);
	seam_end();
	cr_assert(seam.touched, "the file was not read");
	cr_assert(rc == -KTLS_E_FILE_SHORT && sent <= CUT_LEN, "%s", ktls_strerrorname(rc));
	expect_cut(&pair);
	close_pair(&pair);
}

void file_fault_grows(enum ktls_protocol protocol, enum ktls_offload tx)
{
	struct pair pair = open_pair(protocol, tx, 4 << 20);
	struct ktls_conn *server = pair.conn[PAIR_SERVER];
	uint64_t sent, got, got_again;

	cr_assert(!ktls_conn_sendfile(server, file_fd, 0, 1000, ktls_deadline_in(PATIENCE_MS),
				      &sent));
	cr_assert(!ftruncate(file_fd, FILE_LEN * 2));
	cr_assert(drain(&pair, &got) == KTLS_WANT_READ);
	cr_assert(sent == 1000 && got == 1000);
	cr_assert(drain(&pair, &got_again) == KTLS_WANT_READ && !got_again);
	pair_close(&pair);
	close_pair(&pair);
}

void file_fault_peer_is_gone(enum ktls_protocol protocol, enum ktls_offload tx)
{
	struct pair pair = open_pair(protocol, tx, SMALL_BUFFERS);
	struct ktls_conn *server = pair.conn[PAIR_SERVER];
	sigset_t pending;
	uint64_t sent;
	int rc = 0;

	cr_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	pair_vanish(&pair, PAIR_CLIENT);
	for (int i = 0; i < CALLS_MAX && (rc == 0 || rc == KTLS_WANT_WRITE); i++)
		rc = ktls_conn_sendfile(server, file_fd, 0, 100, KTLS_NOW, &sent);
	cr_assert(rc == -EPIPE || rc == -ECONNRESET, "%s", ktls_strerrorname(rc));
	expect_state(server, KTLS_STATE_FAILED);
	cr_assert(!sigpending(&pending) && !sigismember(&pending, SIGPIPE));
	close_pair(&pair);
}
