/* SPDX-License-Identifier: MIT */

/* Becoming somebody else, in children; most of it only where the tests are run by root. */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>

#include "hearing.h"
#include "privileges.h"

static char *said;

/* The exit status of a child that drops, and then answers. */
static int drop_in_child(const char *user, int (*answer)(void))
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(privileges_drop(user, &said) ? 100 : answer());
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void need_root(void)
{
	if (geteuid())
		cr_skip_test("only root can become another user");
}

static int is_nobody(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	uid_t ids[3];
	gid_t gids[3], groups[64];
	int n = getgroups(64, groups);

	if (getresuid(&ids[0], &ids[1], &ids[2]) || getresgid(&gids[0], &gids[1], &gids[2]))
		return 1;
	for (int i = 0; i < 3; i++) {
		if (ids[i] != nobody->pw_uid || gids[i] != nobody->pw_gid)
			return 2;
	}
	for (int i = 0; i < n; i++) {
		if (!groups[i])
			return 3;
	}
	return !setuid(0) || !seteuid(0) || !setgid(0) ? 4 : 0;
}

Test(unit, root_becomes_nobody_for_good)
{
	need_root();
	cr_expect_eq(drop_in_child("nobody", is_nobody), 0);
}

static int is_in_daemon(void)
{
	return getegid() == getgrnam("daemon")->gr_gid ? 0 : 1;
}

Test(unit, a_group_may_be_named)
{
	need_root();
	cr_expect_eq(drop_in_child("nobody:daemon", is_in_daemon), 0);
}

static int drops_again(void)
{
	if (privileges_drop("nobody", &said))
		return 1;
	if (privileges_drop("daemon", &said) != -EPERM)
		return 2;
	return strcmp(said, "only root can become another user") ? 3 : 0;
}

Test(unit, who_is_that_user_already_is_done_and_no_other_can_be_become)
{
	need_root();
	cr_expect_eq(drop_in_child("nobody", drops_again), 0);
}

Test(unit, whom_there_is_not)
{
	cr_expect_eq(privileges_drop("no-such-user", &said), -ENOENT);
	cr_expect_str_eq(said, "there is no user \"no-such-user\"");
	free(said);
	cr_expect_eq(privileges_drop("nobody:no-such-group", &said), -ENOENT);
	cr_expect_str_eq(said, "there is no group \"no-such-group\"");
	free(said);
	cr_expect_eq(privileges_drop("", &said), -ENOENT);
	free(said);
}
