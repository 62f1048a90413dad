/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_PLACES_H
#define KTLS_TOOL_STAT_PLACES_H

/* The network namespaces to look into (network_namespaces(7)), and this thread's way into them and
 * back. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ktls/counters.h>

struct stat_place {
	char *name; /* that of ip-netns(8), or as it was asked for, or "pid N"; NULL: our own */
	int fd;	    /* -1: our own, or it could not be opened */
	dev_t dev;  /* with the inode: which it is, whatever its name; 0: not known */
	ino_t inode;
	bool entered;
	int error;	    /* -errno: why nothing is known of it */
	size_t hidden;	    /* sockets of which the kernel does not tell whether they have TLS */
	int counters_error; /* -errno: why there are no counters */
	struct ktls_counters counters;
};

struct stat_places {
	struct stat_place *list;
	size_t n, room;
	size_t hidden; /* processes whose namespace we may not see */
	int home_fd;
};

#define STAT_PLACES_NULL      \
	{                     \
		.home_fd = -1 \
	}

/* Each -ENOMEM. */
int stat_places_add_own(struct stat_places *places);
/* A name of ip-netns(8), a process id, or, with a "/" in it, a path. What is wrong with it is its
 * `error`. */
int stat_places_add_named(struct stat_places *places, const char *text);
/* Our own, those with a name, and those of all processes: each once. */
int stat_places_add_all(struct stat_places *places);

/* -errno. */
int stat_places_enter(struct stat_places *places, const struct stat_place *place);
/* Back to our own. -errno: we are lost. */
int stat_places_leave(struct stat_places *places);

/* Why nothing is known of it. Never NULL; static. */
const char *stat_place_error(const struct stat_place *place);

/* The same one among these, by whatever name; or NULL. */
const struct stat_place *stat_places_find(const struct stat_places *places,
					  const struct stat_place *place);

void stat_places_done(struct stat_places *places);

#endif
