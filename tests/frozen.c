/* SPDX-License-Identifier: MIT */

/* Freezing in place and from process to process; see frozen.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frozen.h"
#include "kit.h"

enum {
	LIMIT_S = 120, /* of a process; then its alarm ends it */
	CALL_MS = 20000,
	PERIOD = 251, /* of kit_byte() */
	CHUNK_MAX = 70000,
	READ_MAX = 20000,
	STEPS_MAX = 30, /* of a leg */
	AFTERWARDS = 5000,
	PAUSE_MS = 1,
	FRUITLESS_MAX = 4,
};

static const char baton_variable[] = "KTLS_TEST_BATON";

/* What a process needs to go on. */
struct baton {
	struct frozen_plan plan;
	uint32_t hop, random;
	uint64_t sent, seen;
	int fd; /* where it is inherited */
	uint32_t len;
	uint8_t bytes[FROZEN_MAX];
};

struct runner {
	struct ktls_conn *conn;
	int fd, file_fd; /* the file: or -1 */
	uint64_t sent, seen, to_send, to_see;
	uint32_t random;
	int rx, tx; /* what was answered last */
};

/* In place */

size_t frozen_take(struct pair *pair, enum pair_end end, uint8_t ret_bytes[FROZEN_MAX])
{
	size_t len;
	int r = ktls_conn_freeze(pair->conn[end], ret_bytes, FROZEN_MAX, &len);

	cr_assert(!r, "freezing: %s", ktls_strerrorname(r));
	return len;
}

void frozen_thaw(struct pair *pair, enum pair_end end, const uint8_t *bytes, size_t len)
{
	int r = pair_thaw(pair, end, bytes, len);

	cr_assert(!r, "thawing %zu bytes: %s", len, ktls_strerrorname(r));
}

static struct ktls_info facts_of(const struct pair *pair, enum pair_end end)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(pair->conn[end], &info, sizeof(info)));
	return info;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

void frozen_swap(struct pair *pair, enum pair_end end)
{
	static uint8_t bytes[FROZEN_MAX];
	struct ktls_info before = facts_of(pair, end), after;
	char *suite = strdup(before.suite), *name = NULL;
	size_t len;

	if (before.server_name)
		name = strdup(before.server_name);
	len = frozen_take(pair, end, bytes);
	frozen_thaw(pair, end, bytes, len);
	after = facts_of(pair, end);
	cr_assert(same_text(after.suite, suite) && same_text(after.server_name, name));
	cr_assert_eq(before.alpn == NULL, after.alpn == NULL);
	free(suite);
	free(name);
	/* The texts are others' now. */
	before.suite = after.suite = before.server_name = after.server_name = NULL;
	before.alpn = after.alpn = NULL;
	cr_assert(!memcmp(&before, &after, sizeof(before)), "a fact has changed");
}

struct pair frozen_pair(enum ktls_protocol protocol, enum pair_end end, enum ktls_offload tx,
			enum ktls_offload rx, int buffer_bytes)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocol;
	options.tx[end] = tx;
	options.rx[end] = rx;
	options.buffer_bytes = buffer_bytes;
	return pair_open(&options);
}

/* In processes of their own, where no assertion of the test's can be used */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	dprintf(STDERR_FILENO, "# process %d: ", (int)getpid());
	vdprintf(STDERR_FILENO, format, args);
	dprintf(STDERR_FILENO, "\n");
	va_end(args);
	_exit(1);
}

static uint32_t roll(uint32_t *random, uint32_t sides)
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return *random % sides;
}

static const uint8_t *pattern_at(uint64_t at)
{
	static uint8_t pattern[CHUNK_MAX + PERIOD];

	if (!pattern[1])
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = kit_byte(i);
	return pattern + at % PERIOD;
}

static bool is_fatal(int r)
{
	return r < 0 || r == KTLS_EOF || r == KTLS_CLOSED || r == KTLS_TIMEDOUT;
}

static bool read_some(struct runner *runner)
{
	uint8_t bytes[READ_MAX];
	size_t want = 1 + roll(&runner->random, READ_MAX), n;

	if (want > runner->to_see - runner->seen)
		want = runner->to_see - runner->seen;
	if (!want)
		return false;
	runner->rx = ktls_conn_read(runner->conn, bytes, want, KTLS_NOW, &n);
	if (is_fatal(runner->rx))
		die("reading at %llu: %s %s", (unsigned long long)runner->seen,
		    ktls_strerrorname(runner->rx), ktls_conn_error(runner->conn));
	if (memcmp(bytes, pattern_at(runner->seen), n))
		die("wrong bytes at %llu", (unsigned long long)runner->seen);
	runner->seen += n;
	return n;
}

