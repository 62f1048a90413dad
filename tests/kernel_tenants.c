/* SPDX-License-Identifier: MIT */

/* A tenant that wants the kernel, on a server that does not, and the other way round. */

#include <criterion/criterion.h>

#include "kit.h"
#include "tenancy.h"
#include "visit.h"

TestSuite(kernel, .init = kit_require_tls);

static void want(struct ktls_config *config, enum ktls_offload when)
{
	cr_assert(!ktls_config_set_offload(config, KTLS_TX, when, 0));
}

Test(kernel, where_records_are_protected_is_the_tenants_to_say)
{
	for (int wants = 0; wants < 2; wants++) {
		struct ktls_config *server = tenancy_server("base.example", NULL);
		struct ktls_config *tenant = tenancy_server("a.example", NULL);
		struct pair pair;
		struct ktls_info info;

		want(wants ? tenant : server, KTLS_OFFLOAD_REQUIRED);
		tenancy_add(server, "a.example", tenant);
		pair = tenancy_meet(tenancy_client(NULL, 0), server, "a.example");
		info = visit_info(pair.conn[PAIR_SERVER]);
		cr_assert_eq(info.protection[KTLS_TX],
			     wants ? KTLS_PROTECTION_KERNEL : KTLS_PROTECTION_USER);
		cr_assert_eq(info.protection[KTLS_RX], KTLS_PROTECTION_USER);
		pair_move(&pair, PAIR_CLIENT, 100000, 7000);
		pair_move(&pair, PAIR_SERVER, 100000, 7000);
		pair_close(&pair);
		pair_free(&pair);
	}
}
