/* SPDX-License-Identifier: MIT */

/*
 * The door of a ring over epoll(7); see loop.h. A descriptor has one registration, for whatever any
 * op wants of it, which tells once (EPOLLONESHOT) and is renewed while some op still waits. So one
 * that was closed, or that nobody waits at any more, needs no care: a registration that is missing
 * is made, and what an older one tells is known by its stamp, and not believed.
 */

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/secret.h"
#include "base/sys.h"
#include "loop.h"

enum {
	NONE = URING_OPS_MAX,
	STAMP_SHIFT = 32,
	EVENTS_AT_ONCE = 256,
	UNSEEN_MAX = 16, /* waits with events at hand, before we look for others */
};

/* What the wake's registration carries; no descriptor is -1. */
#define WAKE UINT64_MAX

/* What poll(2) says of a file that epoll(7) refuses, for it never blocks. */
#define ALWAYS (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM)

enum op_state {
	OP_FREE = 0,
	OP_WAITING, /* at its descriptor */
	OP_READY,   /* for its event */
};

struct op {
	uint64_t tag;
	uint32_t generation;
	uint32_t next;	/* among the free or the ready ones, or those at the same place */
	uint32_t stamp; /* of the registration it waits for */
	uint32_t events;
	uint32_t arg; /* of ACCEPT */
	int fd;
	int32_t res;   /* when it is ready; 0 of ACCEPT: to be tried */
	uint8_t kind;  /* enum uring_kind */
	uint8_t state; /* enum op_state */
};

struct ktls_loop {
	int fd;
	struct op *ops;
	uint32_t free; /* the first one, or NONE */
	uint32_t ready, last_ready;
	uint32_t *places; /* by the descriptor: the first op that waits there, or NONE */
	uint32_t places_mask;
	uint32_t stamp;	 /* the last one given */
	uint32_t unseen; /* waits since we looked */

	/* What other threads touch. */
	atomic_bool woken;
	int wake_fd;
};

/* -- Life -- */

static int make_ops(struct ktls_loop *loop, unsigned int ops)
{
	uint32_t places = 1;

	while (places < ops)
		places *= 2;
	loop->places_mask = places - 1;
	loop->ops = calloc(ops, sizeof(*loop->ops));
	loop->places = calloc(places, sizeof(*loop->places));
	if (!loop->ops || !loop->places)
		return -ENOMEM;
	for (uint32_t i = 0; i < places; i++)
		loop->places[i] = NONE;
	for (uint32_t i = 0; i < ops; i++)
		loop->ops[i] = (struct op){ .next = i + 1 < ops ? i + 1 : NONE, .generation = 1 };
	loop->ready = NONE;
	return 0;
}

/* Each write of it is an edge: nobody has to read it. */
static int open_fds(struct ktls_loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = WAKE };

	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->fd < 0 || loop->wake_fd < 0 ||
	    epoll_ctl(loop->fd, EPOLL_CTL_ADD, loop->wake_fd, &event))
		return -errno;
	return 0;
}

int ktls_loop_new(struct ktls_loop **ret_loop, unsigned int ops)
{
	struct ktls_loop *loop = calloc(1, sizeof(*loop));
	int r;

	assert(ops && ops <= URING_OPS_MAX);
	if (!loop)
		return -ENOMEM;
	loop->fd = loop->wake_fd = -EBADF;
	r = make_ops(loop, ops);
	if (!r)
		r = open_fds(loop);
	if (r < 0) {
		ktls_loop_free(loop);
		return r;
	}
	*ret_loop = loop;
	return 0;
}

struct ktls_loop *ktls_loop_free(struct ktls_loop *loop)
{
	if (!loop)
		return NULL;
	ktls_fd_close(&loop->fd);
	ktls_fd_close(&loop->wake_fd);
	free(loop->places);
	free(loop->ops);
	free(loop);
	return NULL;
}

/* -- Ops -- */

/* Never 0, as no generation is. */
static uint64_t name_of(const struct ktls_loop *loop, const struct op *op)
{
	return (uint64_t)op->generation << STAMP_SHIFT | (uint32_t)(op - loop->ops);
}

static struct op *take_op(struct ktls_loop *loop, const struct uring_request *request)
{
	struct op *op = &loop->ops[loop->free];

	loop->free = op->next;
	*op = (struct op){
		.tag = request->tag,
		.generation = op->generation,
		.kind = (uint8_t)request->kind,
		.events = request->kind == URING_ACCEPT ? EPOLLIN : request->arg,
		.arg = request->arg,
		.fd = request->fd,
	};
	return op;
}

