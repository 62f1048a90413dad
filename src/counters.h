/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_COUNTERS_H
#define KTLS_SRC_COUNTERS_H

/* The text behind ktls/counters.h, for whoever has it from elsewhere. */

#include <ktls/counters.h>

/*
 * Reads the text of /proc/net/tls_stat. A line that is not a name that is known here and a number
 * is passed over, so that what it should have said is not known. -EBADMSG: nothing is.
 */
int ktls_counters_parse(const char *text, size_t len, struct ktls_counters *ret_counters);

/* ktls_counters_read(), of another file. */
int ktls_counters_read_file(const char *path, struct ktls_counters *ret_counters);

#endif
