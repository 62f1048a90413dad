/* SPDX-License-Identifier: MIT */

/* The `ktls-bench` program: finds the command that was asked for. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "support.h"

enum {
	EXIT_USAGE = 2,
};

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *purpose;
};

static const struct command commands[] = {
	{ "run", run_main, "compare protections, ways of sending, and servers" },
	{ "compare", compare_main, "tell two results of run apart" },
	{ "limits", limits_main, "measure what nothing on this machine can beat" },
	{ "report", report_main, "make a page of a result of run, with plots" },
};

enum {
	N_COMMANDS = sizeof(commands) / sizeof(*commands),
};

static void print_help(FILE *stream)
{
	fputs("usage: ktls-bench COMMAND [OPTION...]\n"
	      "       ktls-bench --help | COMMAND --help\n\n",
	      stream);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].purpose);
}

int bench_say_usage(const char *usage, bool asked)
{
	fputs(usage, asked ? stdout : stderr);
	return asked ? 0 : EXIT_USAGE;
}

void bench_print_json(json_t *object)
{
	if (!object || json_dumpf(object, stdout, JSON_INDENT(2)) || putchar('\n') == EOF)
		bench_die("cannot write the answer");
	json_decref(object);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < N_COMMANDS; i++) {
		int status;

		if (strcmp(argv[1], commands[i].name))
			continue;
		status = commands[i].run(argc - 1, argv + 1);
		if (fflush(stdout) || ferror(stdout))
			bench_die("cannot write to stdout: %s", strerror(errno));
		return status;
	}
	print_help(stderr);
	return EXIT_USAGE;
}
