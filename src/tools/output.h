/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_OUTPUT_H
#define KTLS_TOOL_OUTPUT_H

/*
 * Where fetched bytes go: stdout, or a file that comes into being, or is replaced, only when all of
 * it is there. Until then the bytes lie beside it under a name of their own, which is gone again if
 * the program fails or is ended by a signal. What is no regular file (/dev/null, a FIFO) is written
 * to as it is.
 */

#include <stddef.h>

struct output {
	int fd;
	char *path;	 /* to become; NULL: already the place itself */
	char *temporary; /* until then */
};

#define OUTPUT_NULL      \
	{                \
		.fd = -1 \
	}

/* `path` NULL is stdout. -errno. */
int output_open(struct output *ret_output, const char *path);
int output_write(struct output *output, const char *buf, size_t len);
/* All is there. -errno: it could not be kept. */
int output_commit(struct output *output);
/* Ends it; without output_commit() nothing stays. */
void output_done(struct output *output);

#endif
