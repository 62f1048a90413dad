/* SPDX-License-Identifier: MIT */

/*
 * The sizes of our records: what the peer takes at most, small ones first, and padding; in
 * userspace, kernel_keys.c has the kernel's.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include <ktls/limits.h>

#include "conn.h"
#include "flow.h"
#include "kit.h"
#include "peer.h"
#include "sizing.h"
#include "tap.h"

enum {
	LEN = 50000,
};

Test(unit, no_record_is_larger_than_the_peer_takes)
{
	sizing_for_small_peers(KTLS_OFFLOAD_NEVER);
}

Test(unit, a_stream_begins_with_small_records_and_again_after_a_silence)
{
	sizing_of_first_records(KTLS_OFFLOAD_NEVER);
}

/* Padding */

static size_t block;

static void set_padding(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(!ktls_config_set_padding(config, block));
}

/* Alerts and messages are padded, too. */
static void expect_padded(size_t payload_max, bool pads)
{
	for (size_t i = 0; i < tap.n; i++) {
		const struct tap_record *record = &tap.records[i];
		size_t full = pads ? (record->len + block - 1) / block * block : record->len;

		if (full > payload_max)
			full = payload_max;
		cr_assert(record->inner == full, "block %zu: %u bytes in %u", block, record->len,
			  record->inner);
		cr_assert(record->inner <= payload_max);
	}
}

Test(unit, padding_fills_every_record_up_to_a_multiple)
{
	static const size_t blocks[] = { 1, 2, 100, 512, 1000, 4096, 16383, 16384 };

	for (size_t i = 0; i < 4 * sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		struct flow flow = { .from = i & 1, .len = LEN };
		struct pair pair;

		block = blocks[i / 4];
		options.protocol = i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
		options.configure = set_padding;
		pair = pair_open(&options);
		flow.pair = &pair;
		tap_begin(&pair, !flow.from);
		for (int call = 0; call < 2 * FLOW_CALLS_N; call++) {
			flow.call = call / 2;
			flow.chunk = call % 2 ? 0 : 777;
			flow_run_whole(&flow);
		}
		pair_close(&pair);
		tap_end();
		expect_padded(KERN_PAYLOAD_MAX, i & 2);
		pair_free(&pair);
	}
}

/* The peer's limit counts the padding (RFC 8449 4). */
Test(unit, padding_keeps_to_the_largest_record_that_the_peer_takes)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct flow flow = { .from = PAIR_CLIENT, .len = LEN };
	struct pair pair;

	block = 512;
	options.protocol = KTLS_TLS_1_3;
	options.configure = set_padding;
	pair = pair_open(&options);
	pair.conn[PAIR_CLIENT]->payload_max = 1000;
	flow.pair = &pair;
	tap_begin(&pair, PAIR_SERVER);
	flow_run_whole(&flow);
	pair_close(&pair);
	tap_end();
	expect_padded(1000, true);
	cr_assert(tap_largest() == 1000);
	pair_free(&pair);
}

/* Values */

Test(unit, values_out_of_range_are_refused_in_words)
{
	static const struct {
		size_t payload;
		int code;
	} rows[] = {
		{ 0, 0 },     { 1, -EINVAL },	  { 63, -EINVAL },	 { 64, 0 },
		{ 16384, 0 }, { 16385, -EINVAL }, { SIZE_MAX, -EINVAL },
	};
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, KTLS_CLIENT));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert(ktls_config_set_first_records(config, rows[i].payload, 65536, 1000) ==
				  rows[i].code,
			  "%zu", rows[i].payload);
		cr_assert(!rows[i].code == !*ktls_config_error(config) || !rows[i].code, "%zu",
			  rows[i].payload);
	}
	cr_assert(ktls_config_set_padding(config, 16385) == -EINVAL);
	cr_assert(ktls_config_set_padding(config, SIZE_MAX) == -EINVAL);
	cr_assert(!ktls_config_set_padding(config, 16384) && !ktls_config_set_padding(config, 0));
	cr_assert(ktls_config_set_padding(NULL, 1) == -EINVAL);
	cr_assert(ktls_config_set_first_records(NULL, 64, 1, 1) == -EINVAL);
	ktls_config_unref(config);
}

Test(unit, a_frozen_config_is_not_changed)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);

	cr_assert(ktls_config_set_padding(pair.config[0], 1) == -EBUSY);
	cr_assert(ktls_config_set_first_records(pair.config[0], 64, 1, 1) == -EBUSY);
	pair_free(&pair);
}
