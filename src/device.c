/* SPDX-License-Identifier: MIT */

/*
 * Network devices: the links of rtnetlink(7), each with the features that ethtool.c knows of it,
 * and which of them is a connection's.
 */

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <ktls/device.h>

#include "base/secret.h"
#include "base/sized.h"
#include "device.h"
#include "ethtool.h"
#include "route.h"

enum {
	PORTS_MAX = 64, /* of a bond */
	/* <linux/if_bonding.h> has them with what is no userspace's. */
	BOND_MODE_XOR = 2,
	BOND_MODE_8023AD = 4,
	BOND_POLICY_LAYER34 = 1,
};

/* Whom to ask. */
struct door {
	struct ktls_netlink *route;
	struct ktls_ethtool ethtool;
};

static void door_close(struct door *door)
{
	ktls_netlink_free(door->route);
	ktls_ethtool_close(&door->ethtool);
}

static int door_open(struct door *door)
{
	int r = ktls_netlink_new(&door->route, NETLINK_ROUTE);

	return r ? r : ktls_ethtool_open(&door->ethtool);
}

/* Links */

/* Whether net/tls asks one of the bond's ports (bond_sk_get_lower_dev() of the kernel). */
static int read_bond(struct ktls_view data, bool *ret_spreads)
{
	struct ktls_view views[IFLA_BOND_XMIT_HASH_POLICY + 1];
	int r = ktls_views(data, views, sizeof(views) / sizeof(*views));
	unsigned int mode;

	if (r < 0)
		return r;
	mode = ktls_view_u8(views[IFLA_BOND_MODE], 0);
	*ret_spreads = (mode == BOND_MODE_XOR || mode == BOND_MODE_8023AD) &&
		       ktls_view_u8(views[IFLA_BOND_XMIT_HASH_POLICY], 0) == BOND_POLICY_LAYER34;
	return 0;
}

static int read_kind(struct ktls_view info, struct ktls_link *link)
{
	struct ktls_view views[IFLA_INFO_DATA + 1];
	int r = ktls_views(info, views, sizeof(views) / sizeof(*views));

	if (r < 0)
		return r;
	ktls_view_string(views[IFLA_INFO_KIND], link->device.kind, sizeof(link->device.kind));
	return strcmp(link->device.kind, "bond") ? 0
						 : read_bond(views[IFLA_INFO_DATA], &link->spreads);
}

int ktls_link_read(uint16_t type, struct ktls_view message, struct ktls_link *ret_link)
{
	struct ktls_view row, views[IFLA_LINKINFO + 1];
	struct ktls_link link = { 0 };
	struct ifinfomsg header;
	int r = ktls_view_skip(message, sizeof(header), &row);

	if (type != RTM_NEWLINK)
		return -EBADMSG;
	if (!r)
		r = ktls_views(row, views, sizeof(views) / sizeof(*views));
	if (!r)
		r = read_kind(views[IFLA_LINKINFO], &link);
	if (r < 0)
		return r;
	memcpy(&header, message.data, sizeof(header));
	if (header.ifi_index <= 0)
		return -EBADMSG;
	ktls_view_string(views[IFLA_IFNAME], link.device.name, sizeof(link.device.name));
	link.device.index = (uint32_t)header.ifi_index;
	link.device.mtu = ktls_view_u32(views[IFLA_MTU], 0);
	link.device.up = !!(header.ifi_flags & IFF_UP);
	link.master = ktls_view_u32(views[IFLA_MASTER], 0);
	*ret_link = link;
	return 0;
}

/* Asks for a link by index or name, or for all: 0, NULL. */
static int ask_links(struct door *door, uint32_t index, const char *name,
		     const struct ktls_answers *answers)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };
	const uint32_t filter = RTEXT_FILTER_SKIP_STATS;
	struct ktls_ask ask = { .type = RTM_GETLINK, .flags = index || name ? 0 : NLM_F_DUMP };
	int r = ktls_ask_put_header(&ask, &header, sizeof(header));

	if (!r && name)
		r = ktls_ask_put(&ask, IFLA_IFNAME, name, strlen(name) + 1);
	if (!r)
		r = ktls_ask_put(&ask, IFLA_EXT_MASK, &filter, sizeof(filter));
	return r ? r : ktls_netlink_ask(door->route, &ask, answers);
}

