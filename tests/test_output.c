/* SPDX-License-Identifier: MIT */

/* A fetched file is there as a whole or not at all. */

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "output.h"

static char top[64];

static void make_top(void)
{
	strcpy(top, "/tmp/ktls-test-output-XXXXXX");
	cr_assert(mkdtemp(top));
	cr_assert_eq(chdir(top), 0);
}

static void remove_top(void)
{
	static const char *const names[] = { "file", "link", "fifo" };

	for (size_t i = 0; i < 3; i++)
		unlink(names[i]);
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(rmdir(top), 0, "something is left in %s", top);
}

TestSuite(unit, .init = make_top, .fini = remove_top);

static unsigned int count_entries(void)
{
	DIR *dir = opendir(".");
	unsigned int n = 0;

	cr_assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void write_old(void)
{
	FILE *file = fopen("file", "w");

	cr_assert(file);
	fputs("old", file);
	fclose(file);
}

static void expect_content(const char *wanted)
{
	char text[16] = "";
	FILE *file = fopen("file", "r");

	cr_assert(file);
	cr_expect_eq(fread(text, 1, sizeof(text) - 1, file), strlen(wanted));
	cr_expect_str_eq(text, wanted);
	fclose(file);
}

Test(unit, a_file_comes_into_being_when_it_is_whole)
{
	struct output output = OUTPUT_NULL;
	struct stat stat_new;

	umask(022);
	cr_assert_eq(output_open(&output, "file"), 0);
	cr_assert_eq(output_write(&output, "ne", 2), 0);
	cr_expect_eq(access("file", F_OK), -1);
	cr_assert_eq(output_write(&output, "w", 1), 0);
	cr_assert_eq(output_commit(&output), 0);
	output_done(&output);

	expect_content("new");
	cr_expect_eq(count_entries(), 1);
	cr_assert_eq(stat("file", &stat_new), 0);
	cr_expect_eq(stat_new.st_mode & 0777, 0644);
}

Test(unit, a_failure_leaves_the_old_file_and_nothing_else)
{
	struct output output = OUTPUT_NULL;

	write_old();
	cr_assert_eq(output_open(&output, "file"), 0);
	cr_assert_eq(output_write(&output, "new", 3), 0);
	output_done(&output);

	expect_content("old");
	cr_expect_eq(count_entries(), 1);
}

Test(unit, a_signal_leaves_nothing_either)
{
	pid_t child = fork();
	int status;

	cr_assert_geq(child, 0);
	if (!child) {
		struct output output = OUTPUT_NULL;

		if (output_open(&output, "file") || output_write(&output, "new", 3))
			_exit(1);
		raise(SIGTERM);
		_exit(2);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);

	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	cr_expect_eq(count_entries(), 0);
}

Test(unit, a_link_stays_and_its_file_is_replaced_with_its_mode)
{
	struct output output = OUTPUT_NULL;
	struct stat stat_link, stat_file;

	write_old();
	cr_assert_eq(chmod("file", 0600), 0);
	cr_assert_eq(symlink("file", "link"), 0);
	cr_assert_eq(output_open(&output, "link"), 0);
	cr_assert_eq(output_write(&output, "new", 3), 0);
	cr_assert_eq(output_commit(&output), 0);
	output_done(&output);

	expect_content("new");
	cr_assert_eq(lstat("link", &stat_link), 0);
	cr_assert_eq(lstat("file", &stat_file), 0);
	cr_expect(S_ISLNK(stat_link.st_mode));
	cr_expect(S_ISREG(stat_file.st_mode));
	cr_expect_eq(stat_file.st_mode & 0777, 0600);
}

Test(unit, a_device_is_written_to_and_not_replaced)
{
	struct output output = OUTPUT_NULL;
	struct stat stat_null;

	cr_assert_eq(output_open(&output, "/dev/null"), 0);
	cr_assert_eq(output_write(&output, "new", 3), 0);
	cr_assert_eq(output_commit(&output), 0);
	output_done(&output);

	cr_assert_eq(stat("/dev/null", &stat_null), 0);
	cr_expect(S_ISCHR(stat_null.st_mode));
}

Test(unit, what_cannot_be_written_is_an_error)
{
	struct output output = OUTPUT_NULL;

	cr_expect_eq(output_open(&output, "none/file"), -ENOENT);
	cr_expect_eq(output_open(&output, "."), -EISDIR);
	cr_assert_eq(output_open(&output, "/dev/full"), 0);
	cr_expect_eq(output_write(&output, "new", 3), -ENOSPC);
	output_done(&output);
}
