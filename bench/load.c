/* SPDX-License-Identifier: MIT */

/*
 * The client; see load.h. A visitor is one connection after another, with one operation under way.
 * Its requests are due at fixed times if there is a rate: one that could not be sent in time, since
 * an answer was late, counts from when it was due, so that a server that stalls is not asked less
 * for it (the coordinated omission that wrk2 and HdrHistogram warn of).
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "support.h"
#include "wire.h"

enum {
	EVENTS = 256,
	TIMEOUT_MS = 60000,
	SESSION_MAX = 16384,
	SPARE = 16, /* a place is free again only when nothing is in flight for it */
	POLL_US = 500,
	LOOK_NS = 1000000,
	LEAD_NS = 10000000, /* until a window with a rate: nobody is late for it */
	NEWCOMERS = 128,    /* at once, of each thread */
	FDS_BESIDE = 64,
	WARM_UP_S = 120, /* until every connection is at work */
};

/* What the threads share. */
struct crowd {
	const struct load *load;
	const uint8_t *block; /* of the pattern, if bodies are compared */
	uint8_t session[SESSION_MAX];
	size_t session_len;
	atomic_uint warm;	       /* visitors whose first request was answered */
	atomic_uint_fast64_t begin_ns; /* of the window; 0: not known yet */
};

struct visitor {
	struct ktls_op op;
	struct ktls_conn *conn;
	struct thread *thread;
	int (*next)(struct visitor *visitor, const struct ktls_event *event);
	char head[WIRE_HEAD_MAX];
	size_t head_n;
	bool in_body, was_warm;
	uint64_t at; /* of the body */
	struct wire_answer answer;
	uint64_t due_ns;
};

