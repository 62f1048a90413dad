/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_PROGRESS_H
#define KTLS_TOOL_PROGRESS_H

/* How far it is: one line on stderr that is written anew, for people. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum progress_limit {
	PROGRESS_LIMIT_LINE = 512,
	PROGRESS_INTERVAL_MS = 200,
	PROGRESS_COLUMNS = 80, /* where nobody knows */
};

struct progress_facts {
	const char *name; /* of the one that there is; NULL: there are several */
	size_t n, done, failed, running;
	uint64_t there; /* bytes, with those of earlier times */
	uint64_t came;	/* without these */
	uint64_t size;	/* of all, or HTTP_SIZE_UNKNOWN */
};

/* All zeros to begin with: nothing is ever shown. */
struct progress {
	bool wanted;
	bool shown; /* the line is on the screen */
	bool begun; /* there is something to compare with */
	uint64_t next_ns;
	uint64_t last_ns;
	uint64_t last_came;
	double rate; /* bytes in a second, of late */
};

/* Whether to show it: where stderr is a terminal that can move its cursor, and stdout, if that is
 * written to, is none. */
bool progress_has_screen(bool to_stdout);

/* Draws the line; *facts need be known only when it is time. */
bool progress_is_due(const struct progress *progress, uint64_t now_ns);
void progress_draw(struct progress *progress, const struct progress_facts *facts, uint64_t now_ns);

/* Takes it away, before something else is written, or for good. */
void progress_clear(struct progress *progress);

/* The line for so many columns, with a NUL; `ret_line` holds PROGRESS_LIMIT_LINE bytes. Returns its
 * length, which is less than `columns`, for at the last one terminals differ. */
size_t progress_format(const struct progress_facts *facts, double rate, unsigned int columns,
		       char *ret_line);

#endif
