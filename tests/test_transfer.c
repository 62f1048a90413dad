/* SPDX-License-Identifier: MIT */

/* One URL, without a connection: what is asked, and what becomes of answers, however they are cut.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tool.h"
#include "transfer.h"
#include "tree.h"

TestSuite(unit, .init = tree_make, .fini = tree_remove);

static struct urls urls;
static struct transfer_rules rules;
static struct transfer transfer;
static struct http_reader *reader;

static void begin(const char *url, const char *path, bool resume)
{
	urls = (struct urls){ 0 };
	cr_assert_eq(urls_add(&urls, url), 0);
	if (path)
		cr_assert_eq(urls_set_path(&urls, path), 0);
	rules = (struct transfer_rules){ .resume = resume };
	transfer_init(&transfer, &urls.list[0], &rules);
	reader = http_reader_new(HTTP_KIND_RESPONSE);
	cr_assert(reader);
}

static void end(void)
{
	transfer_done(&transfer);
	urls_done(&urls);
	reader = http_reader_free(reader);
}

static const char *ask(bool keep_alive)
{
	static char request[TRANSFER_LIMIT_REQUEST];
	size_t len;

	cr_assert_eq(transfer_open(&transfer), TRANSFER_MORE);
	cr_assert_eq(transfer_ask(&transfer, keep_alive, request, &len), TRANSFER_MORE);
	cr_assert_lt(len, sizeof(request));
	request[len] = '\0';
	http_reader_reset(reader);
	return request;
}

/* Up to the first step, in pieces of so many bytes. */
static enum transfer_step give(const char *text, size_t piece)
{
	size_t len = strlen(text);
	enum transfer_step step = TRANSFER_MORE;

	for (size_t at = 0; at < len && step == TRANSFER_MORE; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *buf = malloc(n);

		memcpy(buf, text + at, n);
		step = transfer_take(&transfer, reader, buf, n);
		free(buf);
	}
	return step;
}

static const char *content(const char *path)
{
	static char text[64];
	FILE *file = fopen(path, "r");
	size_t n;

	if (!file)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static void expect_says(const char *words)
{
	cr_assert(transfer.sentence);
	cr_expect(strstr(transfer.sentence, words), "\"%s\" in \"%s\"", words, transfer.sentence);
}

static const char whole[] =
	"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v\"\r\n\r\n0123456789";
static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v\"\r\n\r\n01234";

/* Leaves five bytes of ten. */
static void leave_part(void)
{
	begin("https://a.example/f", "f", true);
	ask(false);
	cr_assert_eq(give(half, 1000), TRANSFER_MORE);
	cr_assert_eq(transfer_take_end(&transfer, reader, false), TRANSFER_FAILED);
	cr_assert_eq(transfer.code, TOOL_EXIT_PARTIAL);
	expect_says("truncated after 5 bytes of 10");
	expect_says("5 bytes are in f.part, and the same command goes on from there");
	end();
	cr_assert_str_eq(content("f.part"), "01234");
}

Test(unit, what_is_asked)
{
	begin("https://a.example:8443?b=c#d", "f", false);
	cr_expect_str_eq(ask(true),
			 "GET /?b=c HTTP/1.1\r\nHost: a.example:8443\r\nUser-Agent: ktls/"
			 "0.1.0\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\r\n");
	cr_expect(strstr(ask(false), "\r\nConnection: close\r\n\r\n"));
	end();
}

Test(unit, a_url_that_no_server_takes_is_refused)
{
	static char url[TRANSFER_LIMIT_REQUEST + 32] = "https://a.example/";
	char request[TRANSFER_LIMIT_REQUEST];
	size_t len;

	memset(url + strlen(url), 'x', sizeof(url) - strlen(url) - 1);
	begin(url, "f", false);
	cr_expect_eq(transfer_ask(&transfer, true, request, &len), TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_URL);
	expect_says("too long");
	end();
}

Test(unit, an_answer_is_whole_however_it_is_cut)
{
	static const struct {
		const char *answer;
		const char *content;
		bool again; /* another may follow */
	} rows[] = {
		{ whole, "0123456789", true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true },
		{ "HTTP/1.1 204 No\r\n\r\n", "", true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n4\r\n0123\r\n3;x\r\n456\r\n0\r\n"
		  "\r\n",
		  "0123456", true },
		{ "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\n"
		  "Content-Length: 1\r\n\r\n0",
		  "0", true },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n0", "0", false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n0", "0",
		  false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0HTTP/1.1 200", "0", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (size_t piece = 1; piece < 200; piece++) {
			begin("https://a.example/f", "f", false);
			ask(true);
			cr_assert_eq(give(rows[i].answer, piece), TRANSFER_DONE, "row %zu, %zu", i,
				     piece);
			cr_expect_str_eq(content("f"), rows[i].content, "row %zu, %zu", i, piece);
			if (piece == 199)
				cr_expect_eq(transfer.ended, rows[i].again, "row %zu", i);
			end();
		}
	}
}

