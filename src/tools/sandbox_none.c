/* SPDX-License-Identifier: MIT */

/* Neither Landlock nor seccomp, in builds that cannot live with them: a sanitizer reads its own
 * process's files and starts threads to look at others when it has something to say. */

#include <errno.h>
#include <stdio.h>

#include "sandbox.h"

static int refuse(char why[SANDBOX_LIMIT_WHY])
{
	snprintf(why, SANDBOX_LIMIT_WHY, "not in a build with sanitizers");
	return -EOPNOTSUPP;
}

int sandbox_landlock(const struct sandbox_places *places, char why[SANDBOX_LIMIT_WHY])
{
	(void)places;
	return refuse(why);
}

int sandbox_seccomp(bool netlink, char why[SANDBOX_LIMIT_WHY])
{
	(void)netlink;
	return refuse(why);
}
