/* SPDX-License-Identifier: MIT */

/*
 * A table of entries, and two lists of them in the order of their use: of files, and of failures,
 * so that names made up by a stranger push no file out. What is full loses its oldest.
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "tool.h"

/* Newest first. */
struct list {
	struct cache_entry *newest, *oldest;
	size_t n;
};

struct cache {
	int root_fd;
	const struct mime *mime;
	struct list files, failures;
	size_t bytes;
	struct cache_entry *buckets[CACHE_BUCKETS];
};

int cache_new(struct cache **ret_cache, int root_fd, const struct mime *mime)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->root_fd = root_fd;
	cache->mime = mime;
	*ret_cache = cache;
	return 0;
}

struct cache_entry *cache_entry_unref(struct cache_entry *entry)
{
	if (!entry || --entry->refs)
		return NULL;
	for (int coding = 0; coding < _HTTP_CODING_N; coding++)
		file_close(&entry->files[coding]);
	free(entry);
	return NULL;
}

static struct list *list_of(struct cache *cache, const struct cache_entry *entry)
{
	return entry->error ? &cache->failures : &cache->files;
}

static void list_push(struct list *list, struct cache_entry *entry)
{
	entry->newer = NULL;
	entry->older = list->newest;
	if (list->newest)
		list->newest->newer = entry;
	else
		list->oldest = entry;
	list->newest = entry;
	list->n++;
}

static void list_take(struct list *list, struct cache_entry *entry)
{
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		list->newest = entry->older;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		list->oldest = entry->newer;
	list->n--;
}

/* FNV-1a */
static uint32_t hash_path(const char *path, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)path[i]) * 16777619u;
	return hash;
}

static struct cache_entry **bucket_of(struct cache *cache, uint32_t hash)
{
	return &cache->buckets[hash & (CACHE_BUCKETS - 1)];
}

/* Takes it out of the cache; whoever has a reference goes on. */
static void forget(struct cache *cache, struct cache_entry *entry)
{
	struct cache_entry **at = bucket_of(cache, entry->hash);

	while (*at != entry)
		at = &(*at)->in_bucket;
	*at = entry->in_bucket;
	list_take(list_of(cache, entry), entry);
	cache->bytes -= entry->cost;
	entry->kept = false;
	cache_entry_unref(entry);
}

static void keep(struct cache *cache, struct cache_entry *entry)
{
	struct list *list = list_of(cache, entry);
	struct cache_entry **bucket = bucket_of(cache, entry->hash);
	size_t max = entry->error ? CACHE_LIMIT_FAILURES : CACHE_LIMIT_ENTRIES;

	while (list->n >= max)
		forget(cache, list->oldest);
	while (cache->bytes + entry->cost > CACHE_LIMIT_BYTES && cache->files.oldest)
		forget(cache, cache->files.oldest);
	entry->in_bucket = *bucket;
	*bucket = entry;
	list_push(list, entry);
	cache->bytes += entry->cost;
	entry->kept = true;
	entry->refs++;
}

static void forget_all(struct cache *cache)
{
	while (cache->files.oldest)
		forget(cache, cache->files.oldest);
	while (cache->failures.oldest)
		forget(cache, cache->failures.oldest);
}

struct cache *cache_free(struct cache *cache)
{
	if (cache)
		forget_all(cache);
	free(cache);
	return NULL;
}

/* With one reference, the caller's. */
static struct cache_entry *make_entry(const char *path, size_t len, uint32_t hash, uint64_t now_ns)
{
	struct cache_entry *entry = calloc(1, sizeof(*entry) + len + 1);

	if (!entry)
		return NULL;
	for (int coding = 0; coding < _HTTP_CODING_N; coding++)
		entry->files[coding] = (struct file)FILE_NULL;
	entry->refs = 1;
	entry->loaded_ns = now_ns;
	entry->hash = hash;
	entry->path_len = len;
	memcpy(entry->path, path, len + 1);
	return entry;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(text + len - n, end, n);
}

static bool is_older(const struct file *file, const struct file *other)
{
	if (file->mtime != other->mtime)
		return file->mtime < other->mtime;
	return file->mtime_nsec < other->mtime_nsec;
}

