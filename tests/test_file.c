/* SPDX-License-Identifier: MIT */

/*
 * Paths that would leave the root, or that name what is no file, on a real tree:
 *
 *   TOP/secret
 *   TOP/root/plain  index/index.html  bare/  in -> plain  up -> ../secret  out -> TOP/secret
 *            loop -> loop  dir_in -> index  dir_up -> ..  fifo  socket
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "file.h"
#include "http.h"

static char top[64];
static int root_fd;

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void make_tree(void)
{
	char secret[80];

	strcpy(top, "/tmp/ktls-test-file-XXXXXX");
	cr_assert(mkdtemp(top));
	cr_assert_eq(chdir(top), 0);
	write_file("secret", "secret");
	cr_assert_eq(mkdir("root", 0755), 0);
	cr_assert_eq(chdir("root"), 0);
	write_file("plain", "plain");
	cr_assert_eq(mkdir("index", 0755), 0);
	write_file("index/index.html", "index");
	cr_assert_eq(mkdir("bare", 0755), 0);
	snprintf(secret, sizeof(secret), "%s/secret", top);
	cr_assert_eq(symlink("plain", "in"), 0);
	cr_assert_eq(symlink("../secret", "up"), 0);
	cr_assert_eq(symlink(secret, "out"), 0);
	cr_assert_eq(symlink("loop", "loop"), 0);
	cr_assert_eq(symlink("index", "dir_in"), 0);
	cr_assert_eq(symlink("..", "dir_up"), 0);
	cr_assert_eq(mkfifo("fifo", 0644), 0);
	make_socket("socket");
	root_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(root_fd, 0);
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(void)
{
	close(root_fd);
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(nftw(top, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(unit, .init = make_tree, .fini = remove_tree);

Test(unit, a_small_file_is_read_with_its_facts)
{
	struct file file = FILE_NULL;

	cr_assert_eq(file_open(&file, root_fd, "index/index.html"), 0);

	cr_expect_eq(file.size, 5);
	cr_expect_arr_eq(file.contents, "index", 5);
	cr_expect_lt(file.fd, 0);
	cr_expect_eq(file.etag[0], '"');
	cr_expect_str_eq(strrchr(file.etag, '"'), "\"");
	cr_expect_str_eq(file.modified + strlen(file.modified) - 4, " GMT");
	file_close(&file);
	cr_expect_null(file.contents);
}

/* Bytes that count up. */
static void write_bytes(const char *path, size_t size)
{
	FILE *file = fopen(path, "w");

	cr_assert(file);
	for (size_t i = 0; i < size; i++)
		fputc((int)i, file);
	cr_assert_eq(fclose(file), 0);
}

Test(unit, a_larger_file_stays_open)
{
	struct file small = FILE_NULL, larger = FILE_NULL;

	write_bytes("small", FILE_LIMIT_SMALL);
	write_bytes("larger", FILE_LIMIT_SMALL + 1);
	cr_assert_eq(file_open(&small, root_fd, "small"), 0);
	cr_assert_eq(file_open(&larger, root_fd, "larger"), 0);

	cr_expect_eq(small.size, FILE_LIMIT_SMALL);
	cr_expect_eq((unsigned char)small.contents[1000], 1000 % 256);
	cr_expect_lt(small.fd, 0);
	cr_expect_eq(larger.size, FILE_LIMIT_SMALL + 1);
	cr_expect_null(larger.contents);
	cr_expect(fcntl(larger.fd, F_GETFD) & FD_CLOEXEC);
	file_close(&small);
	file_close(&larger);
	cr_expect_lt(larger.fd, 0);
}

Test(unit, each_state_of_a_file_has_a_tag_of_its_own)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = 1, .tv_nsec = 1 } };
	struct file files[4];

	for (int i = 0; i < 4; i++) {
		if (i == 1)
			write_bytes("changing", 10);
		if (i == 2)
			cr_assert_eq(rename("changing", "x"), 0);
		if (i == 3)
			cr_assert_eq(utimensat(AT_FDCWD, "changing", times, 0), 0);
		if (i % 2 == 0)
			write_bytes("changing", 9);
		cr_assert_eq(file_open(&files[i], root_fd, "changing"), 0);
	}
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < i; j++)
			cr_expect_str_neq(files[i].etag, files[j].etag, "%d and %d", i, j);
	}
	cr_expect_eq(files[3].mtime, 1);
	cr_expect_eq(files[3].mtime_nsec, 1);
	cr_expect_str_eq(files[3].modified, "Thu, 01 Jan 1970 00:00:01 GMT");
	for (int i = 0; i < 4; i++)
		file_close(&files[i]);
}

