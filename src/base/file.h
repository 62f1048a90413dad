/* SPDX-License-Identifier: MIT */
#ifndef KTLS_BASE_FILE_H
#define KTLS_BASE_FILE_H

/* Files whose size nobody knows beforehand, as those of /proc. */

#include <stddef.h>

#include "base/bytes.h"

/* All of it, however many reads that takes; the caller's to free. -EFBIG beyond `limit` bytes,
 * -EISDIR, -errno. */
int ktls_file_read(const char *path, size_t limit, struct ktls_bytes *ret_bytes);

#endif
