/* SPDX-License-Identifier: MIT */

/*
 * A private key leaves nothing behind: when a config is freed, no piece of the key's PEM is left in
 * what the process may write to. The key is made by a process of its own, and what is looked for is
 * kept in disguise.
 */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "pki.h"

enum {
	NEEDLE_LEN = 32,
	NEEDLE_AT = 70, /* of the PEM, behind its first line and what all keys begin with */
	MASK = 0x55,
	PATH_LEN = 64,
	MAPPING_MAX = 64 << 20, /* larger ones are a sanitizer's own */
};

struct disguise {
	uint8_t needle[NEEDLE_LEN];
	char chain[PATH_LEN], key[PATH_LEN];
};

/* In a child: what makes a key does not wipe it. */
static struct disguise make_key(void)
{
	static const char *const names[] = { "localhost" };
	struct disguise disguise;
	int pipes[2], status;
	pid_t child;

	cr_assert(!pipe(pipes));
	child = fork();
	cr_assert(child >= 0);
	if (!child) {
		struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 1);

		strcpy(disguise.chain, pki_write(&identity.chain));
		strcpy(disguise.key, pki_write(&identity.key));
		for (int i = 0; i < NEEDLE_LEN; i++)
			disguise.needle[i] = (uint8_t)identity.key.data[NEEDLE_AT + i] ^ MASK;
		_exit(write(pipes[1], &disguise, sizeof(disguise)) != sizeof(disguise));
	}
	cr_assert_eq(read(pipes[0], &disguise, sizeof(disguise)), (ssize_t)sizeof(disguise));
	cr_assert(waitpid(child, &status, 0) == child && !status);
	close(pipes[0]);
	close(pipes[1]);
	return disguise;
}

static size_t count_in(const uint8_t *bytes, size_t len, const uint8_t needle[NEEDLE_LEN])
{
	size_t found = 0;

	for (size_t at = 0; at + NEEDLE_LEN <= len; at++) {
		size_t i = 0;

		while (i < NEEDLE_LEN && (bytes[at + i] ^ MASK) == needle[i])
			i++;
		found += i == NEEDLE_LEN;
	}
	return found;
}

/* In all private memory that can be written; it is read through a buffer, which is wiped. */
static size_t count(const uint8_t needle[NEEDLE_LEN])
{
	static uint8_t bytes[1 << 16];
	FILE *maps = fopen("/proc/self/maps", "re"), *memory = fopen("/proc/self/mem", "re");
	unsigned long from, to;
	char line[512], mode[8];
	size_t found = 0;

	cr_assert(maps && memory);
	setvbuf(memory, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 ||
		    strcmp(mode, "rw-p") != 0 || to - from > MAPPING_MAX)
			continue;
		/* Pieces overlap, so that none falls between two. */
		for (unsigned long at = from; at < to; at += sizeof(bytes) - NEEDLE_LEN) {
			size_t want = to - at < sizeof(bytes) ? to - at : sizeof(bytes);

			if (at <= (unsigned long)bytes && at + want > (unsigned long)bytes)
				continue;
			if (fseeko(memory, (off_t)at, SEEK_SET))
				break;
			found += count_in(bytes, fread(bytes, 1, want, memory), needle);
			explicit_bzero(bytes, sizeof(bytes));
		}
	}
	fclose(maps);
	fclose(memory);
	return found;
}

Test(unit, a_key_that_was_read_from_a_file_is_gone_with_the_config_and_its_pem_before)
{
	struct disguise disguise = make_key();
	struct ktls_config *config;

	cr_assert_eq(count(disguise.needle), 0);
	cr_assert(!ktls_config_new(&config, KTLS_SERVER));
	cr_assert(!ktls_config_add_identity_file(config, disguise.chain, disguise.key));
	cr_assert_eq(count(disguise.needle), 0, "PEM while the config is in use");
	ktls_config_unref(config);
	cr_assert_eq(count(disguise.needle), 0);
	unlink(disguise.chain);
	unlink(disguise.key);
}

/* The caller's own copy is the one that is found: the search does find. */
Test(unit, a_key_that_was_given_from_memory_is_the_callers_to_wipe)
{
	struct disguise disguise = make_key();
	char chain[8192] = "", key[8192] = "";
	struct ktls_config *config;
	size_t chain_len, key_len;
	FILE *file;

	file = fopen(disguise.chain, "re");
	chain_len = fread(chain, 1, sizeof(chain), file);
	fclose(file);
	file = fopen(disguise.key, "re");
	setvbuf(file, NULL, _IONBF, 0);
	key_len = fread(key, 1, sizeof(key), file);
	fclose(file);
	cr_assert(!ktls_config_new(&config, KTLS_SERVER));
	cr_assert(!ktls_config_add_identity(config, chain, chain_len, key, key_len));
	ktls_config_unref(config);
	cr_assert_eq(count(disguise.needle), 1);
	explicit_bzero(key, sizeof(key));
	cr_assert_eq(count(disguise.needle), 0);
	unlink(disguise.chain);
	unlink(disguise.key);
}
