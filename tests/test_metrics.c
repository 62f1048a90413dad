/* SPDX-License-Identifier: MIT */

/* What is counted, and that a sum over threads is the sum. */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "metrics.h"

static struct ktls_info info_of(const char *suite, enum ktls_protocol protocol, uint16_t resumed)
{
	return (struct ktls_info){
		.protocol = (uint16_t)protocol,
		.suite = suite,
		.resumed = resumed,
		.protection = { KTLS_PROTECTION_KERNEL, KTLS_PROTECTION_USER },
		.reason = { KTLS_REASON_NONE, KTLS_REASON_NO_REKEY },
	};
}

static uint64_t failures(const struct metrics *metrics, enum metrics_stage stage, const char *name)
{
	for (size_t i = 0; metrics_cause_name(i); i++) {
		if (!strcmp(metrics_cause_name(i), name))
			return atomic_load(&metrics->failures[stage][i]);
	}
	cr_assert_fail("no cause %s", name);
	return 0;
}

Test(unit, none_counts_nothing)
{
	struct ktls_info info = info_of("TLS_AES_128_GCM_SHA256", KTLS_TLS_1_3, 0);
	struct metrics_traffic seen = { 0 };

	metrics_count(NULL, METRICS_ACCEPTED);
	metrics_count_many(NULL, METRICS_LOG_LOST, 2);
	metrics_count_handshake(NULL, &info);
	metrics_count_failure(NULL, METRICS_OPEN, -EPIPE);
	metrics_count_response(NULL, 200);
	metrics_count_traffic(NULL, &seen, &info);
}

