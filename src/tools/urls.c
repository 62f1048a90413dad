/* SPDX-License-Identifier: MIT */

/* See urls.h. A URL never chooses where a file goes, only how it is called there. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "output.h"
#include "tool.h"
#include "urls.h"

void urls_done(struct urls *urls)
{
	for (size_t i = 0; i < urls->n; i++) {
		free(urls->list[i].text);
		free(urls->list[i].path);
	}
	free(urls->list);
	*urls = (struct urls){ 0 };
}

static int make_room(struct urls *urls)
{
	size_t room = urls->room ? urls->room * 2 : 16;
	struct wanted *list;

	if (urls->n < urls->room)
		return 0;
	if (urls->n >= URLS_LIMIT_N)
		return -E2BIG;
	list = reallocarray(urls->list, room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	urls->list = list;
	urls->room = room;
	return 0;
}

int urls_add(struct urls *urls, const char *text)
{
	struct wanted wanted = { 0 };
	int r = url_parse(&wanted.url, text);

	if (!r)
		r = make_room(urls);
	if (r)
		return r;
	wanted.text = strdup(text);
	if (!wanted.text)
		return -ENOMEM;
	/* Once more, for its pointers are into what it was made of. */
	r = url_parse(&wanted.url, wanted.text);
	if (r) {
		free(wanted.text);
		return r;
	}
	urls->list[urls->n++] = wanted;
	return 0;
}

static int add_line(struct urls *urls, char *line, size_t len)
{
	char *at;

	if (len >= URLS_LIMIT_LINE)
		return -ENAMETOOLONG;
	if (memchr(line, '\0', len))
		return -EINVAL;
	line[len] = '\0';
	at = line + strspn(line, " \t");
	len = strlen(at);
	while (len && strchr(" \t\r", at[len - 1]))
		at[--len] = '\0';
	return !len || *at == '#' ? 0 : urls_add(urls, at);
}

/* Its length, without its end; of one that is too long as much as fits. -errno, or -ENODATA: there
 * are no more. fgets(3) would not tell a zero from the line's end. */
static ssize_t read_line(FILE *file, char line[URLS_LIMIT_LINE])
{
	size_t len = 0;
	int c = 0;

	while (len < URLS_LIMIT_LINE && (c = getc(file)) != EOF && c != '\n')
		line[len++] = (char)c;
	if (c == EOF && ferror(file))
		return -errno;
	return c == EOF && !len ? -ENODATA : (ssize_t)len;
}

int urls_read(struct urls *urls, FILE *file, size_t *ret_line)
{
	char line[URLS_LIMIT_LINE];

	for (*ret_line = 1;; ++*ret_line) {
		ssize_t len = read_line(file, line);
		int r;

		if (len < 0)
			return len == -ENODATA ? 0 : (int)len;
		r = add_line(urls, line, (size_t)len);
		if (r)
			return r;
	}
}

int urls_set_path(struct urls *urls, const char *path)
{
	urls->list[0].path = strdup(path);
	return urls->list[0].path ? 0 : -ENOMEM;
}

/* A control character in a name is somebody's trick on a terminal. */
static bool is_name(const char *name)
{
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++) {
		if ((unsigned char)*name < ' ' || *name == 0x7f)
			return false;
	}
	return true;
}

static int name_one(struct wanted *wanted, const char *directory)
{
	char target[HTTP_LIMIT_TARGET + 2], path[HTTP_LIMIT_TARGET + 1];
	size_t len = wanted->url.target_len;
	const char *slash, *name;

	if (len > HTTP_LIMIT_TARGET)
		return -EINVAL;
	/* Without a path it is the root, which has no name. */
	*target = '/';
	memcpy(target + 1, wanted->url.target, len);
	target[len + 1] = '\0';
	if (http_target_path(target, path))
		return -EINVAL;
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	if (!is_name(name))
		return -EINVAL;
	if (asprintf(&wanted->path, "%s%s%s", directory ? directory : "", directory ? "/" : "",
		     name) < 0) {
		wanted->path = NULL;
		return -ENOMEM;
	}
	return 0;
}

