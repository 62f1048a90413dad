/* SPDX-License-Identifier: MIT */

/* The file of ticket keys is what it should be, or is not taken; a rotation moves each key one
 * place on, whole or not at all. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <ktls/error.h>
#include <ktls/tickets.h>

#include "tests/kit.h"
#include "ticket_file.h"

TestSuite(unit, .init = kit_directory_enter, .fini = kit_directory_leave);

static int read_keys(const char *path, struct ktls_ticket_masters *ret_masters)
{
	const char *what = NULL;
	struct stat file;
	int r = ktls_ticket_file_read(path, ret_masters, &file, &what);

	cr_assert_eq(!!what, r == -KTLS_E_BAD_TICKET_KEYS);
	return r;
}

static struct ktls_ticket_masters keys_of(const char *path)
{
	struct ktls_ticket_masters masters;

	cr_assert_eq(read_keys(path, &masters), 0);
	return masters;
}

static void write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static size_t read_file(const char *path, char *ret_bytes, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	cr_assert_geq(fd, 0);
	n = read(fd, ret_bytes, size);
	cr_assert_geq(n, 0);
	close(fd);
	return (size_t)n;
}

static bool is_same_key(const struct ktls_ticket_masters *a, enum ktls_ticket_age age_a,
			const struct ktls_ticket_masters *b, enum ktls_ticket_age age_b)
{
	return !memcmp(a->keys[age_a], b->keys[age_b], KTLS_TICKET_KEY_LEN);
}

static void check_rotated(const struct ktls_ticket_masters *before,
			  const struct ktls_ticket_masters *after)
{
	cr_assert(is_same_key(after, KTLS_TICKET_PREVIOUS, before, KTLS_TICKET_CURRENT));
	cr_assert(is_same_key(after, KTLS_TICKET_CURRENT, before, KTLS_TICKET_NEXT));
	for (unsigned int age = 0; age < KTLS_TICKET_KEYS_N; age++)
		cr_assert(!is_same_key(after, KTLS_TICKET_NEXT, before, age));
}

Test(unit, a_file_that_was_not_there_is_made)
{
	struct ktls_ticket_masters masters;
	struct stat file;

	umask(0);
	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	masters = keys_of("keys");
	cr_assert(!is_same_key(&masters, KTLS_TICKET_NEXT, &masters, KTLS_TICKET_CURRENT));
	cr_assert(!is_same_key(&masters, KTLS_TICKET_NEXT, &masters, KTLS_TICKET_PREVIOUS));
	cr_assert(!is_same_key(&masters, KTLS_TICKET_CURRENT, &masters, KTLS_TICKET_PREVIOUS));
	cr_assert_eq(stat("keys", &file), 0);
	cr_assert_eq(file.st_mode, (mode_t)(S_IFREG | 0600));
	cr_assert_eq(access("keys.new", F_OK), -1);
}

/* Two in different directories have nothing in common. */
Test(unit, keys_are_made_at_random)
{
	struct ktls_ticket_masters a, b;

	cr_assert_eq(ktls_ticket_file_rotate("a"), 0);
	cr_assert_eq(ktls_ticket_file_rotate("b"), 0);
	a = keys_of("a");
	b = keys_of("b");
	cr_assert_neq(memcmp(&a, &b, sizeof(a)), 0);
}

Test(unit, a_rotation_moves_each_key_one_place_on)
{
	unsigned int fds = kit_count_fds();

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	for (int i = 0; i < 5; i++) {
		struct ktls_ticket_masters before = keys_of("keys"), after;

		cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
		after = keys_of("keys");
		check_rotated(&before, &after);
	}
	cr_assert_eq(kit_count_fds(), fds);
}

/* As somebody else's program would write it: capitals are as good. */
Test(unit, the_format_is_what_it_is_said_to_be)
{
	char bytes[512], digits[2 * KTLS_TICKET_KEY_LEN + 1] = "";
	struct ktls_ticket_masters masters;
	int len;

	for (size_t i = 0; i < KTLS_TICKET_KEY_LEN; i++)
		sprintf(digits + 2 * i, i % 2 ? "%02X" : "%02x", (unsigned int)(i * 4 + 3));
	len = snprintf(bytes, sizeof(bytes),
		       "libktls ticket keys 1\nnext %s\ncurrent %s\nprevious %s\n", digits, digits,
		       digits);
	write_file("keys", bytes, (size_t)len);
	masters = keys_of("keys");
	for (size_t i = 0; i < KTLS_TICKET_KEY_LEN; i++)
		cr_assert_eq(masters.keys[KTLS_TICKET_PREVIOUS][i], (uint8_t)(i * 4 + 3));
}

