/* SPDX-License-Identifier: MIT */

/*
 * The file of ticket keys: read strictly, rotated atomically. Who reads it meanwhile finds the old
 * keys or the new ones, all of them.
 *
 * The temporary file is the lock of a rotation, too: it is private, as no directory need be, so
 * nobody else can hold it. A second rotation at the same time does not wait for its turn but fails:
 * two in a row would forget a key that is in use.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <ktls/error.h>
#include <ktls/tickets.h>

#include "base/fd.h"
#include "ticket_file.h"

#define HEAD	 "libktls ticket keys 1\n"
#define NEXT	 "next "
#define CURRENT	 "current "
#define PREVIOUS "previous "

enum {
	/* Each line ends with one byte; its literal does, too. */
	TEXT_LEN = sizeof(HEAD) - 1 + sizeof(NEXT) + sizeof(CURRENT) + sizeof(PREVIOUS) +
		   KTLS_TICKET_KEYS_N * 2 * KTLS_TICKET_KEY_LEN,
	OTHERS = 077, /* of a mode */
};

static const char *const labels[KTLS_TICKET_KEYS_N] = {
	[KTLS_TICKET_NEXT] = NEXT,
	[KTLS_TICKET_CURRENT] = CURRENT,
	[KTLS_TICKET_PREVIOUS] = PREVIOUS,
};

struct text {
	char bytes[TEXT_LEN + 1]; /* one more than is legal, so that more is seen */
	size_t len;
};

KTLS_DEFINE_WIPE(text);

static void free_string(char **string)
{
	free(*string);
}

int ktls_ticket_masters_make(struct ktls_ticket_masters *ret_masters)
{
	/* Up to 256 bytes come whole (random(7)). */
	_Static_assert(sizeof(*ret_masters) <= 256, "one getrandom(2) is enough");
	ssize_t n = getrandom(ret_masters, sizeof(*ret_masters), 0);

	return n < 0 ? -errno : 0;
}

/* The text */

static int value_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

