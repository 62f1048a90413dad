/* SPDX-License-Identifier: MIT */

/* A session is given the master key of the ticket that its client brought: told by names as GnuTLS
 * derives them, found in tickets that GnuTLS made. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <ktls/conn.h>
#include <ktls/error.h>
#include <ktls/tickets.h>

#include "base/deadline.h"
#include "tests/kit.h"
#include "tests/pki.h"
#include "ticket_keys.h"

enum {
	LIFETIME_S = 86400,
	LIFETIME_MAX_S = 604800,
};

TestSuite(unit, .init = kit_directory_enter, .fini = kit_directory_leave);

static struct ktls_ticket_keys *keys_new(const char *path, unsigned int lifetime_s)
{
	struct ktls_ticket_keys *keys;
	const char *what = NULL;
	int r = ktls_ticket_keys_new(&keys, path, lifetime_s, &what);

	cr_assert_eq(r, 0, "%s: %s", ktls_strerrorname(r), what ? what : "");
	return keys;
}

static struct ktls_ticket_masters masters_of(const char *path)
{
	struct ktls_ticket_masters masters;
	const char *what;
	struct stat file;

	cr_assert_eq(ktls_ticket_file_read(path, &masters, &file, &what), 0);
	return masters;
}

/* The name that GnuTLS gives to a master's tickets in a period. */
struct name {
	uint8_t bytes[KTLS_TICKET_NAME_LEN];
};

static struct name name_of(const uint8_t master[KTLS_TICKET_KEY_LEN], uint64_t period)
{
	uint8_t input[8 + KTLS_TICKET_KEY_LEN], output[64];
	struct name name;

	for (int i = 0; i < 8; i++)
		input[i] = (uint8_t)(period >> (56 - 8 * i));
	memcpy(input + 8, master, KTLS_TICKET_KEY_LEN);
	cr_assert_eq(gnutls_hash_fast(GNUTLS_DIG_SHA3_512, input, sizeof(input), output), 0);
	memcpy(name.bytes, output, sizeof(name.bytes));
	return name;
}

static bool is_found(struct ktls_ticket_keys *keys, const struct name *name)
{
	uint8_t key[KTLS_TICKET_KEY_LEN];

	return ktls_ticket_keys_find(keys, name->bytes, key);
}

static bool is_chosen(struct ktls_ticket_keys *keys, const struct name *name,
		      const uint8_t master[KTLS_TICKET_KEY_LEN])
{
	uint8_t key[KTLS_TICKET_KEY_LEN];

	ktls_ticket_keys_choose(keys, name ? name->bytes : NULL, key);
	return !memcmp(key, master, sizeof(key));
}

/* Names */

/* Of all three masters, in the periods around now, which change while this test runs once in 700
 * years of running it. */
static void check_names(unsigned int lifetime_s, unsigned int counts_as_s)
{
	uint64_t period = (uint64_t)time(NULL) / (3 * counts_as_s);
	struct ktls_ticket_masters masters;
	struct ktls_ticket_keys *keys;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	masters = masters_of("keys");
	keys = keys_new("keys", lifetime_s);
	for (size_t i = 0; i < KTLS_TICKET_KEYS_N; i++) {
		for (uint64_t at = period - 3; at <= period + 3; at++) {
			struct name name = name_of(masters.keys[i], at);
			bool near = at + 1 >= period && at <= period + 1;

			cr_assert_eq(is_found(keys, &name), near, "%zu: %d", i, (int)(at - period));
			cr_assert(is_chosen(keys, &name,
					    masters.keys[near ? i : KTLS_TICKET_CURRENT]));
		}
	}
	ktls_ticket_keys_free(keys);
}

Test(unit, a_ticket_is_given_the_master_that_sealed_it)
{
	check_names(LIFETIME_S, LIFETIME_S);
}

Test(unit, a_lifetime_is_cut_where_gnutls_cuts_it)
{
	check_names(LIFETIME_MAX_S, LIFETIME_MAX_S);
	check_names(LIFETIME_MAX_S + 1, LIFETIME_MAX_S);
	check_names(UINT_MAX, LIFETIME_MAX_S);
}

