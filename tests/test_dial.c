/* SPDX-License-Identifier: MIT */

/*
 * From a name to a socket, over the loopback, where 127.0.0.1, 127.0.0.2, ... and ::1 are hosts
 * that listen, refuse, or say nothing, all at one port. A host says nothing when its queue is full:
 * the kernel then drops what comes.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "src/base/deadline.h"
#include "src/dial.h"
#include "tests/dns.h"
#include "tests/kit.h"

enum {
	FILLERS_N = 8,
	NAME_SERVER_MS = 5000, /* no question of these tests is asked twice */
};

#define NS_PER_MS 1000000u

static struct dns dns;
static uint16_t port;

static bool is_free(const char *text)
{
	struct ktls_address address;
	struct sockaddr_storage sockaddr;
	const int on = 1;
	socklen_t len;
	int fd, r;

	cr_assert_eq(ktls_address_parse(&address, text), 0);
	address.port = port;
	cr_assert_eq(ktls_address_to_sockaddr(&address, &sockaddr, &len), 0);
	fd = socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = bind(fd, (struct sockaddr *)&sockaddr, len);
	close(fd);
	return !r || errno != EADDRINUSE;
}

/* One that is free at each host, and that the kernel gives to nobody who does not ask for it. */
static void choose_port(void)
{
	do {
		cr_assert_eq(getrandom(&port, sizeof(port), 0), sizeof(port));
		port = (uint16_t)(10000 + port % 20000);
	} while (!is_free("127.0.0.1") || !is_free("127.0.0.2") || !is_free("127.0.0.3") ||
		 !is_free("::1"));
}

static void setup(void)
{
	setenv("LOCALDOMAIN", "search.example", 1);
	dns_open(&dns, NAME_SERVER_MS);
	choose_port();
}

static void teardown(void)
{
	dns_close(&dns);
}

TestSuite(unit, .init = setup, .fini = teardown);

/* Hosts */

static struct ktls_address address_of(const char *text)
{
	struct ktls_address address;

	cr_assert_eq(ktls_address_parse(&address, text), 0);
	address.port = port;
	return address;
}

static int listen_at(const char *text, int backlog)
{
	struct ktls_address address = address_of(text);
	struct sockaddr_storage sockaddr;
	const int on = 1;
	socklen_t len;
	int fd = socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	cr_assert_eq(ktls_address_to_sockaddr(&address, &sockaddr, &len), 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sockaddr, len)) {
		cr_assert_eq(errno, EADDRNOTAVAIL, "%s: %s", text, strerror(errno));
		cr_skip_test("this machine has no %s", text);
	}
	cr_assert_eq(listen(fd, backlog), 0);
	return fd;
}

struct silent {
	int fd;
	int fillers[FILLERS_N];
	unsigned int n;
};

/* A listener that says nothing any more. */
static struct silent silence_at(const char *text)
{
	struct silent silent = { .fd = listen_at(text, 0) };
	struct ktls_address address = address_of(text);
	struct sockaddr_storage sockaddr;
	struct pollfd pollfd = { .events = POLLOUT };
	socklen_t len;

	cr_assert_eq(ktls_address_to_sockaddr(&address, &sockaddr, &len), 0);
	do {
		cr_assert_lt(silent.n, FILLERS_N, "the queue has no end");
		pollfd.fd = socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		silent.fillers[silent.n++] = pollfd.fd;
		if (connect(pollfd.fd, (struct sockaddr *)&sockaddr, len))
			cr_assert_eq(errno, EINPROGRESS);
	} while (poll(&pollfd, 1, 50));
	/* The one that got no answer asks again, and would take the place of whom we wait for. */
	close(silent.fillers[--silent.n]);
	return silent;
}

/* Takes the connections that wait; how many. */
static unsigned int accept_all(int listener)
{
	unsigned int n = 0;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		n++;
	}
	cr_assert_eq(errno, EAGAIN);
	return n;
}

static void end_silence(struct silent *silent)
{
	close(silent->fd);
	for (unsigned int i = 0; i < silent->n; i++)
		close(silent->fillers[i]);
}