static bool take_word(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (memcmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool take_key(const char **at, uint8_t ret_key[KTLS_TICKET_KEY_LEN])
{
	for (size_t i = 0; i < KTLS_TICKET_KEY_LEN; i++, *at += 2) {
		int high = value_of((*at)[0]), low = value_of((*at)[1]);

		if (high < 0 || low < 0)
			return false;
		ret_key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Every part has a length of its own, so the length of the whole bounds each. */
static bool parse(const struct text *text, struct ktls_ticket_masters *ret_masters)
{
	const char *at = text->bytes;

	if (text->len != TEXT_LEN || !take_word(&at, HEAD))
		return false;
	for (size_t i = 0; i < KTLS_TICKET_KEYS_N; i++) {
		if (!take_word(&at, labels[i]) || !take_key(&at, ret_masters->keys[i]) ||
		    !take_word(&at, "\n"))
			return false;
	}
	return true;
}

static void format(const struct ktls_ticket_masters *masters, struct text *ret_text)
{
	static const char digits[] = "0123456789abcdef";
	char *at = stpcpy(ret_text->bytes, HEAD);

	for (size_t i = 0; i < KTLS_TICKET_KEYS_N; i++) {
		at = stpcpy(at, labels[i]);
		for (size_t j = 0; j < KTLS_TICKET_KEY_LEN; j++) {
			*at++ = digits[masters->keys[i][j] >> 4];
			*at++ = digits[masters->keys[i][j] & 15];
		}
		*at++ = '\n';
	}
	ret_text->len = (size_t)(at - ret_text->bytes);
}

/* Reading */

static const char *complain(const struct stat *file)
{
	if (!S_ISREG(file->st_mode))
		return "it is no regular file. To do: name one that `ktls rotate` made";
	if (file->st_uid != geteuid() && file->st_uid != 0)
		return "it belongs to another user, who can change it. To do: chown it to the "
		       "server's user";
	if (file->st_mode & OTHERS)
		return "other users may read it. To do: chmod 600, and rotate it three times, for "
		       "its keys may be known";
	return NULL;
}

static int fail(const char *what, const char **ret_what)
{
	*ret_what = what;
	return -KTLS_E_BAD_TICKET_KEYS;
}

int ktls_ticket_file_read(const char *path, struct ktls_ticket_masters *ret_masters,
			  struct stat *ret_file, const char **ret_what)
{
	/* A FIFO must not make us wait for whoever writes to it. */
	_cleanup_(ktls_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_(ktls_ticket_masters_wipe) struct ktls_ticket_masters masters;
	_cleanup_(text_wipe) struct text text = { .len = 0 };
	struct stat file;
	const char *what;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &file))
		return -errno;
	what = complain(&file);
	if (what)
		return fail(what, ret_what);
	r = ktls_fd_read_all(fd, text.bytes, sizeof(text.bytes), &text.len);
	if (r < 0)
		return r;
	if (!parse(&text, &masters))
		return fail("it is not a file of ticket keys, or not whole. To do: make one with "
			    "`ktls rotate`, and replace files by rename(2)",
			    ret_what);
	*ret_masters = masters;
	*ret_file = file;
	return 0;
}

/* Rotating */

static int age(struct ktls_ticket_masters *masters)
{
	_cleanup_(ktls_ticket_masters_wipe) struct ktls_ticket_masters fresh;
	int r = ktls_ticket_masters_make(&fresh);

	if (r < 0)
		return r;
	for (size_t i = KTLS_TICKET_KEYS_N - 1; i > 0; i--)
		memcpy(masters->keys[i], masters->keys[i - 1], KTLS_TICKET_KEY_LEN);
	memcpy(masters->keys[KTLS_TICKET_NEXT], fresh.keys[0], KTLS_TICKET_KEY_LEN);
	return 0;
}

static int make_or_age(const char *path, struct ktls_ticket_masters *ret_masters)
{
	struct stat file;
	const char *what;
	int r = ktls_ticket_file_read(path, ret_masters, &file, &what);

	if (r == -ENOENT)
		return ktls_ticket_masters_make(ret_masters);
	return r < 0 ? r : age(ret_masters);
}

/* The file's own name, so that a link to it stays a link; or the name as it is, if there is none.
 */
static int resolve(const char *path, char **ret_path)
{
	char *resolved = realpath(path, NULL);

	if (!resolved && errno == ENOENT)
		resolved = strdup(path);
	if (!resolved)
		return -errno;
	*ret_path = resolved;
	return 0;
}

/* Whether the file is still the one of that name: who held the lock before has renamed it. */
static bool is_at(const struct stat *file, const char *path)
{
	struct stat named;

	return !lstat(path, &named) && named.st_dev == file->st_dev && named.st_ino == file->st_ino;
}

/* What an interrupted rotation left behind is taken over. */
static int open_locked(const char *path, int *ret_fd)
{
	_cleanup_(ktls_fd_close) int fd =
		open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	struct stat file;

	if (fd < 0 || fstat(fd, &file))
		return -errno;
	if (!S_ISREG(file.st_mode) || file.st_uid != geteuid())
		return -EPERM;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!is_at(&file, path))
		return -EBUSY;
	if (fchmod(fd, 0600) || ftruncate(fd, 0))
		return -errno;
	*ret_fd = ktls_fd_steal(&fd);
	return 0;
}

static int write_masters(int fd, const struct ktls_ticket_masters *masters)
{
	_cleanup_(text_wipe) struct text text;
	size_t done = 0;

	format(masters, &text);
	while (done < text.len) {
		ssize_t n = write(fd, text.bytes + done, text.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

/* Under the lock, which the caller holds. */
static int replace(const char *path, const char *temporary, int fd)
{
	_cleanup_(ktls_ticket_masters_wipe) struct ktls_ticket_masters masters;
	int r = make_or_age(path, &masters);

	if (!r)
		r = write_masters(fd, &masters);
	if (!r && rename(temporary, path))
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

int ktls_ticket_file_rotate(const char *path)
{
	_cleanup_(free_string) char *resolved = NULL;
	_cleanup_(free_string) char *temporary = NULL;
	_cleanup_(ktls_fd_close) int fd = -EBADF;
	int r;

	if (!path || !*path)
		return -EINVAL;
	r = resolve(path, &resolved);
	if (r < 0)
		return r;
	if (asprintf(&temporary, "%s.new", resolved) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	r = open_locked(temporary, &fd);
	return r < 0 ? r : replace(resolved, temporary, fd);
}
