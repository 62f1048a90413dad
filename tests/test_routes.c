/* SPDX-License-Identifier: MIT */

/*
 * Dials where the network is as tests/in-routes makes it: hosts that are not there in every way
 * that a route can say so, and names in the hosts file. That script runs this.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <ktls/conn.h>
#include <ktls/error.h>
#include <ktls/socket.h>

#include "src/base/deadline.h"
#include "src/dial.h"
#include "src/resolve.h"
#include "tests/dns.h"
#include "tests/kit.h"

enum {
	PORT = 4433, /* nobody else is here */
};

#define NS_PER_MS 1000000u

static int dial_until(struct ktls_dial *dial, uint64_t deadline_ns, int *ret_fd)
{
	for (;;) {
		int r = ktls_dial_step(dial, ret_fd);

		if (r == KTLS_WANT_READ)
			r = ktls_deadline_poll(ktls_dial_fd(dial), POLLIN, deadline_ns);
		else
			return r;
		if (r)
			return r;
	}
}

Test(unit, the_ways_of_not_being_there_are_told_apart)
{
	static const struct {
		const char *address;
		int error;
		const char *remedy;
	} rows[] = {
		{ "127.0.0.1:1", -ECONNREFUSED, "check the port" },
		{ "[::1]:1", -ECONNREFUSED, "check the port" },
		{ "203.0.113.1:1", -ENETUNREACH, "check this machine's network" },
		{ "[2001:db8:3::1]:1", -ENETUNREACH, "check this machine's network" },
		{ "198.51.100.1:1", -EHOSTUNREACH, "check that the host is up" },
		{ "[2001:db8:2::1]:1", -EHOSTUNREACH, "check that the host is up" },
		{ "192.0.2.1:1", -ETIMEDOUT, "no firewall drops packets" },
		{ "[2001:db8:1::1]:1", -ETIMEDOUT, "no firewall drops packets" },
		{ "198.51.101.1:1", -EACCES, "check this machine's firewall" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_address address;
		struct ktls_dial *dial;
		int fd, r;

		cr_assert_eq(ktls_address_parse(&address, rows[i].address), 0);
		cr_assert_eq(ktls_dial_new_address(&dial, &address), 0);
		r = dial_until(dial, ktls_deadline_in(KIT_PATIENCE_MS), &fd);
		cr_expect_eq(r, rows[i].error, "%s", ktls_dial_error(dial));
		cr_expect(strstr(ktls_dial_error(dial), rows[i].address));
		cr_expect(strstr(ktls_dial_error(dial), ktls_strerror(rows[i].error)));
		cr_expect(strstr(ktls_dial_error(dial), rows[i].remedy), "%s",
			  ktls_dial_error(dial));
		ktls_dial_free(dial);
	}
}

static struct ktls_config *client_config(void)
{
	struct ktls_config *config;

	cr_assert_eq(ktls_config_new(&config, KTLS_CLIENT), 0);
	cr_assert_eq(ktls_config_set_insecure_no_verify(config), 0);
	return config;
}

/* The same seen by a program, in its connection's codes and words. */
Test(unit, a_connection_tells_them_apart)
{
	static const struct {
		const char *host;
		int error;
	} rows[] = {
		{ "127.0.0.1", -ECONNREFUSED },
		{ "203.0.113.1", -ENETUNREACH },
		{ "198.51.100.1", -EHOSTUNREACH },
		{ "192.0.2.1", -ETIMEDOUT },
	};
	struct ktls_config *config = client_config();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_conn *conn;

		cr_assert_eq(ktls_conn_dial(&conn, config, rows[i].host, 1), 0);
		cr_expect_eq(ktls_conn_connect(conn, ktls_deadline_in(KIT_PATIENCE_MS)),
			     rows[i].error, "%s", ktls_conn_error(conn));
		cr_expect(strstr(ktls_conn_error(conn), rows[i].host));
		cr_expect(strstr(ktls_conn_error(conn), "To do: "));
		ktls_conn_free(conn);
	}
	ktls_config_unref(config);
}

/* Tests run side by side, so each has a port of its own. */
static int listen_here(uint16_t port)
{
	const struct sockaddr_in place = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(listener, (const struct sockaddr *)&place, sizeof(place)), 0);
	cr_assert_eq(listen(listener, 4), 0);
	return listener;
}

