/* SPDX-License-Identifier: MIT */

/* The command line of `ktls stat`. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "stat_options.h"
#include "tool.h"

/* Of words with spaces between. */
static int parse(struct stat_options *ret_options, const char *line)
{
	static char copy[256];
	static char name[] = "ktls stat";
	char *argv[64] = { name };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	optind = 0;
	return stat_options_parse(ret_options, argc, argv);
}

Test(unit, nothing_is_our_own_sockets_once)
{
	struct stat_options options;

	cr_assert_eq(parse(&options, ""), 0);
	cr_expect_not(options.json || options.count || options.summary || options.extended);
	cr_expect_not(options.wish.all || options.wish.processes || options.wish.all_namespaces);
	cr_expect_null(options.wish.namespace);
	cr_expect_eq(options.interval_ms, 0);
	cr_expect_eq(options.color, STAT_COLOR_AUTO);
}

Test(unit, short_and_long_are_the_same)
{
	static const char *const lines[] = {
		"-apes -46 -N blue -w",
		"--all --processes --extended --summary --ipv4 --ipv6 --namespace blue --watch",
		"--all --processes --extended --summary --ipv4 --ipv6 --namespace=blue --watch=2",
		"-a -p -e -s -4 -6 -Nblue -w2.0",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct stat_options options;

		cr_assert_eq(parse(&options, lines[i]), 0, "%s", lines[i]);
		cr_expect(options.wish.all && options.wish.processes && options.extended &&
			  options.summary);
		cr_expect(options.wish.filter.ipv4 && options.wish.filter.ipv6);
		cr_expect_str_eq(options.wish.namespace, "blue");
		cr_expect_eq(options.interval_ms, 2000);
	}
}

Test(unit, the_rest)
{
	struct stat_options options;

	cr_assert_eq(parse(&options, "-c -A --json --color never --watch=0.5 --port 443 --tls 1.3"),
		     0);
	cr_expect(options.count && options.json && options.wish.all_namespaces);
	cr_expect_eq(options.color, STAT_COLOR_NEVER);
	cr_expect_eq(options.interval_ms, 500);
	cr_expect_eq(options.wish.filter.n_ports, 1);
	cr_expect_neq(options.wish.filter.versions, 0);
	cr_assert_eq(parse(&options, "--color=always"), 0);
	cr_expect_eq(options.color, STAT_COLOR_ALWAYS);
	cr_assert_eq(parse(&options, "--help --nonsense"), 0);
	cr_expect(options.help);
}

Test(unit, what_means_nothing_is_refused)
{
	static const char *const lines[] = {
		"--nonsense",	  "word",	   "--port",	 "--port 0",	   "--local here",
		"--peer 1.2.3",	  "--state MAINE", "--tls 1.1",	 "--cipher ROT13", "--tx kernel",
		"--rx kernel",	  "--watch=0",	   "--watch=x",	 "--watch=-1",	   "--watch=nan",
		"--watch=100000", "--color pink",  "-N blue -A", "-c -s",	   "--namespace=",
		"--process=",	  "--json=yes",	   "-w 2",
	};
	struct stat_options options = { .interval_ms = 77 };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		cr_expect_eq(parse(&options, lines[i]), TOOL_EXIT_USAGE, "%s", lines[i]);
		cr_expect_eq(options.interval_ms, 77);
	}
}

Test(unit, too_many_of_one_kind)
{
	struct stat_options options;
	char line[256] = "";

	for (int i = 0; i <= STAT_FILTER_LIMIT_LIST; i++)
		strcat(line, "--port 1 ");
	cr_expect_eq(parse(&options, line), TOOL_EXIT_USAGE);
}

Test(unit, help_fits_and_has_every_option)
{
	static const char *const names[] = {
		"all",	 "processes", "extended", "summary",   "count",		 "json", "watch",
		"color", "port",      "local",	  "peer",      "state",		 "tls",	 "cipher",
		"tx",	 "rx",	      "process",  "namespace", "all-namespaces", "help"
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	stat_options_print_help(out);
	fclose(out);

	for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
		cr_expect_leq(strcspn(at, "\n"), 80, "%.100s", at);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char option[32];

		snprintf(option, sizeof(option), "--%s", names[i]);
		cr_expect(strstr(text, option), "%s", option);
	}
	free(text);
}
