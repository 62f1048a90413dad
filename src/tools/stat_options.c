/* SPDX-License-Identifier: MIT */

/* See stat_options.h. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "stat_options.h"
#include "tool.h"

static const char command[] = "ktls stat";

static const char help[] =
	"usage: ktls stat [OPTION...]\n\n"
	"Shows the TCP sockets that have kernel TLS, every program's: addresses, version,\n"
	"cipher, and where what is sent and received is protected.\n\n"
	"  -a, --all          also TCP sockets without TLS, or of which that is not told\n"
	"  -p, --processes    whose they are\n"
	"  -e, --extended     what TCP knows of them\n"
	"  -s, --summary      only how many of each kind, and what the kernel counted\n"
	"  -c, --count        only how many\n"
	"  --json             for programs\n"
	"  -w, --watch[=SECONDS]  again and again, with what was counted meanwhile;\n"
	"                     default every 2 s\n"
	"  --color WHEN       auto (default), always, never\n\n"
	"Which of them; each may be given several times, for any of the values:\n\n"
	"  -4, -6             over IPv4, over IPv6\n"
	"  --port PORT        at either end\n"
	"  --local ADDRESS[/BITS]  --peer ADDRESS[/BITS]\n"
	"  --state STATE      of TCP: ESTAB, CLOSE-WAIT, ...\n"
	"  --tls 1.2|1.3\n"
	"  --cipher NAME      like AES-128-GCM\n"
	"  --tx WHERE         what is sent is protected there: software, device (a NIC),\n"
	"                     record (all of TLS in a NIC), none (no key), unknown\n"
	"  --rx WHERE         the same of what is received\n"
	"  --process NAME|PID\n\n"
	"Where:\n\n"
	"  -N, --namespace NAME|PID|PATH  in that network namespace\n"
	"  -A, --all-namespaces  in those that have a name, and those of all processes\n\n"
	"  --help             this\n\n"
	"Exit status: 0 if the kernel answered, 1 if not, 2 command line\n";

enum {
	INTERVAL_DEFAULT_MS = 2000,
	OPTION_JSON = 256,
	OPTION_COLOR,
	OPTION_FILTER, /* and then enum stat_filter_key */
};

static const struct option long_options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "processes", no_argument, NULL, 'p' },
	{ "extended", no_argument, NULL, 'e' },
	{ "summary", no_argument, NULL, 's' },
	{ "count", no_argument, NULL, 'c' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "watch", optional_argument, NULL, 'w' },
	{ "color", required_argument, NULL, OPTION_COLOR },
	{ "ipv4", no_argument, NULL, '4' },
	{ "ipv6", no_argument, NULL, '6' },
	{ "port", required_argument, NULL, OPTION_FILTER + STAT_FILTER_PORT },
	{ "local", required_argument, NULL, OPTION_FILTER + STAT_FILTER_LOCAL },
	{ "peer", required_argument, NULL, OPTION_FILTER + STAT_FILTER_PEER },
	{ "state", required_argument, NULL, OPTION_FILTER + STAT_FILTER_STATE },
	{ "tls", required_argument, NULL, OPTION_FILTER + STAT_FILTER_TLS },
	{ "cipher", required_argument, NULL, OPTION_FILTER + STAT_FILTER_CIPHER },
	{ "tx", required_argument, NULL, OPTION_FILTER + STAT_FILTER_TX },
	{ "rx", required_argument, NULL, OPTION_FILTER + STAT_FILTER_RX },
	{ "process", required_argument, NULL, OPTION_FILTER + STAT_FILTER_PROCESS },
	{ "namespace", required_argument, NULL, 'N' },
	{ "all-namespaces", no_argument, NULL, 'A' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

void stat_options_print_help(FILE *out)
{
	fputs(help, out);
}

static int parse_interval(const char *text, uint64_t *ret_ms)
{
	const double longest = 24 * 3600;
	char *end;
	double seconds;

	if (!text) {
		*ret_ms = INTERVAL_DEFAULT_MS;
		return 0;
	}
	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0.1 && seconds <= longest))
		return -EINVAL;
	*ret_ms = (uint64_t)(seconds * 1000);
	return 0;
}

