/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SRC_SYSTEM_H
#define KTLS_SRC_SYSTEM_H

/* What is behind ktls/system.h, of a machine whose files are elsewhere, or of a text. */

#include <ktls/system.h>

/* ktls_system_read() where /proc, /sys and /lib are beneath `root` ("" is this machine), for a
 * kernel of that release. */
void ktls_system_gather(const char *root, const char *release, struct ktls_system *ret_system);

/* The driver of a cipher in the text of /proc/crypto. -ENOENT, -EINVAL. */
int ktls_crypto_parse(const char *text, size_t len, unsigned int cipher,
		      struct ktls_crypto_driver *ret_driver);

#endif
