/* SPDX-License-Identifier: MIT */

/* `ktls get`: the command line, what is wanted, and whom to trust; the rest is fetch.c's. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "tool.h"

static const char command[] = "ktls get";

static const char help[] =
	"usage: ktls get URL... [OPTION...]\n\n"
	"Fetches files over HTTPS, several at once, and says on stderr where the records\n"
	"were protected. Redirects are not followed.\n\n"
	"  -o, --output FILE  write there, once all of it has come; default is stdout\n"
	"  -O, --remote-name  write each to a file named as the last part of its URL; has\n"
	"                     to be, if there are several\n"
	"  -d, --directory DIR  with -O: there\n"
	"  -C, --continue     keep what has come if a transfer breaks off, as FILE.part,\n"
	"                     and go on with it the next time\n"
	"  -n, --no-clobber   with -o, -O: do not fetch what is there already\n"
	"  -i, --input FILE   more URLs, one in each line; - is stdin\n"
	"  -j, --parallel N   at most so many at once; default 8\n"
	"  --ca FILE          trust the certificates in it, not the system's\n"
	"  --insecure         verify neither certificate nor name: anyone on the way can\n"
	"                     read and change everything\n"
	"  --offload WHEN     which records the kernel protects: auto (default), off, tx,\n"
	"                     rx, both (where it can), required (or no connection),\n"
	"                     nic (by a NIC, or no connection)\n"
	"  --tls 1.2|1.3      only this version\n"
	"  --timeout SECONDS  for all of it; default is no limit\n"
	"  --idle-timeout SECONDS  without a byte, of each; default 60, 0 is no limit\n"
	"  --progress         show how far it is, also where nobody looks\n"
	"  -q, --quiet        say nothing but what went wrong\n"
	"  --help             this\n\n"
	"Exit status: 0 all came, 1 failed, 2 command line, 3 URL, 6 no address, 7 no\n"
	"connection, 18 truncated, 22 HTTP status not 2xx, 23 output, 26 input, 28\n"
	"timeout, 35 handshake, 56 transfer, 60 peer not verified, 77 file of --ca\n";

enum {
	PARALLEL_DEFAULT = 8,
	IDLE_DEFAULT_MS = 60000,
};

struct options {
	char **urls;
	size_t n_urls;
	const char *input;
	const char *output;
	const char *directory;
	const char *ca;
	const char *offload;
	enum ktls_protocol tls; /* 0: both */
	uint64_t timeout_ms;	/* 0: none */
	uint64_t idle_ms;	/* 0: none */
	unsigned int parallel;
	bool remote_name;
	bool resume;
	bool no_clobber;
	bool insecure;
	bool progress;
	bool quiet;
	bool help;
};

enum option_code {
	OPTION_CA = 256,
	OPTION_INSECURE,
	OPTION_OFFLOAD,
	OPTION_TLS,
	OPTION_TIMEOUT,
	OPTION_IDLE_TIMEOUT,
	OPTION_PROGRESS,
};

static const struct option long_options[] = {
	{ "ca", required_argument, NULL, OPTION_CA },
	{ "insecure", no_argument, NULL, OPTION_INSECURE },
	{ "input", required_argument, NULL, 'i' },
	{ "output", required_argument, NULL, 'o' },
	{ "remote-name", no_argument, NULL, 'O' },
	{ "directory", required_argument, NULL, 'd' },
	{ "continue", no_argument, NULL, 'C' },
	{ "no-clobber", no_argument, NULL, 'n' },
	{ "parallel", required_argument, NULL, 'j' },
	{ "offload", required_argument, NULL, OPTION_OFFLOAD },
	{ "tls", required_argument, NULL, OPTION_TLS },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "idle-timeout", required_argument, NULL, OPTION_IDLE_TIMEOUT },
	{ "progress", no_argument, NULL, OPTION_PROGRESS },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse_tls(const char *text, enum ktls_protocol *ret_tls)
{
	if (!strcmp(text, "1.2"))
		*ret_tls = KTLS_TLS_1_2;
	else if (!strcmp(text, "1.3"))
		*ret_tls = KTLS_TLS_1_3;
	else
		return -EINVAL;
	return 0;
}

/* Seconds, perhaps with a fraction; up to a year. */
static int parse_seconds(const char *text, bool zero, uint64_t *ret_ms)
{
	const double longest = 365.0 * 24 * 3600;
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds <= longest))
		return -EINVAL;
	if (!(seconds >= 0.001) && !(zero && seconds == 0))
		return -EINVAL;
	*ret_ms = (uint64_t)(seconds * 1000);
	return 0;
}

