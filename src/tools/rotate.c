/* SPDX-License-Identifier: MIT */

/* `ktls rotate`: makes or rotates a file of session ticket keys. */

#include <getopt.h>

#include "tool.h"

static const char command[] = "ktls rotate";

static const char help[] =
	"usage: ktls rotate FILE\n\n"
	"Makes FILE, with new keys for session tickets, if there is none; else rotates its\n"
	"keys: what was next becomes current. Servers that use it notice within a second.\n"
	"Exit status: 0 if the new file is in place, 1 if the old one was left as it is.\n\n"
	"  --help  this\n";

int rotate_main(int argc, char *argv[])
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int code, r;

	while ((code = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		if (code != 'h')
			return tool_usage(command);
		fputs(help, stdout);
		return TOOL_EXIT_OK;
	}
	if (optind + 1 != argc) {
		tool_fail(0, command, "one file is needed");
		return tool_usage(command);
	}
	r = ktls_ticket_file_rotate(argv[optind]);
	if (r == -EBUSY)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s: another rotation is under way",
				 argv[optind]);
	if (r < 0)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s: %s", argv[optind],
				 ktls_strerror(r));
	return TOOL_EXIT_OK;
}