struct thread {
	pthread_t id;
	struct crowd *crowd;
	struct ktls_ring *ring;
	struct visitor *visitors;
	unsigned int first, n, begun; /* of all visitors */
	char request[WIRE_OWN_MAX];
	size_t request_len;
	uint64_t cpu_begin_ns, cpu_end_ns;
	uint64_t requests, bytes, checked;
	struct histogram latency;
	struct ktls_info info; /* of the first connection that was open */
	bool has_info;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* In the window? Notes this thread's CPU time at its edges. */
static bool is_counted(struct thread *thread)
{
	uint64_t begin = atomic_load(&thread->crowd->begin_ns), now = clock_ns(CLOCK_MONOTONIC);

	if (!begin || now < begin)
		return false;
	if (!thread->cpu_begin_ns)
		thread->cpu_begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return now < begin + thread->crowd->load->window_ns;
}

static bool is_over(struct thread *thread)
{
	uint64_t begin = atomic_load(&thread->crowd->begin_ns);

	return begin && clock_ns(CLOCK_MONOTONIC) >= begin + thread->crowd->load->window_ns;
}

static _Noreturn void give_up(const struct visitor *visitor, const char *what, int r)
{
	bench_die("the client, %s: %s. %s", what, ktls_strerror(r), ktls_conn_error(visitor->conn));
}

static int ask(struct visitor *visitor);
static int wait_for_turn(struct visitor *visitor);

/* For its next request. */
static bool needs_connection(const struct visitor *visitor)
{
	return !visitor->conn || visitor->answer.is_last || visitor->thread->crowd->load->reconnect;
}

static int connect_anew(struct visitor *visitor)
{
	struct crowd *crowd = visitor->thread->crowd;
	const struct load *load = crowd->load;

	visitor->conn = ktls_conn_free(visitor->conn);
	bench_must(ktls_conn_dial(&visitor->conn, load->config, load->host, load->port), "dialing",
		   ktls_config_error(load->config));
	if (crowd->session_len)
		bench_must(ktls_conn_set_session(visitor->conn, crowd->session, crowd->session_len),
			   "a session", ktls_conn_error(visitor->conn));
	bench_must(ktls_ring_add(visitor->thread->ring, visitor->conn), "a connection", NULL);
	return ktls_op_handshake(&visitor->op, visitor->conn, ktls_deadline_in(TIMEOUT_MS));
}

static int closed(struct visitor *visitor, const struct ktls_event *event)
{
	(void)event;
	return wait_for_turn(visitor);
}

static void begin_next(struct thread *thread)
{
	struct visitor *visitor = &thread->visitors[thread->begun++];
	int r = wait_for_turn(visitor);

	if (r)
		give_up(visitor, "beginning", r);
}

/* The next one comes: all at once would be more than any server has room for. */
static void is_at_work(struct visitor *visitor)
{
	struct thread *thread = visitor->thread;

	if (visitor->was_warm)
		return;
	visitor->was_warm = true;
	atomic_fetch_add(&thread->crowd->warm, 1);
	if (thread->begun < thread->n)
		begin_next(thread);
}

static int done(struct visitor *visitor)
{
	struct thread *thread = visitor->thread;

	if (is_counted(thread)) {
		thread->requests++;
		histogram_add(&thread->latency, clock_ns(CLOCK_MONOTONIC) - visitor->due_ns);
	}
	is_at_work(visitor);
	if (!needs_connection(visitor))
		return wait_for_turn(visitor);
	visitor->next = closed;
	return ktls_op_shutdown_and_close(&visitor->op, visitor->conn, ktls_deadline_in(1000));
}

/* A piece of the pattern, as far as its block goes, after the other. */
static void check(struct visitor *visitor, const uint8_t *bytes, size_t n)
{
	const uint8_t *block = visitor->thread->crowd->block;
	size_t done = 0;

	while (block && done < n) {
		size_t offset = (visitor->at + done) % WIRE_BLOCK_LEN;
		size_t left = WIRE_BLOCK_LEN - offset, piece = n - done < left ? n - done : left;

		if (memcmp(bytes + done, block + offset, piece))
			bench_die("the %zu bytes behind byte %llu of %s are not those of the file",
				  piece, (unsigned long long)(visitor->at + done),
				  visitor->thread->crowd->load->path);
		done += piece;
	}
	visitor->thread->checked += done;
}

static int take_body(struct visitor *visitor, const void *bytes, size_t n)
{
	if (n > visitor->answer.size - visitor->at)
		bench_die("the server sent more than it said");
	check(visitor, bytes, n);
	visitor->at += n;
	if (is_counted(visitor->thread))
		visitor->thread->bytes += n;
	if (visitor->at == visitor->answer.size)
		return done(visitor);
	return ktls_op_receive(&visitor->op, visitor->conn, ktls_deadline_in(TIMEOUT_MS));
}

/* The head may come in any number of pieces, the last of which brings some of the body. */
static int take_head(struct visitor *visitor, const uint8_t *bytes, size_t n)
{
	size_t room = sizeof(visitor->head) - visitor->head_n, before = visitor->head_n, rest;
	int r;

	memcpy(visitor->head + before, bytes, n < room ? n : room);
	visitor->head_n += n < room ? n : room;
	r = wire_read_answer(visitor->head, visitor->head_n, &visitor->answer);
	if (r < 0)
		bench_die("the server's answer to %s is not 200 with a length: %.*s",
			  visitor->thread->crowd->load->path, (int)visitor->head_n, visitor->head);
	if (r)
		return ktls_op_receive(&visitor->op, visitor->conn, ktls_deadline_in(TIMEOUT_MS));
	visitor->in_body = true;
	is_at_work(visitor);
	rest = visitor->answer.len - before;
	return take_body(visitor, bytes + rest, n - rest);
}

static int take(struct visitor *visitor, const struct ktls_event *event)
{
	return visitor->in_body ? take_body(visitor, event->data, event->n)
				: take_head(visitor, event->data, event->n);
}

/* A block after the other, of which the bytes do not matter. */
static int upload(struct visitor *visitor)
{
	static const uint8_t block[WIRE_BLOCK_LEN];
	uint64_t left = visitor->thread->crowd->load->upload - visitor->at;

	return ktls_op_write(&visitor->op, visitor->conn, block,
			     left < WIRE_BLOCK_LEN ? left : WIRE_BLOCK_LEN,
			     ktls_deadline_in(TIMEOUT_MS));
}

static int uploaded(struct visitor *visitor, const struct ktls_event *event)
{
	is_at_work(visitor);
	visitor->at += event->n;
	if (is_counted(visitor->thread))
		visitor->thread->bytes += event->n;
	if (visitor->at < visitor->thread->crowd->load->upload)
		return upload(visitor);
	visitor->at = 0;
	visitor->next = take;
	return ktls_op_receive(&visitor->op, visitor->conn, ktls_deadline_in(TIMEOUT_MS));
}

static int asked(struct visitor *visitor, const struct ktls_event *event)
{
	(void)event;
	if (visitor->thread->crowd->load->upload) {
		visitor->next = uploaded;
		return upload(visitor);
	}
	visitor->next = take;
	return ktls_op_receive(&visitor->op, visitor->conn, ktls_deadline_in(TIMEOUT_MS));
}

static int ask(struct visitor *visitor)
{
	visitor->head_n = 0;
	visitor->at = 0;
	visitor->in_body = false;
	visitor->next = asked;
	return ktls_op_write(&visitor->op, visitor->conn, visitor->thread->request,
			     visitor->thread->request_len, ktls_deadline_in(TIMEOUT_MS));
}

static int is_open(struct visitor *visitor, const struct ktls_event *event)
{
	struct thread *thread = visitor->thread;

	(void)event;
	if (!thread->has_info)
		bench_must(ktls_conn_get_info(visitor->conn, &thread->info, sizeof(thread->info)),
			   "asking a connection", NULL);
	thread->has_info = true;
	return visitor->thread->crowd->load->handshakes_only ? done(visitor) : ask(visitor);
}

static int begin(struct visitor *visitor)
{
	if (!needs_connection(visitor))
		return ask(visitor);
	visitor->next = is_open;
	return connect_anew(visitor);
}

static int is_due(struct visitor *visitor, const struct ktls_event *event)
{
	(void)event;
	return begin(visitor);
}

static int wait_until(struct visitor *visitor, uint64_t when_ns,
		      int (*next)(struct visitor *visitor, const struct ktls_event *event))
{
	visitor->next = next;
	return ktls_op_timer(&visitor->op, visitor->thread->ring, when_ns);
}

static int look_again(struct visitor *visitor, const struct ktls_event *event)
{
	(void)event;
	return wait_for_turn(visitor);
}

/* Of the visitor's times the first is in the window, its own: the others' are between. Those
 * before would have waited for handshakes. */
static uint64_t next_due(const struct visitor *visitor, uint64_t begin_ns)
{
	const struct thread *thread = visitor->thread;
	const struct load *load = thread->crowd->load;
	double place = thread->first + (double)(visitor - thread->visitors);

	if (visitor->due_ns < begin_ns)
		return begin_ns + (uint64_t)(1e9 * place / (double)load->rate);
	return visitor->due_ns + (uint64_t)(1e9 * load->conns / (double)load->rate);
}

/* At once without a rate; else at this visitor's next time, or never. */
static int wait_for_turn(struct visitor *visitor)
{
	struct crowd *crowd = visitor->thread->crowd;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), begin_ns = atomic_load(&crowd->begin_ns);

