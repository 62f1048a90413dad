/* SPDX-License-Identifier: MIT */

/*
 * No allocation an op: from the moment that connections are open and in a ring, the allocator of
 * the whole process fails every call, and a million ops of every kind, to every end, go on as if
 * nothing were. A plain program, for it brings its own malloc.
 *
 * Usage: ring_no_memory [OPS]
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "refusing.h"
#include "ring_kind.h"

enum {
	OPS = 1000000,
	PAIRS = 4, /* one a cipher */
	LEN = 3000,
	FILE_LEN = 100000,
	RARELY = 64, /* rounds, between what is rare */
	SKIPPED = 77,
};

static struct ktls_ring *ring;
static struct ktls_config *configs[PAIRS][2];
static struct ktls_conn *conns[PAIRS][2];
static int file_fd;
static unsigned long ops;

static void must(int r, const char *what, const struct ktls_conn *conn)
{
	if (r)
		refusing_die("%s: %s: %s", what, ktls_strerrorname(r),
			     conn ? ktls_conn_error(conn) : "");
}

/* -- Connections -- */

static void make_sockets(int fd[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &len) ||
	    connect(fd[0], (struct sockaddr *)&address, len))
		refusing_die("a connection over loopback: %s", strerror(errno));
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	for (int i = 0; i < 2; i++)
		setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void make_config(struct ktls_config **ret_config, enum ktls_role role,
			enum ktls_cipher cipher)
{
	static const char *const names[] = { "localhost" };
	struct ktls_config *config;

	must(ktls_config_new(&config, role), "a config", NULL);
	must(ktls_config_set_ciphers(config, &cipher, 1), "a cipher", NULL);
	if (role == KTLS_SERVER)
		must(ktls_config_add_identity_self_signed(config, names, 1), "identity", NULL);
	else
		must(ktls_config_set_insecure_no_verify(config), "trust", NULL);
	*ret_config = config;
}

/* The next events, until `n` ops have ended; each with its result where its user says. */
static void take(unsigned int n)
{
	struct ktls_event events[8];
	size_t got;

	for (; n; n -= (unsigned int)got) {
		must(ktls_ring_wait(ring, ktls_deadline_in(60000), events, n < 8 ? n : 8, &got),
		     "waiting", NULL);
		for (size_t i = 0; i < got; i++)
			*(struct ktls_event *)events[i].op->user = events[i];
		ops += got;
	}
}

static void open_pair(int i)
{
	struct ktls_event events[2];
	struct ktls_op op[2] = { { .user = &events[0] }, { .user = &events[1] } };
	int fd[2];

	make_sockets(fd);
	for (int end = 0; end < 2; end++) {
		make_config(&configs[i][end], end ? KTLS_SERVER : KTLS_CLIENT, (enum ktls_cipher)i);
		must(ktls_conn_adopt(&conns[i][end], configs[i][end], fd[end]), "adopting", NULL);
		must(ktls_ring_add(ring, conns[i][end]), "adding", NULL);
		must(ktls_op_handshake(&op[end], conns[i][end], KTLS_FOREVER), "a start", NULL);
	}
	take(2);
	for (int end = 0; end < 2; end++)
		must(events[end].result, "a handshake", conns[i][end]);
}

/* -- Ops -- */

/* Until `len` bytes have come, by either kind of read. */
static void hear(struct ktls_conn *conn, size_t len, bool lends)
{
	static uint8_t in[LEN];
	struct ktls_event event;
	struct ktls_op op = { .user = &event };

	for (size_t got = 0; got < len; got += event.n) {
		event.op = NULL;
		must(lends ? ktls_op_receive(&op, conn, KTLS_FOREVER)
			   : ktls_op_read(&op, conn, in, sizeof(in), KTLS_FOREVER),
		     "a read", conn);
		while (!event.op)
			take(1);
		must(event.result, "reading", conn);
	}
}

static void carry(int i, int from, size_t len, bool lends)
{
	static uint8_t out[LEN];
	const struct iovec iov[2] = { { .iov_base = out, .iov_len = len / 2 },
				      { .iov_base = out, .iov_len = len - len / 2 } };
	struct ktls_event event = { .op = NULL };
	struct ktls_op op = { .user = &event };

	must(ktls_op_writev(&op, conns[i][from], iov, 2, KTLS_FOREVER), "a write", NULL);
	hear(conns[i][!from], len, lends);
	while (!event.op)
		take(1);
	must(event.result || event.n != len, "writing", conns[i][from]);
}

