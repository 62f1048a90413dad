/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_PART_H
#define KTLS_TOOL_PART_H

/*
 * What is known of a file of which only a part has come: by what a server is asked for the rest of
 * just that file (RFC 9110 13.1.5, If-Range), and whether what it answers is that rest. It is noted
 * as text, to be read by another process. No input or output.
 */

#include "http.h"

enum part_limit {
	PART_LIMIT_VALIDATOR = 256, /* a longer one is none */
	PART_LIMIT_URL = 16384,
	PART_LIMIT_NOTE = PART_LIMIT_URL + PART_LIMIT_VALIDATOR + 256,
};

struct part {
	char validator[PART_LIMIT_VALIDATOR]; /* for If-Range: a strong entity-tag or a date; empty:
						 the server gave none that can be relied on */
	uint64_t size;			      /* of the whole, or HTTP_SIZE_UNKNOWN */
};

/* From the head of an answer that brings the whole. */
void part_from_head(struct part *ret_part, const struct http_head *head);

enum part_verdict {
	PART_ANEW = 0, /* all of it comes, from its first byte on */
	PART_REST,     /* what was asked for comes; *ret_range is set */
	PART_WHOLE,    /* there is no more: all of it is here */
	PART_OTHER,    /* it is not the file that a part of is here: ask again, for all */
	PART_WRONG,    /* an answer to another question */
};

/*
 * What an answer of status 2xx or 416 means to who has `offset` bytes, and has asked for those that
 * follow; for all, if it is 0.
 */
enum part_verdict part_judge(const struct part *part, uint64_t offset, const struct http_head *head,
			     struct http_content_range *ret_range);

/* The note, and its length; `ret_text` holds PART_LIMIT_NOTE bytes. -ENAMETOOLONG: the URL is. */
int part_format(const struct part *part, const char *url, char *ret_text, size_t *ret_len);

/* -EBADMSG: no note, or half of one; -ESTALE: it is one on another URL. */
int part_parse(struct part *ret_part, const char *url, const char *text, size_t len);

#endif
