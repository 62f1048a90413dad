/* SPDX-License-Identifier: MIT */

/*
 * Groups first, for who is root no more cannot change them; then the user, all three of its ids.
 * What was given up must be out of reach, so that is tried.
 */

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privileges.h"

static int __attribute__((format(printf, 3, 4)))
explain(int r, char **ret_error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_error, format, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return r;
}

struct target {
	char *name;
	uid_t uid;
	gid_t gid;
	int own_fd;
};

/* errno may say why there is none; most often it just is not there. */
static int find_user(struct target *target, char **ret_error)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(target->name);
	if (!user)
		return explain(errno ? -errno : -ENOENT, ret_error, "there is no user \"%s\"%s%s",
			       target->name, errno ? ": " : "", errno ? strerror(errno) : "");
	target->uid = user->pw_uid;
	target->gid = user->pw_gid;
	return 0;
}

static int find_group(struct target *target, const char *name, char **ret_error)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (!group)
		return explain(errno ? -errno : -ENOENT, ret_error, "there is no group \"%s\"%s%s",
			       name, errno ? ": " : "", errno ? strerror(errno) : "");
	target->gid = group->gr_gid;
	return 0;
}

static int become(const struct target *target, char **ret_error)
{
	if (target->own_fd >= 0 && fchown(target->own_fd, target->uid, target->gid))
		return explain(-errno, ret_error, "giving a file to %s: %s", target->name,
			       strerror(errno));
	if (initgroups(target->name, target->gid))
		return explain(-errno, ret_error, "the groups of %s: %s", target->name,
			       strerror(errno));
	if (setresgid(target->gid, target->gid, target->gid) ||
	    setresuid(target->uid, target->uid, target->uid))
		return explain(-errno, ret_error, "becoming %s: %s", target->name, strerror(errno));
	if (target->uid && (!setuid(0) || !setgid(0)))
		return explain(-EPERM, ret_error, "%s can become root again", target->name);
	return 0;
}

static int drop(char *user, int own_fd, char **ret_error)
{
	struct target target = { .name = user, .own_fd = own_fd };
	char *group = strchr(user, ':');
	int r;

	if (group)
		*group++ = '\0';
	r = find_user(&target, ret_error);
	if (!r && group)
		r = find_group(&target, group, ret_error);
	if (r)
		return r;
	/* Who is that user already, as by systemd's User=, is done. */
	if (geteuid() && geteuid() == target.uid && getegid() == target.gid)
		return 0;
	if (geteuid())
		return explain(-EPERM, ret_error, "only root can become another user");
	return become(&target, ret_error);
}

int privileges_drop(const char *user, int own_fd, char **ret_error)
{
	char *copy = strdup(user);
	int r = -ENOMEM;

	*ret_error = NULL;
	if (copy)
		r = drop(copy, own_fd, ret_error);
	free(copy);
	return r;
}

int privileges_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* The ambient ones are no more than the permitted ones, and go with them. */
	return syscall(SYS_capset, &header, none) ? -errno : 0;
}
