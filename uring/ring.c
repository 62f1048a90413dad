/* SPDX-License-Identifier: MIT */

/*
 * A ring: made with the best flags the kernel takes, submitted to and waited for, woken, ended. It
 * relies on a kernel that loses no completion (IORING_FEAT_NODROP) and waits with a time of its own
 * (IORING_FEAT_EXT_ARG, 5.11). What the entries mean is op.c's.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/secret.h"
#include "base/sigpipe.h"
#include "uring/inside.h"

#define NS_PER_S 1000000000ull

enum {
	SQ_DEFAULT = 256,
	CQ_MAX = 1 << 16,
	REAP_AT_ONCE = 32,
	EVENTS_AT_ONCE = 64,
	NEEDED = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG,
};

/*
 * -- setup --
 *
 * Best first. NO_SQARRAY is missing on purpose: a liburing that knows it (2.6) asks for it itself,
 * and an older one would write its array over the ring.
 */

static const unsigned int ladder[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
		IORING_SETUP_SUBMIT_ALL, /* 6.1 */
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
		IORING_SETUP_SUBMIT_ALL,						 /* 6.0 */
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL, /* 5.19 */
	IORING_SETUP_SUBMIT_ALL,							 /* 5.18 */
	0,
};

int ring_setup(struct io_uring *ret_io, unsigned int sq, unsigned int cq, unsigned int avoid)
{
	int r = -EINVAL;

	for (size_t i = 0; i < sizeof(ladder) / sizeof(*ladder) && r == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = ladder[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
			.cq_entries = cq,
		};

		if ((avoid & 1u << URING_HAS_DEFERRED) && ladder[i] & IORING_SETUP_DEFER_TASKRUN)
			continue;
		r = io_uring_queue_init_params(sq, ret_io, &params);
	}
	if (r < 0)
		return r;
	if ((ret_io->features & NEEDED) != NEEDED) {
		io_uring_queue_exit(ret_io);
		return -ENOSYS;
	}
	return 0;
}

static bool are_within_limits(const struct uring_options *options)
{
	return options->ops && options->ops <= URING_OPS_MAX && options->sq <= URING_SQ_MAX &&
	       options->cq <= CQ_MAX && options->buffers <= URING_BUFFERS_MAX &&
	       options->files <= URING_FILES_MAX;
}

/* An op leaves one completion and its deadline another; what is more the kernel keeps aside. */
static void set_defaults(struct uring_options *options)
{
	if (!options->sq)
		options->sq = options->ops < SQ_DEFAULT ? options->ops : SQ_DEFAULT;
	if (!options->cq)
		options->cq = options->ops < CQ_MAX / 2 ? options->ops * 2 : CQ_MAX;
	if (options->cq < options->sq)
		options->cq = options->sq;
}

static void set_features(struct uring *ring)
{
	const struct uring_facts *facts = uring_probe();

	for (unsigned int i = 0; i < _URING_FEATURE_N; i++)
		ring->has[i] = !facts->reason[i] && !(ring->options.avoid & 1u << i);
}

/* A thread without a ring of its own wakes us through an eventfd where the kernel cannot do
 * without. */
static int make_wake(struct uring *ring)
{
	ring->wake_fd = -1;
	if (uring_has(ring, URING_HAS_WAKE))
		return 0;
	ring->wake_fd = eventfd(0, EFD_CLOEXEC);
	return ring->wake_fd < 0 ? -errno : 0;
}

static int make_files(struct uring *ring)
{
	if (!ring->options.files)
		return 0;
	if (!uring_has(ring, URING_HAS_FILES))
		return -EOPNOTSUPP;
	return io_uring_register_files_sparse(&ring->io, ring->options.files);
}

static void close_ring(struct uring **ring)
{
	if (!*ring)
		return;
	if ((*ring)->fd >= 0)
		io_uring_queue_exit(&(*ring)->io);
	ktls_fd_close(&(*ring)->wake_fd);
	buffers_free(*ring);
	ops_free(*ring);
	free(*ring);
}

