/* SPDX-License-Identifier: MIT */

/*
 * What this kernel's io_uring can do, found by trying on a ring and sockets of its own: never by
 * the kernel's version, for distributions take features back and filters forbid. Made once per
 * process. A trial that fails otherwise than by the kernel's word is a "no" as well.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "uring/inside.h"

enum {
	SQ = 8,
	CQ = 32,
	POOL_COUNT = 4,
	POOL_SIZE = 256,
	FILES = 4,
	LISTENERS_BACKLOG = 4,
	ANSWER_S = 2,
	OPCODES_MAX = 64,
};

/* Headers before 6.6's do not name it, nor does liburing then know what to do with it. */
#ifdef IORING_SETUP_NO_SQARRAY
#define REASON_NO_SQARRAY URING_REASON_OLD_KERNEL
#else
#define REASON_NO_SQARRAY URING_REASON_LIBURING
#endif

static struct {
	pthread_once_t once;
	struct uring_facts facts;
} cache = { .once = PTHREAD_ONCE_INIT };

struct trial {
	struct io_uring io;
	struct io_uring_buf_ring *shared; /* one page, or NULL: no pool */
	uint8_t data[POOL_COUNT][POOL_SIZE];
	int pair[2]; /* a byte was written to [1], and the end */
};

/* -- reasons -- */

unsigned int reason_of(int error)
{
	switch (-error) {
	case 0:
		return URING_REASON_NONE;
	case EINVAL:
	case EOPNOTSUPP:
	case ENOSYS:
	case EBADF: /* a register call without a ring, before it was possible */
		return URING_REASON_OLD_KERNEL;
	case EPERM:
	case EACCES:
		return URING_REASON_SECCOMP;
	case ENOMEM:
		return URING_REASON_MEMLOCK;
	default:
		return URING_REASON_REFUSED;
	}
}

/* kernel.io_uring_disabled, or -1 where there is none (before 6.6, or no io_uring at all). */
static int read_sysctl(void)
{
	_cleanup_(ktls_fd_close) int fd =
		open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
	char digit;

	if (fd < 0 || read(fd, &digit, 1) != 1)
		return -1;
	return digit - '0';
}

unsigned int reason_of_setup(int error)
{
	if (error == -EPERM && read_sysctl() > 0)
		return URING_REASON_SYSCTL;
	if (error == -ENOSYS && read_sysctl() >= 0)
		return URING_REASON_SECCOMP;
	return reason_of(error);
}

const char *uring_reason_text(unsigned int reason)
{
	static const char *const texts[_URING_REASON_N] = {
		[URING_REASON_NONE] = "it is there",
		[URING_REASON_OLD_KERNEL] =
			"the kernel is too old for it, or built without: use a newer one",
		[URING_REASON_SECCOMP] =
			"a seccomp filter or security module forbids it: allow io_uring_setup, "
			"io_uring_enter and io_uring_register there (a container's runtime has a "
			"profile)",
		[URING_REASON_SYSCTL] =
			"the sysctl kernel.io_uring_disabled forbids it: set it to 0, or to 1 with "
			"kernel.io_uring_group a group of this process",
		[URING_REASON_MEMLOCK] =
			"there is too little memory for it, or RLIMIT_MEMLOCK is too small: raise "
			"it (ulimit -l, LimitMEMLOCK=)",
		[URING_REASON_LIBURING] =
			"the liburing that this was built with is too old for it: build with 2.6 "
			"or later",
		[URING_REASON_LIMIT] =
			"the options ask for more than a ring may have, or for no op",
		[URING_REASON_REFUSED] = "the kernel refused it: the errno beside says why",
	};

	return reason < _URING_REASON_N ? texts[reason] : "unknown";
}

