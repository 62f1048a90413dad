/* SPDX-License-Identifier: MIT */

/*
 * Devices and routes as they are where tests/in-routes makes them, which runs this: whose device a
 * socket's is, what real kernels answer when a feature is switched, and who may.
 */

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

#include <criterion/criterion.h>

#include <ktls/address.h>
#include <ktls/device.h>

#include "src/ethtool.h"

enum {
	MARK = 9,
	MANY = 64,
};

/* Datagrams need nobody at the other end, and take the same routes. */
static int connected(const char *text, uint32_t mark)
{
	struct sockaddr_storage storage;
	struct ktls_address address;
	socklen_t len;
	int fd;

	cr_assert_eq(ktls_address_parse(&address, text), 0);
	cr_assert_eq(ktls_address_to_sockaddr(&address, &storage, &len), 0);
	fd = socket(address.family, SOCK_DGRAM, 0);
	cr_assert_geq(fd, 0);
	cr_assert(!mark || !setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)));
	cr_assert_eq(connect(fd, (struct sockaddr *)&storage, len), 0, "%s", text);
	return fd;
}

static void check(const char *address, uint32_t mark, const char *name, const char *kind)
{
	struct ktls_device device;
	int fd = connected(address, mark);
	int r = ktls_device_of_fd(fd, &device, sizeof(device));

	cr_expect_eq(r, 0, "%s: %s", address, strerror(-r));
	cr_expect_str_eq(device.name, name, "%s: %s", address, device.name);
	cr_expect_str_eq(device.kind, kind, "%s: %s", address, device.kind);
	cr_expect_eq(device.index, if_nametoindex(name));
	cr_expect(device.up);
	cr_expect_eq(device.feature[KTLS_DEVICE_TX], KTLS_DEVICE_FIXED_OFF, "%s",
		     ktls_device_state_name(device.feature[KTLS_DEVICE_TX]));
	close(fd);
}

Test(unit, a_sockets_device_is_the_one_its_route_takes)
{
	check("192.0.2.1:1", 0, "v0", "veth");
	check("[2001:db8:1::1]:1", 0, "v0", "veth");
	check("[::ffff:192.0.2.1]:1", 0, "v0", "veth");
	check("[fe80::1%v0]:1", 0, "v0", "veth");
	check("[fe80::1%v1]:1", 0, "v1", "veth");
	check("192.0.2.254:1", 0, "lo", "");
	check("[2001:db8:1::fe]:1", 0, "lo", "");
	check("127.0.0.1:1", 0, "lo", "");
	check("[::1]:1", 0, "lo", "");
}

Test(unit, a_mark_may_lead_elsewhere)
{
	check("192.0.2.1:1", MARK, "v1", "veth");
}

Test(unit, a_device_that_a_socket_is_bound_to_is_its_own)
{
	struct ktls_device device;
	int fd = connected("[fe80::1%v0]:1", 0);
	const char name[] = "v1";

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name)), 0);
	cr_assert_eq(ktls_device_of_fd(fd, &device, sizeof(device)), 0);
	cr_assert_str_eq(device.name, "v1");
}

static struct ifreq request(const char *name)
{
	struct ifreq ifreq = { .ifr_flags = 0 };

	strncpy(ifreq.ifr_name, name, sizeof(ifreq.ifr_name) - 1);
	return ifreq;
}

Test(unit, a_route_that_has_gone_is_an_error)
{
	struct ktls_device device;
	struct ifreq ifreq = request("v4");
	int fd = connected("192.0.3.1:1", 0);

	cr_assert_eq(ktls_device_of_fd(fd, &device, sizeof(device)), 0);
	cr_assert_str_eq(device.name, "v4");
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &ifreq), 0);
	cr_assert_eq(ktls_device_of_fd(fd, &device, sizeof(device)), -ENETUNREACH);
	cr_assert_eq(ktls_device_by_name("v4", &device, sizeof(device)), 0);
	cr_assert_eq(device.up, 0);
}

