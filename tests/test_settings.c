/* SPDX-License-Identifier: MIT */

/* Command lines, and what they and a file make together. */

#include "hearing.h"
#include "settings.h"
#include "tool.h"

enum {
	ARGUMENTS_MAX = 16,
};

static struct hearing hearing;

/* Of words with spaces between. */
static int read_line(struct settings *settings, const char *line)
{
	static char copy[512];
	char *argv[ARGUMENTS_MAX + 1] = { (char[]){ "ktls serve" } };
	char *rest = copy;
	int argc = 1;
	int r;

	snprintf(copy, sizeof(copy), "%s", line);
	while (rest && argc < ARGUMENTS_MAX)
		argv[argc++] = strsep(&rest, " ");
	argv[argc] = NULL;
	hearing_begin(&hearing);
	r = settings_read(settings, argc, argv);
	hearing_end(&hearing);
	return r;
}

Test(unit, options_and_defaults)
{
	struct settings settings;

	cr_assert_eq(read_line(&settings, "--cert a --key b --listen :1 --listen :2 --verbose"), 0);

	cr_expect_str_eq(settings.listen, ":2");
	cr_expect_str_eq(settings.root, ".");
	cr_expect_str_eq(settings.offload, "auto");
	cr_expect_str_eq(settings.engine, "auto");
	cr_expect_str_eq(settings.everyone.certs[0], "a");
	cr_expect_str_eq(settings.everyone.keys[0], "b");
	cr_expect(settings.verbose && !settings.self_signed && !settings.check);
	cr_expect_null(settings.metrics);
	settings_done(&settings);
}

Test(unit, reading_again_reads_the_same)
{
	struct settings settings;

	for (int i = 0; i < 3; i++) {
		cr_expect_eq(read_line(&settings, "--self-signed --root /srv"), 0);
		cr_expect_str_eq(settings.root, "/srv");
		settings_done(&settings);
	}
}

Test(unit, sites)
{
	struct settings settings;

	cr_assert_eq(read_line(&settings, "--site a,*.b=c,d --site e=f=g,h,i"), 0, "%s",
		     hearing.text);

	cr_assert_eq(settings.n_sites, 2);
	cr_expect_eq(settings.sites[0]->n_names, 2);
	cr_expect_str_eq(settings.sites[0]->names[1], "*.b");
	cr_expect_str_eq(settings.sites[0]->certs[0], "c");
	cr_expect_str_eq(settings.sites[0]->keys[0], "d");
	/* The first "=" and the last "," count: a path may have both. */
	cr_expect_str_eq(settings.sites[1]->certs[0], "f=g,h");
	cr_expect_str_eq(settings.sites[1]->keys[0], "i");
	settings_done(&settings);
}

Test(unit, command_lines_that_mean_nothing)
{
	static const struct {
		const char *line, *said;
	} rows[] = {
		{ "--verbose", "give a certificate and its key" },
		{ "--cert a", "give a certificate and its key" },
		{ "--key a", "give a certificate and its key" },
		{ "--cert a --key b --cert c", "2 certificates need as many keys, not 1" },
		{ "--self-signed --cert a", "give no others" },
		{ "--self-signed rest", "\"rest\" is not an option" },
		{ "--self-signed --listen 1", "--listen: \"1\" is not ADDR:PORT" },
		{ "--self-signed --offload 1", "--offload: \"1\" is none of" },
		{ "--self-signed --connections 0", "--connections: \"0\" is not a number" },
		{ "--self-signed --nonsense", "nonsense" },
		{ "--site a", "--site: \"a\" is not NAMES=CERT,KEY" },
		{ "--site a=b", "is not NAMES=CERT,KEY" },
		{ "--site =b,c", "is not NAMES=CERT,KEY" },
		{ "--site a=,c", "--cert: a value is missing" },
		{ "--site a=b,", "--key: a value is missing" },
		{ "--site ,=b,c", "a site needs names" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings settings;

		cr_expect_eq(read_line(&settings, rows[i].line), TOOL_EXIT_USAGE, "%s",
			     rows[i].line);
		cr_expect(strstr(hearing.text, rows[i].said), "%s: %s", rows[i].line, hearing.text);
		settings_done(&settings);
	}
}

/* With a file of this text for --config. */
static int read_both(struct settings *settings, const char *line, const char *text)
{
	char path[64], full[256];
	int r;

	make_text_file(path, text, strlen(text));
	snprintf(full, sizeof(full), "--config %s%s%s", path, *line ? " " : "", line);
	r = read_line(settings, full);
	unlink(path);
	return r;
}

Test(unit, the_command_line_wins)
{
	static const char text[] = "[server]\nlisten = :1\nroot = /file\ncert = a\nkey = b\n"
				   "[site c]\ncert = d\nkey = e\n";
	struct settings settings;

	cr_assert_eq(read_both(&settings, "--root /line", text), 0);
	cr_expect_str_eq(settings.listen, ":1");
	cr_expect_str_eq(settings.root, "/line");
	cr_expect_str_eq(settings.offload, "auto");
	cr_expect_str_eq(settings.everyone.certs[0], "a");
	cr_expect_eq(settings.n_sites, 1);
	settings_done(&settings);

	cr_assert_eq(read_both(&settings, "--cert x --key y", text), 0);
	cr_expect_str_eq(settings.root, "/file");
	cr_expect_eq(settings.everyone.n_certs, 1);
	cr_expect_str_eq(settings.everyone.certs[0], "x");
	cr_expect_eq(settings.n_sites, 0);
	settings_done(&settings);

	cr_assert_eq(read_both(&settings, "--cert x --key y", "[server]\nself-signed = yes\n"), 0);
	cr_expect(!settings.self_signed);
	settings_done(&settings);
}

Test(unit, a_bad_file_is_bad_whatever_the_command_line_says)
{
	struct settings settings;

	cr_expect_eq(read_both(&settings, "--self-signed --listen :1", "[server]\nlisten = x\n"),
		     TOOL_EXIT_USAGE);
	settings_done(&settings);
	cr_expect_eq(read_both(&settings, "", "[server]\nroot = /srv\n"), TOOL_EXIT_USAGE);
	settings_done(&settings);
	cr_expect_eq(read_both(&settings, "", "[site a]\ncert = b\n"), TOOL_EXIT_USAGE);
	cr_expect(strstr(hearing.text, "a: 1 certificates need as many keys"), "%s", hearing.text);
	settings_done(&settings);
	cr_expect_eq(read_both(&settings, "", "[site]\ncert = b\nkey = c\n"), TOOL_EXIT_USAGE);
	cr_expect(strstr(hearing.text, "a site needs names"), "%s", hearing.text);
	settings_done(&settings);
}

Test(unit, what_cannot_change_while_it_runs_is_named)
{
	struct settings old, new;
	size_t i = 0;

	read_line(&old, "--self-signed --listen :1 --root /a --offload tx");
	read_line(&new, "--self-signed --listen :1 --root /b --offload rx --metrics :2");

	cr_expect_str_eq(settings_next_fixed(&old, &new, &i), "root");
	cr_expect_str_eq(settings_next_fixed(&old, &new, &i), "metrics");
	cr_expect_null(settings_next_fixed(&old, &new, &i));
	i = 0;
	cr_expect_null(settings_next_fixed(&new, &new, &i));
	settings_done(&old);
	settings_done(&new);
}

Test(unit, help_needs_no_certificate)
{
	struct settings settings;

	cr_expect_eq(read_line(&settings, "--help"), 0);
	cr_expect(settings.help);
	settings_done(&settings);
}
