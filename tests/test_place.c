/* SPDX-License-Identifier: MIT */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bench/place.h"

static void check(const char *text, const char *host, uint16_t port)
{
	struct place place;

	cr_assert_eq(place_parse(text, &place), 0, "%s", text);
	cr_expect_str_eq(place.host, host);
	cr_expect_eq(place.port, port);
}

Test(unit, a_place_is_a_host_and_a_port)
{
	check("443", "", 443);
	check("0", "", 0);
	check("192.0.2.1:443", "192.0.2.1", 443);
	check("server.example:65535", "server.example", 65535);
	check("[2001:db8::1]:443", "2001:db8::1", 443);
	check("[::]:0", "::", 0);
}

Test(unit, what_is_no_place_is_refused)
{
	static const char *const bad[] = { "",
					   ":",
					   ":443",
					   "host",
					   "host:",
					   "host:x",
					   "host:4x",
					   "host:65536",
					   "host:-1",
					   "host: 1",
					   "1x",
					   "[]:443",
					   "2001:db8::1",
					   "::1",
					   "[::1]",
					   "[::1:443",
					   "host:99999999999999999999" };
	struct place place = { .port = 4711 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_expect_eq(place_parse(bad[i], &place), -EINVAL, "%s", bad[i]);
		cr_expect_eq(place.port, 4711, "%s", bad[i]);
	}
}

Test(unit, a_host_has_at_most_255_bytes)
{
	char text[PLACE_HOST_LEN + 8];
	struct place place;

	memset(text, 'a', sizeof(text));
	strcpy(text + PLACE_HOST_LEN - 1, ":1");
	cr_expect_eq(place_parse(text, &place), 0);
	memset(text, 'a', sizeof(text));
	strcpy(text + PLACE_HOST_LEN, ":1");
	cr_expect_eq(place_parse(text, &place), -EINVAL);
}

static int must_listen(const char *host, uint16_t *ret_port)
{
	struct place place = { .port = 0 };
	char why[PLACE_WHY_MAX];
	int fd;

	strcpy(place.host, host);
	fd = place_listen(&place, ret_port, why);
	cr_assert_geq(fd, 0, "%s", why);
	return fd;
}

static int dial(const char *host, uint16_t port, char why[PLACE_WHY_MAX])
{
	struct place place = { .port = port };

	strcpy(place.host, host);
	return place_dial(&place, 5000, why);
}

static void check_both_ends(const char *listening, const char *dialled)
{
	char why[PLACE_WHY_MAX];
	struct place here, there;
	uint16_t port;
	int listener = must_listen(listening, &port), ours = dial(dialled, port, why), theirs;

	cr_assert_geq(ours, 0, "%s", why);
	theirs = accept(listener, NULL, NULL);
	cr_assert_geq(theirs, 0);
	place_watch_peer(theirs);
	cr_assert_eq(place_of(ours, &here), 0);
	cr_assert_eq(place_of(theirs, &there), 0);
	cr_expect_str_eq(there.host, dialled);
	cr_expect_str_eq(here.host, dialled);
	close(theirs);
	close(ours);
	close(listener);
}

Test(unit, a_listener_is_reached_where_it_listens)
{
	check_both_ends("127.0.0.1", "127.0.0.1");
	check_both_ends("", "127.0.0.1");
}

Test(unit, a_port_that_is_taken_is_told)
{
	struct place place = { .host = "127.0.0.1" };
	char why[PLACE_WHY_MAX] = "";
	uint16_t port = 0;
	int fd = must_listen("127.0.0.1", &place.port);

	cr_expect_eq(place_listen(&place, &port, why), -EADDRINUSE);
	cr_expect(*why);
	*place.host = '\0';
	cr_expect_lt(place_listen(&place, &port, why), 0);
	cr_expect_eq(port, 0);
	close(fd);
}

Test(unit, nobody_there_is_told)
{
	char why[PLACE_WHY_MAX] = "";
	uint16_t port;

	close(must_listen("127.0.0.1", &port));

	cr_expect_eq(dial("127.0.0.1", port, why), -ECONNREFUSED);
	cr_expect(*why);
	*why = '\0';
	cr_expect_eq(dial("not a host", port, why), -EADDRNOTAVAIL);
	cr_expect(*why);
}

Test(unit, what_is_no_connection_has_no_place)
{
	struct place place;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_expect_eq(place_of(fds[0], &place), -EINVAL);
	close(fds[0]);
	close(fds[1]);
}
