/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SOURCE_H
#define KTLS_SOURCE_H

/*
 * Sources: where a program that does not care how TLS is done gets its configs from. The process
 * has one registry of them. In it are, in this order,
 *
 *   "auto"    the kernel protects what it can, as ktls_config_new() has it
 *   "kernel"  the kernel protects both directions, or there is no connection
 *   "user"    the kernel protects nothing
 *   "nic"     a NIC protects both directions, or there is no connection: TLS 1.2 with AES-GCM
 *
 * and behind them what the program, or a library in it, registers. The registry allocates
 * nothing, but when it is first looked at, and tries the kernel and asks for its network devices.
 *
 * Thread rule: any function, any thread. A source that is handed out is a copy, and stays good
 * when the original is unregistered.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/config.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ktls_source_limit {
	KTLS_SOURCES_MAX = 64, /* in the registry */
	KTLS_SOURCE_NAME_LEN = 32,
};

/* What can be asked of a source. */
enum ktls_feature {
	KTLS_FEATURE_KERNEL = 1u << 0, /* records may be the kernel's to protect; of those above
					  only where its tls is there */
	KTLS_FEATURE_SYSTEM = 1u << 1, /* comes with the library */
	KTLS_FEATURE_MULTIPLEXER = 1u << 2, /* many calls may be under way at once; none has it */
	KTLS_FEATURE_WRAP = 1u << 3,	    /* takes a socket that somebody else has connected */
	KTLS_FEATURE_NIC = 1u << 4, /* records are a NIC's to protect: "nic", and that only where a
				       network device had tls-hw-tx-offload on; whether it is the
				       one that a connection takes, is seen in its handshake */
	KTLS_FEATURE_FIPS_140_2 = 1u << 16, /* GnuTLS is in its FIPS 140-2 mode */
};

/* A recipe for configs. Name, version and postfix tell one from another; the postfix is free, for
 * two builds of the same thing. */
struct ktls_source {
	char name[KTLS_SOURCE_NAME_LEN];    /* not empty, with a zero at its end */
	char postfix[KTLS_SOURCE_NAME_LEN]; /* the same, or empty */
	uint16_t major, minor, patch;
	uint32_t features; /* enum ktls_feature */
	/* As ktls_source_instantiate(), with the source it was found in. May be called for copies
	 * that outlive the registration. */
	int (*instantiate)(const struct ktls_source *source, struct ktls_config **ret_config,
			   enum ktls_role role);
	void *context; /* for instantiate */
};

/* Puts a copy behind those that are there. -EEXIST: its name, version and postfix are taken;
 * -ENOSPC; -EINVAL: no name, one without its end, or no instantiate. */
int ktls_source_register(const struct ktls_source *source);

/* Takes out the one of the same name, version and postfix, any of the three as well; configs and
 * copies that came from it stay good. -ENOENT, -EINVAL. */
int ktls_source_unregister(const struct ktls_source *source);

/* How many are in the registry. */
size_t ktls_source_count(void);

/*
 * Copies the sources whose features are, as far as `mask` goes, exactly `set`: (features & mask) ==
 * set; all of them for 0, 0; none when `set` has a bit that `mask` has not. At most n, in the
 * order of the registry; returns how many.
 */
size_t ktls_source_find(uint32_t set, uint32_t mask, struct ktls_source *ret_sources, size_t n);

/* The first source that matches as above and comes with the library; if none does, the first that
 * matches; if none does, one whose name is empty and that instantiates nothing. NULL: nothing. */
void ktls_source_default(uint32_t set, uint32_t mask, struct ktls_source *ret_source);

/* A new config by the source's recipe, as ktls_config_new() would give it: caller owns it, and may
 * set it further. -EINVAL: an empty source, or an unknown role; -ENOMEM, -KTLS_E_CRYPTO. */
int ktls_source_instantiate(const struct ktls_source *source, struct ktls_config **ret_config,
			    enum ktls_role role);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
