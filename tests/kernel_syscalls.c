/* SPDX-License-Identifier: MIT */

/* System calls of reads and writes, with the records in the kernel; test_syscalls.c has the same in
 * userspace. */

#include <criterion/criterion.h>

#include "kit.h"
#include "syscalls.h"

TestSuite(kernel, .init = kit_require_tls);

Test(kernel, a_call_is_one_system_call_and_a_wait_one_more)
{
	syscalls_count(KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, many_small_pieces_are_one_system_call)
{
	syscalls_count_of_a_list(KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, the_callers_memory_is_what_the_kernel_reads_and_fills)
{
	syscalls_pass_memory_on();
}
