/* SPDX-License-Identifier: MIT */

/*
 * `ktls serve`: what it was told becomes sockets, configs and threads; then this thread, the only
 * one that sees signals, waits for one that ends the server or lets it read its files again.
 */

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "activation.h"
#include "confine.h"
#include "exporter.h"
#include "identities.h"
#include "listen.h"
#include "notify.h"
#include "settings.h"
#include "tool.h"
#include "workers.h"

static const char command[] = "ktls serve";

struct serve {
	int argc;
	char **argv;
	struct settings settings;   /* in force */
	struct ktls_config *config; /* of new connections, in force */
	struct metrics_process process;
	struct workers workers;
	struct exporter *exporter;
	struct mime *mime;
	struct peers *peers; /* or NULL */
	struct access_file access;
	int root_fd;
	int listen_fd;
	int metrics_fd;
	int signal_fd;
	int notify_fd;
};

enum {
	METRICS_BACKLOG = 16,
};

/* Before the first thread, which inherits what is blocked. -errno. */
static int block_signals(struct serve *serve)
{
	sigset_t signals;

	/* Who reads our lines may go away; that is no reason not to serve. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL))
		return -errno;
	serve->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	return serve->signal_fd < 0 ? -errno : 0;
}

static int load(struct serve *serve, const struct settings *settings,
		struct ktls_config **ret_config)
{
	char *error;
	int r = identities_make(ret_config, settings, &error);

	if (r)
		tool_fail(0, command, "%s", error ? error : ktls_strerror(r));
	else
		atomic_store(&serve->process.loaded_s, (uint64_t)time(NULL));
	free(error);
	return r ? TOOL_EXIT_FAILED : 0;
}

static int open_root(struct serve *serve)
{
	const char *root = serve->settings.root;

	serve->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (serve->root_fd < 0)
		return tool_fail(TOOL_EXIT_FAILED, command, "--root %s: %s", root, strerror(errno));
	return 0;
}

static int open_access_log(struct serve *serve)
{
	const char *path = serve->settings.access_log;
	int r = path ? access_file_open(&serve->access, path) : 0;

	serve->access.with_tls = serve->settings.access_log_tls;
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "--access-log %s: %s", path,
				 strerror(-r));
	return 0;
}

/* What systemd holds open for us needs no right to open it, and loses nobody at a restart. */
static int take_sockets(struct serve *serve)
{
	char error[ACTIVATION_LIMIT_ERROR];
	struct activation activation;
	int r = activation_take(&activation, error);

	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "socket activation: %s", error);
	serve->listen_fd = activation.https_fd;
	serve->metrics_fd = activation.metrics_fd;
	r = notify_open(&serve->notify_fd);
	if (r)
		tool_fail(0, command, "NOTIFY_SOCKET: %s", strerror(-r));
	return 0;
}

/* One for each processor that we may use. */
static unsigned int count_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned int)CPU_COUNT(&set);
}

/* Before privileges are given up, which a port may need. */
static int open_listeners(struct serve *serve)
{
	unsigned int n = serve->settings.threads;
	int r = workers_init(&serve->workers, n ? n : count_processors(), serve->config,
			     serve->listen_fd);

	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "listening: %s", ktls_strerror(r));
	return 0;
}

static int open_sockets(struct serve *serve)
{
	const struct settings *settings = &serve->settings;
	int r = take_sockets(serve);

	if (!r && serve->listen_fd < 0)
		r = listen_open(&serve->listen_fd, "--listen", settings->listen,
				SERVER_LIMIT_BACKLOG);
	if (!r)
		r = open_listeners(serve);
	if (!r && serve->metrics_fd < 0 && settings->metrics)
		r = listen_open(&serve->metrics_fd, "--metrics", settings->metrics,
				METRICS_BACKLOG);
	return r;
}

static int announce(const struct serve *serve)
{
	char where[LISTEN_LIMIT_NAME];
	int r = listen_describe(serve->listen_fd, "https", where);

	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "the listening socket has no name: %s",
				 strerror(-r));
	printf("listening on %s\n", where);
	if (serve->metrics_fd >= 0 && !listen_describe(serve->metrics_fd, "http", where))
		printf("metrics on %s/metrics\n", where);
	if (fflush(stdout))
		return tool_fail(TOOL_EXIT_FAILED, command, "cannot write to stdout: %s",
				 strerror(errno));
	return 0;
}

/* As the table of settings allows. */
static enum ktls_ring_kind engine_of(const char *word)
{
	if (!strcmp(word, "auto"))
		return KTLS_RING_ANY;
	return strcmp(word, "epoll") ? KTLS_RING_IO_URING : KTLS_RING_EPOLL;
}

static int start(struct serve *serve)
{
	const struct settings *settings = &serve->settings;
	const struct session_site site = {
		.root_fd = serve->root_fd,
		.engine = engine_of(settings->engine),
		.mime = serve->mime,
		.access = settings->access_log ? &serve->access : NULL,
		.connections = settings->connections,
		.peers = serve->peers,
		.handshake_ms = settings->handshake_timeout * 1000,
		.idle_ms = settings->idle_timeout * 1000,
		.request_ms = settings->request_timeout * 1000,
		.send_ms = settings->send_timeout * 1000,
		.send_bytes = (uint64_t)settings->send_timeout * settings->min_rate,
		.stop_ms = settings->stop_timeout * 1000,
		.verbose = settings->verbose,
	};
	const char *why;
	int r = workers_start(&serve->workers, &site, &why);

	serve->process.threads = serve->workers.n;
	if (!r && serve->metrics_fd >= 0)
		r = exporter_new(&serve->exporter, serve->metrics_fd, serve->workers.metrics,
				 serve->workers.n, &serve->process);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "starting threads: %s",
				 *why ? why : ktls_strerror(r));
	if (*why)
		tool_fail(0, command, "it runs on epoll: %s", why);
	return 0;
}

