/* SPDX-License-Identifier: MIT */

/* What the cache knows, and for how long. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "cache.h"
#include "tree.h"

enum {
	LARGE = FILE_LIMIT_SMALL + 1,
};

static struct mime *mime;
static struct cache *cache;

static void set_up(void)
{
	tree_make();
	cr_assert_eq(mime_new(&mime, NULL), 0);
	cr_assert_eq(cache_new(&cache, tree_fd, mime), 0);
}

static void tear_down(void)
{
	cache_free(cache);
	mime_free(mime);
	tree_remove();
}

TestSuite(unit, .init = set_up, .fini = tear_down);

static struct cache_entry *get(const char *path, uint64_t now_ms, bool hit)
{
	bool was_hit;
	struct cache_entry *entry = cache_get(cache, path, now_ms * 1000000, &was_hit);

	cr_assert(entry, "%s", path);
	cr_expect_eq(was_hit, hit, "%s at %lu", path, now_ms);
	return entry;
}

static void check_text(const struct cache_entry *entry, const char *text)
{
	const struct file *file = &entry->files[HTTP_CODING_IDENTITY];

	cr_assert_eq(entry->error, 0, "%s", entry->path);
	cr_expect_eq(file->size, strlen(text), "%s", text);
	cr_expect_arr_eq(file->contents, text, strlen(text), "%s", text);
}

Test(unit, the_same_path_is_the_same_entry_for_a_second)
{
	struct cache_entry *first, *again, *later;

	tree_write("a.html", "hello");
	first = get("a.html", 5000, false);
	again = get("a.html", 5999, true);
	later = get("a.html", 6000, false);

	cr_expect_eq(first, again);
	cr_expect_neq(first, later);
	check_text(first, "hello");
	check_text(later, "hello");
	cr_expect_str_eq(first->type, "text/html");
	cr_expect_eq(first->codings, 1u << HTTP_CODING_IDENTITY);
	cr_expect_not(first->is_directory);
	cache_entry_unref(first);
	cache_entry_unref(again);
	cache_entry_unref(later);
}

Test(unit, each_change_is_seen_within_a_second)
{
	uint64_t now_ms = 1000;

	tree_write("a", "first");
	cache_entry_unref(get("a", now_ms, false));

	tree_write("a", "in its place");
	tree_write("b", "by rename");
	for (int i = 0; i < 4; i++) {
		static const char *const texts[] = { "in its place", "by rename", "by", NULL };
		struct cache_entry *entry;

		now_ms += CACHE_LIMIT_AGE_MS;
		entry = get("a", now_ms, false);
		if (texts[i])
			check_text(entry, texts[i]);
		else
			cr_expect_eq(entry->error, -ENOENT);
		cache_entry_unref(entry);
		if (i == 0)
			cr_assert_eq(rename("b", "a"), 0);
		if (i == 1)
			cr_assert_eq(truncate("a", 2), 0);
		if (i == 2)
			cr_assert_eq(unlink("a"), 0);
	}
}

Test(unit, who_still_sends_keeps_the_old_one)
{
	struct cache_entry *old;
	char text[4];

	tree_write_bytes("a", LARGE, 7);
	old = get("a", 0, false);
	cr_assert_eq(unlink("a"), 0);
	cache_entry_unref(get("a", CACHE_LIMIT_AGE_MS, false));
	cache_sweep(cache, UINT64_MAX);

	cr_expect_eq(pread(old->files[HTTP_CODING_IDENTITY].fd, text, 4, 0), 4);
	cr_expect_eq(text[3], 10);
	cache_entry_unref(old);
}

Test(unit, a_failure_is_known_for_a_shorter_while)
{
	struct cache_entry *entry = get("none", 0, false);

	cr_expect_eq(entry->error, -ENOENT);
	cache_entry_unref(entry);
	tree_write("none", "now");
	cache_entry_unref(get("none", CACHE_LIMIT_FAILURE_AGE_MS - 1, true));
	entry = get("none", CACHE_LIMIT_FAILURE_AGE_MS, false);
	check_text(entry, "now");
	cache_entry_unref(entry);
}

Test(unit, a_directory_is_its_index)
{
	struct cache_entry *entry;

	cr_assert_eq(mkdir("sub", 0755), 0);
	cr_assert_eq(mkdir("bare", 0755), 0);
	tree_write("sub/index.html", "index");
	tree_write("sub/index.html.gz", "packed");
	for (int i = 0; i < 2; i++) {
		entry = get(i ? "sub/" : "sub", 0, false);
		check_text(entry, "index");
		cr_expect(entry->is_directory);
		cr_expect_str_eq(entry->type, "text/html");
		cr_expect(entry->codings & 1u << HTTP_CODING_GZIP);
		cache_entry_unref(entry);
	}
	entry = get("bare", 0, false);
	cr_expect_eq(entry->error, -ENOENT);
	cache_entry_unref(entry);
	entry = get(".", 0, false);
	cr_expect_eq(entry->error, -ENOENT);
	cache_entry_unref(entry);
}

Test(unit, siblings_that_are_not_older_are_found)
{
	struct cache_entry *entry;

	tree_write("a.css", "plain");
	tree_write("a.css.gz", "gzip");
	tree_write("a.css.br", "brotli");
	tree_touch("a.css", 1000, 500);
	tree_touch("a.css.gz", 1000, 500);
	tree_touch("a.css.br", 1000, 499);

	entry = get("a.css", 0, false);

	cr_expect_eq(entry->codings, 1u << HTTP_CODING_IDENTITY | 1u << HTTP_CODING_GZIP);
	cr_expect_arr_eq(entry->files[HTTP_CODING_GZIP].contents, "gzip", 4);
	cr_expect_str_neq(entry->files[HTTP_CODING_GZIP].etag,
			  entry->files[HTTP_CODING_IDENTITY].etag);
	cr_expect_str_eq(entry->type, "text/css");
	cache_entry_unref(entry);

	tree_touch("a.css.br", 1001, 0);
	entry = get("a.css", CACHE_LIMIT_AGE_MS, false);
	cr_expect(entry->codings & 1u << HTTP_CODING_BR);
	cache_entry_unref(entry);

	entry = get("a.css.gz", 0, false);
	cr_expect_eq(entry->codings, 1u << HTTP_CODING_IDENTITY);
	cr_expect_str_eq(entry->type, "application/gzip");
	cache_entry_unref(entry);
}

Test(unit, a_sibling_that_leads_out_or_is_no_file_is_none)
{
	struct cache_entry *entry;

	tree_write("a", "plain");
	cr_assert_eq(symlink("../secret", "a.gz"), 0);
	cr_assert_eq(mkfifo("a.br", 0644), 0);

	entry = get("a", 0, false);

	cr_expect_eq(entry->codings, 1u << HTTP_CODING_IDENTITY);
	cache_entry_unref(entry);
}

Test(unit, entries_are_bounded_and_the_least_used_go_first)
{
	char name[32];

	tree_write("often", "x");
	cache_entry_unref(get("often", 0, false));
	for (int i = 0; i < 2 * CACHE_LIMIT_ENTRIES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		tree_write(name, "x");
		cache_entry_unref(get(name, 0, false));
		cache_entry_unref(get("often", 0, true));
	}
	cache_entry_unref(get("f0", 0, false));
	cache_entry_unref(get(name, 0, true));
}

Test(unit, made_up_names_push_no_file_out)
{
	char name[32];

	tree_write("a", "x");
	cache_entry_unref(get("a", 0, false));
	for (int i = 0; i < 2 * CACHE_LIMIT_FAILURES; i++) {
		snprintf(name, sizeof(name), "none%d", i);
		cache_entry_unref(get(name, 0, false));
	}
	cache_entry_unref(get(name, 0, true));
	cache_entry_unref(get("none0", 0, false));
	cache_entry_unref(get("a", 0, true));
}

Test(unit, a_long_name_that_leads_nowhere_is_not_remembered)
{
	char name[CACHE_LIMIT_FAILURE_PATH + 2];

	memset(name, 'a', sizeof(name));
	for (size_t i = 100; i < sizeof(name); i += 100)
		name[i] = '/';
	name[sizeof(name) - 1] = '\0';
	cache_entry_unref(get(name, 0, false));
	cache_entry_unref(get(name, 0, false));
	name[sizeof(name) - 2] = '\0';
	cache_entry_unref(get(name, 0, false));
	cache_entry_unref(get(name, 0, true));
}

Test(unit, a_path_too_long_for_an_index_is_refused)
{
	char path[4096];
	struct cache_entry *entry;

	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? '/' : '.';
	path[sizeof(path) - 1] = '\0';
	entry = get(path, 0, false);
	cr_expect_eq(entry->error, -ENAMETOOLONG);
	cache_entry_unref(entry);
}

Test(unit, bytes_are_bounded)
{
	enum {
		N = CACHE_LIMIT_BYTES / FILE_LIMIT_SMALL
	};
	char name[32];

	cr_assert_gt(CACHE_LIMIT_ENTRIES * FILE_LIMIT_SMALL, CACHE_LIMIT_BYTES / 2);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		tree_write_bytes(name, FILE_LIMIT_SMALL, 0);
		cache_entry_unref(get(name, 0, false));
	}
	cache_entry_unref(get("f0", 0, false));
	cache_entry_unref(get(name, 0, true));
}

Test(unit, what_nobody_asks_for_is_let_go)
{
	unsigned int before = tree_descriptors();

	tree_write_bytes("a", LARGE, 0);
	cache_entry_unref(get("a", 0, false));
	cr_expect_eq(tree_descriptors(), before + 1);
	cr_expect(cache_sweep(cache, CACHE_LIMIT_UNUSED_MS * 1000000ull));
	cr_expect_eq(tree_descriptors(), before + 1);
	cr_expect_not(cache_sweep(cache, CACHE_LIMIT_UNUSED_MS * 1000000ull + 1));
	cr_expect_eq(tree_descriptors(), before);
}

/* Descriptors that only the cache holds go to who needs one; a want of them is not remembered. */
Test(unit, without_descriptors_the_cache_gives_its_own)
{
	unsigned int before = tree_descriptors();
	struct rlimit limit, none;
	struct cache_entry *held, *entry;

	tree_write_bytes("a", LARGE, 0);
	tree_write_bytes("b", LARGE, 0);
	held = get("a", 0, false);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);

	entry = get("b", 0, false);
	cr_expect_eq(entry->error, -EMFILE);
	cache_entry_unref(entry);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_eq(tree_descriptors(), before + 1);
	entry = get("b", 0, false);
	cr_expect_eq(entry->error, 0);
	cache_entry_unref(entry);
	cache_entry_unref(get("a", 0, false));
	cache_entry_unref(held);
}
