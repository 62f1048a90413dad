/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_TOTALS_H
#define KTLS_TOOL_STAT_TOTALS_H

/* How many there are of each kind. */

#include <stdio.h>

#include "stat_moment.h"

enum stat_totals_limit {
	STAT_TOTALS_LIMIT_CIPHERS = 16,
};

enum stat_version {
	STAT_VERSION_1_2 = 0,
	STAT_VERSION_1_3,
	STAT_VERSION_NONE, /* no key yet, or not told */
	_STAT_VERSION_N,
};

/* All but the first four are of those with TLS. */
struct stat_totals {
	size_t sockets;
	size_t tls;
	size_t plain;
	size_t untold; /* whether there is TLS */
	size_t versions[_STAT_VERSION_N];
	size_t ciphers[STAT_TOTALS_LIMIT_CIPHERS];
	const char *cipher_names[STAT_TOTALS_LIMIT_CIPHERS];
	size_t n_ciphers;
	size_t modes[_KTLS_DIRECTION_N][_KTLS_DIAG_MODE_N];
};

void stat_totals_count(struct stat_totals *ret_totals, const struct stat_moment *moment);

/* "1.3", "unknown". */
const char *stat_version_name(enum stat_version version);

void stat_totals_print(FILE *out, const struct stat_totals *totals);

/* What each namespace's kernel has counted. */
void stat_counters_print(FILE *out, const struct stat_moment *moment);

/* What has changed since `before`, if anything. */
void stat_changes_print(FILE *out, const struct stat_moment *before,
			const struct stat_moment *moment);

/* Of one place. Whether there is a difference: it was known then, and is now. */
bool stat_difference(const struct stat_moment *before, const struct stat_place *place,
		     struct ktls_counters *ret_difference);

#endif
