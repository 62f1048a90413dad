/* SPDX-License-Identifier: MIT */

/*
 * How many records a key protects before it changes by itself, and what may stand in a storm of
 * messages; in userspace, kernel_keys.c has the kernel's.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <ktls/limits.h>

#include "attacker.h"
#include "base/deadline.h"
#include "config.h"
#include "conn.h"
#include "flow.h"
#include "rekeying.h"
#include "upload.h"

enum {
	STORM = 100000,
	STORM_BATCH = 1000,
	MESSAGES_MAX = 1 << 17,
	MESSAGES_PER_LOOK = 64,
	SHORT_MS = 30,
	LATE_MS = 5000,
	NEAR = 5, /* records left */
	ROUNDS = 2,
};

static const char update_please[] = "\x18\0\0\1\1";

/* Limits of a key */

Test(unit, a_key_changes_at_its_limit)
{
	rekeying_at_the_limit(KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER);
}

Test(unit, tls_12_ends_in_order_at_the_limit)
{
	rekeying_at_the_limit(KTLS_TLS_1_2, KTLS_OFFLOAD_NEVER);
}

/* RFC 8446 5.5, RFC 9147 4.5.3; half of each. */
static const uint64_t defaults[_KTLS_CIPHER_N] = {
	[KTLS_AES_128_GCM] = 11863283,
	[KTLS_AES_256_GCM] = 11863283,
	[KTLS_AES_128_CCM] = 4194304,
	[KTLS_CHACHA20_POLY1305] = UINT64_MAX,
};

static struct pair open_pair(enum ktls_protocol protocol, int cipher)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocol;
	options.cipher = cipher;
	return pair_open(&options);
}

static void count_to(struct pair *pair, enum pair_end from, uint64_t seq)
{
	pair->conn[from]->half[KTLS_TX].keys.seq = seq;
	pair->conn[!from]->half[KTLS_RX].keys.seq = seq;
}

Test(unit, each_cipher_has_its_own_limit_and_changes_there)
{
	for (int i = 0; i < 2 * _KTLS_CIPHER_N; i++) {
		struct pair pair = open_pair(KTLS_TLS_1_3, i / 2);
		enum pair_end from = i % 2;
		uint64_t limit = defaults[i / 2];

		cr_assert(ktls_pace_key_records(pair.conn[from]) == limit);
		count_to(&pair, from, limit == UINT64_MAX ? 1ull << 40 : limit - NEAR);
		for (int n = 0; n < 2 * NEAR; n++)
			pair_move(&pair, from, 100, 100);
		cr_assert(flow_info(&pair, from).key_updates[KTLS_TX] == (limit != UINT64_MAX),
			  "%d", i);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, tls_12_ends_at_the_default_limit_too)
{
	for (int i = 0; i < 2 * _KTLS_CIPHER_N; i++) {
		struct pair pair = open_pair(KTLS_TLS_1_2, i / 2);
		struct flow flow = { .pair = &pair, .from = i % 2, .len = 1000, .chunk = 100 };
		uint64_t limit = defaults[i / 2];

		count_to(&pair, flow.from, limit == UINT64_MAX ? 1ull << 40 : limit - NEAR);
		flow_run(&flow);
		if (limit == UINT64_MAX) {
			cr_assert(flow.seen == 1000 && !flow.tx);
		} else {
			cr_assert(flow.tx == -KTLS_E_REKEY && flow.rx == KTLS_EOF);
			cr_assert(flow.seen == flow.sent && flow.seen >= 100 * NEAR, "%llu",
				  (unsigned long long)flow.seen);
		}
		pair_free(&pair);
	}
}

Test(unit, a_limit_has_bounds_and_is_set_before_the_freeze)
{
	struct pair pair = open_pair(KTLS_TLS_1_3, KTLS_AES_128_GCM);
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, KTLS_CLIENT));
	cr_assert(ktls_config_set_key_records(config, (1u << 24) + 1) == -EINVAL);
	cr_assert(*ktls_config_error(config));
	cr_assert(ktls_config_set_key_records(config, UINT64_MAX) == -EINVAL);
	cr_assert(ktls_config_set_key_records(NULL, 1) == -EINVAL);
	cr_assert(!ktls_config_set_key_records(config, 1u << 24));
	cr_assert(!ktls_config_set_key_records(config, 1));
	cr_assert(!ktls_config_set_key_records(config, 0));
	cr_assert(ktls_config_set_key_records(pair.config[0], 1) == -EBUSY);
	ktls_config_unref(config);
	pair_free(&pair);
}

static void set_one(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(!ktls_config_set_key_records(config, 1));
}

/* A key that protects one record, and then its own change. */
Test(unit, the_smallest_limit_works)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair;

	options.protocol = KTLS_TLS_1_3;
	options.configure = set_one;
	pair = pair_open(&options);
	for (int i = 0; i < 20; i++) {
		pair_move(&pair, PAIR_CLIENT, 100, 100);
		pair_move(&pair, PAIR_SERVER, 50000, 50000);
	}
	cr_assert(flow_info(&pair, PAIR_CLIENT).key_updates[KTLS_TX] >= 19);
	cr_assert(flow_info(&pair, PAIR_SERVER).key_updates[KTLS_TX] >= 60);
	pair_close(&pair);
	pair_free(&pair);
}

