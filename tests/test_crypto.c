/* SPDX-License-Identifier: MIT */

/* Which driver serves a cipher: from what kernels said after every cipher had been used, with the
 * CPU's drivers and without, and from what none says. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <ktls/error.h>

#include "system.h"

/* As the kernel writes them, but for lines that say nothing here. */
#define BLOCK(name, driver, module, priority, internal, type, async) \
	"name         : " name "\n"                                  \
	"driver       : " driver "\n"                                \
	"module       : " module "\n"                                \
	"priority     : " priority "\n"                              \
	"refcnt       : 1\n"                                         \
	"selftest     : passed\n"                                    \
	"internal     : " internal "\n"                              \
	"type         : " type "\n"                                  \
	"async        : " async "\n"                                 \
	"blocksize    : 1\n\n"

/* What serves, and what has other work. */
#define AEAD(name, driver, module, priority, async) \
	BLOCK(name, driver, module, priority, "no", "aead", async)
#define PART(name, driver, module) BLOCK(name, driver, module, "100", "no", "shash", "no")

#define CHACHA "rfc7539(chacha20,poly1305)"

/* clang-format off */
static const char linux_6_1[] =
	AEAD(CHACHA, "rfc7539(chacha20-simd,poly1305-simd)", "chacha20poly1305", "300", "no")
	PART("poly1305", "poly1305-generic", "poly1305_generic")
	PART("chacha20", "chacha20-generic", "chacha_generic")
	BLOCK("__ctr(aes)", "cryptd(__ctr-aes-aesni)", "cryptd", "450", "yes", "skcipher", "yes")
	AEAD("ccm(aes)", "ccm_base(ctr-aes-aesni,cbcmac(aes-aesni))", "ccm", "350", "yes")
	BLOCK("__gcm(aes)", "cryptd(__generic-gcm-aesni)", "cryptd", "450", "yes", "aead", "yes")
	AEAD("gcm(aes)", "generic-gcm-aesni", "aesni_intel", "400", "yes")
	BLOCK("__gcm(aes)", "__generic-gcm-aesni", "aesni_intel", "400", "yes", "aead", "no")
	PART("aes", "aes-aesni", "aesni_intel")
	PART("aes", "aes-generic", "kernel");

/* 6.12 says the same. */
static const char linux_6_1_without_aesni[] =
	AEAD(CHACHA, "rfc7539(chacha20-generic,poly1305-generic)", "chacha20poly1305", "100", "no")
	PART("poly1305", "poly1305-generic", "poly1305_generic")
	PART("chacha20", "chacha20-generic", "chacha_generic")
	AEAD("ccm(aes)", "ccm_base(ctr(aes-generic),cbcmac(aes-generic))", "ccm", "100", "no")
	PART("cbcmac(aes)", "cbcmac(aes-generic)", "ccm")
	AEAD("gcm(aes)", "gcm_base(ctr(aes-generic),ghash-clmulni)", "gcm", "250", "yes")
	PART("ghash", "ghash-clmulni", "ghash_clmulni_intel")
	PART("aes", "aes-generic", "kernel");

static const char linux_6_12[] =
	AEAD(CHACHA, "rfc7539(chacha20-simd,poly1305-simd)", "chacha20poly1305", "300", "no")
	PART("poly1305", "poly1305-generic", "poly1305_generic")
	PART("chacha20", "chacha20-generic", "chacha_generic")
	AEAD("ccm(aes)", "ccm_base(ctr-aes-aesni,cbcmac(aes-aesni))", "ccm", "350", "yes")
	BLOCK("__gcm(aes)", "cryptd(__generic-gcm-aesni-avx)", "cryptd",
	      "550", "yes", "aead", "yes")
	AEAD("gcm(aes)", "generic-gcm-aesni-avx", "aesni_intel", "500", "yes")
	BLOCK("__gcm(aes)", "__generic-gcm-aesni-avx", "aesni_intel", "500", "yes", "aead", "no")
	AEAD("gcm(aes)", "generic-gcm-aesni", "aesni_intel", "400", "yes")
	PART("aes", "aes-aesni", "aesni_intel")
	PART("aes", "aes-generic", "kernel");

