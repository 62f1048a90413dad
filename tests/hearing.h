/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_HEARING_H
#define KTLS_TESTS_HEARING_H

/* What is said on stderr, for tests of programs' parts; and files with a text in them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <criterion/criterion.h>

struct hearing {
	int stderr_fd; /* as it was */
	FILE *file;
	char text[4096];
};

static inline void hearing_begin(struct hearing *hearing)
{
	fflush(stderr);
	hearing->stderr_fd = dup(STDERR_FILENO);
	hearing->file = tmpfile();
	cr_assert(hearing->stderr_fd >= 0 && hearing->file);
	dup2(fileno(hearing->file), STDERR_FILENO);
}

/* The text stays in *hearing. */
static inline const char *hearing_end(struct hearing *hearing)
{
	size_t n;

	fflush(stderr);
	dup2(hearing->stderr_fd, STDERR_FILENO);
	close(hearing->stderr_fd);
	rewind(hearing->file);
	n = fread(hearing->text, 1, sizeof(hearing->text) - 1, hearing->file);
	hearing->text[n] = '\0';
	fclose(hearing->file);
	return hearing->text;
}

/* A new file with these bytes; its path goes to `ret_path`, and is the caller's to unlink. */
static inline void make_text_file(char ret_path[64], const char *text, size_t len)
{
	int fd;

	strcpy(ret_path, "/tmp/ktls-test-text-XXXXXX");
	fd = mkstemp(ret_path);
	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

#endif
