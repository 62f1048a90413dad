/* SPDX-License-Identifier: MIT */

/* Lines of the access log, and what becomes of them when the file cannot be written. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/redirect.h>

#include "access.h"
#include "tree.h"

/* 10 Oct 2000, 20:55:36 */
enum {
	NOW = 971211336,
};

static struct metrics *metrics;

static void set_up(void)
{
	tree_make();
	metrics = calloc(1, sizeof(*metrics));
}

static void tear_down(void)
{
	free(metrics);
	tree_remove();
}

TestSuite(unit, .init = set_up, .fini = tear_down);

static struct access_request request_of(const char *text)
{
	struct http_reader *reader = http_reader_new(HTTP_KIND_REQUEST);
	struct access_request request;
	char *buf = strdup(text);
	size_t used, body_len;

	http_reader_feed(reader, buf, strlen(buf), &used, &body_len);
	access_request_set(&request, http_reader_head(reader));
	http_reader_free(reader);
	free(buf);
	return request;
}

static void add(struct access_log *log, const char *text)
{
	const struct access_request request = request_of(text);
	const struct ktls_info info = { .protocol = KTLS_TLS_1_3, .suite = "TLS_SUITE" };

	access_log_add(log, &request,
		       &(struct access_answer){ .peer = "192.0.2.1",
						.status = 200,
						.bytes = 1234,
						.now = NOW,
						.info = &info });
}

static struct access_log *open_log(struct access_file *file, const char *path)
{
	struct access_log *log;

	*file = (struct access_file)ACCESS_FILE_NULL;
	cr_assert_eq(access_file_open(file, path), 0, "%s", path);
	cr_assert_eq(access_log_new(&log, file, metrics), 0);
	return log;
}

static char *read_all(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *in = fopen(path, "r");

	cr_assert(in, "%s", path);
	cr_assert_lt(fread(text, 1, (1 << 20) - 1, in), (1 << 20) - 1);
	fclose(in);
	return text;
}

static void check_file(const char *path, const char *wanted)
{
	char *text = read_all(path);

	cr_expect_str_eq(text, wanted, "%s: %s", path, text);
	free(text);
}

#define START "192.0.2.1 - - [10/Oct/2000:20:55:36 +0000] "

Test(unit, a_line_is_in_the_combined_format)
{
	struct access_file file;
	struct access_log *log = open_log(&file, "log");

	add(log, "GET /a?b HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/7\r\n"
		 "Referer: https://example.org/\r\n\r\n");
	check_file("log", "");
	cr_expect_not(access_log_flush(log, 1));
	check_file("log",
		   START "\"GET /a?b HTTP/1.1\" 200 1234 \"https://example.org/\" \"curl/7\"\n");
	access_log_free(log);
	access_file_close(&file);
}

Test(unit, version_and_suite_stand_behind_it_if_they_are_wanted)
{
	struct access_file file;
	struct access_log *log = open_log(&file, "log");

	file.with_tls = true;
	add(log, "GET / HTTP/1.0\r\n\r\n");
	access_log_free(log);
	check_file("log", START "\"GET / HTTP/1.0\" 200 1234 \"-\" \"-\" \"TLS 1.3\" TLS_SUITE\n");
	access_file_close(&file);
}

Test(unit, what_a_client_wrote_stays_one_line)
{
	struct access_file file;
	struct access_log *log = open_log(&file, "log");

	add(log, "GET /\"\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: a\"\tb\\\xff\r\n\r\n");
	add(log, "rubbish\r\n");
	access_log_free(log);
	check_file("log",
		   START "\"GET /\\x22\\x5c HTTP/1.1\" 200 1234 \"-\" "
			 "\"a\\x22\\x09b\\x5c\\xff\"\n" START "\"-\" 200 1234 \"-\" \"-\"\n");
	access_file_close(&file);
}

Test(unit, what_is_too_long_is_cut_but_its_line_is_whole)
{
	struct access_file file;
	struct access_log *log = open_log(&file, "log");
	char *text = calloc(1, 16000), *line;

	strcpy(text, "GET /");
	memset(text + strlen(text), 'a', 8000);
	strcat(text, " HTTP/1.1\r\nHost: x\r\nUser-Agent: ");
	memset(text + strlen(text), 'u', 3000);
	strcat(text, "\r\nReferer: ");
	memset(text + strlen(text), 'r', 3000);
	strcat(text, "\r\n\r\n");
	file.with_tls = true;
	add(log, text);
	access_log_free(log);
	line = read_all("log");
	cr_expect(strstr(line, "aaa HTTP/1.1\" 200 1234 \"rrr"));
	cr_expect(strstr(line, "rrr\" \"uuu"));
	cr_expect(strstr(line, "uuu\" \"TLS 1.3\" TLS_SUITE\n"));
	cr_expect_leq(strlen(line), ACCESS_LIMIT_LINE);
	free(line);
	free(text);
	access_file_close(&file);
}

