/* SPDX-License-Identifier: MIT */

/*
 * A config is let go of while its connections run: a hundred pairs of them on eight threads, half
 * of the servers' a tenant's; whoever ends last frees. The first connections freeze it from all
 * threads at once. A plain program: ThreadSanitizer and Criterion do not go together.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/ktls.h>

enum {
	THREADS = 8,
	PAIRS = 104, /* of all threads */
	PAIRS_EACH = PAIRS / THREADS,
	LEN = 20000,
	STEPS_MAX = 1000000,
	CLIENT = 0,
	SERVER,
};

struct pair {
	struct ktls_conn *conn[2];
	int fd[2];
};

static struct ktls_config *configs[2];
static pthread_barrier_t made;
static atomic_uint faults;

static bool open_pair(struct pair *pair, bool tenant)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair->fd))
		return false;
	for (int end = 0; end < 2; end++)
		if (ktls_conn_new(&pair->conn[end], configs[end], pair->fd[end]))
			return false;
	return !ktls_conn_set_server_name(pair->conn[CLIENT],
					  tenant ? "tenant.example" : "base.example");
}

static bool shake_hands(struct pair *pair)
{
	int rc[2] = { KTLS_WANT_READ, KTLS_WANT_READ };

	for (int step = 0; step < STEPS_MAX && (rc[0] || rc[1]); step++) {
		for (int end = 0; end < 2; end++) {
			rc[end] = ktls_conn_handshake(pair->conn[end], KTLS_NOW);
			if (rc[end] < 0)
				return false;
		}
	}
	return !rc[0] && !rc[1];
}

/* A stream one way, and an end both ways. */
static bool talk(struct pair *pair)
{
	char out[LEN], in[LEN];
	size_t sent = 0, seen = 0, n;
	int r = 0;

	memset(out, 'x', sizeof(out));
	while (seen < LEN) {
		r = ktls_conn_write(pair->conn[SERVER], out + sent, LEN - sent, KTLS_NOW, &n);
		if (r < 0)
			return false;
		sent += n;
		r = ktls_conn_read(pair->conn[CLIENT], in + seen, LEN - seen, KTLS_NOW, &n);
		if (r < 0)
			return false;
		seen += n;
	}
	return !memcmp(in, out, LEN) && !ktls_conn_shutdown(pair->conn[CLIENT], KTLS_NOW) &&
	       ktls_conn_read(pair->conn[SERVER], in, LEN, KTLS_NOW, &n) == KTLS_EOF;
}

static void *live(void *arg)
{
	struct pair pairs[PAIRS_EACH] = { 0 };
	bool fine = true;

	for (int i = 0; i < PAIRS_EACH; i++)
		fine &= open_pair(&pairs[i], i % 2);
	/* Now main lets go. */
	pthread_barrier_wait(&made);
	for (int i = 0; i < PAIRS_EACH && fine; i++)
		fine = shake_hands(&pairs[i]) && talk(&pairs[i]);
	for (int i = 0; i < PAIRS_EACH; i++) {
		for (int end = 0; end < 2; end++) {
			if (pairs[i].conn[end] && *ktls_conn_error(pairs[i].conn[end]))
				fprintf(stderr, "%s\n", ktls_conn_error(pairs[i].conn[end]));
			ktls_conn_free(pairs[i].conn[end]);
			close(pairs[i].fd[end]);
		}
	}
	if (!fine)
		atomic_fetch_add(&faults, 1);
	return arg;
}

static struct ktls_config *new_server(const char *name)
{
	struct ktls_config *config;

	if (ktls_config_new(&config, KTLS_SERVER) ||
	    ktls_config_add_identity_self_signed(config, &name, 1))
		exit(EXIT_FAILURE);
	return config;
}

static void make_configs(void)
{
	struct ktls_config *tenant = new_server("tenant.example");

	configs[SERVER] = new_server("base.example");
	if (ktls_config_add_tenant(configs[SERVER], "tenant.example", tenant) ||
	    ktls_config_new(&configs[CLIENT], KTLS_CLIENT) ||
	    ktls_config_set_insecure_no_verify(configs[CLIENT]) ||
	    ktls_config_set_tickets(configs[CLIENT], 1))
		exit(EXIT_FAILURE);
	ktls_config_unref(tenant);
}

int main(void)
{
	pthread_t threads[THREADS];

	make_configs();
	pthread_barrier_init(&made, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, live, NULL))
			return EXIT_FAILURE;
	pthread_barrier_wait(&made);
	for (int end = 0; end < 2; end++)
		configs[end] = ktls_config_unref(configs[end]);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&made);
	if (faults)
		fprintf(stderr, "%u threads had a connection that went wrong\n", faults);
	return faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