/* What cannot change any more is not silently left out. */
static void warn_of_fixed(const struct settings *old, const struct settings *new)
{
	const char *name;
	size_t i = 0;

	while ((name = settings_next_fixed(old, new, &i)))
		tool_fail(0, command,
			  "reload: \"%s\" has changed: it stays as it was until the "
			  "server is started again",
			  name);
}

/* Connections that are there keep theirs. Takes the reference. */
static int set_config(struct serve *serve, struct ktls_config *config)
{
	int r = workers_set_config(&serve->workers, config);

	if (r) {
		tool_fail(0, command, "%s", ktls_strerror(r));
		/* The old one was good for all of them. */
		workers_set_config(&serve->workers, serve->config);
		ktls_config_unref(config);
		return TOOL_EXIT_FAILED;
	}
	ktls_config_unref(serve->config);
	serve->config = config;
	return 0;
}

static int reload_all(struct serve *serve)
{
	struct ktls_config *config;
	struct settings settings;
	int r = settings_read(&settings, serve->argc, serve->argv);

	if (!r)
		r = load(serve, &settings, &config);
	if (!r) {
		warn_of_fixed(&serve->settings, &settings);
		r = set_config(serve, config);
	}
	settings_done(&settings);
	return r;
}

/* Whatever the settings are: it may have been moved away. */
static void reopen_access_log(struct serve *serve)
{
	int r = serve->access.fd < 0 ? 0 : access_file_reopen(&serve->access);

	if (r)
		tool_fail(0, command, "--access-log %s: it cannot be opened anew: %s",
			  serve->access.path, strerror(-r));
}

static void reload(struct serve *serve)
{
	int r;

	notify_reloading(serve->notify_fd);
	reopen_access_log(serve);
	r = reload_all(serve);
	if (r)
		tool_fail(0, command, "reload: failed; all stays as it was");
	else
		tool_fail(0, command, "reload: done; new connections get what was read");
	atomic_fetch_add(r ? &serve->process.bad_reloads : &serve->process.reloads, 1);
	notify_ready(serve->notify_fd, r ? "serving; the last reload failed" : "serving");
}

/* Until a signal, or a thread that could not go on, ends it. */
static void wait_for_end(struct serve *serve)
{
	struct pollfd polls[] = {
		{ .fd = serve->signal_fd, .events = POLLIN },
		{ .fd = serve->workers.end_fd, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	while (!polls[1].revents) {
		if (poll(polls, 2, -1) < 0 || !polls[0].revents ||
		    read(serve->signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGHUP)
			return;
		reload(serve);
	}
}

static int stop(struct serve *serve)
{
	uint64_t requests, bytes;
	int r;

	/* The threads close theirs. */
	tool_fd_close(&serve->listen_fd);
	r = workers_stop(&serve->workers, &requests, &bytes);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "serving: %s", strerror(-r));
	if (serve->settings.verbose)
		fprintf(stderr, "%llu requests, %llu bytes of files\n",
			(unsigned long long)requests, (unsigned long long)bytes);
	return TOOL_EXIT_OK;
}

static int make_peers(struct serve *serve)
{
	unsigned int limit = serve->settings.connections_per_address;

	return limit ? peers_new(&serve->peers, limit) : 0;
}

static int run(struct serve *serve)
{
	int r = load(serve, &serve->settings, &serve->config);

	if (r)
		return r;
	r = open_root(serve);
	if (r || serve->settings.check)
		return r;
	if (mime_new(&serve->mime, MIME_SYSTEM) || make_peers(serve))
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
	tool_raise_file_limit();
	r = block_signals(serve);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "signalfd: %s", strerror(-r));
	r = open_access_log(serve);
	if (!r)
		r = open_sockets(serve);
	if (!r)
		r = confine(&serve->settings, serve->access.made ? serve->access.fd : -1,
			    &serve->process);
	if (!r)
		r = start(serve);
	if (!r)
		r = announce(serve);
	if (r)
		return r;
	notify_ready(serve->notify_fd, "serving");
	wait_for_end(serve);
	notify_stopping(serve->notify_fd);
	return stop(serve);
}

static void serve_done(struct serve *serve)
{
	uint64_t requests, bytes;

	exporter_free(serve->exporter);
	workers_stop(&serve->workers, &requests, &bytes);
	workers_done(&serve->workers);
	peers_free(serve->peers);
	ktls_config_unref(serve->config);
	access_file_close(&serve->access);
	mime_free(serve->mime);
	tool_fd_close(&serve->root_fd);
	tool_fd_close(&serve->listen_fd);
	tool_fd_close(&serve->metrics_fd);
	tool_fd_close(&serve->signal_fd);
	tool_fd_close(&serve->notify_fd);
	settings_done(&serve->settings);
}

int serve_main(int argc, char *argv[])
{
	_cleanup_(serve_done) struct serve serve = {
		.argc = argc,
		.argv = argv,
		.process.started_s = (uint64_t)time(NULL),
		.workers = WORKERS_NULL,
		.access = ACCESS_FILE_NULL,
		.root_fd = -EBADF,
		.listen_fd = -EBADF,
		.metrics_fd = -EBADF,
		.signal_fd = -EBADF,
		.notify_fd = -EBADF,
	};
	int r = settings_read(&serve.settings, argc, argv);

	if (r)
		return r;
	if (serve.settings.help) {
		settings_print_help();
		return TOOL_EXIT_OK;
	}
	return run(&serve);
}
