/* SPDX-License-Identifier: MIT */

/* What can be wrong with a file that is sent (file_fault.h). sendfile(2) and the kernel's keys;
 * test_files.c has userspace protection. */

#include <criterion/criterion.h>

#include "file_fault.h"
#include "kit.h"

TestSuite(kernel, .init = kit_require_tls);

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

Test(kernel, what_is_no_file_or_not_in_it_is_refused_and_nothing_sent)
{
	for (int i = 0; i < 2; i++)
		file_fault_refused(protocols[i], KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_file_that_shrinks_between_two_calls_never_looks_whole)
{
	for (int i = 0; i < 2; i++)
		file_fault_shrinks_between(protocols[i], KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_file_that_shrinks_during_a_call_never_looks_whole)
{
	for (int i = 0; i < 2; i++)
		file_fault_shrinks_during(protocols[i], KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_file_that_grows_is_sent_as_far_as_was_asked)
{
	for (int i = 0; i < 2; i++)
		file_fault_grows(protocols[i], KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_peer_that_is_gone_is_an_error_and_no_signal)
{
	for (int i = 0; i < 2; i++)
		file_fault_peer_is_gone(protocols[i], KTLS_OFFLOAD_REQUIRED);
}
