/* SPDX-License-Identifier: MIT */

/* Connections, by address. */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include "peers.h"

static struct ktls_address address_of(const char *text)
{
	struct ktls_address address;

	cr_assert_eq(ktls_address_parse(&address, text), 0, "%s", text);
	peers_strip(&address);
	return address;
}

Test(unit, an_address_without_its_port_and_ipv4_as_such)
{
	static const char *const rows[][2] = {
		{ "192.0.2.1:80", "192.0.2.1" },
		{ "[::ffff:192.0.2.1]:80", "192.0.2.1" },
		{ "[2001:db8::1]:80", "2001:db8::1" },
		{ "::192.0.2.1", "::c000:201" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct ktls_address address = address_of(rows[i][0]);
		char text[KTLS_ADDRESS_TEXT_LEN];
		struct ktls_address again;

		cr_assert_eq(ktls_address_format(&address, text, sizeof(text)), 0);
		cr_expect_str_eq(text, rows[i][1]);
		cr_assert_eq(ktls_address_parse(&again, text), 0);
		cr_expect_arr_eq(&address, &again, sizeof(address), "%s", text);
	}
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

static atomic_uint inside;

static void *come_and_go(void *argument)
{
	const struct ktls_address address = address_of("192.0.2.1");
	struct peers *peers = argument;
	struct peer *peer;

	for (int i = 0; i < 20000; i++) {
		if (peers_enter(peers, &address, &peer))
			continue;
		cr_assert_leq(atomic_fetch_add(&inside, 1), 1);
		atomic_fetch_sub(&inside, 1);
		peers_leave(peers, peer);
	}
	return NULL;
}

Test(unit, threads_share_one_limit)
{
	pthread_t threads[4];
	struct peers *peers;

	cr_assert_eq(peers_new(&peers, 2), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, come_and_go, peers), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	peers_free(peers);
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
