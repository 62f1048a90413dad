/* SPDX-License-Identifier: MIT */

/*
 * Connections that want a NIC (KTLS_OFFLOAD_NIC), where there is none and the kernel may have no
 * TLS either: what it says of devices and sockets is made up (nic.h), and keys are taken and thrown
 * away. A real kernel that takes them is in tests/kernel_nic.c.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <criterion/criterion.h>

#include "src/base/sys.h"
#include "tests/kit.h"
#include "tests/nic.h"
#include "tests/pair.h"
#include "tests/refusal.h"

static struct ktls_sys real;

/* Keys that were taken, by enum ktls_direction. */
static unsigned int keys[_KTLS_DIRECTION_N];

static int pretend_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	switch (refusal_option(level, name)) {
	case REFUSAL_ULP:
		return 0;
	case REFUSAL_TX:
		keys[KTLS_TX]++;
		return 0;
	case REFUSAL_RX:
		keys[KTLS_RX]++;
		return 0;
	case REFUSAL_OPTIONS_N:
		break;
	}
	return real.setsockopt(fd, level, name, value, len);
}

static int pretend_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level != IPPROTO_TCP || name != TCP_ULP)
		return real.getsockopt(fd, level, name, value, len);
	memcpy(value, "tls", *len = sizeof("tls"));
	return 0;
}

static void install(void)
{
	real = ktls_sys;
	ktls_sys.setsockopt = pretend_setsockopt;
	ktls_sys.getsockopt = pretend_getsockopt;
	nic_begin();
	nic_say_route(7);
	nic_say_link(7, "eth7", 0);
}

TestSuite(unit, .init = install);

/* A client that wants a NIC; of a kernel that can do everything. */
static struct pair new_pair(enum ktls_protocol protocol, bool tx, bool rx)
{
	static const struct ktls_probe able;
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair;

	options.protocol = protocol;
	options.cipher = KTLS_AES_128_GCM;
	if (tx)
		options.tx[PAIR_CLIENT] = KTLS_OFFLOAD_NIC;
	if (rx)
		options.rx[PAIR_CLIENT] = KTLS_OFFLOAD_NIC;
	options.probe = &able;
	pair = pair_new(&options);
	/* Whoever makes a config tries the kernel. */
	memset(keys, 0, sizeof(keys));
	return pair;
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

static void check_words(const struct pair *pair, enum ktls_direction direction,
			enum ktls_reason reason)
{
	const char *text = ktls_conn_error(pair->conn[PAIR_CLIENT]);

	cr_assert(strstr(text,
			 direction == KTLS_TX ? "handing TX to the NIC" : "handing RX to the NIC"),
		  "%s", text);
	cr_assert(strstr(text, ktls_reason_text(reason)), "%s", text);
	cr_assert(strstr(text, ktls_reason_remedy(reason)), "%s", text);
}

Test(unit, a_nic_that_takes_both_keys_protects_the_connection)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct pair pair = new_pair(i ? KTLS_TLS_1_3 : KTLS_TLS_1_2, true, true);
		struct ktls_info info;

		nic_forget(NIC_FEATURES);
		nic_forget(NIC_SOCKET);
		nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_FIXED_ON, KTLS_DEVICE_ABSENT);
		nic_say_socket(NIC_CONF_HW, NIC_CONF_HW);
		info = handshake(&pair, 0);
		for (unsigned int d = 0; d < _KTLS_DIRECTION_N; d++) {
			cr_assert_eq(info.protection[d], KTLS_PROTECTION_KERNEL);
			cr_assert_eq(info.reason[d], KTLS_REASON_NONE);
			cr_assert_eq(info.reason_errno[d], 0);
			cr_assert_eq(keys[d], 1);
		}
		pair_free(&pair);
	}
}

Test(unit, a_nic_that_does_all_of_tls_does_this_too)
{
	struct pair pair = new_pair(KTLS_TLS_1_2, true, false);

	nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_OFF, KTLS_DEVICE_ON);
	nic_say_socket(NIC_CONF_RECORD, NIC_CONF_BASE);
	handshake(&pair, 0);
	pair_free(&pair);
}

/* Before a key is set */

static void check_preflight(enum ktls_direction direction, enum ktls_reason reason, int error)
{
	struct pair pair = new_pair(KTLS_TLS_1_2, direction == KTLS_TX, direction == KTLS_RX);
	struct ktls_info info = handshake(&pair, -KTLS_E_OFFLOAD);

	cr_assert_eq(info.state, KTLS_STATE_FAILED);
	cr_assert_eq(info.reason[direction], reason, "%s",
		     ktls_reason_name(info.reason[direction]));
	cr_assert_eq(info.reason_errno[direction], error, "%d", info.reason_errno[direction]);
	cr_assert(!keys[KTLS_TX] && !keys[KTLS_RX], "no key was to be set");
	check_words(&pair, direction, reason);
	pair_free(&pair);
}

