/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_RING_H
#define KTLS_SRC_RING_H

/*
 * The inside of a ring:
 *
 *   ring.c     its life; one turn: what was started goes out, what is done comes in
 *   op.c       ops: their starts, their deadlines, their ends
 *   step.c     what each kind of op does when its connection can go on
 *   lane.c     a connection in a ring: what is in flight for it, what arrived
 *   timers.c   what is due when
 *   door.c     io_uring, or epoll (loop.c)
 *
 * An op is tried whenever its connection could go on, by the same functions that serve a connection
 * without a ring, which never wait; what they want is then asked of the door.
 */

#include <assert.h>
#include <sys/socket.h>

#include <ktls/op.h>
#include <ktls/ring.h>

#include "conn.h"
#include "timers.h"
#include "uring/uring.h"

enum {
	KTLS_RING_BUFFER_LEN = 17 << 10, /* a record, and what a message needs beside it */
	KTLS_RING_LENT_LEN = 1 << 20,	 /* what the events of one wait lend */
	KTLS_RING_TURN_BYTES = 2 << 20,	 /* of a file, before others have their turn */
	KTLS_RING_COLD_BYTES = 1 << 18,	 /* of a file that comes from its disk, at once */
	KTLS_RING_PAUSE_NS = 1000000,	 /* before we try again what nobody tells us of */
	KTLS_RING_FRUITLESS_MAX = 2,	 /* times that a socket was ready for nothing */
	KTLS_RING_EVENTS = 256,		 /* of io_uring, at once */
};

/* What is in flight for a connection: at most one of each. */
enum ktls_flight {
	KTLS_FLIGHT_RECEIVE = 0,
	KTLS_FLIGHT_SEND,
	KTLS_FLIGHT_POLL_RX,
	KTLS_FLIGHT_POLL_TX,
	KTLS_FLIGHT_FILE,
	_KTLS_FLIGHT_N,
	/* Of an op of the ring itself, in the same place of a tag. */
	KTLS_FLIGHT_ACCEPT,
	KTLS_FLIGHT_ONE,
};

enum ktls_task_kind {
	KTLS_TASK_NONE = 0,
	KTLS_TASK_HANDSHAKE,
	KTLS_TASK_READ,
	KTLS_TASK_RECEIVE,
	KTLS_TASK_WRITE,
	KTLS_TASK_SENDFILE,
	KTLS_TASK_UPDATE_KEY,
	KTLS_TASK_SHUTDOWN,
	KTLS_TASK_CLOSE,
	KTLS_TASK_ACCEPT,
	KTLS_TASK_ONE, /* a request of its own: a poll, a file that is read */
	KTLS_TASK_TIMER,
	_KTLS_TASK_N,
};

/* The inside of a struct ktls_op. */
struct ktls_task {
	struct ktls_ring *ring; /* NULL: not under way */
	struct ktls_lane *lane; /* NULL: of the ring itself */
	struct ktls_conn *conn; /* the lane's */
	struct ktls_task *next; /* of those that are over */
	struct ktls_timer timer;
	struct uring_buffer *buffer; /* that its memory lies in; or NULL */
	uint64_t deadline_ns;
	uint64_t n;
	uint64_t flight; /* of ACCEPT, ONE */
	int result;	 /* from the moment that it is to end */
	uint8_t kind;
	bool ending;   /* as soon as nothing is in flight for it */
	bool too_late; /* for CLOSE to wait any longer */
	bool blocked;  /* the last send, which did not wait: until the socket is writable */
	uint8_t fruitless;
	union {
		struct {
			void *buf;
			size_t len;
		} read;
		const void *lent;
		struct {
			struct iovec one;
			struct ktls_cursor cursor;
			struct ktls_stage stage;
			struct msghdr msg;
		} write;
		struct {
			int fd;
			uint64_t offset, len;
			uint64_t warm; /* of len: up to there it was looked, or read */
			bool cold;     /* the rest is read before it is sent */
		} file;
		enum ktls_key_update update;
		struct ktls_listener *listener;
	};
};

static_assert(sizeof(struct ktls_task) <= sizeof(((struct ktls_op *)0)->inside),
	      "an op has room for its inside");

union ktls_lane_control {
	struct cmsghdr cmsg;
	uint8_t bytes[CMSG_SPACE(sizeof(uint8_t))];
};

struct ktls_lane_poll {
	int fd;
	short events;
};

