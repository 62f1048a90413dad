/* SPDX-License-Identifier: MIT */

/* See nic.h. */

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tls.h>

#include <criterion/criterion.h>

#include "src/base/sys.h"
#include "tests/nic.h"

struct nic nic;

static struct ktls_sys real;

/* The request that is being answered. */
static struct {
	int fd; /* 0: none is */
	struct nlmsghdr header;
	struct nic_kind *kind;
	size_t next;
} pending;

/* The seam */

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	getsockopt(fd, SOL_SOCKET, name, &value, &len);
	return value;
}

static enum nic_request kind_of(int protocol, uint16_t type, const uint8_t *payload)
{
	switch (protocol) {
	case NETLINK_ROUTE:
		if (type == RTM_GETROUTE)
			return NIC_ROUTE;
		return type == RTM_GETLINK ? NIC_LINK : _NIC_REQUESTS_N;
	case NETLINK_GENERIC:
		if (type == GENL_ID_CTRL)
			return NIC_FAMILY;
		return payload[0] == ETHTOOL_MSG_FEATURES_SET ? NIC_SWITCH : NIC_FEATURES;
	case NETLINK_SOCK_DIAG:
		return NIC_SOCKET;
	}
	return _NIC_REQUESTS_N;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const uint8_t *bytes = msg->msg_iovlen ? msg->msg_iov->iov_base : NULL;
	struct nlmsghdr header;
	enum nic_request request;

	if (option(fd, SO_DOMAIN) != AF_NETLINK)
		return real.sendmsg(fd, msg, flags);
	memcpy(&header, bytes, sizeof(header));
	request = kind_of(option(fd, SO_PROTOCOL), header.nlmsg_type, bytes + NLMSG_HDRLEN);
	if (request < _NIC_REQUESTS_N) {
		struct nic_kind *kind = &nic.kinds[request];

		kind->asked++;
		kind->flags = header.nlmsg_flags;
		kind->len = header.nlmsg_len - NLMSG_HDRLEN;
		memcpy(kind->request, bytes + NLMSG_HDRLEN, kind->len);
		if (kind->n || kind->error) {
			pending.fd = fd;
			pending.header = header;
			pending.kind = kind;
			pending.next = 0;
			return header.nlmsg_len;
		}
	}
	return real.sendmsg(fd, msg, flags);
}

/* One datagram: an answer, or what says that it was the last. */
static size_t form(uint8_t *ret_bytes)
{
	const struct nic_kind *kind = pending.kind;
	bool list = pending.header.nlmsg_flags & NLM_F_DUMP;
	bool last = kind->error || pending.next == kind->n;
	struct nlmsgerr end = { .error = -kind->error };
	struct nlmsghdr header = { .nlmsg_seq = pending.header.nlmsg_seq };
	const void *payload = &end;

	if (last) {
		header.nlmsg_type = list && !kind->error ? NLMSG_DONE : NLMSG_ERROR;
		header.nlmsg_len = list && !kind->error ? sizeof(int) : sizeof(end);
		pending.fd = 0;
	} else {
		const struct ktls_ask *answer = &kind->answers[pending.next++];

		header.nlmsg_type = answer->type;
		header.nlmsg_flags = list ? NLM_F_MULTI : 0;
		header.nlmsg_len = (uint32_t)answer->len - nic.cut;
		payload = answer->data;
	}
	memcpy(ret_bytes + NLMSG_HDRLEN, payload, header.nlmsg_len);
	header.nlmsg_len += NLMSG_HDRLEN;
	memcpy(ret_bytes, &header, sizeof(header));
	return header.nlmsg_len;
}

static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	uint8_t bytes[NLMSG_HDRLEN + KTLS_NETLINK_ASK_MAX];
	size_t len;

	if (fd != pending.fd)
		return real.recvmsg(fd, msg, flags);
	len = form(bytes);
	cr_assert_leq(len, msg->msg_iov->iov_len);
	memcpy(msg->msg_iov->iov_base, bytes, len);
	memcpy(msg->msg_name, &from, sizeof(from));
	msg->msg_flags = 0;
	return (ssize_t)len;
}

void nic_begin(void)
{
	static const uint16_t family = NIC_ETHTOOL;
	const struct genlmsghdr header = { .cmd = CTRL_CMD_NEWFAMILY, .version = 2 };
	struct ktls_ask ask = { .type = GENL_ID_CTRL };

	memset(&nic, 0, sizeof(nic));
	real = ktls_sys;
	ktls_sys.sendmsg = fake_sendmsg;
	ktls_sys.recvmsg = fake_recvmsg;
	cr_assert_eq(ktls_ask_put_header(&ask, &header, sizeof(header)), 0);
	cr_assert_eq(ktls_ask_put(&ask, CTRL_ATTR_FAMILY_ID, &family, sizeof(family)), 0);
	nic_answer(NIC_FAMILY, &ask);
}

