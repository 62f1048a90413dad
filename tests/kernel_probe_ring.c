/* SPDX-License-Identifier: MIT */

/*
 * What io_uring does on sockets with kernel TLS: where real kernels agree, whatever their age, and
 * that trying leaves nothing behind.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <ktls/probe_ring.h>

#include "base/deadline.h"
#include "tests/kit.h"
#include "tests/ringing.h"

static void require(void)
{
	kit_require_tls();
	ringing_require();
}

TestSuite(kernel, .init = require);
TestSuite(forbidden, .init = kit_require_tls); /* and nobody has asked io_uring yet */

static struct ktls_trial_answer answer_of(unsigned int trial)
{
	struct ktls_trial_answer answer;

	cr_assert_eq(ktls_probe_ring(trial, &answer, sizeof(answer)), 0);
	cr_log_info("%s: %s (%s)", ktls_trial_name(trial), ktls_reason_name(answer.reason),
		    ktls_strerrorname(-answer.reason_errno));
	return answer;
}

static void assert_answer(unsigned int trial, unsigned int reason, int error)
{
	struct ktls_trial_answer answer = answer_of(trial);

	cr_assert_eq(answer.reason, reason, "%s: %s (%s), not %s", ktls_trial_name(trial),
		     ktls_reason_name(answer.reason), ktls_strerrorname(-answer.reason_errno),
		     ktls_reason_name(reason));
	cr_assert_eq(answer.reason_errno, error, "%s: %s", ktls_trial_name(trial),
		     ktls_strerrorname(-answer.reason_errno));
}

/* It is there in 6.1 as in all newer ones. */
Test(kernel, what_a_ring_of_ours_stands_on_works)
{
	static const unsigned int works[] = {
		KTLS_TRIAL_RING,
		KTLS_TRIAL_SEND,
		KTLS_TRIAL_SENDMSG,
		KTLS_TRIAL_WRITE,
		KTLS_TRIAL_WRITE_FIXED,
		KTLS_TRIAL_SPLICE_IN,
		KTLS_TRIAL_RECV,
		KTLS_TRIAL_RECV_MULTISHOT,
		KTLS_TRIAL_RECVMSG,
		KTLS_TRIAL_RECVMSG_MULTISHOT,
		KTLS_TRIAL_RECVMSG_CONTROL,
		KTLS_TRIAL_RECVMSG_MULTISHOT_CONTROL,
		KTLS_TRIAL_READ,
		KTLS_TRIAL_READ_FIXED,
		KTLS_TRIAL_SPLICE_OUT,
		KTLS_TRIAL_POLL,
		KTLS_TRIAL_SHUTDOWN,
		KTLS_TRIAL_CLOSE,
	};

	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		assert_answer(works[i], KTLS_REASON_NONE, 0);
}

Test(kernel, what_tls_takes_from_a_socket_is_told_from_what_the_kernel_lacks)
{
	assert_answer(KTLS_TRIAL_SEND_ZC, KTLS_REASON_NOT_WITH_TLS, EOPNOTSUPP);
	assert_answer(KTLS_TRIAL_SEND_WAITALL, KTLS_REASON_NOT_WITH_TLS, EOPNOTSUPP);
}

/* MSG_CTRUNC, of a type that nobody asked for, is a failure to a chain. */
Test(kernel, a_receive_of_all_breaks_its_chain)
{
	assert_answer(KTLS_TRIAL_RECV_WAITALL, KTLS_REASON_UNSOUND, 0);
}

Test(kernel, a_control_record_stays_for_who_asks_for_its_type)
{
	assert_answer(KTLS_TRIAL_RECV_CONTROL, KTLS_REASON_CONTROL_RECORD, EIO);
	assert_answer(KTLS_TRIAL_READ_CONTROL, KTLS_REASON_CONTROL_RECORD, EIO);
	assert_answer(KTLS_TRIAL_RECV_MULTISHOT_CONTROL, KTLS_REASON_CONTROL_RECORD, EIO);
	assert_answer(KTLS_TRIAL_SPLICE_OUT_CONTROL, KTLS_REASON_CONTROL_RECORD, EINVAL);
}

/* Newer kernels have these; who has them not is too old, and nothing else is right. */
Test(kernel, what_came_later_works_or_the_kernel_is_too_old)
{
	static const unsigned int later[] = {
		KTLS_TRIAL_SEND_FIXED,
		KTLS_TRIAL_RECV_FIXED,
		KTLS_TRIAL_SETSOCKOPT,
	};

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		unsigned int reason = answer_of(later[i]).reason;

		cr_assert(reason == KTLS_REASON_NONE || reason == KTLS_REASON_OLD_KERNEL, "%s: %s",
			  ktls_trial_name(later[i]), ktls_reason_name(reason));
	}
	cr_assert_eq(answer_of(KTLS_TRIAL_SETSOCKOPT).reason == KTLS_REASON_NONE,
		     !uring_probe()->reason[URING_HAS_SETSOCKOPT]);
}

Test(kernel, no_descriptor_no_key_and_no_time_is_left_behind)
{
	const uint64_t tx = kit_tls_stat("TlsCurrTxSw"), rx = kit_tls_stat("TlsCurrRxSw");
	unsigned int fds;
	uint64_t start_ns;

	kern_probe();
	uring_probe();
	fds = kit_count_fds();
	start_ns = ktls_deadline_clock();

	answer_of(KTLS_TRIAL_SEND);

	cr_assert_eq(kit_count_fds(), fds);
	cr_assert_eq(kit_tls_stat("TlsCurrTxSw"), tx);
	cr_assert_eq(kit_tls_stat("TlsCurrRxSw"), rx);
	cr_assert_lt(ktls_deadline_clock() - start_ns, 20000000000ull);
}

static void set_sysctl(char value)
{
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		cr_skip_test("no kernel.io_uring_disabled here, or not ours to change");
	cr_assert_eq(write(fd, &value, 1), 1);
	close(fd);
}

Test(forbidden, a_sysctl_that_forbids_io_uring_is_named)
{
	struct ktls_trial_answer answers[2];

	set_sysctl('2');
	answers[0] = answer_of(KTLS_TRIAL_RING);
	answers[1] = answer_of(KTLS_TRIAL_SEND);
	set_sysctl('0');

	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(answers[i].reason, KTLS_REASON_IO_URING_SYSCTL);
		cr_assert_eq(answers[i].reason_errno, EPERM);
	}
}
