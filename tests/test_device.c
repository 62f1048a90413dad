/* SPDX-License-Identifier: MIT */

/* Devices: the loopback as it is, and NICs that are not there (nic.h). tests/test_links.c has real
 * ones of other kinds, in a namespace. */

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <criterion/criterion.h>

#include <ktls/device.h>
#include <ktls/error.h>

#include "src/base/sys.h"
#include "src/device.h"
#include "tests/kit.h"
#include "tests/nic.h"

enum {
	BOND_XOR = 2,
	BOND_ACTIVE_BACKUP = 1,
	LAYER2 = 0,
	LAYER34 = 1,
	MANY = 64,
};

/* The real one */

static void check_loopback(const struct ktls_device *device)
{
	cr_assert_str_eq(device->name, "lo");
	cr_assert_str_eq(device->kind, "");
	cr_assert_eq(device->index, if_nametoindex("lo"));
	cr_assert_geq(device->mtu, 1280);
	cr_assert_eq(device->up, 1);
	for (unsigned int i = 0; i < _KTLS_DEVICE_FEATURE_N; i++)
		cr_assert(device->feature[i] <= KTLS_DEVICE_FIXED_OFF, "%s: %s",
			  ktls_device_feature_name(i), ktls_device_state_name(device->feature[i]));
}

Test(unit, the_loopback_protects_nothing)
{
	struct ktls_device device;

	cr_assert_eq(ktls_device_by_name("lo", &device, sizeof(device)), 0);
	check_loopback(&device);
}

Test(unit, a_connection_to_this_machine_goes_by_the_loopback)
{
	struct ktls_device device;
	int fds[2];

	kit_tcp_pair(fds);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ktls_device_of_fd(fds[i], &device, sizeof(device)), 0);
		check_loopback(&device);
		close(fds[i]);
	}
}

Test(unit, all_devices_are_listed_by_their_indices)
{
	struct ktls_device devices[MANY], first;
	size_t n, again;
	bool loopback = false;

	cr_assert_eq(ktls_device_list(devices, sizeof(*devices), MANY, &n), 0);
	for (size_t i = 0; i < n && i < MANY; i++) {
		cr_assert(!i || devices[i - 1].index < devices[i].index);
		loopback |= !strcmp(devices[i].name, "lo");
	}
	cr_assert(loopback);
	cr_assert_eq(ktls_device_list(devices, sizeof(*devices), SIZE_MAX, &again), 0);
	cr_assert_eq(again, n);
	cr_assert_eq(ktls_device_list(NULL, sizeof(first), 0, &again), 0);
	cr_assert_eq(again, n);
	cr_assert_eq(ktls_device_list(&first, sizeof(first), 1, &again), 0);
	cr_assert_eq(again, n);
	cr_assert(!memcmp(&first, &devices[0], sizeof(first)));
}

Test(unit, the_loopback_cannot_be_switched)
{
	for (unsigned int i = KTLS_DEVICE_TX; i <= KTLS_DEVICE_RX; i++) {
		struct ktls_device device;

		cr_assert_eq(ktls_device_set("lo", i, true), -EOPNOTSUPP);
		cr_assert_eq(ktls_device_by_name("lo", &device, sizeof(device)), 0);
		/* A kernel that says nothing of it is not asked to switch it either. */
		cr_assert_eq(ktls_device_set("lo", i, false),
			     device.feature[i] == KTLS_DEVICE_UNKNOWN ? -EOPNOTSUPP : 0);
	}
}

/* What makes no sense */

