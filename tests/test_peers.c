/* SPDX-License-Identifier: MIT */

/* Connections, by address. */

#include <errno.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include "peers.h"

static struct ktls_address address_of(const char *text)
{
	struct ktls_address address;

	cr_assert_eq(ktls_address_parse(&address, text), 0, "%s", text);
	return address;
}

Test(unit, each_address_has_its_limit)
{
	const struct ktls_address a = address_of("192.0.2.1"), b = address_of("192.0.2.2");
	struct peer *first, *second, *other, *third = NULL;
	struct peers *peers;

	cr_assert_eq(peers_new(&peers, 2), 0);
	cr_expect_eq(peers_enter(peers, &a, &first), 0);
	cr_expect_eq(peers_enter(peers, &a, &second), 0);
	cr_expect_eq(peers_enter(peers, &a, &third), -EUSERS);
	cr_expect_null(third);
	cr_expect_eq(peers_enter(peers, &b, &other), 0);

	peers_leave(peers, first);
	cr_expect_eq(peers_enter(peers, &a, &third), 0);
	peers_leave(peers, second);
	peers_leave(peers, third);
	peers_leave(peers, other);
	peers_leave(peers, NULL);
	peers_free(peers);
}

Test(unit, what_counts_as_one_address)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1:80", true },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "2001:db8::1", "2001:db8::2", true },
		{ "2001:db8::1", "2001:db8:0:0:ffff::", true },
		{ "2001:db8::1", "2001:db8:0:1::1", false },
		{ "0.0.0.1", "::1", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct ktls_address a = address_of(rows[i].a), b = address_of(rows[i].b);
		struct peer *first, *second = NULL;
		struct peers *peers;

		cr_assert_eq(peers_new(&peers, 1), 0);
		cr_assert_eq(peers_enter(peers, &a, &first), 0);
		cr_expect_eq(peers_enter(peers, &b, &second), rows[i].same ? -EUSERS : 0, "%s, %s",
			     rows[i].a, rows[i].b);
		peers_leave(peers, second);
		peers_leave(peers, first);
		peers_free(peers);
	}
}

Test(unit, very_many_addresses)
{
	enum {
		N = 20000
	};
	static struct peer *list[N];
	struct peers *peers;

	cr_assert_eq(peers_new(&peers, 1), 0);
	for (unsigned int i = 0; i < N; i++) {
		struct ktls_address address = { .family = AF_INET,
						.bytes = { 10, (uint8_t)(i >> 16),
							   (uint8_t)(i >> 8), (uint8_t)i } };

		cr_assert_eq(peers_enter(peers, &address, &list[i]), 0);
	}
	for (unsigned int i = 0; i < N; i++)
		peers_leave(peers, list[i]);
	peers_free(peers);
}