static int make(struct uring **ret_ring, const struct uring_options *options)
{
	_cleanup_(close_ring) struct uring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return -ENOMEM;
	ring->fd = ring->wake_fd = -1;
	ring->options = *options;
	set_defaults(&ring->options);
	set_features(ring);
	r = ring_setup(&ring->io, ring->options.sq, ring->options.cq, ring->options.avoid);
	if (r < 0)
		return r;
	ring->fd = ring->io.ring_fd;
	(void)io_uring_register_ring_fd(&ring->io); /* saves a look-up where it is there (5.18) */
	r = ops_new(ring);
	if (!r)
		r = make_wake(ring);
	if (!r)
		r = make_files(ring);
	if (!r)
		r = buffers_new(ring);
	if (r < 0)
		return r;
	*ret_ring = ring;
	ring = NULL;
	return 0;
}

int uring_new(struct uring **ret_ring, const struct uring_options *options,
	      unsigned int *ret_reason)
{
	const struct uring_facts *facts = uring_probe();
	int r = facts->error[URING_HAS_RING];

	*ret_reason = facts->reason[URING_HAS_RING];
	if (r < 0)
		return r;
	if (!are_within_limits(options)) {
		*ret_reason = URING_REASON_LIMIT;
		return -EINVAL;
	}
	r = make(ret_ring, options);
	if (r < 0)
		*ret_reason = reason_of(r);
	return r;
}

struct uring *uring_free(struct uring *ring)
{
	if (!ring)
		return NULL;
	assert(!ring->live);
	for (int i = 0; i < URING_POOLS_MAX; i++)
		assert(!ring->pools[i]);
	close_ring(&ring);
	return NULL;
}

bool uring_has(const struct uring *ring, enum uring_feature feature)
{
	return ring->has[feature];
}

/* -- submitting -- */