Test(unit, what_makes_no_sense_is_refused)
{
	struct ktls_device device;
	int fds[2], unconnected = socket(AF_INET, SOCK_STREAM, 0);
	size_t n;

	cr_assert_eq(ktls_device_by_name(NULL, &device, sizeof(device)), -EINVAL);
	cr_assert_eq(ktls_device_by_name("", &device, sizeof(device)), -EINVAL);
	cr_assert_eq(ktls_device_by_name("lo", NULL, sizeof(device)), -EINVAL);
	cr_assert_eq(ktls_device_by_name("lo", &device, 0), -EINVAL);
	cr_assert_eq(ktls_device_by_name("nobody0", &device, sizeof(device)), -ENODEV);
	cr_assert_eq(ktls_device_by_name("of-sixteen-bytes", &device, sizeof(device)), -ENODEV);
	cr_assert_eq(ktls_device_list(&device, 0, 1, &n), -EINVAL);
	cr_assert_eq(ktls_device_list(&device, sizeof(device), 1, NULL), -EINVAL);
	cr_assert_eq(ktls_device_list(NULL, sizeof(device), 1, &n), -EINVAL);
	cr_assert_eq(ktls_device_set(NULL, KTLS_DEVICE_TX, true), -EINVAL);
	cr_assert_eq(ktls_device_set("", KTLS_DEVICE_TX, true), -EINVAL);
	cr_assert_eq(ktls_device_set("lo", _KTLS_DEVICE_FEATURE_N, true), -EINVAL);
	cr_assert_eq(ktls_device_set("nobody0", KTLS_DEVICE_TX, true), -ENODEV);
	cr_assert_eq(ktls_device_set("of-sixteen-bytes", KTLS_DEVICE_TX, true), -ENODEV);

	cr_assert_eq(ktls_device_of_fd(-1, &device, sizeof(device)), -EBADF);
	cr_assert_eq(ktls_device_of_fd(unconnected, NULL, sizeof(device)), -EINVAL);
	cr_assert_eq(ktls_device_of_fd(unconnected, &device, 0), -EINVAL);
	cr_assert_eq(ktls_device_of_fd(unconnected, &device, sizeof(device)), -ENOTCONN);
	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(ktls_device_of_fd(fds[0], &device, sizeof(device)), -ENOTSOCK);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	cr_assert_eq(ktls_device_of_fd(fds[0], &device, sizeof(device)), -EOPNOTSUPP);
}

Test(unit, every_value_has_a_name)
{
	for (unsigned int i = 0; i <= _KTLS_DEVICE_FEATURE_N; i++)
		cr_assert(*ktls_device_feature_name(i));
	for (unsigned int i = 0; i <= _KTLS_DEVICE_STATE_N; i++)
		cr_assert(*ktls_device_state_name(i));
	cr_assert_str_eq(ktls_device_feature_name(KTLS_DEVICE_RX), "tls-hw-rx-offload");
	cr_assert_str_eq(ktls_device_feature_name(_KTLS_DEVICE_FEATURE_N), "unknown");
	cr_assert_str_eq(ktls_device_state_name(KTLS_DEVICE_FIXED_ON), "fixed on");
	cr_assert_str_eq(ktls_device_state_name(_KTLS_DEVICE_STATE_N), "unknown");
}

/* A struct of an older program is filled as far as it goes, of a newer one with zeros behind. */
Test(unit, a_caller_knows_another_struct)
{
	struct {
		struct ktls_device device;
		uint8_t more[8];
	} bigger;
	struct ktls_device device, cut;

	cr_assert_eq(ktls_device_by_name("lo", &device, sizeof(device)), 0);
	memset(&bigger, 0xa5, sizeof(bigger));
	cr_assert_eq(ktls_device_by_name("lo", &bigger.device, sizeof(bigger)), 0);
	cr_assert(!memcmp(&bigger.device, &device, sizeof(device)));
	for (size_t i = 0; i < sizeof(bigger.more); i++)
		cr_assert_eq(bigger.more[i], 0);
	memset(&cut, 0xa5, sizeof(cut));
	cr_assert_eq(ktls_device_by_name("lo", &cut, KTLS_DEVICE_NAME_LEN), 0);
	cr_assert_str_eq(cut.name, "lo");
	cr_assert_eq((uint8_t)cut.kind[0], 0xa5);
}

/* NICs that are not there */

static void say_nic(unsigned int tx, unsigned int rx)
{
	nic_say_link(7, "eth7", 0);
	nic_say_features(7, tx, rx, KTLS_DEVICE_ABSENT);
}

