/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_OUTPUT_H
#define KTLS_TOOL_OUTPUT_H

/*
 * Where fetched bytes go: stdout, or a file that comes into being, or is replaced, only when all of
 * it is there. Until then the bytes lie beside it under a name of their own, which is gone again if
 * the fetch fails; or, where the caller wants to go on with it another time, as FILE.part, with a
 * note about it in FILE.part.info. What is no regular file (/dev/null, a FIFO) is written to as it
 * is.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "part.h"

#define OUTPUT_PART_SUFFIX ".part"
#define OUTPUT_NOTE_SUFFIX ".part.info"

struct output {
	int fd;
	char *path;	 /* to become; NULL: already the place itself */
	char *temporary; /* until then */
	char *note;	 /* about it; NULL: nothing is to stay */
	bool keep;	 /* what is there may be gone on with */
};

#define OUTPUT_NULL      \
	{                \
		.fd = -1 \
	}

/* `path` NULL is stdout. -errno. */
int output_open(struct output *ret_output, const char *path);

/*
 * The same, and goes on with what came of this URL before: *ret_at bytes are there, and *ret_part
 * is what is known of them; 0: none that could be gone on with. -EEXIST: there is a FILE.part, and
 * nothing says what it is; -ESTALE: it is part of another URL; -EBUSY: somebody writes it. In these
 * cases it is left alone.
 */
int output_open_part(struct output *ret_output, const char *path, const char *url,
		     struct part *ret_part, uint64_t *ret_at);

/* The file will begin with its first byte: forgets what is there, and notes what is known of what
 * will come. -errno. */
int output_begin(struct output *output, const char *url, const struct part *part);

/* Writes all of it, through signals, unless *stop becomes true, which may be NULL: -EINTR. -errno.
 */
int output_write(struct output *output, const char *buf, size_t len,
		 const volatile sig_atomic_t *stop);

/* All is there. -errno: it could not be kept. */
int output_commit(struct output *output);

/* Ends it, and returns how many bytes stay to go on with. Without output_commit(), and where there
 * is nothing to know a part by, nothing stays. */
uint64_t output_done(struct output *output);

#endif
