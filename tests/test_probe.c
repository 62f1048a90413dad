/* SPDX-License-Identifier: MIT */

/*
 * The probe, natively: what it says where there is no tls, and, with a kernel in the seam that has
 * some of it, that each answer stands for what was tried. Its connections are real. kernel_probe.c
 * has real kernels.
 */

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/deadline.h"
#include "ktls/kern.h"
#include "tests/fake_kern.h"
#include "tests/kit.h"

/* The answer is one and the same everywhere. */
static void assert_all(const struct ktls_probe *probe, unsigned int reason)
{
	const uint16_t features[] = { probe->ulp,
				      probe->rekey[0],
				      probe->rekey[1],
				      probe->tx_zerocopy_ro,
				      probe->rx_expect_no_pad,
				      probe->tx_max_payload_len };

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		cr_assert_eq(features[i], reason, "%s", ktls_reason_name(features[i]));
	for (size_t i = 0; i < KIT_SUITES_N; i++)
		for (int d = 0; d < _KTLS_DIRECTION_N; d++)
			cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol,
						       kit_suites[i].cipher,
						       (enum ktls_direction)d),
				     reason, "%s", kit_suites[i].name);
}

/*
 * -- a kernel in the seam --
 */

Test(unit, a_kernel_that_does_everything_is_believed)
{
	fake_kern_use();
	assert_all(kern_probe(), KTLS_REASON_NONE);
	cr_assert_eq(kern_probe()->ulp_errno, 0);
}

Test(unit, no_descriptor_is_left_open)
{
	const unsigned int before = kit_count_fds();

	fake_kern_use();
	kern_probe();

	cr_assert_eq(kit_count_fds(), before);
}

Test(unit, without_the_ulp_everything_has_its_reason_after_one_connection)
{
	struct ktls_probe probe;

	fake_kern_use();
	fake_kern.no_ulp = ENOPROTOOPT;

	cr_assert_eq(ktls_probe(&probe, sizeof(probe)), 0);
	assert_all(&probe, KTLS_REASON_NO_ULP);
	cr_assert_eq(probe.ulp_errno, ENOPROTOOPT);
	cr_assert_eq(fake_kern.attaches, 1);
}

Test(unit, it_is_made_once)
{
	unsigned int attaches;

	fake_kern_use();
	kern_probe();
	attaches = fake_kern.attaches;

	cr_assert_gt(attaches, 0);
	kern_probe();
	cr_assert_eq(fake_kern.attaches, attaches);
}

Test(unit, a_missing_cipher_is_missing_by_itself)
{
	const struct ktls_probe *probe;

	fake_kern_use();
	fake_kern.no_cipher = ENOENT;
	probe = kern_probe();

	for (size_t i = 0; i < KIT_SUITES_N; i++)
		for (int d = 0; d < _KTLS_DIRECTION_N; d++)
			cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol,
						       kit_suites[i].cipher,
						       (enum ktls_direction)d),
				     kit_suites[i].cipher == KTLS_CHACHA20_POLY1305
					     ? KTLS_REASON_NO_CIPHER
					     : KTLS_REASON_NONE,
				     "%s", kit_suites[i].name);
	cr_assert_eq(probe->rekey[KTLS_TX], KTLS_REASON_NONE);
}

Test(unit, a_direction_that_works_alone_is_told)
{
	const struct ktls_probe *probe;

	fake_kern_use();
	fake_kern.no_rx = ENOMEM;
	probe = kern_probe();

	for (size_t i = 0; i < KIT_SUITES_N; i++) {
		cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol, kit_suites[i].cipher,
					       KTLS_TX),
			     KTLS_REASON_NONE, "%s", kit_suites[i].name);
		cr_assert_eq(kern_probe_reason(probe, kit_suites[i].protocol, kit_suites[i].cipher,
					       KTLS_RX),
			     KTLS_REASON_NO_MEMORY, "%s", kit_suites[i].name);
	}
	cr_assert_eq(probe->rekey[KTLS_TX], KTLS_REASON_NO_MEMORY);
}

