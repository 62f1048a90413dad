/* SPDX-License-Identifier: MIT */

/* `ktls-bench report`; see report.h. */

#include <getopt.h>

#include "commands.h"
#include "report.h"

static const char usage[] = "usage: ktls-bench report [OLD.json] FILE.json > page.html\n\n"
			    "Makes one HTML page, that needs nothing else, of what `ktls-bench run "
			    "--json` wrote; and of\n"
			    "what changed since OLD.json, by the rule of `ktls-bench compare`.\n";

enum {
	PATHS_MAX = 2,
};

int report_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct document documents[PATHS_MAX] = { 0 };
	int option, n;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		return bench_say_usage(usage, option == 'h');
	n = argc - optind;
	if (n < 1 || n > PATHS_MAX)
		return bench_say_usage(usage, false);
	for (int i = 0; i < n; i++)
		documents[i] = document_load(argv[optind + i]);
	report_write(stdout, &documents[n - 1], n > 1 ? &documents[0] : NULL);
	for (int i = 0; i < n; i++)
		document_done(&documents[i]);
	return 0;
}
