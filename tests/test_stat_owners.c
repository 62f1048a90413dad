/* SPDX-License-Identifier: MIT */

/* Whose sockets are whose, by a /proc that is made up, and by the true one. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "stat_owners.h"
#include "tool.h"
#include "tree.h"

static const char proc[] = "."; /* the tree */

TestSuite(unit, .init = tree_make, .fini = tree_remove);

static void add_process(int pid, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%d", pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%d/fd", pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%d/comm", pid);
	tree_write(path, name);
	snprintf(path, sizeof(path), "%d/cmdline", pid);
	tree_write(path, name);
}

static void add_fd(int pid, int fd, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%d/fd/%d", pid, fd);
	cr_assert_eq(symlink(target, path), 0);
}

/* "name/pid/fd name/pid/fd", in no order that /proc promises. */
static void expect_owners(const struct stat_owners *owners, size_t i, const char *one,
			  const char *other)
{
	uint32_t at = owners->first[i];
	const struct stat_process *process;
	size_t n = 0;
	int fd;

	while ((process = stat_owners_next(owners, &at, &fd))) {
		char text[128];

		snprintf(text, sizeof(text), "%s/%d/%d", process->name, process->pid, fd);
		cr_expect((one && !strcmp(text, one)) || (other && !strcmp(text, other)), "%zu: %s",
			  i, text);
		n++;
	}
	cr_expect_eq(n, (size_t) !!one + !!other, "%zu has %zu", i, n);
}

Test(unit, each_socket_has_those_that_hold_it)
{
	const uint64_t inodes[] = { 100, 0, 200, 300 };
	struct stat_owners owners = { 0 };

	add_process(7, "one\n");
	add_fd(7, 3, "socket:[100]");
	add_fd(7, 4, "/etc/passwd");
	add_fd(7, 5, "pipe:[200]");
	add_fd(7, 6, "socket:[999]");
	add_process(8, "two words\n");
	add_fd(8, 3, "socket:[100]");
	add_fd(8, 9, "socket:[300]");
	tree_write("version", "no process");

	cr_assert_eq(stat_owners_find(&owners, proc, inodes, 4), 0);

	expect_owners(&owners, 0, "one/7/3", "two words/8/3");
	expect_owners(&owners, 1, NULL, NULL);
	expect_owners(&owners, 2, NULL, NULL);
	expect_owners(&owners, 3, "two words/8/9", NULL);
	cr_expect_eq(owners.n_processes, 2);
	cr_expect_eq(owners.hidden, 0);
	stat_owners_done(&owners);
}

Test(unit, many_sockets_and_descriptors)
{
	enum {
		N = 1000,
	};
	struct stat_owners owners = { 0 };
	uint64_t inodes[N];

	add_process(1, "all\n");
	for (int i = 0; i < N; i++) {
		char target[32], owner[32];

		inodes[i] = (uint64_t)i * 16 + 5;
		snprintf(target, sizeof(target), "socket:[%d]", i * 16 + 5);
		add_fd(1, i, target);
		snprintf(owner, sizeof(owner), "all/1/%d", i);
	}

	cr_assert_eq(stat_owners_find(&owners, proc, inodes, N), 0);

	for (size_t i = 0; i < N; i++) {
		char owner[32];

		snprintf(owner, sizeof(owner), "all/1/%zu", i);
		expect_owners(&owners, i, owner, NULL);
	}
	stat_owners_done(&owners);
}

Test(unit, what_may_not_be_seen_is_counted_but_for_the_kernels_own)
{
	const uint64_t inodes[] = { 100 };
	struct stat_owners owners = { 0 };
	char path[256];

	if (!geteuid())
		cr_skip("root sees all");
	add_process(7, "other\n");
	add_process(8, "kthread\n");
	tree_write("8/cmdline", "");
	for (int pid = 7; pid <= 8; pid++) {
		snprintf(path, sizeof(path), "%d/fd", pid);
		cr_assert_eq(chmod(path, 0), 0);
	}

	cr_expect_eq(stat_owners_find(&owners, proc, inodes, 1), 0);
	cr_expect_eq(owners.hidden, 1);

	chmod("7/fd", 0700);
	chmod("8/fd", 0700);
	stat_owners_done(&owners);
}

Test(unit, a_process_that_is_going_is_nobody)
{
	const uint64_t inodes[] = { 100 };
	struct stat_owners owners = { 0 };
	char path[256];

	add_process(7, "gone\n");
	snprintf(path, sizeof(path), "7/fd");
	cr_assert_eq(rmdir(path), 0);
	add_process(8, "");
	snprintf(path, sizeof(path), "8/comm");
	cr_assert_eq(unlink(path), 0);
	add_fd(8, 3, "socket:[100]");

	cr_assert_eq(stat_owners_find(&owners, proc, inodes, 1), 0);

	expect_owners(&owners, 0, "/8/3", NULL);
	stat_owners_done(&owners);
}

Test(unit, no_proc)
{
	struct stat_owners owners = { 0 };

	cr_expect_eq(stat_owners_find(&owners, "/nowhere", NULL, 0), -ENOENT);
	stat_owners_done(&owners);
}

Test(unit, our_own_descriptor_is_found)
{
	_cleanup_(tool_fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat_owners owners = { 0 };
	const struct stat_process *process;
	struct stat stat;
	uint64_t inode;
	uint32_t at;
	int found = -1;

	cr_assert_eq(fstat(fd, &stat), 0);
	inode = stat.st_ino;

	cr_assert_eq(stat_owners_find(&owners, "/proc", &inode, 1), 0);

	at = owners.first[0];
	while ((process = stat_owners_next(&owners, &at, &found)) && process->pid != getpid())
		;
	cr_assert(process);
	cr_expect_eq(found, fd);
	stat_owners_done(&owners);
}