/* What was compressed from an older state of the file is of no use. */
static void load_sibling(struct cache *cache, struct cache_entry *entry, enum http_coding coding,
			 char *path, size_t len)
{
	static const char *const endings[] = {
		[HTTP_CODING_BR] = ".br",
		[HTTP_CODING_GZIP] = ".gz",
	};
	struct file *file = &entry->files[coding];

	if (ends_with(path, len, endings[coding]) || len + strlen(endings[coding]) >= PATH_MAX)
		return;
	strcpy(path + len, endings[coding]);
	if (!file_open(file, cache->root_fd, path)) {
		if (is_older(file, &entry->files[HTTP_CODING_IDENTITY]))
			file_close(file);
		else
			entry->codings |= 1u << coding;
	}
	path[len] = '\0';
}

static int load_file(struct cache *cache, struct cache_entry *entry)
{
	static const char index[] = "/index.html";
	struct file *file = &entry->files[HTTP_CODING_IDENTITY];
	char path[PATH_MAX];
	size_t len = entry->path_len;
	int r;

	if (len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, entry->path, len + 1);
	r = file_open(file, cache->root_fd, path);
	if (r == -EISDIR) {
		if (len + strlen(index) >= sizeof(path))
			return -ENAMETOOLONG;
		strcpy(path + len, index);
		len += strlen(index);
		entry->is_directory = true;
		r = file_open(file, cache->root_fd, path);
	}
	if (r)
		return r;
	entry->type = mime_type(cache->mime, path);
	entry->codings = 1u << HTTP_CODING_IDENTITY;
	load_sibling(cache, entry, HTTP_CODING_BR, path, len);
	load_sibling(cache, entry, HTTP_CODING_GZIP, path, len);
	return 0;
}

/* Of a failure that says nothing about the path. */
static bool is_passing(int error)
{
	switch (error) {
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN:
	case -EINTR:
	case -EIO:
		return true;
	}
	return false;
}

static void load(struct cache *cache, struct cache_entry *entry)
{
	entry->error = load_file(cache, entry);
	/* Descriptors that only we still want are better used now. */
	if ((entry->error == -EMFILE || entry->error == -ENFILE) && cache->files.n) {
		forget_all(cache);
		entry->error = load_file(cache, entry);
	}
	entry->cost = sizeof(*entry) + entry->path_len;
	for (int coding = 0; coding < _HTTP_CODING_N; coding++)
		entry->cost += entry->files[coding].contents ? entry->files[coding].size : 0;
	if (is_passing(entry->error) ||
	    (entry->error && entry->path_len > CACHE_LIMIT_FAILURE_PATH))
		return;
	keep(cache, entry);
}

static struct cache_entry *find(struct cache *cache, const char *path, size_t len, uint32_t hash)
{
	struct cache_entry *entry = *bucket_of(cache, hash);

	while (entry && (entry->hash != hash || entry->path_len != len ||
			 memcmp(entry->path, path, len) != 0))
		entry = entry->in_bucket;
	return entry;
}

static bool is_fresh(const struct cache_entry *entry, uint64_t now_ns)
{
	uint64_t age_ms = entry->error ? CACHE_LIMIT_FAILURE_AGE_MS : CACHE_LIMIT_AGE_MS;

	return now_ns - entry->loaded_ns < age_ms * 1000000;
}

struct cache_entry *cache_get(struct cache *cache, const char *path, uint64_t now_ns, bool *ret_hit)
{
	size_t len = strlen(path);
	uint32_t hash = hash_path(path, len);
	struct cache_entry *entry = find(cache, path, len, hash);

	*ret_hit = entry && is_fresh(entry, now_ns);
	if (*ret_hit) {
		struct list *list = list_of(cache, entry);

		if (list->newest != entry) {
			list_take(list, entry);
			list_push(list, entry);
		}
		entry->refs++;
		return entry;
	}
	if (entry)
		forget(cache, entry);
	entry = make_entry(path, len, hash, now_ns);
	if (entry)
		load(cache, entry);
	return entry;
}

/* Who is used is loaded again each second: the last of the list are the least used and the oldest.
 */
static void sweep_list(struct cache *cache, struct list *list, uint64_t now_ns)
{
	while (list->oldest &&
	       now_ns - list->oldest->loaded_ns > CACHE_LIMIT_UNUSED_MS * UINT64_C(1000000))
		forget(cache, list->oldest);
}

bool cache_sweep(struct cache *cache, uint64_t now_ns)
{
	sweep_list(cache, &cache->files, now_ns);
	sweep_list(cache, &cache->failures, now_ns);
	return cache->files.n + cache->failures.n;
}
