/* SPDX-License-Identifier: MIT */

/* `ktls probe`: what this machine's kernel TLS can do, for people and for programs; see probe.h. */

#include <getopt.h>
#include <string.h>

#include "probe.h"
#include "tool.h"

static const char command[] = "ktls probe";

static const char help[] =
	"usage: ktls probe [--json] [--quick] [--color=auto|always|never]\n\n"
	"Says what this machine's kernel TLS can do, found by trying, and what stands in\n"
	"the way and what to do about it. Exit status: 0 if every suite works both ways,\n"
	"1 if there is no kernel TLS, 3 if only some of it works.\n\n"
	"  --json         for programs\n"
	"  --quick        do not try io_uring\n"
	"  --color=WHEN   auto (the default: on terminals, unless NO_COLOR is set),\n"
	"                 always or never\n"
	"  --help         this\n";

enum {
	EXIT_PARTIAL = 3,
};

struct options {
	bool json;
	bool quick;
	bool color;
	bool help;
};

/* NO_COLOR switches it off, as a dumb terminal does; who asks for it by option gets it. */
static bool parse_color(const char *when, bool *ret_color)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!strcmp(when, "always") || !strcmp(when, "never"))
		*ret_color = when[0] == 'a';
	else if (!strcmp(when, "auto"))
		*ret_color = isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && *term &&
			     strcmp(term, "dumb") != 0;
	else
		return false;
	return true;
}

static bool parse_options(int argc, char *argv[], struct options *ret_options)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "quick", no_argument, NULL, 'q' },
		{ "color", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options options = { 0 };
	int code;

	(void)parse_color("auto", &options.color);
	while ((code = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		if (code == '?')
			return false;
		options.json |= code == 'j';
		options.quick |= code == 'q';
		options.help |= code == 'h';
		if (code == 'c' && !parse_color(optarg, &options.color)) {
			tool_fail(0, command, "--color takes auto, always or never, not \"%s\"",
				  optarg);
			return false;
		}
	}
	if (optind < argc) {
		tool_fail(0, command, "\"%s\" is not an option", argv[optind]);
		return false;
	}
	*ret_options = options;
	return true;
}

static int status_of(enum probe_verdict verdict)
{
	switch (verdict) {
	case PROBE_FULL:
		return TOOL_EXIT_OK;
	case PROBE_PARTIAL:
		return EXIT_PARTIAL;
	case PROBE_NONE:
		break;
	}
	return TOOL_EXIT_FAILED;
}

int probe_main(int argc, char *argv[])
{
	_cleanup_(probe_facts_done) struct probe_facts facts = { 0 };
	static struct probe_findings findings;
	struct options options;

	if (!parse_options(argc, argv, &options))
		return tool_usage(command);
	if (options.help) {
		fputs(help, stdout);
		return TOOL_EXIT_OK;
	}
	probe_facts_gather(options.quick, &facts);
	probe_conclude(&facts, &findings);
	if (!options.json)
		probe_print_text(stdout, &facts, &findings, options.color);
	else if (!probe_print_json(stdout, &facts, &findings))
		return tool_fail(TOOL_EXIT_FAILED, command, "cannot write the answer");
	return status_of(findings.verdict);
}
