/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_SANDBOX_H
#define KTLS_TOOL_SANDBOX_H

/*
 * Gives up, for this process and for good, what a server of files never needs: other files
 * (Landlock), other system calls (seccomp), and rights that a program could bring along
 * (no_new_privs). Each part is applied as far as this system has it, and says why not.
 */

#include <stdbool.h>
#include <stddef.h>

enum sandbox_limit {
	SANDBOX_LIMIT_WHY = 160,
};

enum sandbox_part {
	SANDBOX_NO_NEW_PRIVS = 0,
	SANDBOX_LANDLOCK,
	SANDBOX_SECCOMP,
	_SANDBOX_PART_N,
};

enum sandbox_right {
	SANDBOX_READ = 1u << 0,	 /* files in it */
	SANDBOX_LIST = 1u << 1,	 /* directories */
	SANDBOX_WRITE = 1u << 2, /* files, also new ones */
};

/* A directory, with all beneath it; or `alone`, what is no directory. */
struct sandbox_place {
	char *path;
	unsigned int rights; /* enum sandbox_right */
	bool alone;
};

struct sandbox_places {
	struct sandbox_place *list;
	size_t n;
	bool netlink; /* what the kernel says over netlink(7) is to be heard, too */
};

struct sandbox_report {
	bool applied[_SANDBOX_PART_N];
	char why[_SANDBOX_PART_N][SANDBOX_LIMIT_WHY]; /* not, or not all of it; "" */
};

/* Any number; -ENOMEM. */
int sandbox_add_directory(struct sandbox_places *places, const char *path, unsigned int rights);
/* The directory of a file, and that of what it is a link to: a file may be replaced. */
int sandbox_add_file(struct sandbox_places *places, const char *path, unsigned int rights);
/* A device or a pipe. */
int sandbox_add_special(struct sandbox_places *places, const char *path, unsigned int rights);
void sandbox_places_done(struct sandbox_places *places);

/* Before the first thread: it is the calling one's and that of all it will start. */
void sandbox_enter(const struct sandbox_places *places, struct sandbox_report *ret_report);

const char *sandbox_part_name(enum sandbox_part part);

/* Its parts: 0, or -errno with *why said. Each in a file of its own, or none (sandbox_none.c). */
int sandbox_landlock(const struct sandbox_places *places, char why[SANDBOX_LIMIT_WHY]);
int sandbox_seccomp(bool netlink, char why[SANDBOX_LIMIT_WHY]);

#endif
