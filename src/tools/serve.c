/* SPDX-License-Identifier: MIT */

/* `ktls serve`: the command line, the certificate, the listening socket and the signals that end
 * it; the rest is server.c's. */

#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "address.h"
#include "server.h"
#include "tool.h"

static const char command[] = "ktls serve";

static const char help[] =
	"usage: ktls serve (--cert FILE --key FILE | --self-signed) [OPTION...]\n\n"
	"Serves the files beneath a directory over HTTPS, until SIGINT or SIGTERM.\n\n"
	"  --listen ADDR:PORT  where; default 127.0.0.1:8443. Port 0 takes a free one,\n"
	"                      [ADDR]:PORT is IPv6, :PORT is every address\n"
	"  --root DIR          what; default is the current directory\n"
	"  --cert FILE         our certificate, then its chain: PEM or DER\n"
	"  --key FILE          its private key\n"
	"  --self-signed       a throw-away certificate for localhost instead\n"
	"  --ticket-file FILE  the keys of session tickets, which servers share to resume\n"
	"                      each other's sessions; see ktls rotate. Default: own ones\n"
	"  --offload WHEN      which records the kernel protects: auto (default), off, tx,\n"
	"                      rx, both (where it can), required (or no connection)\n"
	"  --verbose           a line on stderr for each request and error\n"
	"  --help              this\n";

struct options {
	const char *listen;
	const char *root;
	const char *cert;
	const char *key;
	const char *ticket_file;
	const char *offload;
	bool self_signed;
	bool verbose;
	bool help;
};

enum option_code {
	OPTION_LISTEN = 256,
	OPTION_ROOT,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_SELF_SIGNED,
	OPTION_TICKET_FILE,
	OPTION_OFFLOAD,
	OPTION_VERBOSE,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "root", required_argument, NULL, OPTION_ROOT },
	{ "cert", required_argument, NULL, OPTION_CERT },
	{ "key", required_argument, NULL, OPTION_KEY },
	{ "self-signed", no_argument, NULL, OPTION_SELF_SIGNED },
	{ "ticket-file", required_argument, NULL, OPTION_TICKET_FILE },
	{ "offload", required_argument, NULL, OPTION_OFFLOAD },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

/* 0 or TOOL_EXIT_USAGE. */
static int parse_options(int argc, char *argv[], struct options *options)
{
	int code;

	while ((code = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		switch (code) {
		case OPTION_LISTEN:
			options->listen = optarg;
			break;
		case OPTION_ROOT:
			options->root = optarg;
			break;
		case OPTION_CERT:
			options->cert = optarg;
			break;
		case OPTION_KEY:
			options->key = optarg;
			break;
		case OPTION_SELF_SIGNED:
			options->self_signed = true;
			break;
		case OPTION_TICKET_FILE:
			options->ticket_file = optarg;
			break;
		case OPTION_OFFLOAD:
			options->offload = optarg;
			break;
		case OPTION_VERBOSE:
			options->verbose = true;
			break;
		case OPTION_HELP:
		case 'h':
			options->help = true;
			return 0;
		default:
			return tool_usage(command);
		}
	}
	if (optind < argc) {
		tool_fail(0, command, "\"%s\" is not an option", argv[optind]);
		return tool_usage(command);
	}
	return 0;
}

static int check_options(const struct options *options)
{
	const char *fault = NULL;

	if (options->self_signed && (options->cert || options->key))
		fault = "--self-signed makes its own certificate and key: give no others";
	else if (!options->self_signed && !(options->cert && options->key))
		fault = "give a certificate and its key with --cert and --key, or --self-signed";
	if (!fault)
		return 0;
	tool_fail(0, command, "%s", fault);
	return tool_usage(command);
}

static int add_identity(struct ktls_config *config, const struct options *options)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };

	if (options->self_signed)
		return ktls_config_add_identity_self_signed(config, names,
							    sizeof(names) / sizeof(*names));
	return ktls_config_add_identity_file(config, options->cert, options->key);
}

static int make_config(struct ktls_config **ret_config, const struct options *options)
{
	_cleanup_(tool_config_unref) struct ktls_config *config = NULL;
	int r = ktls_config_new(&config, KTLS_SERVER);

	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", ktls_strerror(r));
	if (tool_set_offload(config, options->offload)) {
		tool_fail(0, command, "--offload: no \"%s\"", options->offload);
		return tool_usage(command);
	}
	r = add_identity(config, options);
	if (!r && options->ticket_file)
		r = ktls_config_set_ticket_file(config, options->ticket_file);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", ktls_config_error(config));
	*ret_config = config;
	config = NULL;
	return 0;
}

