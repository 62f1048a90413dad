/* SPDX-License-Identifier: MIT */

/* What is asked of a connection's route. Where real routes lead is in tests/test_links.c. */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <criterion/criterion.h>

#include <ktls/address.h>

#include "src/base/sys.h"
#include "src/route.h"
#include "tests/kit.h"
#include "tests/nic.h"

static struct ktls_netlink *netlink;

static void begin(void)
{
	nic_begin();
	cr_assert_eq(ktls_netlink_new(&netlink, NETLINK_ROUTE), 0);
}

static void end(void)
{
	ktls_netlink_free(netlink);
}

TestSuite(unit, .init = begin, .fini = end);

/* A socket of one address family that is connected to an address of this machine. */
static int connected(const char *text, int family)
{
	int fd = socket(family, SOCK_DGRAM, 0);
	struct sockaddr_storage storage;
	struct ktls_address address;
	socklen_t len;

	cr_assert_geq(fd, 0);
	cr_assert_eq(ktls_address_parse(&address, text), 0);
	cr_assert_eq(ktls_address_to_sockaddr(&address, &storage, &len), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&storage, len), 0, "%s", text);
	return fd;
}

/* The attributes of the last request, and its header. */
static struct rtmsg requested(struct ktls_view views[RTA_MAX + 1])
{
	const struct nic_kind *kind = &nic.kinds[NIC_ROUTE];
	struct ktls_view row, message = { kind->request, kind->len };
	struct rtmsg header;

	cr_assert_eq(ktls_view_skip(message, sizeof(header), &row), 0);
	cr_assert_eq(ktls_views(row, views, RTA_MAX + 1), 0);
	memcpy(&header, kind->request, sizeof(header));
	return header;
}

Test(unit, a_route_is_asked_for_with_both_ends)
{
	static const struct {
		const char *address;
		int family, asked;
		size_t len;
	} rows[] = {
		{ "127.0.0.1:4433", AF_INET, AF_INET, 4 },
		{ "[::1]:4433", AF_INET6, AF_INET6, 16 },
		{ "[::ffff:127.0.0.1]:4433", AF_INET6, AF_INET, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fd = connected(rows[i].address, rows[i].family);
		struct ktls_view views[RTA_MAX + 1];
		uint32_t index = 0;
		struct rtmsg header;

		cr_assert_eq(ktls_route_of_fd(netlink, fd, &index), 0, "%s", rows[i].address);
		cr_assert_eq(index, 1, "the loopback of every namespace");
		header = requested(views);
		cr_assert_eq(header.rtm_family, rows[i].asked);
		cr_assert_eq(header.rtm_dst_len, rows[i].len * 8);
		cr_assert_eq(views[RTA_DST].len, rows[i].len);
		cr_assert_eq(views[RTA_SRC].len, rows[i].len);
		cr_assert(!memcmp(views[RTA_DST].data, views[RTA_SRC].data, rows[i].len));
		cr_assert_eq(ktls_view_u8(views[RTA_IP_PROTO], 0), IPPROTO_TCP);
		cr_assert_eq(ktls_view_u16(views[RTA_DPORT], 0), htons(4433));
		cr_assert_neq(ktls_view_u16(views[RTA_SPORT], 0), 0);
		cr_assert_null(views[RTA_OIF].data);
		cr_assert_null(views[RTA_MARK].data);
		close(fd);
	}
}

Test(unit, what_routes_may_depend_on_is_said)
{
	int fd = connected("127.0.0.1:4433", AF_INET), lo = 1, tos = 0x10;
	struct ktls_view views[RTA_MAX + 1];
	uint32_t index;
	struct stat stat;
	struct rtmsg header;

	nic_say_route(7);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &lo, sizeof(lo)), 0);
	cr_assert_eq(setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
	cr_assert_eq(ktls_route_of_fd(netlink, fd, &index), 0);
	cr_assert_eq(index, 7);
	header = requested(views);
	cr_assert_eq(header.rtm_tos, 0x10);
	cr_assert_eq(ktls_view_u32(views[RTA_OIF], 0), 1);
	cr_assert_eq(fstat(fd, &stat), 0);
	cr_assert_eq(ktls_view_u32(views[RTA_UID], 4711), stat.st_uid);
	close(fd);
}

static int marked(int fd, int level, int name, void *value, socklen_t *len)
{
	const uint32_t mark = 0x1234;

	if (level != SOL_SOCKET || name != SO_MARK)
		return getsockopt(fd, level, name, value, len);
	memcpy(value, &mark, sizeof(mark));
	return 0;
}

/* Only root may set one. */
Test(unit, a_mark_is_said)
{
	int fd = connected("127.0.0.1:4433", AF_INET);
	struct ktls_view views[RTA_MAX + 1];
	uint32_t index;

	nic_say_route(7);
	ktls_sys.getsockopt = marked;
	cr_assert_eq(ktls_route_of_fd(netlink, fd, &index), 0);
	requested(views);
	cr_assert_eq(ktls_view_u32(views[RTA_MARK], 0), 0x1234);
	close(fd);
}

static int no_stat(int fd, struct stat *ret_stat)
{
	(void)fd;
	(void)ret_stat;
	errno = EIO;
	return -1;
}

Test(unit, a_socket_without_a_route_is_told_why)
{
	int fd = connected("127.0.0.1:4433", AF_INET), fds[2];
	int unconnected = socket(AF_INET6, SOCK_STREAM, 0);
	uint32_t index = 4711;

	cr_assert_eq(ktls_route_of_fd(netlink, -1, &index), -EBADF);
	cr_assert_eq(ktls_route_of_fd(netlink, unconnected, &index), -ENOTCONN);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	cr_assert_eq(ktls_route_of_fd(netlink, fds[0], &index), -EOPNOTSUPP);
	nic_refuse(NIC_ROUTE, ENETUNREACH);
	cr_assert_eq(ktls_route_of_fd(netlink, fd, &index), -ENETUNREACH);
	nic_say_route(0);
	cr_assert_eq(ktls_route_of_fd(netlink, fd, &index), -ENODEV);
	ktls_sys.fstat = no_stat;
	cr_assert_eq(ktls_route_of_fd(netlink, fd, &index), -EIO);
	cr_assert_eq(index, 4711);
}

Test(unit, what_is_no_route_is_malformed)
{
	struct rtmsg header = { .rtm_family = AF_INET };
	struct ktls_view view = { (const uint8_t *)&header, sizeof(header) };
	uint32_t index = 4711;

	cr_assert_eq(ktls_route_take(&index, RTM_NEWROUTE, view), 0);
	cr_assert_eq(index, 4711, "it names no device");
	cr_assert_eq(ktls_route_take(&index, RTM_DELROUTE, view), -EBADMSG);
	view.len--;
	cr_assert_eq(ktls_route_take(&index, RTM_NEWROUTE, view), -EBADMSG);
}
