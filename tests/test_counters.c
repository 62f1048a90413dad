/* SPDX-License-Identifier: MIT */

/* The kernel's counters from text: as kernels wrote it, and as none did. kernel_counters.c has the
 * kernels themselves. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <ktls/error.h>

#include "counters.h"

/* Linux 6.1 and 6.12; what 7.2 has beside. */
#define OF_6_1                                  \
	"TlsCurrTxSw                     \t2\n" \
	"TlsCurrRxSw                     \t1\n" \
	"TlsCurrTxDevice                 \t0\n" \
	"TlsCurrRxDevice                 \t0\n" \
	"TlsTxSw                         \t8\n" \
	"TlsRxSw                         \t9\n" \
	"TlsTxDevice                     \t0\n" \
	"TlsRxDevice                     \t0\n" \
	"TlsDecryptError                 \t3\n" \
	"TlsRxDeviceResync               \t0\n" \
	"TlsDecryptRetry                 \t4\n" \
	"TlsRxNoPadViolation             \t5\n"
#define OF_7_2                                  \
	"TlsRxRekeyOk                    \t1\n" \
	"TlsRxRekeyError                 \t6\n" \
	"TlsTxRekeyOk                    \t1\n" \
	"TlsTxRekeyError                 \t7\n" \
	"TlsRxRekeyReceived              \t8\n"

enum {
	KNOWN_6_1 = (1 << KTLS_COUNTER_RX_REKEY_OK) - 1,
	KNOWN_7_2 = (1 << _KTLS_COUNTER_N) - 1,
};

static struct ktls_counters read_text(const char *text)
{
	struct ktls_counters counters;
	int r = ktls_counters_parse(text, strlen(text), &counters);

	cr_assert_eq(r, 0, "%s: %s", text, ktls_strerrorname(r));
	return counters;
}

Test(unit, kernels_without_rekeys_say_nothing_of_them)
{
	struct ktls_counters counters = read_text(OF_6_1);

	cr_assert_eq(counters.known, KNOWN_6_1);
	cr_assert_eq(counters.restarted, 0);
	cr_assert_eq(counters.value[KTLS_COUNTER_CURR_TX_SW], 2);
	cr_assert_eq(counters.value[KTLS_COUNTER_RX_SW], 9);
	cr_assert_eq(counters.value[KTLS_COUNTER_DECRYPT_ERROR], 3);
	cr_assert_eq(counters.value[KTLS_COUNTER_RX_NO_PAD_VIOLATION], 5);
	cr_assert(ktls_counters_has(&counters, KTLS_COUNTER_RX_NO_PAD_VIOLATION));
	cr_assert_not(ktls_counters_has(&counters, KTLS_COUNTER_RX_REKEY_OK));
	cr_assert_not(ktls_counters_has(&counters, 64));
	for (unsigned int i = KTLS_COUNTER_RX_REKEY_OK; i < 32; i++)
		cr_assert_eq(counters.value[i], 0);
}

Test(unit, newer_kernels_count_rekeys)
{
	struct ktls_counters counters = read_text(OF_6_1 OF_7_2);

	cr_assert_eq(counters.known, KNOWN_7_2);
	cr_assert_eq(counters.value[KTLS_COUNTER_RX_REKEY_OK], 1);
	cr_assert_eq(counters.value[KTLS_COUNTER_RX_REKEY_RECEIVED], 8);
}

Test(unit, names_are_the_kernels_and_only_how_many_there_are_falls)
{
	for (unsigned int i = 0; i < _KTLS_COUNTER_N; i++) {
		cr_assert(strstr(OF_6_1 OF_7_2, ktls_counter_name(i)), "%u", i);
		cr_assert_eq(ktls_counter_is_gauge(i), strstr(ktls_counter_name(i), "Curr") != NULL,
			     "%u", i);
	}
	cr_assert_str_eq(ktls_counter_name(_KTLS_COUNTER_N), "unknown");
	cr_assert_not(ktls_counter_is_gauge(_KTLS_COUNTER_N));
}

Test(unit, unknown_lines_are_passed_over_and_malformed_ones_leave_it_unknown)
{
	struct ktls_counters counters = read_text("TlsFromTomorrow \t1\n"
						  "\n"
						  "TlsTxSw\t\n"
						  "TlsRxSw \tnine\n"
						  "TlsTxDevice \t1 2\n"
						  "TlsRxDevice \t99999999999999999999\n"
						  "TlsCurrRxSw\n"
						  "tlscurrtxsw 1\n"
						  "TlsDecryptError \t12");

	cr_assert_eq(counters.known, 1 << KTLS_COUNTER_DECRYPT_ERROR);
	cr_assert_eq(counters.value[KTLS_COUNTER_DECRYPT_ERROR], 12);
}

