/* SPDX-License-Identifier: MIT */

/* Reads and writes, with the records in the kernel; test_conn_io.c has the same in userspace. */

#include <criterion/criterion.h>

#include "calls.h"
#include "kit.h"

Test(kernel, many_small_pieces_are_one_record)
{
	kit_require_tls();
	calls_join_pieces(KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_list_goes_on_in_the_middle_of_a_piece)
{
	kit_require_tls();
	calls_go_on_in_the_middle(KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, ten_thousand_reads_that_never_wait_do_no_harm_to_a_record)
{
	kit_require_tls();
	calls_read_a_trickle(KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_peer_that_does_not_read_is_not_written_to_without_end)
{
	kit_require_tls();
	calls_press_back(KTLS_OFFLOAD_REQUIRED);
}
