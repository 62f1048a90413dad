/* SPDX-License-Identifier: MIT */

/*
 * What io_uring does on sockets with kernel TLS, natively: why nothing can be tried, and, with a
 * kernel in the seam whose records are plain bytes to io_uring, what is made of what comes of a
 * trial. kernel_probe_ring.c has real kernels.
 */

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <ktls/probe_ring.h>

#include "base/deadline.h"
#include "tests/fake_kern.h"
#include "tests/kit.h"
#include "tests/ringing.h"

static struct ktls_trial_answer answer_of(unsigned int trial)
{
	struct ktls_trial_answer answer;

	cr_assert_eq(ktls_probe_ring(trial, &answer, sizeof(answer)), 0);
	cr_assert_lt(answer.reason, _KTLS_REASON_N);
	return answer;
}

static void assert_reason(unsigned int trial, unsigned int reason)
{
	struct ktls_trial_answer answer = answer_of(trial);

	cr_assert_eq(answer.reason, reason, "%s: %s (%s), not %s", ktls_trial_name(trial),
		     ktls_reason_name(answer.reason), ktls_strerrorname(-answer.reason_errno),
		     ktls_reason_name(reason));
}

/* Every operation has the same answer. */
static void assert_all(unsigned int reason, int error)
{
	for (unsigned int i = KTLS_TRIAL_RING + 1; i < _KTLS_TRIAL_N; i++) {
		assert_reason(i, reason);
		cr_assert_eq(answer_of(i).reason_errno, error, "%s", ktls_trial_name(i));
	}
}

/* -- why nothing can be tried -- */

Test(unit, without_tls_that_is_the_answer_and_io_uring_has_its_own)
{
	ringing_require();
	fake_kern_use();
	fake_kern.no_ulp = ENOPROTOOPT;

	assert_reason(KTLS_TRIAL_RING, KTLS_REASON_NONE);
	assert_all(KTLS_REASON_NO_ULP, ENOPROTOOPT);
}

Test(unit, without_a_cipher_that_works_both_ways_that_is_the_answer)
{
	ringing_require();
	fake_kern_use();
	fake_kern.no_rx = ENOENT;

	assert_all(KTLS_REASON_NO_CIPHER, 0);
}

Test(unit, a_filter_on_io_uring_is_named)
{
	ringing_require_allowed_by_sysctl();
	fake_kern_forbid(SYS_io_uring_setup, EPERM);

	assert_reason(KTLS_TRIAL_RING, KTLS_REASON_IO_URING_SECCOMP);
	assert_all(KTLS_REASON_IO_URING_SECCOMP, EPERM);
}

/* The filters of containers answer so, where the sysctl tells that the kernel has it. */
Test(unit, a_kernel_without_io_uring_is_told_from_a_filter)
{
	fake_kern_forbid(SYS_io_uring_setup, ENOSYS);

	assert_reason(KTLS_TRIAL_RING, access("/proc/sys/kernel/io_uring_disabled", F_OK)
					       ? KTLS_REASON_NO_IO_URING
					       : KTLS_REASON_IO_URING_SECCOMP);
	cr_assert_eq(answer_of(KTLS_TRIAL_SEND).reason_errno, ENOSYS);
}

Test(unit, an_errno_of_no_meaning_is_kept)
{
	fake_kern_forbid(SYS_io_uring_setup, EIO);

	assert_all(KTLS_REASON_REFUSED, EIO);
}

Test(unit, too_little_memory_is_named)
{
	fake_kern_forbid(SYS_io_uring_setup, ENOMEM);

	assert_all(KTLS_REASON_NO_MEMORY, ENOMEM);
}

Test(unit, without_descriptors_a_trial_says_so)
{
	struct rlimit all, few;

	ringing_require();
	fake_kern_use();
	kern_probe();
	uring_probe();
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	answer_of(KTLS_TRIAL_RING);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &all), 0);

	assert_all(KTLS_REASON_REFUSED, EMFILE);
}

/* -- what is made of a trial -- */

Test(unit, what_arrives_as_it_was_sent_works)
{
	static const unsigned int works[] = {
		KTLS_TRIAL_SEND, KTLS_TRIAL_SEND_WAITALL, KTLS_TRIAL_WRITE, KTLS_TRIAL_SPLICE_IN,
		KTLS_TRIAL_RECV, KTLS_TRIAL_RECV_WAITALL, KTLS_TRIAL_READ,  KTLS_TRIAL_SPLICE_OUT,
		KTLS_TRIAL_POLL, KTLS_TRIAL_SHUTDOWN,	  KTLS_TRIAL_CLOSE,
	};

	ringing_require();
	fake_kern_use();

	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		assert_reason(works[i], KTLS_REASON_NONE);
	if (!uring_probe()->reason[URING_HAS_BUFFERS]) {
		assert_reason(KTLS_TRIAL_WRITE_FIXED, KTLS_REASON_NONE);
		assert_reason(KTLS_TRIAL_READ_FIXED, KTLS_REASON_NONE);
	}
	if (!uring_probe()->reason[URING_HAS_MULTISHOT_RECV])
		assert_reason(KTLS_TRIAL_RECV_MULTISHOT, KTLS_REASON_NONE);
	if (!uring_probe()->reason[URING_HAS_SEND_ZC])
		assert_reason(KTLS_TRIAL_SEND_ZC, KTLS_REASON_NONE);
}

