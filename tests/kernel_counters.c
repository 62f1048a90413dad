/* SPDX-License-Identifier: MIT */

/* The kernel's counters while one connection after the other does what they count. The suite runs
 * alone, but other processes may use tls as well: so at least what we did is there. */

#include <errno.h>
#include <sys/socket.h>

#include <criterion/criterion.h>

#include <ktls/counters.h>

#include "tests/judge.h"
#include "tests/link.h"

TestSuite(kernel, .init = link_setup);

static struct ktls_counters read_counters(void)
{
	struct ktls_counters counters;
	int r = ktls_counters_read(&counters, sizeof(counters));

	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	return counters;
}

static struct ktls_counters since(const struct ktls_counters *older)
{
	const struct ktls_counters newer = read_counters();
	struct ktls_counters difference;

	cr_assert_eq(ktls_counters_difference(older, &newer, &difference, sizeof(difference)), 0);
	cr_assert_eq(difference.restarted, 0);
	return difference;
}

/* What kit_tls_stat() reads by itself, of a kernel that nobody else uses meanwhile. */
Test(kernel, the_struct_says_what_the_file_says)
{
	const struct ktls_counters counters = read_counters();

	cr_assert_eq(counters.known & 0xfff, 0xfff, "those of 6.1");
	for (unsigned int i = 0; i < _KTLS_COUNTER_N; i++)
		cr_assert_eq(counters.value[i], kit_tls_stat(ktls_counter_name(i)), "%s",
			     ktls_counter_name(i));
}

Test(kernel, a_connection_is_counted_while_it_is_there_and_afterwards)
{
	const struct ktls_counters before = read_counters();
	struct ktls_counters difference;
	struct link link;

	link_open(&link, link_tls13, true, true);
	difference = since(&before);

	cr_assert_geq(difference.value[KTLS_COUNTER_TX_SW], 1);
	cr_assert_geq(difference.value[KTLS_COUNTER_RX_SW], 1);
	cr_assert_geq(difference.value[KTLS_COUNTER_CURR_TX_SW], 1);
	cr_assert_geq(difference.value[KTLS_COUNTER_CURR_RX_SW], 1);
	cr_assert_eq(difference.value[KTLS_COUNTER_TX_DEVICE], 0);
	cr_assert_eq(difference.value[KTLS_COUNTER_CURR_RX_DEVICE], 0);

	link_close(&link, true, true);
	difference = since(&before);
	cr_assert_eq(difference.value[KTLS_COUNTER_CURR_TX_SW],
		     before.value[KTLS_COUNTER_CURR_TX_SW]);
	cr_assert_geq(difference.value[KTLS_COUNTER_TX_SW], 1);
	cr_assert_eq(difference.value[KTLS_COUNTER_DECRYPT_ERROR], 0);
}

Test(kernel, a_record_that_does_not_authenticate_is_counted)
{
	static uint8_t sealed[JUDGE_RECORD_MAX + 5];
	const struct ktls_counters before = read_counters();
	struct link link;
	uint8_t type;
	size_t len, n;
	bool end;

	link_open(&link, link_tls13, false, true);
	len = judge_seal(&link.keys, KERN_RECORD_DATA, link_plain, 100, 0, sealed);
	sealed[len - 1] ^= 1;
	cr_assert_eq(send(link.fd[0], sealed, len, 0), (ssize_t)len);

	cr_assert_eq(link_receive(&link, 1000, &type, &end, &n), -EBADMSG);
	cr_assert_geq(since(&before).value[KTLS_COUNTER_DECRYPT_ERROR], 1);
	link_close(&link, false, true);
}

Test(kernel, a_key_that_changes_is_counted_where_the_kernel_can)
{
	const struct ktls_counters before = read_counters();
	struct ktls_counters difference;
	const struct ktls_probe *probe = kern_probe();

	difference = since(&before);

	/* Who counts rekeys can do them. */
	cr_assert_eq(ktls_counters_has(&before, KTLS_COUNTER_TX_REKEY_OK),
		     probe->rekey[KTLS_TX] == KTLS_REASON_NONE);
	cr_assert_eq(difference.value[KTLS_COUNTER_TX_REKEY_OK],
		     probe->rekey[KTLS_TX] == KTLS_REASON_NONE);
	cr_assert_eq(difference.value[KTLS_COUNTER_RX_REKEY_OK],
		     probe->rekey[KTLS_RX] == KTLS_REASON_NONE);
}