static int parse_color(const char *text, enum stat_color *ret_color)
{
	static const char *const words[] = {
		[STAT_COLOR_AUTO] = "auto",
		[STAT_COLOR_ALWAYS] = "always",
		[STAT_COLOR_NEVER] = "never",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*ret_color = (enum stat_color)i;
		return 0;
	}
	return -EINVAL;
}

/* Options that are there or not. True: it is one. */
static bool parse_flag(int code, struct stat_options *options)
{
	switch (code) {
	case 'a':
		options->wish.all = true;
		return true;
	case 'p':
		options->wish.processes = true;
		return true;
	case 'e':
		options->extended = true;
		return true;
	case 's':
		options->summary = true;
		return true;
	case 'c':
		options->count = true;
		return true;
	case OPTION_JSON:
		options->json = true;
		return true;
	case '4':
		options->wish.filter.ipv4 = true;
		return true;
	case '6':
		options->wish.filter.ipv6 = true;
		return true;
	case 'A':
		options->wish.all_namespaces = true;
		return true;
	case 'h':
		options->help = true;
		return true;
	}
	return false;
}

static int parse_filter(struct stat_options *options, enum stat_filter_key key, const char *text)
{
	int r = stat_filter_add(&options->wish.filter, key, text);

	if (!r)
		return 0;
	if (r == -E2BIG)
		tool_fail(0, command, "--%s: at most %d of them", stat_filter_name(key),
			  STAT_FILTER_LIMIT_LIST);
	else
		tool_fail(0, command, "--%s: %s, not \"%s\"", stat_filter_name(key),
			  stat_filter_wanted(key), text);
	return tool_usage(command);
}

static int parse_option(int code, const char *argument, struct stat_options *options)
{
	const char *wanted = NULL;

	if (parse_flag(code, options))
		return 0;
	if (code >= OPTION_FILTER && code < OPTION_FILTER + _STAT_FILTER_KEY_N)
		return parse_filter(options, (enum stat_filter_key)(code - OPTION_FILTER),
				    argument);
	switch (code) {
	case 'w':
		if (parse_interval(argument, &options->interval_ms))
			wanted = "--watch: a number of seconds, from 0.1 to 86400";
		break;
	case OPTION_COLOR:
		if (parse_color(argument, &options->color))
			wanted = "--color: auto, always or never";
		break;
	case 'N':
		options->wish.namespace = argument;
		if (!*argument)
			wanted = "--namespace: a name, a process id or a path";
		break;
	default:
		return tool_usage(command);
	}
	if (!wanted)
		return 0;
	tool_fail(0, command, "%s, not \"%s\"", wanted, argument);
	return tool_usage(command);
}

/* What does not go together; NULL: all does. */
static const char *find_conflict(const struct stat_options *options)
{
	if (options->wish.namespace && options->wish.all_namespaces)
		return "--namespace is one, --all-namespaces are all: not both";
	if (options->count && options->summary)
		return "--count and --summary: not both";
	return NULL;
}

int stat_options_parse(struct stat_options *ret_options, int argc, char *argv[])
{
	struct stat_options options = { 0 };
	const char *conflict;
	int code, r;

	while (!options.help &&
	       (code = getopt_long(argc, argv, "ahpescw::46N:A", long_options, NULL)) >= 0) {
		r = parse_option(code, optarg, &options);
		if (r)
			return r;
	}
	conflict = options.help ? NULL : find_conflict(&options);
	if (!conflict && !options.help && optind < argc) {
		tool_fail(0, command, "\"%s\" is not an option", argv[optind]);
		return tool_usage(command);
	}
	if (conflict) {
		tool_fail(0, command, "%s", conflict);
		return tool_usage(command);
	}
	*ret_options = options;
	return 0;
}
