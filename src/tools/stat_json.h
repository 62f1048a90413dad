/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_JSON_H
#define KTLS_TOOL_STAT_JSON_H

/* What was seen, for programs. The names stay; ktls-stat(1) says what they mean. */

#include <stdio.h>

#include "stat_moment.h"

struct stat_report {
	const struct stat_moment *moment;
	const struct stat_moment *before; /* of which differences are said; or NULL */
	bool sockets;			  /* say them */
	bool summary;
	bool extended; /* the facts of TCP */
	bool line;     /* all in one line */
};

/* One document. -ENOMEM; what `out` could not take, its ferror() says. */
int stat_json_print(FILE *out, const struct stat_report *report);

#endif