/* Names */

static void say(enum dns_family family, const char *const *addresses)
{
	struct dns_answer *answer = &dns.answers[family];

	answer->says = addresses ? DNS_SAYS_ADDRESSES : DNS_SAYS_NO_DATA;
	for (size_t i = 0; addresses && addresses[i]; i++)
		answer->addresses[i] = addresses[i];
}

#define IPV4(...) say(DNS_IPV4, (const char *const[]){ __VA_ARGS__, NULL })
#define IPV6(...) say(DNS_IPV6, (const char *const[]){ __VA_ARGS__, NULL })

/* Dials */

static struct ktls_dial *dial_host(void)
{
	struct ktls_dial *dial;

	cr_assert_eq(ktls_dial_new(&dial, "host.example.", port), 0);
	return dial;
}

static struct ktls_dial *dial_to(const char *text)
{
	struct ktls_address address = address_of(text);
	struct ktls_dial *dial;

	cr_assert_eq(ktls_dial_new_address(&dial, &address), 0);
	return dial;
}

static unsigned int steps;

/* As a connection does it, and the name server takes its turn. */
static int dial_until(struct ktls_dial *dial, uint64_t deadline_ns, int *ret_fd)
{
	for (steps = 1;; steps++) {
		int r = ktls_dial_step(dial, ret_fd);

		if (r != KTLS_WANT_READ)
			return r;
		dns_pump(&dns);
		r = ktls_deadline_poll(ktls_dial_fd(dial), POLLIN, deadline_ns);
		if (r)
			return r;
	}
}

static int dial_patiently(struct ktls_dial *dial, int *ret_fd)
{
	return dial_until(dial, ktls_deadline_in(KIT_PATIENCE_MS), ret_fd);
}

static uint64_t ms_since(uint64_t began_ns)
{
	return (ktls_deadline_clock() - began_ns) / NS_PER_MS;
}

/* Asserts that it is connected to this host, and closes it. */
static void check_peer(int fd, const char *text)
{
	struct ktls_address wanted = address_of(text), peer;
	struct sockaddr_storage sockaddr;
	socklen_t len = sizeof(sockaddr);

	cr_assert_eq(getpeername(fd, (struct sockaddr *)&sockaddr, &len), 0);
	cr_assert_eq(ktls_address_from_sockaddr(&peer, (struct sockaddr *)&sockaddr, len), 0);
	cr_assert_eq(memcmp(&peer, &wanted, sizeof(peer)), 0, "not %s", text);
	close(fd);
}

/* Tests */

Test(unit, what_is_nowhere_cannot_be_dialed)
{
	const struct ktls_address none = { .port = 1 }, no_port = { .family = AF_INET };
	struct ktls_dial *dial = NULL;

	cr_assert_eq(ktls_dial_new(&dial, "host.example", 0), -EINVAL);
	cr_assert_eq(ktls_dial_new(&dial, "no host", 1), -EINVAL);
	cr_assert_eq(ktls_dial_new_address(&dial, &none), -EINVAL);
	cr_assert_eq(ktls_dial_new_address(&dial, &no_port), -EINVAL);
	cr_assert_null(dial);
	cr_assert_null(ktls_dial_free(NULL));
}

Test(unit, an_address_is_connected)
{
	int listener = listen_at("127.0.0.1", 1), fd = -1, on = 0;
	struct ktls_dial *dial = dial_to("127.0.0.1");
	socklen_t len = sizeof(on);

	cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));

	cr_assert_eq(ktls_dial_step(dial, &fd), -EISCONN);
	ktls_dial_free(dial);
	cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	cr_assert(on);
	cr_assert_eq(accept_all(listener), 1);
	check_peer(fd, "127.0.0.1");
	close(listener);
}