static void carry_file(int i)
{
	struct ktls_event event = { .op = NULL };
	struct ktls_op op = { .user = &event };

	must(ktls_op_sendfile(&op, conns[i][1], file_fd, 0, FILE_LEN, KTLS_FOREVER), "a file",
	     NULL);
	hear(conns[i][0], FILE_LEN, true);
	while (!event.op)
		take(1);
	must(event.result || event.n != FILE_LEN, "sending a file", conns[i][1]);
}

static void expect(const struct ktls_event *event, int result, const char *what)
{
	if (event->result != result)
		refusing_die("%s: %s", what, ktls_strerrorname(event->result));
}

/* A read that is cancelled, one that is too late, a time, a descriptor. */
static void disappoint(int i)
{
	struct ktls_event events[4];
	struct ktls_op op[4] = { { .user = &events[0] },
				 { .user = &events[1] },
				 { .user = &events[2] },
				 { .user = &events[3] } };

	must(ktls_op_receive(&op[0], conns[i][0], KTLS_FOREVER), "a read", NULL);
	must(ktls_op_receive(&op[1], conns[i][1], ktls_deadline_in(1)), "a read", NULL);
	must(ktls_op_timer(&op[2], ring, KTLS_NOW), "a time", NULL);
	must(ktls_op_poll(&op[3], ring, file_fd, POLLIN, KTLS_FOREVER), "a descriptor", NULL);
	take(3); /* all but the first */
	must(ktls_op_cancel(&op[0]), "cancelling", NULL);
	take(1);
	expect(&events[0], -ECANCELED, "a read that was cancelled");
	expect(&events[1], KTLS_TIMEDOUT, "a read that was too late");
	expect(&events[2], KTLS_TIMEDOUT, "a time");
	expect(&events[3], KTLS_DONE, "a descriptor");
}

static void expect_no_more(void)
{
	struct ktls_conn *conn = NULL;
	int fd[2], r;

	make_sockets(fd);
	r = ktls_conn_adopt(&conn, configs[0][0], fd[0]);
	if (r != -ENOMEM || conn)
		refusing_die("one more: %s", ktls_strerrorname(r));
	close(fd[0]);
	close(fd[1]);
}

/* And says why, in words. */
static void expect_no_other_ring(void)
{
	struct ktls_ring *other = NULL;
	int r = ktls_ring_new(&other, NULL, 0);

	if (r != -ENOMEM || other || !*ktls_ring_error())
		refusing_die("one more ring: %s, \"%s\"", ktls_strerrorname(r), ktls_ring_error());
}

static void end(int i)
{
	struct ktls_event events[2];
	struct ktls_op op[2] = { { .user = &events[0] }, { .user = &events[1] } };

	for (int k = 0; k < 2; k++)
		must(ktls_op_shutdown_and_close(&op[k], conns[i][k], KTLS_FOREVER), "an end", NULL);
	take(2);
	for (int k = 0; k < 2; k++) {
		must(events[k].result, "ending", conns[i][k]);
		ktls_conn_free(conns[i][k]);
	}
}

int main(int argc, char **argv)
{
	const struct ktls_ring_options options = { .kind = ring_kind() };
	unsigned long wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : OPS;

	if (ktls_ring_new(&ring, &options, sizeof(options))) {
		printf("%s: skipped\n", ktls_ring_error());
		return SKIPPED;
	}
	file_fd = memfd_create("file", MFD_CLOEXEC);
	if (ftruncate(file_fd, FILE_LEN))
		refusing_die("a file: %s", strerror(errno));
	for (int i = 0; i < PAIRS; i++)
		open_pair(i);
	refusing = true;
	for (unsigned long i = 0; ops < wanted; i++) {
		carry((int)(i % PAIRS), i / PAIRS % 2, 1 + i % LEN, i / 8 % 2);
		if (i % RARELY == 0)
			disappoint((int)(i / RARELY % PAIRS));
		if (i % RARELY == RARELY / 2)
			carry_file((int)(i / RARELY % PAIRS));
	}
	if (refused)
		refusing_die("%lu allocations", (unsigned long)refused);
	expect_no_more();
	expect_no_other_ring();
	for (int i = 0; i < PAIRS; i++)
		end(i);
	refusing = false;
	ktls_ring_free(ring);
	for (int i = 0; i < 2 * PAIRS; i++)
		ktls_config_unref(configs[i / 2][i % 2]);
	printf("%lu ops, no allocation\n", ops);
	return 0;
}
