/* SPDX-License-Identifier: MIT */

/* Handshakes within the listener: limits, times, failures, and what is handed out. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calling.h"
#include "kit.h"

enum {
	SHORT_MS = 40,
	LIMIT = 4,
	FEW = 64, /* descriptors */
};

static struct ktls_listener_stats stats_of(const struct ktls_listener *listener)
{
	struct ktls_listener_stats stats[2];

	cr_assert_eq(ktls_listener_get_stats(listener, stats, sizeof(stats)), 0);
	cr_assert_eq(stats[1].accepted, 0, "what is newer than the library is 0");
	return stats[0];
}

/* Goes on with handshakes until nothing is handed out for a moment. */
static void settle(struct ktls_listener *listener)
{
	struct ktls_conn *conn = NULL;

	cr_assert_eq(ktls_listener_accept_open(listener, ktls_deadline_in(SHORT_MS), &conn, NULL),
		     KTLS_TIMEDOUT);
	cr_assert_null(conn);
}

static bool is_gone(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&pollfd, 1, CALLING_PATIENCE_MS) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

Test(unit, what_is_handed_out_is_open)
{
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = calling_listener(server);
	struct ktls_listener_stats stats;
	struct calling_echo *echo[LIMIT];
	struct ktls_address peer, seen;
	struct ktls_conn *conn;
	struct ktls_info info;

	for (int i = 0; i < LIMIT; i++)
		echo[i] = calling_echo_begin(listener, client, "localhost");
	for (int i = 0; i < LIMIT; i++) {
		cr_assert_eq(ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, &peer), 0);
		cr_assert_eq(ktls_conn_get_info(conn, &info, sizeof(info)), 0);
		cr_assert_eq(info.state, KTLS_STATE_OPEN);
		cr_assert_eq(ktls_conn_get_peer_address(conn, &seen), 0);
		cr_assert(!memcmp(&peer, &seen, sizeof(peer)));
		calling_serve(conn);
	}
	for (int i = 0; i < LIMIT; i++)
		calling_echo_end(echo[i]);
	stats = stats_of(listener);
	cr_assert(stats.accepted == LIMIT && stats.open == LIMIT && !stats.waiting);
	cr_assert(!stats.failed && !stats.timed_out && !stats.given_up);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

Test(unit, the_oldest_is_given_up_where_there_are_too_many)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server);
	struct ktls_listener_stats stats;
	int calls[LIMIT + 2];

	cr_assert_eq(ktls_listener_set_handshakes(listener, LIMIT, CALLING_PATIENCE_MS), 0);
	for (int i = 0; i < LIMIT + 2; i++) {
		calls[i] = calling_silent(listener);
		settle(listener);
	}
	cr_assert_eq(ktls_listener_set_handshakes(listener, LIMIT, 1), -EBUSY);
	stats = stats_of(listener);
	cr_assert(stats.waiting == LIMIT && stats.given_up == 2);
	cr_assert(is_gone(calls[0]) && is_gone(calls[1]));
	ktls_listener_free(listener);
	for (int i = 2; i < LIMIT + 2; i++)
		cr_assert(is_gone(calls[i]), "those that wait end with the listener");
	for (int i = 0; i < LIMIT + 2; i++)
		close(calls[i]);
	ktls_config_unref(server);
}

/* No descriptor is left; how many were taken for it. */
static size_t take_all(int fillers[FEW], struct rlimit *ret_limit)
{
	struct rlimit few;
	size_t n = 0;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, ret_limit), 0);
	few = *ret_limit;
	few.rlim_cur = FEW;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < FEW && (fillers[n] = dup(0)) >= 0)
		n++;
	return n;
}

static void give_back(const int fillers[FEW], size_t n, const struct rlimit *limit)
{
	while (n)
		close(fillers[--n]);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, limit), 0);
}

Test(unit, the_oldest_is_given_up_where_descriptors_run_out)
{
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = calling_listener(server);
	int call = calling_silent(listener), fillers[FEW];
	struct calling_echo *echo;
	struct ktls_conn *conn;
	struct rlimit limit;
	size_t n;
	int rc;

	settle(listener);
	echo = calling_echo_begin(listener, client, "localhost");
	n = take_all(fillers, &limit);
	rc = ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, NULL);
	/* A test that fails needs some, too. */
	give_back(fillers, n, &limit);
	cr_assert_eq(rc, 0, "%s", ktls_strerrorname(rc));
	cr_assert_eq(stats_of(listener).given_up, 1);
	cr_assert(is_gone(call));
	calling_serve(conn);
	calling_echo_end(echo);
	close(call);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

