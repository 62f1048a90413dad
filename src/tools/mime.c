/* SPDX-License-Identifier: MIT */

/*
 * A sorted table of endings. Its rows point into the text of the system's file, which is kept, cut
 * into words, and into our own rows, which come last and so are found only where the system has
 * none.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mime.h"
#include "tool.h"

struct row {
	const char *ending;
	const char *type;
	size_t order; /* the first of one ending is the one */
};

struct mime {
	char *text;
	size_t n;
	struct row rows[MIME_LIMIT_ROWS];
};

static const struct row own_rows[] = {
	{ "html", "text/html", 0 },
	{ "htm", "text/html", 0 },
	{ "txt", "text/plain", 0 },
	{ "md", "text/markdown", 0 },
	{ "css", "text/css", 0 },
	{ "csv", "text/csv", 0 },
	{ "js", "text/javascript", 0 },
	{ "mjs", "text/javascript", 0 },
	{ "json", "application/json", 0 },
	{ "webmanifest", "application/manifest+json", 0 },
	{ "xml", "application/xml", 0 },
	{ "pdf", "application/pdf", 0 },
	{ "wasm", "application/wasm", 0 },
	{ "gz", "application/gzip", 0 },
	{ "zip", "application/zip", 0 },
	{ "zst", "application/zstd", 0 },
	{ "tar", "application/x-tar", 0 },
	{ "svg", "image/svg+xml", 0 },
	{ "png", "image/png", 0 },
	{ "jpg", "image/jpeg", 0 },
	{ "jpeg", "image/jpeg", 0 },
	{ "gif", "image/gif", 0 },
	{ "webp", "image/webp", 0 },
	{ "avif", "image/avif", 0 },
	{ "ico", "image/vnd.microsoft.icon", 0 },
	{ "woff", "font/woff", 0 },
	{ "woff2", "font/woff2", 0 },
	{ "ttf", "font/ttf", 0 },
	{ "otf", "font/otf", 0 },
	{ "mp3", "audio/mpeg", 0 },
	{ "ogg", "audio/ogg", 0 },
	{ "mp4", "video/mp4", 0 },
	{ "webm", "video/webm", 0 },
};

static int compare_endings(const void *a, const void *b)
{
	return strcasecmp(((const struct row *)a)->ending, ((const struct row *)b)->ending);
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	int r = compare_endings(a, b);

	return r ? r : (left->order > right->order) - (left->order < right->order);
}

static void add_row(struct mime *mime, const char *ending, const char *type)
{
	if (mime->n == MIME_LIMIT_ROWS || strlen(type) > MIME_LIMIT_TYPE)
		return;
	mime->rows[mime->n] = (struct row){ ending, type, mime->n };
	mime->n++;
}

/* Each line is a type and its endings, or a comment. */
static void add_lines(struct mime *mime)
{
	char *rest = mime->text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *words = line, *type, *ending;

		line[strcspn(line, "#")] = '\0';
		type = strtok_r(line, " \t\r", &words);
		while (type && (ending = strtok_r(NULL, " \t\r", &words)))
			add_row(mime, ending, type);
	}
}

/* NULL: it cannot be read. */
static char *read_text(const char *path)
{
	_cleanup_(tool_fd_close) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
	char *text = fd < 0 ? NULL : malloc(MIME_LIMIT_FILE + 1);
	size_t len = 0;
	ssize_t n = 0;

	if (!text)
		return NULL;
	do {
		len += (size_t)n;
		n = read(fd, text + len, MIME_LIMIT_FILE - len);
	} while (n > 0 || (n < 0 && errno == EINTR && !(n = 0)));
	text[len] = '\0';
	return text;
}

int mime_new(struct mime **ret_mime, const char *path)
{
	struct mime *mime = malloc(sizeof(*mime));
	size_t n = 0;

	if (!mime)
		return -ENOMEM;
	mime->n = 0;
	mime->text = read_text(path);
	if (mime->text)
		add_lines(mime);
	for (size_t i = 0; i < sizeof(own_rows) / sizeof(*own_rows); i++)
		add_row(mime, own_rows[i].ending, own_rows[i].type);

	qsort(mime->rows, mime->n, sizeof(*mime->rows), compare_rows);
	for (size_t i = 0; i < mime->n; i++) {
		if (!n || compare_endings(&mime->rows[n - 1], &mime->rows[i]))
			mime->rows[n++] = mime->rows[i];
	}
	mime->n = n;
	*ret_mime = mime;
	return 0;
}

struct mime *mime_free(struct mime *mime)
{
	if (mime)
		free(mime->text);
	free(mime);
	return NULL;
}

const char *mime_type(const struct mime *mime, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash ? slash : path, '.');
	const struct row *row = NULL;

	if (dot) {
		const struct row wanted = { .ending = dot + 1 };

		row = bsearch(&wanted, mime->rows, mime->n, sizeof(wanted), compare_endings);
	}
	return row ? row->type : "application/octet-stream";
}
