/* SPDX-License-Identifier: MIT */

/*
 * What is read in the kernel's answers over netlink. The input: 0, then an answer of sock_diag
 * without its header (src/diag_read.c); or 1 (one thing is asked for) or 2 (a list), then the
 * datagrams that come, each behind its length in two bytes (src/netlink.c); a length of ffff is
 * ENOBUFS. Their messages' numbers count from that of the request on.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/netlink.h>

#include "base/sys.h"
#include "diag.h"
#include "target.h"

enum {
	LOST = 0xffff,
	TYPE = 20,
};

static struct {
	struct input input;
	uint32_t seq;
	unsigned int asked, restarts;
} kernel;

static ssize_t take_request(int fd, const struct msghdr *msg, int flags)
{
	struct nlmsghdr header;

	(void)fd;
	(void)flags;
	memcpy(&header, msg->msg_iov->iov_base, sizeof(header));
	kernel.seq = header.nlmsg_seq;
	kernel.asked++;
	return (ssize_t)msg->msg_iov->iov_len;
}

static void number(uint8_t *data, size_t len)
{
	struct nlmsghdr header;

	for (size_t at = 0; at + sizeof(header) <= len;) {
		memcpy(&header, data + at, sizeof(header));
		header.nlmsg_seq += kernel.seq;
		memcpy(data + at, &header, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > len - at)
			return;
		at += NLMSG_ALIGN(header.nlmsg_len);
	}
}

static ssize_t give_datagram(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	const uint8_t *bytes;
	size_t len;

	(void)fd;
	(void)flags;
	if (!kernel.input.left) {
		errno = EAGAIN;
		return -1;
	}
	len = input_u16(&kernel.input);
	if (len == LOST) {
		errno = ENOBUFS;
		return -1;
	}
	len = input_bytes(&kernel.input, len, &bytes);
	memcpy(msg->msg_name, &from, sizeof(from));
	msg->msg_flags = 0;
	memcpy(msg->msg_iov->iov_base, bytes, len);
	number(msg->msg_iov->iov_base, len);
	return (ssize_t)len;
}

/* There is nothing more to come. */
static int wait_for_nothing(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)fds;
	(void)n;
	(void)timeout_ms;
	errno = EIO;
	return -1;
}

static void check(const struct ktls_diag_socket *socket, const struct ktls_diag_signs *signs)
{
	assert(socket->mode[0] < _KTLS_DIAG_MODE_N && socket->mode[1] < _KTLS_DIAG_MODE_N);
	assert(socket->tls < 2 && socket->expect_no_pad < 2 && socket->zerocopy_ro < 2);
	assert(socket->local.family == socket->peer.family);
	assert(!socket->tls || signs->ulp);
	assert(!(socket->told & KTLS_DIAG_TOLD_TLS) || signs->ulp || signs->trusted);
}

static int read_answer(const uint8_t *data, size_t len)
{
	struct ktls_diag_socket socket = { .cookie = 0 };
	struct ktls_diag_signs signs = { .ulp = false };
	uint8_t *copy = malloc(len ? len : 1);
	int r;

	/* Of its very length on the heap, so that a read past its end is seen. */
	assert(copy);
	memcpy(copy, data, len);
	r = ktls_diag_read((struct ktls_view){ copy, len }, &socket, &signs);
	assert(!r || r == -EBADMSG);
	if (!r)
		check(&socket, &signs);
	free(copy);
	return r;
}

static int take(void *context, uint16_t type, struct ktls_view message)
{
	(void)context;
	(void)type;
	return read_answer(message.data, message.len);
}

static void restart(void *context)
{
	(void)context;
	kernel.restarts++;
}

static void ask(bool list)
{
	const struct ktls_ask what = { .type = TYPE, .flags = list ? NLM_F_DUMP : 0 };
	const struct ktls_answers answers = { .take = take, .restart = restart };
	struct ktls_netlink *netlink;
	int r = ktls_netlink_new(&netlink, NETLINK_ROUTE);

	if (r < 0)
		abort();
	r = ktls_netlink_ask(netlink, &what, &answers);
	assert(r <= 0 && r > -4096);
	assert(kernel.asked == kernel.restarts + 1 && kernel.asked <= KTLS_NETLINK_TRIES_MAX);
	ktls_netlink_free(netlink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t what;

	ktls_sys.sendmsg = take_request;
	ktls_sys.recvmsg = give_datagram;
	ktls_sys.poll = wait_for_nothing;
	memset(&kernel, 0, sizeof(kernel));
	kernel.input = (struct input){ data, len };
	what = input_u8(&kernel.input) % 3;
	if (what)
		ask(what == 2);
	else
		read_answer(kernel.input.at, kernel.input.left);
	return 0;
}
