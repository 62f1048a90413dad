/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_OWNERS_H
#define KTLS_TOOL_STAT_OWNERS_H

/* Which processes have sockets open: /proc is read once, and asked by the sockets' inodes. */

#include <stddef.h>
#include <stdint.h>

enum stat_owners_limit {
	STAT_OWNERS_LIMIT_NAME = 64, /* of a process: the kernel's own have longer ones than 15 */
};

enum {
	STAT_OWNER_NONE = UINT32_MAX,
};

struct stat_process {
	int pid;
	char name[STAT_OWNERS_LIMIT_NAME]; /* chosen by itself: any bytes */
};

/* A descriptor. */
struct stat_owner {
	uint32_t process; /* of the list */
	uint32_t next;	  /* of the same socket, or STAT_OWNER_NONE */
	int fd;
};

/* All zeros to begin with. */
struct stat_owners {
	struct stat_process *processes;
	size_t n_processes, room_processes;
	struct stat_owner *list;
	size_t n, room;
	uint32_t *first; /* by the sockets' order: of the list, or STAT_OWNER_NONE */
	size_t hidden;	 /* processes whose descriptors we may not see */
};

/* Whose these are, each once, 0 is nobody's. `proc` is "/proc". -errno of it, or -ENOMEM. */
int stat_owners_find(struct stat_owners *owners, const char *proc, const uint64_t *inodes,
		     size_t n);

/* Who is at *at, which then is the next; NULL: there is none. */
const struct stat_process *stat_owners_next(const struct stat_owners *owners, uint32_t *at,
					    int *ret_fd);

void stat_owners_done(struct stat_owners *owners);

#endif
