/* SPDX-License-Identifier: MIT */

/* Addresses: texts and what they are, as one table; sockets' addresses; kinds. */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <ktls/address.h>

/* `again` is how the text is written back; NULL: as it was read. */
static const struct {
	const char *text;
	int result;
	int family;
	unsigned int port;
	const char *again;
} texts[] = {
	{ "1.2.3.4", 0, AF_INET, 0, NULL },
	{ "1.2.3.4:80", 0, AF_INET, 80, NULL },
	{ "0.0.0.0", 0, AF_INET, 0, NULL },
	{ "255.255.255.255:65535", 0, AF_INET, 65535, NULL },
	{ "127.0.0.1:1", 0, AF_INET, 1, NULL },
	{ "1.2.3.4:0", 0, AF_INET, 0, "1.2.3.4" },
	{ "::", 0, AF_INET6, 0, NULL },
	{ "::1", 0, AF_INET6, 0, NULL },
	{ "1::", 0, AF_INET6, 0, NULL },
	{ "[::1]:443", 0, AF_INET6, 443, NULL },
	{ "[::]:65535", 0, AF_INET6, 65535, NULL },
	{ "[::1]", 0, AF_INET6, 0, "::1" },
	{ "[::1]:0", 0, AF_INET6, 0, "::1" },
	{ "2001:db8::1", 0, AF_INET6, 0, NULL },
	{ "2001:DB8::ABCD", 0, AF_INET6, 0, "2001:db8::abcd" },
	{ "2001:0db8:0000:0000:0000:0000:0000:0001", 0, AF_INET6, 0, "2001:db8::1" },
	{ "2001:db8:0:1:1:1:1:1", 0, AF_INET6, 0, NULL },
	{ "2001:db8::1:1:1:1:1", 0, AF_INET6, 0, "2001:db8:0:1:1:1:1:1" },
	{ "2001:0:0:1:0:0:0:1", 0, AF_INET6, 0, "2001:0:0:1::1" },
	{ "2001:db8:0:0:1:0:0:1", 0, AF_INET6, 0, "2001:db8::1:0:0:1" },
	{ "1:2:3:4:5:6:7:8", 0, AF_INET6, 0, NULL },
	{ "1:2:3:4:5:6::", 0, AF_INET6, 0, NULL },
	{ "::3:4:5:6:7:8", 0, AF_INET6, 0, NULL },
	{ "0:2:3:4:5:6:7:8", 0, AF_INET6, 0, NULL },
	{ "1:2:3:4:5:6:7:0", 0, AF_INET6, 0, NULL },
	{ "::1:2", 0, AF_INET6, 0, NULL },
	{ "::1.2.3.4", 0, AF_INET6, 0, "::102:304" },
	{ "::ffff:1.2.3.4", 0, AF_INET6, 0, NULL },
	{ "::ffff:102:304", 0, AF_INET6, 0, "::ffff:1.2.3.4" },
	{ "[::ffff:1.2.3.4]:80", 0, AF_INET6, 80, NULL },
	{ "64:ff9b::1.2.3.4", 0, AF_INET6, 0, "64:ff9b::102:304" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 0, AF_INET6, 0,
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535", 0, AF_INET6, 65535, NULL },
	{ "fe80::1%7", 0, AF_INET6, 0, NULL },
	{ "[fe80::1%7]:80", 0, AF_INET6, 80, NULL },
	{ "", -EINVAL, 0, 0, NULL },
	{ " 1.2.3.4", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4 ", -EINVAL, 0, 0, NULL },
	{ "1.2.3", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4.5", -EINVAL, 0, 0, NULL },
	{ "1.2.3.256", -EINVAL, 0, 0, NULL },
	{ "1.2.3.04", -EINVAL, 0, 0, NULL },
	{ "0x7f.0.0.1", -EINVAL, 0, 0, NULL },
	{ "2130706433", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:99999", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:65536", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:4294967376", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:080", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:+80", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:80x", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4:80:80", -EINVAL, 0, 0, NULL },
	{ "[1.2.3.4]:80", -EINVAL, 0, 0, NULL },
	{ "1.2.3.4%lo", -EINVAL, 0, 0, NULL },
	{ ":80", -EINVAL, 0, 0, NULL },
	{ "localhost", -EINVAL, 0, 0, NULL },
	{ "localhost:80", -EINVAL, 0, 0, NULL },
	{ ":::", -EINVAL, 0, 0, NULL },
	{ "1::2::3", -EINVAL, 0, 0, NULL },
	{ "1:2:3:4:5:6:7", -EINVAL, 0, 0, NULL },
	{ "1:2:3:4:5:6:7:8:9", -EINVAL, 0, 0, NULL },
	{ "12345::", -EINVAL, 0, 0, NULL },
	{ "::g", -EINVAL, 0, 0, NULL },
	{ "::ffff:1.2.3.04", -EINVAL, 0, 0, NULL },
	{ "[::1", -EINVAL, 0, 0, NULL },
	{ "::1]", -EINVAL, 0, 0, NULL },
	{ "[]", -EINVAL, 0, 0, NULL },
	{ "[]:80", -EINVAL, 0, 0, NULL },
	{ "[::1]80", -EINVAL, 0, 0, NULL },
	{ "[::1]:", -EINVAL, 0, 0, NULL },
	{ "[::1]:65536", -EINVAL, 0, 0, NULL },
	{ "[[::1]]:80", -EINVAL, 0, 0, NULL },
	{ "fe80::1%", -EINVAL, 0, 0, NULL },
	{ "fe80::1%0", -EINVAL, 0, 0, NULL },
	{ "fe80::1%07", -EINVAL, 0, 0, NULL },
	{ "fe80::1%4294967296", -EINVAL, 0, 0, NULL },
	{ "fe80::1%a-name-too-long-for-any", -EINVAL, 0, 0, NULL },
	{ "fe80::1%no-such-one", -ENODEV, 0, 0, NULL },
};

Test(unit, texts_are_read_strictly_and_written_canonically)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ktls_address address = { .family = 77 }, back;
		char text[KTLS_ADDRESS_TEXT_LEN];
		int r = ktls_address_parse(&address, texts[i].text);

		cr_assert_eq(r, texts[i].result, "%s: %d", texts[i].text, r);
		if (r) {
			cr_assert_eq(address.family, 77, "%s: touched", texts[i].text);
			continue;
		}
		cr_assert_eq(address.family, texts[i].family, "%s", texts[i].text);
		cr_assert_eq(address.port, texts[i].port, "%s", texts[i].text);
		cr_assert_eq(ktls_address_format(&address, text, sizeof(text)), 0);
		cr_assert_str_eq(text, texts[i].again ? texts[i].again : texts[i].text);
		cr_assert_eq(ktls_address_parse(&back, text), 0, "%s", text);
		cr_assert_eq(memcmp(&address, &back, sizeof(back)), 0, "%s", text);
	}
}

/* Of addresses that are full of zeros in all places; libc writes them the same, but for those
 * that it takes for IPv4 without being told (::0.0.0.0 to ::255.255.255.255). */
Test(unit, what_is_written_is_read_back_and_is_what_libc_writes)
{
	static const uint8_t ipv4_prefix[12];

	srand(1);
	for (int i = 0; i < 100000; i++) {
		struct ktls_address address = { .family = AF_INET6 }, back;
		char text[KTLS_ADDRESS_TEXT_LEN], libcs[INET6_ADDRSTRLEN];

		for (size_t j = 0; j < sizeof(address.bytes); j++)
			address.bytes[j] = (uint8_t)(rand() % 3 ? 0 : rand());
		cr_assert_eq(ktls_address_format(&address, text, sizeof(text)), 0);
		cr_assert_eq(ktls_address_parse(&back, text), 0, "%s", text);
		cr_assert_eq(memcmp(&address, &back, sizeof(back)), 0, "%s", text);
		if (!memcmp(address.bytes, ipv4_prefix, sizeof(ipv4_prefix)))
			continue;
		inet_ntop(AF_INET6, address.bytes, libcs, sizeof(libcs));
		cr_assert_str_eq(text, libcs);
	}
}

Test(unit, a_zone_may_be_named)
{
	struct ktls_address address;
	char text[KTLS_ADDRESS_TEXT_LEN], wanted[KTLS_ADDRESS_TEXT_LEN];

	cr_assert_eq(ktls_address_parse(&address, "[fe80::1%lo]:443"), 0);

	cr_assert_eq(address.scope_id, if_nametoindex("lo"));
	snprintf(wanted, sizeof(wanted), "[fe80::1%%%u]:443", if_nametoindex("lo"));
	cr_assert_eq(ktls_address_format(&address, text, sizeof(text)), 0);
	cr_assert_str_eq(text, wanted);
}

Test(unit, a_text_fits_exactly_or_is_not_begun)
{
	static const char *const rows[] = { "1.2.3.4", "1.2.3.4:80", "::1", "[fe80::1%7]:80" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t len = strlen(rows[i]);
		struct ktls_address address;
		char text[KTLS_ADDRESS_TEXT_LEN] = "untouched";

		cr_assert_eq(ktls_address_parse(&address, rows[i]), 0);
		for (size_t size = 0; size <= len; size++)
			cr_assert_eq(ktls_address_format(&address, text, size), -ENOSPC);
		cr_assert_str_eq(text, "untouched");
		cr_assert_eq(ktls_address_format(&address, text, len + 1), 0);
		cr_assert_str_eq(text, rows[i]);
	}
}

Test(unit, the_longest_text_fits)
{
	static const char longest[] = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";

	cr_assert_leq(sizeof(longest), KTLS_ADDRESS_TEXT_LEN);
}

Test(unit, a_sockets_address_is_the_same_there_and_back)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ktls_address address, back;
		struct sockaddr_storage sockaddr;
		socklen_t len;

		if (ktls_address_parse(&address, texts[i].text))
			continue;
		cr_assert_eq(ktls_address_to_sockaddr(&address, &sockaddr, &len), 0);
		cr_assert_eq(len, address.family == AF_INET ? sizeof(struct sockaddr_in)
							    : sizeof(struct sockaddr_in6));
		cr_assert_eq(ktls_address_from_sockaddr(&back, (struct sockaddr *)&sockaddr, len),
			     0);
		cr_assert_eq(memcmp(&address, &back, sizeof(back)), 0, "%s", texts[i].text);
		cr_assert_eq(ktls_address_from_sockaddr(&back, (struct sockaddr *)&sockaddr,
							len - 1),
			     -EINVAL);
	}
}

