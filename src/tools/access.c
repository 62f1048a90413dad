/* SPDX-License-Identifier: MIT */

/*
 * Lines go into a buffer and from its beginning into the file; see access.h. What cannot be written
 * stays, to be tried again, so that a disk that was full for a moment loses nothing. What is no
 * regular file is written in pieces that are either taken whole or not at all (pipe(7), PIPE_BUF),
 * so that no line of another thread comes into the middle of ours.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "access.h"
#include "text.h"
#include "tool.h"

static const char command[] = "ktls serve: access log";

struct access_log {
	struct access_file *file;
	struct metrics *metrics;
	uint64_t retry_ns; /* not to write before; 0: the last write went well */
	uint64_t lost;	   /* lines, since then */
	int64_t second;	   /* that `date` says */
	char date[40];
	size_t len;
	char buf[ACCESS_LIMIT_BUFFER];
};

/* Files */

enum {
	OPEN_FLAGS = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
};

/* Standard output opened anew, so that it may be made non-blocking for us alone; a socket cannot be
 * opened, and need not. */
static int open_stdout(void)
{
	int fd = open("/proc/self/fd/1", OPEN_FLAGS);

	if (fd < 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

/* One that is made now is told from one that was there: that may be anybody's. */
static int open_path(const char *path, bool *ret_made)
{
	int fd = open(path, OPEN_FLAGS | O_CREAT | O_EXCL, 0640);

	*ret_made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, OPEN_FLAGS | O_CREAT, 0640);
	return fd;
}

static int open_file(const char *path, struct stat *ret_stat, bool *ret_made)
{
	_cleanup_(tool_fd_close) int fd = -EBADF;

	*ret_made = false;
	if (!path)
		fd = open_stdout();
	else
		fd = open_path(path, ret_made);
	if (fd < 0)
		return path ? -errno : fd;
	if (fstat(fd, ret_stat))
		return -errno;
	return tool_fd_steal(&fd);
}

static void set_kind(struct access_file *file, const struct stat *stat)
{
	atomic_store(&file->is_regular, S_ISREG(stat->st_mode));
	atomic_store(&file->is_socket, S_ISSOCK(stat->st_mode));
}

int access_file_open(struct access_file *file, const char *path)
{
	struct stat stat;
	int fd;

	if (strcmp(path, "-") != 0) {
		file->path = strdup(path);
		if (!file->path)
			return -ENOMEM;
	}
	fd = open_file(file->path, &stat, &file->made);
	if (fd < 0) {
		access_file_close(file);
		return fd;
	}
	file->fd = fd;
	set_kind(file, &stat);
	return 0;
}

void access_file_close(struct access_file *file)
{
	tool_fd_close(&file->fd);
	free(file->path);
	file->path = NULL;
}

int access_file_reopen(struct access_file *file)
{
	_cleanup_(tool_fd_close) int fd = -EBADF;
	struct stat stat;
	bool made;

	if (!file->path)
		return 0;
	fd = open_file(file->path, &stat, &made);
	if (fd < 0)
		return fd;
	/* In the place of the old one: whoever writes at this moment writes to one or the other. */
	if (dup3(fd, file->fd, O_CLOEXEC) < 0)
		return -errno;
	set_kind(file, &stat);
	return 0;
}

/* Lines */

static uint16_t keep(char *buf, size_t size, const char *string)
{
	struct text text = { .buf = buf, .size = size };

	text_put_quoted(&text, string && *string ? string : "-");
	return (uint16_t)text.len;
}

void access_request_set(struct access_request *request, const struct http_head *head)
{
	struct text text = { .buf = request->request, .size = sizeof(request->request) };

	request->referer_len =
		keep(request->referer, sizeof(request->referer), head->value[HTTP_FIELD_REFERER]);
	request->agent_len =
		keep(request->agent, sizeof(request->agent), head->value[HTTP_FIELD_USER_AGENT]);
	if (!head->method) {
		text_put_string(&text, "-");
	} else {
		text_put_string(&text, head->method);
		text_put_string(&text, " ");
		/* Room for what stands behind it. */
		text.size -= strlen(" HTTP/0.0");
		text_put_quoted(&text, head->target);
		text.size += strlen(" HTTP/0.0");
		text.cut = false;
		text_put_string(&text, " HTTP/");
		text_put_number(&text, head->major);
		text_put_string(&text, ".");
		text_put_number(&text, head->minor);
	}
	request->request_len = (uint16_t)text.len;
}

static const char *date_text(struct access_log *log, int64_t now)
{
	time_t time = (time_t)now;
	struct tm tm;

	if (log->second != now || !*log->date) {
		log->second = now;
		/* No locale is ever set, so the names are the English ones. */
		if (!gmtime_r(&time, &tm) ||
		    !strftime(log->date, sizeof(log->date), " - - [%d/%b/%Y:%T +0000] \"", &tm))
			strcpy(log->date, " - - [-] \"");
	}
	return log->date;
}

static void put_tls(struct text *text, const struct ktls_info *info)
{
	text_put_string(text, " \"");
	text_put_string(text, info && info->protocol ? ktls_protocol_name(info->protocol) : "-");
	text_put_string(text, "\" ");
	text_put_string(text, info && info->suite ? info->suite : "-");
}

static void count_lost(struct access_log *log)
{
	if (!log->lost++)
		tool_fail(0, command, "it cannot be written, and lines are lost from now on");
	metrics_count(log->metrics, METRICS_LOG_LOST);
}

void access_log_add(struct access_log *log, const struct access_request *request,
		    const struct access_answer *answer)
{
	struct text text;

	if (!log)
		return;
	text = (struct text){ .buf = log->buf, .size = sizeof(log->buf), .len = log->len };
	text_put_string(&text, answer->peer);
	text_put_string(&text, date_text(log, answer->now));
	text_put(&text, request->request, request->request_len);
	text_put_string(&text, "\" ");
	text_put_number(&text, answer->status);
	text_put_string(&text, " ");
	text_put_number(&text, answer->bytes);
	text_put_string(&text, " \"");
	text_put(&text, request->referer, request->referer_len);
	text_put_string(&text, "\" \"");
	text_put(&text, request->agent, request->agent_len);
	text_put_string(&text, "\"");
	if (log->file->with_tls)
		put_tls(&text, answer->info);
	text_put_string(&text, "\n");
	if (text.cut)
		count_lost(log);
	else
		log->len = text.len;
}

/* Writing */

/* How much of what is left from `at` on may go with one call. */
static size_t piece_len(const struct access_log *log, const char *at)
{
	const char *end;

	if (log->len <= PIPE_BUF || atomic_load(&log->file->is_regular))
		return log->len;
	end = memrchr(at, '\n', PIPE_BUF);
	return end ? (size_t)(end + 1 - at) : PIPE_BUF;
}

static ssize_t write_piece(const struct access_file *file, const char *at, size_t len)
{
	ssize_t n;

	do {
		if (atomic_load(&file->is_socket))
			n = send(file->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(file->fd, at, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

static void note_recovery(struct access_log *log)
{
	if (log->lost)
		tool_fail(0, command, "it can be written again; %llu lines were lost",
			  (unsigned long long)log->lost);
	log->lost = 0;
	log->retry_ns = 0;
}

bool access_log_flush(struct access_log *log, uint64_t now_ns)
{
	size_t done = 0;

	if (!log || !log->len)
		return false;
	if (now_ns < log->retry_ns)
		return true;
	while (log->len) {
		const char *at = log->buf + done;
		ssize_t n = write_piece(log->file, at, piece_len(log, at));

		if (n <= 0) {
			log->retry_ns = now_ns + ACCESS_LIMIT_RETRY_MS * UINT64_C(1000000);
			break;
		}
		done += (size_t)n;
		log->len -= (size_t)n;
	}
	memmove(log->buf, log->buf + done, log->len);
	if (!log->len)
		note_recovery(log);
	return log->len;
}

int access_log_new(struct access_log **ret_log, struct access_file *file, struct metrics *metrics)
{
	struct access_log *log = malloc(sizeof(*log));

	if (!log)
		return -ENOMEM;
	memset(log, 0, offsetof(struct access_log, buf));
	log->file = file;
	log->metrics = metrics;
	*ret_log = log;
	return 0;
}

struct access_log *access_log_free(struct access_log *log)
{
	if (log) {
		log->retry_ns = 0;
		access_log_flush(log, 0);
	}
	free(log);
	return NULL;
}
