/* SPDX-License-Identifier: MIT */

/*
 * Connections that want a NIC, on kernels that have TLS and no NIC that could: refused as they are;
 * where the loopback is said to be able, the kernel takes the key itself, and says so; and where it
 * is said to have given it away, the connection goes on as any other.
 */

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include <criterion/criterion.h>

#include <ktls/ktls.h>

#include "tests/kit.h"
#include "tests/nic.h"
#include "tests/pair.h"

enum {
	MOVED = 200000,
	CHUNK = 30000,
};

static void install(void)
{
	struct ktls_probe probe;

	kit_require_tls();
	cr_assert(!ktls_probe(&probe, sizeof(probe)));
	nic_begin();
}

TestSuite(kernel, .init = install);

static void say_able(void)
{
	nic_say_features(if_nametoindex("lo"), KTLS_DEVICE_ON, KTLS_DEVICE_ON, KTLS_DEVICE_ABSENT);
}

static struct pair new_pair(enum ktls_protocol protocol, bool tx, bool rx)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	options.protocol = protocol;
	options.cipher = KTLS_AES_128_GCM;
	if (tx)
		options.tx[PAIR_CLIENT] = KTLS_OFFLOAD_NIC;
	if (rx)
		options.rx[PAIR_CLIENT] = KTLS_OFFLOAD_NIC;
	return pair_new(&options);
}

static struct ktls_info handshake(struct pair *pair, int expected)
{
	struct ktls_info info;
	int rc[2];

	pair_handshake(pair, rc);
	cr_assert_eq(rc[PAIR_CLIENT], expected, "%s", ktls_conn_error(pair->conn[PAIR_CLIENT]));
	cr_assert_eq(ktls_conn_get_info(pair->conn[PAIR_CLIENT], &info, sizeof(info)), 0);
	return info;
}

Test(kernel, a_device_that_cannot_is_refused_before_any_key_is_set)
{
	for (int i = 0; i < 4; i++) {
		bool rx = i & 1;
		uint64_t tx_keys = kit_tls_stat("TlsTxSw"), rx_keys = kit_tls_stat("TlsRxSw");
		struct pair pair = new_pair(i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2, !rx, rx);
		struct ktls_info info;

		nic_forget(NIC_FAMILY);
		info = handshake(&pair, -KTLS_E_OFFLOAD);
		cr_assert_eq(info.reason[rx], KTLS_REASON_NO_NIC, "%s",
			     ktls_reason_name(info.reason[rx]));
		cr_assert_eq(info.reason_errno[rx], 0);
		cr_assert_eq(kit_tls_stat("TlsTxSw"), tx_keys);
		cr_assert_eq(kit_tls_stat("TlsRxSw"), rx_keys);
		pair_free(&pair);
	}
}

/* The peer hears of it by an alert that the kernel protects, which took the key. */
static void check_told(struct ktls_conn *peer, int rc)
{
	char byte;
	size_t n;

	if (!rc)
		rc = ktls_conn_read(peer, &byte, 1, ktls_deadline_in(KIT_PATIENCE_MS), &n);
	cr_assert_eq(rc, -KTLS_E_ALERT, "%s", ktls_strerrorname(rc));
	cr_assert(strstr(ktls_conn_error(peer), "internal_error"));
}

Test(kernel, a_kernel_that_takes_the_key_itself_ends_the_connection)
{
	for (int i = 0; i < 4; i++) {
		bool rx = i & 1;
		const char *counter = rx ? "TlsRxSw" : "TlsTxSw";
		struct pair pair = new_pair(i & 2 ? KTLS_TLS_1_3 : KTLS_TLS_1_2, !rx, rx);
		uint64_t keys = kit_tls_stat(counter);
		struct ktls_info info;
		int rc[2];

		nic_forget(NIC_FEATURES);
		say_able();
		pair_handshake(&pair, rc);
		cr_assert_eq(rc[PAIR_CLIENT], -KTLS_E_OFFLOAD);
		cr_assert_eq(ktls_conn_get_info(pair.conn[PAIR_CLIENT], &info, sizeof(info)), 0);
		cr_assert_eq(info.reason[rx], KTLS_REASON_NIC_DECLINED, "%s",
			     ktls_conn_error(pair.conn[PAIR_CLIENT]));
		cr_assert_eq(kit_tls_stat(counter), keys + 1);
		check_told(pair.conn[PAIR_SERVER], rc[PAIR_SERVER]);
		pair_free(&pair);
	}
}

Test(kernel, a_connection_whose_keys_were_given_away_goes_on)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = new_pair(i ? KTLS_TLS_1_3 : KTLS_TLS_1_2, true, true);
		struct ktls_info info;

		nic_forget(NIC_FEATURES);
		nic_forget(NIC_SOCKET);
		say_able();
		nic_say_socket(NIC_CONF_HW, NIC_CONF_HW);
		info = handshake(&pair, 0);
		cr_assert_eq(info.protection[KTLS_TX], KTLS_PROTECTION_KERNEL);
		cr_assert_eq(info.protection[KTLS_RX], KTLS_PROTECTION_KERNEL);
		pair_move(&pair, PAIR_CLIENT, MOVED, CHUNK);
		pair_move(&pair, PAIR_SERVER, MOVED, CHUNK);
		pair_close(&pair);
		pair_free(&pair);
	}
}

/* Older kernels tell only who has CAP_NET_ADMIN; then no key is set at all. */
Test(kernel, who_is_not_told_is_refused_before_any_key_is_set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	uint64_t keys = kit_tls_stat("TlsTxSw");
	struct pair pair = new_pair(KTLS_TLS_1_2, true, false);
	struct ktls_info info;

	say_able();
	cr_assert_eq(syscall(SYS_capset, &header, data), 0);
	info = handshake(&pair, -KTLS_E_OFFLOAD);
	if (info.reason[KTLS_TX] == KTLS_REASON_NIC_UNTOLD)
		cr_assert_eq(kit_tls_stat("TlsTxSw"), keys);
	else
		cr_assert_eq(info.reason[KTLS_TX], KTLS_REASON_NIC_DECLINED);
	pair_free(&pair);
}

Test(kernel, no_source_here_has_a_nic)
{
	struct ktls_source source;

	nic_forget(NIC_FAMILY);
	cr_assert_eq(ktls_source_find(KTLS_FEATURE_NIC, KTLS_FEATURE_NIC, &source, 1), 0);
	cr_assert_eq(ktls_source_find(KTLS_FEATURE_KERNEL, KTLS_FEATURE_KERNEL, &source, 1), 1);
}
