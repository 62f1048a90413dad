/* SPDX-License-Identifier: MIT */

/*
 * See stat_owners.h. Processes and descriptors come and go while they are read: one that is gone is
 * nobody's any more, and no error.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stat_owners.h"
#include "tool.h"

/* Inodes by their hash: places in the caller's list, plus one; 0 is free. */
struct index {
	const uint64_t *inodes;
	uint32_t *slots;
	size_t mask;
};

static void free_index(struct index *index)
{
	free(index->slots);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static size_t hash(uint64_t inode)
{
	return (size_t)(inode * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static int make_index(struct index *index, const uint64_t *inodes, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	index->slots = calloc(size, sizeof(*index->slots));
	if (!index->slots)
		return -ENOMEM;
	index->inodes = inodes;
	index->mask = size - 1;
	for (size_t i = 0; i < n; i++) {
		size_t at = hash(inodes[i]) & index->mask;

		if (!inodes[i])
			continue;
		while (index->slots[at])
			at = (at + 1) & index->mask;
		index->slots[at] = (uint32_t)i + 1;
	}
	return 0;
}

/* Its place among the sockets. -ENOENT. */
static int look_up(const struct index *index, uint64_t inode, size_t *ret_i)
{
	for (size_t at = hash(inode) & index->mask; index->slots[at]; at = (at + 1) & index->mask) {
		size_t i = index->slots[at] - 1;

		if (index->inodes[i] != inode)
			continue;
		*ret_i = i;
		return 0;
	}
	return -ENOENT;
}

/* Doubles a list that is full. */
static int grow(void **list, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 64;
	void *grown;

	if (n < *room)
		return 0;
	grown = reallocarray(*list, more, size);
	if (!grown)
		return -ENOMEM;
	*list = grown;
	*room = more;
	return 0;
}

static void read_name(int process_fd, char ret_name[STAT_OWNERS_LIMIT_NAME])
{
	_cleanup_(tool_fd_close) int fd = openat(process_fd, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_name, STAT_OWNERS_LIMIT_NAME - 1);

	if (n < 0)
		n = 0;
	if (n && ret_name[n - 1] == '\n')
		n--;
	ret_name[n] = '\0';
}

static int add_process(struct stat_owners *owners, int process_fd, int pid)
{
	int r = grow((void **)&owners->processes, owners->n_processes, &owners->room_processes,
		     sizeof(*owners->processes));

	if (r)
		return r;
	owners->processes[owners->n_processes].pid = pid;
	read_name(process_fd, owners->processes[owners->n_processes].name);
	owners->n_processes++;
	return 0;
}

/* In front of those that are there: stat_owners_find() turns them around. */
static int add_owner(struct stat_owners *owners, size_t i, int fd)
{
	int r = grow((void **)&owners->list, owners->n, &owners->room, sizeof(*owners->list));

	if (r)
		return r;
	owners->list[owners->n] = (struct stat_owner){
		.process = (uint32_t)owners->n_processes - 1,
		.next = owners->first[i],
		.fd = fd,
	};
	owners->first[i] = (uint32_t)owners->n++;
	return 0;
}

/* The inode of "socket:[12345]", or 0. */
static uint64_t inode_of(const char *target)
{
	static const char head[] = "socket:[";

	if (strncmp(target, head, strlen(head)) != 0)
		return 0;
	return strtoull(target + strlen(head), NULL, 10);
}

static int read_descriptors(struct stat_owners *owners, const struct index *index, int process_fd,
			    int pid, DIR *dir)
{
	const struct dirent *entry;
	bool known = false;

	while ((entry = readdir(dir))) {
		char target[64];
		ssize_t len;
		size_t i;
		int r;

		if (*entry->d_name == '.')
			continue;
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (!inode_of(target) || look_up(index, inode_of(target), &i))
			continue;
		r = known ? 0 : add_process(owners, process_fd, pid);
		known = true;
		if (!r)
			r = add_owner(owners, i, atoi(entry->d_name));
		if (r)
			return r;
	}
	return 0;
}

/* Not so the kernel's own threads, and what has ended: they have no command line. */
static bool has_command_line(int process_fd)
{
	_cleanup_(tool_fd_close) int fd = openat(process_fd, "cmdline", O_RDONLY | O_CLOEXEC);
	char byte;

	return fd >= 0 && read(fd, &byte, 1) == 1;
}

static int read_process(struct stat_owners *owners, const struct index *index, int proc_fd,
			const char *name)
{
	_cleanup_(tool_fd_close) int process_fd =
		openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dir) DIR *dir = NULL;
	_cleanup_(tool_fd_close) int fd = -EBADF;

	if (process_fd < 0)
		return 0;
	fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		if ((errno == EACCES || errno == EPERM) && has_command_line(process_fd))
			owners->hidden++;
		return 0;
	}
	dir = fdopendir(fd);
	if (!dir)
		return -ENOMEM;
	tool_fd_steal(&fd);
	return read_descriptors(owners, index, process_fd, atoi(name), dir);
}

/* By process and descriptor as /proc has them. */
static void turn_around(struct stat_owners *owners, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t turned = STAT_OWNER_NONE;

		for (uint32_t at = owners->first[i], next; at != STAT_OWNER_NONE; at = next) {
			next = owners->list[at].next;
			owners->list[at].next = turned;
			turned = at;
		}
		owners->first[i] = turned;
	}
}

int stat_owners_find(struct stat_owners *owners, const char *proc, const uint64_t *inodes, size_t n)
{
	_cleanup_(free_index) struct index index = { 0 };
	_cleanup_(close_dir) DIR *dir = opendir(proc);
	const struct dirent *entry;
	int r;

	if (!dir)
		return -errno;
	owners->first = malloc((n ? n : 1) * sizeof(*owners->first));
	if (!owners->first)
		return -ENOMEM;
	memset(owners->first, 0xff, n * sizeof(*owners->first));
	r = make_index(&index, inodes, n);
	while (!r && (entry = readdir(dir))) {
		if (*entry->d_name >= '1' && *entry->d_name <= '9')
			r = read_process(owners, &index, dirfd(dir), entry->d_name);
	}
	if (!r)
		turn_around(owners, n);
	return r;
}

const struct stat_process *stat_owners_next(const struct stat_owners *owners, uint32_t *at,
					    int *ret_fd)
{
	const struct stat_owner *owner;

	if (*at == STAT_OWNER_NONE)
		return NULL;
	owner = &owners->list[*at];
	*at = owner->next;
	*ret_fd = owner->fd;
	return &owners->processes[owner->process];
}

void stat_owners_done(struct stat_owners *owners)
{
	free(owners->processes);
	free(owners->list);
	free(owners->first);
	memset(owners, 0, sizeof(*owners));
}
