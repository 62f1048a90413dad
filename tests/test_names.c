/* SPDX-License-Identifier: MIT */

/*
 * Which names are names, and which certificate is for which (RFC 9525). Each row of the table is a
 * real handshake, in both versions: the client's code, and the alert that the server hears.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/ktls.h>

#include "names.h"
#include "outcome.h"
#include "pair.h"
#include "pki.h"

#define V4	 "\xc0\x00\x02\x01"
#define V6	 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define MAPPED	 "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
#define A_LABELS "xn--bcher-kva.example"

enum {
	SANS_MAX = 3,
	NO_SAN = -1,
};

struct row {
	const char *what;
	const char *asked;
	bool fits;
	const char *cn;
	int n;
	struct pki_san sans[SANS_MAX];
};

static const struct row rows[] = {
	{ "its name", "www.example.org", true, "x", 1, { { PKI_SAN_DNS, "www.example.org", 0 } } },
	{ "the last of three",
	  "c.example.org",
	  true,
	  "x",
	  3,
	  { { PKI_SAN_DNS, "a.example.org", 0 },
	    { PKI_SAN_IP, V4, 4 },
	    { PKI_SAN_DNS, "c.example.org", 0 } } },
	{ "another name", "example.org", false, "x", 1, { { PKI_SAN_DNS, "other.example", 0 } } },
	{ "a name above", "example.org", false, "x", 1, { { PKI_SAN_DNS, "www.example.org", 0 } } },
	{ "a name below", "www.example.org", false, "x", 1, { { PKI_SAN_DNS, "example.org", 0 } } },
	{ "an end of it", "example.org", false, "x", 1, { { PKI_SAN_DNS, "ample.org", 0 } } },

	{ "a wildcard", "www.example.org", true, "x", 1, { { PKI_SAN_DNS, "*.example.org", 0 } } },
	{ "a wildcard in capitals",
	  "WWW.example.org",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*.EXAMPLE.org", 0 } } },
	{ "a wildcard for an A-label",
	  "b\xc3\xbc"
	  "cher.example.org",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*.example.org", 0 } } },
	{ "a wildcard for two labels",
	  "a.b.example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*.example.org", 0 } } },
	{ "a wildcard for no label",
	  "example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*.example.org", 0 } } },
	{ "a wildcard as the end of a label",
	  "www.example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*ww.example.org", 0 } } },
	{ "a wildcard as the beginning of a label",
	  "www.example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "w*.example.org", 0 } } },
	{ "a wildcard as the second label",
	  "www.example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "www.*.org", 0 } } },
	{ "two wildcards", "a.b.example", false, "x", 1, { { PKI_SAN_DNS, "*.*.example", 0 } } },
	{ "a wildcard below the root", "localhost", false, "x", 1, { { PKI_SAN_DNS, "*", 0 } } },
	{ "a wildcard for all of org",
	  "example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*.org", 0 } } },
	{ "a wildcard with nothing behind it",
	  "example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*.", 0 } } },

	{ "IPv4", "192.0.2.1", true, "x", 1, { { PKI_SAN_IP, V4, 4 } } },
	{ "another IPv4", "192.0.2.2", false, "x", 1, { { PKI_SAN_IP, V4, 4 } } },
	{ "IPv4 as a DNS name", "192.0.2.1", false, "x", 1, { { PKI_SAN_DNS, "192.0.2.1", 0 } } },
	{ "IPv4 as text", "192.0.2.1", false, "x", 1, { { PKI_SAN_IP, "192.0.2.1", 0 } } },
	{ "IPv4 as the CN", "192.0.2.1", false, "192.0.2.1", NO_SAN, { { 0 } } },
	{ "IPv4 by a wildcard", "192.0.2.1", false, "x", 1, { { PKI_SAN_DNS, "*.0.2.1", 0 } } },
	{ "IPv6", "2001:db8::1", true, "x", 1, { { PKI_SAN_IP, V6, 16 } } },
	{ "IPv6 in full, in capitals",
	  "2001:0DB8:0:0:0:0:0:1",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_IP, V6, 16 } } },
	{ "another IPv6", "2001:db8::2", false, "x", 1, { { PKI_SAN_IP, V6, 16 } } },
	{ "IPv6 as a DNS name",
	  "2001:db8::1",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "2001:db8::1", 0 } } },
	{ "IPv4 within IPv6", "192.0.2.1", false, "x", 1, { { PKI_SAN_IP, MAPPED, 16 } } },
	{ "a name whose bytes are an address",
	  "abcd",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_IP, "abcd", 4 } } },

	{ "a dot at the end, asked",
	  "example.org.",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "example.org", 0 } } },
	{ "a dot at the end, certified",
	  "example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "example.org.", 0 } } },
	{ "capitals, asked", "EXAMPLE.Org", true, "x", 1, { { PKI_SAN_DNS, "example.org", 0 } } },
	{ "capitals, certified",
	  "example.org",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "ExAmPle.ORG", 0 } } },

	{ "an IDN, as UTF-8",
	  "b\xc3\xbc"
	  "cher.example",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, A_LABELS, 0 } } },
	{ "an IDN in capitals",
	  "B\xc3\x9c"
	  "CHER.example",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, A_LABELS, 0 } } },
	{ "an IDN, decomposed",
	  "bu\xcc\x88"
	  "cher.example",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, A_LABELS, 0 } } },
	{ "an IDN, as A-labels", A_LABELS, true, "x", 1, { { PKI_SAN_DNS, A_LABELS, 0 } } },
	{ "an IDN with its own dots",
	  "b\xc3\xbc"
	  "cher\xe3\x80\x82"
	  "example",
	  true,
	  "x",
	  1,
	  { { PKI_SAN_DNS, A_LABELS, 0 } } },
	{ "an IDN certified as UTF-8",
	  "b\xc3\xbc"
	  "cher.example",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS,
	      "b\xc3\xbc"
	      "cher.example",
	      0 } } },

	{ "the CN only", "example.org", false, "example.org", NO_SAN, { { 0 } } },
	{ "the CN beside another kind of name",
	  "example.org",
	  false,
	  "example.org",
	  2,
	  { { PKI_SAN_EMAIL, "root@example.org", 0 }, { PKI_SAN_URI, "tls://example.org", 0 } } },
	{ "the CN beside an address",
	  "example.org",
	  false,
	  "example.org",
	  1,
	  { { PKI_SAN_IP, V4, 4 } } },
	{ "an empty list of names", "example.org", false, "example.org", 0, { { 0 } } },
	{ "a NUL behind it",
	  "example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "example.org\0.evil.example", 25 } } },
	{ "a NUL at the end",
	  "example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "example.org", 12 } } },
	{ "a NUL in a wildcard",
	  "www.example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "*.example.org\0.evil.example", 27 } } },
	{ "a NUL before it",
	  "example.org",
	  false,
	  "x",
	  1,
	  { { PKI_SAN_DNS, "\0example.org", 12 } } },
};

static struct pair new_pair(const struct row *row, enum ktls_protocol protocol)
{
	struct pki_identity identity = pki_issue_for(row->cn, row->sans, row->n);
	struct pki_pem authority = pki_authority();
	struct ktls_config *client, *server;

	cr_assert(!ktls_config_new(&client, KTLS_CLIENT));
	cr_assert(!ktls_config_new(&server, KTLS_SERVER));
	cr_assert(!ktls_config_set_protocols(client, protocol, protocol));
	cr_assert(!ktls_config_add_trust(client, authority.data, authority.len));
	cr_assert(!ktls_config_add_identity(server, identity.chain.data, identity.chain.len,
					    identity.key.data, identity.key.len),
		  "%s: %s", row->what, ktls_config_error(server));
	pki_identity_free(&identity);
	return pair_join(client, server, row->asked, 0);
}

Test(unit, a_certificate_is_for_the_names_that_it_lists_and_for_no_other)
{
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i / 2];
		struct pair pair = new_pair(row, i % 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2);

		if (row->fits)
			outcome_success(&pair, row->what);
		else
			outcome_failure(&pair, PAIR_CLIENT, -KTLS_E_PEER_NAME, "bad_certificate",
					row->what);
		pair_free(&pair);
	}
}

Test(unit, names_have_one_form)
{
	static const char *const pairs[][2] = {
		{ "example.org", "example.org" },
		{ "EXAMPLE.org.", "example.org" },
		{ "localhost", "localhost" },
		{ "_sip._tcp.example.org", "_sip._tcp.example.org" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "b\xc3\xbc"
		  "cher.example",
		  A_LABELS },
		{ "B\xc3\x9c"
		  "CHER.EXAMPLE.",
		  A_LABELS },
		{ "stra\xc3\x9f"
		  "e.example",
		  "xn--strae-oqa.example" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char *name;

		cr_assert(!ktls_name_canonical(pairs[i][0], &name), "%s", pairs[i][0]);
		cr_assert_str_eq(name, pairs[i][1]);
		free(name);
	}
}

Test(unit, what_no_host_is_called_is_refused_before_anything_is_sent)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		".example.org",
		"example..org",
		"example.org..",
		"*.example.org",
		"www.example.org/",
		"www example.org",
		"user@example.org",
		"[::1]",
		"::1%lo",
		"::g",
		"example.org:443",
		"a\nb",
		"a\x7f",
		"\xff\xfe.example",	 /* no UTF-8 */
		"\xc3",			 /* half a letter */
		"\xe2\x84\x80.example",	 /* becomes a/c */
		"a\xe2\x80\xae.example", /* turns the writing around */
		"0123456789012345678901234567890123456789012345678901234567890123.example",
	};
	struct pair pair = new_pair(&rows[0], KTLS_TLS_1_3);
	char longest[256], untouched[] = "untouched", *name = untouched;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert(ktls_conn_set_server_name(pair.conn[0], bad[i]) == -EINVAL, "\"%s\"",
			  bad[i]);
		cr_assert(ktls_name_canonical(bad[i], &name) == -EINVAL);
	}
	for (size_t i = 0; i < 254; i++)
		longest[i] = i % 2 ? '.' : 'a';
	longest[253] = '\0';
	cr_assert(!ktls_conn_set_server_name(pair.conn[0], longest));
	longest[253] = 'a';
	longest[254] = '\0';
	cr_assert_eq(ktls_conn_set_server_name(pair.conn[0], longest), -EINVAL);
	cr_assert_eq(name, untouched);
	pair_free(&pair);
}

Test(unit, a_server_is_called_by_the_name_in_its_one_form)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ktls_info info;
		struct pair pair;
		char *name;

		if (!rows[i].fits)
			continue;
		pair = new_pair(&rows[i], KTLS_TLS_1_3);
		outcome_success(&pair, rows[i].what);
		cr_assert(!ktls_conn_get_info(pair.conn[PAIR_SERVER], &info, sizeof(info)));
		cr_assert(!ktls_name_canonical(rows[i].asked, &name));
		if (ktls_name_is_address(name))
			cr_assert_null(info.server_name);
		else
			cr_assert_str_eq(info.server_name, name);
		free(name);
		pair_free(&pair);
	}
}