Test(unit, without_a_ticket_it_is_the_current_master)
{
	struct ktls_ticket_keys *keys;
	struct ktls_ticket_masters masters;
	struct name stranger = { "fifteen letters" };

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	masters = masters_of("keys");
	keys = keys_new("keys", LIFETIME_S);
	cr_assert(is_chosen(keys, NULL, masters.keys[KTLS_TICKET_CURRENT]));
	cr_assert(is_chosen(keys, &stranger, masters.keys[KTLS_TICKET_CURRENT]));
	cr_assert(!is_found(keys, &stranger));
	ktls_ticket_keys_free(keys);
}

Test(unit, without_a_file_the_keys_are_this_process_alone)
{
	struct ktls_ticket_keys *a = keys_new(NULL, LIFETIME_S), *b = keys_new(NULL, LIFETIME_S);
	uint8_t key[KTLS_TICKET_KEY_LEN];

	ktls_ticket_keys_choose(a, NULL, key);
	cr_assert(is_chosen(a, NULL, key));
	cr_assert(!is_chosen(b, NULL, key));
	ktls_ticket_keys_free(a);
	ktls_ticket_keys_free(b);
	cr_assert_null(ktls_ticket_keys_free(NULL));
}

/* With a lifetime of one second a period is three. */
Test(unit, names_are_derived_anew_when_time_goes_on)
{
	struct ktls_ticket_keys *keys;
	struct ktls_ticket_masters masters;
	struct name later;
	uint64_t until;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	masters = masters_of("keys");
	keys = keys_new("keys", 1);
	later = name_of(masters.keys[KTLS_TICKET_PREVIOUS], (uint64_t)time(NULL) / 3 + 3);
	cr_assert(!is_found(keys, &later));
	until = ktls_deadline_in(KIT_PATIENCE_MS);
	while (!is_found(keys, &later)) {
		cr_assert_lt(ktls_deadline_clock(), until);
		usleep(50000);
	}
	ktls_ticket_keys_free(keys);
}

/* The file */

static void await_chosen(struct ktls_ticket_keys *keys, const uint8_t master[KTLS_TICKET_KEY_LEN])
{
	uint64_t until = ktls_deadline_in(KIT_PATIENCE_MS);

	while (!is_chosen(keys, NULL, master)) {
		cr_assert_lt(ktls_deadline_clock(), until, "the new file was not noticed");
		usleep(20000);
	}
}

/* Of the file as it is now. */
static struct ktls_ticket_masters bound_masters(const char *name)
{
	struct ktls_ticket_masters masters = masters_of("keys"), bound = masters;

	for (int i = 0; i < KTLS_TICKET_KEYS_N && name; i++)
		cr_assert_eq(gnutls_hmac_fast(GNUTLS_MAC_SHA512, masters.keys[i],
					      KTLS_TICKET_KEY_LEN, name, strlen(name),
					      bound.keys[i]),
			     0);
	return bound;
}

/* Also when the file has been rotated. */
Test(unit, keys_that_are_bound_to_a_name_are_nobody_elses)
{
	static const char *const names[] = { "a.example", "b.example", NULL };
	struct ktls_ticket_keys *keys[3];
	struct ktls_ticket_masters masters;
	struct name name;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	for (int i = 0; i < 3; i++) {
		keys[i] = keys_new("keys", LIFETIME_S);
		cr_assert(!names[i] || !ktls_ticket_keys_bind(keys[i], names[i]));
	}
	for (int rotated = 0; rotated < 2; rotated++) {
		for (int i = 0; i < 3; i++) {
			masters = bound_masters(names[i]);
			await_chosen(keys[i], masters.keys[KTLS_TICKET_CURRENT]);
		}
		for (int i = 0; i < 3; i++) {
			masters = bound_masters(names[i]);
			name = name_of(masters.keys[KTLS_TICKET_NEXT],
				       (uint64_t)time(NULL) / (3 * LIFETIME_S));
			for (int j = 0; j < 3; j++)
				cr_assert_eq(is_found(keys[j], &name), i == j, "%d, %d", i, j);
		}
		cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	}
	for (int i = 0; i < 3; i++)
		ktls_ticket_keys_free(keys[i]);
}

