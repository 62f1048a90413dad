/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_TABLE_H
#define KTLS_TOOL_STAT_TABLE_H

/* What was seen, for people: a row for each socket, and what else is worth saying of it in further
 * lines. No line is longer than the screen, and nothing is cut off. */

#include <stdio.h>

#include "stat_moment.h"

enum stat_table_limit {
	STAT_TABLE_COLUMNS = 80,     /* where there is no screen to ask */
	STAT_TABLE_COLUMNS_MIN = 70, /* the longest address, indented */
};

struct stat_look {
	unsigned int columns;
	bool color;
	bool extended; /* the facts of TCP */
};

/* "1.3", without the word that is its column's title; NULL: no key yet, or not told. */
const char *stat_table_version(const struct ktls_diag_socket *socket);

void stat_table_print(FILE *out, const struct stat_moment *moment, const struct stat_look *look);

/* What cannot be seen, and what to do about it, and if there is nothing, why: a sentence a line. */
void stat_notes_print(FILE *out, const struct stat_moment *moment);

#endif
