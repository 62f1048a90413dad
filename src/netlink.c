/* SPDX-License-Identifier: MIT */

/*
 * Netlink, asked by libnl: it completes a request, tells the messages of a datagram apart and
 * knows a list's end. Ours is what it leaves open: the bytes go through the seam, a datagram is
 * looked at as a whole before it is believed, nothing waits for ever, and an errno of the kernel's
 * stays what it was. A socket on which an asking failed is closed, and the next one asks on a new
 * one, since the rest of the old answers could still come, and the kernel tells one list at a time.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/secret.h"
#include "base/sys.h"
#include "netlink.h"

enum {
	OURS = 4096, /* beyond every code of libnl's */
};

#define NS_PER_MS 1000000u

struct ktls_netlink {
	int protocol;
	struct nl_sock *sock; /* NULL: the next asking needs a new one */
	/* Of the asking under way: */
	const struct ktls_answers *answers;
	uint32_t seq;
	bool done;    /* the last answer came */
	bool changed; /* the list is no longer what was told */
};

/* What libnl forwards from a function of ours to ours, and tells apart from its own codes. */
static int ours(int error)
{
	return error - OURS;
}

static int errno_of(int r)
{
	if (r <= -OURS)
		return r + OURS;
	return r == -NLE_NOMEM ? -ENOMEM : -EBADMSG;
}

/* An errno as the kernel tells it. */
static int believed(int error)
{
	return error < 0 && error > -OURS ? error : -EBADMSG;
}

/* Bytes */

static int send_bytes(struct nl_sock *sock, struct nl_msg *message)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct iovec piece = { nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len };
	struct msghdr msg = { .msg_name = &kernel,
			      .msg_namelen = sizeof(kernel),
			      .msg_iov = &piece,
			      .msg_iovlen = 1 };
	ssize_t n;

	do
		n = ktls_sys.sendmsg(nl_socket_get_fd(sock), &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return ours(-errno);
	return (size_t)n == piece.iov_len ? 0 : ours(-EIO);
}

/* One datagram of anybody's. */
static int receive_any(int fd, struct sockaddr_nl *ret_from, uint8_t *ret_data,
		       uint64_t deadline_ns, size_t *ret_len)
{
	struct iovec piece = { ret_data, KTLS_NETLINK_ANSWER_MAX };
	struct msghdr msg = { .msg_name = ret_from,
			      .msg_namelen = sizeof(*ret_from),
			      .msg_iov = &piece,
			      .msg_iovlen = 1 };

	for (;;) {
		ssize_t n = ktls_sys.recvmsg(fd, &msg, MSG_DONTWAIT);
		int r;

		if (n >= 0) {
			*ret_len = (size_t)n;
			return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : 0;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = ktls_deadline_poll(fd, POLLIN, deadline_ns);
		if (r)
			return r < 0 ? r : -ETIMEDOUT;
	}
}

/* Messages, and nothing else, from its first byte to its last. */
static bool is_whole(const uint8_t *data, size_t len)
{
	while (len >= NLMSG_HDRLEN) {
		struct nlmsghdr header;
		size_t aligned;

		memcpy(&header, data, sizeof(header));
		if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > len)
			return false;
		aligned = NLMSG_ALIGN(header.nlmsg_len);
		if (aligned >= len)
			return true;
		data += aligned;
		len -= aligned;
	}
	return false;
}

/* One datagram of the kernel's. Other programs can write to this socket, too. */
static int receive_kernel(int fd, struct sockaddr_nl *ret_from, uint8_t *ret_data, size_t *ret_len)
{
	uint64_t deadline_ns =
		ktls_deadline_clock() + (uint64_t)KTLS_NETLINK_SILENCE_MS * NS_PER_MS;

	do {
		int r;

		*ret_from = (struct sockaddr_nl){ .nl_pid = UINT32_MAX };
		r = receive_any(fd, ret_from, ret_data, deadline_ns, ret_len);
		if (r < 0)
			return r;
	} while (ret_from->nl_pid);
	return is_whole(ret_data, *ret_len) ? 0 : -EBADMSG;
}

