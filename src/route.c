/* SPDX-License-Identifier: MIT */

/*
 * The route of a connection, asked for with all by which the kernel chose it (rtnetlink(7),
 * RTM_GETROUTE): both ends' addresses and ports, which rules and the hash over several hops may
 * look at, the mark, the type of service, the owner, and the device that the socket is bound to.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/rtnetlink.h>

#include <ktls/address.h>

#include "base/sys.h"
#include "route.h"

enum {
	V4_LEN = 4,
	V6_LEN = 16,
	V6_MAPPED = 12,	 /* where IPv4 begins in IPv6 */
	TOS_MASK = 0x1c, /* what routes know of it (IPTOS_RT_MASK) */
};

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* Linux 5.0 */
#endif

/* An end of the connection, as routes see it: IPv4 in IPv6 is IPv4. */
struct end {
	const uint8_t *bytes;
	size_t len;
	uint16_t port; /* network byte order, as RTA_SPORT has it */
};

static int address_of(int fd, int (*name)(int fd, struct sockaddr *address, socklen_t *len),
		      struct ktls_address *ret_address)
{
	struct sockaddr_storage storage;
	struct sockaddr *address = (struct sockaddr *)&storage;
	socklen_t len = sizeof(storage);
	int r;

	if (name(fd, address, &len))
		return -errno;
	r = ktls_address_from_sockaddr(ret_address, address, len);
	return r < 0 ? -EOPNOTSUPP : 0;
}

static struct end end_of(const struct ktls_address *address)
{
	static const uint8_t mapped[V6_MAPPED] = { [10] = 0xff, 0xff };
	struct end end = { .bytes = address->bytes, .port = htons(address->port) };

	end.len = address->family == AF_INET ? V4_LEN : V6_LEN;
	if (end.len == V6_LEN && !memcmp(address->bytes, mapped, sizeof(mapped))) {
		end.bytes += V6_MAPPED;
		end.len = V4_LEN;
	}
	return end;
}

/* 0 where the socket has no such option. */
static uint32_t option_of(int fd, int level, int name)
{
	uint32_t value = 0;
	socklen_t len = sizeof(value);

	return ktls_sys.getsockopt(fd, level, name, &value, &len) ? 0 : value;
}

static int put_u32(struct ktls_ask *ask, uint16_t type, uint32_t value)
{
	return value ? ktls_ask_put(ask, type, &value, sizeof(value)) : 0;
}

static int put_ends(struct ktls_ask *ask, const struct end *local, const struct end *peer)
{
	static const uint8_t tcp = IPPROTO_TCP;
	int r = ktls_ask_put(ask, RTA_DST, peer->bytes, peer->len);

	if (!r)
		r = ktls_ask_put(ask, RTA_SRC, local->bytes, local->len);
	if (!r)
		r = ktls_ask_put(ask, RTA_IP_PROTO, &tcp, sizeof(tcp));
	if (!r)
		r = ktls_ask_put(ask, RTA_SPORT, &local->port, sizeof(local->port));
	if (!r)
		r = ktls_ask_put(ask, RTA_DPORT, &peer->port, sizeof(peer->port));
	return r;
}

static int build(struct ktls_ask *ask, int fd, const struct ktls_address *local,
		 const struct ktls_address *peer)
{
	struct end from = end_of(local), to = end_of(peer);
	bool v4 = to.len == V4_LEN;
	struct rtmsg header = {
		.rtm_family = v4 ? AF_INET : AF_INET6,
		.rtm_dst_len = (unsigned char)(to.len * 8),
		.rtm_src_len = (unsigned char)(from.len * 8),
		.rtm_tos = v4 ? option_of(fd, IPPROTO_IP, IP_TOS) & TOS_MASK : 0,
	};
	uint32_t bound = option_of(fd, SOL_SOCKET, SO_BINDTOIFINDEX);
	struct stat stat;
	int r;

	if (ktls_sys.fstat(fd, &stat))
		return -errno;
	r = ktls_ask_put_header(ask, &header, sizeof(header));
	if (!r)
		r = put_ends(ask, &from, &to);
	if (!r)
		r = put_u32(ask, RTA_OIF, bound ? bound : peer->scope_id);
	if (!r)
		r = put_u32(ask, RTA_MARK, option_of(fd, SOL_SOCKET, SO_MARK));
	/* A socket's owner is its inode's; 0 is root, and must be said. */
	if (!r)
		r = ktls_ask_put(ask, RTA_UID, &stat.st_uid, sizeof(uint32_t));
	return r;
}

int ktls_route_take(void *ret_index, uint16_t type, struct ktls_view message)
{
	struct ktls_view row, views[RTA_OIF + 1];
	uint32_t *index = ret_index;
	int r = ktls_view_skip(message, sizeof(struct rtmsg), &row);

	if (type != RTM_NEWROUTE)
		return -EBADMSG;
	if (!r)
		r = ktls_views(row, views, sizeof(views) / sizeof(*views));
	if (!r)
		*index = ktls_view_u32(views[RTA_OIF], *index);
	return r;
}

int ktls_route_of_fd(struct ktls_netlink *netlink, int fd, uint32_t *ret_index)
{
	struct ktls_ask ask = { .type = RTM_GETROUTE };
	struct ktls_address local, peer;
	uint32_t index = 0;
	const struct ktls_answers answers = { .take = ktls_route_take, .context = &index };
	int r;

	r = address_of(fd, getsockname, &local);
	if (!r)
		r = address_of(fd, getpeername, &peer);
	if (!r)
		r = build(&ask, fd, &local, &peer);
	if (!r)
		r = ktls_netlink_ask(netlink, &ask, &answers);
	if (r < 0)
		return r;
	if (!index)
		return -ENODEV;
	*ret_index = index;
	return 0;
}
