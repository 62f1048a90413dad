/* SPDX-License-Identifier: MIT */

/* Addresses and URLs, each as a table. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "address.h"

Test(unit, host_and_port)
{
	static const struct {
		const char *text;
		int result;
		const char *host, *port;
	} rows[] = {
		{ "127.0.0.1:80", 0, "127.0.0.1", "80" },
		{ "localhost:0", 0, "localhost", "0" },
		{ "[::1]:65535", 0, "::1", "65535" },
		{ "[::1]", 0, "::1", "" },
		{ ":8443", 0, "", "8443" },
		{ "localhost", 0, "localhost", "" },
		{ "", 0, "", "" },
		{ "localhost:", -EINVAL, NULL, NULL },
		{ "localhost:65536", -EINVAL, NULL, NULL },
		{ "localhost:123456", -EINVAL, NULL, NULL },
		{ "localhost:http", -EINVAL, NULL, NULL },
		{ "localhost:-1", -EINVAL, NULL, NULL },
		{ "localhost: 1", -EINVAL, NULL, NULL },
		{ "::1", -EINVAL, NULL, NULL },
		{ "::1:80", -EINVAL, NULL, NULL },
		{ "[::1", -EINVAL, NULL, NULL },
		{ "[::1]80", -EINVAL, NULL, NULL },
		{ "[]:80", -EINVAL, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct address address;
		int r = address_parse(&address, rows[i].text, strlen(rows[i].text));

		cr_expect_eq(r, rows[i].result, "%s: %d", rows[i].text, r);
		if (r || !rows[i].host)
			continue;
		cr_expect_str_eq(address.host, rows[i].host, "%s", rows[i].text);
		cr_expect_str_eq(address.port, rows[i].port, "%s", rows[i].text);
	}
}

Test(unit, the_longest_host_fits_and_one_more_byte_does_not)
{
	char text[ADDRESS_LIMIT_HOST + 2];
	struct address address;

	memset(text, 'a', sizeof(text));

	cr_expect_eq(address_parse(&address, text, ADDRESS_LIMIT_HOST), 0);
	cr_expect_eq(strlen(address.host), ADDRESS_LIMIT_HOST);
	cr_expect_eq(address_parse(&address, text, ADDRESS_LIMIT_HOST + 1), -EINVAL);
}

Test(unit, urls)
{
	static const struct {
		const char *text;
		int result;
		const char *host, *port, *authority, *target;
	} rows[] = {
		{ "https://a/b", 0, "a", "443", "a", "/b" },
		{ "HTTPS://a:8443/b/c?d=e#f", 0, "a", "8443", "a:8443", "/b/c?d=e" },
		{ "https://a", 0, "a", "443", "a", "" },
		{ "https://a?b", 0, "a", "443", "a", "?b" },
		{ "https://a#b", 0, "a", "443", "a", "" },
		{ "https://[::1]:1/b", 0, "::1", "1", "[::1]:1", "/b" },
		{ "https://a/b@c:d", 0, "a", "443", "a", "/b@c:d" },
		{ "http://a/b", -EPROTONOSUPPORT, NULL, NULL, NULL, NULL },
		{ "ftp://a/b", -EPROTONOSUPPORT, NULL, NULL, NULL, NULL },
		{ "https:a", -EINVAL, NULL, NULL, NULL, NULL },
		{ "a/b", -EINVAL, NULL, NULL, NULL, NULL },
		{ "", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https:///b", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://:443/b", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://a:/b", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://user@a/b", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://user:word@a/b", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://a/b c", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://a/b\r\nX: y", -EINVAL, NULL, NULL, NULL, NULL },
		{ "https://a/\xc3\xa4", -EINVAL, NULL, NULL, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct url url;
		char part[64];
		int r = url_parse(&url, rows[i].text);

		cr_expect_eq(r, rows[i].result, "%s: %d", rows[i].text, r);
		if (r || !rows[i].host)
			continue;
		cr_expect_str_eq(url.address.host, rows[i].host, "%s", rows[i].text);
		cr_expect_str_eq(url.address.port, rows[i].port, "%s", rows[i].text);
		snprintf(part, sizeof(part), "%.*s", (int)url.authority_len, url.authority);
		cr_expect_str_eq(part, rows[i].authority, "%s", rows[i].text);
		snprintf(part, sizeof(part), "%.*s", (int)url.target_len, url.target);
		cr_expect_str_eq(part, rows[i].target, "%s", rows[i].text);
	}
}