/* libnl frees *ret_data. */
static int receive_bytes(struct nl_sock *sock, struct sockaddr_nl *ret_from,
			 unsigned char **ret_data, struct ucred **ret_creds)
{
	uint8_t *data = malloc(KTLS_NETLINK_ANSWER_MAX);
	size_t len = 0;
	int r;

	if (!data)
		return ours(-ENOMEM);
	r = receive_kernel(nl_socket_get_fd(sock), ret_from, data, &len);
	if (r < 0) {
		free(data);
		return ours(r);
	}
	*ret_data = data;
	*ret_creds = NULL;
	return (int)len;
}

/* Messages */

static int check_seq(struct nl_msg *message, void *context)
{
	const struct ktls_netlink *netlink = context;

	return nlmsg_hdr(message)->nlmsg_seq == netlink->seq ? NL_OK : ours(-EBADMSG);
}

static int take_valid(struct nl_msg *message, void *context)
{
	const struct ktls_netlink *netlink = context;
	const struct nlmsghdr *header = nlmsg_hdr(message);
	struct ktls_view view = { nlmsg_data(header), (size_t)nlmsg_datalen(header) };
	int r = netlink->answers->take(netlink->answers->context, header->nlmsg_type, view);

	return r < 0 ? ours(r) : NL_OK;
}

/* A list ends with an errno of its own (netlink_dump_done() of the kernel). */
static int take_finish(struct nl_msg *message, void *context)
{
	struct ktls_netlink *netlink = context;
	const struct nlmsghdr *header = nlmsg_hdr(message);
	struct ktls_view view = { nlmsg_data(header), (size_t)nlmsg_datalen(header) };
	int32_t error = 0;

	if (view.len >= sizeof(error))
		memcpy(&error, view.data, sizeof(error));
	netlink->done = true;
	return error ? ours(believed(error)) : NL_STOP;
}

static int take_ack(struct nl_msg *message, void *context)
{
	struct ktls_netlink *netlink = context;

	(void)message;
	netlink->done = true;
	return NL_STOP;
}

static int take_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *context)
{
	(void)from;
	(void)context;
	return ours(believed(error->error));
}

static int take_changed(struct nl_msg *message, void *context)
{
	struct ktls_netlink *netlink = context;

	(void)message;
	netlink->changed = true;
	return ours(-EAGAIN);
}

/* NLMSG_OVERRUN, or an error message that is too short to name the error. */
static int take_invalid(struct nl_msg *message, void *context)
{
	(void)message;
	(void)context;
	return ours(-EBADMSG);
}

static void set_callbacks(struct nl_cb *callbacks, struct ktls_netlink *netlink)
{
	static const struct {
		enum nl_cb_type type;
		nl_recvmsg_msg_cb_t take;
	} table[] = {
		{ NL_CB_SEQ_CHECK, check_seq },	   { NL_CB_VALID, take_valid },
		{ NL_CB_FINISH, take_finish },	   { NL_CB_ACK, take_ack },
		{ NL_CB_DUMP_INTR, take_changed }, { NL_CB_OVERRUN, take_invalid },
		{ NL_CB_INVALID, take_invalid },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		nl_cb_set(callbacks, table[i].type, NL_CB_CUSTOM, table[i].take, netlink);
	nl_cb_err(callbacks, NL_CB_CUSTOM, take_error, netlink);
	nl_cb_overwrite_recv(callbacks, receive_bytes);
	nl_cb_overwrite_send(callbacks, send_bytes);
}

/* The socket */

/* Made here, not by libnl, which would lose the errno. */
static int open_bound(int protocol, int *ret_fd)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	_cleanup_(ktls_fd_close) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		return -errno;
	*ret_fd = ktls_fd_steal(&fd);
	return 0;
}

static int connect_kernel(struct ktls_netlink *netlink)
{
	_cleanup_(ktls_fd_close) int fd = -EBADF;
	struct nl_cb *callbacks;
	struct nl_sock *sock;
	int r = open_bound(netlink->protocol, &fd);

	if (r < 0)
		return r;
	callbacks = nl_cb_alloc(NL_CB_DEFAULT);
	if (!callbacks)
		return -ENOMEM;
	set_callbacks(callbacks, netlink);
	sock = nl_socket_alloc_cb(callbacks);
	nl_cb_put(callbacks);
	if (!sock)
		return -ENOMEM;
	if (nl_socket_set_fd(sock, netlink->protocol, fd) < 0) {
		nl_socket_free(sock);
		return -ENOTSUP;
	}
	ktls_fd_steal(&fd);
	nl_socket_disable_auto_ack(sock);
	netlink->sock = sock;
	return 0;
}