static int parse_parallel(const char *text, unsigned int *ret_parallel)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-' || !n || n > FETCH_LIMIT_PARALLEL)
		return -EINVAL;
	*ret_parallel = (unsigned int)n;
	return 0;
}

/* Options that are there or not. True: it is one. */
static bool parse_flag(int code, struct options *options)
{
	switch (code) {
	case OPTION_INSECURE:
		options->insecure = true;
		return true;
	case OPTION_PROGRESS:
		options->progress = true;
		return true;
	case 'O':
		options->remote_name = true;
		return true;
	case 'C':
		options->resume = true;
		return true;
	case 'n':
		options->no_clobber = true;
		return true;
	case 'q':
		options->quiet = true;
		return true;
	case 'h':
		options->help = true;
		return true;
	}
	return false;
}

/* Options that name something. True: it is one. */
static bool parse_name(int code, const char *argument, struct options *options)
{
	switch (code) {
	case OPTION_CA:
		options->ca = argument;
		return true;
	case OPTION_OFFLOAD:
		options->offload = argument;
		return true;
	case 'i':
		options->input = argument;
		return true;
	case 'o':
		options->output = argument;
		return true;
	case 'd':
		options->directory = argument;
		return true;
	}
	return false;
}

static int parse_option(int code, const char *argument, struct options *options)
{
	const char *wanted = NULL;

	if (parse_flag(code, options) || parse_name(code, argument, options))
		return 0;
	switch (code) {
	case OPTION_TLS:
		if (parse_tls(argument, &options->tls))
			wanted = "--tls: 1.2 or 1.3";
		break;
	case OPTION_TIMEOUT:
		if (parse_seconds(argument, false, &options->timeout_ms))
			wanted = "--timeout: a number of seconds";
		break;
	case OPTION_IDLE_TIMEOUT:
		if (parse_seconds(argument, true, &options->idle_ms))
			wanted = "--idle-timeout: a number of seconds";
		break;
	case 'j':
		if (parse_parallel(argument, &options->parallel))
			wanted = "--parallel: a number from 1 to 256";
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
static const char *find_conflict(const struct options *options)
{
	bool file = options->output || options->remote_name;

	if (!options->n_urls && !options->input)
		return "give a URL";
	if (options->output && options->remote_name)
		return "-o names one file, -O one for each URL: not both";
	if (options->output && options->n_urls > 1)
		return "-o names one file, and there are several URLs: -O names one for each";
	if (options->directory && !options->remote_name)
		return "--directory is for -O";
	if (options->resume && !file)
		return "--continue goes on with a file: -o or -O says with which";
	if (options->no_clobber && !file)
		return "--no-clobber is for a file: -o or -O says for which";
	if (options->quiet && options->progress)
		return "--quiet and --progress contradict each other";
	if (options->insecure && options->ca)
		return "--insecure verifies nothing, so --ca means nothing beside it";
	return NULL;
}

/* 0 or TOOL_EXIT_USAGE. */
static int parse_options(int argc, char *argv[], struct options *options)
{
	const char *conflict;
	int code, r;

	while (!options->help &&
	       (code = getopt_long(argc, argv, "hi:o:Od:Cnj:q", long_options, NULL)) >= 0) {
		r = parse_option(code, optarg, options);
		if (r)
			return r;
	}
	if (options->help)
		return 0;
	options->urls = argv + optind;
	options->n_urls = (size_t)(argc - optind);
	conflict = find_conflict(options);
	if (!conflict)
		return 0;
	tool_fail(0, command, "%s", conflict);
	return tool_usage(command);
}

/* -- What is wanted -- */

/* Why a URL is none. */
static const char *say_url(int r)
{
	switch (r) {
	case -EPROTONOSUPPORT:
		return "only https";
	case -EINVAL:
		return "no https URL";
	case -E2BIG:
		return "there are too many URLs";
	case -ENAMETOOLONG:
		return "too long";
	}
	return strerror(-r);
}

static void close_file(FILE **file)
{
	if (*file && *file != stdin)
		fclose(*file);
}

static int read_input(struct urls *urls, const char *name)
{
	_cleanup_(close_file) FILE *file = strcmp(name, "-") ? fopen(name, "re") : stdin;
	size_t line;
	int r;

	if (!file)
		return tool_fail(TOOL_EXIT_READ, command, "%s: %s", name, strerror(errno));
	r = urls_read(urls, file, &line);
	if (!r)
		return 0;
	return tool_fail(r == -EINVAL || r == -EPROTONOSUPPORT ? TOOL_EXIT_URL : TOOL_EXIT_READ,
			 command, "%s: line %zu: %s", name, line, say_url(r));
}

static int read_urls(struct urls *urls, const struct options *options)
{
	for (size_t i = 0; i < options->n_urls; i++) {
		int r = urls_add(urls, options->urls[i]);

		if (r)
			return tool_fail(TOOL_EXIT_URL, command, "\"%s\": %s", options->urls[i],
					 say_url(r));
	}
	return options->input ? read_input(urls, options->input) : 0;
}

static int name_files(struct urls *urls, const struct options *options)
{
	const struct wanted *bad;
	int r = 0;

	if (options->remote_name) {
		r = urls_name(urls, options->directory, &bad);
		if (r == -EINVAL)
			return tool_fail(TOOL_EXIT_URL, command,
					 "\"%s\" does not end in the name of a file: -o gives one",
					 bad->text);
	} else if (urls->n > 1) {
		tool_fail(0, command,
			  "there are several URLs: -O writes each to a file of its own");
		return tool_usage(command);
	} else if (options->output) {
		r = urls_set_path(urls, options->output);
	}
	return r ? tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(-r)) : 0;
}

/* All that is wanted, before anything is asked for. */
static int gather(struct urls *urls, const struct options *options)
{
	const struct wanted *one, *other;
	int r = read_urls(urls, options);

	if (!r)
		r = name_files(urls, options);
	if (r)
		return r;
	r = urls_check(urls, options->resume, &one, &other);
	if (r == -EEXIST) {
		tool_fail(0, command, "%s and %s would be written to the same file, %s", one->text,
			  other->text, other->path);
		return tool_usage(command);
	}
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(-r));
	if (options->no_clobber)
		urls_drop_present(urls);
	return 0;
}