Test(unit, a_text_without_a_counter_is_none)
{
	static const char *const texts[] = { "", "\n", "Tls\n", "TlsTxSw",
					     "TlsTxSw x\nIpInError 1\n" };
	struct ktls_counters counters = { .known = 77 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_assert_eq(ktls_counters_parse(texts[i], strlen(texts[i]), &counters), -EBADMSG);
	cr_assert_eq(counters.known, 77);
}

/* TlsCurr* are sums over processors, which change while they are added up. */
Test(unit, less_than_none_is_none)
{
	struct ktls_counters counters =
		read_text("TlsCurrTxSw 18446744073709551615\nTlsTxSw 18446744073709551615\n");

	cr_assert_eq(counters.value[KTLS_COUNTER_CURR_TX_SW], 0);
	cr_assert_eq(counters.value[KTLS_COUNTER_TX_SW], UINT64_MAX);
}

Test(unit, a_difference_is_what_was_counted_and_what_there_is_now)
{
	struct ktls_counters older = read_text("TlsCurrTxSw 5\nTlsTxSw 10\nTlsRxSw 4\n");
	struct ktls_counters newer =
		read_text("TlsCurrTxSw 2\nTlsTxSw 17\nTlsRxSw 4\nTlsRxDevice 1\n");
	struct ktls_counters difference;

	older.taken_ns = 1000;
	newer.taken_ns = 1500;
	cr_assert_eq(ktls_counters_difference(&older, &newer, &difference, sizeof(difference)), 0);

	cr_assert_eq(difference.taken_ns, 500);
	cr_assert_eq(difference.known, older.known);
	cr_assert_eq(difference.restarted, 0);
	cr_assert_eq(difference.value[KTLS_COUNTER_CURR_TX_SW], 2);
	cr_assert_eq(difference.value[KTLS_COUNTER_TX_SW], 7);
	cr_assert_eq(difference.value[KTLS_COUNTER_RX_SW], 0);
	cr_assert_eq(difference.value[KTLS_COUNTER_RX_DEVICE], 0);
}

Test(unit, what_went_back_counts_anew_and_is_said)
{
	struct ktls_counters older = read_text("TlsCurrTxSw 5\nTlsTxSw 10\nTlsRxSw 4\n");
	struct ktls_counters newer = read_text("TlsCurrTxSw 0\nTlsTxSw 3\nTlsRxSw 6\n");

	cr_assert_eq(ktls_counters_difference(&older, &newer, &older, sizeof(older)), 0);

	cr_assert_eq(older.restarted, 1 << KTLS_COUNTER_TX_SW);
	cr_assert_eq(older.value[KTLS_COUNTER_TX_SW], 3);
	cr_assert_eq(older.value[KTLS_COUNTER_RX_SW], 2);
}

Test(unit, an_older_program_gets_its_own_size)
{
	struct ktls_counters older = read_text(OF_6_1), newer = read_text(OF_6_1);
	struct ktls_counters difference;

	memset(&difference, 0xaa, sizeof(difference));
	cr_assert_eq(ktls_counters_difference(&older, &newer, &difference,
					      offsetof(struct ktls_counters, value[1])),
		     0);

	cr_assert_eq(difference.value[0], 2);
	cr_assert_eq(difference.value[1], 0xaaaaaaaaaaaaaaaa);
}

/*
 * -- files --
 */

static int read_file_of(size_t n, const char *text, struct ktls_counters *ret_counters)
{
	char path[] = "/tmp/ktls-counters.XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	int r;

	for (size_t i = 0; i < n; i++)
		fputs("TlsFromTomorrow \t1\n", file);
	fputs(text, file);
	cr_assert_eq(fclose(file), 0);
	r = ktls_counters_read_file(path, ret_counters);
	unlink(path);
	return r;
}

Test(unit, a_file_is_read_to_its_end_but_not_without_one)
{
	struct ktls_counters counters = { 0 };

	cr_assert_eq(read_file_of(0, OF_6_1, &counters), 0);
	cr_assert_gt(counters.taken_ns, 0);
	cr_assert_eq(read_file_of(2000, OF_6_1, &counters), 0);
	cr_assert_eq(counters.known, KNOWN_6_1);
	cr_assert_eq(read_file_of(10000, OF_6_1, &counters), -EFBIG);
	cr_assert_eq(read_file_of(0, "", &counters), -EBADMSG);
	cr_assert_eq(ktls_counters_read_file("/proc", &counters), -EISDIR);
	cr_assert_eq(counters.known, KNOWN_6_1);
}

/* A module that is not there has no file. */
Test(unit, no_file_is_no_module)
{
	struct ktls_counters counters = { .known = 77 };
	int r = ktls_counters_read(&counters, sizeof(counters));

	cr_assert_eq(r, access("/proc/thread-self/net/tls_stat", R_OK) ? -errno : 0, "%s",
		     ktls_strerrorname(r));
	cr_assert_eq(counters.known == 77, r != 0);
	cr_assert_eq(ktls_counters_read_file("/proc/thread-self/net/none", &counters), -ENOENT);
}

Test(unit, nothing_is_no_place_for_an_answer)
{
	struct ktls_counters counters = { 0 };

	cr_assert_eq(ktls_counters_read(NULL, sizeof(counters)), -EINVAL);
	cr_assert_eq(ktls_counters_read(&counters, 0), -EINVAL);
	cr_assert_eq(ktls_counters_difference(NULL, &counters, &counters, sizeof(counters)),
		     -EINVAL);
	cr_assert_eq(ktls_counters_difference(&counters, NULL, &counters, sizeof(counters)),
		     -EINVAL);
	cr_assert_eq(ktls_counters_difference(&counters, &counters, NULL, sizeof(counters)),
		     -EINVAL);
	cr_assert_eq(ktls_counters_difference(&counters, &counters, &counters, 0), -EINVAL);
}