Test(unit, a_refusal_says_where_and_what_to_do)
{
	struct ktls_dial *dial;
	int fd = 77;

	dial = dial_to("127.0.0.1");

	cr_assert_eq(dial_patiently(dial, &fd), -ECONNREFUSED);
	cr_assert_eq(ktls_dial_step(dial, &fd), -ECONNREFUSED);
	cr_assert_eq(fd, 77);
	cr_assert(strstr(ktls_dial_error(dial), "127.0.0.1:"));
	cr_assert(strstr(ktls_dial_error(dial), "Connection refused"));
	cr_assert(strstr(ktls_dial_error(dial), "To do: check the port"));
	ktls_dial_free(dial);
}

Test(unit, after_a_refusal_the_next_is_tried_at_once)
{
	int listener = listen_at("127.0.0.3", 1), fd;
	struct ktls_dial *dial = dial_host();
	uint64_t began_ns = ktls_deadline_clock();

	IPV6("::1");
	IPV4("127.0.0.1", "127.0.0.2", "127.0.0.3");
	cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));

	cr_assert_lt(ms_since(began_ns), 2 * KTLS_DIAL_ATTEMPT_DELAY_MS);
	check_peer(fd, "127.0.0.3");
	ktls_dial_free(dial);
	close(listener);
}

Test(unit, two_hosts_that_say_nothing_do_not_keep_us_from_the_third)
{
	struct silent first = silence_at("127.0.0.1"), second = silence_at("127.0.0.2");
	int listener = listen_at("127.0.0.3", 1), fd;
	unsigned int fds = kit_count_fds();
	uint64_t began_ns = ktls_deadline_clock();
	struct ktls_dial *dial = dial_host();

	say(DNS_IPV6, NULL);
	IPV4("127.0.0.1", "127.0.0.2", "127.0.0.3");
	cr_assert_eq(dial_until(dial, ktls_deadline_in(1000), &fd), 0, "%s", ktls_dial_error(dial));

	cr_assert_leq(ms_since(began_ns), 1050);
	cr_assert_geq(ms_since(began_ns), 2 * KTLS_DIAL_ATTEMPT_DELAY_MS);
	/* The two that lost are closed: what is left is the socket, and the dial's and the
	 * resolution's sets and timers. */
	cr_assert_eq(kit_count_fds(), fds + 5);
	ktls_dial_free(dial);
	check_peer(fd, "127.0.0.3");
	cr_assert_eq(kit_count_fds(), fds);
	end_silence(&first);
	end_silence(&second);
	close(listener);
}

Test(unit, a_deadline_is_kept_and_says_what_is_open)
{
	struct silent first = silence_at("127.0.0.1"), second = silence_at("127.0.0.2");
	uint64_t late_ms = UINT64_MAX;

	say(DNS_IPV6, NULL);
	IPV4("127.0.0.1", "127.0.0.2");
	/* A machine that is busy may be late now and then. */
	for (int i = 0; i < 5 && late_ms > 50; i++) {
		struct ktls_dial *dial = dial_host();
		uint64_t deadline_ns = ktls_deadline_in(400);
		int fd;

		cr_assert_eq(dial_until(dial, deadline_ns, &fd), KTLS_TIMEDOUT);
		cr_assert_geq(ktls_deadline_clock(), deadline_ns);
		late_ms = ms_since(deadline_ns);
		/* It sleeps but for two answers and the second attempt. */
		cr_assert_leq(steps, 10);
		cr_assert(strstr(ktls_dial_error(dial), "host.example. port "));
		cr_assert(strstr(ktls_dial_error(dial), "127.0.0.2:"));
		cr_assert(strstr(ktls_dial_error(dial), "no answer yet"));
		ktls_dial_free(dial);
	}
	cr_assert_leq(late_ms, 50);
	end_silence(&first);
	end_silence(&second);
}

/* However often it is stepped and however many deadlines pass, it is the same connection. */
Test(unit, one_dial_is_one_connection)
{
	struct silent silent = silence_at("127.0.0.1");
	struct ktls_dial *dial = dial_to("127.0.0.1");
	int fd, r = 0;

	for (int i = 0; i < 1000; i++)
		cr_assert_eq(ktls_dial_step(dial, &fd), KTLS_WANT_READ);
	cr_assert_eq(dial_until(dial, ktls_deadline_in(20), &fd), KTLS_TIMEDOUT);
	cr_assert_eq(dial_until(dial, ktls_deadline_in(20), &fd), KTLS_TIMEDOUT);
	cr_assert_eq(accept_all(silent.fd), silent.n);
	r = dial_patiently(dial, &fd);

	cr_assert_eq(r, 0, "%s", ktls_dial_error(dial));
	cr_assert_eq(accept_all(silent.fd), 1);
	ktls_dial_free(dial);
	check_peer(fd, "127.0.0.1");
	end_silence(&silent);
}

