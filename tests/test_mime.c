/* SPDX-License-Identifier: MIT */

/* Types of files: the system's table, and ours beneath it. */

#include <string.h>

#include <criterion/criterion.h>

#include "mime.h"
#include "tree.h"

TestSuite(unit, .init = tree_make, .fini = tree_remove);

static void check_type(const struct mime *mime, const char *path, const char *type)
{
	cr_expect_str_eq(mime_type(mime, path), type, "%s: %s", path, mime_type(mime, path));
}

Test(unit, without_a_table_of_the_system_there_is_ours)
{
	static const char *const paths[] = { NULL, "none", "." };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct mime *mime;

		cr_assert_eq(mime_new(&mime, paths[i]), 0);
		check_type(mime, "index.html", "text/html");
		check_type(mime, "a/b.c/x.PNG", "image/png");
		check_type(mime, "x.tar.gz", "application/gzip");
		check_type(mime, "html", "application/octet-stream");
		check_type(mime, "a.html/x", "application/octet-stream");
		check_type(mime, "x.", "application/octet-stream");
		check_type(mime, ".", "application/octet-stream");
		mime_free(mime);
	}
}

Test(unit, the_table_of_the_system_comes_first)
{
	struct mime *mime;

	tree_write("mime.types", "# a comment\n"
				 "\n"
				 "text/special\t\tHTML special # not.this\n"
				 "application/none\n"
				 "application/twice twice\n"
				 "application/other twice\r\n"
				 "   application/indented   indented");

	cr_assert_eq(mime_new(&mime, "mime.types"), 0);

	check_type(mime, "x.html", "text/special");
	check_type(mime, "x.special", "text/special");
	check_type(mime, "x.this", "application/octet-stream");
	check_type(mime, "x.twice", "application/twice");
	check_type(mime, "x.indented", "application/indented");
	check_type(mime, "x.css", "text/css");
	mime_free(mime);
}

Test(unit, a_type_too_long_for_a_head_is_left_out)
{
	char text[MIME_LIMIT_TYPE + 16];
	struct mime *mime;

	memset(text, 'a', MIME_LIMIT_TYPE + 1);
	strcpy(text + MIME_LIMIT_TYPE + 1, " html");
	tree_write("mime.types", text);

	cr_assert_eq(mime_new(&mime, "mime.types"), 0);

	check_type(mime, "x.html", "text/html");
	mime_free(mime);
}

Test(unit, a_table_larger_than_its_limit_is_cut)
{
	struct mime *mime;

	tree_write_bytes("mime.types", MIME_LIMIT_FILE + 1000, 0);

	cr_assert_eq(mime_new(&mime, "mime.types"), 0);

	cr_expect_not_null(mime_type(mime, "x.html"));
	mime_free(mime);
}
