/* SPDX-License-Identifier: MIT */

/* What the settings make of a process, in a child; its parts have tests of their own, and a server
 * lives in it in interop/sandbox.py. */

#include <sys/wait.h>

#include "confine.h"
#include "hearing.h"
#include "tool.h"

static char root[] = "/tmp", missing[] = "/nonexistent/cert", nobody[] = "no-such-user";

struct outcome {
	int result;
	struct metrics_process process;
	char said[1024];
};

static void confine_in_child(const struct settings *settings, struct outcome *ret_outcome)
{
	struct outcome outcome = { 0 };
	struct hearing hearing;
	int pipes[2];
	pid_t child;

	cr_assert_eq(pipe(pipes), 0);
	child = fork();
	if (!child) {
		hearing_begin(&hearing);
		outcome.result = confine(settings, -1, &outcome.process);
		hearing_end(&hearing);
		snprintf(outcome.said, sizeof(outcome.said), "%.1023s", hearing.text);
		(void)!write(pipes[1], &outcome, sizeof(outcome));
		_exit(0);
	}
	close(pipes[1]);
	cr_assert_eq(read(pipes[0], ret_outcome, sizeof(*ret_outcome)), sizeof(*ret_outcome));
	close(pipes[0]);
	waitpid(child, NULL, 0);
}

Test(unit, each_part_is_in_force_or_said_not_to_be)
{
	struct settings settings = { .root = root, .sandbox = true, .self_signed = true };
	struct outcome outcome;

	confine_in_child(&settings, &outcome);

	cr_expect_eq(outcome.result, 0);
	cr_expect_eq(outcome.process.parts[METRICS_PART_NO_NEW_PRIVS], 1);
	cr_expect_eq(outcome.process.parts[METRICS_PART_LANDLOCK] == 0,
		     strstr(outcome.said, "no landlock (") != NULL, "%s", outcome.said);
	cr_expect_eq(outcome.process.parts[METRICS_PART_SECCOMP] == 0,
		     strstr(outcome.said, "no seccomp (") != NULL, "%s", outcome.said);
	cr_expect_eq(outcome.process.parts[METRICS_PART_USER], geteuid() != 0);
	cr_expect_eq(strstr(outcome.said, "this runs as root") != NULL, geteuid() == 0);
}

Test(unit, without_a_sandbox)
{
	struct settings settings = { .root = root, .self_signed = true };
	struct outcome outcome;

	confine_in_child(&settings, &outcome);

	cr_expect_eq(outcome.result, 0);
	cr_expect_eq(outcome.process.parts[METRICS_PART_NO_NEW_PRIVS], 0);
	cr_expect_eq(outcome.process.parts[METRICS_PART_LANDLOCK], 0);
	cr_expect_null(strstr(outcome.said, "sandbox"));
}

static bool has_place(const struct settings *settings, const char *path)
{
	struct sandbox_places places = { 0 };
	bool found = false;

	cr_assert_eq(confine_add_places(&places, settings), 0);
	for (size_t i = 0; i < places.n; i++)
		found = found || (places.list[i].rights & SANDBOX_WRITE &&
				  !strcmp(places.list[i].path, path));
	sandbox_places_done(&places);
	return found;
}

Test(unit, a_log_that_is_a_device_opens_nothing_beside_it)
{
	static char full[] = "/dev/full", file[] = "/tmp/ktls-no-such-log", standard[] = "-";
	struct settings settings = { .root = root, .access_log = full };

	cr_expect(has_place(&settings, "/dev/full"));
	cr_expect_not(has_place(&settings, "/dev"));
	settings.access_log = file;
	cr_expect(has_place(&settings, "/tmp"));
	settings.access_log = standard;
	cr_expect_not(has_place(&settings, "."));
}

Test(unit, a_user_that_is_not_there_ends_it)
{
	struct settings settings = { .root = root, .user = nobody, .self_signed = true };
	struct outcome outcome;

	confine_in_child(&settings, &outcome);

	cr_expect_eq(outcome.result, TOOL_EXIT_FAILED);
	cr_expect(strstr(outcome.said, "--user no-such-user: there is no user"), "%s",
		  outcome.said);
}

Test(unit, a_reload_that_will_fail_is_said)
{
	struct settings settings = { .root = root };
	struct outcome outcome;

	settings.everyone = (struct settings_site){
		.certs = { missing }, .keys = { missing }, .n_certs = 1, .n_keys = 1
	};
	confine_in_child(&settings, &outcome);

	cr_expect_eq(outcome.result, 0);
	cr_expect(strstr(outcome.said, "reload: /nonexistent/cert cannot be opened any more"), "%s",
		  outcome.said);
}
