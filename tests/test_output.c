/* SPDX-License-Identifier: MIT */

/* A fetched file is there as a whole or not at all. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
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
	static const char *const names[] = { "file", "link", "fifo", "file.part",
					     "file.part.info" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
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

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	cr_assert(file);
	fputs(text, file);
	fclose(file);
}

static void write_old(void)
{
	write_file("file", "old");
}

static void expect_content_of(const char *name, const char *wanted)
{
	char text[16] = "";
	FILE *file = fopen(name, "r");

	cr_assert(file);
	cr_expect_eq(fread(text, 1, sizeof(text) - 1, file), strlen(wanted));
	cr_expect_str_eq(text, wanted);
	fclose(file);
}

static void expect_content(const char *wanted)
{
	expect_content_of("file", wanted);
}

Test(unit, a_file_comes_into_being_when_it_is_whole)
{
	struct output output = OUTPUT_NULL;
	struct stat stat_new;

	umask(022);
	cr_assert_eq(output_open(&output, "file"), 0);
	cr_assert_eq(output_write(&output, "ne", 2, NULL), 0);
	cr_expect_eq(access("file", F_OK), -1);
	cr_assert_eq(output_write(&output, "w", 1, NULL), 0);
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
	cr_assert_eq(output_write(&output, "new", 3, NULL), 0);
	output_done(&output);

	expect_content("old");
	cr_expect_eq(count_entries(), 1);
}

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* A pipe that nobody reads, and a signal every 10 ms: the first one that comes in between ends the
 * wait. */
Test(unit, a_write_that_waits_is_ended_by_a_signal)
{
	struct output output = OUTPUT_NULL;
	struct sigaction action = { .sa_handler = stop };
	struct itimerval often = { .it_interval = { .tv_usec = 10000 },
				   .it_value = { .tv_usec = 10000 } };
	static const char bytes[1 << 20];
	int fd;

	cr_assert_eq(mkfifo("fifo", 0600), 0);
	fd = open("fifo", O_RDWR);
	cr_assert_geq(fd, 0);
	cr_assert_eq(output_open(&output, "fifo"), 0);
	cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
	cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);

	cr_expect_eq(output_write(&output, bytes, sizeof(bytes), &stopped), -EINTR);

	output_done(&output);
	close(fd);
}

Test(unit, a_link_stays_and_its_file_is_replaced_with_its_mode)
{
	struct output output = OUTPUT_NULL;
	struct stat stat_link, stat_file;

	write_old();
	cr_assert_eq(chmod("file", 0600), 0);
	cr_assert_eq(symlink("file", "link"), 0);
	cr_assert_eq(output_open(&output, "link"), 0);
	cr_assert_eq(output_write(&output, "new", 3, NULL), 0);
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
	cr_assert_eq(output_write(&output, "new", 3, NULL), 0);
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
	cr_expect_eq(output_write(&output, "new", 3, NULL), -ENOSPC);
	output_done(&output);
}

/* -- Parts -- */

static const char url[] = "https://a.example/file";
static const struct part known = { .validator = "\"v1\"", .size = 6 };

static int open_part(struct output *output, struct part *part, uint64_t *at)
{
	*output = (struct output)OUTPUT_NULL;
	return output_open_part(output, "file", url, part, at);
}

/* Three bytes of six, left behind. */
static void leave_part(const struct part *part, uint64_t kept)
{
	struct output output;
	struct part found;
	uint64_t at = 1;

	cr_assert_eq(open_part(&output, &found, &at), 0);
	cr_expect_eq(at, 0);
	cr_assert_eq(output_begin(&output, url, part), 0);
	cr_assert_eq(output_write(&output, "abc", 3, NULL), 0);
	cr_expect_eq(output_done(&output), kept);
}

Test(unit, a_part_stays_and_is_gone_on_with)
{
	struct output output;
	struct part part;
	uint64_t at;

	leave_part(&known, 3);
	cr_expect_eq(count_entries(), 2);
	cr_expect_eq(access("file", F_OK), -1);

	cr_assert_eq(open_part(&output, &part, &at), 0);
	cr_expect_eq(at, 3);
	cr_expect_str_eq(part.validator, known.validator);
	cr_expect_eq(part.size, 6);
	cr_assert_eq(output_write(&output, "def", 3, NULL), 0);
	cr_assert_eq(output_commit(&output), 0);
	cr_expect_eq(output_done(&output), 0);

	expect_content("abcdef");
	cr_expect_eq(count_entries(), 1);
}

