/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_ACCESS_H
#define KTLS_TOOL_ACCESS_H

/*
 * The access log: a line for each answer, in the combined format. Each thread gathers lines of its
 * own and writes them with one call a turn; they share the file. Whatever becomes of the file, no
 * answer waits for it: lines for which there is no room any more are lost, counted, and that is
 * said.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ktls/ktls.h>

#include "http.h"
#include "metrics.h"

enum access_limit {
	ACCESS_LIMIT_BUFFER = 64 << 10, /* lines that wait, for each thread */
	ACCESS_LIMIT_REQUEST = 1024,	/* bytes of a line for what the client wrote; the rest is */
	ACCESS_LIMIT_FIELD = 256,	/* cut off: the request, Referer, and User-Agent */
	ACCESS_LIMIT_LINE = 2048,
	ACCESS_LIMIT_RETRY_MS = 1000, /* after a write that failed */
};

/* What is written to, by all threads. */
struct access_file {
	char *path; /* NULL: standard output */
	bool made;  /* there was no such file before */
	int fd;
	atomic_bool is_regular;
	atomic_bool is_socket;
	bool with_tls; /* version and suite at the end of each line */
};

#define ACCESS_FILE_NULL \
	{                \
		.fd = -1 \
	}

/* Opens the file, which is made or appended to, or with "-" standard output. -errno. */
int access_file_open(struct access_file *file, const char *path);
void access_file_close(struct access_file *file);

/* Opens it once more by its name, after somebody has moved it away: the old one is let go between
 * two lines. -errno: the old one is still written to. While other threads write. */
int access_file_reopen(struct access_file *file);

/* What a line says of the request; kept until the answer is done. */
struct access_request {
	uint16_t request_len, referer_len, agent_len;
	char request[ACCESS_LIMIT_REQUEST];
	char referer[ACCESS_LIMIT_FIELD];
	char agent[ACCESS_LIMIT_FIELD];
};

void access_request_set(struct access_request *request, const struct http_head *head);

/* And of the answer. */
struct access_answer {
	const char *peer; /* its address */
	unsigned int status;
	uint64_t bytes; /* of the body, that were accepted */
	int64_t now;	/* seconds since 1970 */
	const struct ktls_info *info;
};

struct access_log;

/* One thread's. file and metrics outlive it. 0 or -ENOMEM. */
int access_log_new(struct access_log **ret_log, struct access_file *file, struct metrics *metrics);

/* Writes what is left, as far as that goes at once. */
struct access_log *access_log_free(struct access_log *log);

/* All of these take NULL, and do nothing then. */

/* Adds a line. */
void access_log_add(struct access_log *log, const struct access_request *request,
		    const struct access_answer *answer);

/* Writes the lines that there are; never waits. Whether some are left, so that it should be called
 * again in a while. */
bool access_log_flush(struct access_log *log, uint64_t now_ns);

#endif