Test(unit, all_devices_of_the_namespace_are_listed)
{
	static const char *const names[] = { "lo", "v0", "v1", "v4", "v5" };
	struct ktls_device devices[MANY];
	size_t n, seen = 0;

	cr_assert_eq(ktls_device_list(devices, sizeof(*devices), MANY, &n), 0);
	cr_assert_leq(n, MANY);
	for (size_t i = 0; i < n; i++) {
		cr_assert(!i || devices[i - 1].index < devices[i].index);
		cr_assert_neq(devices[i].feature[KTLS_DEVICE_TX], KTLS_DEVICE_UNKNOWN);
		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
			seen += !strcmp(devices[i].name, names[k]);
	}
	cr_assert_eq(seen, sizeof(names) / sizeof(*names));
}

/* The kernel's TLS asks what these are made of in some cases only; see device.h. Not every kernel
 * has them. */

Test(unit, a_vlan_stands_for_itself)
{
	if (!if_nametoindex("v0.9"))
		cr_skip("this kernel has no VLANs");
	check("192.0.4.1:1", 0, "v0.9", "vlan");
}

Test(unit, a_bond_stands_for_itself_unless_it_spreads)
{
	if (!if_nametoindex("bond1"))
		cr_skip("this kernel has no bonds");
	check("192.0.5.1:1", 0, "bond1", "bond");
	check("192.0.6.1:1", 0, "v8", "veth");
}

/* Switching */

static uint32_t is_on(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GGRO };
	struct ifreq ifreq = request(name);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ifreq.ifr_data = (char *)&value;
	cr_assert_eq(ioctl(fd, SIOCETHTOOL, &ifreq), 0);
	close(fd);
	return value.data;
}

static struct ktls_ethtool open_ethtool(void)
{
	struct ktls_ethtool ethtool;

	cr_assert_eq(ktls_ethtool_open(&ethtool), 0);
	cr_assert(ethtool.netlink);
	return ethtool;
}

Test(unit, a_feature_is_switched)
{
	struct ktls_ethtool ethtool = open_ethtool();

	for (int i = 0; i < 4; i++) {
		bool on = i & 1;

		cr_assert_eq(ktls_features_switch(&ethtool, "v5", "rx-gro", on), 0);
		cr_assert_eq(is_on("v5"), on);
	}
	ktls_ethtool_close(&ethtool);
}

Test(unit, a_feature_that_is_fixed_is_not_switched)
{
	struct ktls_ethtool ethtool = open_ethtool();
	const char *feature = ktls_device_feature_name(KTLS_DEVICE_TX);

	/* The kernel notes the wish and says that nothing came of it. */
	cr_assert_eq(ktls_features_switch(&ethtool, "v5", feature, true), -ECANCELED);
	cr_assert_eq(ktls_features_switch(&ethtool, "v5", feature, false), 0);
	cr_assert_eq(ktls_features_switch(&ethtool, "v5", "no-such-feature", true), -EOPNOTSUPP);
	cr_assert_eq(ktls_features_switch(&ethtool, "nobody0", feature, true), -ENODEV);
	ktls_ethtool_close(&ethtool);
	cr_assert_eq(ktls_device_set("v5", KTLS_DEVICE_TX, true), -EOPNOTSUPP);
	cr_assert_eq(ktls_device_set("v5", KTLS_DEVICE_TX, false), 0);
}

static void drop_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	cr_assert_eq(syscall(SYS_capset, &header, data), 0);
}

Test(unit, without_privileges_all_is_seen_and_nothing_switched)
{
	struct ktls_ethtool ethtool;
	struct ktls_device devices[MANY];
	size_t n;

	drop_privileges();
	check("192.0.2.1:1", 0, "v0", "veth");
	cr_assert_eq(ktls_device_list(devices, sizeof(*devices), MANY, &n), 0);
	cr_assert_neq(devices[0].feature[KTLS_DEVICE_TX], KTLS_DEVICE_UNKNOWN);
	ethtool = open_ethtool();
	cr_assert_eq(ktls_features_switch(&ethtool, "v5", "rx-gro", false), -EPERM);
	ktls_ethtool_close(&ethtool);
}