/* -- The config -- */

static int set_trust(struct ktls_config *config, const struct options *options)
{
	int r = 0;

	if (options->insecure) {
		/* Also if it is to be quiet. */
		fprintf(stderr,
			"%s: --insecure: nobody knows who answers, and anyone on the way "
			"can read and change everything\n",
			command);
		r = ktls_config_set_insecure_no_verify(config);
	} else if (options->ca) {
		r = ktls_config_add_trust_file(config, options->ca);
	}
	if (r)
		return tool_fail(TOOL_EXIT_TRUST, command, "%s", ktls_config_error(config));
	return 0;
}

static int make_config(struct ktls_config **ret_config, const struct options *options)
{
	_cleanup_(tool_config_unref) struct ktls_config *config = NULL;
	int r = ktls_config_new(&config, KTLS_CLIENT);

	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", ktls_strerror(r));
	if (tool_set_offload(config, options->offload)) {
		tool_fail(0, command, "--offload: no \"%s\"", options->offload);
		return tool_usage(command);
	}
	if (options->tls && ktls_config_set_protocols(config, options->tls, options->tls))
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", ktls_config_error(config));
	r = set_trust(config, options);
	if (r)
		return r;
	*ret_config = config;
	config = NULL;
	return 0;
}

static int fetch_all(const struct urls *urls, const struct options *options)
{
	_cleanup_(tool_config_unref) struct ktls_config *config = NULL;
	int r = make_config(&config, options);

	/* For connections that have to be made again. */
	if (!r && urls->n > 1)
		r = ktls_config_set_tickets(config, 1);
	if (r)
		return r;
	/* None is left of those that --no-clobber has looked at. */
	if (!urls->n)
		return TOOL_EXIT_OK;
	return fetch_run(&(struct fetch){
		.config = config,
		.urls = urls,
		.parallel = options->parallel,
		.deadline_ns =
			options->timeout_ms ? ktls_deadline_in(options->timeout_ms) : KTLS_FOREVER,
		.idle_ms = options->idle_ms,
		.resume = options->resume,
		.quiet = options->quiet,
		.progress = options->progress,
	});
}

int get_main(int argc, char *argv[])
{
	_cleanup_(urls_done) struct urls urls = { 0 };
	struct options options = {
		.offload = "auto",
		.parallel = PARALLEL_DEFAULT,
		.idle_ms = IDLE_DEFAULT_MS,
	};
	int r = parse_options(argc, argv, &options);

	if (r)
		return r;
	if (options.help) {
		fputs(help, stdout);
		return TOOL_EXIT_OK;
	}
	r = gather(&urls, &options);
	return r ? r : fetch_all(&urls, &options);
}
