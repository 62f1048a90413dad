/* SPDX-License-Identifier: MIT */

/* Whole connections, both ends in userspace protection: runs on any kernel. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "pair.h"

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

Test(unit, every_protocol_and_cipher_moves_bytes_both_ways_and_ends)
{
	for (int i = 0; i < 2 * _KTLS_CIPHER_N; i++) {
		struct pair_options options = PAIR_OPTIONS_USER;
		struct ktls_info info;

		options.protocol = protocols[i / _KTLS_CIPHER_N];
		options.cipher = i % _KTLS_CIPHER_N;
		struct pair pair = pair_open(&options);

		pair_move(&pair, PAIR_CLIENT, 300000, 70000);
		pair_move(&pair, PAIR_SERVER, 300000, 1000);
		cr_assert(!ktls_conn_get_info(pair.conn[0], &info, sizeof(info)));
		cr_assert(info.protocol == options.protocol && info.cipher == options.cipher,
			  "%s: got %s %s", pair_name(&options), ktls_protocol_name(info.protocol),
			  info.suite);
		cr_assert(info.protection[KTLS_TX] == KTLS_PROTECTION_USER);
		cr_assert(info.bytes[KTLS_TX] == 300000 && info.bytes[KTLS_RX] == 300000);
		pair_close(&pair);
		pair_free(&pair);
	}
}

Test(unit, the_smallest_buffers_take_every_want_path)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.buffer_bytes = 2048;
	struct pair pair = pair_open(&options);

	pair_move(&pair, PAIR_CLIENT, 1000000, 200000);
	pair_move(&pair, PAIR_SERVER, 1000000, 17);
	pair_close(&pair);
	pair_free(&pair);
}
