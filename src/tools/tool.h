/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_H
#define KTLS_TOOL_H

/*
 * What the commands of `ktls` share: how they end, how they say where records were protected, and
 * descriptors that close themselves. A command uses the library as any program does, through
 * <ktls/...>, so nothing of the library's inside is used here, not even its helpers.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ktls/ktls.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Exit statuses; those of `ktls get` are curl's, where curl has one. */
enum tool_exit {
	TOOL_EXIT_OK = 0,
	TOOL_EXIT_FAILED = 1,	  /* anything without a number of its own */
	TOOL_EXIT_USAGE = 2,	  /* the command line */
	TOOL_EXIT_URL = 3,	  /* no URL of ours */
	TOOL_EXIT_RESOLVE = 6,	  /* the host has no address */
	TOOL_EXIT_CONNECT = 7,	  /* none of its addresses answers */
	TOOL_EXIT_PARTIAL = 18,	  /* the body was cut off */
	TOOL_EXIT_STATUS = 22,	  /* HTTP said no */
	TOOL_EXIT_WRITE = 23,	  /* the output cannot be written */
	TOOL_EXIT_READ = 26,	  /* the list of URLs cannot be read */
	TOOL_EXIT_TIMEOUT = 28,	  /* the time given was not enough */
	TOOL_EXIT_HANDSHAKE = 35, /* TLS could not be agreed on */
	TOOL_EXIT_TRANSFER = 56,  /* TLS or HTTP broke afterwards */
	TOOL_EXIT_VERIFY = 60,	  /* the peer is not who it should be */
	TOOL_EXIT_TRUST = 77,	  /* the file of trusted certificates cannot be used */
};

enum tool_limit {
	TOOL_PROTECTION_LEN = 96, /* "tx=user (no-rekey) rx=user (no-rekey)" and more */
};

/* A command: its arguments from its own name on; returns an enum tool_exit. */
int serve_main(int argc, char *argv[]);
int get_main(int argc, char *argv[]);
int probe_main(int argc, char *argv[]);
int stat_main(int argc, char *argv[]);
int rotate_main(int argc, char *argv[]);

/* Prints "COMMAND: " and the message as one line on stderr, and returns `code`. */
int tool_fail(int code, const char *command, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* After a bad command line: where help is. Returns TOOL_EXIT_USAGE. */
int tool_usage(const char *command);

/* A socket for each connection, and then files: as many descriptors as there may be. */
void tool_raise_file_limit(void);

/* Sets both directions as --offload says: auto, off, tx, rx, both, required, nic. -EINVAL: none of
 * these. */
int tool_set_offload(struct ktls_config *config, const char *word);

/* "tx=kernel rx=user (no-rekey)", cut to `size`. */
void tool_format_protection(const struct ktls_info *info, char *ret_text, size_t size);

static inline void tool_fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
}

static inline int tool_fd_steal(int *fd)
{
	int stolen = *fd;

	*fd = -EBADF;
	return stolen;
}

static inline void tool_free(char **text)
{
	free(*text);
	*text = NULL;
}

static inline void tool_config_unref(struct ktls_config **config)
{
	*config = ktls_config_unref(*config);
}

#endif
