/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_RESPONSE_H
#define KTLS_TOOL_RESPONSE_H

/* What is answered to a request: a list of pieces, memory and ranges of a file, to be sent in their
 * order. No input or output but the cache's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "http.h"

enum response_limit {
	RESPONSE_LIMIT_HEAD = 1024, /* ours are some 300 bytes */
	RESPONSE_LIMIT_PART = 256,  /* what stands before one of several parts */
	/* The head, each part with what stands before it, and what stands behind the last. */
	RESPONSE_LIMIT_PIECES = 2 * HTTP_LIMIT_RANGES + 2,
};

struct response_piece {
	const char *data; /* NULL: len bytes of the response's file from offset */
	uint64_t offset;
	uint64_t len; /* never 0 */
};

struct response {
	unsigned int status;
	bool keep_alive;
	struct cache_entry *entry; /* referenced; NULL: what is sent is all in head */
	const struct file *file;   /* the one of the entry that was chosen */
	bool looked_up;		   /* the cache was asked, */
	bool hit;		   /* and knew it */
	uint64_t len;		   /* of all pieces */
	uint64_t body_len;	   /* of those behind the head */
	unsigned int n_pieces;
	char *parts; /* what stands before parts, if there are several */
	size_t head_len;
	struct response_piece pieces[RESPONSE_LIMIT_PIECES];
	char head[RESPONSE_LIMIT_HEAD]; /* with the body, where that is only a word */
};

/* What the responses of a thread have in common. The date is kept here, as text. */
struct response_site {
	struct cache *cache;
	bool closing; /* each answer is the last one of its connection */
	int64_t date;
	char date_text[HTTP_LIMIT_DATE];
};

/* The answer to a request that was read, at `now` seconds since 1970; now_ns is the cache's.
 * Free it with response_done(). */
void response_make(struct response *ret_response, struct response_site *site,
		   const struct http_head *request, int64_t now, uint64_t now_ns);

/* The answer to what is no request, and the last one of its connection. */
void response_make_error(struct response *ret_response, struct response_site *site,
			 unsigned int status, int64_t now);

void response_done(struct response *response);

#endif
