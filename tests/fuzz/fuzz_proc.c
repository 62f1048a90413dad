/* SPDX-License-Identifier: MIT */

/*
 * The kernel's text files (src/counters.c, src/crypto.c), as if somebody else had written them. The
 * first byte of the input is the cipher whose driver is looked for, beside the counters; the rest
 * is the file. What was read stays within its bounds, and is the same twice.
 */

#include <assert.h>

#include "counters.h"
#include "system.h"
#include "target.h"

static void check_counters(const char *text, size_t len)
{
	struct ktls_counters counters, difference;

	if (ktls_counters_parse(text, len, &counters))
		return;
	assert(counters.known && counters.known < 1ull << _KTLS_COUNTER_N);
	for (unsigned int i = 0; i < 32; i++)
		assert(ktls_counters_has(&counters, i) || !counters.value[i]);
	assert(!ktls_counters_difference(&counters, &counters, &difference, sizeof(difference)));
	assert(difference.known == counters.known && !difference.restarted);
}

static void check_driver(const char *text, size_t len, unsigned int cipher)
{
	const struct ktls_system system = { .cpu_aes = KTLS_ANSWER_YES };
	struct ktls_crypto_driver driver;

	if (ktls_crypto_parse(text, len, cipher, &driver))
		return;
	assert(driver.driver[0] && memchr(driver.driver, '\0', sizeof(driver.driver)));
	assert(memchr(driver.module, '\0', sizeof(driver.module)));
	assert(driver.speed < _KTLS_CRYPTO_N && driver.async < _KTLS_ANSWER_N);
	assert(ktls_crypto_driver_remedy(&driver, &system));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input input = { data, len };
	unsigned int cipher = input_u8(&input);

	check_counters((const char *)input.at, input.left);
	check_driver((const char *)input.at, input.left, cipher);
	return 0;
}
