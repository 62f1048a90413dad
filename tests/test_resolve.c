/* SPDX-License-Identifier: MIT */

/* Names to addresses, asked of a name server that says what the test wants. */

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <ktls/conn.h>
#include <ktls/error.h>

#include "src/base/deadline.h"
#include "src/resolve.h"
#include "tests/dns.h"
#include "tests/kit.h"

enum {
	RETRY_MS = 100,
	PORT = 4433,
};

#define NS_PER_MS 1000000u

static struct dns dns;

static void setup(void)
{
	/* Which search list this machine has must not matter. */
	setenv("LOCALDOMAIN", "search.example", 1);
	dns_open(&dns, RETRY_MS);
}

static void teardown(void)
{
	dns_close(&dns);
}

TestSuite(unit, .init = setup, .fini = teardown);

static struct ktls_resolve *begin(const char *host)
{
	struct ktls_resolve *resolve;

	cr_assert_eq(ktls_resolve_new(&resolve, host, PORT), 0, "%s", host);
	return resolve;
}

/* To the end, as an event loop would. */
static int finish(struct ktls_resolve *resolve)
{
	for (;;) {
		int r = ktls_resolve_run(resolve, KTLS_NOW);

		if (r != KTLS_WANT_READ)
			return r;
		dns_pump(&dns);
		kit_wait(ktls_resolve_get_fd(resolve), POLLIN);
	}
}

/* Steps until the family has its answer. */
static void await(struct ktls_resolve *resolve, int family)
{
	while (!ktls_resolve_answered(resolve, family)) {
		dns_pump(&dns);
		kit_wait(ktls_resolve_get_fd(resolve), POLLIN);
		cr_assert_geq(ktls_resolve_run(resolve, KTLS_NOW), 0);
	}
}

static void say(enum dns_family family, enum dns_says says)
{
	dns.answers[family].says = says;
	if (says == DNS_SAYS_ADDRESSES)
		dns.answers[family].addresses[0] = family == DNS_IPV6 ? "2001:db8::1" : "192.0.2.1";
}

/* The addresses, each followed by a space. */
static const char *list(const struct ktls_resolve *resolve)
{
	static char text[KTLS_RESOLVE_ADDRESSES_MAX * KTLS_ADDRESS_TEXT_LEN];
	struct ktls_address addresses[KTLS_RESOLVE_ADDRESSES_MAX];
	size_t n = ktls_resolve_get_addresses(resolve, addresses, KTLS_RESOLVE_ADDRESSES_MAX);

	*text = '\0';
	for (size_t i = 0; i < n; i++) {
		ktls_address_format(&addresses[i], text + strlen(text), KTLS_ADDRESS_TEXT_LEN);
		strcat(text, " ");
	}
	return text;
}

static unsigned int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static unsigned int asked(void)
{
	return dns.answers[DNS_IPV6].asked + dns.answers[DNS_IPV4].asked;
}

