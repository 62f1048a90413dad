/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_MIME_H
#define KTLS_TOOL_MIME_H

/* What a file is, by the end of its name: as the system says, and a few that it may not know. */

enum mime_limit {
	MIME_LIMIT_FILE = 1 << 20, /* of the system's table; what is behind is not read */
	MIME_LIMIT_ROWS = 1 << 14,
	MIME_LIMIT_TYPE = 100, /* bytes of one; longer ones are left out */
};

#define MIME_SYSTEM "/etc/mime.types"

struct mime;

/* The table in this file, in the form of mime.types, before our own; ours alone if it cannot be
 * read, or is NULL. It does not change, so threads may share it. 0 or -ENOMEM. */
int mime_new(struct mime **ret_mime, const char *path);
struct mime *mime_free(struct mime *mime);

/* For Content-Type, without a charset; static or the table's. Never NULL. */
const char *mime_type(const struct mime *mime, const char *path);

#endif
