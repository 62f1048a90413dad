/* SPDX-License-Identifier: MIT */

/*
 * Real kernels, of which one call is made to refuse: the ULP, one key, or the second key after a
 * first one was set for good. What is in the kernel stays there, what is not goes on in userspace.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "kit.h"
#include "pair.h"
#include "refusal.h"

enum {
	MOVED = 200000,
	STRIDE = 5, /* rows: an emulator does not do all; prime to the table's width */
};

static struct ktls_sys real;
static bool armed;

static int refusing_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	enum refusal_option option = refusal_option(level, name);

	if (!armed || option == REFUSAL_OPTIONS_N || !refusal[option])
		return real.setsockopt(fd, level, name, value, len);
	errno = refusal[option];
	return -1;
}

static void install(void)
{
	struct ktls_probe probe;

	kit_require_tls();
	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	real = ktls_sys;
	ktls_sys.setsockopt = refusing_setsockopt;
	armed = true;
}

TestSuite(kernel, .init = install);

static void refuse(const struct refusal_case *row)
{
	for (int i = 0; i < REFUSAL_OPTIONS_N; i++)
		refusal[i] = i == (int)row->option ? row->error : 0;
}

/* Only the option's direction wants the kernel: the other end and direction say never. */
static struct pair new_pair(const struct refusal_case *row, enum ktls_offload when)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = row->protocol;
	options.cipher = KTLS_AES_128_GCM;
	if (row->option != REFUSAL_RX)
		options.tx[row->end] = when;
	if (row->option != REFUSAL_TX)
		options.rx[row->end] = when;
	return pair_new(&options);
}

/* An errno that the real getsockopt contradicts means something else than in the table. */
static bool is_plain(const struct refusal_case *row)
{
	return row->option != REFUSAL_ULP || row->error != EEXIST;
}

Test(kernel, a_refusal_is_a_fact_where_the_kernel_is_only_preferred)
{
	for (int i = 0; i < REFUSAL_OPTIONS_N * REFUSAL_ERRORS_N * 4; i += STRIDE) {
		struct refusal_case row = refusal_case(i);

		if (!is_plain(&row))
			continue;
		refuse(&row);
		struct pair pair = new_pair(&row, KTLS_OFFLOAD_AT_ONCE);

		refusal_is_a_fact(&pair, &row);
		pair_free(&pair);
	}
}

Test(kernel, a_refusal_fails_the_handshake_where_the_kernel_is_required)
{
	for (int i = 0; i < REFUSAL_OPTIONS_N * REFUSAL_ERRORS_N * 4; i += STRIDE) {
		struct refusal_case row = refusal_case(i);

		if (!is_plain(&row))
			continue;
		refuse(&row);
		struct pair pair = new_pair(&row, KTLS_OFFLOAD_REQUIRED);

		refusal_is_an_error(&pair, &row);
		pair_free(&pair);
	}
}

static const char *const direction_names[] = { "TX", "RX" };

/* Both directions of an end want the kernel, and one of them is refused. */
static struct pair new_half(enum ktls_direction refused, int error, enum pair_end end,
			    enum ktls_protocol protocol, enum ktls_offload when)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	refusal[REFUSAL_ULP] = 0;
	refusal[REFUSAL_TX] = refused == KTLS_TX ? error : 0;
	refusal[REFUSAL_RX] = refused == KTLS_RX ? error : 0;
	options.protocol = protocol;
	options.cipher = KTLS_AES_128_GCM;
	options.tx[end] = options.rx[end] = when;
	return pair_new(&options);
}

static void goes_on_in_halves(enum ktls_direction refused, enum pair_end end,
			      enum ktls_protocol protocol)
{
	struct pair pair = new_half(refused, ENOMEM, end, protocol, KTLS_OFFLOAD_AT_ONCE);
	struct ktls_info info;
	int rc[2];

	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1], "%s %s", ktls_conn_error(pair.conn[0]),
		  ktls_conn_error(pair.conn[1]));
	pair_move(&pair, PAIR_CLIENT, MOVED, 30000);
	pair_move(&pair, PAIR_SERVER, MOVED, 30000);
	cr_assert(!ktls_conn_get_info(pair.conn[end], &info, sizeof(info)));
	cr_assert(info.protection[refused] == KTLS_PROTECTION_USER &&
			  info.protection[!refused] == KTLS_PROTECTION_KERNEL,
		  "%s refused: TX %s, RX %s", direction_names[refused],
		  ktls_protection_name(info.protection[KTLS_TX]),
		  ktls_protection_name(info.protection[KTLS_RX]));
	cr_assert(info.reason[refused] == KTLS_REASON_NO_MEMORY &&
		  info.reason_errno[refused] == ENOMEM);
	cr_assert(info.reason[!refused] == KTLS_REASON_NONE && !info.reason_errno[!refused]);
	pair_close(&pair);
	pair_free(&pair);
}

Test(kernel, one_direction_refused_leaves_the_other_in_the_kernel)
{
	for (int i = 0; i < 8; i++)
		goes_on_in_halves(i & 1 ? KTLS_RX : KTLS_TX, i & 2 ? PAIR_SERVER : PAIR_CLIENT,
				  i & 4 ? KTLS_TLS_1_3 : KTLS_TLS_1_2);
}

/* TX is in the kernel for good when RX is refused: the alert leaves through the kernel. */
Test(kernel, the_second_key_refused_where_required_ends_with_an_alert_from_the_kernel)
{
	for (int i = 0; i < 4; i++) {
		const struct refusal_case row = {
			.option = REFUSAL_RX,
			.error = ENOMEM,
			.end = i & 1 ? PAIR_SERVER : PAIR_CLIENT,
			.protocol = i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2,
		};
		uint64_t keyed = kit_tls_stat("TlsTxSw");
		struct pair pair =
			new_half(KTLS_RX, ENOMEM, row.end, row.protocol, KTLS_OFFLOAD_REQUIRED);

		refusal_is_an_error(&pair, &row);
		cr_assert(kit_tls_stat("TlsTxSw") == keyed + 1, "TX was to be in the kernel");
		pair_free(&pair);
	}
}
