/* SPDX-License-Identifier: MIT */

/* Which sockets are wanted: what may be asked for, and what is then found. */

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include <criterion/criterion.h>

#include "seen.h"

Test(unit, a_value_that_is_none_is_refused)
{
	static const struct {
		enum stat_filter_key key;
		const char *text;
		int result;
	} rows[] = {
		{ STAT_FILTER_PORT, "1", 0 },
		{ STAT_FILTER_PORT, "65535", 0 },
		{ STAT_FILTER_PORT, "0", -EINVAL },
		{ STAT_FILTER_PORT, "65536", -EINVAL },
		{ STAT_FILTER_PORT, "99999999999999999999999", -EINVAL },
		{ STAT_FILTER_PORT, "-1", -EINVAL },
		{ STAT_FILTER_PORT, "80x", -EINVAL },
		{ STAT_FILTER_PORT, " 80", -EINVAL },
		{ STAT_FILTER_PORT, "", -EINVAL },
		{ STAT_FILTER_LOCAL, "127.0.0.1", 0 },
		{ STAT_FILTER_LOCAL, "127.0.0.0/8", 0 },
		{ STAT_FILTER_LOCAL, "0.0.0.0/0", 0 },
		{ STAT_FILTER_LOCAL, "127.0.0.1/33", -EINVAL },
		{ STAT_FILTER_LOCAL, "127.0.0.1/", -EINVAL },
		{ STAT_FILTER_LOCAL, "127.0.0.1/-1", -EINVAL },
		{ STAT_FILTER_LOCAL, "127.0.0.1:80", -EINVAL },
		{ STAT_FILTER_LOCAL, "localhost", -EINVAL },
		{ STAT_FILTER_PEER, "2001:db8::/32", 0 },
		{ STAT_FILTER_PEER, "[2001:db8::1]", 0 },
		{ STAT_FILTER_PEER, "::/129", -EINVAL },
		{ STAT_FILTER_PEER,
		  "2001:db8:1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"
		  ":dddd",
		  -EINVAL },
		{ STAT_FILTER_STATE, "ESTAB", 0 },
		{ STAT_FILTER_STATE, "established", 0 },
		{ STAT_FILTER_STATE, "close_wait", 0 },
		{ STAT_FILTER_STATE, "FIN-WAIT-1", 0 },
		{ STAT_FILTER_STATE, "fin-wait1", 0 },
		{ STAT_FILTER_STATE, "LISTEN", -EINVAL },
		{ STAT_FILTER_STATE, "CLOSE-WAIT-", -EINVAL },
		{ STAT_FILTER_STATE, "CLOSE", -EINVAL },
		{ STAT_FILTER_STATE, "", -EINVAL },
		{ STAT_FILTER_TLS, "1.2", 0 },
		{ STAT_FILTER_TLS, "1.1", -EINVAL },
		{ STAT_FILTER_TLS, "1.30", -EINVAL },
		{ STAT_FILTER_CIPHER, "aes-128-gcm", 0 },
		{ STAT_FILTER_CIPHER, "SM4-CCM", 0 },
		{ STAT_FILTER_CIPHER, "AES128-GCM", -EINVAL },
		{ STAT_FILTER_TX, "software", 0 },
		{ STAT_FILTER_TX, "kernel", -EINVAL },
		{ STAT_FILTER_RX, "Device", 0 },
		{ STAT_FILTER_RX, "", -EINVAL },
		{ STAT_FILTER_PROCESS, "nginx", 0 },
		{ STAT_FILTER_PROCESS, "", -EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct stat_filter filter = { 0 };

		cr_expect_eq(stat_filter_add(&filter, rows[i].key, rows[i].text), rows[i].result,
			     "--%s %s", stat_filter_name(rows[i].key), rows[i].text);
		cr_expect(*stat_filter_wanted(rows[i].key));
	}
}

Test(unit, lists_have_an_end)
{
	static const enum stat_filter_key keys[] = { STAT_FILTER_PORT, STAT_FILTER_LOCAL,
						     STAT_FILTER_PEER, STAT_FILTER_PROCESS };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *text = keys[i] == STAT_FILTER_PORT ? "80" : "127.0.0.1";
		struct stat_filter filter = { 0 };

		for (int n = 0; n < STAT_FILTER_LIMIT_LIST; n++)
			cr_assert_eq(stat_filter_add(&filter, keys[i], text), 0);
		cr_expect_eq(stat_filter_add(&filter, keys[i], text), -E2BIG);
	}
	cr_expect_eq(stat_filter_add(&(struct stat_filter){ 0 }, _STAT_FILTER_KEY_N, "1"), -EINVAL);
}

/* Whether a socket matches what is asked for in one or two options. */
static bool finds(const struct ktls_diag_socket *socket, enum stat_filter_key key, const char *one,
		  const char *other)
{
	struct stat_filter filter = { 0 };

	cr_assert_eq(stat_filter_add(&filter, key, one), 0, "%s", one);
	if (other)
		cr_assert_eq(stat_filter_add(&filter, key, other), 0, "%s", other);
	return stat_filter_match(&filter, socket);
}

