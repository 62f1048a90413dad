/* SPDX-License-Identifier: MIT */

/* Reads and writes, with the records in userspace; kernel_conn_io.c has the same in the kernel. */

#include <criterion/criterion.h>
#include <errno.h>

#include "calls.h"
#include "pair.h"

Test(unit, many_small_pieces_are_one_record)
{
	calls_join_pieces(KTLS_OFFLOAD_NEVER);
}

Test(unit, a_list_goes_on_in_the_middle_of_a_piece)
{
	calls_go_on_in_the_middle(KTLS_OFFLOAD_NEVER);
}

Test(unit, ten_thousand_reads_that_never_wait_do_no_harm_to_a_record)
{
	calls_read_a_trickle(KTLS_OFFLOAD_NEVER);
}

Test(unit, a_peer_that_does_not_read_is_not_written_to_without_end)
{
	calls_press_back(KTLS_OFFLOAD_NEVER);
}

/* A socket that blocks is made not to: its deadlines hold as any other's. */
Test(unit, a_blocking_socket_keeps_a_short_deadline)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_open(&options);
	uint8_t byte;
	size_t n;

	cr_assert_eq(ktls_conn_read(pair.conn[0], &byte, 1, ktls_deadline_in(5), &n),
		     KTLS_TIMEDOUT);
	pair_free(&pair);
}

/* What decides how large the buffers are that hold what was read is set before there is any. */
Test(unit, buffers_are_not_changed_under_what_was_half_read)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_open(&options);
	uint8_t bytes[10];
	size_t n;

	cr_assert(!ktls_conn_write(pair.conn[0], "0123456789", 10, KTLS_FOREVER, &n));
	cr_assert(!ktls_conn_read(pair.conn[1], bytes, 1, KTLS_FOREVER, &n) && n == 1);
	cr_assert_eq(ktls_config_set_buffers(pair.config[1], 10), -EBUSY);
	cr_assert(!ktls_conn_read(pair.conn[1], bytes, 9, KTLS_FOREVER, &n) && n == 9);
	cr_assert(bytes[0] == '1' && bytes[8] == '9');
	pair_free(&pair);
}