const char *uring_feature_name(unsigned int feature)
{
	static const char *const names[_URING_FEATURE_N] = {
		[URING_HAS_RING] = "io-uring",
		[URING_HAS_DEFERRED] = "deferred-task-run",
		[URING_HAS_NO_SQARRAY] = "no-sq-array",
		[URING_HAS_DEADLINES] = "linked-timeouts",
		[URING_HAS_MULTISHOT_ACCEPT] = "multishot-accept",
		[URING_HAS_MULTISHOT_RECV] = "multishot-recv",
		[URING_HAS_MULTISHOT_RECVMSG] = "multishot-recvmsg",
		[URING_HAS_POOLS] = "provided-buffer-rings",
		[URING_HAS_BUFFERS] = "sparse-buffer-tables",
		[URING_HAS_FILES] = "direct-descriptors",
		[URING_HAS_SEND_ZC] = "send-zc",
		[URING_HAS_RECV_BUNDLE] = "recv-bundle",
		[URING_HAS_SETSOCKOPT] = "setsockopt",
		[URING_HAS_FD_INSTALL] = "fixed-fd-install",
		[URING_HAS_MSG_RING] = "msg-ring",
		[URING_HAS_WAKE] = "msg-ring-without-ring",
	};

	return feature < _URING_FEATURE_N ? names[feature] : "unknown";
}

/* -- one op -- */

static struct io_uring_sqe *begin(struct trial *trial)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&trial->io);

	assert(sqe);
	io_uring_prep_nop(sqe);
	return sqe;
}

/* Its result, and in *ret_flags those of the completion. */
static int await(struct trial *trial, uint32_t *ret_flags)
{
	struct __kernel_timespec ts = { .tv_sec = ANSWER_S };
	struct io_uring_cqe *cqe = NULL;
	int r;

	do
		r = io_uring_submit_and_wait_timeout(&trial->io, &cqe, 1, &ts, NULL);
	while (r == -EINTR);
	if (!cqe)
		return r < 0 ? r : -ETIME;
	r = cqe->res;
	*ret_flags = cqe->flags;
	io_uring_cqe_seen(&trial->io, cqe);
	return r;
}

/* The pair from which one byte can be read, and then the end. */
static int make_pair(struct trial *trial)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, trial->pair))
		return -errno;
	if (send(trial->pair[1], "x", 1, MSG_NOSIGNAL) != 1)
		return -errno;
	return shutdown(trial->pair[1], SHUT_WR) ? -errno : 0;
}

static void end_pair(struct trial *trial)
{
	ktls_fd_close(&trial->pair[0]);
	ktls_fd_close(&trial->pair[1]);
}

/* -- trials: 0 or -errno -- */

static int try_deadline(struct trial *trial)
{
	static struct __kernel_timespec at_once; /* the kernel's clock began before us */
	_cleanup_(ktls_fd_close) int fd = -EBADF;
	_cleanup_(ktls_fd_close) int other = -EBADF;
	struct io_uring_sqe *sqe;
	int pair[2], r[2];
	uint32_t flags;
	uint8_t byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fd = pair[0];
	other = pair[1];
	sqe = begin(trial);
	io_uring_prep_recv(sqe, fd, &byte, sizeof(byte), 0);
	sqe->flags |= IOSQE_IO_LINK;
	io_uring_prep_link_timeout(begin(trial), &at_once, IORING_TIMEOUT_ABS);
	for (int i = 0; i < 2; i++)
		r[i] = await(trial, &flags);
	if (r[0] == -ETIME || r[1] == -ETIME)
		return r[0] == -ECANCELED || r[1] == -ECANCELED ? 0 : -EOPNOTSUPP;
	return r[0] < 0 ? r[0] : -EOPNOTSUPP;
}

static int try_pool(struct trial *trial)
{
	struct io_uring_buf_reg reg = { .ring_entries = POOL_COUNT };
	int r;

	if (posix_memalign((void **)&trial->shared, (size_t)sysconf(_SC_PAGESIZE),
			   (size_t)sysconf(_SC_PAGESIZE)))
		return -ENOMEM;
	memset(trial->shared, 0, (size_t)sysconf(_SC_PAGESIZE));
	reg.ring_addr = (uintptr_t)trial->shared;
	r = io_uring_register_buf_ring(&trial->io, &reg, 0);
	io_uring_buf_ring_init(trial->shared);
	return r;
}

static void fill_pool(struct trial *trial)
{
	for (int i = 0; i < POOL_COUNT; i++)
		io_uring_buf_ring_add(trial->shared, trial->data[i], POOL_SIZE, (unsigned short)i,
				      io_uring_buf_ring_mask(POOL_COUNT), i);
	io_uring_buf_ring_advance(trial->shared, POOL_COUNT);
}

