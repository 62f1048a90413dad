/* SPDX-License-Identifier: MIT */

/* What people see: to the byte for some sockets, and for all that no line is too long and nothing
 * is cut off. */

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "seen.h"
#include "stat_table.h"

static const struct stat_look plain_look = { .columns = 80 };

/* To be freed. */
static char *print(const struct stat_moment *moment, const struct stat_look *look)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert(out);
	stat_table_print(out, moment, look);
	fclose(out);
	return text;
}

static void expect(struct stat_moment *moment, const struct stat_look *look, const char *wanted)
{
	char *text = print(moment, look);

	cr_expect_str_eq(text, wanted);
	free(text);
	stat_moment_done(moment);
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
		if (strcspn(at, "\n") > longest)
			longest = strcspn(at, "\n");
	}
	return longest;
}

Test(unit, nothing_is_nothing)
{
	struct stat_moment moment = seen_nothing();

	expect(&moment, &plain_look, "");
}

Test(unit, a_row_for_each)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket;

	seen_add(&moment, "127.0.0.1:8443", "127.0.0.1:50000");
	socket = seen_add(&moment, "127.0.0.1:8443", "127.0.0.1:51");
	socket->protocol = KTLS_TLS_1_2;
	socket->state = TCP_LAST_ACK;
	socket->mode[KTLS_RX] = KTLS_DIAG_NONE;
	seen_add_plain(&moment);
	seen_add_untold(&moment);

	expect(&moment, &plain_look,
	       "STATE     LOCAL           PEER             TLS  CIPHER       TX        RX\n"
	       "ESTAB     127.0.0.1:8443  127.0.0.1:50000  1.3  AES-128-GCM  software  software\n"
	       "LAST-ACK  127.0.0.1:8443  127.0.0.1:51     1.2  AES-128-GCM  software  none\n"
	       "ESTAB     127.0.0.1:80    127.0.0.1:50000  -    -            -         -\n"
	       "ESTAB     127.0.0.1:80    127.0.0.1:50000  ?    ?            ?         ?\n");
}

Test(unit, two_lines_for_each_where_one_is_too_narrow)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "192.168.100.200:8443", "192.168.100.100:50000")->zerocopy_ro = 1;
	seen_add(&moment, "127.0.0.1:8443", "127.0.0.1:51");

	expect(&moment, &plain_look,
	       "STATE  LOCAL                 PEER\n"
	       "       TLS  CIPHER       TX        RX\n"
	       "ESTAB  192.168.100.200:8443  192.168.100.100:50000\n"
	       "       1.3  AES-128-GCM  software  software\n"
	       "       zerocopy\n"
	       "ESTAB  127.0.0.1:8443        127.0.0.1:51\n"
	       "       1.3  AES-128-GCM  software  software\n");
}

Test(unit, no_key_yet_is_not_the_same_as_not_told)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");

	socket->protocol = 0;
	socket->cipher = NULL;
	socket->mode[KTLS_TX] = KTLS_DIAG_NONE;
	socket->mode[KTLS_RX] = KTLS_DIAG_NONE;
	socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:3");
	socket->told = KTLS_DIAG_TOLD_TLS;
	socket->protocol = 0;
	socket->cipher = NULL;
	socket->mode[KTLS_TX] = KTLS_DIAG_UNKNOWN;
	socket->mode[KTLS_RX] = KTLS_DIAG_UNKNOWN;

	expect(&moment, &plain_look,
	       "STATE  LOCAL        PEER         TLS  CIPHER  TX       RX\n"
	       "ESTAB  127.0.0.1:1  127.0.0.1:2  -    -       none     none\n"
	       "ESTAB  127.0.0.1:1  127.0.0.1:3  ?    ?       unknown  unknown\n");
}

Test(unit, what_is_special_is_below_the_row)
{
	struct stat_moment moment = seen_nothing();
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");

	socket->tcp_receive_queue = 5;
	socket->tcp_send_queue = 4096;
	socket->zerocopy_ro = 1;
	socket->expect_no_pad = 1;
	socket->tx_max_payload_len = 1024;
	socket->ifindex = 2;
	seen_own(&moment, 77, "nginx", 9);

	expect(&moment, &plain_look,
	       "STATE  LOCAL        PEER         TLS  CIPHER       TX        RX\n"
	       "ESTAB  127.0.0.1:1  127.0.0.1:2  1.3  AES-128-GCM  software  software\n"
	       "       recv-q 5  send-q 4096  zerocopy  no-pad  max-payload 1024  interface 2\n"
	       "       \"nginx\" pid 77 fd 9\n");
}

Test(unit, a_name_that_a_process_gave_itself_is_quoted)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	seen_own(&moment, 77, "\x1b[2J\"\n\xff", 9);

	expect(&moment, &plain_look,
	       "STATE  LOCAL        PEER         TLS  CIPHER       TX        RX\n"
	       "ESTAB  127.0.0.1:1  127.0.0.1:2  1.3  AES-128-GCM  software  software\n"
	       "       \"\\x1b[2J\\x22\\x0a\\xff\" pid 77 fd 9\n");
}

