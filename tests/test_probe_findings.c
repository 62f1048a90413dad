/* SPDX-License-Identifier: MIT */

/* `ktls probe` of machines that are made up: what stands in the way, in which order, and that it
 * fits a screen. tests/interop/probe.py has the command itself, on real ones. */

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "probe.h"

static struct probe_facts facts;
static struct probe_findings findings;

/* A machine on which all is well. */
static void setup(void)
{
	facts = (struct probe_facts){ .tried_ring = true };
	strcpy(facts.system.release, "7.2.12+deb13-amd64");
	facts.system.module = KTLS_MODULE_LOADED;
	facts.system.cpu_aes = facts.system.cpu_simd = KTLS_ANSWER_YES;
	for (size_t i = 0; i < sizeof(facts.system.sysctl) / sizeof(int64_t); i++)
		facts.system.sysctl[i] = KTLS_SYSCTL_UNKNOWN;
}

TestSuite(unit, .init = setup);

static const struct probe_obstacle *conclude(size_t n)
{
	probe_conclude(&facts, &findings);
	cr_assert_eq(findings.n, n, "%zu, not %zu: %s", findings.n, n, findings.obstacles[0].text);
	for (size_t i = 1; i < n; i++)
		cr_assert_leq(findings.obstacles[i - 1].weight, findings.obstacles[i].weight);
	return findings.obstacles;
}

/* No line is wider than a screen; colours take no room. */
static char *print_text(bool color)
{
	char *text = NULL;
	size_t len = 0, column = 0;
	FILE *stream = open_memstream(&text, &len);

	probe_print_text(stream, &facts, &findings, color);
	cr_assert_eq(fclose(stream), 0);
	for (const char *at = text; *at; at++) {
		if (*at == '\033')
			at = strchr(at, 'm');
		else
			column = *at == '\n' ? 0 : column + 1;
		cr_assert_leq(column, 80, "%.100s", at - 80);
	}
	return text;
}

static bool prints(const char *words)
{
	char *text = print_text(false);
	bool found = strstr(text, words) != NULL;

	free(text);
	return found;
}

static void fail_everything(uint16_t reason)
{
	struct ktls_probe *probe = &facts.probe;

	probe->ulp = probe->rekey[0] = probe->rekey[1] = reason;
	for (size_t i = 0; i < _KTLS_CIPHER_N; i++)
		for (size_t d = 0; d < _KTLS_DIRECTION_N; d++)
			probe->tls12[i][d] = probe->tls13[i][d] = reason;
}

Test(unit, where_all_is_well_nothing_stands_in_the_way)
{
	conclude(0);

	cr_assert_eq(findings.verdict, PROBE_FULL);
	cr_assert(prints("What stands in the way\nnothing\n"));
}