static const char linux_7_2[] =
	AEAD(CHACHA, "rfc7539(chacha20-lib,poly1305-generic)", "chacha20poly1305", "300", "no")
	PART("chacha20", "chacha20-lib", "chacha")
	AEAD("ccm(aes)", "ccm_base(ctr-aes-aesni-avx,cbcmac-aes-lib)", "ccm", "400", "no")
	AEAD("gcm(aes)", "generic-gcm-aesni-avx", "aesni_intel", "500", "no")
	AEAD("gcm(aes)", "generic-gcm-aesni", "aesni_intel", "400", "no")
	PART("cbcmac(aes)", "cbcmac-aes-lib", "kernel")
	PART("aes", "aes-lib", "kernel");

static const char linux_7_2_without_aesni[] =
	AEAD(CHACHA, "rfc7539(chacha20-lib,poly1305-generic)", "chacha20poly1305", "300", "no")
	PART("chacha20", "chacha20-lib", "chacha")
	AEAD("ccm(aes)", "ccm_base(ctr(aes-lib),cbcmac-aes-lib)", "ccm", "200", "no")
	AEAD("gcm(aes)", "gcm_base(ctr(aes-lib),ghash-lib)", "gcm", "100", "no")
	PART("ctr(aes)", "ctr(aes-lib)", "ctr")
	PART("aes", "aes-lib", "kernel");
/* clang-format on */

struct row {
	const char *text;
	const char *driver;
	uint16_t cipher;
	uint16_t speed;
	uint16_t async;
};

static const struct row rows[] = {
	{ linux_6_1, "generic-gcm-aesni", KTLS_AES_128_GCM, KTLS_CRYPTO_ACCELERATED,
	  KTLS_ANSWER_YES },
	{ linux_6_1, "ccm_base(ctr-aes-aesni,cbcmac(aes-aesni))", KTLS_AES_128_CCM,
	  KTLS_CRYPTO_ACCELERATED, KTLS_ANSWER_YES },
	{ linux_6_1, "rfc7539(chacha20-simd,poly1305-simd)", KTLS_CHACHA20_POLY1305,
	  KTLS_CRYPTO_ACCELERATED, KTLS_ANSWER_NO },
	{ linux_6_1_without_aesni, "gcm_base(ctr(aes-generic),ghash-clmulni)", KTLS_AES_256_GCM,
	  KTLS_CRYPTO_GENERIC, KTLS_ANSWER_YES },
	{ linux_6_1_without_aesni, "ccm_base(ctr(aes-generic),cbcmac(aes-generic))",
	  KTLS_AES_128_CCM, KTLS_CRYPTO_GENERIC, KTLS_ANSWER_NO },
	{ linux_6_1_without_aesni, "rfc7539(chacha20-generic,poly1305-generic)",
	  KTLS_CHACHA20_POLY1305, KTLS_CRYPTO_GENERIC, KTLS_ANSWER_NO },
	{ linux_6_12, "generic-gcm-aesni-avx", KTLS_AES_256_GCM, KTLS_CRYPTO_ACCELERATED,
	  KTLS_ANSWER_YES },
	{ linux_6_12, "rfc7539(chacha20-simd,poly1305-simd)", KTLS_CHACHA20_POLY1305,
	  KTLS_CRYPTO_ACCELERATED, KTLS_ANSWER_NO },
	{ linux_7_2, "generic-gcm-aesni-avx", KTLS_AES_128_GCM, KTLS_CRYPTO_ACCELERATED,
	  KTLS_ANSWER_NO },
	{ linux_7_2, "ccm_base(ctr-aes-aesni-avx,cbcmac-aes-lib)", KTLS_AES_128_CCM,
	  KTLS_CRYPTO_LIBRARY, KTLS_ANSWER_NO },
	{ linux_7_2, "rfc7539(chacha20-lib,poly1305-generic)", KTLS_CHACHA20_POLY1305,
	  KTLS_CRYPTO_LIBRARY, KTLS_ANSWER_NO },
	{ linux_7_2_without_aesni, "gcm_base(ctr(aes-lib),ghash-lib)", KTLS_AES_128_GCM,
	  KTLS_CRYPTO_LIBRARY, KTLS_ANSWER_NO },
	{ linux_7_2_without_aesni, "ccm_base(ctr(aes-lib),cbcmac-aes-lib)", KTLS_AES_128_CCM,
	  KTLS_CRYPTO_LIBRARY, KTLS_ANSWER_NO },
};

static struct ktls_crypto_driver driver_in(const char *text, unsigned int cipher)
{
	struct ktls_crypto_driver driver;
	int r = ktls_crypto_parse(text, strlen(text), cipher, &driver);

	cr_assert_eq(r, 0, "%s: %s", text, ktls_strerrorname(r));
	return driver;
}

