/* SPDX-License-Identifier: MIT */

/*
 * Faults at every call of a connection that the kernel protects: as in test_faults.c, whose rules
 * hold here too, on real kernels.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>

#include "fault.h"
#include "kit.h"

enum {
	STRIDE = 3, /* calls between two faults: an emulator does not do all */
};

TestSuite(kernel, .init = kit_require_tls);

static void live(enum ktls_protocol protocol, enum pair_end subject, enum fault_outcome outcome)
{
	struct scenario scenario =
		scenario_new(protocol, subject, KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_AT_ONCE);

	fault_at_every_call(&scenario, outcome, STRIDE);
	scenario_free(&scenario);
}

Test(kernel, a_life_without_faults_is_the_kernels)
{
	for (int i = 0; i < 4; i++) {
		struct scenario scenario = scenario_new(i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2, i / 2,
							KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_AT_ONCE);
		struct scenario_run run = scenario_run(&scenario, NULL);
		struct ktls_info info;

		cr_assert(!ktls_conn_get_info(run.pair.conn[i / 2], &info, sizeof(info)));
		cr_assert(run.step == SCENARIO_DONE && run.peer_rc == KTLS_EOF && !seam.leaked);
		cr_assert(seam.keyed);
		for (int d = 0; d < 2; d++)
			cr_assert(info.protection[d] == KTLS_PROTECTION_KERNEL);
		scenario_run_free(&run);
		scenario_free(&scenario);
	}
}

Test(kernel, delays_at_every_call_of_a_tls12_client)
{
	live(KTLS_TLS_1_2, PAIR_CLIENT, FAULT_DELAY);
}

Test(kernel, delays_at_every_call_of_a_tls13_server)
{
	live(KTLS_TLS_1_3, PAIR_SERVER, FAULT_DELAY);
}

Test(kernel, errors_at_every_call_of_a_tls12_server)
{
	live(KTLS_TLS_1_2, PAIR_SERVER, FAULT_ERROR);
}

Test(kernel, errors_at_every_call_of_a_tls13_client)
{
	live(KTLS_TLS_1_3, PAIR_CLIENT, FAULT_ERROR);
}

Test(kernel, departures_at_every_call_of_a_tls12_server)
{
	live(KTLS_TLS_1_2, PAIR_SERVER, FAULT_DEPARTURE);
}

Test(kernel, departures_at_every_call_of_a_tls13_server)
{
	live(KTLS_TLS_1_3, PAIR_SERVER, FAULT_DEPARTURE);
}

Test(kernel, departures_at_every_call_of_a_tls13_client)
{
	live(KTLS_TLS_1_3, PAIR_CLIENT, FAULT_DEPARTURE);
}

Test(kernel, a_life_of_short_calls_moves_the_same_bytes)
{
	for (int i = 0; i < 4; i++) {
		struct scenario scenario = scenario_new(i & 1 ? KTLS_TLS_1_3 : KTLS_TLS_1_2, i / 2,
							KTLS_OFFLOAD_AT_ONCE, KTLS_OFFLOAD_AT_ONCE);

		fault_short_calls(&scenario, 1500);
		scenario_free(&scenario);
	}
}