Test(unit, addresses_by_their_beginning)
{
	static const struct {
		const char *local;
		const char *prefix;
		bool found;
	} rows[] = {
		{ "192.0.2.130:443", "192.0.2.130", true },
		{ "192.0.2.130:443", "192.0.2.131", false },
		{ "192.0.2.130:443", "192.0.2.128/25", true },
		{ "192.0.2.130:443", "192.0.2.0/25", false },
		{ "192.0.2.130:443", "192.0.2.131/31", true },
		{ "192.0.2.130:443", "0.0.0.0/0", true },
		{ "192.0.2.130:443", "::/0", false },
		{ "[2001:db8:8000::1]:443", "2001:db8:8000::/33", true },
		{ "[2001:db8:8000::1]:443", "2001:db8::/33", false },
		{ "[2001:db8:8000::1]:443", "0.0.0.0/0", false },
		{ "[::ffff:192.0.2.130]:443", "192.0.2.0/24", true },
		{ "[::ffff:192.0.2.130]:443", "::ffff:192.0.2.0/120", true },
		{ "[::ffff:192.0.2.130]:443", "::ffff:198.51.100.0/120", false },
		{ "192.0.2.130:443", "::ffff:0.0.0.0/96", true },
		{ "[fe80::1%1]:443", "fe80::/10", true },
		{ "[fe80::1%1]:443", "fe80::1%1", true },
		{ "[fe80::1%1]:443", "fe80::1%2", false },
	};
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:1", "192.0.2.1:2");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert_eq(ktls_address_parse(&socket->local, rows[i].local), 0);
		cr_expect_eq(finds(socket, STAT_FILTER_LOCAL, rows[i].prefix, NULL), rows[i].found,
			     "%s in %s", rows[i].local, rows[i].prefix);
	}
	cr_expect(finds(socket, STAT_FILTER_PEER, "192.0.2.1", NULL));
	cr_expect_not(finds(socket, STAT_FILTER_PEER, "127.0.0.1", NULL));
	stat_moment_done(&moment);
}

Test(unit, either_value_of_an_option)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:443", "127.0.0.1:50000");
	static const struct {
		enum stat_filter_key key;
		const char *right, *wrong;
	} rows[] = {
		{ STAT_FILTER_PORT, "443", "8443" },
		{ STAT_FILTER_PORT, "50000", "8443" },
		{ STAT_FILTER_STATE, "ESTAB", "CLOSE-WAIT" },
		{ STAT_FILTER_TLS, "1.3", "1.2" },
		{ STAT_FILTER_CIPHER, "AES-128-GCM", "AES-256-GCM" },
		{ STAT_FILTER_TX, "software", "device" },
		{ STAT_FILTER_RX, "software", "none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *name = stat_filter_name(rows[i].key);

		cr_expect(finds(socket, rows[i].key, rows[i].right, NULL), "%s", name);
		cr_expect(finds(socket, rows[i].key, rows[i].wrong, rows[i].right), "%s", name);
		cr_expect_not(finds(socket, rows[i].key, rows[i].wrong, NULL), "%s", name);
	}
	stat_moment_done(&moment);
}

Test(unit, all_options_together)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:443", "127.0.0.1:50000");
	struct stat_filter filter = { 0 };

	stat_filter_add(&filter, STAT_FILTER_PORT, "443");
	stat_filter_add(&filter, STAT_FILTER_TLS, "1.3");
	cr_expect(stat_filter_match(&filter, socket));
	socket->protocol = KTLS_TLS_1_2;
	cr_expect_not(stat_filter_match(&filter, socket));
	stat_moment_done(&moment);
}

Test(unit, the_family_is_that_on_the_wire)
{
	static const struct {
		const char *local;
		bool ipv4, ipv6, found;
	} rows[] = {
		{ "127.0.0.1:1", true, false, true },
		{ "127.0.0.1:1", false, true, false },
		{ "127.0.0.1:1", true, true, true },
		{ "[::1]:1", true, false, false },
		{ "[::1]:1", false, true, true },
		{ "[::ffff:127.0.0.1]:1", true, false, true },
		{ "[::ffff:127.0.0.1]:1", false, true, false },
	};
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct stat_filter filter = { .ipv4 = rows[i].ipv4, .ipv6 = rows[i].ipv6 };

		cr_assert_eq(ktls_address_parse(&socket->local, rows[i].local), 0);
		cr_expect_eq(stat_filter_match(&filter, socket), rows[i].found, "row %zu", i);
	}
	stat_moment_done(&moment);
}

Test(unit, what_is_not_told_is_nothing_but_unknown)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *untold = seen_add_untold(&moment);
	struct ktls_diag_socket *plain = seen_add_plain(&moment);

	cr_expect(finds(untold, STAT_FILTER_TX, "unknown", NULL));
	cr_expect_not(finds(untold, STAT_FILTER_TX, "none", NULL));
	cr_expect_not(finds(untold, STAT_FILTER_TLS, "1.3", NULL));
	cr_expect_not(finds(untold, STAT_FILTER_CIPHER, "AES-128-GCM", NULL));
	cr_expect_not(finds(plain, STAT_FILTER_TX, "unknown", NULL));
	cr_expect_not(finds(plain, STAT_FILTER_RX, "none", NULL));
	stat_moment_done(&moment);
}

Test(unit, processes_by_name_or_number)
{
	struct stat_filter filter = { 0 };

	cr_expect(stat_filter_match_process(&filter, "anything", 1));
	stat_filter_add(&filter, STAT_FILTER_PROCESS, "nginx");
	stat_filter_add(&filter, STAT_FILTER_PROCESS, "42");
	cr_expect(stat_filter_match_process(&filter, "nginx", 1));
	cr_expect(stat_filter_match_process(&filter, "ktls", 42));
	cr_expect(stat_filter_match_process(&filter, "42", 1));
	cr_expect_not(stat_filter_match_process(&filter, "nginx: worker", 4));
}

Test(unit, established_is_short)
{
	cr_expect_str_eq(stat_state_name(TCP_ESTABLISHED), "ESTAB");
	cr_expect_str_eq(stat_state_name(TCP_CLOSE_WAIT), ktls_diag_state_name(TCP_CLOSE_WAIT));
	cr_expect_neq(strlen(stat_state_name(77)), 0);
}
