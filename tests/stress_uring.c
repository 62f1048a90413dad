/* SPDX-License-Identifier: MIT */

/*
 * Threads that wake a ring: what each says before a wake is seen after it, none is lost, and
 * nothing else of the ring is touched. A plain program, for ThreadSanitizer and Criterion do not go
 * together.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "uring/uring.h"

enum {
	THREADS = 4,
	WAKES = 5000,
	PATIENCE_MS = 20000,
	SKIPPED = 77,
};

struct crowd {
	struct uring *ring;
	atomic_uint said;
	atomic_uint heard;
	atomic_int error;
};

static void *say(void *argument)
{
	struct crowd *crowd = argument;
	int r;

	for (int i = 0; i < WAKES; i++) {
		unsigned int mine =
			atomic_fetch_add_explicit(&crowd->said, 1, memory_order_relaxed);

		r = uring_wake(crowd->ring);
		if (r)
			crowd->error = r;
		while (crowd->heard <= mine && !crowd->error)
			sched_yield();
	}
	return NULL;
}

/* Sleeps whenever it knows of nothing new: a wake that is lost is a wait until its deadline. */
static int hear(struct crowd *crowd, unsigned int *ret_wakes)
{
	struct uring_event events[8];
	unsigned int n;
	int r;

	for (*ret_wakes = 0; crowd->heard < THREADS * WAKES; (*ret_wakes)++) {
		uint64_t deadline_ns = ktls_deadline_in(PATIENCE_MS);

		r = uring_wait(crowd->ring, deadline_ns, events, 8, &n);
		if (!r && ktls_deadline_in(0) >= deadline_ns) /* found by chance */
			r = -ETIME;
		if (!r && (n != 1 || events[0].op))
			r = -EPROTO;
		if (r) {
			crowd->error = r;
			return r;
		}
		crowd->heard = atomic_load_explicit(&crowd->said, memory_order_relaxed);
	}
	return crowd->error;
}

static int run(unsigned int avoid)
{
	const struct uring_options options = { .ops = 8, .avoid = avoid };
	struct crowd crowd = { 0 };
	pthread_t threads[THREADS];
	unsigned int reason, wakes = 0;
	int r = uring_new(&crowd.ring, &options, &reason);

	if (r) {
		printf("no io_uring here: %s\n", uring_reason_text(reason));
		return SKIPPED;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, say, &crowd);
	r = hear(&crowd, &wakes);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%d said, %u wakes: %s\n", THREADS * WAKES, wakes, ktls_strerrorname(r));
	if (r == 0) {
		r = uring_drain(crowd.ring, ktls_deadline_in(PATIENCE_MS));
		uring_free(crowd.ring);
	}
	return r ? 1 : 0;
}

int main(void)
{
	int r = run(0);

	return r ? r : run(1u << URING_HAS_WAKE);
}