Test(unit, what_opens_and_what_does_not)
{
	static const struct {
		const char *path;
		int opened; /* by file_open() */
		int walked; /* by file_walk(), which follows no link and opens directories too */
	} rows[] = {
		{ "plain", 0, 0 },
		{ "./plain", 0, 0 },
		{ "index//index.html", 0, 0 },
		{ "index", -EISDIR, 0 },
		{ "index/", -EISDIR, 0 },
		{ "index/.", -EISDIR, 0 },
		{ ".", -EISDIR, 0 },
		{ "none", -ENOENT, -ENOENT },
		{ "none/none", -ENOENT, -ENOENT },
		{ "", -ENOENT, -ENOENT },
		{ "plain/", -ENOTDIR, -ENOTDIR },
		{ "plain/x", -ENOTDIR, -ENOTDIR },
		{ "in", 0, -ELOOP },
		{ "dir_in", -EISDIR, -ELOOP },
		{ "dir_in/index.html", 0, -ENOTDIR },
		{ "up", -EXDEV, -ELOOP },
		{ "out", -EXDEV, -ELOOP },
		{ "loop", -ELOOP, -ELOOP },
		{ "dir_up/secret", -EXDEV, -ENOTDIR },
		{ "..", -EXDEV, -EXDEV },
		{ "../secret", -EXDEV, -EXDEV },
		{ "index/../../secret", -EXDEV, -EXDEV },
		{ "/etc/passwd", -EXDEV, -EXDEV },
		{ "fifo", -EACCES, 0 },
		{ "socket", -EACCES, -ENXIO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct file file = FILE_NULL;
		int opened = file_open(&file, root_fd, rows[i].path);
		int walked = file_walk(root_fd, rows[i].path);

		cr_expect_eq(opened, rows[i].opened, "open \"%s\": %d", rows[i].path, opened);
		cr_expect_eq(walked < 0 ? walked : 0, rows[i].walked, "walk \"%s\": %d",
			     rows[i].path, walked);
		cr_expect_eq(file.contents != NULL, !opened);
		file_close(&file);
		if (walked >= 0)
			close(walked);
	}
}

Test(unit, a_name_longer_than_any_file_is_not_found)
{
	struct file file = FILE_NULL;
	char path[HTTP_LIMIT_TARGET + 1];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	cr_expect_eq(file_open(&file, root_fd, path), -ENAMETOOLONG);
	cr_expect_eq(file_walk(root_fd, path), -ENAMETOOLONG);
}

Test(unit, a_device_is_no_file)
{
	struct file file = FILE_NULL;
	int dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);

	cr_assert_geq(dev_fd, 0);
	cr_expect_eq(file_open(&file, dev_fd, "null"), -EACCES);
	cr_expect_eq(file_open(&file, dev_fd, "zero"), -EACCES);
	cr_expect_lt(file.fd, 0);
	close(dev_fd);
}

/* The links of /proc lead anywhere, and are not made of names: RESOLVE_NO_MAGICLINKS. */
Test(unit, a_magic_link_leads_nowhere)
{
	struct file file = FILE_NULL;
	int proc_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	cr_assert_geq(proc_fd, 0);
	cr_expect_lt(file_open(&file, proc_fd, "exe"), 0);
	cr_expect_lt(file_open(&file, proc_fd, "root/etc/passwd"), 0);
	cr_expect_lt(file_open(&file, proc_fd, "cwd/plain"), 0);
	close(proc_fd);
}

Test(unit, nothing_stays_open)
{
	struct file file = FILE_NULL;
	int before = dup(root_fd);

	close(before);
	write_bytes("large", FILE_LIMIT_SMALL + 1);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(file_open(&file, root_fd, "plain"), 0);
		file_close(&file);
		cr_assert_eq(file_open(&file, root_fd, "large"), 0);
		file_close(&file);
		cr_assert_lt(file_open(&file, root_fd, "index"), 0);
		cr_assert_lt(file_open(&file, root_fd, "fifo"), 0);
		cr_assert_lt(file_walk(root_fd, "index/none/x"), 0);
		cr_assert_lt(file_walk(root_fd, "index/index.html/"), 0);
	}

	cr_expect_eq(dup(root_fd), before);
}