Test(unit, no_key_is_set_where_the_device_cannot)
{
	static const struct {
		enum ktls_device_state state;
		enum ktls_reason reason;
	} rows[] = {
		{ KTLS_DEVICE_UNKNOWN, KTLS_REASON_NO_NIC },
		{ KTLS_DEVICE_ABSENT, KTLS_REASON_NO_NIC },
		{ KTLS_DEVICE_FIXED_OFF, KTLS_REASON_NO_NIC },
		{ KTLS_DEVICE_OFF, KTLS_REASON_NIC_OFF },
	};

	nic_say_socket(NIC_CONF_BASE, NIC_CONF_BASE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		nic_forget(NIC_FEATURES);
		nic_say_features(7, rows[i].state, KTLS_DEVICE_ON, KTLS_DEVICE_ABSENT);
		check_preflight(KTLS_TX, rows[i].reason, 0);
		nic_forget(NIC_FEATURES);
		nic_say_features(7, rows[i].state ? KTLS_DEVICE_ON : KTLS_DEVICE_UNKNOWN,
				 rows[i].state, KTLS_DEVICE_ABSENT);
		check_preflight(KTLS_RX, rows[i].reason, 0);
	}
}

/* The other direction would have been the first to be set. */
Test(unit, no_key_is_set_where_one_direction_cannot)
{
	struct pair pair = new_pair(KTLS_TLS_1_2, true, true);
	struct ktls_info info;

	nic_say_socket(NIC_CONF_BASE, NIC_CONF_BASE);
	nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_OFF, KTLS_DEVICE_ABSENT);
	info = handshake(&pair, -KTLS_E_OFFLOAD);
	cr_assert_eq(info.reason[KTLS_RX], KTLS_REASON_NIC_OFF);
	cr_assert(!keys[KTLS_TX] && !keys[KTLS_RX]);
	check_words(&pair, KTLS_RX, KTLS_REASON_NIC_OFF);
	pair_free(&pair);
}

Test(unit, no_key_is_set_where_the_device_is_not_told)
{
	nic_refuse(NIC_ROUTE, EHOSTUNREACH);
	check_preflight(KTLS_TX, KTLS_REASON_NO_NIC, EHOSTUNREACH);
	nic_forget(NIC_ROUTE);
	nic_say_route(7);
	nic_refuse(NIC_FAMILY, EPERM);
	check_preflight(KTLS_TX, KTLS_REASON_NO_NIC, EPERM);
}

Test(unit, no_key_is_set_where_nobody_would_tell_who_has_it)
{
	nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_ON, KTLS_DEVICE_ABSENT);
	nic_say_socket(NIC_CONF_NOT_TOLD, NIC_CONF_NOT_TOLD);
	check_preflight(KTLS_TX, KTLS_REASON_NIC_UNTOLD, 0);
	check_preflight(KTLS_RX, KTLS_REASON_NIC_UNTOLD, 0);
	/* There is no sock_diag for TCP. */
	nic_refuse(NIC_SOCKET, ENOENT);
	check_preflight(KTLS_TX, KTLS_REASON_NIC_UNTOLD, 0);
	nic_refuse(NIC_SOCKET, EINVAL);
	check_preflight(KTLS_TX, KTLS_REASON_NIC_UNTOLD, EINVAL);
}

/* After it */

Test(unit, a_kernel_that_took_the_key_itself_ends_the_connection)
{
	for (unsigned int d = 0; d < _KTLS_DIRECTION_N; d++) {
		struct pair pair = new_pair(KTLS_TLS_1_2, d == KTLS_TX, d == KTLS_RX);
		struct ktls_info info;

		nic_forget(NIC_FEATURES);
		nic_forget(NIC_SOCKET);
		nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_ON, KTLS_DEVICE_ABSENT);
		nic_say_socket(d == KTLS_TX ? NIC_CONF_SW : NIC_CONF_HW,
			       d == KTLS_RX ? NIC_CONF_SW : NIC_CONF_HW);
		info = handshake(&pair, -KTLS_E_OFFLOAD);
		cr_assert_eq(keys[d], 1);
		cr_assert_eq(info.state, KTLS_STATE_FAILED);
		cr_assert_eq(info.protection[d], KTLS_PROTECTION_KERNEL);
		cr_assert_eq(info.reason[d], KTLS_REASON_NIC_DECLINED);
		check_words(&pair, d, KTLS_REASON_NIC_DECLINED);
		pair_free(&pair);
	}
}

/* Elsewhere */

Test(unit, over_a_callers_transport_there_is_no_nic)
{
	static const struct ktls_transport transport;
	struct ktls_config *config;
	struct ktls_conn *conn;

	cr_assert_eq(ktls_config_new(&config, KTLS_CLIENT), 0);
	cr_assert_eq(ktls_config_set_offload(config, KTLS_RX, KTLS_OFFLOAD_NIC, 0), 0);
	cr_assert_eq(ktls_conn_new_over(&conn, config, &transport, sizeof(transport), NULL),
		     -EINVAL);
	ktls_config_unref(config);
}

Test(unit, a_kernel_without_tls_has_its_own_reason)
{
	static const struct ktls_probe unable = { .ulp = KTLS_REASON_NO_ULP };
	struct pair_options options = PAIR_OPTIONS_USER;
	struct ktls_info info;
	struct pair pair;

	options.tx[PAIR_CLIENT] = KTLS_OFFLOAD_NIC;
	options.probe = &unable;
	pair = pair_new(&options);
	info = handshake(&pair, -KTLS_E_OFFLOAD);
	cr_assert_eq(info.reason[KTLS_TX], KTLS_REASON_NO_ULP);
	cr_assert_eq(nic.kinds[NIC_ROUTE].asked, 0);
	pair_free(&pair);
}