/* Refused by whoever reads it, and left as it is by a rotation. */
static void check_refused(const char *bytes, size_t len, const char *why)
{
	struct ktls_ticket_masters masters;
	char after[1024];

	write_file("keys", bytes, len);
	cr_assert_eq(read_keys("keys", &masters), -KTLS_E_BAD_TICKET_KEYS, "%s", why);
	cr_assert_eq(ktls_ticket_file_rotate("keys"), -KTLS_E_BAD_TICKET_KEYS, "%s", why);
	cr_assert_eq(read_file("keys", after, sizeof(after)), len, "%s", why);
	cr_assert_eq(memcmp(after, bytes, len), 0, "%s", why);
	cr_assert_eq(access("keys.new", F_OK), -1, "%s", why);
}

Test(unit, a_file_that_is_anything_else_is_refused)
{
	char good[1024], bad[1024];
	size_t len;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	len = read_file("keys", good, sizeof(good));
	for (size_t n = 0; n < len; n++)
		check_refused(good, n, "cut off");
	for (size_t at = 0; at < len; at++) {
		memcpy(bad, good, len);
		bad[at] ^= 0x40; /* a digit's, too, is none then */
		check_refused(bad, len, "a byte is wrong");
		bad[at] = '\0';
		check_refused(bad, len, "a byte is 0");
	}
	memcpy(bad, good, len);
	bad[len] = '\n';
	check_refused(bad, len + 1, "a line too many");
	memset(bad + len, 'x', sizeof(bad) - len);
	check_refused(bad, sizeof(bad), "far too long");
}

Test(unit, a_file_that_others_may_read_is_refused)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666, 0777 };
	struct ktls_ticket_masters masters;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		cr_assert_eq(chmod("keys", modes[i]), 0);
		cr_assert_eq(read_keys("keys", &masters), -KTLS_E_BAD_TICKET_KEYS, "%o", modes[i]);
		cr_assert_eq(ktls_ticket_file_rotate("keys"), -KTLS_E_BAD_TICKET_KEYS, "%o",
			     modes[i]);
	}
	cr_assert_eq(chmod("keys", 0400), 0);
	cr_assert_eq(read_keys("keys", &masters), 0);
}