Test(unit, of_two_families_that_listen_ipv6_is_taken)
{
	int ipv6 = listen_at("::1", 1), ipv4 = listen_at("127.0.0.1", 1), fd;
	struct ktls_dial *dial = dial_host();

	IPV6("::1");
	IPV4("127.0.0.1");
	cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));

	cr_assert_eq(accept_all(ipv6), 1);
	cr_assert_eq(accept_all(ipv4), 0);
	ktls_dial_free(dial);
	check_peer(fd, "::1");
	close(ipv6);
	close(ipv4);
}

Test(unit, a_family_that_says_nothing_is_joined_by_the_other)
{
	static const char *const rows[][2] = { { "::1", "127.0.0.1" }, { "127.0.0.1", "::1" } };

	for (size_t i = 0; i < 2; i++) {
		struct silent silent = silence_at(rows[i][0]);
		int listener = listen_at(rows[i][1], 1), fd;
		struct ktls_dial *dial = dial_host();
		uint64_t began_ns = ktls_deadline_clock();

		IPV6("::1");
		IPV4("127.0.0.1");
		cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));

		cr_assert_leq(ms_since(began_ns), 4 * KTLS_DIAL_ATTEMPT_DELAY_MS);
		ktls_dial_free(dial);
		check_peer(fd, rows[i][1]);
		end_silence(&silent);
		close(listener);
		choose_port();
	}
}

/* After the first of one family comes the first of the other, not the second. */
Test(unit, the_families_take_turns)
{
	int listener = listen_at("127.0.0.1", 1), fd;
	struct ktls_dial *dial = dial_host();

	IPV6("::1", "::1", "2001:db8::2");
	IPV4("127.0.0.1");
	cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));

	cr_assert(strstr(ktls_dial_error(dial), "[::1]:"));
	cr_assert_null(strstr(ktls_dial_error(dial), "2001:db8"));
	ktls_dial_free(dial);
	check_peer(fd, "127.0.0.1");
	close(listener);
}

Test(unit, ipv4_waits_a_little_for_ipv6)
{
	int listener = listen_at("127.0.0.1", 1), fd;
	struct ktls_dial *dial = dial_host();
	uint64_t began_ns = ktls_deadline_clock();

	IPV4("127.0.0.1");
	cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));

	cr_assert_geq(ms_since(began_ns), KTLS_DIAL_RESOLUTION_DELAY_MS);
	cr_assert_lt(ms_since(began_ns), NAME_SERVER_MS);
	ktls_dial_free(dial);
	check_peer(fd, "127.0.0.1");
	close(listener);
}

Test(unit, ipv6_that_comes_later_still_counts)
{
	struct silent silent = silence_at("127.0.0.1");
	int listener = listen_at("::1", 1), fd;
	struct ktls_dial *dial = dial_host();
	uint8_t late[DNS_MESSAGE_LEN];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	/* The question for IPv6 is the first; it is kept back. */
	n = recvfrom(dns.fd, late, sizeof(late) / 2, 0, (struct sockaddr *)&from, &from_len);
	cr_assert_gt(n, 0);
	IPV4("127.0.0.1");
	cr_assert_eq(dial_until(dial, ktls_deadline_in(100), &fd), KTLS_TIMEDOUT);
	cr_assert(strstr(ktls_dial_error(dial), "127.0.0.1:"));
	IPV6("::1");
	n = (ssize_t)dns_reply(&dns, late);
	cr_assert_eq(sendto(dns.fd, late, (size_t)n, 0, (struct sockaddr *)&from, from_len), n);
	cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));

	ktls_dial_free(dial);
	check_peer(fd, "::1");
	end_silence(&silent);
	close(listener);
}