/* To io_uring these sockets are without TLS: no type comes through. */
Test(unit, a_type_that_does_not_come_through_is_unsound)
{
	static const unsigned int typed[] = {
		KTLS_TRIAL_SENDMSG,	 KTLS_TRIAL_RECVMSG,	     KTLS_TRIAL_RECV_CONTROL,
		KTLS_TRIAL_READ_CONTROL, KTLS_TRIAL_RECVMSG_CONTROL, KTLS_TRIAL_SPLICE_OUT_CONTROL,
	};

	ringing_require();
	fake_kern_use();

	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++)
		assert_reason(typed[i], KTLS_REASON_UNSOUND);
	if (!uring_probe()->reason[URING_HAS_MULTISHOT_RECVMSG]) {
		assert_reason(KTLS_TRIAL_RECVMSG_MULTISHOT, KTLS_REASON_UNSOUND);
		assert_reason(KTLS_TRIAL_RECVMSG_MULTISHOT_CONTROL, KTLS_REASON_UNSOUND);
		assert_reason(KTLS_TRIAL_RECV_MULTISHOT_CONTROL, KTLS_REASON_UNSOUND);
	}
}

/* The option of a key is refused where there is no TLS, others are not. */
Test(unit, what_is_refused_here_alone_is_told_from_what_the_kernel_lacks)
{
	ringing_require();
	fake_kern_use();

	assert_reason(KTLS_TRIAL_SETSOCKOPT, uring_probe()->reason[URING_HAS_SETSOCKOPT]
						     ? KTLS_REASON_OLD_KERNEL
						     : KTLS_REASON_NOT_WITH_TLS);
}

/* The probe has been made; then nothing arrives any more: two trials wait, the rest does not. */
Test(unit, what_never_arrives_is_not_waited_for_long, .timeout = 60)
{
	unsigned int silent = 0;
	uint64_t start_ns;

	ringing_require();
	fake_kern_use();
	kern_probe();
	fake_kern.loses = true;
	start_ns = ktls_deadline_clock();

	for (unsigned int i = KTLS_TRIAL_RING + 1; i < _KTLS_TRIAL_N; i++)
		silent += answer_of(i).reason == KTLS_REASON_NO_ANSWER;

	assert_reason(KTLS_TRIAL_SEND, KTLS_REASON_NONE); /* by the ring */
	assert_reason(KTLS_TRIAL_RECV, KTLS_REASON_NO_ANSWER);
	cr_assert_eq(answer_of(KTLS_TRIAL_RECV).reason_errno, ETIMEDOUT);
	cr_assert_gt(silent, 10);
	cr_assert_lt(ktls_deadline_clock() - start_ns, 15000000000ull);
}

Test(unit, what_arrives_changed_is_unsound)
{
	ringing_require();
	fake_kern_use();
	kern_probe();
	fake_kern.corrupts = true;

	assert_reason(KTLS_TRIAL_SEND, KTLS_REASON_UNSOUND);
	assert_reason(KTLS_TRIAL_WRITE, KTLS_REASON_UNSOUND);
	assert_reason(KTLS_TRIAL_SPLICE_IN, KTLS_REASON_UNSOUND);
}

/* -- the answers to a program -- */

Test(unit, it_is_made_once_and_leaves_nothing)
{
	unsigned int attaches, fds;

	ringing_require();
	fake_kern_use();
	kern_probe();
	uring_probe();
	fds = kit_count_fds();
	answer_of(KTLS_TRIAL_SEND);
	attaches = fake_kern.attaches;

	answer_of(KTLS_TRIAL_CLOSE);
	cr_assert_eq(fake_kern.attaches, attaches);
	cr_assert_eq(kit_count_fds(), fds);
}

Test(unit, every_trial_has_a_name_and_a_sentence)
{
	for (unsigned int a = 0; a < _KTLS_TRIAL_N; a++) {
		cr_assert_gt(strlen(ktls_trial_text(a)), 3);
		for (const char *at = ktls_trial_name(a); *at; at++)
			cr_assert((*at >= 'a' && *at <= 'z') || *at == '-', "%s",
				  ktls_trial_name(a));
		for (unsigned int b = a + 1; b < _KTLS_TRIAL_N; b++) {
			cr_assert(strcmp(ktls_trial_name(a), ktls_trial_name(b)));
			cr_assert(strcmp(ktls_trial_text(a), ktls_trial_text(b)));
		}
	}
	cr_assert_str_eq(ktls_trial_name(_KTLS_TRIAL_N), "unknown");
	cr_assert_str_eq(ktls_trial_text(UINT32_MAX), "unknown");
}

Test(unit, an_older_and_a_newer_program_get_their_own_size)
{
	struct {
		struct ktls_trial_answer answer;
		uint8_t newer[8];
	} mine;

	fake_kern_use();
	fake_kern.no_ulp = ENOPROTOOPT;
	memset(&mine, 0xaa, sizeof(mine));

	cr_assert_eq(ktls_probe_ring(KTLS_TRIAL_SEND, &mine.answer, sizeof(uint32_t)), 0);
	cr_assert_eq((uint32_t)mine.answer.reason_errno, 0xaaaaaaaau, "beyond its size");
	cr_assert_eq(ktls_probe_ring(KTLS_TRIAL_SEND, &mine.answer, sizeof(mine)), 0);
	for (size_t i = 0; i < sizeof(mine.newer); i++)
		cr_assert_eq(mine.newer[i], 0);
}

Test(unit, what_makes_no_sense_is_an_error)
{
	struct ktls_trial_answer answer;

	cr_assert_eq(ktls_probe_ring(_KTLS_TRIAL_N, &answer, sizeof(answer)), -EINVAL);
	cr_assert_eq(ktls_probe_ring(KTLS_TRIAL_SEND, NULL, sizeof(answer)), -EINVAL);
	cr_assert_eq(ktls_probe_ring(KTLS_TRIAL_SEND, &answer, 0), -EINVAL);
}