static void disconnect(struct ktls_netlink *netlink)
{
	if (netlink->sock)
		nl_socket_free(netlink->sock);
	netlink->sock = NULL;
}

struct ktls_netlink *ktls_netlink_free(struct ktls_netlink *netlink)
{
	if (netlink)
		disconnect(netlink);
	free(netlink);
	return NULL;
}

int ktls_netlink_new(struct ktls_netlink **ret_netlink, int protocol)
{
	struct ktls_netlink *netlink = calloc(1, sizeof(*netlink));
	int r;

	if (!netlink)
		return -ENOMEM;
	netlink->protocol = protocol;
	r = connect_kernel(netlink);
	if (r < 0) {
		ktls_netlink_free(netlink);
		return r;
	}
	*ret_netlink = netlink;
	return 0;
}

/* Asking */

static int send_ask(struct ktls_netlink *netlink, const struct ktls_ask *ask)
{
	/* Of one thing the end is known by the acknowledgement; a list has its own. */
	int flags = ask->flags & NLM_F_DUMP ? ask->flags : ask->flags | NLM_F_ACK;
	struct nl_msg *message = nlmsg_alloc_size(NLMSG_SPACE(KTLS_NETLINK_ASK_MAX));
	int r;

	if (!message)
		return -ENOMEM;
	if (!nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, ask->type, 0, flags) ||
	    nlmsg_append(message, (void *)(uintptr_t)ask->data, ask->len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	nl_complete_msg(netlink->sock, message);
	netlink->seq = nlmsg_hdr(message)->nlmsg_seq;
	r = nl_send(netlink->sock, message);
	nlmsg_free(message);
	return r < 0 ? errno_of(r) : 0;
}

static int try_ask(struct ktls_netlink *netlink, const struct ktls_ask *ask)
{
	struct nl_cb *callbacks;
	int r = netlink->sock ? 0 : connect_kernel(netlink);

	if (r < 0)
		return r;
	r = send_ask(netlink, ask);
	if (r < 0)
		return r;
	callbacks = nl_socket_get_cb(netlink->sock);
	while (r >= 0 && !netlink->done)
		r = nl_recvmsgs(netlink->sock, callbacks);
	nl_cb_put(callbacks);
	return r < 0 ? errno_of(r) : 0;
}

int ktls_netlink_ask(struct ktls_netlink *netlink, const struct ktls_ask *ask,
		     const struct ktls_answers *answers)
{
	bool is_list = ask->flags & NLM_F_DUMP;

	netlink->answers = answers;
	for (unsigned int i = 0; i < KTLS_NETLINK_TRIES_MAX; i++) {
		int r;

		if (i && answers->restart)
			answers->restart(answers->context);
		netlink->done = netlink->changed = false;
		r = try_ask(netlink, ask);
		if (r < 0)
			disconnect(netlink);
		if (!netlink->changed && !(is_list && r == -ENOBUFS))
			return r;
	}
	return -EAGAIN;
}

static int take_family(void *context, uint16_t type, struct ktls_view message)
{
	struct ktls_view row, views[CTRL_ATTR_FAMILY_ID + 1];
	uint16_t *family = context;
	int r = ktls_view_skip(message, GENL_HDRLEN, &row);

	if (type != GENL_ID_CTRL)
		return -EBADMSG;
	if (!r)
		r = ktls_views(row, views, sizeof(views) / sizeof(views[0]));
	if (r < 0)
		return r;
	*family = ktls_view_u16(views[CTRL_ATTR_FAMILY_ID], 0);
	return *family ? 0 : -EBADMSG;
}

int ktls_netlink_family(struct ktls_netlink *netlink, const char *name, uint16_t *ret_family)
{
	struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	struct ktls_ask ask = { .type = GENL_ID_CTRL };
	uint16_t family = 0;
	struct ktls_answers answers = { .take = take_family, .context = &family };
	int r = ktls_ask_put_header(&ask, &header, sizeof(header));

	if (!r)
		r = ktls_ask_put(&ask, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	if (!r)
		r = ktls_netlink_ask(netlink, &ask, &answers);
	if (!r && !family)
		r = -EBADMSG;
	if (!r)
		*ret_family = family;
	return r;
}