Test(unit, a_part_is_begun_anew_without_a_trace_of_the_old_one)
{
	static const struct part other = { .validator = "\"v2\"", .size = HTTP_SIZE_UNKNOWN };
	struct output output;
	struct part part;
	uint64_t at;

	leave_part(&known, 3);
	cr_assert_eq(open_part(&output, &part, &at), 0);
	cr_assert_eq(output_begin(&output, url, &other), 0);
	cr_assert_eq(output_write(&output, "x", 1, NULL), 0);
	cr_expect_eq(output_done(&output), 1);

	cr_assert_eq(open_part(&output, &part, &at), 0);
	cr_expect_eq(at, 1);
	cr_expect_str_eq(part.validator, "\"v2\"");
	cr_expect_eq(part.size, HTTP_SIZE_UNKNOWN);
	cr_expect_eq(output_done(&output), 1);
	expect_content_of("file.part", "x");
}

Test(unit, a_part_that_nothing_can_be_known_by_does_not_stay)
{
	static const struct part unknown = { .size = 6 };

	leave_part(&unknown, 0);

	cr_expect_eq(count_entries(), 0);
}

/* As one leaves it that was killed: the note was there first. */
Test(unit, a_part_without_a_validator_is_not_gone_on_with)
{
	struct output output;
	struct part part = { .size = 6 };
	char note[PART_LIMIT_NOTE];
	size_t len;
	uint64_t at;

	cr_assert_eq(part_format(&part, url, note, &len), 0);
	note[len] = '\0';
	write_file("file.part.info", note);
	write_file("file.part", "abc");

	cr_assert_eq(open_part(&output, &part, &at), 0);
	cr_expect_eq(at, 0);
	cr_expect_eq(output_done(&output), 0);
}

Test(unit, what_is_no_part_of_ours_is_left_alone)
{
	struct output output;
	struct part part;
	uint64_t at;

	write_file("file.part", "mine");
	cr_expect_eq(open_part(&output, &part, &at), -EEXIST);
	write_file("file.part.info", "mine");
	cr_expect_eq(open_part(&output, &part, &at), -EEXIST);
	expect_content_of("file.part", "mine");
	expect_content_of("file.part.info", "mine");

	unlink("file.part");
	cr_assert_eq(symlink("/dev/null", "file.part"), 0);
	cr_expect_eq(open_part(&output, &part, &at), -EEXIST);
	unlink("file.part");
	cr_assert_eq(mkfifo("file.part", 0600), 0);
	cr_expect_eq(open_part(&output, &part, &at), -EEXIST);
}

Test(unit, a_part_of_another_url_is_left_alone)
{
	struct output output = OUTPUT_NULL;
	struct part part;
	uint64_t at;

	leave_part(&known, 3);

	cr_expect_eq(output_open_part(&output, "file", "https://b.example/file", &part, &at),
		     -ESTALE);
	expect_content_of("file.part", "abc");
}

Test(unit, a_part_has_one_writer)
{
	struct output one, other;
	struct part part;
	uint64_t at;

	cr_assert_eq(open_part(&one, &part, &at), 0);
	cr_expect_eq(open_part(&other, &part, &at), -EBUSY);
	output_done(&one);
	cr_expect_eq(open_part(&other, &part, &at), 0);
	output_done(&other);
}

/* The note is replaced, never written through what lies in its place. */
Test(unit, a_note_is_not_written_through_a_link)
{
	write_old();
	cr_assert_eq(symlink("file", "file.part.info"), 0);

	leave_part(&known, 3);

	expect_content("old");
}

Test(unit, a_device_has_no_parts)
{
	struct output output = OUTPUT_NULL;
	struct part part;
	uint64_t at = 1;

	cr_assert_eq(output_open_part(&output, "/dev/null", url, &part, &at), 0);
	cr_expect_eq(at, 0);
	cr_expect_eq(output_begin(&output, url, &known), 0);
	cr_expect_eq(output_write(&output, "x", 1, NULL), 0);
	cr_expect_eq(output_commit(&output), 0);
	cr_expect_eq(output_done(&output), 0);
}

Test(unit, a_part_that_cannot_be_is_an_error)
{
	struct output output = OUTPUT_NULL;
	char name[NAME_MAX + 1];
	struct part part;
	uint64_t at;

	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	cr_expect_eq(output_open_part(&output, "none/file", url, &part, &at), -ENOENT);
	cr_expect_eq(output_open_part(&output, name, url, &part, &at), -ENAMETOOLONG);
}
