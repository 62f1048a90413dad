/* SPDX-License-Identifier: MIT */

/*
 * Eight threads share what may be shared: a config of each role, the registry of sources, and
 * listeners. Each dials, accepts and moves a word, registers sources, and replaces the listeners'
 * config. A plain program: ThreadSanitizer and Criterion do not go together.
 *
 * Usage: stress_share [SECONDS]
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/ktls.h>

enum {
	THREADS = 8,
	CLIENTS = 4, /* of the threads */
	LISTENERS = 2,
	SECONDS = 2,
	PER_ROUND = 200, /* sources, for each connection */
	WORD = 8,
	SHORT_MS = 20,
	PATIENCE_MS = 30000,
};

static struct ktls_config *servers[2], *client;
static struct ktls_listener *listeners[LISTENERS];
static struct ktls_address addresses[LISTENERS];
static atomic_ulong answered, sources, faults;
static atomic_uint clients; /* that go on */
static uint64_t end_ns;

static void check(int r, int expected, const char *what)
{
	if (r == expected)
		return;
	fprintf(stderr, "%s: %s\n", what, ktls_strerror(r));
	faults++;
}

static int instantiate(const struct ktls_source *source, struct ktls_config **ret_config,
		       enum ktls_role role)
{
	(void)source;
	return ktls_config_new(ret_config, role);
}

/* In and out; others of the same kind come and go meanwhile. */
static void use_registry(unsigned int id)
{
	struct ktls_source mine = { .name = "mine",
				    .major = (uint16_t)id,
				    .features = KTLS_FEATURE_FIPS_140_2,
				    .instantiate = instantiate };
	struct ktls_source found[KTLS_SOURCES_MAX];
	size_t n;

	for (int i = 0; i < PER_ROUND; i++) {
		bool seen = false;

		check(ktls_source_register(&mine), 0, "registering");
		n = ktls_source_find(mine.features, mine.features, found, KTLS_SOURCES_MAX);
		for (size_t j = 0; j < n; j++)
			seen |= !strcmp(found[j].name, "mine") && found[j].major == id;
		if (!seen || ktls_source_count() < 3 + 1)
			check(-ENOENT, 0, "finding what was registered");
		check(ktls_source_unregister(&mine), 0, "taking out");
		sources++;
	}
}

static void close_conn(struct ktls_conn *conn)
{
	int r = ktls_conn_shutdown_and_close(conn, ktls_deadline_in(PATIENCE_MS));

	if (r < 0)
		check(r, 0, "closing");
	ktls_conn_free(conn);
}

/* Sends a word, and reads it back. */
static void call(const struct ktls_address *address)
{
	uint64_t deadline_ns = ktls_deadline_in(PATIENCE_MS);
	char word[WORD] = "word", back[WORD];
	struct ktls_conn *conn;
	size_t n, done = 0;
	int r;

	r = ktls_conn_dial_address(&conn, client, address);
	if (!r)
		r = ktls_conn_handshake(conn, deadline_ns);
	if (!r)
		r = ktls_conn_write(conn, word, sizeof(word), deadline_ns, &n);
	while (!r && done < sizeof(back)) {
		r = ktls_conn_read(conn, back + done, sizeof(back) - done, deadline_ns, &n);
		done += n;
	}
	check(r, 0, "calling");
	if (!r && memcmp(word, back, sizeof(word)))
		check(-EBADMSG, 0, "what came back");
	close_conn(conn);
}

/* Reads a word, and sends it back. */
static void answer(struct ktls_conn *conn)
{
	uint64_t deadline_ns = ktls_deadline_in(PATIENCE_MS);
	char word[WORD];
	size_t n;
	int r = ktls_conn_handshake(conn, deadline_ns);

	while (!r) {
		r = ktls_conn_read(conn, word, sizeof(word), deadline_ns, &n);
		if (!r)
			r = ktls_conn_write(conn, word, n, deadline_ns, &n);
	}
	check(r, KTLS_EOF, "answering");
	answered++;
	close_conn(conn);
}

static void *live_as_client(void *arg)
{
	unsigned int id = (unsigned int)(size_t)arg;

	while (ktls_deadline_in(0) < end_ns) {
		call(&addresses[id % LISTENERS]);
		use_registry(id);
	}
	return NULL;
}

/* Until the clients have gone: nobody is left unanswered. */
static void *live_as_server(void *arg)
{
	unsigned int id = (unsigned int)(size_t)arg;
	struct ktls_listener_stats stats;
	struct ktls_conn *conn;

	for (unsigned int i = id; clients; i++) {
		int r = ktls_listener_accept(listeners[id % LISTENERS], ktls_deadline_in(SHORT_MS),
					     &conn, NULL);

		if (!r)
			answer(conn);
		else
			check(r, KTLS_TIMEDOUT, "accepting");
		check(ktls_listener_set_config(listeners[i % LISTENERS], servers[i / 2 % 2]), 0,
		      "replacing the config");
		ktls_listener_get_stats(listeners[i % LISTENERS], &stats, sizeof(stats));
		use_registry(id);
	}
	return NULL;
}

static int prepare(void)
{
	static const char *const names[] = { "localhost" };
	int r = ktls_config_new(&client, KTLS_CLIENT);

	if (!r)
		r = ktls_config_set_insecure_no_verify(client);
	for (int i = 0; i < 2 && !r; i++) {
		r = ktls_config_new(&servers[i], KTLS_SERVER);
		if (!r)
			r = ktls_config_add_identity_self_signed(servers[i], names, 1);
	}
	for (int i = 0; i < LISTENERS && !r; i++) {
		r = ktls_address_parse(&addresses[i], "127.0.0.1");
		if (!r)
			r = ktls_listener_new(&listeners[i], servers[0], &addresses[i], -1, 0);
		if (!r)
			r = ktls_listener_get_address(listeners[i], &addresses[i]);
	}
	return r;
}

int main(int argc, char *argv[])
{
	unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : SECONDS;
	size_t before = ktls_source_count();
	pthread_t threads[THREADS];

	check(prepare(), 0, "preparing");
	if (faults)
		return EXIT_FAILURE;
	end_ns = ktls_deadline_in(seconds * 1000);
	clients = CLIENTS;
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, i < CLIENTS ? live_as_client : live_as_server,
				   (void *)i))
			return EXIT_FAILURE;
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		clients -= i < CLIENTS;
	}
	for (int i = 0; i < LISTENERS; i++)
		ktls_listener_free(listeners[i]);
	for (int i = 0; i < 2; i++)
		ktls_config_unref(servers[i]);
	ktls_config_unref(client);
	if (ktls_source_count() != before)
		check(-EEXIST, 0, "the registry is not as it was");
	printf("%lu connections, %lu sources, %lu faults\n", answered, sources, faults);
	return faults || !answered ? EXIT_FAILURE : EXIT_SUCCESS;
}
