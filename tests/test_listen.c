/* SPDX-License-Identifier: MIT */

/* Listening, and what is said where that is impossible. */

#include <sys/socket.h>

#include "hearing.h"
#include "listen.h"
#include "tool.h"

static struct hearing hearing;

Test(unit, a_free_port_and_its_name)
{
	static const struct {
		const char *address, *prefix;
	} rows[] = {
		{ "127.0.0.1:0", "https://127.0.0.1:" },
		{ "[::1]:0", "https://[::1]:" },
		{ "localhost:0", "https://" },
		{ ":0", "https://" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[LISTEN_LIMIT_NAME];
		int fd;

		cr_assert_eq(listen_open(&fd, "--listen", rows[i].address, 1), 0);
		cr_expect_eq(listen_describe(fd, "https", text), 0);
		cr_expect(strstr(text, rows[i].prefix) == text, "%s", text);
		cr_expect(strcmp(strrchr(text, ':'), ":0"), "%s", text);
		cr_expect_eq(accept(fd, NULL, NULL), -1, "it does not wait");
		close(fd);
	}
}

Test(unit, what_cannot_be_listened_on)
{
	char text[LISTEN_LIMIT_NAME], *port;
	int fd, other = -7;

	cr_assert_eq(listen_open(&fd, "--listen", "127.0.0.1:0", 1), 0);
	cr_assert_eq(listen_describe(fd, "x", text), 0);
	port = text + strlen("x://");

	hearing_begin(&hearing);
	cr_expect_eq(listen_open(&other, "--metrics", port, 1), TOOL_EXIT_FAILED);
	cr_expect_eq(listen_open(&other, "--listen", "192.0.2.1:0", 1), TOOL_EXIT_FAILED);
	cr_expect_eq(listen_open(&other, "--listen", "localhost", 1), TOOL_EXIT_USAGE);
	cr_expect_eq(listen_open(&other, "--listen", "1:2:3", 1), TOOL_EXIT_USAGE);
	hearing_end(&hearing);

	cr_expect_eq(other, -7);
	cr_expect(strstr(hearing.text, "--metrics: cannot listen on "), "%s", hearing.text);
	cr_expect(strstr(hearing.text, "Address already in use"), "%s", hearing.text);
	cr_expect(strstr(hearing.text, "--listen: \"localhost\" is not ADDR:PORT"), "%s",
		  hearing.text);
	close(fd);
}

Test(unit, an_address_is_shared_with_ourselves_and_nobody_else)
{
	char text[LISTEN_LIMIT_NAME];
	int fd, fds[3], other;

	cr_assert_eq(listen_open(&fd, "--listen", "[::1]:0", 16), 0);
	cr_assert_eq(listen_describe(fd, "x", text), 0);
	for (int i = 0; i < 3; i++) {
		char again[LISTEN_LIMIT_NAME];

		fds[i] = listen_again(fd);
		cr_assert_geq(fds[i], 0);
		cr_expect_eq(listen_describe(fds[i], "x", again), 0);
		cr_expect_str_eq(again, text);
		cr_expect_eq(accept(fds[i], NULL, NULL), -1, "it does not wait");
	}
	hearing_begin(&hearing);
	cr_expect_eq(listen_open(&other, "--listen", text + strlen("x://"), 1), TOOL_EXIT_FAILED);
	hearing_end(&hearing);
	cr_expect(strstr(hearing.text, "Address already in use"), "%s", hearing.text);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(fd);
	cr_expect_lt(listen_again(-1), 0);
	cr_expect_lt(listen_again(STDIN_FILENO), 0);
}

Test(unit, what_has_no_name)
{
	char text[LISTEN_LIMIT_NAME];

	cr_expect_eq(listen_describe(-1, "https", text), -EBADF);
	cr_expect_eq(listen_describe(STDIN_FILENO, "https", text), -ENOTSOCK);
}