/* One call: the name, two addresses that lead nowhere, silently, and the third, which is there. */
Test(unit, a_connection_reaches_the_third_address_within_a_second)
{
	int listener = listen_here(PORT + 1);
	struct ktls_config *config = client_config();
	uint64_t deadline_ns = ktls_deadline_in(1000);
	struct ktls_address peer;
	struct ktls_conn *conn;

	cr_assert_eq(ktls_conn_dial(&conn, config, "third.example", PORT + 1), 0);
	cr_assert_eq(ktls_conn_connect(conn, deadline_ns), 0, "%s", ktls_conn_error(conn));

	cr_assert_leq(ktls_deadline_clock(), deadline_ns + 50 * NS_PER_MS);
	cr_assert_eq(ktls_conn_get_peer_address(conn, &peer), 0);
	cr_assert(ktls_address_is_loopback(&peer));
	ktls_conn_free(conn);
	ktls_config_unref(config);
	close(listener);
}

/* Two addresses of a name lead nowhere, silently; the third is there. */
Test(unit, a_second_is_enough_for_the_third_address)
{
	int listener = listen_here(PORT), fd;
	uint64_t deadline_ns = ktls_deadline_in(1000);
	struct ktls_dial *dial;

	cr_assert_eq(ktls_dial_new(&dial, "third.example", PORT), 0);
	cr_assert_eq(dial_until(dial, deadline_ns, &fd), 0, "%s", ktls_dial_error(dial));

	cr_assert_leq(ktls_deadline_clock(), deadline_ns + 50 * NS_PER_MS);
	ktls_dial_free(dial);
	close(fd);
	fd = accept(listener, NULL, NULL);
	cr_assert_geq(fd, 0);
	cr_assert_lt(accept(listener, NULL, NULL), 0);
	close(fd);
	close(listener);
}

/* With all of them dead, the time given is the time taken; and the dial goes on. */
Test(unit, the_last_address_to_fail_names_the_error)
{
	uint64_t deadline_ns = ktls_deadline_in(300);
	struct ktls_dial *dial;
	int fd;

	cr_assert_eq(ktls_dial_new(&dial, "late.example", PORT), 0);
	cr_assert_eq(dial_until(dial, deadline_ns, &fd), KTLS_TIMEDOUT);
	cr_assert_leq(ktls_deadline_clock(), deadline_ns + 500 * NS_PER_MS);
	cr_assert_eq(dial_until(dial, ktls_deadline_in(KIT_PATIENCE_MS), &fd), -ETIMEDOUT);

	cr_assert(strstr(ktls_dial_error(dial), "203.0.113.1:4433: Network is unreachable; "));
	cr_assert(strstr(ktls_dial_error(dial), "192.0.2.3:4433: Connection timed out. "));
	ktls_dial_free(dial);
}

/* What it has of one family keeps the other from being asked for, too. */
Test(unit, the_hosts_file_comes_before_the_name_servers)
{
	static const struct {
		const char *name;
		size_t n;
		uint16_t first_family;
	} rows[] = {
		{ "only4.example", 1, AF_INET },
		{ "ALIAS.example", 1, AF_INET },
		{ "both.example", 2, AF_INET6 },
		{ "third.example", 3, AF_INET },
	};
	struct dns dns;

	dns_open(&dns, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_address addresses[KTLS_RESOLVE_ADDRESSES_MAX];
		struct ktls_resolve *resolve;

		cr_assert_eq(ktls_resolve_new(&resolve, rows[i].name, PORT), 0);
		cr_assert_eq(ktls_resolve_run(resolve, KTLS_NOW), KTLS_DONE, "%s", rows[i].name);
		cr_assert_eq(ktls_resolve_get_addresses(resolve, addresses,
							KTLS_RESOLVE_ADDRESSES_MAX),
			     rows[i].n, "%s", rows[i].name);
		cr_assert_eq(addresses[0].family, rows[i].first_family, "%s", rows[i].name);
		cr_assert_eq(addresses[0].port, PORT);
		ktls_resolve_free(resolve);
	}
	dns_pump(&dns);
	cr_assert_eq(dns.answers[DNS_IPV6].asked + dns.answers[DNS_IPV4].asked, 0);
	dns_close(&dns);
}
