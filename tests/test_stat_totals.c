/* SPDX-License-Identifier: MIT */

/* How many there are of each kind, and what was counted. */

#include <errno.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "seen.h"
#include "stat_totals.h"

/* What was printed since; closes `out`. */
static void expect(FILE *out, char **text, const char *wanted)
{
	fclose(out);
	cr_expect_str_eq(*text, wanted);
	free(*text);
}

Test(unit, each_kind_by_itself)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket;
	struct stat_totals totals;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2")->mode[KTLS_TX] = KTLS_DIAG_DEVICE;
	socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	socket->protocol = KTLS_TLS_1_2;
	socket->cipher = "CHACHA20-POLY1305";
	socket->mode[KTLS_RX] = KTLS_DIAG_NONE;
	socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	socket->protocol = 0;
	socket->cipher = NULL;
	socket->mode[KTLS_TX] = 77;
	seen_add_plain(&moment);
	seen_add_untold(&moment);
	seen_add_untold(&moment);

	stat_totals_count(&totals, &moment);
	stat_totals_print(out, &totals);

	cr_expect_eq(totals.sockets, 7);
	expect(out, &text,
	       "sockets  4 with TLS, 1 without, 2 unknown\n"
	       "tls      1.2: 1, 1.3: 2, unknown: 1\n"
	       "cipher   AES-128-GCM: 2, CHACHA20-POLY1305: 1, unknown: 1\n"
	       "tx       software: 2, device: 1\n"
	       "rx       none: 1, software: 3\n");
	stat_moment_done(&moment);
}

Test(unit, none_at_all)
{
	struct stat_moment moment = seen_nothing();
	struct stat_totals totals;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	stat_totals_count(&totals, &moment);
	stat_totals_print(out, &totals);
	stat_counters_print(out, &moment);

	expect(out, &text, "sockets  0 with TLS, 0 without, 0 unknown\n");
	stat_moment_done(&moment);
}

/* Counters of some second. */
static void count(struct stat_place *place, uint64_t seconds, uint64_t tx, uint64_t now)
{
	place->counters_error = 0;
	place->counters = (struct ktls_counters){
		.taken_ns = seconds * UINT64_C(1000000000),
		.known = 1u << KTLS_COUNTER_TX_SW | 1u << KTLS_COUNTER_CURR_TX_SW |
			 1u << KTLS_COUNTER_RX_SW,
		.value = { [KTLS_COUNTER_TX_SW] = tx,
			   [KTLS_COUNTER_CURR_TX_SW] = now,
			   [KTLS_COUNTER_RX_SW] = 5 },
	};
}

Test(unit, the_counters_of_each_namespace)
{
	struct stat_moment moment = seen_nothing();
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	count(&moment.places.list[0], 1, 10, 2);
	count(seen_add_place(&moment, "blue"), 1, 20, 0);
	seen_add_place(&moment, "shut")->error = -EPERM;

	stat_counters_print(out, &moment);

	expect(out, &text,
	       "counters:\n"
	       "  TlsCurrTxSw            2\n"
	       "  TlsTxSw                10\n"
	       "  TlsRxSw                5\n"
	       "counters, namespace \"blue\":\n"
	       "  TlsCurrTxSw            0\n"
	       "  TlsTxSw                20\n"
	       "  TlsRxSw                5\n");
	stat_moment_done(&moment);
}

Test(unit, what_has_changed_and_nothing_else)
{
	struct stat_moment before = seen_nothing(), moment = seen_nothing();
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	count(&before.places.list[0], 1, 10, 2);
	count(&moment.places.list[0], 3, 14, 1);

	stat_changes_print(out, &before, &moment);

	expect(out, &text,
	       "counted in 2.0 s:\n"
	       "  TlsCurrTxSw            1, was 2\n"
	       "  TlsTxSw                +4\n");
	stat_moment_done(&before);
	stat_moment_done(&moment);
}

Test(unit, a_module_that_was_loaded_again_counts_anew)
{
	struct stat_moment before = seen_nothing(), moment = seen_nothing();
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	count(&before.places.list[0], 1, 10, 0);
	count(&moment.places.list[0], 2, 3, 0);

	stat_changes_print(out, &before, &moment);

	expect(out, &text,
	       "counted in 1.0 s:\n"
	       "  TlsTxSw                +3 (from 0 again)\n");
	stat_moment_done(&before);
	stat_moment_done(&moment);
}

Test(unit, without_both_there_is_no_difference)
{
	struct stat_moment before = seen_nothing(), moment = seen_nothing();
	struct ktls_counters difference;

	count(&before.places.list[0], 1, 10, 2);
	cr_expect_not(stat_difference(&before, &moment.places.list[0], &difference));
	cr_expect_not(stat_difference(NULL, &before.places.list[0], &difference));
	cr_expect_not(stat_difference(&moment, &before.places.list[0], &difference));
	count(seen_add_place(&moment, "blue"), 1, 10, 2);
	cr_expect_not(stat_difference(&before, &moment.places.list[1], &difference));
	stat_moment_done(&before);
	stat_moment_done(&moment);
}
