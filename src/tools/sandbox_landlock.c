/* SPDX-License-Identifier: MIT */

/*
 * Landlock (Documentation/userspace-api/landlock.rst): what a ruleset handles is forbidden but for
 * what its rules allow. Each version of its interface can handle more; all that this kernel can is
 * handled. There is no wrapper in libc, and <linux/landlock.h> of Debian 12 ends with version 2, so
 * what came later is named by number here.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox.h"
#include "tool.h"

/* struct landlock_ruleset_attr as of version 6. A kernel takes a shorter one, too. */
struct ruleset {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};

enum {
	FS_TRUNCATE = 1u << 14,	 /* version 3, Linux 6.2 */
	FS_IOCTL_DEV = 1u << 15, /* version 5, Linux 6.10 */
	NET_ALL = 3u,		 /* bind(2) and connect(2) of TCP: version 4, Linux 6.7 */
	SCOPE_SIGNAL = 2u,	 /* to others: version 6, Linux 6.12 */
	FS_VERSION_1 = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1,
};

static struct ruleset ruleset_of(long version)
{
	struct ruleset ruleset = { .handled_fs = FS_VERSION_1 };

	if (version >= 2)
		ruleset.handled_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		ruleset.handled_fs |= FS_TRUNCATE;
	if (version >= 4)
		ruleset.handled_net = NET_ALL;
	if (version >= 5)
		ruleset.handled_fs |= FS_IOCTL_DEV;
	if (version >= 6)
		ruleset.scoped = SCOPE_SIGNAL;
	return ruleset;
}

static size_t size_of(long version)
{
	if (version < 4)
		return offsetof(struct ruleset, handled_net);
	return version < 6 ? offsetof(struct ruleset, scoped) : sizeof(struct ruleset);
}

static uint64_t access_of(const struct sandbox_place *place)
{
	unsigned int rights = place->rights;
	uint64_t allowed = 0;

	if (rights & SANDBOX_READ)
		allowed |= LANDLOCK_ACCESS_FS_READ_FILE;
	if (rights & SANDBOX_LIST)
		allowed |= LANDLOCK_ACCESS_FS_READ_DIR;
	if (rights & SANDBOX_WRITE)
		allowed |= LANDLOCK_ACCESS_FS_WRITE_FILE;
	if (rights & SANDBOX_WRITE && !place->alone)
		allowed |= LANDLOCK_ACCESS_FS_MAKE_REG;
	return allowed;
}

static int explain(int error, char why[SANDBOX_LIMIT_WHY], const char *what)
{
	snprintf(why, SANDBOX_LIMIT_WHY, "%s: %s", what, strerror(error));
	return -error;
}

static int explain_absence(int error, char why[SANDBOX_LIMIT_WHY])
{
	switch (error) {
	case ENOSYS:
		return explain(error, why, "not in this kernel");
	case EOPNOTSUPP:
		return explain(error, why, "not enabled when the kernel began");
	}
	return explain(error, why, "forbidden from outside");
}

static int allow(int ruleset_fd, const struct sandbox_place *place, char why[SANDBOX_LIMIT_WHY])
{
	int flags = O_PATH | O_CLOEXEC | (place->alone ? 0 : O_DIRECTORY);
	_cleanup_(tool_fd_close) int fd = open(place->path, flags);
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access_of(place),
		.parent_fd = fd,
	};

	if (fd < 0)
		return explain(errno, why, place->path);
	if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		return explain(errno, why, place->path);
	return 0;
}

int sandbox_landlock(const struct sandbox_places *places, char why[SANDBOX_LIMIT_WHY])
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset ruleset = ruleset_of(version);
	_cleanup_(tool_fd_close) int fd = -EBADF;

	if (version < 1)
		return explain_absence(errno, why);
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size_of(version), 0);
	if (fd < 0)
		return explain(errno, why, "making a ruleset");
	/* What cannot be opened is forbidden then, as it is without us; that is no reason to let
	 * all the rest be open. */
	for (size_t i = 0; i < places->n; i++)
		allow(fd, &places->list[i], why);
	if (syscall(SYS_landlock_restrict_self, fd, 0))
		return explain(errno, why, "restricting ourselves");
	return 0;
}
