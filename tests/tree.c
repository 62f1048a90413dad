/* SPDX-License-Identifier: MIT */

/* A directory of a test's own; see tree.h. */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tree.h"

static char top[64];
int tree_fd = -1;

void tree_make(void)
{
	strcpy(top, "/tmp/ktls-test-tree-XXXXXX");
	cr_assert(mkdtemp(top));
	cr_assert_eq(chdir(top), 0);
	tree_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(tree_fd, 0);
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

void tree_remove(void)
{
	close(tree_fd);
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(nftw(top, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void tree_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert(file, "%s", path);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

void tree_write_bytes(const char *path, size_t size, unsigned char first)
{
	FILE *file = fopen(path, "w");

	cr_assert(file, "%s", path);
	for (size_t i = 0; i < size; i++)
		fputc((unsigned char)(first + i), file);
	cr_assert_eq(fclose(file), 0);
}

void tree_touch(const char *path, long seconds, long nsec)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = seconds, .tv_nsec = nsec } };

	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0, "%s", path);
}

unsigned int tree_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	cr_assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
