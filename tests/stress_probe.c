/* SPDX-License-Identifier: MIT */

/*
 * Both probes asked by eight threads at once: each is made once, and everybody gets the same. A
 * plain program: ThreadSanitizer and Criterion do not go together.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <ktls/ktls.h>

enum {
	THREADS = 8,
};

struct answers {
	struct ktls_probe probe;
	struct ktls_trial_answer trials[_KTLS_TRIAL_N];
	int r;
};

static pthread_barrier_t begin;

static void *ask(void *context)
{
	struct answers *answers = context;

	pthread_barrier_wait(&begin);
	answers->r = ktls_probe(&answers->probe, sizeof(answers->probe));
	for (unsigned int i = 0; i < _KTLS_TRIAL_N; i++)
		answers->r |= ktls_probe_ring(i, &answers->trials[i], sizeof(answers->trials[i]));
	return NULL;
}

int main(void)
{
	static struct answers answers[THREADS];
	pthread_t threads[THREADS];

	pthread_barrier_init(&begin, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, ask, &answers[i]))
			return 1;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&begin);
	for (int i = 0; i < THREADS; i++) {
		if (!answers[i].r && !memcmp(&answers[i], &answers[0], sizeof(answers[0])))
			continue;
		fprintf(stderr, "thread %d was told something else\n", i);
		return 1;
	}
	return 0;
}
