/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_URLS_H
#define KTLS_TOOL_URLS_H

/* What is to be fetched, and into which files: a list that is complete, and free of conflicts,
 * before anything is asked for. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "address.h"

enum urls_limit {
	URLS_LIMIT_N = 1 << 16,
	URLS_LIMIT_LINE = 8192, /* of a file of URLs */
};

struct wanted {
	char *text;	/* as given */
	struct url url; /* pointers into it */
	char *path;	/* NULL: stdout */
};

/* All zeros to begin with. */
struct urls {
	struct wanted *list;
	size_t n;
	size_t room;
};

void urls_done(struct urls *urls);

/* -EPROTONOSUPPORT: not https; -EINVAL: no URL; -E2BIG: there are too many; -ENOMEM. */
int urls_add(struct urls *urls, const char *text);

/* One in each line; empty lines, and those that begin with "#", are passed over. *ret_line is the
 * line of an error: as above, -ENAMETOOLONG, or -errno of the file. */
int urls_read(struct urls *urls, FILE *file, size_t *ret_line);

/* The first one goes into this file. -ENOMEM. */
int urls_set_path(struct urls *urls, const char *path);

/* Each goes into the directory, NULL is the present one, by the last part of its URL's path,
 * decoded. *ret_bad is the one of an error: -EINVAL: it has no such part, or one that no file of
 * the directory can have; -ENOMEM. */
int urls_name(struct urls *urls, const char *directory, const struct wanted **ret_bad);

/* Takes out those whose file is there, whatever it is. */
void urls_drop_present(struct urls *urls);

/* Whether two of them would write the same file, by whatever names and links; with `parts`, also
 * those that output_open_part() writes. -EEXIST: *ret_one and *ret_other are the two; -ENOMEM. */
int urls_check(const struct urls *urls, bool parts, const struct wanted **ret_one,
	       const struct wanted **ret_other);

#endif
