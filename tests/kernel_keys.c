/* SPDX-License-Identifier: MIT */

/*
 * Keys that change while the kernel has them (Linux 6.14), and the orderly end where it cannot; the
 * kernel's own count is the witness. And the sizes of the records that it makes.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <ktls/limits.h>

#include "attacker.h"
#include "conn.h"
#include "kit.h"
#include "rekeying.h"
#include "seam.h"
#include "sizing.h"
#include "tap.h"
#include "upload.h"

enum {
	FILE_MIB = 8,
	CHANGES = 1000,
	LIMIT = 10,
	STORM = 5000,
	STORM_BATCH = 500,
	LEVEL_TLS = 282,
	NAME_TX = 1,
};

static const enum ktls_offload never = KTLS_OFFLOAD_NEVER, required = KTLS_OFFLOAD_REQUIRED,
			       with_rekey = KTLS_OFFLOAD_WITH_REKEY;

TestSuite(kernel, .init = kit_require_tls);

static uint64_t file_len(void)
{
	return (uint64_t)flow_setting("KTLS_TEST_MIB", FILE_MIB) << 20;
}

static void require_rekey(void)
{
	if (!rekeying_is_possible(KTLS_TX, required) || !rekeying_is_possible(KTLS_RX, required))
		cr_skip_test("this kernel's tls changes no keys");
}

Test(kernel, a_key_changes_when_asked_or_the_connection_goes_on)
{
	rekeying_when_asked(required, required);
	rekeying_when_asked(required, never);
	rekeying_when_asked(with_rekey, with_rekey);
}

Test(kernel, a_key_changes_over_a_full_socket)
{
	require_rekey();
	rekeying_over_a_full_socket(required);
}

Test(kernel, a_key_changes_at_its_limit_or_the_connection_ends_in_order)
{
	rekeying_at_the_limit(KTLS_TLS_1_3, required);
}

Test(kernel, tls_12_ends_in_order_at_the_limit)
{
	rekeying_at_the_limit(KTLS_TLS_1_2, required);
}

Test(kernel, a_key_changes_a_thousand_times_during_a_file_or_the_connection_ends_in_order)
{
	rekeying_during_a_file(required, required, file_len(), CHANGES);
}

Test(kernel, either_direction_alone_ends_a_file_in_order_where_it_cannot_change)
{
	rekeying_during_a_file(required, never, FILE_MIB << 20, CHANGES);
	rekeying_during_a_file(never, required, FILE_MIB << 20, CHANGES);
}

Test(kernel, a_file_arrives_where_only_a_kernel_that_can_change_keys_is_used)
{
	rekeying_during_a_file(with_rekey, with_rekey, file_len(), CHANGES);
}

/* The kernel's own number of the next record stays below the limit, and begins again. */

static uint64_t most, last;
static unsigned int began_again;

static void look_at_number(struct flow *flow)
{
	const struct ktls_half *half = &flow->pair->conn[flow->from]->half[KTLS_TX];
	uint64_t seq;

	cr_assert(!kern_seq(flow->pair->fd[flow->from], KTLS_TX, half->keys.protocol,
			    half->keys.cipher, &seq));
	cr_assert(seq == flow_info(flow->pair, flow->from).records[KTLS_TX]);
	began_again += seq < last;
	most = seq > most ? seq : most;
	last = seq;
}

static void set_limit(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(!ktls_config_set_key_records(config, LIMIT));
}

static struct pair open_pair(enum pair_end subject)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = KTLS_TLS_1_3;
	options.cipher = KTLS_AES_128_GCM;
	options.tx[subject] = required;
	options.configure = set_limit;
	return pair_open(&options);
}

