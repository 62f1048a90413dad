/* SPDX-License-Identifier: MIT */

/* The probe on a kernel with tls: its answers, and the kernel's own counters as witness. */

#include <criterion/criterion.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/deadline.h"
#include "tests/kit.h"

TestSuite(kernel, .init = kit_require_tls);

Test(kernel, every_cipher_has_an_answer_and_the_kernel_counted_the_keys)
{
	const uint64_t tx = kit_tls_stat("TlsTxSw"), rx = kit_tls_stat("TlsRxSw");
	const uint64_t tx_now = kit_tls_stat("TlsCurrTxSw"), rx_now = kit_tls_stat("TlsCurrRxSw");
	const struct ktls_probe *probe = kern_probe();
	unsigned int works[_KTLS_DIRECTION_N] = { 0 };

	cr_assert_eq(probe->ulp, KTLS_REASON_NONE);
	cr_assert_eq(probe->ulp_errno, 0);
	for (size_t i = 0; i < KIT_SUITES_N; i++) {
		for (int d = 0; d < _KTLS_DIRECTION_N; d++) {
			unsigned int reason =
				kern_probe_reason(probe, kit_suites[i].protocol,
						  kit_suites[i].cipher, (enum ktls_direction)d);

			/* A module may be absent; nothing else is right of a kernel of today. */
			cr_assert(reason == KTLS_REASON_NONE || reason == KTLS_REASON_NO_CIPHER,
				  "%s: %s", kit_suites[i].name, ktls_reason_name(reason));
			works[d] += reason == KTLS_REASON_NONE;
		}
	}
	cr_assert_gt(works[KTLS_TX], 0);
	cr_assert_gt(works[KTLS_RX], 0);

	/* Other processes may have used tls as well. */
	cr_assert_geq(kit_tls_stat("TlsTxSw") - tx, works[KTLS_TX]);
	cr_assert_geq(kit_tls_stat("TlsRxSw") - rx, works[KTLS_RX]);
	cr_assert_eq(kit_tls_stat("TlsCurrTxSw"), tx_now);
	cr_assert_eq(kit_tls_stat("TlsCurrRxSw"), rx_now);
}

Test(kernel, rekey_is_what_the_kernel_counted)
{
	const uint64_t tx = kit_tls_stat("TlsTxRekeyOk"), rx = kit_tls_stat("TlsRxRekeyOk");
	const struct ktls_probe *probe = kern_probe();
	unsigned int rekeys = probe->rekey[KTLS_TX] == KTLS_REASON_NONE;

	cr_assert_eq(probe->rekey[KTLS_TX], rekeys ? KTLS_REASON_NONE : KTLS_REASON_NO_REKEY);
	cr_assert_eq(probe->rekey[KTLS_RX], rekeys ? KTLS_REASON_NONE : KTLS_REASON_NO_REKEY);
	cr_assert_eq(kit_tls_stat("TlsTxRekeyOk") - tx, rekeys);
	cr_assert_eq(kit_tls_stat("TlsRxRekeyOk") - rx, rekeys);
}

/* Kernels differ; poll(2) on half a record must do as the probe says. */
Test(kernel, whole_records_wake_a_reader_as_the_probe_says)
{
	const uint8_t half[] = { 23, 3, 3, 1, 0, 1, 2, 3 };
	const struct ktls_probe *probe = kern_probe();
	struct kern_crypto crypto;
	struct kern_keys keys;
	struct pollfd pollfd;
	unsigned int reason;
	int fds[2];

	kit_tcp_pair(fds);
	kit_keys(&kit_suites[0], 0, &keys);
	cr_assert(!kern_attach(fds[1], &reason));
	cr_assert(!kern_prepare(&keys, &crypto));
	cr_assert(!kern_commit(fds[1], KTLS_RX, &crypto, &reason));

	cr_assert_eq(send(fds[0], half, sizeof(half), 0), sizeof(half));

	pollfd = (struct pollfd){ .fd = fds[1], .events = POLLIN };
	cr_assert_eq(poll(&pollfd, 1, 500) == 0, !probe->rx_whole_records);
	close(fds[0]);
	close(fds[1]);
}

Test(kernel, no_descriptor_is_left_open_and_it_is_quick)
{
	const unsigned int before = kit_count_fds();
	const uint64_t start_ns = ktls_deadline_clock();

	kern_probe();

	cr_assert_eq(kit_count_fds(), before);
	/* With the first use the kernel loads its modules and tests them: seconds, emulated. */
	cr_assert_lt(ktls_deadline_clock() - start_ns, 20000000000ull);
}
