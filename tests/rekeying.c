/* SPDX-License-Identifier: MIT */

/* Keys that change, or cannot; see rekeying.h. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <ktls/limits.h>

#include "ktls/kern.h"
#include "rekeying.h"
#include "tap.h"

enum {
	MOVED = 100000,
	LIMIT = 10,
	LIMIT_SLACK = 3, /* the message itself, and what the kernel makes more */
	SMALL = 100,
	SMALL_BUFFER = 4096,
	FILE_BUFFER = 32768,
	END_MS = 20000,
};

bool rekeying_is_possible(enum ktls_direction direction, enum ktls_offload when)
{
	struct ktls_probe probe;

	if (when == KTLS_OFFLOAD_NEVER || when == KTLS_OFFLOAD_WITH_REKEY)
		return true;
	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	return !probe.rekey[direction];
}

static struct pair_options options_of(enum pair_end subject, enum ktls_offload tx,
				      enum ktls_offload rx)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = KTLS_TLS_1_3;
	options.cipher = KTLS_AES_128_GCM;
	options.tx[subject] = tx;
	options.rx[subject] = rx;
	return options;
}

static uint64_t updates(const struct pair *pair, enum pair_end end, enum ktls_direction direction)
{
	return flow_info(pair, end).key_updates[direction];
}

/* Asked for */

static void expect_no_change(struct pair *pair, enum pair_end end, enum ktls_key_update update)
{
	cr_assert_eq(ktls_conn_update_key(pair->conn[end], update, KTLS_NOW), -KTLS_E_REKEY);
	pair_move(pair, end, MOVED, MOVED);
	pair_move(pair, !end, MOVED, MOVED);
	cr_assert(!updates(pair, end, KTLS_TX) && !updates(pair, end, KTLS_RX));
}

static void expect_changes(struct pair *pair, enum pair_end end, enum ktls_key_update update)
{
	uint64_t both = update == KTLS_KEY_UPDATE_BOTH;

	for (uint64_t i = 1; i <= 3; i++) {
		int r = ktls_conn_update_key(pair->conn[end], update,
					     i == 1 ? KTLS_NOW : ktls_deadline_in(END_MS));

		cr_assert(!r, "%s: %s", ktls_strerrorname(r), ktls_conn_error(pair->conn[end]));
		pair_move(pair, end, MOVED, MOVED / 3);
		pair_move(pair, !end, MOVED, MOVED / 3);
		cr_assert(updates(pair, end, KTLS_TX) == i && updates(pair, !end, KTLS_RX) == i);
		cr_assert(updates(pair, end, KTLS_RX) == i * both &&
			  updates(pair, !end, KTLS_TX) == i * both);
	}
}

