/* SPDX-License-Identifier: MIT */

/* Waiting for connections whose records are the kernel's: before 6.12 it calls half of one
 * readable, and any calls a socket writable whose tls holds one. */

#include <criterion/criterion.h>

#include "kit.h"
#include "polling.h"

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

TestSuite(kernel, .init = kit_require_tls);

Test(kernel, half_a_record_is_waited_for)
{
	for (int i = 0; i < 2; i++)
		polling_half_a_record(protocols[i], KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_cut_record_is_an_end)
{
	for (int i = 0; i < 2; i++)
		polling_a_cut_record(protocols[i], KTLS_OFFLOAD_REQUIRED);
}

Test(kernel, a_full_socket_is_waited_for)
{
	for (int i = 0; i < 2; i++)
		polling_a_full_socket(protocols[i], KTLS_OFFLOAD_REQUIRED);
}
