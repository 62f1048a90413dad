/* SPDX-License-Identifier: MIT */

/*
 * Threads, each with a ring and pairs of connections in it, that share a config of each role.
 * Writes, files, keys, reads and receives go both ways at random, are cancelled, and run into
 * deadlines; pairs end in order, close, or lose an end, and are replaced; rings are woken from
 * outside, and half of them are freed with all that goes on. Every start has exactly one last
 * event, and every byte is the one that was written. A plain program: ThreadSanitizer and Criterion
 * do not go together.
 *
 * Usage: stress_ring [SECONDS [THREADS [SEED]]]
 */

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "ring_kind.h"

enum {
	SECONDS = 2,
	THREADS = 4,
	THREADS_MAX = 64,
	PAIRS = 12, /* of a thread */
	LEN_MAX = 40000,
	PERIOD = 251, /* of the streams' bytes */
	STREAM = 1 << 20,
	RUN_MAX = 1 << 20, /* bytes of a pair, before it ends */
	EVENTS = 7,
	BUFFERS = 8, /* of a ring: fewer than connections */
	SOCKET_BUFFER = 16384,
	PATIENCE_MS = 60000,
	SKIPPED = 77,
};

enum job {
	JOB_NONE = 0,
	JOB_HANDSHAKE,
	JOB_READ,
	JOB_RECEIVE,
	JOB_WRITE,
	JOB_FILE,
	JOB_KEY,
	JOB_SHUTDOWN,
	JOB_CLOSE,
};

enum ending {
	ENDING_NOT = 0,
	ENDING_ORDERLY,
	ENDING_CLOSE,
	ENDING_LOSS, /* of one end */
	_ENDING_N,
};

struct end;
struct pair;
struct worker;

/* An op, and what it does. */
struct work {
	struct ktls_op op;
	enum job job;
	struct end *end;
};

struct end {
	struct pair *pair;
	struct ktls_conn *conn;
	struct work in, out;  /* what occupies both is `in` */
	uint64_t sent, got;   /* of the two streams */
	bool open, heard_end; /* theirs */
	bool said_end;	      /* ours */
	bool over;	      /* nothing can be started any more */
	uint8_t memory[LEN_MAX];
};

struct pair {
	struct worker *worker;
	struct end ends[2];
	enum ending ending;
	uint64_t until; /* bytes */
};

struct worker {
	struct ktls_ring *ring;
	struct pair pairs[PAIRS];
	uint64_t under_way;
	unsigned int seed;
	bool frees_at_once;
	pthread_t thread;
};

static struct ktls_config *configs[2];
static uint8_t stream[STREAM];
static int file_fd;
static struct worker workers[THREADS_MAX];
static atomic_bool ends; /* of all pairs */
static atomic_ulong starts, cancelled, timed_out, bytes, pairs_made, faults;
static pthread_barrier_t barrier;

static void fault(const struct end *end, const char *what, int r)
{
	fprintf(stderr, "%s: %s: %s\n", what, ktls_strerrorname(r),
		end && end->conn ? ktls_conn_error(end->conn) : "");
	faults++;
}

static unsigned int any(struct worker *worker, unsigned int n)
{
	return (unsigned int)rand_r(&worker->seed) % n;
}

static uint64_t any_deadline(struct worker *worker)
{
	unsigned int which = any(worker, 16);

	if (which == 0)
		return KTLS_NOW;
	if (which == 1)
		return ktls_deadline_in(0);
	if (which < 4)
		return ktls_deadline_in(0) + any(worker, 300000);
	return which < 6 ? ktls_deadline_in(any(worker, 5)) : KTLS_FOREVER;
}

/* -- Connections -- */

static int connect_two(int fd[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const int size = SOCKET_BUFFER;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &len) ||
	    connect(fd[0], (struct sockaddr *)&address, len))
		return -errno;
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return fd[1] < 0 ? -errno : 0;
}

static void begun(struct work *work, enum job job, int r)
{
	if (r) {
		fault(work->end, "a start", r);
		work->end->over = true;
		return;
	}
	work->job = job;
	work->end->pair->worker->under_way++;
	starts++;
}