/* One device */

static int take_link(void *context, uint16_t type, struct ktls_view message)
{
	return ktls_link_read(type, message, context);
}

static int take_features(void *context, uint16_t type, struct ktls_view message)
{
	(void)type;
	return ktls_features_read(message, context);
}

/* By index or name, the other of which is 0 or NULL. */
static int find_link(struct door *door, uint32_t index, const char *name,
		     struct ktls_link *ret_link)
{
	struct ktls_link link = { 0 };
	struct ktls_features features = { 0 };
	const struct ktls_answers links = { .take = take_link, .context = &link };
	const struct ktls_answers answers = { .take = take_features, .context = &features };
	int r = ask_links(door, index, name, &links);

	if (!r && !link.device.index)
		r = -ENODEV;
	if (!r)
		r = ktls_features_ask(&door->ethtool, link.device.index, &answers);
	if (r < 0)
		return r;
	memcpy(link.device.feature, features.state, sizeof(features.state));
	*ret_link = link;
	return 0;
}

static bool is_name(const char *name)
{
	return name && *name;
}

/* Through a door that is opened here. No device has a longer name. */
static int find_named(struct door *door, const char *name, struct ktls_link *ret_link)
{
	int r;

	if (strlen(name) >= KTLS_DEVICE_NAME_LEN)
		return -ENODEV;
	r = door_open(door);
	return r ? r : find_link(door, 0, name, ret_link);
}

int ktls_device_by_name(const char *name, struct ktls_device *ret_device, size_t size)
{
	_cleanup_(door_close) struct door door = { 0 };
	struct ktls_link link;
	int r;

	if (!is_name(name) || !ret_device || !size)
		return -EINVAL;
	r = find_named(&door, name, &link);
	if (r < 0)
		return r;
	ktls_sized_copy(ret_device, size, &link.device, sizeof(link.device));
	return 0;
}

/* Many: those with the least indices, in their order. */

struct devices {
	uint32_t master; /* only the ports of this bond; 0: all */
	struct ktls_device *at;
	size_t room;
	size_t count; /* of those in `at` */
	size_t total;
};

static void devices_done(struct devices *devices)
{
	free(devices->at);
}

static void forget_links(void *context)
{
	struct devices *devices = context;

	devices->count = devices->total = 0;
}

static void forget_features(void *context)
{
	struct devices *devices = context;

	for (size_t i = 0; i < devices->count; i++)
		memset(devices->at[i].feature, 0, sizeof(devices->at[i].feature));
}

static int keep_link(void *context, uint16_t type, struct ktls_view message)
{
	struct devices *devices = context;
	struct ktls_link link;
	size_t i = devices->count;
	int r = ktls_link_read(type, message, &link);

	if (r < 0)
		return r;
	if (devices->master && devices->master != link.master)
		return 0;
	devices->total++;
	while (i && devices->at[i - 1].index > link.device.index)
		i--;
	if (i == devices->room)
		return 0;
	if (devices->count < devices->room)
		devices->count++;
	memmove(&devices->at[i + 1], &devices->at[i],
		(devices->count - 1 - i) * sizeof(devices->at[0]));
	devices->at[i] = link.device;
	return 0;
}

static int compare_index(const void *index, const void *device)
{
	uint32_t a = *(const uint32_t *)index, b = ((const struct ktls_device *)device)->index;

	return a < b ? -1 : a > b;
}

static int keep_features(void *context, uint16_t type, struct ktls_view message)
{
	struct devices *devices = context;
	struct ktls_features features;
	struct ktls_device *device;
	int r = ktls_features_read(message, &features);

	(void)type;
	if (r < 0)
		return r;
	device = bsearch(&features.index, devices->at, devices->count, sizeof(devices->at[0]),
			 compare_index);
	if (device)
		memcpy(device->feature, features.state, sizeof(features.state));
	return 0;
}