/* Storms */

static void send_updates(struct attacker *attacker, int n)
{
	for (int i = 0; i < n; i++) {
		attacker_send(attacker, KERN_RECORD_HANDSHAKE, update_please, 5);
		attacker_next_key(attacker, KTLS_TX);
	}
}

/* The owed answer, and no other. */
static void expect_one_update(struct attacker *attacker)
{
	uint8_t data[JUDGE_RECORD_MAX], type;
	size_t len;

	cr_assert(!ktls_conn_write(attacker->victim, "", 0, KTLS_NOW, &len));
	cr_assert(attacker_receive(attacker, &type, data, &len));
	cr_assert(type == KERN_RECORD_HANDSHAKE && len == 5 && !data[4]);
	attacker_next_key(attacker, KTLS_RX);
	attacker_expect_alive(attacker, "after a storm");
	cr_assert(attacker->victim->half[KTLS_TX].key_updates == 1);
}

Test(unit, a_storm_of_requests_is_owed_one_answer_and_a_flood_is_refused)
{
	struct attacker attacker =
		attacker_new(KTLS_TLS_1_3, PAIR_SERVER, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);

	for (int i = 0; i < STORM; i += STORM_BATCH) {
		send_updates(&attacker, STORM_BATCH);
		cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ, "%d: %s", i,
			  ktls_conn_error(attacker.victim));
	}
	cr_assert(attacker.victim->half[KTLS_RX].key_updates == STORM);
	expect_one_update(&attacker);
	for (int i = 0; i < MESSAGES_MAX; i++) {
		attacker_send(&attacker, KERN_RECORD_ALERT, "\1\x5a", 2);
		if (i % STORM_BATCH == 0 || i == MESSAGES_MAX - 1)
			cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ, "%d: %s", i,
				  ktls_conn_error(attacker.victim));
	}
	attacker_send(&attacker, KERN_RECORD_ALERT, "\1\x5a", 2);
	attacker_expect_failure(&attacker, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
				"131,073 messages without data");
	attacker_free(&attacker);
}

/* With the clock looked at now and then, though the socket has more. */
Test(unit, a_deadline_that_has_passed_ends_a_read_in_a_storm)
{
	struct attacker attacker =
		attacker_new(KTLS_TLS_1_3, PAIR_SERVER, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
	uint32_t before = 0;
	uint8_t byte;
	size_t n;

	send_updates(&attacker, STORM_BATCH);
	while (before < STORM_BATCH - MESSAGES_PER_LOOK) {
		int r = ktls_conn_read(attacker.victim, &byte, 1, 1, &n);

		cr_assert(r == KTLS_TIMEDOUT, "%s", ktls_strerrorname(r));
		cr_assert(attacker.victim->post.messages - before <= MESSAGES_PER_LOOK);
		before = attacker.victim->post.messages;
	}
	cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
	expect_one_update(&attacker);
	attacker_free(&attacker);
}

static atomic_bool stop;

static void *storm(void *arg)
{
	while (!atomic_load(&stop))
		send_updates(arg, 1);
	return NULL;
}

Test(unit, a_deadline_passes_in_the_middle_of_a_storm)
{
	struct attacker attacker =
		attacker_new(KTLS_TLS_1_3, PAIR_CLIENT, KTLS_OFFLOAD_NEVER, KTLS_OFFLOAD_NEVER);
	uint64_t began_ns = ktls_deadline_clock(), took_ms;
	pthread_t thread;
	uint8_t byte;
	size_t n;
	int r;

	cr_assert(!pthread_create(&thread, NULL, storm, &attacker));
	r = ktls_conn_read(attacker.victim, &byte, 1, ktls_deadline_in(SHORT_MS), &n);
	took_ms = (ktls_deadline_clock() - began_ns) / 1000000;
	atomic_store(&stop, true);
	/* The sender may stand before a full socket. */
	cr_assert(r == KTLS_TIMEDOUT, "%s", ktls_strerrorname(r));
	cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ);
	pthread_join(thread, NULL);
	cr_assert(took_ms >= SHORT_MS && took_ms < LATE_MS, "%llu ms", (unsigned long long)took_ms);
	attacker_free(&attacker);
}

/* A client that writes before it reads */

Test(unit, a_client_may_write_much_before_it_reads)
{
	for (unsigned int i = 0; i < flow_setting("KTLS_TEST_ROUNDS", ROUNDS); i++)
		upload_run(i % 2 ? KTLS_TLS_1_2 : KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, false);
}

Test(unit, a_client_may_ask_for_keys_all_the_while)
{
	for (unsigned int i = 0; i < flow_setting("KTLS_TEST_ROUNDS", ROUNDS); i++)
		upload_run(KTLS_TLS_1_3, KTLS_OFFLOAD_NEVER, true);
}
