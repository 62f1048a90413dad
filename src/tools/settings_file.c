/* SPDX-License-Identifier: MIT */

/*
 * Settings from a file, read by inih: [server] has the settings of the table, [site NAME] the
 * certificates of a name. inih cuts off what it finds too long and does not say in which line a
 * value stands, so lines and the heads of sections pass by here first.
 */

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "settings.h"
#include "tool.h"

static const char command[] = "ktls serve";

struct reader {
	struct settings *settings;
	struct settings_site *site; /* of the present section; NULL in one that is none of ours */
	struct settings_place place;
	FILE *file;
	char *line; /* getline()'s */
	size_t line_size;
	int first_bad; /* line */
	bool no_memory;
};

static void note(struct reader *reader, int r)
{
	if (r && !reader->first_bad)
		reader->first_bad = reader->place.line;
	if (r == -ENOMEM)
		reader->no_memory = true;
}

static int open_site(struct reader *reader, const char *name)
{
	reader->site = settings_add_site(reader->settings, &reader->place);
	if (!reader->site)
		return -ENOMEM;
	return *name ? settings_add(reader->site, "names", name, &reader->place) : 0;
}

static int open_section(struct reader *reader, const char *head)
{
	size_t len = strcspn(head, "]");
	char name[SETTINGS_LIMIT_LABEL + sizeof("site ")];

	reader->site = NULL;
	if (head[len] != ']' || len >= sizeof(name))
		return settings_complain(
			&reader->place, "section",
			"its head is [server], or [site NAME] with a NAME of at most "
			"%d bytes; longer ones stand in \"names\"",
			SETTINGS_LIMIT_LABEL);
	memcpy(name, head, len);
	name[len] = '\0';
	if (!strcmp(name, "server")) {
		reader->site = &reader->settings->everyone;
		return 0;
	}
	if (!strcmp(name, "site") || !strncmp(name, "site ", 5))
		return open_site(reader, name + 4 + strspn(name + 4, " "));
	return settings_complain(&reader->place, name,
				 "no such section; there are [server] and [site NAME]");
}

/* inih's reader: the next line, without the space before it, which would make it a part of the one
 * before. */
static char *read_line(char *buf, int size, void *stream)
{
	struct reader *reader = stream;
	ssize_t len = getline(&reader->line, &reader->line_size, reader->file);
	const char *start;

	if (len < 0)
		return NULL;
	reader->place.line++;
	start = reader->line + strspn(reader->line, " \t");
	if (reader->place.line == 1 && !strncmp(start, "\xef\xbb\xbf", 3))
		start += 3;
	if (strlen(start) >= (size_t)size || strlen(reader->line) != (size_t)len) {
		note(reader, settings_complain(&reader->place, "line",
					       "it has a NUL, or more than %d bytes", size - 2));
		start = "\n";
	} else if (!strchr(";#[\r\n", *start) && !strpbrk(start, "=:")) {
		note(reader, settings_complain(&reader->place, "line",
					       "it is neither [section] nor NAME = VALUE"));
		start = "\n";
	}
	if (*start == '[')
		note(reader, open_section(reader, start + 1));
	strcpy(buf, start);
	return buf;
}

/* inih's handler: 1 is good. */
static int take(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	bool server = reader->site == &reader->settings->everyone;
	int r;

	(void)section;
	if (!reader->site) {
		if (!reader->first_bad)
			note(reader, settings_complain(&reader->place, name,
						       "it stands in no section: begin with "
						       "[server]"));
		return 0;
	}
	if (server && !strcmp(name, "names"))
		r = -ENOENT;
	else
		r = settings_add(reader->site, name, value, &reader->place);
	if (r == -ENOENT && server)
		r = settings_set(reader->settings, name, value, &reader->place);
	if (r == -ENOENT)
		r = settings_complain(&reader->place, name,
				      server ? "no such setting; ktls serve --help has them, and "
					       "cert and key"
					     : "a site has only names, cert and key");
	note(reader, r);
	return !r;
}

static int parse(struct reader *reader)
{
	int r = ini_parse_stream(read_line, reader, take, reader);

	if (ferror(reader->file))
		return tool_fail(TOOL_EXIT_FAILED, command, "reading %s: %s", reader->place.file,
				 strerror(errno));
	if (r == -2 || reader->no_memory)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
	if (r > 0 && (!reader->first_bad || r < reader->first_bad))
		tool_fail(0, command, "%s:%d: neither [section] nor NAME = VALUE",
			  reader->place.file, r);
	return r || reader->first_bad ? TOOL_EXIT_USAGE : 0;
}

/* Of a certain size, so that it has an end; and one that can be read again. */
static int open_file(FILE **ret_file, const char *path)
{
	_cleanup_(tool_fd_close) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat))
		return tool_fail(TOOL_EXIT_FAILED, command, "--config %s: %s", path,
				 strerror(errno));
	if (!S_ISREG(stat.st_mode))
		return tool_fail(TOOL_EXIT_FAILED, command, "--config %s: it is no regular file",
				 path);
	if (stat.st_size > SETTINGS_LIMIT_FILE)
		return tool_fail(TOOL_EXIT_FAILED, command,
				 "--config %s: it has more than %d bytes", path,
				 SETTINGS_LIMIT_FILE);
	*ret_file = fdopen(fd, "r");
	if (!*ret_file)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(errno));
	tool_fd_steal(&fd);
	return 0;
}

int settings_read_file(struct settings *settings, const char *path)
{
	struct reader reader = { .settings = settings, .place.file = path };
	int r = open_file(&reader.file, path);

	if (r)
		return r;
	r = parse(&reader);
	fclose(reader.file);
	free(reader.line);
	return r;
}