Test(unit, an_old_kernel_has_the_ciphers_and_not_the_newer_options)
{
	const struct ktls_probe *probe;

	fake_kern_use();
	fake_kern.no_rekey = EBUSY;
	fake_kern.no_option = ENOPROTOOPT;
	probe = kern_probe();

	cr_assert_eq(probe->tls13[KTLS_AES_128_GCM][KTLS_TX], KTLS_REASON_NONE);
	cr_assert_eq(probe->rekey[KTLS_TX], KTLS_REASON_NO_REKEY);
	cr_assert_eq(probe->rekey[KTLS_RX], KTLS_REASON_NO_REKEY);
	cr_assert_eq(probe->tx_zerocopy_ro, KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(probe->rx_expect_no_pad, KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(probe->tx_max_payload_len, KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(probe->rx_whole_records, KTLS_REASON_OLD_KERNEL);
}

Test(unit, a_limit_that_is_taken_and_not_kept_does_not_count)
{
	fake_kern_use();
	fake_kern.ignores_limit = true;

	cr_assert_eq(kern_probe()->tx_max_payload_len, KTLS_REASON_UNSOUND);
}

Test(unit, keys_that_garble_do_not_count)
{
	fake_kern_use();
	fake_kern.corrupts = true;

	cr_assert_eq(kern_probe()->tls13[KTLS_AES_128_GCM][KTLS_TX], KTLS_REASON_UNSOUND);
	cr_assert_eq(kern_probe()->tls13[KTLS_AES_128_GCM][KTLS_RX], KTLS_REASON_UNSOUND);
	cr_assert_eq(kern_probe()->rekey[KTLS_TX], KTLS_REASON_UNSOUND);
}

/* One lost record may cost a second; the next ones nothing. */
Test(unit, what_never_arrives_is_not_waited_for_long, .timeout = 20)
{
	const uint64_t start_ns = ktls_deadline_clock();

	fake_kern_use();
	fake_kern.loses = true;

	cr_assert_eq(kern_probe()->tls12[KTLS_AES_128_GCM][KTLS_RX], KTLS_REASON_NO_ANSWER);
	cr_assert_lt(ktls_deadline_clock() - start_ns, 3000000000ull);
}

/*
 * -- no kernel to ask --
 */

Test(unit, without_sockets_there_is_no_loopback)
{
	struct rlimit all, none;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = all;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	kern_probe();
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &all), 0);

	assert_all(kern_probe(), KTLS_REASON_NO_LOOPBACK);
	cr_assert_eq(kern_probe()->ulp_errno, EMFILE);
}

Test(unit, a_filter_on_sockets_is_named)
{
	fake_kern_forbid(SYS_socket, EPERM);

	assert_all(kern_probe(), KTLS_REASON_SECCOMP);
}

Test(unit, a_filter_on_options_is_named)
{
	fake_kern_forbid(SYS_setsockopt, EPERM);

	assert_all(kern_probe(), KTLS_REASON_SECCOMP);
	cr_assert_eq(kern_probe()->ulp_errno, EPERM);
}

/*
 * -- the answers to a program --
 */

Test(unit, an_older_and_a_newer_program_get_their_own_size)
{
	struct {
		struct ktls_probe probe;
		uint8_t newer[8];
	} mine;

	fake_kern_use();
	fake_kern.no_ulp = ENOPROTOOPT;
	memset(&mine, 0xaa, sizeof(mine));

	cr_assert_eq(ktls_probe(&mine.probe, sizeof(mine.probe.ulp)), 0);
	cr_assert_eq(mine.probe.ulp, KTLS_REASON_NO_ULP);
	cr_assert_eq(mine.probe.tls12[0][0], 0xaaaa, "beyond its size");

	cr_assert_eq(ktls_probe(&mine.probe, sizeof(mine)), 0);
	cr_assert_eq(mine.probe.ulp_errno, ENOPROTOOPT);
	for (size_t i = 0; i < sizeof(mine.newer); i++)
		cr_assert_eq(mine.newer[i], 0);
}

Test(unit, nowhere_to_answer_to_is_an_error)
{
	struct ktls_probe probe;

	cr_assert_eq(ktls_probe(NULL, sizeof(probe)), -EINVAL);
	cr_assert_eq(ktls_probe(&probe, 0), -EINVAL);
}

Test(unit, what_is_unknown_is_too_new_for_any_kernel)
{
	static const struct ktls_probe probe;

	cr_assert_eq(kern_probe_reason(&probe, 0x0305, KTLS_AES_128_GCM, KTLS_TX),
		     KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(kern_probe_reason(&probe, KTLS_TLS_1_3, _KTLS_CIPHER_N, KTLS_TX),
		     KTLS_REASON_OLD_KERNEL);
	cr_assert_eq(kern_probe_reason(&probe, KTLS_TLS_1_3, KTLS_AES_128_GCM, _KTLS_DIRECTION_N),
		     KTLS_REASON_OLD_KERNEL);
}
