/* SPDX-License-Identifier: MIT */

/* What is wanted: read, named, and without two that would write the same file. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tree.h"
#include "urls.h"

TestSuite(unit, .init = tree_make, .fini = tree_remove);

static int read_text(struct urls *urls, const char *text, size_t *line)
{
	FILE *file = fmemopen((char *)text, strlen(text), "r");
	int r;

	cr_assert(file);
	r = urls_read(urls, file, line);
	fclose(file);
	return r;
}

Test(unit, a_list_has_a_url_in_each_line)
{
	struct urls urls = { 0 };
	size_t line;

	cr_assert_eq(read_text(&urls,
			       "# comment\n\nhttps://a.example/1\r\n  https://b.example:8443/2 \t\n"
			       "   # another\nhttps://c.example/3",
			       &line),
		     0);

	cr_assert_eq(urls.n, 3);
	cr_expect_str_eq(urls.list[0].text, "https://a.example/1");
	cr_expect_str_eq(urls.list[1].text, "https://b.example:8443/2");
	cr_expect_str_eq(urls.list[1].url.address.port, "8443");
	cr_expect_str_eq(urls.list[2].text, "https://c.example/3");
	urls_done(&urls);
}

Test(unit, a_line_that_is_no_url_is_named)
{
	struct urls urls = { 0 };
	char *text;
	size_t line;

	cr_expect_eq(read_text(&urls, "https://a.example/1\n\nftp://a.example/2\n", &line),
		     -EPROTONOSUPPORT);
	cr_expect_eq(line, 3);
	cr_expect_eq(read_text(&urls, "nonsense\n", &line), -EINVAL);
	cr_expect_eq(line, 1);
	cr_assert_gt(asprintf(&text, "\nhttps://a.example/%09000d\n", 0), 0);
	cr_expect_eq(read_text(&urls, text, &line), -ENAMETOOLONG);
	cr_expect_eq(line, 2);
	free(text);
	urls_done(&urls);
}

Test(unit, a_zero_in_a_line_does_not_end_it)
{
	static const char text[] = "https://a.example/1\nhttps://a.example/2\0/3\n";
	struct urls urls = { 0 };
	FILE *file = fmemopen((void *)text, sizeof(text) - 1, "r");
	size_t line;

	cr_assert(file);
	cr_expect_eq(urls_read(&urls, file, &line), -EINVAL);
	cr_expect_eq(line, 2);
	cr_expect_eq(urls.n, 1);
	fclose(file);
	urls_done(&urls);
}

Test(unit, a_list_that_cannot_be_read_is_an_error)
{
	struct urls urls = { 0 };
	FILE *directory = fopen(".", "r");
	size_t line;

	cr_assert(directory);
	cr_expect_eq(urls_read(&urls, directory, &line), -EISDIR);
	fclose(directory);
}

Test(unit, there_are_so_many_and_no_more)
{
	struct urls urls = { 0 };

	for (size_t i = 0; i < URLS_LIMIT_N; i++)
		cr_assert_eq(urls_add(&urls, "https://a.example/"), 0);
	cr_expect_eq(urls_add(&urls, "https://a.example/"), -E2BIG);
	cr_expect_eq(urls.n, URLS_LIMIT_N);

	urls_done(&urls);
}

Test(unit, a_file_is_named_as_the_last_part_of_its_path)
{
	static const struct {
		const char *url;
		const char *path; /* NULL: it has none */
	} rows[] = {
		{ "https://a.example/b", "b" },
		{ "https://a.example/b/c.tar.gz?d=/e#/f", "c.tar.gz" },
		{ "https://a.example/b/a%20b", "a b" },
		{ "https://a.example/x%2Fy", "y" },
		{ "https://a.example/%C3%A4", "\xc3\xa4" },
		{ "https://a.example/.profile", ".profile" },
		{ "https://a.example", NULL },
		{ "https://a.example/", NULL },
		{ "https://a.example?b", NULL },
		{ "https://a.example/b/", NULL },
		{ "https://a.example/b/..", NULL },
		{ "https://a.example/b/%2e%2e", NULL },
		{ "https://a.example/b%2f..", NULL },
		{ "https://a.example/b/.", NULL },
		{ "https://a.example/b%00c", NULL },
		{ "https://a.example/b%1b[2J", NULL },
		{ "https://a.example/b%7f", NULL },
		{ "https://a.example/b%zz", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct urls urls = { 0 };
		const struct wanted *bad = NULL;
		int r;

		cr_assert_eq(urls_add(&urls, rows[i].url), 0, "%s", rows[i].url);
		r = urls_name(&urls, NULL, &bad);
		cr_expect_eq(r, rows[i].path ? 0 : -EINVAL, "%s", rows[i].url);
		if (rows[i].path)
			cr_expect_str_eq(urls.list[0].path, rows[i].path);
		else
			cr_expect_eq(bad, &urls.list[0]);
		urls_done(&urls);
	}
}