void nic_answer(enum nic_request request, const struct ktls_ask *message)
{
	struct nic_kind *kind = &nic.kinds[request];

	cr_assert_lt(kind->n, NIC_ANSWERS_MAX);
	kind->error = 0;
	kind->answers[kind->n++] = *message;
}

void nic_refuse(enum nic_request request, int error)
{
	nic.kinds[request].error = error;
}

void nic_forget(enum nic_request request)
{
	nic.kinds[request].n = 0;
	nic.kinds[request].error = 0;
}

/* Messages */

static void put(struct ktls_ask *ask, uint16_t type, const void *value, size_t len)
{
	cr_assert_eq(ktls_ask_put(ask, type, value, len), 0);
}

static void put_u32(struct ktls_ask *ask, uint16_t type, uint32_t value)
{
	put(ask, type, &value, sizeof(value));
}

static void put_text(struct ktls_ask *ask, uint16_t type, const char *text)
{
	put(ask, type, text, strlen(text) + 1);
}

static size_t begin(struct ktls_ask *ask, uint16_t type)
{
	size_t mark;

	cr_assert_eq(ktls_ask_begin(ask, type, &mark), 0);
	return mark;
}

void nic_say_route(uint32_t index)
{
	const struct rtmsg header = { .rtm_family = AF_INET, .rtm_type = RTN_UNICAST };
	struct ktls_ask ask = { .type = RTM_NEWROUTE };

	cr_assert_eq(ktls_ask_put_header(&ask, &header, sizeof(header)), 0);
	put_u32(&ask, RTA_TABLE, RT_TABLE_MAIN);
	if (index)
		put_u32(&ask, RTA_OIF, index);
	nic_answer(NIC_ROUTE, &ask);
}

static struct ktls_ask begin_link(uint32_t index, const char *name, uint32_t master)
{
	const struct ifinfomsg header = { .ifi_index = (int)index, .ifi_flags = IFF_UP };
	struct ktls_ask ask = { .type = RTM_NEWLINK };

	cr_assert_eq(ktls_ask_put_header(&ask, &header, sizeof(header)), 0);
	put_text(&ask, IFLA_IFNAME, name);
	put_u32(&ask, IFLA_MTU, 9000);
	if (master)
		put_u32(&ask, IFLA_MASTER, master);
	put_u32(&ask, 4000, 1); /* of a kernel that knows more than we */
	return ask;
}

void nic_say_link(uint32_t index, const char *name, uint32_t master)
{
	struct ktls_ask ask = begin_link(index, name, master);

	nic_answer(NIC_LINK, &ask);
}

void nic_say_bond(uint32_t index, const char *name, uint8_t mode, uint8_t policy)
{
	struct ktls_ask ask = begin_link(index, name, 0);
	size_t info = begin(&ask, IFLA_LINKINFO), data;

	put_text(&ask, IFLA_INFO_KIND, "bond");
	data = begin(&ask, IFLA_INFO_DATA);
	put(&ask, IFLA_BOND_MODE, &mode, sizeof(mode));
	put(&ask, IFLA_BOND_XMIT_HASH_POLICY, &policy, sizeof(policy));
	ktls_ask_end(&ask, data);
	ktls_ask_end(&ask, info);
	nic_answer(NIC_LINK, &ask);
}

/* Bits as 5.10 numbers them. */
static const struct {
	const char *name;
	uint32_t index;
} bits[_KTLS_DEVICE_FEATURE_N + 1] = {
	[KTLS_DEVICE_TX] = { "tls-hw-tx-offload", 53 },
	[KTLS_DEVICE_RX] = { "tls-hw-rx-offload", 54 },
	[KTLS_DEVICE_RECORD] = { "tls-hw-record", 56 },
	[_KTLS_DEVICE_FEATURE_N] = { NIC_OTHER_FEATURE, 40 },
};

static void put_bit(struct ktls_ask *ask, unsigned int bit, bool value)
{
	size_t mark = begin(ask, ETHTOOL_A_BITSET_BITS_BIT);

	put_u32(ask, ETHTOOL_A_BITSET_BIT_INDEX, bits[bit].index);
	put_text(ask, ETHTOOL_A_BITSET_BIT_NAME, bits[bit].name);
	if (value)
		put(ask, ETHTOOL_A_BITSET_BIT_VALUE, NULL, 0);
	ktls_ask_end(ask, mark);
}

/* With a mask: all that the kernel knows; without: those that are set. */
static void put_set(struct ktls_ask *ask, uint16_t type, bool mask, const bool listed[],
		    const bool set[])
{
	size_t outer = begin(ask, type), inner;

	if (!mask)
		put(ask, ETHTOOL_A_BITSET_NOMASK, NULL, 0);
	put_u32(ask, ETHTOOL_A_BITSET_SIZE, 60);
	inner = begin(ask, ETHTOOL_A_BITSET_BITS);
	for (unsigned int i = 0; i <= _KTLS_DEVICE_FEATURE_N; i++)
		if (mask ? listed[i] : set[i])
			put_bit(ask, i, mask && set[i]);
	ktls_ask_end(ask, inner);
	ktls_ask_end(ask, outer);
}

