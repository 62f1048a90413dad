/* SPDX-License-Identifier: MIT */

/* `ktls get`: the command line and whom to trust; the rest is fetch.c's. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "tool.h"

static const char command[] = "ktls get";

static const char help[] =
	"usage: ktls get URL [OPTION...]\n\n"
	"Fetches a file over HTTPS, and says on stderr where the records were protected.\n"
	"Redirects are not followed.\n\n"
	"  --ca FILE          trust the certificates in it, not the system's\n"
	"  --insecure         verify neither certificate nor name: anyone on the way can\n"
	"                     read and change everything\n"
	"  -o, --output FILE  write there, once all of it has come; default is stdout\n"
	"  --offload WHEN     which records the kernel protects: auto (default), off, tx,\n"
	"                     rx, both (where it can), required (or no connection)\n"
	"  --tls 1.2|1.3      only this version\n"
	"  --timeout SECONDS  for all of it; default is no limit\n"
	"  --help             this\n\n"
	"Exit status: 0 done, 1 failed, 2 command line, 3 URL, 6 no address, 7 no\n"
	"connection, 18 truncated, 22 HTTP status not 2xx, 23 output, 28 timeout,\n"
	"35 handshake, 56 transfer, 60 peer not verified, 77 file of --ca\n";

struct options {
	const char *url;
	const char *ca;
	const char *output;
	const char *offload;
	enum ktls_protocol tls; /* 0: both */
	uint64_t timeout_ms;	/* 0: none */
	bool insecure;
	bool help;
};

enum option_code {
	OPTION_CA = 256,
	OPTION_INSECURE,
	OPTION_OFFLOAD,
	OPTION_TLS,
	OPTION_TIMEOUT,
};

static const struct option long_options[] = {
	{ "ca", required_argument, NULL, OPTION_CA },
	{ "insecure", no_argument, NULL, OPTION_INSECURE },
	{ "output", required_argument, NULL, 'o' },
	{ "offload", required_argument, NULL, OPTION_OFFLOAD },
	{ "tls", required_argument, NULL, OPTION_TLS },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
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
static int parse_timeout(const char *text, uint64_t *ret_timeout_ms)
{
	const double longest = 365.0 * 24 * 3600;
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.001 && seconds <= longest))
		return -EINVAL;
	*ret_timeout_ms = (uint64_t)(seconds * 1000);
	return 0;
}

static int parse_option(int code, const char *argument, struct options *options)
{
	switch (code) {
	case OPTION_CA:
		options->ca = argument;
		return 0;
	case OPTION_INSECURE:
		options->insecure = true;
		return 0;
	case 'o':
		options->output = argument;
		return 0;
	case OPTION_OFFLOAD:
		options->offload = argument;
		return 0;
	case OPTION_TLS:
		if (parse_tls(argument, &options->tls))
			tool_fail(0, command, "--tls: 1.2 or 1.3, not \"%s\"", argument);
		else
			return 0;
		break;
	case OPTION_TIMEOUT:
		if (parse_timeout(argument, &options->timeout_ms))
			tool_fail(0, command, "--timeout: \"%s\" is no number of seconds",
				  argument);
		else
			return 0;
		break;
	case 'h':
		options->help = true;
		return 0;
	}
	return tool_usage(command);
}

/* 0 or TOOL_EXIT_USAGE. */
static int parse_options(int argc, char *argv[], struct options *options)
{
	int code, r;

	while (!options->help && (code = getopt_long(argc, argv, "ho:", long_options, NULL)) >= 0) {
		r = parse_option(code, optarg, options);
		if (r)
			return r;
	}
	if (options->help)
		return 0;
	if (optind != argc - 1) {
		tool_fail(0, command, optind < argc ? "one URL at a time" : "give a URL");
		return tool_usage(command);
	}
	if (options->insecure && options->ca) {
		tool_fail(0, command,
			  "--insecure verifies nothing, so --ca means nothing beside it");
		return tool_usage(command);
	}
	options->url = argv[optind];
	return 0;
}

static int set_trust(struct ktls_config *config, const struct options *options)
{
	int r = 0;

	if (options->insecure) {
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

int get_main(int argc, char *argv[])
{
	_cleanup_(tool_config_unref) struct ktls_config *config = NULL;
	struct options options = { .offload = "auto" };
	struct fetch fetch;
	struct url url;
	int r = parse_options(argc, argv, &options);

	if (r)
		return r;
	if (options.help) {
		fputs(help, stdout);
		return TOOL_EXIT_OK;
	}
	r = url_parse(&url, options.url);
	if (r)
		return tool_fail(TOOL_EXIT_URL, command,
				 r == -EPROTONOSUPPORT ? "\"%s\": only https"
						       : "\"%s\" is no https URL",
				 options.url);
	r = make_config(&config, &options);
	if (r)
		return r;
	fetch = (struct fetch){
		.config = config,
		.url = &url,
		.path = options.output,
		.deadline_ns =
			options.timeout_ms ? ktls_deadline_in(options.timeout_ms) : KTLS_FOREVER,
	};
	return fetch_run(&fetch);
}
