/* SPDX-License-Identifier: MIT */

/*
 * Which driver of the kernel's serves a cipher; see ktls/system.h. /proc/crypto has a block of
 * "name : value" for each, with an empty line behind it. The kernel takes the one of the highest
 * priority that is not internal and has passed its tests; of two alike the one that stands first.
 *
 * A driver is known by its name. That of a template names its parts, "ccm_base(ctr(aes-generic),
 * cbcmac(aes-generic))", and is as slow as the slowest of them.
 */

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/sized.h"
#include "ktls/kern.h"
#include "lines.h"
#include "system.h"

enum {
	FILE_MAX = 4 << 20, /* with hundreds of drivers it is 100 KiB */
};

/* As net/tls asks for them. */
static const char *const algorithms[_KTLS_CIPHER_N] = {
	[KTLS_AES_128_GCM] = "gcm(aes)",
	[KTLS_AES_256_GCM] = "gcm(aes)",
	[KTLS_AES_128_CCM] = "ccm(aes)",
	[KTLS_CHACHA20_POLY1305] = "rfc7539(chacha20,poly1305)",
};

/* A block, as much of it as matters. */
struct block {
	struct lines_word name;
	struct lines_word driver;
	struct lines_word module;
	struct lines_word type;
	uint64_t priority;
	bool passed;
	bool internal; /* for other drivers to build on, or forbidden by FIPS */
	enum ktls_answer async;
};

static enum ktls_answer answer_of(struct lines_word value)
{
	if (lines_is(value, "yes"))
		return KTLS_ANSWER_YES;
	return lines_is(value, "no") ? KTLS_ANSWER_NO : KTLS_ANSWER_UNKNOWN;
}

static void put_line(struct block *block, struct lines_word name, struct lines_word value)
{
	if (lines_is(name, "name"))
		block->name = value;
	else if (lines_is(name, "driver"))
		block->driver = value;
	else if (lines_is(name, "module"))
		block->module = value;
	else if (lines_is(name, "type"))
		block->type = value;
	else if (lines_is(name, "priority"))
		(void)lines_take_number(&value, &block->priority);
	else if (lines_is(name, "selftest"))
		block->passed = lines_is(value, "passed");
	else if (lines_is(name, "internal"))
		block->internal |= !lines_is(value, "no");
	else if (lines_is(name, "fips"))
		block->internal |= !lines_is(value, "yes");
	else if (lines_is(name, "async"))
		block->async = answer_of(value);
}

/* The next block, which ends with an empty line or with the text. */
static bool next_block(struct lines *lines, struct block *ret_block)
{
	const struct lines_word none = { "", 0 };
	struct lines_word line, name, value;
	bool begun = false;

	*ret_block = (struct block){ none, none, none, none, 0, false, false, KTLS_ANSWER_UNKNOWN };
	while (lines_next(lines, &line)) {
		if (lines_split(line, &name, &value)) {
			put_line(ret_block, name, value);
			begun = true;
		} else if (begun) {
			break;
		}
	}
	return begun;
}

/*
 * -- names --
 */

static bool ends_with(struct lines_word word, const char *end)
{
	size_t len = strlen(end);

	return word.len >= len && !memcmp(word.at + word.len - len, end, len);
}

static bool begins_with(struct lines_word word, const char *start)
{
	size_t len = strlen(start);

	return word.len >= len && !memcmp(word.at, start, len);
}

/* What is before the first of the characters `ends`, which is taken, too; '\0': there is none. */
static struct lines_word take_part(struct lines_word *left, const char *ends, char *ret_end)
{
	struct lines_word part = { left->at, 0 };

	while (part.len < left->len && !strchr(ends, left->at[part.len]))
		part.len++;
	*ret_end = part.len < left->len ? left->at[part.len] : '\0';
	left->at += part.len + (*ret_end != '\0');
	left->len -= part.len + (*ret_end != '\0');
	return part;
}

/* Whether one of the parts between the dashes begins so; of two letters: is so. */
static bool has_mark(struct lines_word name, const char *const *marks)
{
	char end = '-';

	while (end) {
		struct lines_word part = take_part(&name, "-_", &end);

		for (size_t i = 0; marks[i]; i++) {
			if (begins_with(part, marks[i]) && (marks[i][2] || part.len == 2))
				return true;
		}
	}
	return false;
}