Test(unit, without_the_module_only_that_is_said)
{
	static const struct {
		enum ktls_module module;
		int64_t disabled;
		const char *remedy;
	} rows[] = {
		{ KTLS_MODULE_LOADABLE, 0, "load it: modprobe tls" },
		{ KTLS_MODULE_LOADABLE, 1, "boot again" },
		{ KTLS_MODULE_ABSENT, 0, "CONFIG_TLS" },
		{ KTLS_MODULE_NOT_LOADED, 0, "outside of any container" },
		{ KTLS_MODULE_UNKNOWN, KTLS_SYSCTL_UNKNOWN, "outside of any container" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fail_everything(KTLS_REASON_NO_ULP);
		facts.system.module = (uint16_t)rows[i].module;
		facts.system.sysctl[KTLS_SYSCTL_MODULES_DISABLED] = rows[i].disabled;

		cr_assert_eq(conclude(1)->weight, PROBE_BLOCKS);
		cr_assert_eq(findings.verdict, PROBE_NONE);
		cr_assert_str_eq(findings.obstacles[0].name, "no-ulp");
		cr_assert(strstr(findings.obstacles[0].remedy, rows[i].remedy), "%zu: %s", i,
			  findings.obstacles[0].remedy);
	}
}

Test(unit, what_forbids_it_keeps_its_own_remedy)
{
	fail_everything(KTLS_REASON_SECCOMP);
	facts.system.module = KTLS_MODULE_ABSENT;

	cr_assert_str_eq(conclude(1)->remedy, ktls_reason_remedy(KTLS_REASON_SECCOMP));
}

Test(unit, ciphers_that_fail_alike_are_named_together)
{
	facts.probe.tls13[KTLS_AES_128_CCM][KTLS_TX] = KTLS_REASON_NO_CIPHER;
	facts.probe.tls12[KTLS_CHACHA20_POLY1305][KTLS_RX] = KTLS_REASON_NO_CIPHER;
	facts.probe.tls12[KTLS_AES_256_GCM][KTLS_RX] = KTLS_REASON_REFUSED;

	conclude(2);
	cr_assert_eq(findings.verdict, PROBE_PARTIAL);
	cr_assert(strstr(findings.obstacles[0].text, "AES-128-CCM, CHACHA20-POLY1305: "));
	cr_assert_str_eq(findings.obstacles[1].name, "refused");
}

/* As many as there may be, and each as long. */
Test(unit, everything_at_once_is_in_its_order_and_fits)
{
	static struct ktls_device devices[PROBE_OBSTACLES_MAX];
	char *text;

	facts.probe.tls13[0][0] = KTLS_REASON_NO_CIPHER;
	facts.probe.rekey[KTLS_TX] = facts.probe.rekey[KTLS_RX] = KTLS_REASON_NO_REKEY;
	facts.probe.rx_whole_records = KTLS_REASON_OLD_KERNEL;
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		facts.drivers[i].speed = KTLS_CRYPTO_GENERIC;
		facts.drivers[i].async = KTLS_ANSWER_YES;
		strcpy(facts.drivers[i].algorithm, "gcm(aes)");
		memset(facts.drivers[i].driver, 'd', sizeof(facts.drivers[i].driver) - 1);
	}
	facts.system.sysctl[KTLS_SYSCTL_TCP_NOTSENT_LOWAT] = 16405;
	for (unsigned int i = 0; i < _KTLS_TRIAL_N; i++)
		facts.trials[i].reason = KTLS_REASON_SECCOMP;
	for (unsigned int i = 0; i < _KTLS_COUNTER_N; i++)
		facts.counters.value[i] = UINT64_MAX;
	facts.devices = devices;
	facts.n_devices = PROBE_OBSTACLES_MAX;
	for (size_t i = 0; i < facts.n_devices; i++) {
		memset(devices[i].name, 'n', KTLS_DEVICE_NAME_LEN - 1);
		devices[i].feature[KTLS_DEVICE_TX] = KTLS_DEVICE_OFF;
		devices[i].feature[KTLS_DEVICE_RX] = KTLS_DEVICE_FIXED_OFF;
	}

	conclude(PROBE_OBSTACLES_MAX);
	cr_assert_str_eq(findings.obstacles[0].name, "no-cipher");
	cr_assert_str_eq(findings.obstacles[1].name, "no-rekey");
	cr_assert_str_eq(findings.obstacles[2].name, "slow-driver");
	cr_assert_str_eq(findings.obstacles[6].name, "notsent-lowat");
	cr_assert_str_eq(findings.obstacles[7].name, "old-kernel");
	cr_assert_str_eq(findings.obstacles[8].name, "seccomp");
	cr_assert_str_eq(findings.obstacles[9].name, "decrypt-errors");
	cr_assert_str_eq(findings.obstacles[PROBE_OBSTACLES_MAX - 1].name, "device-off");
	text = print_text(true);
	cr_assert(strstr(text, "\033[31mno-cipher\033[0m:"));
	cr_assert(strstr(text, "TlsDecryptError                 \033[33m18446744073709551615"));
	free(text);
}

Test(unit, what_is_just_enough_is_no_obstacle)
{
	facts.system.sysctl[KTLS_SYSCTL_TCP_NOTSENT_LOWAT] = 16406;
	facts.counters.value[KTLS_COUNTER_DECRYPT_ERROR] = 3;
	facts.counters_error = -2; /* then nothing was counted, whatever is there */
	facts.trials[KTLS_TRIAL_SEND_ZC].reason = KTLS_REASON_REFUSED;

	conclude(0);
	cr_assert(prints("refused, the kernel refused it: send-zc\n"));
}

Test(unit, the_json_is_whole_whatever_is_unknown)
{
	char *text = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	facts.tried_ring = false;
	facts.counters_error = -2;
	facts.devices_error = -1;
	conclude(0);
	cr_assert(probe_print_json(stream, &facts, &findings));
	cr_assert_eq(fclose(stream), 0);

	cr_assert(strstr(text, "\"verdict\": \"full\""));
	cr_assert(strstr(text, "\"io_uring\": null"));
	cr_assert(strstr(text, "\"devices\": null"));
	cr_assert(strstr(text, "\"counters\": null"));
	cr_assert(strstr(text, "\"AES-128-GCM\": null"));
	cr_assert(prints("unknown: "));
	free(text);
}