/* Without waiting for anybody to write into a FIFO. */
Test(unit, what_is_no_regular_file_is_refused)
{
	struct ktls_ticket_masters masters;

	cr_assert_eq(mkdir("directory", 0700), 0);
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	cr_assert_eq(read_keys("directory", &masters), -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_eq(read_keys("fifo", &masters), -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_eq(ktls_ticket_file_rotate("directory"), -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_eq(ktls_ticket_file_rotate("fifo"), -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_eq(access("fifo.new", F_OK), -1);
}

Test(unit, a_file_of_another_user_is_refused)
{
	struct ktls_ticket_masters masters;

	if (geteuid()) {
		kit_directory_leave(); /* nobody else would, of a test that is skipped */
		cr_skip_test("only root can make one");
	}
	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	cr_assert_eq(chown("keys", 1, 1), 0);
	cr_assert_eq(read_keys("keys", &masters), -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_eq(ktls_ticket_file_rotate("keys"), -KTLS_E_BAD_TICKET_KEYS);
	cr_assert_eq(chown("keys", 0, 0), 0);
	write_file("keys.new", "", 0);
	cr_assert_eq(chown("keys.new", 1, 1), 0);
	cr_assert_eq(ktls_ticket_file_rotate("keys"), -EPERM);
}

Test(unit, what_the_system_refuses_is_said)
{
	struct ktls_ticket_masters masters;

	cr_assert_eq(ktls_ticket_file_rotate(NULL), -EINVAL);
	cr_assert_eq(ktls_ticket_file_rotate(""), -EINVAL);
	cr_assert_eq(ktls_ticket_file_rotate("missing/keys"), -ENOENT);
	cr_assert_eq(read_keys("missing", &masters), -ENOENT);
	write_file("file", "", 0);
	cr_assert_eq(ktls_ticket_file_rotate("file/keys"), -ENOTDIR);
	cr_assert_eq(symlink("elsewhere", "keys.new"), 0);
	cr_assert_eq(ktls_ticket_file_rotate("keys"), -ELOOP);
	cr_assert_eq(access("elsewhere", F_OK), -1);
}

Test(unit, a_second_rotation_at_the_same_time_is_refused)
{
	struct ktls_ticket_masters before, after;
	int fd;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	before = keys_of("keys");
	fd = open("keys.new", O_RDWR | O_CREAT, 0600);
	cr_assert_eq(flock(fd, LOCK_EX), 0);

	cr_assert_eq(ktls_ticket_file_rotate("keys"), -EBUSY);
	after = keys_of("keys");
	cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0);
	cr_assert_eq(access("keys.new", F_OK), 0, "it is the other one's");

	close(fd);
	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
}

Test(unit, what_an_interrupted_rotation_left_does_not_matter)
{
	struct ktls_ticket_masters before, after;
	char junk[1000] = "junk";
	struct stat file;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	before = keys_of("keys");
	write_file("keys.new", junk, sizeof(junk));
	cr_assert_eq(chmod("keys.new", 0644), 0);

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	after = keys_of("keys");
	check_rotated(&before, &after);
	cr_assert_eq(stat("keys", &file), 0);
	cr_assert_eq(file.st_mode, (mode_t)(S_IFREG | 0600));
}

Test(unit, a_link_to_the_file_stays_a_link)
{
	struct ktls_ticket_masters before, after;
	struct stat file;

	cr_assert_eq(mkdir("data", 0700), 0);
	cr_assert_eq(ktls_ticket_file_rotate("data/keys"), 0);
	cr_assert_eq(symlink("data/keys", "link"), 0);
	before = keys_of("link");

	cr_assert_eq(ktls_ticket_file_rotate("link"), 0);
	after = keys_of("data/keys");
	check_rotated(&before, &after);
	cr_assert_eq(lstat("link", &file), 0);
	cr_assert(S_ISLNK(file.st_mode));
}

/* Several at once, and one that reads: it never sees half a file, and no rotation is lost. */

enum {
	CROWD_N = 3,
	ROTATIONS_N = 50, /* of each, that succeed or not */
};

static atomic_uint rotated;
static atomic_bool crowd_done;

static void *rotate_often(void *data)
{
	for (int i = 0; i < ROTATIONS_N; i++) {
		int r = ktls_ticket_file_rotate("keys");

		cr_assert(!r || r == -EBUSY, "%s", ktls_strerrorname(r));
		rotated += !r;
	}
	return data;
}

/* How many rotations it saw. */
static void *read_often(void *data)
{
	struct ktls_ticket_masters last = keys_of("keys"), now;
	size_t seen = 0;

	(void)data;
	while (!crowd_done) {
		now = keys_of("keys");
		seen += memcmp(&now, &last, sizeof(now)) != 0;
		last = now;
	}
	return (void *)seen;
}

Test(unit, rotations_do_not_meet_and_readers_see_whole_files)
{
	pthread_t crowd[CROWD_N], reader;
	void *seen;

	cr_assert_eq(ktls_ticket_file_rotate("keys"), 0);
	cr_assert_eq(pthread_create(&reader, NULL, read_often, NULL), 0);
	for (size_t i = 0; i < CROWD_N; i++)
		cr_assert_eq(pthread_create(&crowd[i], NULL, rotate_often, NULL), 0);
	for (size_t i = 0; i < CROWD_N; i++)
		cr_assert_eq(pthread_join(crowd[i], NULL), 0);
	crowd_done = true;
	cr_assert_eq(pthread_join(reader, &seen), 0);

	cr_assert_geq(rotated, 1u);
	cr_assert_leq((size_t)seen, (size_t)rotated);
	cr_assert_eq(access("keys.new", F_OK), -1);
}