static bool is_registered(const char *text, size_t len, struct lines_word driver)
{
	struct lines lines = { text, len };
	struct block block;

	while (next_block(&lines, &block)) {
		if (block.driver.len == driver.len &&
		    !memcmp(block.driver.at, driver.at, driver.len))
			return true;
	}
	return false;
}

/* The slowest is the least that is said: what is unknown may be slow. */
static unsigned int slower(unsigned int a, unsigned int b)
{
	static const uint8_t rank[_KTLS_CRYPTO_N] = {
		[KTLS_CRYPTO_GENERIC] = 0,     [KTLS_CRYPTO_UNKNOWN] = 1, [KTLS_CRYPTO_LIBRARY] = 2,
		[KTLS_CRYPTO_ACCELERATED] = 3, [KTLS_CRYPTO_THREAD] = 4,  [KTLS_CRYPTO_DEVICE] = 4,
	};

	return rank[a] <= rank[b] ? a : b;
}

/*
 * "-generic" and "-fixed-time" are portable C. But since Linux 6.16 the part of rfc7539 that is
 * called poly1305-generic is the library's, whatever that is made of: then no driver has the name.
 */
static unsigned int leaf_speed(const char *text, size_t len, struct lines_word leaf)
{
	static const char *const cpu[] = { "aesni", "vaes", "avx",  "clmulni", "pclmul", "simd",
					   "ssse3", "sse2", "x86",  "ce",      "neon",	 "arm64",
					   "p8",    "p10",  "vsx",  "vmx",     "s390",	 "zvk",
					   "riscv", "rvv",  "lasx", "padlock", NULL };

	if (ends_with(leaf, "-generic") || ends_with(leaf, "-fixed-time"))
		return is_registered(text, len, leaf) ? KTLS_CRYPTO_GENERIC : KTLS_CRYPTO_LIBRARY;
	if (ends_with(leaf, "-lib"))
		return KTLS_CRYPTO_LIBRARY;
	return has_mark(leaf, cpu) ? KTLS_CRYPTO_ACCELERATED : KTLS_CRYPTO_UNKNOWN;
}

/* Taken as a whole: who else does the work. */
static unsigned int handed_to(struct lines_word driver, struct lines_word module)
{
	static const char *const devices[] = { "qat",	 "caam",     "ccp",   "ccree", "chcr",
					       "cpt",	 "hisi",     "omap",  "qce",   "nitrox",
					       "n5",	 "n5pf",     "stm32", "atmel", "aspeed",
					       "zynqmp", "safexcel", "spacc", NULL };

	if (begins_with(driver, "cryptd(") || begins_with(driver, "pcrypt("))
		return KTLS_CRYPTO_THREAD;
	if (has_mark(driver, devices) || has_mark(module, devices))
		return KTLS_CRYPTO_DEVICE;
	return KTLS_CRYPTO_UNKNOWN;
}

static unsigned int speed_of(const char *text, size_t len, const struct block *block)
{
	unsigned int speed = handed_to(block->driver, block->module);
	struct lines_word left = block->driver;
	bool first = true;
	char end = ',';

	if (speed != KTLS_CRYPTO_UNKNOWN)
		return speed;
	while (end) {
		struct lines_word part = take_part(&left, "(),", &end);
		unsigned int found;

		/* What has parts of its own is as fast as they are. */
		if (!part.len || end == '(')
			continue;
		found = leaf_speed(text, len, part);
		speed = first ? found : slower(speed, found);
		first = false;
	}
	return speed;
}

/*
 * -- the driver --
 */

/* Whether it can serve, and is better than what was found before it. */
static bool is_better(const struct block *block, const char *algorithm, const struct block *best)
{
	return lines_is(block->name, algorithm) && block->driver.len && block->passed &&
	       !block->internal && lines_is(block->type, "aead") &&
	       (!best->driver.len || block->priority > best->priority);
}