Test(unit, a_file_is_appended_to_and_opened_anew_when_it_was_moved)
{
	struct access_file file;
	struct access_log *log;
	char *text;

	tree_write("log", "before\n");
	log = open_log(&file, "log");
	add(log, "GET /1 HTTP/1.0\r\n\r\n");
	access_log_flush(log, 1);
	cr_assert_eq(rename("log", "old"), 0);
	add(log, "GET /2 HTTP/1.0\r\n\r\n");
	access_log_flush(log, 1);
	cr_expect_eq(access_file_reopen(&file), 0);
	add(log, "GET /3 HTTP/1.0\r\n\r\n");
	access_log_free(log);

	text = read_all("old");
	cr_expect_eq(strncmp(text, "before\n192", 10), 0);
	cr_expect(strstr(text, "GET /1 ") && strstr(text, "GET /2 ") && !strstr(text, "GET /3 "));
	free(text);
	text = read_all("log");
	cr_expect(strstr(text, "GET /3 ") && !strstr(text, "GET /2 "));
	free(text);
	cr_expect(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
	access_file_close(&file);
}

Test(unit, a_file_that_cannot_be_opened_anew_is_kept)
{
	struct access_file file;
	struct access_log *log;
	char *text;

	cr_assert_eq(mkdir("dir", 0755), 0);
	log = open_log(&file, "dir/log");
	cr_assert_eq(rename("dir", "moved"), 0);
	cr_expect_eq(access_file_reopen(&file), -ENOENT);
	add(log, "GET /1 HTTP/1.0\r\n\r\n");
	access_log_free(log);
	text = read_all("moved/log");
	cr_expect(strstr(text, "GET /1 "));
	free(text);
	access_file_close(&file);
}

Test(unit, one_that_was_made_is_told_from_one_that_was_there)
{
	struct access_file file = ACCESS_FILE_NULL;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(access_file_open(&file, "log"), 0);
		cr_expect_eq(file.made, i == 0);
		access_file_close(&file);
	}
	/* Through a link that leads nowhere yet; whose it is, is not ours to say. */
	cr_assert_eq(symlink("target", "link"), 0);
	cr_assert_eq(access_file_open(&file, "link"), 0);
	cr_expect_not(file.made);
	cr_expect_eq(access("target", F_OK), 0);
	access_file_close(&file);
}

Test(unit, what_cannot_be_opened_is_an_error)
{
	struct access_file file = ACCESS_FILE_NULL;

	cr_expect_eq(access_file_open(&file, "none/log"), -ENOENT);
	cr_expect_eq(access_file_open(&file, "."), -EISDIR);
	cr_expect_lt(file.fd, 0);
	cr_expect_null(file.path);
}

/* /dev/full has room for nothing. */
Test(unit, a_full_disk_loses_lines_and_says_so_but_keeps_what_has_room)
{
	struct access_file file;
	struct access_log *log;
	unsigned int n = 0, lines = 0;
	uint64_t lost;
	char *text;

	cr_redirect_stderr();
	log = open_log(&file, "/dev/full");
	while (!(lost = metrics_get(metrics, METRICS_LOG_LOST)) || lost < 5) {
		add(log, "GET / HTTP/1.0\r\n\r\n");
		cr_expect(access_log_flush(log, 1));
		n++;
	}
	cr_assert_lt(n, ACCESS_LIMIT_BUFFER / 10);

	/* It comes back, as a file. */
	free(file.path);
	file.path = strdup("log");
	cr_assert_eq(access_file_reopen(&file), 0);
	cr_expect(access_log_flush(log, 2), "it is not tried again at once");
	cr_expect_not(access_log_flush(log, 1 + ACCESS_LIMIT_RETRY_MS * 1000000ull));
	text = read_all("log");
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	cr_expect_eq(lines, n - lost);
	free(text);
	cr_assert_stderr_eq_str(
		"ktls serve: access log: it cannot be written, and lines are lost from now on\n"
		"ktls serve: access log: it can be written again; 5 lines were lost\n");
	access_log_free(log);
	access_file_close(&file);
}

/* Whoever should read does not: no write waits, and each piece that was taken has whole lines. */
Test(unit, a_pipe_that_nobody_reads_holds_nobody)
{
	static char text[1 << 20];
	struct access_file file;
	struct access_log *log;
	int reader;
	ssize_t n;

	cr_redirect_stderr();
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cr_assert_geq(reader, 0);
	log = open_log(&file, "fifo");
	while (!metrics_get(metrics, METRICS_LOG_LOST)) {
		for (int i = 0; i < 100; i++)
			add(log, "GET /some/where HTTP/1.0\r\n\r\n");
		access_log_flush(log, 1);
	}
	n = read(reader, text, sizeof(text));
	cr_assert_gt(n, PIPE_BUF);
	cr_expect_eq(text[n - 1], '\n');
	cr_expect_eq(memchr(text, '\0', (size_t)n), NULL);
	cr_expect_eq(strncmp(text, START, strlen(START)), 0);
	access_log_free(log);
	access_file_close(&file);
	close(reader);
}

/* Standard output may be a socket, as that of a service is. */
Test(unit, standard_output_is_written_to_whatever_it_is)
{
	struct access_file file;
	struct access_log *log;
	char text[4096];
	int sockets[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	cr_assert_eq(dup2(sockets[1], STDOUT_FILENO), STDOUT_FILENO);
	log = open_log(&file, "-");
	add(log, "GET /1 HTTP/1.0\r\n\r\n");
	cr_expect_not(access_log_flush(log, 1));
	cr_expect_gt(recv(sockets[0], text, sizeof(text), MSG_DONTWAIT), 0);
	cr_expect_eq(access_file_reopen(&file), 0);
	cr_redirect_stderr();
	while (!metrics_get(metrics, METRICS_LOG_LOST)) {
		add(log, "GET /2 HTTP/1.0\r\n\r\n");
		access_log_flush(log, 1);
	}
	access_log_free(log);
	access_file_close(&file);
	close(sockets[0]);
	close(sockets[1]);
}

Test(unit, without_a_log_nothing_is_written)
{
	access_log_add(NULL, NULL, NULL);
	cr_expect_not(access_log_flush(NULL, 1));
	access_log_free(NULL);
}