Test(unit, a_rotated_file_is_noticed)
{
	struct ktls_ticket_keys *keys;
	struct ktls_ticket_masters masters;
	struct name name;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	keys = keys_new("keys", LIFETIME_S);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
		masters = masters_of("keys");
		await_chosen(keys, masters.keys[KTLS_TICKET_CURRENT]);
		name = name_of(masters.keys[KTLS_TICKET_NEXT], (uint64_t)time(NULL) / (3 * 86400));
		cr_assert(is_chosen(keys, &name, masters.keys[KTLS_TICKET_NEXT]),
			  "names are the old masters' still");
	}
	ktls_ticket_keys_free(keys);
}

/* Long enough for it to look, at once a second. */
static void let_it_look(struct ktls_ticket_keys *keys, const uint8_t master[KTLS_TICKET_KEY_LEN])
{
	uint64_t until = ktls_deadline_in(1200);

	while (ktls_deadline_clock() < until) {
		cr_assert(is_chosen(keys, NULL, master));
		usleep(100000);
	}
}

Test(unit, a_file_that_is_gone_or_broken_changes_nothing_until_it_is_back)
{
	struct ktls_ticket_masters before, after;
	struct ktls_ticket_keys *keys;
	int fd;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	before = masters_of("keys");
	keys = keys_new("keys", LIFETIME_S);

	cr_assert_eq(rename("keys", "aside"), 0);
	let_it_look(keys, before.keys[KTLS_TICKET_CURRENT]);
	fd = open("keys", O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(write(fd, "libktls ticket keys 1\nnext 00", 29), 29);
	close(fd);
	let_it_look(keys, before.keys[KTLS_TICKET_CURRENT]);

	cr_assert_eq(ktls_ticket_file_rotate("aside"), 0);
	after = masters_of("aside");
	cr_assert_eq(chmod("aside", 0644), 0);
	cr_assert_eq(rename("aside", "keys"), 0);
	let_it_look(keys, before.keys[KTLS_TICKET_CURRENT]);
	cr_assert_eq(chmod("keys", 0600), 0);
	await_chosen(keys, after.keys[KTLS_TICKET_CURRENT]);
	ktls_ticket_keys_free(keys);
}

Test(unit, a_file_that_cannot_be_used_is_refused_in_words)
{
	struct ktls_ticket_keys *keys = NULL;
	const char *what = NULL;

	cr_assert_eq(ktls_ticket_keys_new(&keys, NULL, 0, &what), -EINVAL);
	cr_assert_eq(ktls_ticket_keys_new(&keys, "keys", LIFETIME_S, &what), -ENOENT);
	cr_assert_null(what);
	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	cr_assert_eq(chmod("keys", 0640), 0);
	cr_assert_eq(ktls_ticket_keys_new(&keys, "keys", LIFETIME_S, &what),
		     -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_not_null(strstr(what, "chmod 600"), "%s", what);
	cr_assert_eq(ktls_ticket_keys_new(&keys, ".", LIFETIME_S, &what), -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_not_null(strstr(what, "regular"), "%s", what);
	cr_assert_eq(chmod("keys", 0600), 0);
	cr_assert_eq(truncate("keys", 100), 0);
	cr_assert_eq(ktls_ticket_keys_new(&keys, "keys", LIFETIME_S, &what),
		     -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_not_null(strstr(what, "ktls rotate"), "%s", what);
	cr_assert_null(keys);
}

/* Any thread */

static atomic_bool crowd_done;

/* Whatever it is given is some master, whole. */
static void *choose_often(void *data)
{
	struct ktls_ticket_keys *keys = data;
	size_t seen = 0;

	while (!crowd_done) {
		struct name name = { { (uint8_t)seen++ } };
		uint8_t key[KTLS_TICKET_KEY_LEN];

		ktls_ticket_keys_choose(keys, &name.bytes[0], key);
	}
	return (void *)seen;
}

Test(unit, threads_choose_while_the_file_is_rotated)
{
	struct ktls_ticket_masters masters;
	struct ktls_ticket_keys *keys;
	pthread_t threads[3];

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	keys = keys_new("keys", LIFETIME_S);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, choose_often, keys), 0);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	masters = masters_of("keys");
	await_chosen(keys, masters.keys[KTLS_TICKET_CURRENT]);
	crowd_done = true;
	for (size_t i = 0; i < 3; i++) {
		void *seen;

		cr_assert_eq(pthread_join(threads[i], &seen), 0);
		cr_assert_gt((size_t)seen, 0);
	}
	ktls_ticket_keys_free(keys);
}

/* Tickets that GnuTLS made: both ends in memory, nothing but GnuTLS and the master we choose. */

struct stream {
	uint8_t bytes[1 << 16];
	size_t begin, end;
};

struct end {
	gnutls_session_t session;
	struct stream *in, *out;
};

struct meeting {
	struct stream streams[2];
	struct end client, server;
};

static gnutls_certificate_credentials_t credentials;

static ssize_t push(gnutls_transport_ptr_t pointer, const void *data, size_t len)
{
	struct end *end = pointer;

	cr_assert_leq(end->out->end + len, sizeof(end->out->bytes));
	memcpy(end->out->bytes + end->out->end, data, len);
	end->out->end += len;
	return (ssize_t)len;
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *data, size_t len)
{
	struct end *end = pointer;
	size_t n = end->in->end - end->in->begin;

	if (!n) {
		gnutls_transport_set_errno(end->session, EAGAIN);
		return -1;
	}
	n = n < len ? n : len;
	memcpy(data, end->in->bytes + end->in->begin, n);
	end->in->begin += n;
	return (ssize_t)n;
}

static int pull_timeout(gnutls_transport_ptr_t pointer, unsigned int timeout_ms)
{
	(void)pointer;
	(void)timeout_ms;
	return 1;
}

static void begin(struct end *end, unsigned int flags, const char *priority)
{
	cr_assert_eq(gnutls_init(&end->session, flags | GNUTLS_NONBLOCK), 0);
	cr_assert_eq(gnutls_priority_set_direct(end->session, priority, NULL), 0);
	cr_assert_eq(gnutls_credentials_set(end->session, GNUTLS_CRD_CERTIFICATE, credentials), 0);
	gnutls_transport_set_ptr(end->session, end);
	gnutls_transport_set_push_function(end->session, push);
	gnutls_transport_set_pull_function(end->session, pull);
	gnutls_transport_set_pull_timeout_function(end->session, pull_timeout);
}

/* Every 16 bytes of a ClientHello could be a name; exactly one place is. */
static void choose_for_hello(struct ktls_ticket_keys *keys, const struct stream *hello,
			     uint8_t ret_key[KTLS_TICKET_KEY_LEN])
{
	size_t found = 0;

	for (size_t at = 0; at + KTLS_TICKET_NAME_LEN <= hello->end; at++)
		found += ktls_ticket_keys_find(keys, hello->bytes + at, ret_key);
	cr_assert_eq(found, 1, "%zu names in a ClientHello", found);
}

static void shake_hands(struct meeting *meeting)
{
	int client = GNUTLS_E_AGAIN, server = GNUTLS_E_AGAIN;

	for (int i = 0; i < 20 && (client || server); i++) {
		if (server)
			server = gnutls_handshake(meeting->server.session);
		if (client)
			client = gnutls_handshake(meeting->client.session);
	}
	cr_assert_eq(server, 0, "%s", gnutls_strerror(server));
	cr_assert_eq(client, 0, "%s", gnutls_strerror(client));
}

/* A client with or without a ticket in `session` meets a server with these keys, and brings home
 * another one. Whether it was resumed. */
static bool meet(struct ktls_ticket_keys *keys, const char *priority, gnutls_datum_t *session)
{
	struct meeting *meeting = calloc(1, sizeof(*meeting));
	struct stream *to_server = &meeting->streams[0], *to_client = &meeting->streams[1];
	uint8_t key[KTLS_TICKET_KEY_LEN], byte;
	gnutls_datum_t datum = { .data = key, .size = sizeof(key) };
	bool resumed;

	meeting->client.out = meeting->server.in = to_server;
	meeting->client.in = meeting->server.out = to_client;
	begin(&meeting->client, GNUTLS_CLIENT, priority);
	if (session->data)
		cr_assert_eq(gnutls_session_set_data(meeting->client.session, session->data,
						     session->size),
			     0);
	cr_assert_eq(gnutls_handshake(meeting->client.session), GNUTLS_E_AGAIN);

	begin(&meeting->server, GNUTLS_SERVER, priority);
	gnutls_db_set_cache_expiration(meeting->server.session, LIFETIME_S);
	if (session->data)
		choose_for_hello(keys, to_server, key);
	else
		ktls_ticket_keys_choose(keys, NULL, key);
	cr_assert_eq(gnutls_session_ticket_enable_server(meeting->server.session, &datum), 0);
	shake_hands(meeting);
	cr_assert_eq(gnutls_record_recv(meeting->client.session, &byte, 1), GNUTLS_E_AGAIN);
	gnutls_free(session->data);
	cr_assert_eq(gnutls_session_get_data2(meeting->client.session, session), 0);
	resumed = gnutls_session_is_resumed(meeting->server.session);
	gnutls_deinit(meeting->client.session);
	gnutls_deinit(meeting->server.session);
	free(meeting);
	return resumed;
}

static void make_credentials(void)
{
	static const char *const names[] = { "localhost" };
	struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 1);
	gnutls_datum_t chain = { (unsigned char *)identity.chain.data,
				 (unsigned int)identity.chain.len };
	gnutls_datum_t key = { (unsigned char *)identity.key.data, (unsigned int)identity.key.len };

	cr_assert_eq(gnutls_certificate_allocate_credentials(&credentials), 0);
	cr_assert_eq(gnutls_certificate_set_x509_key_mem(credentials, &chain, &key,
							 GNUTLS_X509_FMT_PEM),
		     0);
	pki_identity_free(&identity);
}

static void copy_keys(const char *from, const char *to)
{
	char command[96];

	snprintf(command, sizeof(command), "cp -p %s %s", from, to);
	cr_assert_eq(system(command), 0);
}

/* Two machines, of which one has the rotated file and the other has not, yet: each resumes what the
 * other began. */
static void check_fleet(const char *priority)
{
	gnutls_datum_t from_late = { 0 }, from_early = { 0 };
	struct ktls_ticket_keys *late, *early;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	copy_keys("keys", "old");
	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	late = keys_new("old", LIFETIME_S);
	early = keys_new("keys", LIFETIME_S);

	cr_assert(!meet(late, priority, &from_late));
	cr_assert(!meet(early, priority, &from_early));
	cr_assert(meet(early, priority, &from_late), "a ticket of the previous key");
	cr_assert(meet(late, priority, &from_early), "a ticket of the next key");
	cr_assert(meet(early, priority, &from_early), "a ticket of the current key");
	ktls_ticket_keys_free(early);
	ktls_ticket_keys_free(late);
	gnutls_free(from_early.data);
	gnutls_free(from_late.data);
}

Test(unit, a_fleet_resumes_whatever_file_each_machine_has)
{
	make_credentials();
	check_fleet("NORMAL:-VERS-ALL:+VERS-TLS1.3");
	check_fleet("NORMAL:-VERS-ALL:+VERS-TLS1.2");
	gnutls_certificate_free_credentials(credentials);
}