static void release_op(struct ktls_loop *loop, struct op *op)
{
	uint32_t generation = op->generation + 1;

	*op = (struct op){ .next = loop->free, .generation = generation ? generation : 1 };
	loop->free = (uint32_t)(op - loop->ops);
}

static void make_ready(struct ktls_loop *loop, struct op *op, int32_t res)
{
	uint32_t index = (uint32_t)(op - loop->ops);

	op->state = OP_READY;
	op->res = res;
	op->next = NONE;
	if (loop->ready == NONE)
		loop->ready = index;
	else
		loop->ops[loop->last_ready].next = index;
	loop->last_ready = index;
}

/* -- Waiting at descriptors -- */

static uint32_t *place_of(struct ktls_loop *loop, int fd)
{
	return &loop->places[(uint32_t)fd & loop->places_mask];
}

static int renew(struct ktls_loop *loop, int fd)
{
	const uint32_t stamp = ++loop->stamp;
	struct epoll_event event = {
		.events = EPOLLONESHOT,
		.data.u64 = (uint64_t)stamp << STAMP_SHIFT | (uint32_t)fd,
	};

	for (uint32_t i = *place_of(loop, fd); i != NONE; i = loop->ops[i].next) {
		if (loop->ops[i].fd != fd)
			continue;
		event.events |= loop->ops[i].events;
		loop->ops[i].stamp = stamp;
	}
	if (!epoll_ctl(loop->fd, EPOLL_CTL_MOD, fd, &event))
		return 0;
	if (errno == ENOENT && !epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event))
		return 0;
	return -errno;
}

/* What it is for one that waits, when the descriptor tells this. */
static int32_t result_of(const struct op *op, uint32_t events)
{
	return op->kind == URING_ACCEPT ? 0 : (int32_t)events;
}

static int32_t result_of_error(const struct op *op, int error)
{
	uint32_t events = op->events & ALWAYS;

	if (error != -EPERM)
		return error;
	return events ? result_of(op, events) : -EINVAL;
}

/* Registers the descriptor for those that wait there; what forbids it is an end for all of them. */
static void watch(struct ktls_loop *loop, int fd)
{
	uint32_t *link = place_of(loop, fd);
	int r = renew(loop, fd);

	while (r < 0 && *link != NONE) {
		struct op *op = &loop->ops[*link];

		if (op->fd == fd) {
			*link = op->next;
			make_ready(loop, op, result_of_error(op, r));
		} else {
			link = &op->next;
		}
	}
}

static void await(struct ktls_loop *loop, struct op *op)
{
	uint32_t *place = place_of(loop, op->fd);

	op->state = OP_WAITING;
	op->next = *place;
	*place = (uint32_t)(op - loop->ops);
	watch(loop, op->fd);
}

static void leave(struct ktls_loop *loop, struct op *op)
{
	uint32_t *link = place_of(loop, op->fd);

	while (&loop->ops[*link] != op)
		link = &loop->ops[*link].next;
	*link = op->next;
}

/* Those that wanted this of the descriptor are ready; for the others it is watched on. */
static void tell(struct ktls_loop *loop, const struct epoll_event *event)
{
	const int fd = (int)(uint32_t)event->data.u64;
	const uint32_t stamp = (uint32_t)(event->data.u64 >> STAMP_SHIFT);
	uint32_t *link = place_of(loop, fd);
	bool others = false;

	while (*link != NONE) {
		struct op *op = &loop->ops[*link];
		uint32_t events = event->events & (op->events | EPOLLERR | EPOLLHUP);
		bool meant = op->fd == fd && op->stamp == stamp;

		if (meant && events) {
			*link = op->next;
			make_ready(loop, op, result_of(op, events));
		} else {
			others = others || meant;
			link = &op->next;
		}
	}
	if (others)
		watch(loop, fd);
}

/* -- Starting, cancelling -- */

static int32_t send_now(const struct uring_request *request)
{
	struct iovec iov = { .iov_base = request->data, .iov_len = request->len };
	const struct msghdr one = { .msg_iov = &iov, .msg_iovlen = 1 };
	const struct msghdr *msg = request->kind == URING_SEND ? &one : request->data;
	ssize_t n;

	do
		n = ktls_sys.sendmsg(request->fd, msg, (int)request->arg | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int32_t)n;
}

