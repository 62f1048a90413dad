/* SPDX-License-Identifier: MIT */

/* Files of settings: good ones, and each way to be wrong, with its line. */

#include "hearing.h"
#include "settings.h"
#include "tool.h"

static struct hearing hearing;

/* What is said, with the path as FILE. */
static int read_bytes(struct settings *settings, const char *text, size_t len, char **ret_said)
{
	char path[64], *at;
	int r;

	make_text_file(path, text, len);
	*settings = (struct settings){ 0 };
	hearing_begin(&hearing);
	r = settings_read_file(settings, path);
	hearing_end(&hearing);
	unlink(path);
	while ((at = strstr(hearing.text, path))) {
		memcpy(at, "FILE", 4);
		memmove(at + 4, at + strlen(path), strlen(at + strlen(path)) + 1);
	}
	*ret_said = hearing.text;
	return r;
}

static int read_text(struct settings *settings, const char *text, char **ret_said)
{
	return read_bytes(settings, text, strlen(text), ret_said);
}

Test(unit, a_file_with_everything)
{
	struct settings settings;
	char *said;
	int r = read_text(&settings,
			  "\xef\xbb\xbf; a comment\n"
			  "# another\n"
			  "\n"
			  "[server]\n"
			  "listen = [::]:443   ; behind it, too\n"
			  "  root=/srv/www\n"
			  "threads : 4\n"
			  "verbose = yes\n"
			  "cert = a.pem\r\n"
			  "key = a.key\n"
			  "cert = b.pem\n"
			  "key = b.key\n"
			  "[site a.example]\n"
			  "cert = c.pem\n"
			  "key = c.key\n"
			  "names = *.a.example, b.example\n"
			  "[site]\n"
			  "names = c.example\n"
			  "cert = d.pem\n"
			  "key = d.key",
			  &said);

	cr_assert_eq(r, 0, "%s", said);
	cr_expect_str_eq(said, "");
	cr_expect_str_eq(settings.listen, "[::]:443");
	cr_expect_str_eq(settings.root, "/srv/www");
	cr_expect_eq(settings.threads, 4);
	cr_expect(settings.verbose);
	cr_expect_null(settings.offload);
	cr_assert_eq(settings.everyone.n_certs, 2);
	cr_assert_eq(settings.everyone.n_keys, 2);
	cr_expect_str_eq(settings.everyone.certs[0], "a.pem");
	cr_expect_str_eq(settings.everyone.keys[1], "b.key");
	cr_assert_eq(settings.n_sites, 2);
	cr_assert_eq(settings.sites[0]->n_names, 3);
	cr_expect_str_eq(settings.sites[0]->names[0], "a.example");
	cr_expect_str_eq(settings.sites[0]->names[1], "*.a.example");
	cr_expect_str_eq(settings.sites[0]->names[2], "b.example");
	cr_expect_str_eq(settings.sites[0]->certs[0], "c.pem");
	cr_assert_eq(settings.sites[1]->n_names, 1);
	cr_expect_str_eq(settings.sites[1]->names[0], "c.example");
	settings_done(&settings);
}

Test(unit, an_empty_file_says_nothing)
{
	struct settings settings;
	char *said;

	cr_expect_eq(read_text(&settings, "", &said), 0);
	cr_expect_str_eq(said, "");
	settings_done(&settings);
}

Test(unit, mistakes_have_a_line_and_say_what_is_allowed)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "root = /srv\n", "FILE:1: root: it stands in no section: begin with [server]" },
		{ "[server]\nrot = /srv\n", "FILE:2: rot: no such setting; ktls serve --help" },
		{ "[server]\nnames = a\n", "FILE:2: names: no such setting" },
		{ "\n\n[srv]\n", "FILE:3: srv: no such section; there are [server] and [site" },
		{ "[siteb]\n", "FILE:1: siteb: no such section" },
		{ "[server\n", "FILE:1: section: its head is [server]" },
		{ "[site a23456789b123456789c123456789d123456789e1]\n", "of at most 40 bytes" },
		{ "[site a]\nroot = /srv\n", "FILE:2: root: a site has only names, cert and key" },
		{ "[server]\nroot\n", "FILE:2: line: it is neither [section] nor NAME = VALUE" },
		{ "[server]\nroot ; = x\n", "FILE:2: neither [section] nor NAME = VALUE" },
		{ "[server]\nroot =\n", "FILE:2: root: a value is missing" },
		{ "[server]\nroot = a\nroot = b\n", "FILE:3: root: it is given twice" },
		{ "[server]\nlisten = 443\n", "FILE:2: listen: \"443\" is not ADDR:PORT" },
		{ "[server]\nthreads = many\n", "FILE:2: threads: \"many\" is not a number" },
		{ "[server]\ncert =\n", "FILE:2: cert: a value is missing" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings settings;
		char *said;
		int r = read_text(&settings, rows[i].text, &said);

		cr_expect_eq(r, TOOL_EXIT_USAGE, "%s: %d", rows[i].text, r);
		cr_expect(strstr(said, rows[i].said), "%s: %s", rows[i].text, said);
		settings_done(&settings);
	}
}

Test(unit, all_mistakes_are_said_at_once)
{
	struct settings settings;
	char *said;

	read_text(&settings, "[server]\nlisten = 1\nroot\nconnections = 0\n", &said);

	cr_expect(strstr(said, "FILE:2:") && strstr(said, "FILE:3:") && strstr(said, "FILE:4:"),
		  "%s", said);
	settings_done(&settings);
}

Test(unit, lines_that_inih_would_cut_are_refused)
{
	static const char with_nul[] = "[server]\nroot = a\0b\n";
	char text[20000] = "[server]\nroot = ";
	struct settings settings;
	char *said;

	memset(text + strlen(text), 'a', sizeof(text) - strlen(text) - 1);
	cr_expect_eq(read_text(&settings, text, &said), TOOL_EXIT_USAGE);
	cr_expect(strstr(said, "FILE:2: line: it has a NUL, or more than"), "%s", said);
	settings_done(&settings);

	cr_expect_eq(read_bytes(&settings, with_nul, sizeof(with_nul) - 1, &said), TOOL_EXIT_USAGE);
	cr_expect(strstr(said, "FILE:2: line: it has a NUL, or more than"), "%s", said);
	settings_done(&settings);
}

Test(unit, a_file_that_cannot_be_read)
{
	struct settings settings = { 0 };
	char path[64];

	hearing_begin(&hearing);
	cr_expect_eq(settings_read_file(&settings, "/nonexistent/file"), TOOL_EXIT_FAILED);
	cr_expect_eq(settings_read_file(&settings, "/tmp"), TOOL_EXIT_FAILED);
	cr_expect_eq(settings_read_file(&settings, "/dev/zero"), TOOL_EXIT_FAILED);
	make_text_file(path, "", 0);
	cr_assert_eq(truncate(path, SETTINGS_LIMIT_FILE + 1), 0);
	cr_expect_eq(settings_read_file(&settings, path), TOOL_EXIT_FAILED);
	unlink(path);
	hearing_end(&hearing);

	cr_expect(strstr(hearing.text, "--config /nonexistent/file: No such file"), "%s",
		  hearing.text);
	cr_expect(strstr(hearing.text, "--config /tmp: it is no regular file"), "%s", hearing.text);
	cr_expect(strstr(hearing.text, "--config /dev/zero: it is no regular file"), "%s",
		  hearing.text);
	cr_expect(strstr(hearing.text, "it has more than 4194304 bytes"), "%s", hearing.text);
	settings_done(&settings);
}