static void make_end(struct pair *pair, int i, int fd)
{
	struct end *end = &pair->ends[i];
	int r = ktls_conn_adopt(&end->conn, configs[i], fd);

	end->pair = pair;
	end->in.end = end->out.end = end;
	end->in.op.user = &end->in;
	end->out.op.user = &end->out;
	if (!r)
		r = ktls_ring_add(pair->worker->ring, end->conn);
	if (!r)
		r = ktls_op_handshake(&end->in.op, end->conn, KTLS_FOREVER);
	begun(&end->in, JOB_HANDSHAKE, r);
}

static void make_pair(struct worker *worker, struct pair *pair)
{
	int fd[2], r = connect_two(fd);

	memset(pair, 0, sizeof(*pair));
	pair->worker = worker;
	pair->until = 1 + any(worker, RUN_MAX);
	if (r)
		fault(NULL, "sockets", r);
	for (int i = 0; !r && i < 2; i++)
		make_end(pair, i, fd[i]);
	pairs_made++;
}

static void free_end(struct end *end)
{
	end->conn = ktls_conn_free(end->conn);
	end->over = true;
}

/* -- Starts -- */

static void start_in(struct worker *worker, struct end *end)
{
	uint64_t deadline_ns = any_deadline(worker);

	if (any(worker, 2))
		begun(&end->in, JOB_RECEIVE, ktls_op_receive(&end->in.op, end->conn, deadline_ns));
	else
		begun(&end->in, JOB_READ,
		      ktls_op_read(&end->in.op, end->conn, end->memory, 1 + any(worker, LEN_MAX),
				   deadline_ns));
}

static void start_out(struct worker *worker, struct end *end)
{
	uint64_t deadline_ns = any_deadline(worker), at = end->sent % PERIOD;
	struct ktls_op *op = &end->out.op;
	size_t len = any(worker, LEN_MAX);

	switch (any(worker, 8)) {
	case 0:
		begun(&end->out, JOB_KEY,
		      ktls_op_update_key(op, end->conn, (enum ktls_key_update)any(worker, 2),
					 deadline_ns));
		break;
	case 1:
	case 2:
		len = any(worker, STREAM - PERIOD);
		begun(&end->out, JOB_FILE,
		      ktls_op_sendfile(op, end->conn, file_fd, at, len, deadline_ns));
		break;
	default:
		begun(&end->out, JOB_WRITE,
		      ktls_op_write(op, end->conn, stream + at, len, deadline_ns));
		break;
	}
}

static void drive_end(struct worker *worker, struct pair *pair, struct end *end)
{
	bool idle = end->in.job == JOB_NONE;

	if (end->over || !end->open)
		return;
	if (pair->ending == ENDING_CLOSE) {
		if (idle && end->out.job == JOB_NONE)
			begun(&end->in, JOB_CLOSE,
			      ktls_op_shutdown_and_close(&end->in.op, end->conn, KTLS_FOREVER));
		return;
	}
	if (idle && !end->heard_end)
		start_in(worker, end);
	if (end->out.job != JOB_NONE || end->said_end)
		return;
	if (pair->ending == ENDING_ORDERLY)
		begun(&end->out, JOB_SHUTDOWN,
		      ktls_op_shutdown(&end->out.op, end->conn, KTLS_FOREVER));
	else
		start_out(worker, end);
}

/* -- Ends -- */

static void cancel(struct work *work)
{
	int r = ktls_op_cancel(&work->op);

	cancelled += !r;
	if (r && r != -ENOENT)
		fault(work->end, "cancelling", r);
	if (!r && work->job == JOB_NONE)
		fault(work->end, "cancelling what is not under way", r);
}

static bool is_idle(const struct end *end)
{
	return end->in.job == JOB_NONE && end->out.job == JOB_NONE;
}

static void choose_ending(struct worker *worker, struct pair *pair)
{
	uint64_t moved = pair->ends[0].got + pair->ends[1].got;

	if (pair->ending || (!ends && moved < pair->until))
		return;
	if (!pair->ends[0].open || !pair->ends[1].open)
		return;
	pair->ending = (enum ending)(1 + any(worker, _ENDING_N - 1));
	/* All that the peer has to say is thrown away; a write would not end otherwise. */
	if (pair->ending == ENDING_CLOSE)
		for (int i = 0; i < 2; i++) {
			cancel(&pair->ends[i].in);
			cancel(&pair->ends[i].out);
		}
}

