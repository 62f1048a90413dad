/* SPDX-License-Identifier: MIT */

/* Namespaces by whatever name; what root may do beside, tests/interop/stat.py does. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "stat_places.h"
#include "tree.h"

Test(unit, our_own_needs_no_way)
{
	struct stat_places places = STAT_PLACES_NULL;

	cr_assert_eq(stat_places_add_own(&places), 0);
	cr_assert_eq(places.n, 1);
	cr_expect_null(places.list[0].name);
	cr_expect_neq(places.list[0].inode, 0);
	cr_expect_eq(stat_places_enter(&places, &places.list[0]), 0);
	cr_expect_eq(places.home_fd, -1);
	cr_expect_eq(stat_places_leave(&places), 0);
	stat_places_done(&places);
}

Test(unit, our_own_by_number_and_by_path)
{
	struct stat_places places = STAT_PLACES_NULL;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	cr_assert_eq(stat_places_add_own(&places), 0);
	cr_assert_eq(stat_places_add_named(&places, pid), 0);
	cr_assert_eq(stat_places_add_named(&places, "/proc/self/ns/net"), 0);

	for (size_t i = 1; i < 3; i++) {
		cr_expect_eq(places.list[i].error, 0);
		cr_expect_eq(places.list[i].inode, places.list[0].inode);
		cr_expect_eq(stat_places_find(&places, &places.list[i]), &places.list[0]);
	}
	cr_expect_str_eq(places.list[1].name, pid);
	stat_places_done(&places);
}

Test(unit, what_is_none_says_so)
{
	static const struct {
		const char *text;
		int error;
	} rows[] = {
		{ "no-such-namespace", -ENOENT },
		{ "4194399", -ENOENT },
		{ "/nowhere/net", -ENOENT },
		{ "../..", -ENOENT },
	};
	struct stat_places places = STAT_PLACES_NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert_eq(stat_places_add_named(&places, rows[i].text), 0);
		if (rows[i].error == -ENOENT && rows[i].text[0] != '.')
			cr_expect_eq(places.list[i].error, -ENOENT, "%s", rows[i].text);
		cr_expect_neq(stat_places_enter(&places, &places.list[i]), 0, "%s", rows[i].text);
	}
	cr_expect_str_eq(stat_place_error(&places.list[0]), "there is no such namespace");
	stat_places_done(&places);
}

Test(unit, a_file_is_no_namespace, .init = tree_make, .fini = tree_remove)
{
	struct stat_places places = STAT_PLACES_NULL;

	tree_write("file", "no namespace");
	cr_assert_eq(stat_places_add_named(&places, "./file"), 0);
	cr_expect_eq(places.list[0].error, 0);
	places.list[0].error = stat_places_enter(&places, &places.list[0]);

	/* Who may enter none is told that first. */
	cr_expect(places.list[0].error == -EINVAL || places.list[0].error == -EPERM);
	cr_expect_eq(stat_places_leave(&places) == 0, geteuid() == 0);
	stat_places_done(&places);
}

Test(unit, all_of_them_each_once)
{
	struct stat_places places = STAT_PLACES_NULL;

	cr_assert_eq(stat_places_add_all(&places), 0);
	cr_assert_geq(places.n, 1);
	cr_expect_null(places.list[0].name);
	for (size_t i = 0; i < places.n; i++) {
		for (size_t j = 0; j < i; j++)
			cr_expect(places.list[i].inode != places.list[j].inode ||
				  places.list[i].dev != places.list[j].dev);
	}
	stat_places_done(&places);
}

Test(unit, many_of_them)
{
	struct stat_places places = STAT_PLACES_NULL;

	for (int i = 0; i < 100; i++)
		cr_assert_eq(stat_places_add_named(&places, "/proc/self/ns/net"), 0);
	cr_expect_eq(places.n, 100);
	stat_places_done(&places);
	cr_expect_eq(places.n, 0);
	stat_places_done(&places);
}

Test(unit, who_is_not_entered_is_told_why)
{
	struct stat_place place = { .error = -EPERM };

	cr_expect_str_eq(stat_place_error(&place),
			 "it may not be entered: run as root, or with CAP_SYS_ADMIN");
	place.error = -EMFILE;
	cr_expect_str_eq(stat_place_error(&place), "Too many open files");
}
