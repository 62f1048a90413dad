/* SPDX-License-Identifier: MIT */

/* System calls of reads and writes, with the records in userspace; kernel_syscalls.c has the same
 * in the kernel. */

#include <criterion/criterion.h>

#include "syscalls.h"

Test(unit, a_call_is_one_system_call_and_a_wait_one_more)
{
	syscalls_count(KTLS_OFFLOAD_NEVER);
}

Test(unit, many_small_pieces_are_one_system_call)
{
	syscalls_count_of_a_list(KTLS_OFFLOAD_NEVER);
}