Test(unit, an_answer_without_length_ends_with_close_notify)
{
	begin("https://a.example/f", "f", false);
	ask(true);
	cr_expect_eq(give("HTTP/1.1 200 OK\r\n\r\n0123", 7), TRANSFER_MORE);
	cr_expect_eq(transfer_take_end(&transfer, reader, true), TRANSFER_DONE);
	cr_expect_str_eq(content("f"), "0123");
	cr_expect_not(transfer.ended);
	end();
}

Test(unit, an_answer_that_is_none_is_a_failure_and_leaves_nothing)
{
	static const struct {
		const char *answer;
		int code;
		const char *says;
	} rows[] = {
		{ "SSH-2.0-x\r\n", TOOL_EXIT_TRANSFER, "not HTTP" },
		{ "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx", TOOL_EXIT_STATUS, "404" },
		{ "HTTP/1.1 301 Go\r\nLocation: https://b.example/\x1b\r\n\r\n", TOOL_EXIT_STATUS,
		  "" },
		{ "HTTP/1.1 302 Go\r\nLocation: /\"x\"\r\n\r\n", TOOL_EXIT_STATUS,
		  "to /\\x22x\\x22" },
		{ "HTTP/1.1 302 Go\r\n\r\n", TOOL_EXIT_STATUS, "nowhere" },
		{ "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-4/10\r\nContent-Length: "
		  "5\r\n\r\n01234",
		  TOOL_EXIT_TRANSFER, "not the bytes that were asked for" },
		{ "HTTP/1.1 206 Part\r\n\r\n", TOOL_EXIT_TRANSFER, "Content-Range is missing" },
		{ "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", TOOL_EXIT_STATUS, "416" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", TOOL_EXIT_TRANSFER,
		  "not HTTP" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		begin("https://a.example/f", "f", false);
		ask(false);
		cr_expect_eq(give(rows[i].answer, 1000), TRANSFER_FAILED, "row %zu", i);
		cr_expect(transfer.code == rows[i].code || !*rows[i].says, "row %zu", i);
		expect_says(rows[i].says);
		cr_expect(!strchr(transfer.sentence, '\x1b'));
		end();
		cr_expect_null(content("f"));
	}
}

Test(unit, what_nobody_wants_is_read_away_for_the_next)
{
	begin("https://a.example/f", "f", false);
	ask(true);
	cr_expect_eq(give("HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n01", 1000), TRANSFER_MORE);
	cr_expect_eq(give("234", 1), TRANSFER_FAILED);
	cr_expect(transfer.ended);
	expect_says("404");
	end();
}

Test(unit, but_not_for_ever)
{
	char much[4096];
	int n = 0;

	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	begin("https://a.example/f", "f", false);
	ask(true);
	cr_expect_eq(give("HTTP/1.1 404 No\r\nContent-Length: 5000000\r\n\r\n", 1000),
		     TRANSFER_MORE);
	while (give(much, sizeof(much)) == TRANSFER_MORE)
		n++;
	cr_expect_eq(n, TRANSFER_LIMIT_DISCARD / (sizeof(much) - 1));
	cr_expect_not(transfer.ended);
	end();
}

Test(unit, a_refusal_is_one_wherever_the_answer_ends)
{
	begin("https://a.example/f", "f", false);
	ask(true);
	cr_expect_eq(give("HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n01", 1000), TRANSFER_MORE);
	cr_expect_eq(transfer_take_end(&transfer, reader, false), TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_STATUS);
	end();
}

Test(unit, a_cut_answer_without_resume_leaves_nothing)
{
	begin("https://a.example/f", "f", false);
	ask(false);
	cr_expect_eq(give(half, 1000), TRANSFER_MORE);
	cr_expect_eq(transfer_take_end(&transfer, reader, true), TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_PARTIAL);
	expect_says("truncated after 5 bytes of 10");
	cr_expect(!strstr(transfer.sentence, ".part"));
	end();
	cr_expect_null(content("f"));
}

/* -- Parts -- */

Test(unit, the_rest_is_asked_for_and_put_behind)
{
	leave_part();
	begin("https://a.example/f", "f", true);
	cr_expect(strstr(ask(false), "\r\nRange: bytes=5-\r\nIf-Range: \"v\"\r\n"));
	cr_expect_eq(
		give("HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n"
		     "56789",
		     3),
		TRANSFER_DONE);
	cr_expect_str_eq(content("f"), "0123456789");
	cr_expect_eq(transfer.at, 5);
	cr_expect_eq(transfer.bytes, 5);
	cr_expect_null(transfer.remark);
	end();
	cr_expect_null(content("f.part"));
	cr_expect_null(content("f.part.info"));
}

Test(unit, another_file_is_begun_from_the_beginning)
{
	leave_part();
	begin("https://a.example/f", "f", true);
	ask(false);
	cr_expect_eq(give("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"w\"\r\n\r\nabc", 1000),
		     TRANSFER_DONE);
	cr_expect_str_eq(content("f"), "abc");
	cr_assert(transfer.remark);
	cr_expect(strstr(transfer.remark, "from the beginning"));
	end();
}

/* Three answers after which all is asked for again. */
Test(unit, an_answer_that_does_not_fit_is_asked_for_again)
{
	static const char *const answers[] = {
		"HTTP/1.1 206 P\r\nContent-Range: bytes 4-8/10\r\nContent-Length: 5\r\n\r\nxxxxx",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\nETag: \"w\"\r\nContent-Length: "
		"5\r\n\r\nxxxxx",
		"HTTP/1.1 416 No\r\nContent-Range: bytes */3\r\nContent-Length: 5\r\n\r\nxxxxx",
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		leave_part();
		begin("https://a.example/f", "f", true);
		ask(true);
		cr_expect_eq(give(answers[i], 1000), TRANSFER_AGAIN, "row %zu", i);
		cr_expect(transfer.ended);
		cr_expect(transfer.remark);
		/* Until something better comes. */
		cr_expect_str_eq(content("f.part"), "01234");
		cr_expect_null(strstr(ask(true), "Range"));
		cr_expect_eq(give(whole, 1000), TRANSFER_DONE, "row %zu", i);
		cr_expect_str_eq(content("f"), "0123456789");
		end();
	}
}

Test(unit, what_has_all_come_is_not_fetched_again)
{
	begin("https://a.example/f", "f", true);
	ask(true);
	cr_assert_eq(give(half, 1000), TRANSFER_MORE);
	cr_assert_eq(give("5678", 1000), TRANSFER_MORE);
	/* As if it had been killed after its last byte. */
	cr_assert_eq(output_write(&transfer.output, "9", 1, NULL), 0);
	transfer_fail(&transfer, 1, "killed");
	end();

	begin("https://a.example/f", "f", true);
	cr_expect(strstr(ask(true), "Range: bytes=10-"));
	cr_expect_eq(
		give("HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\nContent-Length: 5\r\n\r\n"
		     "error",
		     1000),
		TRANSFER_DONE);
	cr_expect_str_eq(content("f"), "0123456789");
	end();
}

Test(unit, a_piece_of_the_rest_is_no_end)
{
	leave_part();
	begin("https://a.example/f", "f", true);
	ask(false);
	cr_expect_eq(
		give("HTTP/1.1 206 P\r\nContent-Range: bytes 5-7/10\r\nContent-Length: 3\r\n\r\n"
		     "567",
		     1000),
		TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_PARTIAL);
	expect_says("only a piece");
	expect_says("8 bytes are in f.part");
	end();
}

/* Chunks have no length that the head's promise could be compared with beforehand. */
Test(unit, a_rest_is_as_long_as_was_promised)
{
	leave_part();
	begin("https://a.example/f", "f", true);
	ask(false);
	cr_expect_eq(give("HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n2\r\n56\r\n0\r\n\r\n",
			  1000),
		     TRANSFER_FAILED);
	expect_says("less has come");
	expect_says("7 bytes are in f.part");
	end();

	begin("https://a.example/f", "f", true);
	ask(false);
	cr_expect_eq(give("HTTP/1.1 206 P\r\nContent-Range: bytes 7-9/10\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n4\r\n789x\r\n0\r\n\r\n",
			  1000),
		     TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_TRANSFER);
	expect_says("more has come");
	end();
	cr_expect_str_eq(content("f.part"), "0123456");
}

Test(unit, a_refusal_keeps_the_part)
{
	leave_part();
	begin("https://a.example/f", "f", true);
	ask(false);
	cr_expect_eq(give("HTTP/1.1 503 Busy\r\n\r\n", 1000), TRANSFER_FAILED);
	expect_says("503; 5 bytes are in f.part");
	end();
	cr_expect_str_eq(content("f.part"), "01234");
}

Test(unit, a_stranger_s_part_is_not_touched)
{
	leave_part();
	begin("https://b.example/f", "f", true);
	cr_expect_eq(transfer_open(&transfer), TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_WRITE);
	expect_says("a part of another URL");
	end();

	unlink("f.part.info");
	begin("https://a.example/f", "f", true);
	cr_expect_eq(transfer_open(&transfer), TRANSFER_FAILED);
	expect_says("nothing says what it is a part of");
	end();
	cr_expect_str_eq(content("f.part"), "01234");
}

Test(unit, two_writers_are_one_too_many)
{
	struct transfer other;

	begin("https://a.example/f", "f", true);
	transfer_init(&other, &urls.list[0], &rules);
	cr_assert_eq(transfer_open(&transfer), TRANSFER_MORE);
	cr_expect_eq(transfer_open(&other), TRANSFER_FAILED);
	cr_expect(other.sentence && strstr(other.sentence, "another process"));
	transfer_done(&other);
	end();
}

Test(unit, an_output_that_is_full_is_said)
{
	begin("https://a.example/f", "/dev/full", false);
	ask(false);
	cr_expect_eq(give(whole, 1000), TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_WRITE);
	expect_says("/dev/full: No space left on device");
	end();
}

/* A disk that takes four bytes: they stay, and the next time it has more room. */
Test(unit, what_a_full_disk_has_is_gone_on_with)
{
	struct rlimit limit, none;

	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &none), 0);
	limit = (struct rlimit){ .rlim_cur = 100, .rlim_max = none.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	begin("https://a.example/f", "f", true);
	ask(false);
	cr_expect_eq(give(half, 1000), TRANSFER_MORE);
	limit.rlim_cur = 8;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(give("56789", 1000), TRANSFER_FAILED);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	cr_expect_eq(transfer.code, TOOL_EXIT_WRITE);
	expect_says("f: File too large; 8 bytes are in f.part");
	end();
	cr_expect_str_eq(content("f.part"), "01234567");
}

Test(unit, an_output_that_cannot_be_is_said)
{
	begin("https://a.example/f", "none/f", false);
	ask(false);
	cr_expect_eq(give(whole, 1000), TRANSFER_FAILED);
	cr_expect_eq(transfer.code, TOOL_EXIT_WRITE);
	expect_says("none/f: No such file");
	end();

	begin("https://a.example/f", "none/f", true);
	cr_expect_eq(transfer_open(&transfer), TRANSFER_FAILED);
	expect_says("none/f: No such file");
	end();
}