static void drive(struct worker *worker, struct pair *pair)
{
	struct end *lost = &pair->ends[0];

	choose_ending(worker, pair);
	if (pair->ending == ENDING_LOSS && lost->conn) {
		cancel(&lost->in);
		cancel(&lost->out);
		lost->over = true;
		if (is_idle(lost))
			free_end(lost);
	}
	for (int i = 0; i < 2; i++) {
		struct end *end = &pair->ends[i];

		drive_end(worker, pair, end);
		if (end->heard_end && end->said_end)
			end->over = true;
	}
	for (int i = 0; i < 2; i++)
		if (!pair->ends[i].over || !is_idle(&pair->ends[i]))
			return;
	for (int i = 0; i < 2; i++)
		free_end(&pair->ends[i]);
	if (!ends)
		make_pair(worker, pair);
}

/* -- Events -- */

static void take_bytes(struct end *end, const uint8_t *data, uint64_t n)
{
	for (uint64_t at = 0; at < n;) {
		uint64_t len = n - at < STREAM - PERIOD ? n - at : STREAM - PERIOD;

		if (memcmp(data + at, stream + (end->got + at) % PERIOD, len) != 0)
			fault(end, "bytes are not those that were written", -EBADMSG);
		at += len;
	}
	end->got += n;
	bytes += n;
}

/* What an op may answer, beside 0. */
static bool is_expected(const struct end *end, enum job job, int r)
{
	if (r == -ECANCELED || r == KTLS_TIMEDOUT)
		return true;
	if (job == JOB_READ || job == JOB_RECEIVE)
		return r == KTLS_WANT_READ || r == KTLS_WANT_WRITE || r == KTLS_WANT_BUFFER ||
		       r == KTLS_EOF;
	if (job == JOB_CLOSE)
		return false;
	if (job == JOB_KEY && r == -KTLS_E_REKEY)
		return true;
	return (r == KTLS_WANT_WRITE || r == KTLS_WANT_BUFFER) && end->open;
}

static void take_end(struct end *end, enum job job, int r)
{
	const struct end *peer = &end->pair->ends[end == &end->pair->ends[0]];

	if (job == JOB_HANDSHAKE)
		end->open = !r;
	if (job == JOB_SHUTDOWN && !r)
		end->said_end = true;
	if (job == JOB_CLOSE && r != -ECANCELED)
		end->over = true;
	if (r == KTLS_EOF)
		end->heard_end = true;
	if (r == KTLS_EOF && end->pair->ending == ENDING_ORDERLY && end->got != peer->sent)
		fault(end, "the stream ends before all was read", r);
}

static void take(struct ktls_event *event)
{
	struct work *work = event->op->user;
	struct end *end = work->end;
	enum job job = work->job;
	int r = event->result;

	if (job == JOB_NONE || event->more || event->conn != end->conn) {
		fault(end, "an event of nothing", r);
		return;
	}
	work->job = JOB_NONE;
	end->pair->worker->under_way--;
	timed_out += r == KTLS_TIMEDOUT;
	if (job == JOB_READ || job == JOB_RECEIVE)
		take_bytes(end, job == JOB_READ ? end->memory : event->data, event->n);
	else if (job == JOB_WRITE || job == JOB_FILE)
		end->sent += event->n;
	if (r && !is_expected(end, job, r)) {
		if (end->pair->ending != ENDING_LOSS)
			fault(end, "an op", r);
		end->over = true;
		/* The other one would wait for ever. */
		cancel(&end->in);
		cancel(&end->out);
	}
	take_end(end, job, r);
}

static bool is_alive(const struct worker *worker)
{
	for (int i = 0; i < PAIRS; i++)
		if (worker->pairs[i].ends[0].conn || worker->pairs[i].ends[1].conn)
			return true;
	return false;
}