void rekeying_when_asked(enum ktls_offload tx, enum ktls_offload rx)
{
	for (int i = 0; i < 4; i++) {
		enum pair_end end = i & 1;
		enum ktls_key_update update = i >> 1;
		struct pair_options options = options_of(end, tx, rx);
		struct pair pair = pair_open(&options);

		if (!rekeying_is_possible(KTLS_TX, tx))
			expect_no_change(&pair, end, update);
		else if (update == KTLS_KEY_UPDATE_OURS || rekeying_is_possible(KTLS_RX, rx))
			expect_changes(&pair, end, update);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* Over a full socket */

enum finish {
	FINISH_ASKING = 0,
	FINISH_WRITING,
	FINISH_ENDING,
	FINISHES_N,
};

/* How many calls it took. */
static int finish(struct flow *flow, enum finish how)
{
	struct ktls_conn *conn = flow->pair->conn[flow->from];
	uint8_t bytes[MOVED];
	size_t n;
	int r, calls = 0;

	do {
		if (how == FINISH_ASKING)
			r = ktls_conn_update_key(conn, KTLS_KEY_UPDATE_OURS, KTLS_NOW);
		else if (how == FINISH_WRITING)
			r = ktls_conn_write(conn, "", 0, KTLS_NOW, &n);
		else
			r = ktls_conn_shutdown(conn, KTLS_NOW);
		cr_assert(!r || r == KTLS_WANT_WRITE, "%s", ktls_conn_error(conn));
		flow->rx = ktls_conn_read(flow->pair->conn[!flow->from], bytes, sizeof(bytes),
					  KTLS_NOW, &n);
		flow->seen += n;
		calls++;
	} while (r);
	return calls;
}

static void fill(struct flow *flow)
{
	static const uint8_t bytes[MOVED];
	size_t n;

	do {
		flow->tx = ktls_conn_write(flow->pair->conn[flow->from], bytes, sizeof(bytes),
					   KTLS_NOW, &n);
		flow->sent += n;
	} while (!flow->tx);
	cr_assert(flow->tx == KTLS_WANT_WRITE);
}

static void read_on(struct flow *flow)
{
	static uint8_t bytes[MOVED];
	size_t n;

	while (flow->seen < flow->sent) {
		flow->rx = ktls_conn_read(flow->pair->conn[!flow->from], bytes, sizeof(bytes),
					  ktls_deadline_in(END_MS), &n);
		cr_assert(!flow->rx, "%s", ktls_strerrorname(flow->rx));
		flow->seen += n;
	}
}

static void change_over_a_full_socket(struct flow *flow, enum finish how)
{
	struct pair *pair = flow->pair;

	tap_begin(pair, !flow->from);
	fill(flow);
	for (int again = 0; again < 3; again++)
		cr_assert(ktls_conn_update_key(pair->conn[flow->from], KTLS_KEY_UPDATE_OURS,
					       KTLS_NOW) == KTLS_WANT_WRITE);
	cr_assert(ktls_conn_update_key(pair->conn[flow->from], KTLS_KEY_UPDATE_OURS,
				       ktls_deadline_in(5)) == KTLS_TIMEDOUT);
	cr_assert(finish(flow, how) > 1);
	read_on(flow);
	if (how != FINISH_ENDING) {
		pair_move(pair, flow->from, SMALL, SMALL);
		cr_assert(updates(pair, flow->from, KTLS_TX) == 1, "%d", how);
		cr_assert(tap_key_updates() == 1, "%d: %u", how, tap_key_updates());
	}
	tap_end();
}

void rekeying_over_a_full_socket(enum ktls_offload tx)
{
	for (int i = 0; i < 2 * FINISHES_N; i++) {
		struct pair_options options = options_of(i % 2, tx, KTLS_OFFLOAD_NEVER);
		struct pair pair;
		struct flow flow = { .pair = &pair, .from = i % 2 };

		options.buffer_bytes = SMALL_BUFFER;
		pair = pair_open(&options);
		change_over_a_full_socket(&flow, i / 2);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* At the limit */

static void set_limit(struct ktls_config *config, enum pair_end end)
{
	(void)end;
	cr_assert(!ktls_config_set_key_records(config, LIMIT));
}

/* Every accepted byte, then the end; and the reason in words. */
static void expect_orderly_end(struct flow *flow, const char *words)
{
	struct ktls_conn *conn = flow->pair->conn[flow->from];
	uint8_t byte = 0;
	size_t n;

	cr_assert(flow->tx == -KTLS_E_REKEY, "%s: %s", ktls_strerrorname(flow->tx),
		  ktls_conn_error(conn));
	cr_assert(strstr(ktls_conn_error(conn), words), "%s", ktls_conn_error(conn));
	cr_assert(flow->seen == flow->sent && flow->sent, "%llu of %llu",
		  (unsigned long long)flow->seen, (unsigned long long)flow->sent);
	cr_assert(flow->rx == KTLS_EOF, "%s", ktls_strerrorname(flow->rx));
	cr_assert(ktls_conn_write(conn, &byte, 1, KTLS_NOW, &n) == -KTLS_E_REKEY);
	cr_assert(flow_info(flow->pair, flow->from).state == KTLS_STATE_FAILED);
}

static void expect_many_changes(struct flow *flow, const char *name)
{
	uint64_t changes = updates(flow->pair, flow->from, KTLS_TX);
	size_t records = tap_count(KERN_RECORD_DATA);

	cr_assert(flow->seen == flow->len, "%s: %llu: %s %s", name, (unsigned long long)flow->seen,
		  ktls_conn_error(flow->pair->conn[flow->from]),
		  ktls_conn_error(flow->pair->conn[!flow->from]));
	cr_assert(changes == tap_key_updates(), "%s: %llu changes, %u messages", name,
		  (unsigned long long)changes, tap_key_updates());
	cr_assert(updates(flow->pair, !flow->from, KTLS_RX) == changes, "%s", name);
	cr_assert(tap_most_under_one_key() <= LIMIT + LIMIT_SLACK, "%s: %zu", name,
		  tap_most_under_one_key());
	cr_assert(changes >= 9 && changes >= records / (LIMIT + LIMIT_SLACK) &&
			  changes <= records / (LIMIT / 2),
		  "%s: %llu changes for %zu records", name, (unsigned long long)changes, records);
}

static void run_to_the_limit(const struct pair_options *options, struct flow *flow)
{
	struct pair pair = pair_open(options);
	bool changes = options->protocol == KTLS_TLS_1_3 &&
		       rekeying_is_possible(KTLS_TX, options->tx[flow->from]);
	char name[100];

	snprintf(name, sizeof(name), "%s, end %d, %s of %zu, %s", pair_name(options), flow->from,
		 flow_call_name(flow->call), flow->chunk, flow->waits ? "waiting" : "stepping");
	flow->pair = &pair;
	tap_begin(&pair, !flow->from);
	flow_run(flow);
	tap_end();
	if (changes) {
		expect_many_changes(flow, name);
		pair_move(&pair, !flow->from, SMALL, SMALL);
		pair_close(&pair);
	} else {
		expect_orderly_end(flow, options->protocol == KTLS_TLS_1_2
						 ? "use TLS 1.3"
						 : "KTLS_OFFLOAD_WITH_REKEY");
		cr_assert(tap_most_under_one_key() <= LIMIT + LIMIT_SLACK, "%s", name);
	}
	pair_free(&pair);
}

void rekeying_at_the_limit(enum ktls_protocol protocol, enum ktls_offload tx)
{
	static const size_t chunks[] = { SMALL, 5000, 0 };

	for (int i = 0; i < 12 * FLOW_CALLS_N; i++) {
		enum pair_end from = i & 1;
		struct flow flow = {
			.from = from, .call = i / 12, .chunk = chunks[(i / 4) % 3], .waits = i & 2
		};
		struct pair_options options = options_of(from, tx, KTLS_OFFLOAD_NEVER);

		options.protocol = protocol;
		options.configure = set_limit;
		flow.len = flow.chunk ? flow.chunk * LIMIT * LIMIT
				      : (uint64_t)LIMIT * LIMIT * KERN_PAYLOAD_MAX;
		run_to_the_limit(&options, &flow);
	}
}

/* During a file */

static unsigned int changes_wanted;

/* The sender takes what was asked, and pays it if its socket has room. */
static int sender_answers(struct flow *flow)
{
	struct ktls_conn *conn = flow->pair->conn[flow->from];
	uint8_t byte;
	size_t n;
	int r = ktls_conn_read(conn, &byte, 1, KTLS_NOW, &n);

	if (r >= 0)
		r = ktls_conn_write(conn, "", 0, KTLS_NOW, &n);
	if (r < 0)
		flow->tx = r;
	return r;
}

/* The sender's key changes once more: in turn it and the receiver ask for it. */
static int change_once(struct flow *flow, uint64_t done)
{
	int r = 0;

	if (done % 2)
		r = ktls_conn_update_key(flow->pair->conn[flow->from], KTLS_KEY_UPDATE_OURS,
					 KTLS_NOW);
	else if (updates(flow->pair, !flow->from, KTLS_TX) <= done / 2)
		r = ktls_conn_update_key(flow->pair->conn[!flow->from], KTLS_KEY_UPDATE_BOTH,
					 KTLS_NOW);
	cr_assert(!r || r == KTLS_WANT_WRITE, "%s %s %s", ktls_strerrorname(r),
		  ktls_conn_error(flow->pair->conn[0]), ktls_conn_error(flow->pair->conn[1]));
	return r ? r : sender_answers(flow);
}

/* In step with what has arrived. */
static void change_in_step(struct flow *flow)
{
	uint64_t due = changes_wanted * (flow->seen + flow->len / 16) / flow->len;
	uint64_t done = updates(flow->pair, flow->from, KTLS_TX), before;
	int r = 0;

	while (!r && done < due) {
		before = done;
		r = change_once(flow, done);
		done = updates(flow->pair, flow->from, KTLS_TX);
		/* What the receiver asked is not there yet. */
		if (done == before)
			break;
	}
}

static void expect_end_of_file(struct flow *flow)
{
	struct pair *pair = flow->pair;

	if (flow->seen < flow->len) {
		expect_orderly_end(flow, "KTLS_OFFLOAD_WITH_REKEY");
		return;
	}
	cr_assert(flow->sent == flow->len);
	/* What was asked last is on its way still. */
	pair_move(pair, flow->from, SMALL, SMALL);
	pair_move(pair, !flow->from, SMALL, SMALL);
	cr_assert(updates(pair, flow->from, KTLS_TX) >= changes_wanted, "%llu",
		  (unsigned long long)updates(pair, flow->from, KTLS_TX));
	cr_assert(updates(pair, flow->from, KTLS_TX) == updates(pair, !flow->from, KTLS_RX));
	cr_assert(updates(pair, flow->from, KTLS_RX) == updates(pair, !flow->from, KTLS_TX));
	cr_assert(updates(pair, flow->from, KTLS_RX) >= changes_wanted / 3);
	pair_close(pair);
}

void rekeying_during_a_file(enum ktls_offload tx, enum ktls_offload rx, uint64_t len,
			    unsigned int changes)
{
	struct pair_options options = options_of(PAIR_SERVER, tx, rx);
	bool possible = rekeying_is_possible(KTLS_TX, tx) && rekeying_is_possible(KTLS_RX, rx);
	struct pair pair;
	struct flow flow = { .pair = &pair,
			     .from = PAIR_SERVER,
			     .call = FLOW_SENDFILE,
			     .len = len,
			     .step = change_in_step };

	/* Where a kernel cannot, only a peer in userspace can ask it to. */
	options.tx[PAIR_CLIENT] = possible ? tx : KTLS_OFFLOAD_NEVER;
	options.rx[PAIR_CLIENT] = possible ? rx : KTLS_OFFLOAD_NEVER;
	options.buffer_bytes = FILE_BUFFER;
	changes_wanted = changes;
	pair = pair_open(&options);
	flow_run(&flow);
	cr_assert(possible == (flow.seen == len), "%llu: %s %s", (unsigned long long)flow.seen,
		  ktls_conn_error(pair.conn[0]), ktls_conn_error(pair.conn[1]));
	expect_end_of_file(&flow);
	pair_free(&pair);
}