Test(unit, the_best_driver_of_each_kernel_is_found_and_judged)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct ktls_crypto_driver driver = driver_in(row->text, row->cipher);

		cr_assert_str_eq(driver.driver, row->driver);
		cr_assert_eq(driver.speed, row->speed, "%s: %s", row->driver,
			     ktls_crypto_speed_name(driver.speed));
		cr_assert_eq(driver.async, row->async, "%s", row->driver);
	}
}

Test(unit, a_driver_has_its_module_and_its_priority)
{
	struct ktls_crypto_driver driver = driver_in(linux_7_2, KTLS_AES_128_GCM);

	cr_assert_str_eq(driver.algorithm, "gcm(aes)");
	cr_assert_str_eq(driver.module, "aesni_intel");
	cr_assert_eq(driver.priority, 500);
}

/* By name alone: what other machines have. */
Test(unit, names_say_how_fast_a_driver_is)
{
	static const struct {
		const char *driver;
		unsigned int speed;
	} names[] = {
		{ "gcm-aes-ce", KTLS_CRYPTO_ACCELERATED },
		{ "gcm_base(ctr-aes-neonbs,ghash-neon)", KTLS_CRYPTO_ACCELERATED },
		{ "generic-gcm-vaes-avx512", KTLS_CRYPTO_ACCELERATED },
		{ "gcm-aes-s390", KTLS_CRYPTO_ACCELERATED },
		{ "aes-fixed-time", KTLS_CRYPTO_GENERIC },
		{ "gcm_base(ctr(aes-fixed-time),ghash-ce)", KTLS_CRYPTO_LIBRARY },
		{ "gcm-aes-caam", KTLS_CRYPTO_DEVICE },
		{ "qat_aes_gcm", KTLS_CRYPTO_DEVICE },
		{ "cryptd(generic-gcm-aesni)", KTLS_CRYPTO_THREAD },
		{ "pcrypt(generic-gcm-aesni)", KTLS_CRYPTO_THREAD },
		{ "gcm-cetacean", KTLS_CRYPTO_UNKNOWN },
		{ "gcm_base(ctr-aes-ce,whatever)", KTLS_CRYPTO_UNKNOWN },
		{ "gcm_base(", KTLS_CRYPTO_UNKNOWN },
		{ "((,))", KTLS_CRYPTO_UNKNOWN },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "name: gcm(aes)\ndriver: %s\nselftest: passed\ntype: aead\n",
			 names[i].driver);
		cr_assert_eq(driver_in(text, KTLS_AES_128_GCM).speed, names[i].speed, "%s: %s",
			     names[i].driver,
			     ktls_crypto_speed_name(driver_in(text, KTLS_AES_128_GCM).speed));
	}
}

Test(unit, what_cannot_serve_is_passed_over)
{
	static const char *const lines[] = {
		"selftest : unknown", "internal : yes",	 "fips : no",
		"type : larval",      "name : gcm(sm4)", "driver :",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct ktls_crypto_driver driver = { .priority = 77 };
		char text[512];

		snprintf(text, sizeof(text),
			 "name: gcm(aes)\ndriver: better\nselftest: passed\ninternal: no\nfips: "
			 "yes\n"
			 "type: aead\npriority: 900\n%s\n\n",
			 lines[i]);
		cr_assert_eq(ktls_crypto_parse(text, strlen(text), KTLS_AES_128_GCM, &driver),
			     -ENOENT, "%s", lines[i]);
		cr_assert_eq(driver.priority, 77);
		strcat(text, "name: gcm(aes)\ndriver: worse\nselftest: passed\ntype: aead");
		cr_assert_str_eq(driver_in(text, KTLS_AES_128_GCM).driver, "worse", "%s", lines[i]);
	}
}

Test(unit, of_two_alike_the_first_serves)
{
	static const char text[] =
		"name: gcm(aes)\ndriver: a\nselftest: passed\ntype: aead\npriority: 5\n\n\n"
		"name: gcm(aes)\ndriver: b\nselftest: passed\ntype: aead\npriority: 5\nasync: "
		"maybe\n";
	struct ktls_crypto_driver driver = driver_in(text, KTLS_AES_128_GCM);

	cr_assert_str_eq(driver.driver, "a");
	cr_assert_eq(driver.async, KTLS_ANSWER_UNKNOWN);
}