static void run(struct worker *worker)
{
	struct ktls_event events[EVENTS];
	size_t n;

	while (is_alive(worker) && !faults && !(ends && worker->frees_at_once)) {
		struct pair *pair = &worker->pairs[any(worker, PAIRS)];
		int r = ktls_ring_wait(worker->ring, ktls_deadline_in(PATIENCE_MS), events,
				       1 + any(worker, EVENTS), &n);

		if (r) {
			fault(NULL, "waiting", r);
			return;
		}
		for (size_t i = 0; i < n; i++)
			if (events[i].op)
				take(&events[i]);
		if (any(worker, 2) == 0 && pair->ends[0].open && pair->ends[1].open)
			cancel(any(worker, 2) ? &pair->ends[any(worker, 2)].in
					      : &pair->ends[any(worker, 2)].out);
		for (int i = 0; i < PAIRS; i++)
			drive(worker, &worker->pairs[i]);
	}
}

static void *work(void *arg)
{
	const struct ktls_ring_options options = {
		.conns = 3 * PAIRS,
		.buffers = BUFFERS,
		.kind = ring_kind(),
	};
	struct worker *worker = arg;
	int r = ktls_ring_new(&worker->ring, &options, sizeof(options));

	if (r)
		fault(NULL, ktls_ring_error(), r);
	pthread_barrier_wait(&barrier);
	for (int i = 0; !r && i < PAIRS; i++)
		make_pair(worker, &worker->pairs[i]);
	if (!r)
		run(worker);
	/* Nobody wakes it any more. */
	pthread_barrier_wait(&barrier);
	if (!worker->frees_at_once && worker->under_way && !faults)
		fault(NULL, "ops without an end", 0);
	ktls_ring_free(worker->ring);
	for (int i = 0; i < 2 * PAIRS; i++)
		ktls_conn_free(worker->pairs[i / 2].ends[i % 2].conn);
	return NULL;
}

/* -- All of it -- */

static int prepare(void)
{
	static const char *const names[] = { "localhost" };
	int r = ktls_config_new(&configs[0], KTLS_CLIENT);

	if (!r)
		r = ktls_config_set_insecure_no_verify(configs[0]);
	if (!r)
		r = ktls_config_new(&configs[1], KTLS_SERVER);
	if (!r)
		r = ktls_config_add_identity_self_signed(configs[1], names, 1);
	for (size_t i = 0; i < STREAM; i++)
		stream[i] = (uint8_t)(i % PERIOD);
	file_fd = memfd_create("stress", MFD_CLOEXEC);
	if (file_fd < 0 || write(file_fd, stream, STREAM) != STREAM)
		return -EIO;
	return r;
}

static void wake_all(unsigned int threads)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (unsigned int i = 0; i < threads; i++)
		if (workers[i].ring && ktls_ring_wake(workers[i].ring))
			fault(NULL, "waking", -EIO);
	nanosleep(&pause, NULL);
}

static int is_missing(void)
{
	const struct ktls_ring_options options = { .kind = ring_kind() };
	struct ktls_ring *ring;
	int r = ktls_ring_new(&ring, &options, sizeof(options));

	if (!r)
		ktls_ring_free(ring);
	else
		printf("%s: skipped\n", ktls_ring_error());
	return r;
}

int main(int argc, char *argv[])
{
	unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : SECONDS;
	unsigned int threads = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : THREADS;
	unsigned int seed = argc > 3 ? (unsigned int)strtoul(argv[3], NULL, 10) : 1;
	uint64_t end_ns = ktls_deadline_in(seconds * 1000);
	int r;

	if (is_missing())
		return SKIPPED;
	r = prepare();
	if (r || !threads || threads > THREADS_MAX) {
		fault(NULL, "preparing", r ? r : -EINVAL);
		return EXIT_FAILURE;
	}
	pthread_barrier_init(&barrier, NULL, threads + 1);
	for (unsigned int i = 0; i < threads; i++) {
		workers[i].seed = seed + i;
		workers[i].frees_at_once = i % 2;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return EXIT_FAILURE;
	}
	pthread_barrier_wait(&barrier);
	while (!faults && ktls_deadline_in(0) < end_ns)
		wake_all(threads);
	ends = true;
	wake_all(threads);
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < 2; i++)
		ktls_config_unref(configs[i]);
	printf("%lu pairs, %lu ops, %lu cancelled, %lu too late, %lu bytes, %lu faults\n",
	       pairs_made, starts, cancelled, timed_out, bytes, faults);
	return faults || !bytes ? EXIT_FAILURE : EXIT_SUCCESS;
}
