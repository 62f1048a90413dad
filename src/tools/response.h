/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_RESPONSE_H
#define KTLS_TOOL_RESPONSE_H

/* What is answered to a request: a head, and for a file the range of it that follows. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "http.h"

enum response_limit {
	RESPONSE_LIMIT_HEAD = 1024, /* ours are some 300 bytes */
};

struct response {
	unsigned int status;
	bool keep_alive;
	char head[RESPONSE_LIMIT_HEAD]; /* with the body, where that is only a word */
	size_t head_len;
	struct file file; /* nothing open: no more to send than the head */
	uint64_t offset;
	uint64_t len;
};

/* The answer to a request that was read; opens the file. Free it with response_done(). */
void response_make(struct response *ret_response, const struct http_head *request, int root_fd);

/* The answer to what is no request, and the last one of its connection. */
void response_make_error(struct response *ret_response, unsigned int status);

void response_done(struct response *response);

#endif
