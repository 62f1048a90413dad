/* SPDX-License-Identifier: MIT */

/* The parts together, and what they are told; see sandbox.h. */

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "sandbox.h"

const char *sandbox_part_name(enum sandbox_part part)
{
	switch (part) {
	case SANDBOX_NO_NEW_PRIVS:
		return "no_new_privs";
	case SANDBOX_LANDLOCK:
		return "landlock";
	case SANDBOX_SECCOMP:
		return "seccomp";
	case _SANDBOX_PART_N:
		break;
	}
	return "";
}

int sandbox_add_directory(struct sandbox_places *places, const char *path, unsigned int rights)
{
	struct sandbox_place *list = realloc(places->list, (places->n + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	places->list = list;
	list[places->n] = (struct sandbox_place){ .path = strdup(path), .rights = rights };
	if (!list[places->n].path)
		return -ENOMEM;
	places->n++;
	return 0;
}

int sandbox_add_special(struct sandbox_places *places, const char *path, unsigned int rights)
{
	int r = sandbox_add_directory(places, path, rights);

	if (!r)
		places->list[places->n - 1].alone = true;
	return r;
}

/* dirname(3) writes into it. */
static int add_parent(struct sandbox_places *places, char *path, unsigned int rights)
{
	return sandbox_add_directory(places, dirname(path), rights);
}

int sandbox_add_file(struct sandbox_places *places, const char *path, unsigned int rights)
{
	char *copy = strdup(path);
	char *real = realpath(path, NULL);
	int r = copy ? add_parent(places, copy, rights) : -ENOMEM;

	/* A file that will be made has none. */
	if (!r && real)
		r = add_parent(places, real, rights);
	free(real);
	free(copy);
	return r;
}

void sandbox_places_done(struct sandbox_places *places)
{
	for (size_t i = 0; i < places->n; i++)
		free(places->list[i].path);
	free(places->list);
	*places = (struct sandbox_places){ 0 };
}

static int set_no_new_privs(char why[SANDBOX_LIMIT_WHY])
{
	if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 0;
	snprintf(why, SANDBOX_LIMIT_WHY, "%s", strerror(errno));
	return -errno;
}

void sandbox_enter(const struct sandbox_places *places, struct sandbox_report *ret_report)
{
	struct sandbox_report report = { 0 };

	/* Reads its file while it can. */
	tzset();
	report.applied[SANDBOX_NO_NEW_PRIVS] = !set_no_new_privs(report.why[SANDBOX_NO_NEW_PRIVS]);
	report.applied[SANDBOX_LANDLOCK] = !sandbox_landlock(places, report.why[SANDBOX_LANDLOCK]);
	/* Last: it forbids the calls of the others. */
	report.applied[SANDBOX_SECCOMP] =
		!sandbox_seccomp(places->netlink, report.why[SANDBOX_SECCOMP]);
	*ret_report = report;
}