Test(unit, a_nic_that_can_is_told_with_its_states)
{
	struct ktls_device device;

	nic_begin();
	say_nic(KTLS_DEVICE_ON, KTLS_DEVICE_OFF);
	cr_assert_eq(ktls_device_by_name("eth7", &device, sizeof(device)), 0);
	cr_assert_str_eq(device.name, "eth7");
	cr_assert_eq(device.index, 7);
	cr_assert_eq(device.mtu, 9000);
	cr_assert_eq(device.up, 1);
	cr_assert_eq(device.feature[KTLS_DEVICE_TX], KTLS_DEVICE_ON);
	cr_assert_eq(device.feature[KTLS_DEVICE_RX], KTLS_DEVICE_OFF);
	cr_assert_eq(device.feature[KTLS_DEVICE_RECORD], KTLS_DEVICE_ABSENT);
	cr_assert(!(nic.kinds[NIC_LINK].flags & NLM_F_DUMP & ~NLM_F_ACK));
}

Test(unit, a_kernel_without_ethtool_leaves_features_unknown)
{
	struct ktls_device device, devices[2];
	size_t n;

	nic_begin();
	say_nic(KTLS_DEVICE_ON, KTLS_DEVICE_ON);
	nic_refuse(NIC_FAMILY, ENOENT);
	cr_assert_eq(ktls_device_by_name("eth7", &device, sizeof(device)), 0);
	cr_assert_eq(device.feature[KTLS_DEVICE_TX], KTLS_DEVICE_UNKNOWN);
	cr_assert_eq(ktls_device_list(devices, sizeof(device), 2, &n), 0);
	cr_assert_eq(n, 1);
	cr_assert_eq(devices[0].feature[KTLS_DEVICE_RX], KTLS_DEVICE_UNKNOWN);
	cr_assert_eq(ktls_device_set("eth7", KTLS_DEVICE_TX, true), -EOPNOTSUPP);
	cr_assert_eq(nic.kinds[NIC_FEATURES].asked, 0);
}

