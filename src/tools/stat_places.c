/* SPDX-License-Identifier: MIT */

/* See stat_places.h. */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "stat_places.h"
#include "tool.h"

static const char own_path[] = "/proc/thread-self/ns/net";
static const char names_path[] = "/run/netns"; /* ip-netns(8) */

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int grow(struct stat_places *places)
{
	size_t room = places->room ? 2 * places->room : 8;
	struct stat_place *list;

	if (places->n < places->room)
		return 0;
	list = reallocarray(places->list, room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	places->list = list;
	places->room = room;
	return 0;
}

static bool is_known(const struct stat_places *places, const struct stat *stat)
{
	for (size_t i = 0; i < places->n; i++) {
		if (places->list[i].inode == stat->st_ino && places->list[i].dev == stat->st_dev)
			return true;
	}
	return false;
}

/* Opens what is at the path; a failure is the place's. */
static int add(struct stat_places *places, const char *name, const char *path)
{
	struct stat_place place = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	struct stat stat = { 0 };
	int r = grow(places);

	if (place.fd < 0)
		place.error = -errno;
	else if (!fstat(place.fd, &stat))
		place.dev = stat.st_dev;
	place.inode = stat.st_ino;
	place.name = strdup(name);
	if (r || !place.name) {
		tool_fd_close(&place.fd);
		free(place.name);
		return -ENOMEM;
	}
	places->list[places->n++] = place;
	return 0;
}

int stat_places_add_own(struct stat_places *places)
{
	struct stat stat = { 0 };
	int r = grow(places);

	if (r)
		return r;
	/* Without /proc it is still our own. */
	(void)!lstat(own_path, &stat);
	if (!stat.st_ino || fstatat(AT_FDCWD, own_path, &stat, 0))
		memset(&stat, 0, sizeof(stat));
	places->list[places->n++] = (struct stat_place){
		.fd = -1,
		.dev = stat.st_dev,
		.inode = stat.st_ino,
	};
	return 0;
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

int stat_places_add_named(struct stat_places *places, const char *text)
{
	char path[PATH_MAX];
	int len;

	if (strchr(text, '/'))
		return add(places, text, text);
	if (is_number(text))
		len = snprintf(path, sizeof(path), "/proc/%s/ns/net", text);
	else
		len = snprintf(path, sizeof(path), "%s/%s", names_path, text);
	return add(places, text, (size_t)len < sizeof(path) ? path : "");
}

static int add_names(struct stat_places *places)
{
	_cleanup_(close_dir) DIR *dir = opendir(names_path);
	const struct dirent *entry;
	int r = 0;

	while (!r && dir && (entry = readdir(dir))) {
		char path[PATH_MAX];
		struct stat stat;

		if (*entry->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", names_path, entry->d_name);
		if (!fstatat(AT_FDCWD, path, &stat, 0) && is_known(places, &stat))
			continue;
		r = add(places, entry->d_name, path);
	}
	return r;
}

static int add_process(struct stat_places *places, const char *pid)
{
	char path[64], name[32];
	struct stat stat;

	snprintf(path, sizeof(path), "/proc/%.16s/ns/net", pid);
	if (fstatat(AT_FDCWD, path, &stat, 0)) {
		places->hidden += errno == EACCES || errno == EPERM;
		return 0;
	}
	if (is_known(places, &stat))
		return 0;
	snprintf(name, sizeof(name), "pid %.16s", pid);
	return add(places, name, path);
}

int stat_places_add_all(struct stat_places *places)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	const struct dirent *entry;
	int r = stat_places_add_own(places);

	if (!r)
		r = add_names(places);
	if (r)
		return r;
	dir = opendir("/proc");
	while (!r && dir && (entry = readdir(dir))) {
		if (is_number(entry->d_name))
			r = add_process(places, entry->d_name);
	}
	return r;
}

int stat_places_enter(struct stat_places *places, const struct stat_place *place)
{
	if (place->error)
		return place->error;
	if (place->fd < 0)
		return 0;
	if (places->home_fd < 0)
		places->home_fd = open(own_path, O_RDONLY | O_CLOEXEC);
	if (places->home_fd < 0)
		return -errno;
	return setns(place->fd, CLONE_NEWNET) ? -errno : 0;
}

int stat_places_leave(struct stat_places *places)
{
	if (places->home_fd < 0)
		return 0;
	return setns(places->home_fd, CLONE_NEWNET) ? -errno : 0;
}

const char *stat_place_error(const struct stat_place *place)
{
	switch (place->error) {
	case -ENOENT:
		return "there is no such namespace";
	case -EINVAL:
		return "this is no network namespace";
	case -EPROTONOSUPPORT:
		return "this kernel has no sock_diag for TCP: \"modprobe tcp_diag\" loads it, "
		       "where "
		       "there is one";
	case -EPERM:
	case -EACCES:
		if (place->entered)
			return "this process may not ask the kernel: something forbids it "
			       "sock_diag";
		return "it may not be entered: run as root, or with CAP_SYS_ADMIN";
	}
	return ktls_strerror(place->error);
}

const struct stat_place *stat_places_find(const struct stat_places *places,
					  const struct stat_place *place)
{
	for (size_t i = 0; i < places->n; i++) {
		if (places->list[i].dev == place->dev && places->list[i].inode == place->inode)
			return &places->list[i];
	}
	return NULL;
}

void stat_places_done(struct stat_places *places)
{
	for (size_t i = 0; i < places->n; i++) {
		tool_fd_close(&places->list[i].fd);
		free(places->list[i].name);
	}
	tool_fd_close(&places->home_fd);
	free(places->list);
	*places = (struct stat_places)STAT_PLACES_NULL;
}