static bool write_some(struct runner *runner)
{
	uint64_t n64 = 0, left = runner->to_send - runner->sent;
	size_t want = 1 + roll(&runner->random, CHUNK_MAX), n = 0;

	if (want > left)
		want = (size_t)left;
	if (!want && !runner->tx)
		return false;
	if (runner->file_fd >= 0 && want)
		runner->tx = ktls_conn_sendfile(runner->conn, runner->file_fd, runner->sent, want,
						KTLS_NOW, &n64);
	else
		runner->tx =
			ktls_conn_write(runner->conn, pattern_at(runner->sent), want, KTLS_NOW, &n);
	if (is_fatal(runner->tx))
		die("writing at %llu: %s %s", (unsigned long long)runner->sent,
		    ktls_strerrorname(runner->tx), ktls_conn_error(runner->conn));
	runner->sent += n64 + n;
	return n64 || n;
}

static bool is_done(const struct runner *runner)
{
	return runner->sent == runner->to_send && runner->seen == runner->to_see && !runner->tx;
}

/* Some kernels call a socket ready that is not: a pause keeps that from spinning. */
static void await(const struct runner *runner, unsigned int fruitless)
{
	struct pollfd pollfd = { .fd = runner->fd };

	if (runner->seen < runner->to_see)
		pollfd.events |= POLLIN;
	if (runner->tx)
		pollfd.events |= POLLOUT;
	if (poll(&pollfd, 1, CALL_MS) != 1)
		die("nothing moves: %llu sent, %llu seen", (unsigned long long)runner->sent,
		    (unsigned long long)runner->seen);
	if (fruitless > FRUITLESS_MAX)
		poll(NULL, 0, PAUSE_MS);
}

/* So many steps; now and then it only writes, so that its peer is left with full buffers. */
static void run(struct runner *runner, unsigned int steps)
{
	unsigned int fruitless = 0;

	while (steps-- && !is_done(runner)) {
		bool moved = write_some(runner);

		/* What lies in userspace already the socket does not tell of. */
		if (!roll(&runner->random, 3))
			continue;
		moved |= read_some(runner);
		fruitless = moved ? 0 : fruitless + 1;
		if (!moved && !is_done(runner))
			await(runner, fruitless);
	}
}

static bool can_change(const struct frozen_plan *plan, enum ktls_direction direction)
{
	struct ktls_probe probe;

	if (plan->protocol != KTLS_TLS_1_3)
		return false;
	if ((direction == KTLS_TX ? plan->tx : plan->rx) == KTLS_OFFLOAD_NEVER)
		return true;
	return !ktls_probe(&probe, sizeof(probe)) && !probe.rekey[direction];
}

static void change_key(struct runner *runner)
{
	int r = ktls_conn_update_key(runner->conn, KTLS_KEY_UPDATE_OURS, ktls_deadline_in(CALL_MS));

	if (r)
		die("changing our key: %s %s", ktls_strerrorname(r), ktls_conn_error(runner->conn));
}

/* Keys, a little more, and the end. */
__attribute__((noreturn)) static void finish(struct runner *runner, bool ours, bool theirs)
{
	struct ktls_info info;
	uint8_t byte;
	size_t n;
	int r;

	run(runner, UINT32_MAX);
	if (ours)
		change_key(runner);
	runner->to_send += AFTERWARDS;
	runner->to_see += AFTERWARDS;
	if (runner->file_fd >= 0)
		close(runner->file_fd);
	runner->file_fd = -1;
	run(runner, UINT32_MAX);
	ktls_conn_get_info(runner->conn, &info, sizeof(info));
	if (info.key_updates[KTLS_TX] != 2 * ours || info.key_updates[KTLS_RX] != 2 * theirs ||
	    info.bytes[KTLS_TX] != runner->sent || info.bytes[KTLS_RX] != runner->seen)
		die("the facts are not those of the whole connection");
	r = ktls_conn_shutdown(runner->conn, ktls_deadline_in(CALL_MS));
	if (r)
		die("shutdown: %s %s", ktls_strerrorname(r), ktls_conn_error(runner->conn));
	r = ktls_conn_read(runner->conn, &byte, 1, ktls_deadline_in(CALL_MS), &n);
	if (r != KTLS_EOF)
		die("the end: %s %s", ktls_strerrorname(r), ktls_conn_error(runner->conn));
	ktls_conn_free(runner->conn);
	_exit(0);
}

/* The baton, and what happens to it */

