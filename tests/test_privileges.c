/* SPDX-License-Identifier: MIT */

/* Becoming somebody else, in children; most of it only where the tests are run by root. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
		_exit(privileges_drop(user, -1, &said) ? 100 : answer());
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

static int own_fd;

static int gives_a_file(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct stat stat;

	if (privileges_drop("nobody", own_fd, &said) || fstat(own_fd, &stat))
		return 1;
	return stat.st_uid != nobody->pw_uid || stat.st_gid != nobody->pw_gid;
}

Test(unit, a_file_that_root_made_for_the_user_is_the_users)
{
	char path[64];
	int status;
	pid_t child;

	need_root();
	make_text_file(path, "", 0);
	own_fd = open(path, O_WRONLY | O_CLOEXEC);
	unlink(path);
	child = fork();
	if (!child)
		_exit(gives_a_file());
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(status, 0);
	close(own_fd);
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
	if (privileges_drop("nobody", -1, &said))
		return 1;
	if (privileges_drop("daemon", -1, &said) != -EPERM)
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
	cr_expect_eq(privileges_drop("no-such-user", -1, &said), -ENOENT);
	cr_expect_str_eq(said, "there is no user \"no-such-user\"");
	free(said);
	cr_expect_eq(privileges_drop("nobody:no-such-group", -1, &said), -ENOENT);
	cr_expect_str_eq(said, "there is no group \"no-such-group\"");
	free(said);
	cr_expect_eq(privileges_drop("", -1, &said), -ENOENT);
	free(said);
}

/* The permitted ones, of the first 32. */
static unsigned int capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) ? ~0u : data[0].permitted | data[0].effective;
}

/* Nobody, but with what root had: as after setcap(8). */
static int keep_and_drop_capabilities(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setuid(65534) || !capabilities())
		return 1;
	if (privileges_drop_capabilities())
		return 2;
	return capabilities() ? 3 : 0;
}

Test(unit, capabilities_of_who_is_not_root_go_too)
{
	int status;
	pid_t child;

	need_root();
	child = fork();
	if (!child)
		_exit(keep_and_drop_capabilities());
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
}

Test(unit, who_has_none_can_drop_them)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(privileges_drop_capabilities() || privileges_drop_capabilities());
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(status, 0);
}
