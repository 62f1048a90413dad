/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_CACHE_H
#define KTLS_TOOL_CACHE_H

/*
 * What paths lead to, opened, for some moments. A hit costs no system call. An entry is used for a
 * second at most and then looked up anew, so that whatever happens to a file is seen within that
 * time; who still sends from the old one keeps it by a reference. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "http_match.h"
#include "mime.h"

enum cache_limit {
	CACHE_LIMIT_ENTRIES = 512,
	CACHE_LIMIT_BYTES = 8 << 20,	/* of contents, and what is kept about them */
	CACHE_LIMIT_FAILURES = 256,	/* paths that lead nowhere, beside the others */
	CACHE_LIMIT_FAILURE_PATH = 256, /* longer ones are not remembered */
	CACHE_LIMIT_AGE_MS = 1000,
	CACHE_LIMIT_FAILURE_AGE_MS = 250,
	CACHE_LIMIT_UNUSED_MS = 5000, /* then a file that nobody asks for is closed */
	CACHE_BUCKETS = 1024,	      /* a power of two */
};

/* To read only; everything of it stays as it is while one has a reference. */
struct cache_entry {
	int error;			   /* -errno of file_open(): there is nothing else; or 0 */
	bool is_directory;		   /* and the file is the index.html in it */
	unsigned int codings;		   /* 1u << enum http_coding, which there are */
	struct file files[_HTTP_CODING_N]; /* identity is always there */
	const char *type;		   /* of all of them */

	/* The cache's own. */
	unsigned int refs;
	bool kept; /* in the cache, which has one of the references */
	uint64_t loaded_ns;
	size_t cost;
	uint32_t hash;
	struct cache_entry *in_bucket;
	struct cache_entry *newer, *older;
	size_t path_len;
	char path[];
};

struct cache;

/* root_fd and mime are the caller's and stay. 0 or -ENOMEM. */
int cache_new(struct cache **ret_cache, int root_fd, const struct mime *mime);
struct cache *cache_free(struct cache *cache);

/*
 * What is at this path, which http_target_path() made: the file, with those of NAME.br and NAME.gz
 * beside it that are not older; for a directory, its index.html; or why there is nothing. Never
 * NULL but for want of memory; cache_entry_unref() it. *ret_hit says whether it was known already.
 */
struct cache_entry *cache_get(struct cache *cache, const char *path, uint64_t now_ns,
			      bool *ret_hit);

/* NULL. Takes NULL. */
struct cache_entry *cache_entry_unref(struct cache_entry *entry);

/* Forgets what was not asked for in a while, so that deleted files are let go; to be called now and
 * then, as long as it answers that something is left. */
bool cache_sweep(struct cache *cache, uint64_t now_ns);

#endif
