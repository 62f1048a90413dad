/* SPDX-License-Identifier: MIT */

/*
 * From settings to a process that can do little; see confine.h. A sandbox that this system lacks is
 * no reason not to serve, but to say so; a user that cannot be become is one.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "confine.h"
#include "privileges.h"
#include "sandbox.h"
#include "tool.h"

static const char command[] = "ktls serve";

static int drop_root(const char *user, int own_fd)
{
	char *error;
	int r;

	if (!user) {
		if (!geteuid())
			tool_fail(0, command, "this runs as root; --user NAME gives that up");
		return 0;
	}
	r = privileges_drop(user, own_fd, &error);
	if (r)
		tool_fail(0, command, "--user %s: %s", user, error ? error : strerror(-r));
	free(error);
	return r ? TOOL_EXIT_FAILED : 0;
}

static int add_site(struct sandbox_places *places, const struct settings_site *site)
{
	int r = 0;

	for (size_t i = 0; i < site->n_certs && !r; i++) {
		r = sandbox_add_file(places, site->certs[i], SANDBOX_READ);
		if (!r)
			r = sandbox_add_file(places, site->keys[i], SANDBOX_READ);
	}
	return r;
}

static bool has_log(const struct settings *settings)
{
	return settings->access_log && strcmp(settings->access_log, "-");
}

/* A file may be moved away and made anew; beside a device or a pipe nothing is to be written. */
static int add_log(struct sandbox_places *places, const char *path)
{
	struct stat stat_buf;

	if (!stat(path, &stat_buf) && !S_ISREG(stat_buf.st_mode))
		return sandbox_add_special(places, path, SANDBOX_WRITE);
	return sandbox_add_file(places, path, SANDBOX_WRITE);
}

int confine_add_places(struct sandbox_places *places, const struct settings *settings)
{
	int r = sandbox_add_directory(places, settings->root, SANDBOX_READ | SANDBOX_LIST);

	if (!r && settings->config)
		r = sandbox_add_file(places, settings->config, SANDBOX_READ);
	if (!r && settings->ticket_file)
		r = sandbox_add_file(places, settings->ticket_file, SANDBOX_READ);
	if (!r && has_log(settings))
		r = add_log(places, settings->access_log);
	if (!r)
		r = add_site(places, &settings->everyone);
	for (size_t i = 0; i < settings->n_sites && !r; i++)
		r = add_site(places, settings->sites[i]);
	return r;
}

static void say(const struct sandbox_report *report)
{
	char text[_SANDBOX_PART_N * (SANDBOX_LIMIT_WHY + 32)] = "";

	for (unsigned int i = 0; i < _SANDBOX_PART_N; i++) {
		size_t len = strlen(text);

		if (*report->why[i])
			snprintf(text + len, sizeof(text) - len, "%s%s%s (%s)", len ? ", " : "",
				 report->applied[i] ? "not all of " : "no ", sandbox_part_name(i),
				 report->why[i]);
	}
	if (*text)
		tool_fail(0, command, "sandbox: %s", text);
}

static int enter_sandbox(const struct settings *settings, struct metrics_process *process)
{
	/* Whether it is a NIC that protects is asked of each connection. */
	struct sandbox_places places = {
		.netlink = settings->offload && !strcmp(settings->offload, "nic"),
	};
	struct sandbox_report report;
	int r = confine_add_places(&places, settings);

	if (!r) {
		sandbox_enter(&places, &report);
		say(&report);
		process->parts[METRICS_PART_NO_NEW_PRIVS] = report.applied[SANDBOX_NO_NEW_PRIVS];
		process->parts[METRICS_PART_LANDLOCK] = report.applied[SANDBOX_LANDLOCK];
		process->parts[METRICS_PART_SECCOMP] = report.applied[SANDBOX_SECCOMP];
	}
	sandbox_places_done(&places);
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "sandbox: %s", strerror(-r));
	return 0;
}

static void check_file(const char *path, int flags)
{
	_cleanup_(tool_fd_close) int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		tool_fail(0, command,
			  "reload: %s cannot be opened any more (%s): a SIGHUP will "
			  "fail",
			  path, strerror(errno));
}

/* Better said now than when a certificate runs out. */
static void check_reload(const struct settings *settings)
{
	const struct settings_site *site = &settings->everyone;

	if (settings->config)
		check_file(settings->config, O_RDONLY);
	if (has_log(settings))
		check_file(settings->access_log, O_WRONLY | O_APPEND);
	for (size_t i = 0; i <= settings->n_sites; i++) {
		for (size_t j = 0; j < site->n_certs; j++) {
			check_file(site->certs[j], O_RDONLY);
			check_file(site->keys[j], O_RDONLY);
		}
		if (i < settings->n_sites)
			site = settings->sites[i];
	}
}

int confine(const struct settings *settings, int own_fd, struct metrics_process *process)
{
	struct ktls_probe probe;
	int r;

	/* What it finds is remembered; and only root's trying loads the kernel's module. */
	(void)!ktls_probe(&probe, sizeof(probe));
	r = drop_root(settings->user, own_fd);
	if (r)
		return r;
	if (geteuid())
		r = privileges_drop_capabilities();
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "giving up capabilities: %s",
				 strerror(-r));
	process->parts[METRICS_PART_USER] = geteuid() != 0;
	r = settings->sandbox ? enter_sandbox(settings, process) : 0;
	if (!r)
		check_reload(settings);
	return r;
}