/* An op that reads the pair's byte into the pool, until its end. `min` is what it must say then. */
static int await_pool(struct trial *trial, int min, uint32_t needed)
{
	uint32_t flags = 0;
	int first = await(trial, &flags);
	int r = first;

	if (first >= min && (flags & needed) != needed)
		first = -EOPNOTSUPP;
	while (r >= 0 && flags & IORING_CQE_F_MORE)
		r = await(trial, &flags);
	return first < min && first >= 0 ? -EOPNOTSUPP : first;
}

static int try_recv(struct trial *trial, uint16_t ioprio, uint32_t needed)
{
	struct io_uring_sqe *sqe = begin(trial);

	io_uring_prep_recv(sqe, trial->pair[0], NULL, 0, 0);
	sqe->ioprio = ioprio;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	return await_pool(trial, 1, needed);
}

static int try_multishot_recv(struct trial *trial)
{
	return try_recv(trial, IORING_RECV_MULTISHOT, IORING_CQE_F_MORE | IORING_CQE_F_BUFFER);
}

static int try_recv_bundle(struct trial *trial)
{
	return try_recv(trial, NEWER_RECVSEND_BUNDLE, IORING_CQE_F_BUFFER);
}

static int try_multishot_recvmsg(struct trial *trial)
{
	struct io_uring_sqe *sqe = begin(trial);
	struct msghdr msg = { .msg_controllen = CMSG_SPACE(sizeof(uint8_t)) };

	io_uring_prep_recvmsg(sqe, trial->pair[0], &msg, 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	return await_pool(trial, URING_MESSAGE_HEADER + 1, IORING_CQE_F_MORE | IORING_CQE_F_BUFFER);
}

/* What needs a filled pool and a pair. */
static int with_pool(struct trial *trial, int (*attempt)(struct trial *trial))
{
	int r;

	if (!trial->shared)
		return -EOPNOTSUPP;
	fill_pool(trial);
	r = make_pair(trial);
	if (!r)
		r = attempt(trial);
	end_pair(trial);
	return r;
}

/* A listener without a name in any file system, and a client that waits there. */
static int make_listener(int *ret_listener, int *ret_client)
{
	_cleanup_(ktls_fd_close) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_(ktls_fd_close) int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(address.sun_family); /* the kernel chooses a name */

	if (listener < 0 || client < 0)
		return -errno;
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, LISTENERS_BACKLOG))
		return -errno;
	len = sizeof(address);
	if (getsockname(listener, (struct sockaddr *)&address, &len) ||
	    connect(client, (struct sockaddr *)&address, len))
		return -errno;
	*ret_listener = ktls_fd_steal(&listener);
	*ret_client = ktls_fd_steal(&client);
	return 0;
}

static int try_accept(struct trial *trial, bool multishot)
{
	_cleanup_(ktls_fd_close) int listener = -EBADF;
	_cleanup_(ktls_fd_close) int client = -EBADF;
	struct io_uring_sqe *sqe;
	uint32_t flags = 0;
	int r = make_listener(&listener, &client);

	if (r < 0)
		return r;
	sqe = begin(trial);
	io_uring_prep_accept(sqe, listener, NULL, NULL, multishot ? SOCK_CLOEXEC : 0);
	if (multishot)
		sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
	else
		sqe->file_index = IORING_FILE_INDEX_ALLOC;
	r = await(trial, &flags);
	if (r >= 0 && multishot)
		close(r);
	if (r < 0 || !multishot)
		return r;
	return flags & IORING_CQE_F_MORE ? 0 : -EOPNOTSUPP;
}

static int try_files(struct trial *trial)
{
	int r = io_uring_register_files_sparse(&trial->io, FILES);

	return r < 0 ? r : try_accept(trial, false);
}

/* Of a socket whose protocol has all that a connection's has: AF_UNIX is refused by some kernels.
 */
static int try_setsockopt(struct trial *trial)
{
	_cleanup_(ktls_fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, got = 0, r;
	socklen_t len = sizeof(got);
	const struct uring_request request = { .kind = URING_SETSOCKOPT,
					       .fd = fd,
					       .level = SOL_SOCKET,
					       .arg = SO_KEEPALIVE,
					       .data = &on,
					       .len = sizeof(on) };
	uint32_t flags;

	if (fd < 0)
		return -errno;
	request_fill(&request, begin(trial));
	r = await(trial, &flags);
	if (r < 0)
		return r;
	return !getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &got, &len) && got ? 0 : -EOPNOTSUPP;
}