Test(unit, what_is_no_host_is_refused)
{
	static const struct {
		const char *host;
		int result;
	} rows[] = {
		{ "", -EINVAL },
		{ ".", -EINVAL },
		{ "a..b", -EINVAL },
		{ ".a", -EINVAL },
		{ "a b", -EINVAL },
		{ "a\n", -EINVAL },
		{ "a/b", -EINVAL },
		{ "a:80", -EINVAL },
		{ "b\xc3\xbc"
		  "cher.example",
		  -EINVAL },
		{ "127.1", -EINVAL },
		{ "2130706433", -EINVAL },
		{ "0x7f000001", -EINVAL },
		{ "127.0.0.1.", -EINVAL },
		{ "127.0.0.256", -EINVAL },
		{ "192.0.2.1:80", -EINVAL },
		{ "[::1]:443", -EINVAL },
		{ "[::1]:0", -EINVAL },
		{ "[localhost]", -EINVAL },
		{ "fe80::1%no-such-one", -ENODEV },
	};
	struct ktls_resolve *resolve = NULL;
	char label[64 + 1] = "", name[256] = "";

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(ktls_resolve_new(&resolve, rows[i].host, PORT), rows[i].result, "%s",
			     rows[i].host);
	memset(label, 'a', 64);
	cr_assert_eq(ktls_resolve_new(&resolve, label, PORT), -EINVAL);
	for (size_t i = 0; i < 254; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[253] = 'a';
	cr_assert_eq(ktls_resolve_new(&resolve, name, PORT), -EINVAL);
	cr_assert_eq(ktls_resolve_new(&resolve, NULL, PORT), -EINVAL);
	cr_assert_eq(ktls_resolve_new(NULL, "a", PORT), -EINVAL);
	cr_assert_eq(ktls_resolve_run(NULL, KTLS_NOW), -EINVAL);
	cr_assert_null(resolve);
	cr_assert_null(ktls_resolve_free(NULL));
	cr_assert_eq(asked(), 0);
}

Test(unit, the_longest_names_are_names)
{
	char name[256] = "";

	memset(name, 'a', 63);
	ktls_resolve_free(begin(name));
	for (size_t i = 0; i < 253; i++)
		name[i] = i % 2 ? '.' : 'a';
	ktls_resolve_free(begin(name));
	strcat(name, ".");
	ktls_resolve_free(begin(name));
	ktls_resolve_free(begin("_service.a-b.example."));
	ktls_resolve_free(begin("xn--bcher-kva.example"));
	ktls_resolve_free(begin("3com.1a"));
}

Test(unit, what_needs_nobody_asks_nobody)
{
	static const struct {
		const char *host, *list;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1:4433 " },
		{ "2001:db8::1", "[2001:db8::1]:4433 " },
		{ "[2001:db8::1]", "[2001:db8::1]:4433 " },
		{ "fe80::1%7", "[fe80::1%7]:4433 " },
		{ "localhost", "[::1]:4433 127.0.0.1:4433 " },
		{ "LocalHost.", "[::1]:4433 127.0.0.1:4433 " },
		{ "a.localhost", "[::1]:4433 127.0.0.1:4433 " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_resolve *resolve = begin(rows[i].host);

		cr_assert_eq(ktls_resolve_run(resolve, KTLS_NOW), KTLS_DONE, "%s", rows[i].host);
		cr_assert_str_eq(list(resolve), rows[i].list);
		cr_assert_str_eq(ktls_resolve_error(resolve), "");
		ktls_resolve_free(resolve);
	}
	dns_pump(&dns);
	cr_assert_eq(asked(), 0);
}

Test(unit, the_families_take_turns)
{
	struct ktls_resolve *resolve = begin("host.example");
	struct ktls_address two[2];

	dns.answers[DNS_IPV6] =
		(struct dns_answer){ .says = DNS_SAYS_ADDRESSES,
				     .addresses = { "2001:db8::1", "2001:db8::2", "2001:db8::3" } };
	dns.answers[DNS_IPV4] = (struct dns_answer){ .says = DNS_SAYS_ADDRESSES,
						     .addresses = { "192.0.2.2", "192.0.2.1" } };
	cr_assert_eq(finish(resolve), KTLS_DONE);

	cr_assert_str_eq(list(resolve), "[2001:db8::1]:4433 192.0.2.2:4433 [2001:db8::2]:4433 "
					"192.0.2.1:4433 [2001:db8::3]:4433 ");
	cr_assert_str_eq(dns.answers[DNS_IPV4].name, "host.example");
	cr_assert_eq(ktls_resolve_get_addresses(resolve, two, 2), 2);
	cr_assert_eq(ktls_resolve_get_addresses(resolve, NULL, 0), 0);
	cr_assert_eq(ktls_resolve_run(resolve, KTLS_NOW), KTLS_DONE);
	ktls_resolve_free(resolve);
}

Test(unit, what_both_families_say_makes_the_answer)
{
	static const struct {
		enum dns_says ipv6, ipv4;
		int result;
		const char *list, *error;
	} rows[] = {
		{ DNS_SAYS_ADDRESSES, DNS_SAYS_NO_DATA, KTLS_DONE, "[2001:db8::1]:4433 ", "" },
		{ DNS_SAYS_NO_DATA, DNS_SAYS_ADDRESSES, KTLS_DONE, "192.0.2.1:4433 ", "" },
		{ DNS_SAYS_NO_NAME, DNS_SAYS_ADDRESSES, KTLS_DONE, "192.0.2.1:4433 ", "" },
		{ DNS_SAYS_FAILURE, DNS_SAYS_ADDRESSES, KTLS_DONE, "192.0.2.1:4433 ", "" },
		{ DNS_SAYS_ADDRESSES, DNS_SAYS_NOTHING, KTLS_DONE, "[2001:db8::1]:4433 ", "" },
		{ DNS_SAYS_NO_NAME, DNS_SAYS_NO_NAME, -KTLS_E_NO_HOST, "", "no such host" },
		{ DNS_SAYS_NO_DATA, DNS_SAYS_NO_DATA, -KTLS_E_NO_HOST, "", "no such host" },
		{ DNS_SAYS_FAILURE, DNS_SAYS_FAILURE, -KTLS_E_RESOLVER, "", "no name server" },
		{ DNS_SAYS_NO_DATA, DNS_SAYS_FAILURE, -KTLS_E_RESOLVER, "", "no name server" },
		{ DNS_SAYS_NOTHING, DNS_SAYS_NOTHING, -KTLS_E_RESOLVER, "", "no name server" },
		{ DNS_SAYS_GARBAGE, DNS_SAYS_GARBAGE, -KTLS_E_RESOLVER, "", "no name server" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_resolve *resolve = begin("host.example.");
		int r;

		say(DNS_IPV6, rows[i].ipv6);
		say(DNS_IPV4, rows[i].ipv4);
		r = finish(resolve);
		cr_expect_eq(r, rows[i].result, "row %zu: %s, %s", i, ktls_strerrorname(r),
			     ktls_resolve_error(resolve));
		cr_expect_str_eq(list(resolve), rows[i].list, "row %zu", i);
		cr_expect(strstr(ktls_resolve_error(resolve), rows[i].error), "row %zu", i);
		cr_expect_eq(ktls_resolve_run(resolve, KTLS_NOW), r, "row %zu", i);
		cr_expect_eq(ktls_resolve_run(resolve, KTLS_FOREVER), r, "row %zu", i);
		ktls_resolve_free(resolve);
	}
}

Test(unit, a_server_that_is_not_there_is_no_missing_name)
{
	struct ktls_resolve *resolve;

	close(dns.fd);
	close(dns.listener);
	resolve = begin("host.example");

	cr_assert_eq(ktls_resolve_run(resolve, ktls_deadline_in(KIT_PATIENCE_MS)),
		     -KTLS_E_RESOLVER);
	cr_assert(strstr(ktls_resolve_error(resolve), "host.example"));
	cr_assert(strstr(ktls_resolve_error(resolve), "To do: "));
	ktls_resolve_free(resolve);
	dns_open(&dns, RETRY_MS);
}

Test(unit, a_deadline_is_kept_and_what_has_come_is_there)
{
	uint64_t late_ns = UINT64_MAX;

	dns_close(&dns);
	dns_open(&dns, 5000);
	say(DNS_IPV6, DNS_SAYS_ADDRESSES);
	/* A machine that is busy may be late now and then. */
	for (int i = 0; i < 5 && late_ns > 50 * NS_PER_MS; i++) {
		struct ktls_resolve *resolve = begin("host.example");
		uint64_t deadline_ns;

		cr_assert_str_eq(list(resolve), "");
		await(resolve, AF_INET6);
		cr_assert(!ktls_resolve_answered(resolve, AF_INET));
		deadline_ns = ktls_deadline_in(200);
		cr_assert_eq(ktls_resolve_run(resolve, deadline_ns), KTLS_TIMEDOUT);
		cr_assert_geq(ktls_deadline_clock(), deadline_ns);
		late_ns = ktls_deadline_clock() - deadline_ns;
		cr_assert_str_eq(list(resolve), "[2001:db8::1]:4433 ");
		ktls_resolve_free(resolve);
	}
	cr_assert_leq(late_ns, 50 * NS_PER_MS);
}

Test(unit, after_a_deadline_it_goes_on)
{
	struct ktls_resolve *resolve = begin("host.example");

	cr_assert_eq(ktls_resolve_run(resolve, ktls_deadline_in(10)), KTLS_TIMEDOUT);
	say(DNS_IPV6, DNS_SAYS_ADDRESSES);
	say(DNS_IPV4, DNS_SAYS_ADDRESSES);

	cr_assert_eq(finish(resolve), KTLS_DONE);
	cr_assert_str_eq(list(resolve), "[2001:db8::1]:4433 192.0.2.1:4433 ");
	cr_assert_eq(asked(), 2);
	ktls_resolve_free(resolve);
}

Test(unit, a_lost_question_is_asked_again)
{
	struct ktls_resolve *resolve = begin("host.example.");

	dns_pump(&dns);
	cr_assert_eq(asked(), 2);
	say(DNS_IPV6, DNS_SAYS_ADDRESSES);
	say(DNS_IPV4, DNS_SAYS_NO_DATA);

	cr_assert_eq(finish(resolve), KTLS_DONE);
	cr_assert_eq(asked(), 4);
	ktls_resolve_free(resolve);
}

/* The descriptor wakes for the time-outs, and otherwise sleeps. */
Test(unit, waiting_is_no_busy_loop)
{
	struct ktls_resolve *resolve = begin("host.example.");
	unsigned int n = 0;

	while (ktls_resolve_run(resolve, KTLS_NOW) == KTLS_WANT_READ) {
		kit_wait(ktls_resolve_get_fd(resolve), POLLIN);
		n++;
	}

	cr_assert_geq(n, 3);
	cr_assert_leq(n, 40);
	ktls_resolve_free(resolve);
}

Test(unit, nothing_is_left_of_a_resolution_wherever_it_ends)
{
	unsigned int fds = kit_count_fds(), threads = count_threads();

	for (int i = 0; i < 60; i++) {
		struct ktls_resolve *resolve = begin("host.example");

		say(DNS_IPV6, i % 2 ? DNS_SAYS_ADDRESSES : DNS_SAYS_NOTHING);
		say(DNS_IPV4, i % 4 == 3 ? DNS_SAYS_ADDRESSES : DNS_SAYS_NOTHING);
		cr_assert_eq(count_threads(), threads);
		if (i % 2)
			await(resolve, AF_INET6);
		if (i % 4 == 3) {
			cr_assert_eq(finish(resolve), KTLS_DONE);
			/* The set and the timer. */
			cr_assert_eq(kit_count_fds(), fds + 2);
		}
		ktls_resolve_free(resolve);
		cr_assert_eq(kit_count_fds(), fds);
	}
}

static void ignore(int signal)
{
	(void)signal;
}

Test(unit, signals_do_not_end_a_wait)
{
	const struct sigaction action = { .sa_handler = ignore };
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	struct ktls_resolve *resolve;
	uint64_t began_ns;

	dns_close(&dns);
	dns_open(&dns, 5000);
	resolve = begin("host.example");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	began_ns = ktls_deadline_clock();

	cr_assert_eq(ktls_resolve_run(resolve, ktls_deadline_in(100)), KTLS_TIMEDOUT);

	cr_assert_geq(ktls_deadline_clock() - began_ns, 100 * NS_PER_MS);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
	ktls_resolve_free(resolve);
}

Test(unit, a_dot_at_the_end_keeps_the_search_list_away)
{
	struct ktls_resolve *resolve = begin("host.");

	say(DNS_IPV6, DNS_SAYS_NO_NAME);
	say(DNS_IPV4, DNS_SAYS_NO_NAME);
	cr_assert_eq(finish(resolve), -KTLS_E_NO_HOST);
	cr_assert_eq(asked(), 2);
	cr_assert_str_eq(dns.answers[DNS_IPV4].name, "host");
	ktls_resolve_free(resolve);

	resolve = begin("host");
	say(DNS_IPV6, DNS_SAYS_ADDRESSES);
	say(DNS_IPV4, DNS_SAYS_ADDRESSES);
	cr_assert_eq(finish(resolve), KTLS_DONE);
	cr_assert_str_eq(dns.answers[DNS_IPV4].name, "host.search.example");
	ktls_resolve_free(resolve);
}

/* Answers what has come over a TCP connection, each with its length before it (RFC 1035 4.2.2). */
static void serve_tcp(int fd)
{
	uint8_t head[2], message[DNS_MESSAGE_LEN];

	while (recv(fd, head, sizeof(head), MSG_DONTWAIT) == sizeof(head)) {
		size_t len = (size_t)head[0] << 8 | head[1];

		cr_assert_eq(recv(fd, message, len, MSG_WAITALL), len);
		len = dns_reply(&dns, message);
		head[0] = (uint8_t)(len >> 8);
		head[1] = (uint8_t)len;
		cr_assert_eq(send(fd, head, sizeof(head), MSG_MORE), sizeof(head));
		cr_assert_eq(send(fd, message, len, 0), len);
	}
}

Test(unit, what_is_too_large_for_a_datagram_comes_over_tcp)
{
	struct ktls_resolve *resolve = begin("host.example.");
	int fds[8];
	unsigned int n = 0;

	while (ktls_resolve_run(resolve, KTLS_NOW) == KTLS_WANT_READ) {
		say(DNS_IPV6, DNS_SAYS_TRUNCATED);
		say(DNS_IPV4, DNS_SAYS_TRUNCATED);
		dns_pump(&dns);
		say(DNS_IPV6, DNS_SAYS_ADDRESSES);
		say(DNS_IPV4, DNS_SAYS_ADDRESSES);
		while ((fds[n] = accept(dns.listener, NULL, NULL)) >= 0)
			cr_assert_lt(n++, 7);
		for (unsigned int i = 0; i < n; i++)
			serve_tcp(fds[i]);
		kit_wait(ktls_resolve_get_fd(resolve), POLLIN);
	}

	cr_assert_eq(ktls_resolve_run(resolve, KTLS_NOW), KTLS_DONE);
	cr_assert_gt(n, 0);
	cr_assert_str_eq(list(resolve), "[2001:db8::1]:4433 192.0.2.1:4433 ");
	ktls_resolve_free(resolve);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

/* The answer is too large for a datagram, and the server ends the TCP connection in the one way in
 * which a write raises the signal: with FIN, then RST. */
Test(unit, a_name_server_that_is_gone_raises_no_sigpipe)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct ktls_resolve *resolve = begin("host.example.");
	unsigned int broken = 0;
	sigset_t pending;

	signal(SIGPIPE, SIG_DFL);
	say(DNS_IPV6, DNS_SAYS_TRUNCATED);
	say(DNS_IPV4, DNS_SAYS_TRUNCATED);
	while (ktls_resolve_run(resolve, KTLS_NOW) == KTLS_WANT_READ) {
		int fd;

		dns_pump(&dns);
		while ((fd = accept(dns.listener, NULL, NULL)) >= 0) {
			shutdown(fd, SHUT_WR);
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			close(fd);
			broken++;
		}
		kit_wait(ktls_resolve_get_fd(resolve), POLLIN);
	}

	cr_assert_gt(broken, 0);
	cr_assert_eq(ktls_resolve_run(resolve, KTLS_NOW), -KTLS_E_RESOLVER);
	cr_assert_eq(sigpending(&pending), 0);
	cr_assert(!sigismember(&pending, SIGPIPE));
	ktls_resolve_free(resolve);
}

/* One that the program has waiting for itself stays. */
Test(unit, the_programs_own_sigpipe_is_left_to_it)
{
	struct ktls_resolve *resolve = begin("host.example.");
	sigset_t sigpipe, pending;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	cr_assert_eq(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL), 0);
	cr_assert_eq(raise(SIGPIPE), 0);
	say(DNS_IPV6, DNS_SAYS_ADDRESSES);
	say(DNS_IPV4, DNS_SAYS_ADDRESSES);
	cr_assert_eq(finish(resolve), KTLS_DONE);

	cr_assert_eq(sigpending(&pending), 0);
	cr_assert(sigismember(&pending, SIGPIPE));
	signal(SIGPIPE, SIG_IGN);
	ktls_resolve_free(resolve);
}

Test(unit, a_flood_of_addresses_is_cut)
{
	struct ktls_resolve *resolve = begin("host.example");
	struct ktls_address addresses[KTLS_RESOLVE_ADDRESSES_MAX + 1];
	static char texts[DNS_ADDRESSES_MAX][32];

	for (unsigned int i = 0; i < DNS_ADDRESSES_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), "192.0.2.%u", i);
		dns.answers[DNS_IPV4].addresses[i] = texts[i];
	}
	dns.answers[DNS_IPV4].says = DNS_SAYS_ADDRESSES;
	say(DNS_IPV6, DNS_SAYS_ADDRESSES);

	cr_assert_eq(finish(resolve), KTLS_DONE);
	cr_assert_eq(ktls_resolve_get_addresses(resolve, addresses, KTLS_RESOLVE_ADDRESSES_MAX + 1),
		     1 + KTLS_RESOLVE_ADDRESSES_MAX / 2);
	ktls_resolve_free(resolve);
}