Test(unit, a_handshake_has_a_version_a_suite_and_two_directions)
{
	static struct metrics metrics;
	struct ktls_info full = info_of("TLS_AES_128_GCM_SHA256", KTLS_TLS_1_3, 0);
	struct ktls_info resumed = info_of("TLS_AES_128_GCM_SHA256", KTLS_TLS_1_3, 1);
	struct ktls_info old = info_of("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", KTLS_TLS_1_2, 0);

	metrics_count_handshake(&metrics, &full);
	metrics_count_handshake(&metrics, &resumed);
	metrics_count_handshake(&metrics, &resumed);
	metrics_count_handshake(&metrics, &old);

	cr_expect_eq(metrics.suites[0].handshakes[0], 1);
	cr_expect_eq(metrics.suites[0].handshakes[1], 2);
	cr_expect_eq(metrics.suites[0].protocol, KTLS_TLS_1_3);
	cr_expect_str_eq(metrics.suites[1].name, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
	cr_expect_eq(metrics.suites[1].handshakes[0], 1);
	cr_expect_null(metrics.suites[2].name);
	cr_expect_eq(metrics.directions[KTLS_TX][KTLS_PROTECTION_KERNEL][KTLS_REASON_NONE], 4);
	cr_expect_eq(metrics.directions[KTLS_RX][KTLS_PROTECTION_USER][KTLS_REASON_NO_REKEY], 4);
}

Test(unit, suites_beyond_all_rows_share_the_last)
{
	static struct metrics metrics;
	static char names[METRICS_LIMIT_SUITES + 2][16];

	for (size_t i = 0; i < METRICS_LIMIT_SUITES + 2; i++) {
		struct ktls_info info;

		snprintf(names[i], sizeof(names[i]), "SUITE_%zu", i);
		info = info_of(names[i], KTLS_TLS_1_2, 0);
		metrics_count_handshake(&metrics, &info);
	}

	cr_expect_str_eq(metrics.suites[METRICS_LIMIT_SUITES - 1].name, "other");
	cr_expect_eq(metrics.suites[METRICS_LIMIT_SUITES - 1].handshakes[0], 3);
}

Test(unit, what_a_newer_library_says_is_not_counted_beyond_the_end)
{
	static struct metrics metrics;
	struct ktls_info info = info_of(NULL, KTLS_TLS_1_3, 7);

	info.protection[KTLS_TX] = _KTLS_PROTECTION_N;
	info.reason[KTLS_RX] = _KTLS_REASON_N;
	metrics_count_handshake(&metrics, &info);
	metrics_count_response(&metrics, 99);
	metrics_count_response(&metrics, 600);

	cr_expect_str_eq(metrics.suites[0].name, "none");
	cr_expect_eq(metrics.suites[0].handshakes[1], 1);
	for (size_t i = 0; i < METRICS_STATUS_CLASSES; i++)
		cr_expect_eq(metrics.responses[i], 0);
}

Test(unit, failures_have_a_stage_and_a_cause)
{
	static struct metrics metrics;

	metrics_count_failure(&metrics, METRICS_HANDSHAKE, -KTLS_E_NOT_TLS);
	metrics_count_failure(&metrics, METRICS_HANDSHAKE, -KTLS_E_PEER_STAPLE);
	metrics_count_failure(&metrics, METRICS_HANDSHAKE, KTLS_TIMEDOUT);
	metrics_count_failure(&metrics, METRICS_OPEN, -ECONNRESET);
	metrics_count_failure(&metrics, METRICS_OPEN, -EXDEV);

	cr_expect_eq(failures(&metrics, METRICS_HANDSHAKE, "KTLS_E_NOT_TLS"), 1);
	cr_expect_eq(failures(&metrics, METRICS_HANDSHAKE, "KTLS_E_PEER_STAPLE"), 1);
	cr_expect_eq(failures(&metrics, METRICS_HANDSHAKE, "KTLS_TIMEDOUT"), 1);
	cr_expect_eq(failures(&metrics, METRICS_OPEN, "ECONNRESET"), 1);
	cr_expect_eq(failures(&metrics, METRICS_OPEN, "KTLS_E_NOT_TLS"), 0);
	/* Whatever is in no list. */
	cr_expect_eq(failures(&metrics, METRICS_OPEN, "EIO"), 1);
}

Test(unit, each_cause_has_a_name_of_its_own)
{
	for (size_t i = 0; i < METRICS_CAUSES; i++) {
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(metrics_cause_name(i), metrics_cause_name(j));
	}
	cr_expect_null(metrics_cause_name(METRICS_CAUSES));
}

Test(unit, traffic_is_counted_once)
{
	static struct metrics metrics;
	struct ktls_info info = { .bytes = { 100, 10 }, .key_updates = { 1, 2 } };
	struct metrics_traffic seen = { 0 };

	metrics_count_traffic(&metrics, &seen, &info);
	metrics_count_traffic(&metrics, &seen, &info);
	info.bytes[KTLS_TX] = 150;
	metrics_count_traffic(&metrics, &seen, &info);
	info.bytes[KTLS_TX] = 0;
	metrics_count_traffic(&metrics, &seen, &info);

	cr_expect_eq(metrics_get(&metrics, METRICS_BYTES_OUT), 150);
	cr_expect_eq(metrics_get(&metrics, METRICS_BYTES_IN), 10);
	cr_expect_eq(metrics_get(&metrics, METRICS_REKEYS_OUT), 1);
	cr_expect_eq(metrics_get(&metrics, METRICS_REKEYS_IN), 2);
}

enum {
	THREADS = 4,
	ROUNDS = 20000,
};

static struct metrics of_threads[THREADS];

static void *count_all(void *metrics)
{
	struct ktls_info info = info_of("TLS_AES_128_GCM_SHA256", KTLS_TLS_1_3, 0);

	for (int i = 0; i < ROUNDS; i++) {
		metrics_count(metrics, METRICS_ACCEPTED);
		metrics_count_response(metrics, 404);
		metrics_count_handshake(metrics, &info);
	}
	return NULL;
}

Test(unit, threads_count_and_another_adds_up)
{
	static struct metrics total, meanwhile;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, count_all, &of_threads[i]), 0);
	for (int i = 0; i < THREADS; i++)
		metrics_add_up(&meanwhile, &of_threads[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		metrics_add_up(&total, &of_threads[i]);

	cr_expect_leq(metrics_get(&meanwhile, METRICS_ACCEPTED), THREADS * ROUNDS);
	cr_expect_eq(metrics_get(&total, METRICS_ACCEPTED), THREADS * ROUNDS);
	cr_expect_eq(total.responses[3], THREADS * ROUNDS);
	cr_expect_eq(total.suites[0].handshakes[0], THREADS * ROUNDS);
	cr_expect_null(total.suites[1].name);
	cr_expect_eq(total.directions[KTLS_TX][KTLS_PROTECTION_KERNEL][KTLS_REASON_NONE],
		     THREADS * ROUNDS);
}