Test(unit, a_bound_socket_says_its_address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ktls_address address, back;
	struct sockaddr_storage sockaddr;
	socklen_t len;

	cr_assert_eq(ktls_address_parse(&address, "127.0.0.1"), 0);
	cr_assert_eq(ktls_address_to_sockaddr(&address, &sockaddr, &len), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sockaddr, len), 0);
	len = sizeof(sockaddr);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sockaddr, &len), 0);
	cr_assert_eq(ktls_address_from_sockaddr(&back, (struct sockaddr *)&sockaddr, len), 0);

	cr_assert_neq(back.port, 0);
	back.port = 0;
	cr_assert_eq(memcmp(&address, &back, sizeof(back)), 0);
}

Test(unit, what_is_no_ip_address_is_refused)
{
	struct sockaddr_storage sockaddr = { .ss_family = AF_UNIX };
	struct ktls_address address, none = { .family = 0 };
	char text[KTLS_ADDRESS_TEXT_LEN];
	socklen_t len;

	cr_assert_eq(ktls_address_from_sockaddr(&address, (struct sockaddr *)&sockaddr,
						sizeof(sockaddr)),
		     -EAFNOSUPPORT);
	cr_assert_eq(ktls_address_from_sockaddr(&address, (struct sockaddr *)&sockaddr, 0),
		     -EINVAL);
	cr_assert_eq(ktls_address_from_sockaddr(&address, NULL, sizeof(sockaddr)), -EINVAL);
	cr_assert_eq(ktls_address_to_sockaddr(&none, &sockaddr, &len), -EINVAL);
	cr_assert_eq(ktls_address_to_sockaddr(NULL, &sockaddr, &len), -EINVAL);
	cr_assert_eq(ktls_address_format(&none, text, sizeof(text)), -EINVAL);
	cr_assert_eq(ktls_address_format(NULL, text, sizeof(text)), -EINVAL);
	cr_assert_eq(ktls_address_parse(&address, NULL), -EINVAL);
	cr_assert_eq(ktls_address_parse(NULL, "::"), -EINVAL);
	cr_assert(!ktls_address_is_any(&none));
	cr_assert(!ktls_address_is_loopback(&none));
	cr_assert(!ktls_address_is_multicast(&none));
}