Test(unit, a_text_without_the_cipher_has_no_driver)
{
	static const char *const texts[] = {
		"", "\n\n", "name", "name:gcm(aes)", ":\n:", linux_7_2
	};
	struct ktls_crypto_driver driver;
	char text[1024];

	for (size_t i = 0; i < 5; i++)
		cr_assert_eq(ktls_crypto_parse(texts[i], strlen(texts[i]), KTLS_AES_128_GCM,
					       &driver),
			     -ENOENT);
	cr_assert_eq(ktls_crypto_parse(linux_7_2, 100, KTLS_AES_128_GCM, &driver), -ENOENT);
	cr_assert_eq(ktls_crypto_parse(linux_7_2, 100, _KTLS_CIPHER_N, &driver), -EINVAL);

	/* A name that no driver can have. */
	snprintf(text, sizeof(text),
		 "name: gcm(aes)\nselftest: passed\ntype: aead\ndriver: %0200d\n", 1);
	cr_assert_eq(ktls_crypto_parse(text, strlen(text), KTLS_AES_128_GCM, &driver), -ENOENT);
}

/*
 * -- remedies --
 */

static const char *remedy_of(const char *text, unsigned int cipher, uint16_t cpu)
{
	const struct ktls_system system = { .cpu_aes = cpu, .cpu_simd = cpu };
	struct ktls_crypto_driver driver = driver_in(text, cipher);

	return ktls_crypto_driver_remedy(&driver, &system);
}

Test(unit, what_is_slow_has_a_remedy_that_fits_the_cpu)
{
	const char *text = linux_6_1_without_aesni;

	cr_assert(
		strstr(remedy_of(text, KTLS_AES_128_GCM, KTLS_ANSWER_YES), "modprobe aesni_intel"));
	cr_assert(strstr(remedy_of(text, KTLS_AES_128_CCM, KTLS_ANSWER_UNKNOWN), "if it has any"));
	cr_assert(strstr(remedy_of(text, KTLS_AES_128_GCM, KTLS_ANSWER_NO), "CHACHA20"));
	cr_assert(
		strstr(remedy_of(text, KTLS_CHACHA20_POLY1305, KTLS_ANSWER_YES), "chacha_x86_64"));
	cr_assert(
		strstr(remedy_of(text, KTLS_CHACHA20_POLY1305, KTLS_ANSWER_UNKNOWN), "if it has"));
	cr_assert(strstr(remedy_of(text, KTLS_CHACHA20_POLY1305, KTLS_ANSWER_NO), "nothing"));
	cr_assert(strstr(remedy_of(linux_7_2_without_aesni, KTLS_AES_128_GCM, KTLS_ANSWER_YES),
			 "modprobe aesni_intel"));
	cr_assert(
		strstr(remedy_of("name: gcm(aes)\ndriver: cryptd(a)\nselftest: passed\ntype: aead",
				 KTLS_AES_128_GCM, KTLS_ANSWER_YES),
		       "cryptd"));
}

Test(unit, what_is_as_fast_as_it_gets_needs_none)
{
	for (unsigned int i = 0; i < _KTLS_CIPHER_N; i++) {
		cr_assert_str_eq(remedy_of(linux_6_1, i, KTLS_ANSWER_YES), "");
		cr_assert_str_eq(remedy_of(linux_7_2, i, KTLS_ANSWER_YES), "");
	}
	cr_assert_str_eq(remedy_of(linux_7_2_without_aesni, KTLS_AES_128_GCM, KTLS_ANSWER_NO), "");
}

Test(unit, this_machine_is_read_as_it_is)
{
	struct ktls_crypto_driver driver = { .priority = 77 };
	int r = ktls_crypto_driver_read(KTLS_AES_128_GCM, &driver, sizeof(driver));

	cr_assert(r == 0 || r == -ENOENT || r == -EACCES, "%s", ktls_strerrorname(r));
	cr_assert_eq(r == 0, driver.driver[0] != '\0');
	cr_assert_eq(ktls_crypto_driver_read(_KTLS_CIPHER_N, &driver, sizeof(driver)), -EINVAL);
	cr_assert_eq(ktls_crypto_driver_read(0, NULL, sizeof(driver)), -EINVAL);
	cr_assert_eq(ktls_crypto_driver_read(0, &driver, 0), -EINVAL);
}

Test(unit, every_speed_has_a_name_of_its_own)
{
	for (unsigned int i = 0; i < _KTLS_CRYPTO_N; i++)
		for (unsigned int j = 0; j < i; j++)
			cr_assert_str_neq(ktls_crypto_speed_name(i), ktls_crypto_speed_name(j));
	cr_assert_str_eq(ktls_crypto_speed_name(_KTLS_CRYPTO_N), "unknown");
}