int ktls_crypto_parse(const char *text, size_t len, unsigned int cipher,
		      struct ktls_crypto_driver *ret_driver)
{
	struct ktls_crypto_driver driver = { 0 };
	struct block block, best = { 0 };
	struct lines lines = { text, len };

	if (cipher >= _KTLS_CIPHER_N)
		return -EINVAL;
	while (next_block(&lines, &block)) {
		if (is_better(&block, algorithms[cipher], &best))
			best = block;
	}
	if (!best.driver.len)
		return -ENOENT;
	strcpy(driver.algorithm, algorithms[cipher]);
	/* The kernel's names are of at most 127 and 55 characters: what is longer is none of its.
	 */
	if (!lines_copy(best.driver, driver.driver, sizeof(driver.driver)) ||
	    !lines_copy(best.module, driver.module, sizeof(driver.module)))
		return -ENOENT;
	driver.priority = best.priority > UINT32_MAX ? UINT32_MAX : (uint32_t)best.priority;
	driver.speed = (uint16_t)speed_of(text, len, &best);
	driver.async = (uint16_t)best.async;
	*ret_driver = driver;
	return 0;
}

int ktls_crypto_driver_read(unsigned int cipher, struct ktls_crypto_driver *ret_driver, size_t size)
{
	_cleanup_(ktls_bytes_free) struct ktls_bytes text = { 0 };
	struct ktls_crypto_driver driver;
	int r;

	if (cipher >= _KTLS_CIPHER_N || !ret_driver || !size)
		return -EINVAL;
	kern_probe();
	r = ktls_file_read("/proc/crypto", FILE_MAX, &text);
	if (!r)
		r = ktls_crypto_parse((const char *)text.data, text.len, cipher, &driver);
	if (!r)
		ktls_sized_copy(ret_driver, size, &driver, sizeof(driver));
	return r;
}

static const char *generic_remedy(bool is_aes, const struct ktls_system *system)
{
	switch (is_aes ? system->cpu_aes : system->cpu_simd) {
	case KTLS_ANSWER_YES:
		return is_aes ? "load the driver of the CPU's AES instructions (x86: modprobe "
				"aesni_intel)"
			      : "load the driver of the CPU's vector instructions (x86: modprobe "
				"chacha_x86_64 poly1305_x86_64)";
	case KTLS_ANSWER_NO:
		return is_aes ? "this CPU shows no AES instructions: prefer CHACHA20-POLY1305, or "
				"let the hypervisor pass them on"
			      : "this CPU shows no vector instructions; nothing can be done";
	}
	return is_aes ? "load the driver of the CPU's AES instructions, if it has any (x86: "
			"modprobe aesni_intel)"
		      : "load the driver of the CPU's vector instructions, if it has any";
}

const char *ktls_crypto_driver_remedy(const struct ktls_crypto_driver *driver,
				      const struct ktls_system *system)
{
	bool is_aes = strstr(driver->algorithm, "aes") != NULL;

	if (driver->speed == KTLS_CRYPTO_GENERIC)
		return generic_remedy(is_aes, system);
	/* The drivers for whole records of AES-GCM do several blocks at once; the library does not.
	 */
	if (driver->speed == KTLS_CRYPTO_LIBRARY && !strcmp(driver->algorithm, "gcm(aes)") &&
	    system->cpu_aes == KTLS_ANSWER_YES)
		return generic_remedy(true, system);
	if (driver->speed == KTLS_CRYPTO_THREAD)
		return "each record costs a change of threads: unload what wraps the driver "
		       "(cryptd, pcrypt)";
	return "";
}

const char *ktls_crypto_speed_name(unsigned int speed)
{
	static const char *const names[_KTLS_CRYPTO_N] = {
		[KTLS_CRYPTO_UNKNOWN] = "unknown", [KTLS_CRYPTO_GENERIC] = "generic",
		[KTLS_CRYPTO_LIBRARY] = "library", [KTLS_CRYPTO_ACCELERATED] = "accelerated",
		[KTLS_CRYPTO_THREAD] = "thread",   [KTLS_CRYPTO_DEVICE] = "device",
	};

	return speed < _KTLS_CRYPTO_N ? names[speed] : "unknown";
}
