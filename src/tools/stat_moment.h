/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_MOMENT_H
#define KTLS_TOOL_STAT_MOMENT_H

/* All that `ktls stat` knows of one moment: the sockets that are wanted, whose they are, where they
 * are, and what was counted there. */

#include "stat_filter.h"
#include "stat_owners.h"
#include "stat_places.h"

struct stat_wish {
	struct stat_filter filter;
	const char *namespace; /* one, instead of our own; or NULL */
	bool all_namespaces;
	bool all;	/* also TCP sockets without TLS */
	bool processes; /* say whose they are */
};

struct stat_row {
	struct ktls_diag_socket socket;
	size_t place;
};

struct stat_moment {
	uint64_t time_ms; /* since 1970 */
	struct stat_row *rows;
	size_t n, room;
	struct stat_places places;
	struct stat_owners owners; /* first[] is by row */
	bool has_owners;
};

#define STAT_MOMENT_NULL                    \
	{                                   \
		.places = STAT_PLACES_NULL, \
	}

/* Looks. What went wrong in a namespace is its place's `error`. -ENOMEM, -errno of /proc or of the
 * way back. */
int stat_moment_take(struct stat_moment *moment, const struct stat_wish *wish);
void stat_moment_done(struct stat_moment *moment);

/* Of all places. */
size_t stat_moment_hidden(const struct stat_moment *moment);

/* For stat_owners_next(). */
uint32_t stat_moment_first_owner(const struct stat_moment *moment, size_t row);

#endif
