/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_STAT_OPTIONS_H
#define KTLS_TOOL_STAT_OPTIONS_H

/* The command line of `ktls stat`. */

#include <stdio.h>

#include "stat_moment.h"

enum stat_color {
	STAT_COLOR_AUTO = 0,
	STAT_COLOR_ALWAYS,
	STAT_COLOR_NEVER,
};

struct stat_options {
	struct stat_wish wish; /* its text is argv's */
	enum stat_color color;
	uint64_t interval_ms; /* between two looks; 0: one is enough */
	bool json;
	bool extended;
	bool count;
	bool summary;
	bool help;
};

/* 0, or TOOL_EXIT_USAGE: it has been said why. */
int stat_options_parse(struct stat_options *ret_options, int argc, char *argv[]);

void stat_options_print_help(FILE *out);

#endif