Test(unit, files_go_into_the_directory)
{
	struct urls urls = { 0 };
	const struct wanted *bad;

	cr_assert_eq(urls_add(&urls, "https://a.example/b"), 0);
	cr_assert_eq(urls_name(&urls, "dir", &bad), 0);

	cr_expect_str_eq(urls.list[0].path, "dir/b");
	urls_done(&urls);
}

/* 0 or -EEXIST, for files of these names. */
static int check(const char *one, const char *other, bool parts)
{
	struct urls urls = { 0 };
	const struct wanted *first = NULL, *second = NULL;
	int r;

	cr_assert_eq(urls_add(&urls, "https://a.example/1"), 0);
	cr_assert_eq(urls_add(&urls, "https://a.example/2"), 0);
	urls.list[0].path = strdup(one);
	urls.list[1].path = strdup(other);
	r = urls_check(&urls, parts, &first, &second);
	cr_expect(!r || first != second);
	urls_done(&urls);
	return r;
}

Test(unit, two_of_them_never_write_the_same_file)
{
	tree_write("file", "");
	cr_assert_eq(symlink("file", "link"), 0);
	cr_assert_eq(mkdir("dir", 0700), 0);
	cr_assert_eq(symlink("dir", "way"), 0);

	cr_expect_eq(check("a", "b", true), 0);
	cr_expect_eq(check("a", "a", false), -EEXIST);
	cr_expect_eq(check("a", "./a", false), -EEXIST);
	cr_expect_eq(check("file", "link", false), -EEXIST);
	cr_expect_eq(check("dir/a", "way/a", false), -EEXIST);
	cr_expect_eq(check("dir/a", "a", false), 0);
	cr_expect_eq(check("none/a", "none/a", false), -EEXIST);
	cr_expect_eq(check("none/a", "none/b", false), 0);
}

Test(unit, nor_does_one_write_the_part_of_the_other)
{
	cr_expect_eq(check("a", "a.part", false), 0);
	cr_expect_eq(check("a", "a.part", true), -EEXIST);
	cr_expect_eq(check("a.part.info", "a", true), -EEXIST);
}

Test(unit, what_is_there_need_not_be_fetched)
{
	struct urls urls = { 0 };
	const struct wanted *bad;

	tree_write("b", "");
	cr_assert_eq(urls_add(&urls, "https://a.example/a"), 0);
	cr_assert_eq(urls_add(&urls, "https://a.example/b"), 0);
	cr_assert_eq(urls_add(&urls, "https://a.example/c"), 0);
	cr_assert_eq(urls_name(&urls, NULL, &bad), 0);

	urls_drop_present(&urls);

	cr_assert_eq(urls.n, 2);
	cr_expect_str_eq(urls.list[0].path, "a");
	cr_expect_str_eq(urls.list[1].path, "c");
	urls_done(&urls);
}
