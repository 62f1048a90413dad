/* SPDX-License-Identifier: MIT */

/* The `ktls` command: finds the command that was asked for. */

#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct command {
	const char *name;
	char *full_name; /* argv[0] of the command, so that getopt's messages name it */
	int (*run)(int argc, char *argv[]);
	const char *purpose;
};

static char name_serve[] = "ktls serve";
static char name_get[] = "ktls get";
static char name_probe[] = "ktls probe";
static char name_stat[] = "ktls stat";
static char name_rotate[] = "ktls rotate";

static const struct command commands[] = {
	{ "serve", name_serve, serve_main, "serve the files of a directory over HTTPS" },
	{ "get", name_get, get_main, "fetch files over HTTPS" },
	{ "probe", name_probe, probe_main, "say what this kernel's TLS can do, and why not" },
	{ "stat", name_stat, stat_main, "show the sockets that have kernel TLS, like ss(8)" },
	{ "rotate", name_rotate, rotate_main, "make or rotate a file of session ticket keys" },
};

enum {
	N_COMMANDS = sizeof(commands) / sizeof(*commands)
};

static void print_help(FILE *stream)
{
	fputs("usage: ktls COMMAND [OPTION...]\n"
	      "       ktls --version | --help | COMMAND --help\n\n"
	      "TLS connections whose records the Linux kernel protects, where it can.\n\n",
	      stream);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].purpose);
}

static int run_command(const char *name, int argc, char *argv[])
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(name, commands[i].name))
			continue;
		argv[0] = commands[i].full_name;
		return commands[i].run(argc, argv);
	}
	tool_fail(0, "ktls", "there is no command \"%s\"", name);
	return tool_usage("ktls");
}

/* What was printed must have arrived: a full disk is a failure, not a short answer. */
static int close_stdout(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	return tool_fail(code ? code : TOOL_EXIT_FAILED, "ktls", "cannot write to stdout: %s",
			 strerror(errno));
}

int main(int argc, char *argv[])
{
	if (argc < 2) {
		print_help(stderr);
		return TOOL_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("ktls %s\n", ktls_version());
		return close_stdout(TOOL_EXIT_OK);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help(stdout);
		return close_stdout(TOOL_EXIT_OK);
	}
	return close_stdout(run_command(argv[1], argc - 1, argv + 1));
}