Test(unit, kinds)
{
	static const struct {
		const char *text;
		bool loopback, any, multicast;
	} rows[] = {
		{ "127.0.0.1", true, false, false },
		{ "127.255.255.254", true, false, false },
		{ "126.0.0.1", false, false, false },
		{ "0.0.0.0", false, true, false },
		{ "0.0.0.1", false, false, false },
		{ "224.0.0.1", false, false, true },
		{ "239.255.255.255", false, false, true },
		{ "240.0.0.0", false, false, false },
		{ "223.255.255.255", false, false, false },
		{ "::1", true, false, false },
		{ "::2", false, false, false },
		{ "::", false, true, false },
		{ "ff02::1", false, false, true },
		{ "fe80::1", false, false, false },
		{ "::ffff:127.0.0.1", true, false, false },
		{ "::ffff:0.0.0.0", false, true, false },
		{ "::ffff:224.0.0.1", false, false, true },
		{ "::ffff:1.2.3.4", false, false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_address address;

		cr_assert_eq(ktls_address_parse(&address, rows[i].text), 0);
		cr_expect_eq(ktls_address_is_loopback(&address), rows[i].loopback, "%s",
			     rows[i].text);
		cr_expect_eq(ktls_address_is_any(&address), rows[i].any, "%s", rows[i].text);
		cr_expect_eq(ktls_address_is_multicast(&address), rows[i].multicast, "%s",
			     rows[i].text);
	}
}