int ring_submit(struct uring *ring)
{
	_cleanup_(ktls_sigpipe_release) struct ktls_sigpipe sigpipe = { .held = false };

	if (ring->writes)
		ktls_sigpipe_hold(&sigpipe);
	/* Without SUBMIT_ALL the kernel stops behind each entry that it refuses. */
	while (io_uring_sq_ready(&ring->io)) {
		int r = io_uring_submit(&ring->io);

		if (r == -EBUSY || r == -EAGAIN || r == 0)
			return KTLS_WANT_BUFFER;
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

int ring_reserve(struct uring *ring, unsigned int n)
{
	int r;

	if (io_uring_sq_space_left(&ring->io) >= n)
		return 0;
	r = ring_submit(ring);
	if (r < 0)
		return r;
	return io_uring_sq_space_left(&ring->io) >= n ? 0 : KTLS_WANT_BUFFER;
}

struct io_uring_sqe *ring_sqe(struct uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);

	assert(sqe);
	memset(sqe, 0, sizeof(*sqe));
	ring->prepared++;
	return sqe;
}

bool ring_has_not_submitted(const struct uring *ring, uint32_t number)
{
	return ring->prepared - number < io_uring_sq_ready(&ring->io);
}

/* -- waking -- */

static void arm_wake(struct uring *ring)
{
	struct io_uring_sqe *sqe;

	if (ring->wake_fd < 0 || ring->wake_armed || ring_reserve(ring, 1) != 0)
		return;
	sqe = ring_sqe(ring);
	io_uring_prep_read(sqe, ring->wake_fd, &ring->wake_in, sizeof(ring->wake_in), 0);
	sqe->user_data = ops_user_data(OF_WAKE, 0, 0);
	ring->wake_armed = true;
}

/* The flag is the message; what follows only ends a wait. So a wake that finds it set has nothing
 * to do, and one that comes late does no harm. */
int uring_wake(struct uring *ring)
{
	static const uint64_t one = 1;
	struct io_uring_sqe sqe = { 0 };
	int r;

	if (atomic_exchange(&ring->woken, true))
		return 0;
	if (ring->wake_fd >= 0)
		return write(ring->wake_fd, &one, sizeof(one)) < 0 ? -errno : 0;
	io_uring_prep_msg_ring(&sqe, ring->fd, 0, ops_user_data(OF_WAKE, 0, 0), 0);
	r = io_uring_register(-1, NEWER_REGISTER_SEND_MSG_RING, &sqe, 1);
	/* Its CQ is full: then it does not wait. */
	return r == -EOVERFLOW ? 0 : r;
}

static bool take_wake(struct uring *ring, struct uring_event *ret_event)
{
	if (!atomic_load_explicit(&ring->woken, memory_order_relaxed) ||
	    !atomic_exchange(&ring->woken, false))
		return false;
	*ret_event = (struct uring_event){ .buffer = -1 };
	return true;
}

/* -- waiting -- */

static unsigned int reap(struct uring *ring, struct uring_event *events, unsigned int max)
{
	struct io_uring_cqe *cqes[REAP_AT_ONCE];
	const bool woken = take_wake(ring, &events[0]);
	unsigned int n = woken ? 1 : 0;

	while (n < max) {
		unsigned int left = max - n < REAP_AT_ONCE ? max - n : REAP_AT_ONCE;
		unsigned int got = io_uring_peek_batch_cqe(&ring->io, cqes, left);

		if (!got)
			break;
		for (unsigned int i = 0; i < got; i++) {
			if (cqes[i]->user_data == ops_user_data(OF_WAKE, 0, 0))
				ring->wake_armed = false;
			else if (ops_complete(ring, cqes[i], &events[n]))
				n++;
		}
		io_uring_cq_advance(&ring->io, got);
	}
	/* Once more: among what was reaped may have been what was to end a wait for it. */
	if (!woken && n < max && take_wake(ring, &events[n]))
		n++;
	return n;
}

/* Submits, and waits for one completion, of whatever kind. 0: look. */
static int enter(struct uring *ring, uint64_t deadline_ns)
{
	const uint64_t now = ktls_deadline_clock();
	const uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
	struct __kernel_timespec ts = { .tv_sec = (long long)(left / NS_PER_S),
					.tv_nsec = (long long)(left % NS_PER_S) };
	struct io_uring_cqe *cqe;
	int r;

	if (!left)
		r = io_uring_submit_and_get_events(&ring->io);
	else
		r = io_uring_submit_and_wait_timeout(
			&ring->io, &cqe, 1, deadline_ns == KTLS_FOREVER ? NULL : &ts, NULL);
	if (r == -EBUSY) /* what did not fit the CQ has to go there first */
		r = io_uring_get_events(&ring->io);
	return r >= 0 || r == -ETIME || r == -EINTR ? 0 : r;
}

static uint64_t earliest(const struct uring *ring, uint64_t deadline_ns)
{
	return ring->retries && ring->retry_at_ns < deadline_ns ? ring->retry_at_ns : deadline_ns;
}

int uring_wait(struct uring *ring, uint64_t deadline_ns, struct uring_event *events,
	       unsigned int max, unsigned int *ret_n)
{
	_cleanup_(ktls_sigpipe_release) struct ktls_sigpipe sigpipe = { .held = false };
	/* What goes out brings back what is done, in one call. */
	bool look = !io_uring_sq_ready(&ring->io);
	bool last = false;

	if (!max)
		return -EINVAL;
	if (ring->writes)
		ktls_sigpipe_hold(&sigpipe);
	for (;;) {
		unsigned int n;
		int r;

		ops_retry_cancels(ring);
		n = look ? reap(ring, events, max) : 0;
		look = true;
		if (n) {
			/* An error of it comes again when there is nothing else to tell. */
			(void)ring_submit(ring);
			*ret_n = n;
			return 0;
		}
		if (last) {
			*ret_n = 0;
			return KTLS_TIMEDOUT;
		}
		arm_wake(ring); /* reaping may have ended the last read */
		r = enter(ring, earliest(ring, deadline_ns));
		last = ktls_deadline_clock() >= deadline_ns;
		if (r < 0)
			return r;
	}
}

/* -- ending -- */

int uring_drain(struct uring *ring, uint64_t deadline_ns)
{
	struct uring_event events[EVENTS_AT_ONCE];
	unsigned int n;
	int r = 0;

	ring->draining = true; /* what events hold, ops_complete() throws away */
	ops_cancel_all(ring);
	while (!r && ring->live)
		r = uring_wait(ring, deadline_ns, events, EVENTS_AT_ONCE, &n);
	ring->draining = false;
	return r;
}

unsigned int uring_live(const struct uring *ring)
{
	return ring->live;
}