static int try_wake(struct trial *trial)
{
	struct io_uring_sqe sqe = { 0 };
	uint32_t flags;
	int r;

	io_uring_prep_msg_ring(&sqe, trial->io.ring_fd, 0, 0, 0);
	r = io_uring_register(-1, NEWER_REGISTER_SEND_MSG_RING, &sqe, 1);
	return r < 0 ? r : await(trial, &flags);
}

static int ask_opcodes(struct trial *trial, uint64_t *ret_opcodes)
{
	struct {
		struct io_uring_probe probe;
		struct io_uring_probe_op ops[OPCODES_MAX];
	} answer = { 0 };
	uint64_t opcodes = 0;
	int r = io_uring_register_probe(&trial->io, &answer.probe, OPCODES_MAX);

	if (r < 0)
		return r;
	for (int i = 0; i < OPCODES_MAX; i++) {
		if (i <= answer.probe.last_op && answer.ops[i].flags & IO_URING_OP_SUPPORTED)
			opcodes |= 1ull << i;
	}
	*ret_opcodes = opcodes;
	return 0;
}

/* -- all of them -- */

static void note(struct uring_facts *facts, enum uring_feature feature, int r)
{
	facts->error[feature] = r < 0 ? r : 0;
	facts->reason[feature] = (uint8_t)reason_of(facts->error[feature]);
}

static void note_opcode(struct uring_facts *facts, enum uring_feature feature, unsigned int opcode)
{
	note(facts, feature, facts->opcodes >> opcode & 1 ? 0 : -EOPNOTSUPP);
}

static void try_all(struct trial *trial, struct uring_facts *facts)
{
	int r;

	note(facts, URING_HAS_DEFERRED,
	     trial->io.flags & IORING_SETUP_DEFER_TASKRUN ? 0 : -EOPNOTSUPP);
	if (!(trial->io.flags & (unsigned int)NEWER_SETUP_NO_SQARRAY)) {
		facts->reason[URING_HAS_NO_SQARRAY] = REASON_NO_SQARRAY;
		facts->error[URING_HAS_NO_SQARRAY] = -EOPNOTSUPP;
	}
	note_opcode(facts, URING_HAS_SEND_ZC, IORING_OP_SEND_ZC);
	note_opcode(facts, URING_HAS_FD_INSTALL, NEWER_OP_FIXED_FD_INSTALL);
	note_opcode(facts, URING_HAS_MSG_RING, IORING_OP_MSG_RING);
	note(facts, URING_HAS_DEADLINES, try_deadline(trial));
	note(facts, URING_HAS_SETSOCKOPT, try_setsockopt(trial));
	note(facts, URING_HAS_BUFFERS, io_uring_register_buffers_sparse(&trial->io, 1));
	note(facts, URING_HAS_WAKE, try_wake(trial));
	r = try_pool(trial);
	note(facts, URING_HAS_POOLS, r);
	if (r < 0) {
		free(trial->shared);
		trial->shared = NULL;
	}
	note(facts, URING_HAS_MULTISHOT_RECV, with_pool(trial, try_multishot_recv));
	note(facts, URING_HAS_MULTISHOT_RECVMSG, with_pool(trial, try_multishot_recvmsg));
	note(facts, URING_HAS_RECV_BUNDLE, with_pool(trial, try_recv_bundle));
	note(facts, URING_HAS_FILES, try_files(trial));
	/* The last, for the ring's end is also that of the op. */
	note(facts, URING_HAS_MULTISHOT_ACCEPT, try_accept(trial, true));
}

static void fill(struct uring_facts *facts, unsigned int reason, int error)
{
	for (int i = 0; i < _URING_FEATURE_N; i++) {
		facts->reason[i] = (uint8_t)reason;
		facts->error[i] = error;
	}
}

static void probe_once(void)
{
	struct trial trial = { .pair = { -EBADF, -EBADF } };
	int r = ring_setup(&trial.io, SQ, CQ, 0);

	if (r < 0) {
		fill(&cache.facts, reason_of_setup(r), r);
		return;
	}
	r = ask_opcodes(&trial, &cache.facts.opcodes);
	if (r < 0)
		fill(&cache.facts, reason_of(r), r);
	else
		try_all(&trial, &cache.facts);
	io_uring_queue_exit(&trial.io);
	free(trial.shared);
}

const struct uring_facts *uring_probe(void)
{
	pthread_once(&cache.once, probe_once);
	return &cache.facts;
}