struct ktls_lane {
	struct ktls_ring *ring;
	struct ktls_conn *conn; /* NULL: freed; what is in flight is left */
	struct ktls_lane *next, *previous;
	struct ktls_lane *next_ready, *next_accepted;
	struct ktls_task *task[_KTLS_DIRECTION_N]; /* the same one twice: it is both */
	uint64_t flight[_KTLS_FLIGHT_N];
	struct ktls_lane_poll polled[_KTLS_DIRECTION_N]; /* by the polls in flight */
	bool ready;					 /* is in the ring's list */
	bool inside;	  /* the ring is in one of the connection's calls */
	bool arrived;	  /* something did, and nobody has taken it */
	bool unbuffered;  /* the ring had no buffer: the op reads by itself */
	bool ends;	  /* of a record in the kernel: its last bytes */
	uint8_t type;	  /* the same: its type */
	int arrived_res;  /* with nothing in the buffer: 0 the end, or -errno */
	int32_t buffer;	  /* of the ring's pool, or -1 */
	uint32_t at, end; /* what is left in it */
	struct ktls_task *accepted_by;
	struct ktls_config *kept_config;
	uint8_t *kept; /* read by the send that is under way */
	struct msghdr msg;
	struct iovec iov;
	union ktls_lane_control control;
};

struct ktls_ring {
	struct uring *uring; /* NULL: the door is epoll's, and we move the bytes ourselves */
	struct uring_pool *pool;
	struct ktls_loop *loop; /* NULL: the door is io_uring's */
	struct ktls_lane *lanes;
	struct ktls_lane *ready, **ready_end;
	struct ktls_lane *accepted, **accepted_end; /* not yet told of */
	struct ktls_task *over, **over_end;	    /* the same */
	struct ktls_timers timers;
	uint32_t conns, conns_max;
	bool woken; /* and not yet told of */
	uint8_t *lent;
	size_t lent_used;
	uint32_t lent_events; /* that lend some of it, and are not yet told of */
	uint8_t *unread;      /* where files are read to on their way into the page cache */
};

/* lane.c. -ENOSPC, -ENOMEM. */
int ktls_lane_new(struct ktls_lane **ret_lane, struct ktls_ring *ring, struct ktls_conn *conn);

/* It can go on, perhaps: its ops are tried soon. */
void ktls_lane_wake(struct ktls_lane *lane);
void ktls_lane_unwake(struct ktls_lane *lane);

/* Asks for what the op needs to go on. 0, KTLS_WANT_BUFFER: nobody will tell; try again. */
int ktls_lane_want(struct ktls_lane *lane, const struct ktls_task *task, int want);
int ktls_lane_send(struct ktls_lane *lane, struct ktls_task *task);
int ktls_lane_warm(struct ktls_lane *lane, int file_fd, uint64_t offset, size_t len);

void ktls_lane_cancel(struct ktls_lane *lane, enum ktls_flight flight);
void ktls_lane_cancel_all(struct ktls_lane *lane);
bool ktls_lane_is_in_flight(const struct ktls_lane *lane);

/* What was in flight has ended. */
void ktls_lane_landed(struct ktls_lane *lane, enum ktls_flight flight,
		      const struct uring_event *event);

/* Nothing is in flight any more, or ever will be: it is gone. */
void ktls_lane_drop(struct ktls_lane *lane);

/* The same; bytes that nobody has read are lost, and with them the connection. */
void ktls_lane_abandon(struct ktls_lane *lane);

/* op.c */
struct ktls_task *ktls_task_of(struct ktls_op *op);
struct ktls_op *ktls_op_of(struct ktls_task *task);

/* It is to end with this, once nothing is in flight for it. */
void ktls_task_end(struct ktls_task *task, int result);
void ktls_task_retry(struct ktls_task *task);

/* When the first of them is due; and whatever is, by now. */
uint64_t ktls_ring_next_ns(const struct ktls_ring *ring);
void ktls_ring_run_timers(struct ktls_ring *ring);

/* Starts an op that is this one request; the request's tag is ours. As ktls_op_poll(). */
int ktls_task_begin_one(struct ktls_op *op, struct ktls_ring *ring, struct uring_request *request,
			uint64_t deadline_ns);

void ktls_task_landed(struct ktls_task *task, enum ktls_flight flight,
		      const struct uring_event *event);

/* step.c */
void ktls_lane_run(struct ktls_lane *lane);

/* door.c. Its error is ktls_ring_error()'s. */
int ktls_door_open(struct ktls_ring *ring, enum ktls_ring_kind kind, unsigned int ops,
		   uint32_t buffers);
void ktls_door_set_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int ktls_door_start(struct ktls_ring *ring, const struct uring_request *request,
		    uint64_t *ret_flight);
void ktls_door_cancel(struct ktls_ring *ring, uint64_t flight);
int ktls_door_wait(struct ktls_ring *ring, uint64_t deadline_ns, struct uring_event *events,
		   unsigned int max, unsigned int *ret_n);
int ktls_door_drain(struct ktls_ring *ring);
void ktls_door_close(struct ktls_ring *ring);

/* ring.c */
uint64_t ktls_ring_tag(const void *of, enum ktls_flight flight);

#endif