/* As sendfile(2), it waits for the disk. */
static int32_t read_now(const struct uring_request *request)
{
	const struct iovec iov = { .iov_base = request->data, .iov_len = request->len };
	ssize_t n;

	do
		n = ktls_sys.preadv(request->fd, &iov, 1, (off_t)request->offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int32_t)n;
}

int ktls_loop_start(struct ktls_loop *loop, const struct uring_request *request, uint64_t *ret_op)
{
	bool sends = request->kind == URING_SEND || request->kind == URING_SENDMSG;
	bool reads = request->kind == URING_READ;
	struct op *op;

	assert(sends || reads || request->kind == URING_POLL || request->kind == URING_ACCEPT);
	if (loop->free == NONE)
		return KTLS_WANT_BUFFER;
	op = take_op(loop, request);
	*ret_op = name_of(loop, op);
	if (sends)
		make_ready(loop, op, send_now(request));
	else if (reads)
		make_ready(loop, op, read_now(request));
	else
		await(loop, op);
	return 0;
}

int ktls_loop_cancel(struct ktls_loop *loop, uint64_t name)
{
	struct op *op = &loop->ops[(uint32_t)name];

	if (op->state == OP_FREE || name_of(loop, op) != name)
		return -ENOENT;
	if (op->state == OP_WAITING) {
		leave(loop, op);
		make_ready(loop, op, -ECANCELED);
	} else if (op->kind == URING_ACCEPT && !op->res) {
		op->res = -ECANCELED;
	}
	return 0;
}

/* -- Waking -- */

/* The flag is the message; what follows only ends a wait. */
int ktls_loop_wake(struct ktls_loop *loop)
{
	static const uint64_t one = 1;

	if (atomic_exchange(&loop->woken, true))
		return 0;
	return write(loop->wake_fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

static bool take_wake(struct ktls_loop *loop, struct uring_event *ret_event)
{
	if (!atomic_load_explicit(&loop->woken, memory_order_relaxed) ||
	    !atomic_exchange(&loop->woken, false))
		return false;
	*ret_event = (struct uring_event){ .buffer = -1 };
	return true;
}

/* -- Events -- */

/* Whether there is one: a connection, or an error. The op stays for the next. */
static bool try_accept(struct ktls_loop *loop, struct op *op, int *ret_fd)
{
	int fd = ktls_sys.accept4(op->fd, NULL, NULL, (int)op->arg);

	if (fd < 0 && errno == EAGAIN) {
		await(loop, op);
		return false;
	}
	if (fd < 0)
		op->res = -errno;
	else
		make_ready(loop, op, 0);
	*ret_fd = fd;
	return true;
}

/* The first of those that are ready; false: it was not. */
static bool take_ready(struct ktls_loop *loop, struct uring_event *ret_event)
{
	struct op *op = &loop->ops[loop->ready];
	struct uring_event event = { .op = name_of(loop, op), .tag = op->tag, .buffer = -1 };
	int fd = -1;

	loop->ready = op->next;
	if (op->kind == URING_ACCEPT && !op->res && !try_accept(loop, op, &fd))
		return false;
	event.more = fd >= 0;
	event.res = event.more ? fd : op->res;
	if (!event.more)
		release_op(loop, op);
	*ret_event = event;
	return true;
}

static unsigned int take(struct ktls_loop *loop, struct uring_event *events, unsigned int max)
{
	unsigned int n = take_wake(loop, &events[0]);

	while (n < max && loop->ready != NONE)
		n += take_ready(loop, &events[n]);
	return n;
}

static int look(struct ktls_loop *loop, uint64_t deadline_ns)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(loop->fd, events, EVENTS_AT_ONCE, ktls_deadline_left_ms(deadline_ns));

	loop->unseen = 0;
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 != WAKE)
			tell(loop, &events[i]);
	return 0;
}

int ktls_loop_wait(struct ktls_loop *loop, uint64_t deadline_ns, struct uring_event *events,
		   unsigned int max, unsigned int *ret_n)
{
	bool last = false;
	unsigned int n;
	int r = 0;

	if (!max)
		return -EINVAL;
	if (loop->ready != NONE && ++loop->unseen > UNSEEN_MAX)
		r = look(loop, KTLS_NOW);
	for (;;) {
		if (r < 0)
			return r;
		n = take(loop, events, max);
		if (n || last)
			break;
		r = look(loop, deadline_ns);
		last = deadline_ns == KTLS_NOW || ktls_deadline_clock() >= deadline_ns;
	}
	*ret_n = n;
	return n ? 0 : KTLS_TIMEDOUT;
}