Test(unit, a_list_out_of_order_and_with_holes_is_put_in_order)
{
	struct ktls_device devices[4];
	size_t n;

	nic_begin();
	nic_say_link(9, "eth9", 0);
	nic_say_link(3, "eth3", 0);
	nic_say_link(5, "eth5", 0);
	nic_say_features(3, KTLS_DEVICE_ON, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	nic_say_features(4, KTLS_DEVICE_ON, KTLS_DEVICE_ON, KTLS_DEVICE_ON); /* it has gone */
	nic_say_features(9, KTLS_DEVICE_OFF, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	cr_assert_eq(ktls_device_list(devices, sizeof(*devices), 4, &n), 0);
	cr_assert_eq(n, 3);
	cr_assert_str_eq(devices[0].name, "eth3");
	cr_assert_str_eq(devices[1].name, "eth5");
	cr_assert_str_eq(devices[2].name, "eth9");
	cr_assert_eq(devices[0].feature[KTLS_DEVICE_TX], KTLS_DEVICE_ON);
	cr_assert_eq(devices[1].feature[KTLS_DEVICE_TX], KTLS_DEVICE_UNKNOWN, "it has just come");
	cr_assert_eq(devices[2].feature[KTLS_DEVICE_TX], KTLS_DEVICE_OFF);
	/* Whose place there is for are those with the least indices. */
	memset(devices, 0xa5, sizeof(devices));
	cr_assert_eq(ktls_device_list(devices, sizeof(*devices), 2, &n), 0);
	cr_assert_eq(n, 3);
	cr_assert_str_eq(devices[0].name, "eth3");
	cr_assert_str_eq(devices[1].name, "eth5");
	cr_assert_eq((uint8_t)devices[2].name[0], 0xa5);
	cr_assert(nic.kinds[NIC_LINK].flags & NLM_F_DUMP);
}

Test(unit, a_switch_is_made_only_where_it_changes_something)
{
	static const struct {
		enum ktls_device_state state;
		bool on;
		int r;
		unsigned int asked;
	} rows[] = {
		{ KTLS_DEVICE_OFF, true, 0, 1 },
		{ KTLS_DEVICE_OFF, false, 0, 0 },
		{ KTLS_DEVICE_ON, true, 0, 0 },
		{ KTLS_DEVICE_ON, false, 0, 1 },
		{ KTLS_DEVICE_FIXED_ON, true, 0, 0 },
		{ KTLS_DEVICE_FIXED_ON, false, -EOPNOTSUPP, 0 },
		{ KTLS_DEVICE_FIXED_OFF, true, -EOPNOTSUPP, 0 },
		{ KTLS_DEVICE_FIXED_OFF, false, 0, 0 },
		{ KTLS_DEVICE_ABSENT, true, -ENOPROTOOPT, 0 },
		{ KTLS_DEVICE_ABSENT, false, -ENOPROTOOPT, 0 },
		{ KTLS_DEVICE_UNKNOWN, true, -EOPNOTSUPP, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		nic_begin();
		say_nic(rows[i].state, rows[i].state);
		nic_say_refusal(NULL);
		cr_assert_eq(ktls_device_set("eth7", KTLS_DEVICE_TX, rows[i].on), rows[i].r,
			     "row %zu", i);
		cr_assert_eq(nic.kinds[NIC_SWITCH].asked, rows[i].asked, "row %zu", i);
	}
}

Test(unit, a_switch_that_does_not_follow_is_told)
{
	nic_begin();
	say_nic(KTLS_DEVICE_OFF, KTLS_DEVICE_OFF);
	nic_say_refusal("tls-hw-tx-offload");
	cr_assert_eq(ktls_device_set("eth7", KTLS_DEVICE_TX, true), -ECANCELED);
	cr_assert_eq(ktls_device_set("eth7", KTLS_DEVICE_RX, true), 0);
	nic_refuse(NIC_SWITCH, EPERM);
	cr_assert_eq(ktls_device_set("eth7", KTLS_DEVICE_RX, true), -EPERM);
	nic_refuse(NIC_SWITCH, ENODEV);
	cr_assert_eq(ktls_device_set("eth7", KTLS_DEVICE_RX, true), -ENODEV);
}

/* Of a connection */

static int device_of(struct ktls_device *ret_device)
{
	int fds[2], r;

	kit_tcp_pair(fds);
	r = ktls_device_of_fd(fds[0], ret_device, sizeof(*ret_device));
	close(fds[0]);
	close(fds[1]);
	return r;
}

Test(unit, a_connections_device_is_where_its_route_begins)
{
	struct ktls_device device;

	nic_begin();
	nic_say_route(7);
	say_nic(KTLS_DEVICE_ON, KTLS_DEVICE_ON);
	cr_assert_eq(device_of(&device), 0);
	cr_assert_str_eq(device.name, "eth7");
	cr_assert_eq(device.feature[KTLS_DEVICE_TX], KTLS_DEVICE_ON);
}

Test(unit, of_a_bond_that_spreads_it_is_the_port_that_can_do_the_least)
{
	struct ktls_device device;

	nic_begin();
	nic_say_route(4);
	nic_say_bond(4, "bond4", BOND_XOR, LAYER34);
	nic_say_link(7, "eth7", 4);
	nic_say_link(8, "eth8", 4);
	nic_say_link(9, "eth9", 0);
	/* What is asked of one device is answered of all here: the last one counts. */
	nic_say_features(9, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	nic_say_features(8, KTLS_DEVICE_OFF, KTLS_DEVICE_ON, KTLS_DEVICE_ABSENT);
	nic_say_features(7, KTLS_DEVICE_ON, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	/* So is the link: here the bond must be the last. */
	nic_say_bond(4, "bond4", BOND_XOR, LAYER34);
	cr_assert_eq(device_of(&device), 0);
	cr_assert_str_eq(device.name, "eth8");
	cr_assert_eq(device.feature[KTLS_DEVICE_TX], KTLS_DEVICE_OFF);
	cr_assert_eq(device.feature[KTLS_DEVICE_RX], KTLS_DEVICE_FIXED_OFF);
}

Test(unit, any_other_bond_stands_for_itself)
{
	static const struct {
		uint8_t mode, policy;
	} rows[] = { { BOND_XOR, LAYER2 }, { BOND_ACTIVE_BACKUP, LAYER34 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ktls_device device;

		nic_begin();
		nic_say_route(4);
		nic_say_bond(4, "bond4", rows[i].mode, rows[i].policy);
		nic_say_features(4, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_FIXED_OFF,
				 KTLS_DEVICE_ABSENT);
		cr_assert_eq(device_of(&device), 0);
		cr_assert_str_eq(device.name, "bond4");
		cr_assert_str_eq(device.kind, "bond");
	}
}

Test(unit, a_bond_without_ports_has_no_device)
{
	struct ktls_device device;

	nic_begin();
	nic_say_route(4);
	nic_say_bond(4, "bond4", BOND_XOR, LAYER34);
	nic_say_features(4, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_FIXED_OFF, KTLS_DEVICE_ABSENT);
	cr_assert_eq(device_of(&device), -ENODEV);
}

Test(unit, a_route_or_device_that_has_gone_is_told_as_the_kernel_does)
{
	static const int errors[] = { ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL };
	struct ktls_device device;

	nic_begin();
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		nic_refuse(NIC_ROUTE, errors[i]);
		cr_assert_eq(device_of(&device), -errors[i]);
	}
	nic_forget(NIC_ROUTE);
	nic_say_route(0);
	cr_assert_eq(device_of(&device), -ENODEV);
	nic_say_route(7);
	nic_refuse(NIC_LINK, ENODEV);
	cr_assert_eq(device_of(&device), -ENODEV);
	nic_forget(NIC_LINK);
	nic_say_link(7, "eth7", 0);
	nic_refuse(NIC_FEATURES, EOPNOTSUPP);
	cr_assert_eq(device_of(&device), -EOPNOTSUPP);
}

Test(unit, an_answer_that_is_cut_is_malformed)
{
	struct ktls_device device, devices[4];
	size_t n = 4711;

	nic_begin();
	nic_say_route(7);
	say_nic(KTLS_DEVICE_ON, KTLS_DEVICE_ON);
	nic.cut = true;
	cr_assert_eq(device_of(&device), -EBADMSG);
	cr_assert_eq(ktls_device_by_name("eth7", &device, sizeof(device)), -EBADMSG);
	cr_assert_eq(ktls_device_list(devices, sizeof(device), 4, &n), -EBADMSG);
	cr_assert_eq(n, 4711);
	cr_assert_eq(ktls_device_set("eth7", KTLS_DEVICE_TX, true), -EBADMSG);
}

Test(unit, a_socket_that_cannot_be_had_is_an_error)
{
	struct ktls_device device;
	size_t n;

	nic_begin();
	for (enum nic_request i = 0; i < NIC_SWITCH; i++) {
		nic_forget(i);
		nic_refuse(i, EPERM);
	}
	cr_assert_eq(device_of(&device), -EPERM);
	cr_assert_eq(ktls_device_list(&device, sizeof(device), 1, &n), -EPERM);
}

/* What is read of a link */

static const struct ktls_ask *link_answer(void)
{
	return &nic.kinds[NIC_LINK].answers[0];
}

Test(unit, a_link_may_be_cut_or_lie_anywhere)
{
	nic_begin();
	nic_say_bond(4, "bond4", BOND_XOR, LAYER34);
	for (size_t len = 0; len <= link_answer()->len; len++) {
		for (size_t i = 0; i < len; i++) {
			uint8_t *bytes = malloc(len);
			struct ktls_link link = { .master = 4711 };
			int r;

			memcpy(bytes, link_answer()->data, len);
			bytes[i] ^= (uint8_t)(1u << (i + len) % 8);
			r = ktls_link_read(RTM_NEWLINK, (struct ktls_view){ bytes, len }, &link);
			free(bytes);
			cr_assert(!r || (r == -EBADMSG && link.master == 4711));
			cr_assert(r || memchr(link.device.name, 0, sizeof(link.device.name)));
		}
	}
}

Test(unit, what_is_no_link_is_malformed)
{
	struct ktls_link link;
	struct ifinfomsg header = { .ifi_index = 0 };
	struct ktls_view view = { (const uint8_t *)&header, sizeof(header) };

	cr_assert_eq(ktls_link_read(RTM_NEWLINK, view, &link), -EBADMSG);
	header.ifi_index = -1;
	cr_assert_eq(ktls_link_read(RTM_NEWLINK, view, &link), -EBADMSG);
	header.ifi_index = 1;
	cr_assert_eq(ktls_link_read(RTM_NEWLINK, view, &link), 0);
	cr_assert_eq(ktls_link_read(RTM_DELLINK, view, &link), -EBADMSG);
	view.len--;
	cr_assert_eq(ktls_link_read(RTM_NEWLINK, view, &link), -EBADMSG);
}