Test(unit, what_tcp_knows)
{
	struct stat_moment moment = seen_nothing();
	struct stat_look look = { .columns = 80, .extended = true };

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2")->tcp_not_sent = 9;

	expect(&moment, &look,
	       "STATE  LOCAL        PEER         TLS  CIPHER       TX        RX\n"
	       "ESTAB  127.0.0.1:1  127.0.0.1:2  1.3  AES-128-GCM  software  software\n"
	       "       uid 1000  inode 4711  cookie 1001  rtt 1.234/0.500 ms  cwnd 10  mss 1448\n"
	       "       retransmits 3  not-sent 9  acked 5000000000  received 77\n"
	       "       rate 123456789 B/s\n");
}

Test(unit, what_tcp_did_not_tell_is_not_said)
{
	struct stat_moment moment = seen_nothing();
	struct stat_look look = { .columns = 80, .extended = true };
	struct ktls_diag_socket *socket = seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");

	socket->told &= ~(uint32_t)KTLS_DIAG_TOLD_TCP;
	socket->tcp_receive_queue = 5;

	expect(&moment, &look,
	       "STATE  LOCAL        PEER         TLS  CIPHER       TX        RX\n"
	       "ESTAB  127.0.0.1:1  127.0.0.1:2  1.3  AES-128-GCM  software  software\n"
	       "       uid 1000  inode 4711  cookie 1001\n");
}

Test(unit, long_addresses_go_on_in_the_next_line)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "[2001:db8:1111:2222:3333:4444:5555:6666]:8443",
		 "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:50000");
	seen_add(&moment, "[::1]:8443", "[::1]:50000");

	expect(&moment, &plain_look,
	       "STATE  LOCAL                                PEER\n"
	       "       TLS  CIPHER       TX        RX\n"
	       "ESTAB  [2001:db8:1111:2222:3333:4444:5555:6666]:8443\n"
	       "       [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:50000\n"
	       "       1.3  AES-128-GCM  software  software\n"
	       "ESTAB  [::1]:8443                           [::1]:50000\n"
	       "       1.3  AES-128-GCM  software  software\n");
}

Test(unit, no_line_is_too_long_and_no_address_is_cut)
{
	static const char *const addresses[] = {
		"[2001:db8:1111:2222:3333:4444:5555:6666]:8443",
		"[fe80::1111:2222:3333:4444%4294967295]:65535",
		"[fe80:1111:1111:1111:1111:2222:3333:4444%4294967295]:65535",
		"255.255.255.255:65535",
		"[::1]:1",
	};
	enum {
		N = sizeof(addresses) / sizeof(*addresses),
	};

	for (unsigned int columns = 70; columns <= 200; columns += 5) {
		for (size_t i = 0; i < N * N; i++) {
			struct stat_moment moment = seen_nothing();
			struct ktls_diag_socket *socket =
				seen_add(&moment, addresses[i / N], addresses[i % N]);
			char *text;

			socket->cipher = "CHACHA20-POLY1305";
			text = print(&moment,
				     &(struct stat_look){ .columns = columns, .extended = true });
			cr_expect_leq(longest_line(text), columns, "%u:\n%s", columns, text);
			cr_expect(strstr(text, addresses[i / N]));
			cr_expect(strstr(text, addresses[i % N]));
			cr_expect(strstr(text, "CHACHA20-POLY1305"));
			free(text);
			stat_moment_done(&moment);
		}
	}
}

Test(unit, several_namespaces_are_named)
{
	struct stat_moment moment = seen_nothing();

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2");
	seen_add_place(&moment, "blue\n");
	seen_add(&moment, "127.0.0.1:3", "127.0.0.1:4");

	expect(&moment, &plain_look,
	       "STATE  LOCAL        PEER         TLS  CIPHER       TX        RX\n"
	       "this namespace:\n"
	       "ESTAB  127.0.0.1:1  127.0.0.1:2  1.3  AES-128-GCM  software  software\n"
	       "namespace \"blue\\x0a\":\n"
	       "ESTAB  127.0.0.1:3  127.0.0.1:4  1.3  AES-128-GCM  software  software\n");
}

Test(unit, colors_are_nothing_but_colors)
{
	struct stat_moment moment = seen_nothing();
	char *plain, *colored;
	size_t n = 0;

	seen_add(&moment, "127.0.0.1:1", "127.0.0.1:2")->mode[KTLS_TX] = KTLS_DIAG_DEVICE;
	seen_add_plain(&moment);
	plain = print(&moment, &plain_look);
	colored = print(&moment, &(struct stat_look){ .columns = 80, .color = true });

	cr_expect(strchr(colored, '\x1b'));
	cr_expect_not(strchr(plain, '\x1b'));
	for (char *at = colored; *at;) {
		if (*at == '\x1b')
			at += strcspn(at, "m") + 1;
		else
			colored[n++] = *at++;
	}
	colored[n] = '\0';
	cr_expect_str_eq(colored, plain);
	free(plain);
	free(colored);
	stat_moment_done(&moment);
}