	if (crowd->load->idle && visitor->was_warm)
		return wait_until(visitor, KTLS_FOREVER, is_due);
	if (!crowd->load->rate || !visitor->was_warm) {
		visitor->due_ns = now;
		return begin(visitor);
	}
	if (!begin_ns)
		return wait_until(visitor, now + LOOK_NS, look_again);
	visitor->due_ns = next_due(visitor, begin_ns);
	if (visitor->due_ns <= now)
		return begin(visitor);
	return wait_until(visitor, visitor->due_ns, is_due);
}

static void go_on(const struct ktls_event *event)
{
	struct visitor *visitor = event->op->user;
	bool may_fail =
		visitor->next == closed || visitor->next == is_due || visitor->next == look_again;
	int r = event->result;

	if (r && !may_fail)
		give_up(visitor, "in the middle of a request", r);
	r = visitor->next(visitor, event);
	if (r)
		give_up(visitor, "going on", r);
}

static void visit_all(struct thread *thread)
{
	struct ktls_event events[EVENTS];
	size_t n;
	int r;

	while (thread->begun < thread->n && thread->begun < NEWCOMERS)
		begin_next(thread);
	while (!is_over(thread)) {
		r = ktls_ring_wait(thread->ring, ktls_deadline_in(100), events, EVENTS, &n);
		bench_must(r < 0 ? r : 0, "waiting for answers", NULL);
		is_counted(thread);
		for (size_t i = 0; i < n && !is_over(thread); i++)
			go_on(&events[i]);
	}
	thread->cpu_end_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void *run_thread(void *context)
{
	struct thread *thread = context;
	const struct load *load = thread->crowd->load;
	const struct ktls_ring_options options = { .conns = 2 * thread->n + SPARE, .buffers = 256 };

	if (load->avoid_cpu >= 0)
		bench_stay_on(load->avoid_cpu, true);
	thread->request_len = load->upload
				      ? wire_write_upload(thread->request, load->host, load->upload)
				      : wire_write_request(thread->request, load->host, load->path);
	thread->visitors = calloc(thread->n, sizeof(*thread->visitors));
	if (!thread->visitors || !thread->request_len)
		bench_die("no memory, or the path is too long");
	bench_must(ktls_ring_new(&thread->ring, &options, sizeof(options)), "making a ring",
		   ktls_ring_error());
	for (unsigned int i = 0; i < thread->n; i++) {
		thread->visitors[i].op.user = &thread->visitors[i];
		thread->visitors[i].thread = thread;
	}
	visit_all(thread);
	thread->ring = ktls_ring_free(thread->ring);
	return NULL;
}

static void finish_thread(struct thread *thread)
{
	for (unsigned int i = 0; i < thread->n; i++)
		ktls_conn_free(thread->visitors[i].conn);
	free(thread->visitors);
}

/* The session that all others resume: one answer is read, behind which the tickets have come. */
static void get_session(struct crowd *crowd)
{
	const struct load *load = crowd->load;
	char head[WIRE_OWN_MAX], bytes[WIRE_HEAD_MAX];
	struct ktls_conn *conn;
	size_t n;
	int r;

	n = wire_write_request(head, load->host, load->path);
	bench_must(ktls_conn_dial(&conn, load->config, load->host, load->port), "dialing", NULL);
	bench_must(ktls_conn_handshake(conn, ktls_deadline_in(TIMEOUT_MS)), "handshake",
		   ktls_conn_error(conn));
	bench_must(ktls_conn_write(conn, head, n, ktls_deadline_in(TIMEOUT_MS), &n), "asking",
		   ktls_conn_error(conn));
	r = ktls_conn_read(conn, bytes, sizeof(bytes), ktls_deadline_in(TIMEOUT_MS), &n);
	bench_must(r < 0 ? r : 0, "an answer", ktls_conn_error(conn));
	bench_must(ktls_conn_get_session(conn, crowd->session, SESSION_MAX, &crowd->session_len),
		   "a session to resume", ktls_conn_error(conn));
	ktls_conn_free(conn);
}

static void pause_until(uint64_t when_ns)
{
	const struct timespec when = { .tv_sec = (time_t)(when_ns / 1000000000u),
				       .tv_nsec = (long)(when_ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR) {
	}
}

/* Opens the window when all are at work. */
static void open_window(struct crowd *crowd)
{
	uint64_t give_up_ns = ktls_deadline_in(WARM_UP_S * 1000);

	while (atomic_load(&crowd->warm) < crowd->load->conns) {
		if (clock_ns(CLOCK_MONOTONIC) > give_up_ns)
			bench_die("after %d s only %u of %u connections had an answer", WARM_UP_S,
				  atomic_load(&crowd->warm), crowd->load->conns);
		usleep(POLL_US);
	}
}

static void add_up(struct load_result *result, const struct thread *thread)
{
	result->requests += thread->requests;
	result->bytes += thread->bytes;
	result->checked += thread->checked;
	if (thread->cpu_begin_ns)
		result->cpu_ns += thread->cpu_end_ns - thread->cpu_begin_ns;
	histogram_merge(&result->latency, &thread->latency);
}

static void measure(struct crowd *crowd, const struct load_hooks *hooks)
{
	uint64_t now;

	open_window(crowd);
	hooks->begin(hooks->context);
	now = clock_ns(CLOCK_MONOTONIC) + (crowd->load->rate ? LEAD_NS : 0);
	atomic_store(&crowd->begin_ns, now);
	pause_until(now + crowd->load->window_ns);
	hooks->end(hooks->context);
}

void load_run(const struct load *load, const struct load_hooks *hooks,
	      struct load_result *ret_result)
{
	static uint8_t block[WIRE_BLOCK_LEN];
	struct crowd crowd = { .load = load };
	struct thread *threads = calloc(load->threads, sizeof(*threads));
	unsigned int first = 0;

	if (!threads)
		bench_die("no memory");
	bench_allow_fds(load->conns + FDS_BESIDE);
	if (load->check)
		wire_fill(block);
	crowd.block = load->check ? block : NULL;
	if (load->resume)
		get_session(&crowd);
	for (unsigned int i = 0; i < load->threads; i++) {
		threads[i].crowd = &crowd;
		threads[i].first = first;
		threads[i].n = (load->conns - first) / (load->threads - i);
		first += threads[i].n;
		if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i]))
			bench_die("no thread");
	}
	measure(&crowd, hooks);
	memset(ret_result, 0, sizeof(*ret_result));
	ret_result->wall_ns = load->window_ns;
	for (unsigned int i = 0; i < load->threads; i++) {
		pthread_join(threads[i].id, NULL);
		add_up(ret_result, &threads[i]);
	}
	ret_result->info = threads[0].info;
	ret_result->info.alpn = ret_result->info.server_name = NULL;
	for (unsigned int i = 0; i < load->threads; i++)
		finish_thread(&threads[i]);
	free(threads);
}