static size_t baton_len(const struct baton *baton)
{
	return offsetof(struct baton, bytes) + baton->len;
}

static void put(int fd, const void *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n <= 0)
			die("passing on: %s", strerror(errno));
		bytes = (const uint8_t *)bytes + n;
		len -= (size_t)n;
	}
}

static void get(int fd, void *bytes, size_t len)
{
	while (len) {
		ssize_t n = read(fd, bytes, len);

		if (n <= 0)
			die("taking over: %s", n ? strerror(errno) : "cut");
		bytes = (uint8_t *)bytes + n;
		len -= (size_t)n;
	}
}

union rights {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* One byte carries the socket, the rest follows. */
static void pass_socket(int channel, int fd)
{
	union rights rights = { { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &rights,
			      .msg_controllen = sizeof(rights) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(channel, &msg, 0) != 1)
		die("passing the socket: %s", strerror(errno));
}

/* -1: the other process has done the rest. */
static int take_socket(int channel)
{
	union rights rights;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &rights,
			      .msg_controllen = sizeof(rights) };
	struct cmsghdr *head;
	int fd;

	if (recvmsg(channel, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	head = CMSG_FIRSTHDR(&msg);
	if (!head || head->cmsg_type != SCM_RIGHTS)
		die("no socket came");
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

__attribute__((noreturn)) static void execute(struct baton *baton)
{
	int memory = memfd_create("baton", 0);
	char number[16];

	put(memory, baton, baton_len(baton));
	lseek(memory, 0, SEEK_SET);
	fcntl(baton->fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", memory);
	setenv(baton_variable, number, 1);
	execl("/proc/self/exe", "frozen", (char *)NULL);
	die("exec: %s", strerror(errno));
}

static void freeze(struct runner *runner, struct baton *baton)
{
	size_t len;
	int r = ktls_conn_freeze(runner->conn, baton->bytes, sizeof(baton->bytes), &len);

	if (r)
		die("freezing: %s", ktls_strerrorname(r));
	/* The connection's own goes with it. */
	runner->fd = dup(runner->fd);
	ktls_conn_free(runner->conn);
	baton->len = (uint32_t)len;
	baton->sent = runner->sent;
	baton->seen = runner->seen;
	baton->random = runner->random;
	baton->fd = runner->fd;
	baton->hop++;
}

/* As a process would that has never seen the connection. */
static struct ktls_config *make_config(const struct frozen_plan *plan)
{
	static const char *const names[] = { "elsewhere" };
	struct ktls_config *config;
	bool server = plan->end == PAIR_SERVER;
	uint64_t tx_bytes = plan->tx == KTLS_OFFLOAD_AFTER_BYTES ? plan->after_bytes : 0;
	uint64_t rx_bytes = plan->rx == KTLS_OFFLOAD_AFTER_BYTES ? plan->after_bytes : 0;

	if (ktls_config_new(&config, server ? KTLS_SERVER : KTLS_CLIENT) ||
	    ktls_config_set_offload(config, KTLS_TX, plan->tx, tx_bytes) ||
	    ktls_config_set_offload(config, KTLS_RX, plan->rx, rx_bytes) ||
	    (server ? ktls_config_add_identity_self_signed(config, names, 1)
		    : ktls_config_set_insecure_no_verify(config)))
		die("config");
	return config;
}

static struct runner thaw(const struct baton *baton, struct ktls_config *config, int fd)
{
	const struct frozen_plan *plan = &baton->plan;
	struct runner runner = { .fd = fd,
				 .file_fd = -1,
				 .sent = baton->sent,
				 .seen = baton->seen,
				 .to_send = plan->to_send,
				 .to_see = plan->to_see,
				 .random = baton->random,
				 .tx = KTLS_WANT_WRITE };
	int r = ktls_conn_thaw(&runner.conn, config, fd, baton->bytes, baton->len);

	if (r)
		die("thawing %u bytes: %s", baton->len, ktls_strerrorname(r));
	if (plan->by_sendfile)
		runner.file_fd = kit_file(plan->to_send);
	return runner;
}

/* A leg, and the finish if it was the last; else the baton is ready. */
static void run_leg(struct runner *runner, struct baton *baton)
{
	const struct frozen_plan *plan = &baton->plan;
	bool ours = can_change(plan, KTLS_TX);

	run(runner, 1 + roll(&runner->random, STEPS_MAX));
	if (baton->hop == 1 && ours)
		change_key(runner);
	if (baton->hop == plan->hops)
		finish(runner, ours, can_change(plan, KTLS_RX));
	if (runner->file_fd >= 0)
		close(runner->file_fd);
	freeze(runner, baton);
	if (plan->by_exec)
		execute(baton);
}

/* With the connection at first, or without. */
__attribute__((noreturn)) static void relay(struct runner *runner, struct baton *baton, int channel)
{
	struct ktls_config *config = make_config(&baton->plan);
	struct runner next;
	int fd;

	for (;;) {
		if (runner) {
			run_leg(runner, baton);
			pass_socket(channel, runner->fd);
			put(channel, baton, baton_len(baton));
			close(runner->fd);
		}
		fd = take_socket(channel);
		if (fd < 0)
			_exit(0);
		get(channel, baton, offsetof(struct baton, bytes));
		get(channel, baton->bytes, baton->len);
		next = thaw(baton, config, fd);
		runner = &next;
	}
}

/* The test's own program again, before any test: it is only a place to go on. */
__attribute__((constructor)) static void go_on_after_exec(void)
{
	static struct baton baton;
	const char *number = getenv(baton_variable);
	struct runner runner;
	int memory;

	if (!number)
		return;
	alarm(LIMIT_S);
	memory = atoi(number);
	get(memory, &baton, offsetof(struct baton, bytes));
	get(memory, baton.bytes, baton.len);
	close(memory);
	runner = thaw(&baton, make_config(&baton.plan), baton.fd);
	run_leg(&runner, &baton);
	die("nobody went on");
}

/* The processes */

static pid_t begin(void)
{
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (!pid)
		alarm(LIMIT_S);
	return pid;
}

static pid_t begin_peer(const struct pair *pair, const struct frozen_plan *plan)
{
	enum pair_end end = plan->end == PAIR_CLIENT ? PAIR_SERVER : PAIR_CLIENT;
	pid_t pid = begin();
	bool theirs = can_change(plan, KTLS_RX);
	struct runner runner = { .conn = pair->conn[end],
				 .fd = pair->fd[end],
				 .file_fd = -1,
				 .to_send = plan->to_see,
				 .to_see = plan->to_send,
				 .random = plan->seed * 77 + 1 };

	if (pid)
		return pid;
	close(pair->fd[plan->end]);
	if (theirs)
		change_key(&runner);
	finish(&runner, theirs, can_change(plan, KTLS_TX));
}

static pid_t begin_first(const struct pair *pair, struct baton *baton, int channel)
{
	const struct frozen_plan *plan = &baton->plan;
	pid_t pid = begin();
	struct runner runner = { .conn = pair->conn[plan->end],
				 .fd = pair->fd[plan->end],
				 .file_fd = -1,
				 .to_send = plan->to_send,
				 .to_see = plan->to_see,
				 .random = baton->random };

	if (pid)
		return pid;
	close(pair->fd[!plan->end]);
	if (plan->by_sendfile)
		runner.file_fd = kit_file(plan->to_send);
	relay(&runner, baton, channel);
}

static pid_t begin_second(const struct pair *pair, struct baton *baton, int channel, int other)
{
	pid_t pid = begin();

	if (pid)
		return pid;
	close(other);
	for (int end = 0; end < 2; end++)
		close(pair->fd[end]);
	relay(NULL, baton, channel);
}

static void expect_good_end(pid_t pid, const char *who, const struct frozen_plan *plan)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && !WEXITSTATUS(status),
		  "%s ended with status 0x%x: protocol 0x%x, cipher %d, end %d, tx %d, rx %d, "
		  "buffers %d, seed %u",
		  who, status, plan->protocol, plan->cipher, plan->end, plan->tx, plan->rx,
		  plan->buffer_bytes, plan->seed);
}

void frozen_relay(const struct frozen_plan *plan)
{
	static struct baton baton;
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair;
	pid_t peer, first, second;
	int channel[2], rc[2];

	baton = (struct baton){ .plan = *plan, .random = plan->seed };
	options.protocol = plan->protocol;
	options.cipher = plan->cipher;
	options.tx[plan->end] = plan->tx;
	options.rx[plan->end] = plan->rx;
	options.after_bytes = plan->after_bytes;
	options.buffer_bytes = plan->buffer_bytes;
	pair = pair_new(&options);
	cr_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel));
	/* Before there is a connection, so that it has nothing but what it is given. */
	second = begin_second(&pair, &baton, channel[1], channel[0]);
	close(channel[1]);
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1]);
	peer = begin_peer(&pair, plan);
	first = begin_first(&pair, &baton, channel[0]);
	close(channel[0]);
	pair_free(&pair);
	expect_good_end(peer, "the peer", plan);
	expect_good_end(first, "the first", plan);
	expect_good_end(second, "the second", plan);
}