/* Finds at most `room` of them, of which some may have gone when their features are asked for. */
static int find_devices(struct door *door, struct devices *devices)
{
	const struct ktls_answers links = { keep_link, forget_links, devices };
	const struct ktls_answers features = { keep_features, forget_features, devices };
	int r;

	devices->at = calloc(devices->room ? devices->room : 1, sizeof(devices->at[0]));
	if (!devices->at)
		return -ENOMEM;
	r = ask_links(door, 0, NULL, &links);
	return r || !devices->count ? r : ktls_features_ask(&door->ethtool, 0, &features);
}

int ktls_device_list(struct ktls_device *ret_devices, size_t size, size_t n, size_t *ret_n)
{
	_cleanup_(door_close) struct door door = { 0 };
	_cleanup_(devices_done) struct devices devices = {
		.room = n < KTLS_DEVICES_MAX ? n : KTLS_DEVICES_MAX,
	};
	int r;

	if (!ret_n || !size || (n && !ret_devices))
		return -EINVAL;
	r = door_open(&door);
	if (!r)
		r = find_devices(&door, &devices);
	if (r < 0)
		return r;
	for (size_t i = 0; i < devices.count; i++)
		ktls_sized_copy((uint8_t *)ret_devices + i * size, size, &devices.at[i],
				sizeof(devices.at[i]));
	*ret_n = devices.total;
	return 0;
}

/* Of a connection */

static void keep_least(struct ktls_device *least, const struct ktls_device *port)
{
	uint16_t least_of[_KTLS_DEVICE_FEATURE_N];

	for (unsigned int i = 0; i < _KTLS_DEVICE_FEATURE_N; i++)
		least_of[i] =
			least->feature[i] < port->feature[i] ? least->feature[i] : port->feature[i];
	if (port->feature[KTLS_DEVICE_TX] < least->feature[KTLS_DEVICE_TX])
		*least = *port;
	memcpy(least->feature, least_of, sizeof(least_of));
}

/* What every port of a bond can do. -ENODEV: it has none. */
static int find_port(struct door *door, uint32_t bond, struct ktls_device *ret_device)
{
	_cleanup_(devices_done) struct devices ports = { .master = bond, .room = PORTS_MAX };
	int r = find_devices(door, &ports);

	if (r < 0)
		return r;
	if (!ports.count)
		return -ENODEV;
	for (size_t i = 1; i < ports.count; i++)
		keep_least(&ports.at[0], &ports.at[i]);
	*ret_device = ports.at[0];
	return 0;
}

int ktls_device_of_fd(int fd, struct ktls_device *ret_device, size_t size)
{
	_cleanup_(door_close) struct door door = { 0 };
	struct ktls_link link;
	uint32_t index;
	int r;

	if (!ret_device || !size)
		return -EINVAL;
	r = door_open(&door);
	if (!r)
		r = ktls_route_of_fd(door.route, fd, &index);
	if (!r)
		r = find_link(&door, index, NULL, &link);
	if (!r && link.spreads)
		r = find_port(&door, index, &link.device);
	if (r < 0)
		return r;
	ktls_sized_copy(ret_device, size, &link.device, sizeof(link.device));
	return 0;
}

/* Switching */

int ktls_device_set(const char *name, enum ktls_device_feature feature, bool on)
{
	_cleanup_(door_close) struct door door = { 0 };
	struct ktls_link link;
	unsigned int state;
	int r;

	if (!is_name(name) || (unsigned int)feature >= _KTLS_DEVICE_FEATURE_N)
		return -EINVAL;
	r = find_named(&door, name, &link);
	if (r < 0)
		return r;
	state = link.device.feature[feature];
	if (state == KTLS_DEVICE_ABSENT)
		return -ENOPROTOOPT;
	if (state == KTLS_DEVICE_UNKNOWN)
		return -EOPNOTSUPP;
	if (on == (state >= KTLS_DEVICE_ON))
		return 0;
	if (state == KTLS_DEVICE_FIXED_OFF || state == KTLS_DEVICE_FIXED_ON)
		return -EOPNOTSUPP;
	return ktls_features_switch(&door.ethtool, link.device.name,
				    ktls_device_feature_name(feature), on);
}