static void put_compact(struct ktls_ask *ask, uint16_t type)
{
	static const uint32_t words[2] = { UINT32_MAX, UINT32_MAX };
	size_t mark = begin(ask, type);

	put_u32(ask, ETHTOOL_A_BITSET_SIZE, 60);
	put(ask, ETHTOOL_A_BITSET_VALUE, words, sizeof(words));
	put(ask, ETHTOOL_A_BITSET_MASK, words, sizeof(words));
	ktls_ask_end(ask, mark);
}

static struct ktls_ask begin_features(uint8_t command, uint32_t index)
{
	const struct genlmsghdr header = { .cmd = command, .version = 1 };
	struct ktls_ask ask = { .type = NIC_ETHTOOL };
	size_t mark;

	cr_assert_eq(ktls_ask_put_header(&ask, &header, sizeof(header)), 0);
	mark = begin(&ask, ETHTOOL_A_FEATURES_HEADER);
	put_u32(&ask, ETHTOOL_A_HEADER_DEV_INDEX, index);
	put_text(&ask, ETHTOOL_A_HEADER_DEV_NAME, "fake0");
	ktls_ask_end(&ask, mark);
	return ask;
}

void nic_say_features(uint32_t index, unsigned int tx, unsigned int rx, unsigned int record)
{
	const unsigned int states[] = { tx, rx, record, KTLS_DEVICE_ON };
	bool known[4], hw[4], active[4], fixed[4] = { false };
	struct ktls_ask ask = begin_features(ETHTOOL_MSG_FEATURES_GET_REPLY, index);

	if (tx == KTLS_DEVICE_UNKNOWN) {
		put_compact(&ask, ETHTOOL_A_FEATURES_HW);
		put_compact(&ask, ETHTOOL_A_FEATURES_ACTIVE);
		nic_answer(NIC_FEATURES, &ask);
		return;
	}
	for (unsigned int i = 0; i < 4; i++) {
		known[i] = states[i] != KTLS_DEVICE_ABSENT;
		/* Both ways in which the kernel says that it is fixed. */
		hw[i] = states[i] == KTLS_DEVICE_OFF || states[i] == KTLS_DEVICE_ON ||
			states[i] == KTLS_DEVICE_FIXED_ON;
		fixed[i] = states[i] == KTLS_DEVICE_FIXED_ON;
		active[i] = states[i] >= KTLS_DEVICE_ON;
	}
	put_set(&ask, ETHTOOL_A_FEATURES_HW, true, known, hw);
	put_set(&ask, ETHTOOL_A_FEATURES_WANTED, false, known, active);
	put_set(&ask, ETHTOOL_A_FEATURES_ACTIVE, false, known, active);
	put_set(&ask, ETHTOOL_A_FEATURES_NOCHANGE, false, known, fixed);
	nic_answer(NIC_FEATURES, &ask);
}

void nic_say_refusal(const char *feature)
{
	struct ktls_ask ask = begin_features(ETHTOOL_MSG_FEATURES_SET_REPLY, 1);
	bool listed[4] = { false }, wanted[4] = { true, true, true, true };

	for (unsigned int i = 0; i < 4 && feature; i++)
		listed[i] = !strcmp(feature, bits[i].name);
	put_set(&ask, ETHTOOL_A_FEATURES_WANTED, true, listed, wanted);
	put_set(&ask, ETHTOOL_A_FEATURES_ACTIVE, true, listed, wanted);
	nic_answer(NIC_SWITCH, &ask);
}

void nic_say_socket(unsigned int tx, unsigned int rx)
{
	const uint16_t version = TLS_1_2_VERSION, cipher = TLS_CIPHER_AES_GCM_128;
	const uint16_t tx_conf = (uint16_t)tx, rx_conf = (uint16_t)rx;
	const struct inet_diag_msg header = { .idiag_family = AF_INET, .idiag_state = 1 };
	struct ktls_ask ask = { .type = SOCK_DIAG_BY_FAMILY };
	size_t info, tls;

	cr_assert_eq(ktls_ask_put_header(&ask, &header, sizeof(header)), 0);
	if (tx != NIC_CONF_NOT_TOLD) {
		info = begin(&ask, INET_DIAG_ULP_INFO);
		put_text(&ask, INET_ULP_INFO_NAME, "tls");
		tls = begin(&ask, INET_ULP_INFO_TLS);
		put(&ask, TLS_INFO_VERSION, &version, sizeof(version));
		put(&ask, TLS_INFO_CIPHER, &cipher, sizeof(cipher));
		put(&ask, TLS_INFO_TXCONF, &tx_conf, sizeof(tx_conf));
		put(&ask, TLS_INFO_RXCONF, &rx_conf, sizeof(rx_conf));
		ktls_ask_end(&ask, tls);
		ktls_ask_end(&ask, info);
	}
	nic_answer(NIC_SOCKET, &ask);
}