int urls_name(struct urls *urls, const char *directory, const struct wanted **ret_bad)
{
	for (size_t i = 0; i < urls->n; i++) {
		int r = name_one(&urls->list[i], directory);

		if (!r)
			continue;
		*ret_bad = &urls->list[i];
		return r;
	}
	return 0;
}

void urls_drop_present(struct urls *urls)
{
	size_t n = 0;

	for (size_t i = 0; i < urls->n; i++) {
		struct wanted *wanted = &urls->list[i];

		if (!wanted->path || access(wanted->path, F_OK)) {
			urls->list[n++] = *wanted;
			continue;
		}
		free(wanted->text);
		free(wanted->path);
	}
	urls->n = n;
}

/* -- Conflicts -- */

struct place {
	char *path; /* with no link in it, as far as there is something */
	const struct wanted *wanted;
};

struct places {
	struct place *list;
	size_t n;
};

static void free_places(struct places *places)
{
	for (size_t i = 0; i < places->n; i++)
		free(places->list[i].path);
	free(places->list);
}

/* NULL: no memory. What does not exist yet has a directory that does, or cannot be written. */
static char *resolve(const char *path)
{
	char *file = realpath(path, NULL);
	_cleanup_(tool_free) char *above = NULL;
	_cleanup_(tool_free) char *directory = NULL;
	const char *slash = strrchr(path, '/');
	char *text;

	if (file || errno == ENOMEM)
		return file;
	above = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	if (!above)
		return NULL;
	directory = realpath(above, NULL);
	if (!directory)
		return errno == ENOMEM ? NULL : strdup(path);
	return asprintf(&text, "%s/%s", directory, slash ? slash + 1 : path) < 0 ? NULL : text;
}

static int add_place(struct places *places, const struct wanted *wanted, const char *path,
		     const char *suffix)
{
	char *text;

	if (asprintf(&text, "%s%s", path, suffix) < 0)
		return -ENOMEM;
	places->list[places->n++] = (struct place){ .path = text, .wanted = wanted };
	return 0;
}

static int add_places(struct places *places, const struct wanted *wanted, bool parts)
{
	_cleanup_(tool_free) char *path = resolve(wanted->path);
	int r;

	if (!path)
		return -ENOMEM;
	r = add_place(places, wanted, path, "");
	if (!r && parts)
		r = add_place(places, wanted, path, OUTPUT_PART_SUFFIX);
	if (!r && parts)
		r = add_place(places, wanted, path, OUTPUT_NOTE_SUFFIX);
	return r;
}

static int compare(const void *one, const void *other)
{
	const struct place *a = one, *b = other;
	int order = strcmp(a->path, b->path);

	/* Those of a list in its order. */
	return order ? order : (a->wanted > b->wanted) - (a->wanted < b->wanted);
}

int urls_check(const struct urls *urls, bool parts, const struct wanted **ret_one,
	       const struct wanted **ret_other)
{
	_cleanup_(free_places) struct places places = { 0 };

	places.list = calloc(urls->n * 3 + 1, sizeof(*places.list));
	if (!places.list)
		return -ENOMEM;
	for (size_t i = 0; i < urls->n; i++) {
		int r = urls->list[i].path ? add_places(&places, &urls->list[i], parts) : 0;

		if (r)
			return r;
	}
	qsort(places.list, places.n, sizeof(*places.list), compare);
	for (size_t i = 1; i < places.n; i++) {
		if (strcmp(places.list[i - 1].path, places.list[i].path) != 0)
			continue;
		*ret_one = places.list[i - 1].wanted;
		*ret_other = places.list[i].wanted;
		return -EEXIST;
	}
	return 0;
}