Test(kernel, the_kernels_number_never_passes_the_limit_by_more_than_a_few)
{
	require_rekey();
	for (int i = 0; i < 2 * FLOW_CALLS_N; i++) {
		struct pair pair = open_pair(i % 2);
		struct flow flow = { .pair = &pair,
				     .from = i % 2,
				     .call = i / 2,
				     .len = (uint64_t)LIMIT * LIMIT * 100,
				     .chunk = 100,
				     .step = look_at_number };

		most = last = 0;
		began_again = 0;
		flow_run_whole(&flow);
		cr_assert(most <= LIMIT + 3 && most >= LIMIT - 3, "%llu", (unsigned long long)most);
		cr_assert(began_again >= 9 && began_again <= 20, "%u", began_again);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* Between the message and the key */

/* The next so many TLS_TX answer EAGAIN. */
static void hold_back_key(const struct pair *pair, enum pair_end end, unsigned int times)
{
	const struct seam_fault fault = { .calls = 1 << SEAM_SETSOCKOPT,
					  .times = times,
					  .level = LEVEL_TLS,
					  .name = NAME_TX,
					  .error = EAGAIN };

	seam_begin(pair->fd[end], &fault, NULL);
}

enum resumption {
	RESUME_BY_ASKING = 0,
	RESUME_BY_WRITING,
	RESUME_BY_FILE,
	RESUME_BY_ENDING,
	RESUMPTIONS_N,
};

static int resume(struct ktls_conn *conn, enum resumption how, int file_fd)
{
	uint64_t n64;
	size_t n;

	switch (how) {
	case RESUME_BY_ASKING:
		return ktls_conn_update_key(conn, KTLS_KEY_UPDATE_OURS, KTLS_NOW);
	case RESUME_BY_WRITING:
		return ktls_conn_write(conn, "data", 4, KTLS_NOW, &n);
	case RESUME_BY_FILE:
		return ktls_conn_sendfile(conn, file_fd, 0, 4, KTLS_NOW, &n64);
	case RESUME_BY_ENDING:
		return ktls_conn_shutdown(conn, KTLS_NOW);
	case RESUMPTIONS_N:
		break;
	}
	return -EINVAL;
}

static void read_to_the_end(const struct pair *pair, enum pair_end end)
{
	uint8_t bytes[100];
	size_t n;
	int r;

	do {
		r = ktls_conn_read(pair->conn[end], bytes, sizeof(bytes), ktls_deadline_in(5000),
				   &n);
	} while (!r);
	cr_assert(r == KTLS_EOF, "%s %s", ktls_strerrorname(r), ktls_conn_error(pair->conn[end]));
}

Test(kernel, a_change_is_resumed_between_its_message_and_its_key)
{
	int file_fd = kit_file(4);

	require_rekey();
	for (int i = 0; i < 2 * RESUMPTIONS_N; i++) {
		enum pair_end end = i % 2;
		struct pair pair = open_pair(end);
		struct ktls_conn *conn = pair.conn[end];

		pair_move(&pair, end, 100, 100);
		hold_back_key(&pair, end, 3);
		tap_begin(&pair, !end);
		cr_assert(ktls_conn_update_key(conn, KTLS_KEY_UPDATE_OURS, KTLS_NOW) ==
			  KTLS_WANT_WRITE);
		for (int again = 0; again < 2; again++)
			cr_assert(resume(conn, i / 2, file_fd) == KTLS_WANT_WRITE, "%d", i / 2);
		cr_assert(!resume(conn, i / 2, file_fd), "%d: %s", i / 2, ktls_conn_error(conn));
		cr_assert(seam.touched == 3);
		cr_assert(flow_info(&pair, end).key_updates[KTLS_TX] == 1);
		cr_assert(!ktls_conn_shutdown(conn, KTLS_NOW));
		read_to_the_end(&pair, !end);
		cr_assert(tap_key_updates() == 1);
		tap_end();
		seam_end();
		pair_free(&pair);
	}
}

/* A call that waits does so until the kernel has the key, and no longer than it may. */
Test(kernel, a_change_waits_for_the_kernel_to_take_the_key)
{
	require_rekey();
	for (int i = 0; i < 2; i++) {
		struct pair pair = open_pair(i);

		hold_back_key(&pair, i, 1000000);
		cr_assert(ktls_conn_update_key(pair.conn[i], KTLS_KEY_UPDATE_OURS,
					       ktls_deadline_in(30)) == KTLS_TIMEDOUT);
		hold_back_key(&pair, i, 5);
		cr_assert(!ktls_conn_update_key(pair.conn[i], KTLS_KEY_UPDATE_OURS,
						ktls_deadline_in(5000)));
		seam_end();
		pair_move(&pair, i, 100, 100);
		cr_assert(flow_info(&pair, !i).key_updates[KTLS_RX] == 1);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* A kernel that said it could, and cannot: the connection has failed, and says why. */
Test(kernel, a_key_that_is_refused_is_the_end)
{
	require_rekey();
	for (int i = 0; i < 2; i++) {
		struct seam_fault fault = { .calls = 1 << SEAM_SETSOCKOPT,
					    .times = 1,
					    .level = LEVEL_TLS,
					    .name = NAME_TX,
					    .error = EBUSY };
		struct pair pair = open_pair(i);
		size_t n;

		seam_begin(pair.fd[i], &fault, NULL);
		cr_assert(ktls_conn_update_key(pair.conn[i], KTLS_KEY_UPDATE_OURS, KTLS_NOW) ==
			  -KTLS_E_REKEY);
		cr_assert(strstr(ktls_conn_error(pair.conn[i]), "new key"));
		cr_assert(ktls_conn_write(pair.conn[i], "data", 4, KTLS_NOW, &n) == -KTLS_E_REKEY);
		seam_end();
		pair_free(&pair);
	}
}

/* Peers that ask */

Test(kernel, a_client_may_write_much_before_it_reads)
{
	upload_run(KTLS_TLS_1_2, required, false);
	upload_run(KTLS_TLS_1_3, required, false);
}

Test(kernel, a_client_may_ask_for_keys_all_the_while)
{
	upload_run(KTLS_TLS_1_3, with_rekey, true);
}

Test(kernel, a_storm_of_requests_is_owed_one_answer)
{
	require_rekey();
	for (int victim = 0; victim < 2; victim++) {
		struct attacker attacker = attacker_new(KTLS_TLS_1_3, victim, required, required);
		uint8_t data[JUDGE_RECORD_MAX], type;
		size_t len;

		for (int i = 1; i <= STORM; i++) {
			attacker_send(&attacker, KERN_RECORD_HANDSHAKE, "\x18\0\0\1\1", 5);
			attacker_next_key(&attacker, KTLS_TX);
			if (i % STORM_BATCH == 0)
				cr_assert(attacker_victim_reads(&attacker) == KTLS_WANT_READ, "%s",
					  ktls_conn_error(attacker.victim));
		}
		cr_assert(attacker.victim->half[KTLS_RX].key_updates == STORM);
		cr_assert(!ktls_conn_write(attacker.victim, "", 0, KTLS_NOW, &len));
		cr_assert(attacker_receive(&attacker, &type, data, &len));
		cr_assert(type == KERN_RECORD_HANDSHAKE && len == 5 && !data[4]);
		attacker_next_key(&attacker, KTLS_RX);
		attacker_expect_alive(&attacker, "after a storm");
		cr_assert(attacker.victim->half[KTLS_TX].key_updates == 1);
		attacker_free(&attacker);
	}
}

/* Sizes */

Test(kernel, no_record_is_larger_than_the_peer_takes)
{
	sizing_for_small_peers(KTLS_OFFLOAD_AT_ONCE);
}

Test(kernel, a_stream_begins_with_small_records_and_again_after_a_silence)
{
	sizing_of_first_records(required);
}

static void set_padding(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(!ktls_config_set_padding(config, 512));
}

Test(kernel, padding_stays_in_userspace_where_there_is_any)
{
	for (int i = 0; i < 4; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		enum pair_end end = i & 1;
		struct pair pair;
		struct ktls_info info;

		options.protocol = i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2;
		options.tx[end] = KTLS_OFFLOAD_AT_ONCE;
		options.configure = set_padding;
		pair = pair_open(&options);
		info = flow_info(&pair, end);
		if (options.protocol == KTLS_TLS_1_2) {
			cr_assert(info.protection[KTLS_TX] == KTLS_PROTECTION_KERNEL);
		} else {
			cr_assert(info.protection[KTLS_TX] == KTLS_PROTECTION_USER);
			cr_assert(info.reason[KTLS_TX] == KTLS_REASON_PADDING);
		}
		pair_move(&pair, end, 10000, 777);
		pair_close(&pair);
		pair_free(&pair);
	}
}
