/* SPDX-License-Identifier: MIT */

/* What a machine with tls says of itself, and the drivers of the ciphers that work on it. */

#include <string.h>

#include <criterion/criterion.h>

#include <ktls/system.h>

#include "tests/kit.h"

TestSuite(kernel, .init = kit_require_tls);

Test(kernel, a_kernel_with_tls_says_so)
{
	struct ktls_system system;

	cr_assert_eq(ktls_system_read(&system, sizeof(system)), 0);

	cr_assert(strstr(system.ulps, "tls"), "%s", system.ulps);
	cr_assert_eq(system.ulp, KTLS_ANSWER_YES);
	cr_assert(system.module == KTLS_MODULE_LOADED || system.module == KTLS_MODULE_BUILT_IN,
		  "%s", ktls_module_name(system.module));
	cr_assert_gt(system.sysctl[KTLS_SYSCTL_TCP_NOTSENT_LOWAT], 0);
	cr_assert_gt(system.sysctl[KTLS_SYSCTL_TCP_WMEM_MAX], 0);
	cr_assert_gt(system.sysctl[KTLS_SYSCTL_TCP_RMEM_MAX], 0);
}

Test(kernel, every_cipher_that_works_has_a_driver_that_is_known)
{
	const struct ktls_probe *probe = kern_probe();

	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		struct ktls_crypto_driver driver;
		int r = ktls_crypto_driver_read(i, &driver, sizeof(driver));

		cr_assert_eq(r == 0, probe->tls12[i][KTLS_TX] == KTLS_REASON_NONE, "%s: %s",
			     ktls_cipher_name(i), ktls_strerrorname(r));
		if (r)
			continue;
		cr_assert_neq(driver.speed, KTLS_CRYPTO_UNKNOWN, "%s", driver.driver);
		cr_assert_neq(driver.async, KTLS_ANSWER_UNKNOWN, "%s", driver.driver);
		cr_assert_gt(driver.priority, 0);
	}
}