Test(unit, a_name_without_addresses_is_the_resolvers_error)
{
	struct ktls_dial *dial;
	int fd;

	dial = dial_host();
	cr_assert_eq(ktls_dial_step(dial, &fd), KTLS_WANT_READ);
	cr_assert(strstr(ktls_dial_error(dial), "not known yet"));
	say(DNS_IPV6, NULL);
	say(DNS_IPV4, NULL);
	cr_assert_eq(dial_patiently(dial, &fd), -KTLS_E_NO_HOST);
	cr_assert(strstr(ktls_dial_error(dial), "resolving host.example.: "));
	ktls_dial_free(dial);

	dns.answers[DNS_IPV6].says = dns.answers[DNS_IPV4].says = DNS_SAYS_FAILURE;
	dial = dial_host();
	cr_assert_eq(dial_patiently(dial, &fd), -KTLS_E_RESOLVER);
	cr_assert(strstr(ktls_dial_error(dial), "name server"));
	ktls_dial_free(dial);
}

Test(unit, a_flood_of_addresses_is_not_all_tried)
{
	static char texts[DNS_ADDRESSES_MAX][16];
	struct ktls_dial *dial;
	unsigned int n = 0;
	int fd;

	dial = dial_host();
	say(DNS_IPV6, NULL);
	for (unsigned int i = 0; i < DNS_ADDRESSES_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), "127.0.0.%u", 1 + i);
		dns.answers[DNS_IPV4].addresses[i] = texts[i];
	}
	dns.answers[DNS_IPV4].says = DNS_SAYS_ADDRESSES;
	cr_assert_eq(dial_patiently(dial, &fd), -ECONNREFUSED);

	for (const char *at = ktls_dial_error(dial); (at = strstr(at, "refused")); at++)
		n++;
	cr_assert_eq(n, KTLS_DIAL_ATTEMPTS_MAX);
	cr_assert(strstr(ktls_dial_error(dial), "To do: "));
	ktls_dial_free(dial);
}

Test(unit, nothing_is_left_of_a_dial_wherever_it_ends)
{
	struct silent silent = silence_at("127.0.0.1");
	unsigned int fds = kit_count_fds();

	IPV6("::1");
	IPV4("127.0.0.1", "127.0.0.2");
	for (int i = 0; i < 60; i++) {
		struct ktls_dial *dial = dial_host();
		int fd;

		for (int j = 0; j < i % 6; j++) {
			cr_assert_eq(ktls_dial_step(dial, &fd), KTLS_WANT_READ);
			dns_pump(&dns);
		}
		cr_assert_null(ktls_dial_free(dial));
		cr_assert_eq(kit_count_fds(), fds);
	}
	end_silence(&silent);
}

static void ignore(int signal)
{
	(void)signal;
}

Test(unit, signals_do_no_harm)
{
	const struct sigaction action = { .sa_handler = ignore };
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	struct silent silent = silence_at("127.0.0.1");
	int listener = listen_at("127.0.0.2", 1), fd;
	struct ktls_dial *dial = dial_host();

	say(DNS_IPV6, NULL);
	IPV4("127.0.0.1", "127.0.0.2");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	cr_assert_eq(dial_patiently(dial, &fd), 0, "%s", ktls_dial_error(dial));
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);

	cr_assert_eq(accept_all(listener), 1);
	ktls_dial_free(dial);
	check_peer(fd, "127.0.0.2");
	end_silence(&silent);
	close(listener);
}

Test(unit, without_descriptors_it_says_so)
{
	struct ktls_dial *dial, *other;
	struct rlimit limit, none;
	int fd;

	dial = dial_to("127.0.0.1");
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);

	cr_assert_eq(ktls_dial_step(dial, &fd), -EMFILE);
	cr_assert(strstr(ktls_dial_error(dial), "To do: close descriptors"));
	cr_assert_eq(ktls_dial_new(&other, "host.example", 1), -EMFILE);

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ktls_dial_free(dial);
}