/* Listens on the first of the addresses that lets itself be bound. A descriptor, or -errno. */
static int listen_on(const struct addrinfo *list)
{
	int r = -EADDRNOTAVAIL;

	for (const struct addrinfo *at = list; at; at = at->ai_next) {
		_cleanup_(tool_fd_close) int fd = -EBADF;
		int on = 1;

		/* Plain TCP by name: multipath TCP could not carry the kernel's tls. */
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
		if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
		    !bind(fd, at->ai_addr, at->ai_addrlen) && !listen(fd, SERVER_LIMIT_BACKLOG))
			return tool_fd_steal(&fd);
		r = -errno;
	}
	return r;
}

static int open_listener(int *ret_fd, const char *address)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct address parts;
	struct addrinfo *list;
	int fd, r;

	if (address_parse(&parts, address, strlen(address)) || !*parts.port) {
		tool_fail(0, command, "--listen: \"%s\" is not ADDR:PORT", address);
		return tool_usage(command);
	}
	r = getaddrinfo(*parts.host ? parts.host : NULL, parts.port, &hints, &list);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "--listen %s: %s", address,
				 gai_strerror(r));
	fd = listen_on(list);
	freeaddrinfo(list);
	if (fd < 0)
		return tool_fail(TOOL_EXIT_FAILED, command, "cannot listen on %s: %s", address,
				 strerror(-fd));
	*ret_fd = fd;
	return 0;
}

static int announce(int listen_fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(listen_fd, (struct sockaddr *)&name, &len) ||
	    getnameinfo((struct sockaddr *)&name, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return tool_fail(TOOL_EXIT_FAILED, command, "the listening socket has no name");
	printf(strchr(host, ':') ? "listening on https://[%s]:%s\n"
				 : "listening on https://%s:%s\n",
	       host, port);
	if (fflush(stdout))
		return tool_fail(TOOL_EXIT_FAILED, command, "cannot write to stdout: %s",
				 strerror(errno));
	return 0;
}

/* A descriptor that is readable when we should end, or -errno. */
static int open_stop(void)
{
	sigset_t signals;
	int fd;

	/* Who reads our lines may go away; that is no reason not to serve. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &signals, NULL))
		return -errno;
	fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A socket and a file for each session; where the system grants less, accepting waits. */
static void raise_file_limit(void)
{
	const rlim_t wanted = 2 * SERVER_LIMIT_SESSIONS + 64;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(const struct options *options)
{
	_cleanup_(tool_config_unref) struct ktls_config *config = NULL;
	_cleanup_(tool_fd_close) int root_fd = -EBADF;
	_cleanup_(tool_fd_close) int listen_fd = -EBADF;
	_cleanup_(tool_fd_close) int stop_fd = -EBADF;
	struct session_site site = { .verbose = options->verbose };
	int r = make_config(&config, options);

	if (r)
		return r;
	root_fd = open(options->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return tool_fail(TOOL_EXIT_FAILED, command, "--root %s: %s", options->root,
				 strerror(errno));
	stop_fd = open_stop();
	if (stop_fd < 0)
		return tool_fail(TOOL_EXIT_FAILED, command, "signalfd: %s", strerror(-stop_fd));
	raise_file_limit();
	r = open_listener(&listen_fd, options->listen);
	if (!r)
		r = announce(listen_fd);
	if (r)
		return r;

	site.config = config;
	site.root_fd = root_fd;
	r = server_run(&site, listen_fd, stop_fd);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "serving: %s", strerror(-r));
	if (site.verbose)
		fprintf(stderr, "%llu requests, %llu bytes of files\n",
			(unsigned long long)site.requests, (unsigned long long)site.bytes);
	return TOOL_EXIT_OK;
}

int serve_main(int argc, char *argv[])
{
	struct options options = { .listen = "127.0.0.1:8443", .root = ".", .offload = "auto" };
	int r = parse_options(argc, argv, &options);

	if (r)
		return r;
	if (options.help) {
		fputs(help, stdout);
		return TOOL_EXIT_OK;
	}
	r = check_options(&options);
	return r ? r : serve(&options);
}