Test(unit, without_anybody_to_give_up_it_says_so)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server);
	int call, fillers[FEW];
	struct ktls_conn *conn;
	struct rlimit limit;
	size_t n;
	int rc;

	settle(listener);
	call = calling_silent(listener);
	n = take_all(fillers, &limit);
	rc = ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, NULL);
	give_back(fillers, n, &limit);
	cr_assert_eq(rc, -EMFILE);
	settle(listener);
	cr_assert_eq(stats_of(listener).waiting, 1);
	close(call);
	ktls_listener_free(listener);
	ktls_config_unref(server);
}

Test(unit, a_drip_is_no_handshake)
{
	static const uint8_t hello[] = { 22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 0, 0, 0, 0, 0 };
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server);
	uint64_t give_up_ns = ktls_deadline_in(CALLING_PATIENCE_MS);
	struct ktls_conn *conn;
	int call = calling_silent(listener);
	size_t at = 0;

	cr_assert_eq(ktls_listener_set_handshakes(listener, LIMIT, 5 * SHORT_MS), 0);
	while (!stats_of(listener).timed_out) {
		cr_assert_lt(ktls_deadline_in(0), give_up_ns);
		if (at < sizeof(hello))
			send(call, &hello[at++], 1, MSG_NOSIGNAL);
		cr_assert_eq(ktls_listener_accept_open(listener, ktls_deadline_in(SHORT_MS / 2),
						       &conn, NULL),
			     KTLS_TIMEDOUT);
	}
	cr_assert(is_gone(call));
	cr_assert(stats_of(listener).timed_out == 1 && !stats_of(listener).waiting);
	close(call);
	ktls_listener_free(listener);
	ktls_config_unref(server);
}

Test(unit, failures_are_counted_and_stop_nobody)
{
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = calling_listener(server);
	int nonsense = calling_silent(listener), gone = calling_silent(listener);
	struct ktls_listener_stats stats;
	struct calling_echo *echo;
	struct ktls_conn *conn;

	cr_assert_eq(send(nonsense, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	close(gone);
	settle(listener);
	echo = calling_echo_begin(listener, client, "localhost");
	cr_assert_eq(ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, NULL), 0);
	calling_serve(conn);
	calling_echo_end(echo);
	stats = stats_of(listener);
	cr_assert(stats.accepted == 3 && stats.open == 1 && stats.failed == 2 && !stats.waiting);
	close(nonsense);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

static int decide_later(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n)
{
	(void)context;
	(void)conn;
	(void)chain;
	(void)n;
	return KTLS_WANT_VERDICT;
}

Test(unit, a_verdict_is_left_to_the_caller)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_config *client = calling_client();
	struct ktls_listener *listener;
	struct calling_echo *echo;
	struct ktls_conn *conn = NULL;
	static const char *const names[] = { "client" };

	cr_assert_eq(ktls_config_set_client_auth(server, KTLS_CLIENT_AUTH_REQUIRE), 0);
	cr_assert_eq(ktls_config_set_verifier(server, decide_later, NULL), 0);
	cr_assert_eq(ktls_config_add_identity_self_signed(client, names, 1), 0);
	listener = calling_listener(server);
	echo = calling_echo_begin(listener, client, "localhost");
	cr_assert_eq(ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, NULL),
		     KTLS_WANT_VERDICT);
	cr_assert_eq(ktls_conn_set_verdict(conn, 0), 0);
	calling_serve(conn);
	calling_echo_end(echo);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

Test(unit, plaintext_is_open_at_once)
{
	struct ktls_listener *listener;
	struct ktls_config *server;
	struct ktls_conn *conn;
	int call;

	cr_assert_eq(ktls_config_new(&server, KTLS_SERVER), 0);
	cr_assert_eq(ktls_config_set_insecure_plaintext(server), 0);
	listener = calling_listener(server);
	call = calling_silent(listener);
	cr_assert_eq(ktls_listener_accept_open(listener, KTLS_FOREVER, &conn, NULL), 0);
	ktls_conn_free(conn);
	close(call);
	ktls_listener_free(listener);
	ktls_config_unref(server);
}

Test(unit, its_descriptor_is_readable_when_the_call_is_worth_it)
{
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = calling_listener(server);
	struct calling_echo *echo[2];
	struct ktls_conn *conn;
	int out = 0;

	settle(listener);
	for (int i = 0; i < 2; i++)
		echo[i] = calling_echo_begin(listener, client, "localhost");
	while (out < 2) {
		struct ktls_handle handle = ktls_handle_of_listener(listener);
		uint32_t query = KTLS_POLL_READ, bits = 0;
		size_t n;

		cr_assert_eq(ktls_poll(&bits, &handle, &query, 1,
				       ktls_deadline_in(CALLING_PATIENCE_MS), &n),
			     0);
		cr_assert_eq(bits, KTLS_POLL_READ);
		if (ktls_listener_accept_open(listener, KTLS_NOW, &conn, NULL))
			continue;
		calling_serve(conn);
		out++;
	}
	for (int i = 0; i < 2; i++)
		calling_echo_end(echo[i]);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}
