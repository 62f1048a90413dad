/* SPDX-License-Identifier: MIT */

/*
 * Asking sock_diag(7) for sockets: one, by its addresses and its cookie, beside what getsockopt(2)
 * says of it; or all, family by family. What an answer says is read in diag_read.c.
 *
 * A kernel that tells of an upper layer only to CAP_NET_ADMIN says of all others just nothing. So
 * nothing means "no TLS" if something else shows that we are told: what only CAP_NET_ADMIN sees
 * (INET_DIAG_MARK), an upper layer of any socket, or of one of our own, made to see.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/secret.h"
#include "base/sized.h"
#include "base/sys.h"
#include "diag.h"
#include "ktls/kern.h"

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* Linux 5.0 */
#endif

enum diag_limit {
	SOCKETS_FIRST = 64,
	SOCKETS_MAX = 1 << 22, /* beyond it is -ENOMEM, as if there were no more */
	TCP_INFO_MAX = 1024,   /* of a kernel to come */
};

/* The states that are asked for. TIME-WAIT has no socket any more, and those before ESTABLISHED
 * have none yet. */
static const uint32_t connected = 1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 |
				  1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK |
				  1u << TCP_CLOSING;

struct ktls_diag {
	struct ktls_diag_socket *sockets;
	size_t n;
	size_t room;
	size_t silent; /* of how many it was not told whether they have TLS */
	struct {
		size_t n, silent;
	} begun; /* what there was before the present family */
	bool every;
	bool told; /* something shows that it is told to us of all */
};

static int put_request(struct ktls_ask *ask, unsigned int family, const struct inet_diag_sockid *id)
{
	struct inet_diag_req_v2 request = { .sdiag_family = (uint8_t)family,
					    .sdiag_protocol = IPPROTO_TCP,
					    .idiag_ext = 1u << (INET_DIAG_INFO - 1),
					    .idiag_states = connected };

	if (id)
		request.id = *id;
	return ktls_ask_put_header(ask, &request, sizeof(request));
}

static void free_netlink(struct ktls_netlink **netlink)
{
	ktls_netlink_free(*netlink);
}

/* -- One socket -- */

static int get_option(int fd, int level, int name, void *ret_value, socklen_t *len)
{
	return ktls_sys.getsockopt(fd, level, name, ret_value, len) ? -errno : 0;
}

static int get_int(int fd, int name, int *ret_value)
{
	socklen_t len = sizeof(*ret_value);

	return get_option(fd, SOL_SOCKET, name, ret_value, &len);
}

static int get_name(int (*name)(int fd, struct sockaddr *ret_sockaddr, socklen_t *len), int fd,
		    struct ktls_address *ret_address)
{
	struct sockaddr_storage storage;
	socklen_t len = sizeof(storage);

	if (name(fd, (struct sockaddr *)&storage, &len))
		return -errno;
	return ktls_address_from_sockaddr(ret_address, (struct sockaddr *)&storage, len);
}

/* A connected TCP socket, or why not. */
static int check_socket(int fd, struct ktls_diag_socket *ret_socket)
{
	int domain, protocol;
	int r = get_int(fd, SO_DOMAIN, &domain);

	if (!r)
		r = get_int(fd, SO_PROTOCOL, &protocol);
	if (r < 0)
		return r;
	if ((domain != AF_INET && domain != AF_INET6) || protocol != IPPROTO_TCP)
		return -EOPNOTSUPP;
	r = get_name(getpeername, fd, &ret_socket->peer);
	if (r < 0)
		return r;
	return get_name(getsockname, fd, &ret_socket->local);
}

static void fill_from_tls(int fd, struct ktls_diag_socket *ret_socket)
{
	struct kern_told told;

	kern_ask(fd, &told);
	for (unsigned int i = 0; i < _KTLS_DIRECTION_N; i++)
		ret_socket->mode[i] =
			told.keyed[i] == KERN_KEY_NONE ? KTLS_DIAG_NONE : KTLS_DIAG_UNKNOWN;
	ret_socket->protocol = told.protocol;
	ret_socket->cipher_id = told.cipher_id;
	ret_socket->cipher = kern_cipher_name(told.cipher_id);
	ret_socket->zerocopy_ro = told.zerocopy_ro;
	ret_socket->expect_no_pad = told.expect_no_pad;
	ret_socket->tx_max_payload_len = told.payload_max;
	if (told.protocol || (ret_socket->mode[KTLS_TX] && ret_socket->mode[KTLS_RX]))
		ret_socket->told |= KTLS_DIAG_TOLD_CIPHER;
	if (ret_socket->mode[KTLS_TX] && ret_socket->mode[KTLS_RX])
		ret_socket->told |= KTLS_DIAG_TOLD_MODE;
	if (told.payload_max)
		ret_socket->told |= KTLS_DIAG_TOLD_PAYLOAD;
}

static void fill_from_tcp(int fd, struct ktls_diag_socket *ret_socket)
{
	uint8_t info[TCP_INFO_MAX];
	socklen_t len = sizeof(info);
	int queued;

	if (get_option(fd, IPPROTO_TCP, TCP_INFO, info, &len) < 0)
		return;
	ktls_diag_read_tcp((struct ktls_view){ info, len }, ret_socket);
	if (len)
		ret_socket->state = info[0];
	if (!ioctl(fd, SIOCINQ, &queued))
		ret_socket->tcp_receive_queue = (uint32_t)queued;
	if (!ioctl(fd, SIOCOUTQ, &queued))
		ret_socket->tcp_send_queue = (uint32_t)queued;
}

/* All that a socket says of itself. */
static int fill_from_socket(int fd, struct ktls_diag_socket *ret_socket)
{
	socklen_t len = sizeof(ret_socket->cookie);
	struct stat file;
	int ifindex;
	bool tls;
	int r = check_socket(fd, ret_socket);

	if (!r)
		r = get_option(fd, SOL_SOCKET, SO_COOKIE, &ret_socket->cookie, &len);
	if (r < 0)
		return r;
	if (ktls_sys.fstat(fd, &file))
		return -errno;
	ret_socket->inode = file.st_ino;
	ret_socket->uid = file.st_uid;
	if (!get_int(fd, SO_BINDTOIFINDEX, &ifindex))
		ret_socket->ifindex = (uint32_t)ifindex;
	fill_from_tcp(fd, ret_socket);
	if (kern_has_ulp(fd, &tls))
		return 0;
	ktls_diag_set_tls(ret_socket, tls);
	if (tls)
		fill_from_tls(fd, ret_socket);
	return 0;
}

static struct inet_diag_sockid id_of(const struct ktls_diag_socket *socket)
{
	struct inet_diag_sockid id = {
		.idiag_sport = htons(socket->local.port),
		.idiag_dport = htons(socket->peer.port),
		.idiag_if = socket->ifindex,
		.idiag_cookie = { (uint32_t)socket->cookie, (uint32_t)(socket->cookie >> 32) },
	};

	memcpy(id.idiag_src, socket->local.bytes, sizeof(id.idiag_src));
	memcpy(id.idiag_dst, socket->peer.bytes, sizeof(id.idiag_dst));
	return id;
}

/* The answer for one socket. */
struct one {
	struct ktls_diag_socket *socket;
	struct ktls_diag_signs signs;
};

static int take_one(void *context, uint16_t type, struct ktls_view message)
{
	struct one *one = context;

	return type == SOCK_DIAG_BY_FAMILY ? ktls_diag_read(message, one->socket, &one->signs)
					   : -EBADMSG;
}

/* Completes what the socket says of itself. -ENOENT, -ESTALE: there is no such socket. */
static int ask_one(struct ktls_diag_socket *socket, struct ktls_diag_signs *ret_signs)
{
	_cleanup_(free_netlink) struct ktls_netlink *netlink = NULL;
	struct inet_diag_sockid id = id_of(socket);
	struct ktls_ask ask = { .type = SOCK_DIAG_BY_FAMILY };
	struct ktls_diag_socket copy = *socket;
	struct one one = { .socket = &copy };
	struct ktls_answers answers = { .take = take_one, .context = &one };
	int r = put_request(&ask, socket->local.family, &id);

	if (!r)
		r = ktls_netlink_new(&netlink, NETLINK_SOCK_DIAG);
	if (!r)
		r = ktls_netlink_ask(netlink, &ask, &answers);
	if (r < 0)
		return r;
	*socket = copy;
	*ret_signs = one.signs;
	return 0;
}

/* It cannot be asked here: not in this kernel, not by this process, or not in this namespace, of
 * which the socket is not. */
static bool is_out_of_reach(int error)
{
	static const int errors[] = { EPROTONOSUPPORT, EAFNOSUPPORT, EPERM,	EACCES,
				      ENOENT,	       ESTALE,	     EOPNOTSUPP };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (error == -errors[i])
			return true;
	return false;
}

int ktls_diag_look(int fd, struct ktls_diag_socket *ret_socket, struct ktls_diag_signs *ret_signs)
{
	struct ktls_diag_socket socket = { .cookie = 0 };
	struct ktls_diag_signs signs = { .ulp = false };
	int r = fill_from_socket(fd, &socket);

	if (r < 0)
		return r;
	r = ask_one(&socket, &signs);
	if (r < 0 && !is_out_of_reach(r))
		return r;
	*ret_socket = socket;
	*ret_signs = signs;
	return 0;
}

int ktls_diag_fd(int fd, struct ktls_diag_socket *ret_socket, size_t size)
{
	struct ktls_diag_socket socket;
	struct ktls_diag_signs signs;
	int r;

	if (!ret_socket || !size)
		return -EINVAL;
	r = ktls_diag_look(fd, &socket, &signs);
	if (r < 0)
		return r;
	ktls_sized_copy(ret_socket, size, &socket, sizeof(socket));
	return 0;
}

/* -- All -- */

static int make_room(struct ktls_diag *diag)
{
	size_t room = diag->room ? 2 * diag->room : SOCKETS_FIRST;
	struct ktls_diag_socket *sockets;

	if (diag->n < diag->room)
		return 0;
	if (room > SOCKETS_MAX)
		return -ENOMEM;
	sockets = realloc(diag->sockets, room * sizeof(*sockets));
	if (!sockets)
		return -ENOMEM;
	diag->sockets = sockets;
	diag->room = room;
	return 0;
}

static int take_many(void *context, uint16_t type, struct ktls_view message)
{
	struct ktls_diag *diag = context;
	struct ktls_diag_socket *socket;
	struct ktls_diag_signs signs;
	int r = type == SOCK_DIAG_BY_FAMILY ? make_room(diag) : -EBADMSG;

	if (r < 0)
		return r;
	socket = &diag->sockets[diag->n];
	memset(socket, 0, sizeof(*socket));
	r = ktls_diag_read(message, socket, &signs);
	if (r < 0)
		return r;
	if (signs.remnant)
		return 0;
	diag->told |= signs.ulp || signs.trusted;
	diag->silent += !(socket->told & KTLS_DIAG_TOLD_TLS);
	diag->n += diag->every || socket->tls;
	return 0;
}

/* The family's answers are void; those of the one before are not. */
static void restart(void *context)
{
	struct ktls_diag *diag = context;

	diag->n = diag->begun.n;
	diag->silent = diag->begun.silent;
}

static int ask_family(struct ktls_diag *diag, struct ktls_netlink *netlink, unsigned int family)
{
	struct ktls_ask ask = { .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_DUMP };
	struct ktls_answers answers = { .take = take_many, .restart = restart, .context = diag };
	int r = put_request(&ask, family, NULL);

	diag->begun.n = diag->n;
	diag->begun.silent = diag->silent;
	if (!r)
		r = ktls_netlink_ask(netlink, &ask, &answers);
	return r == -ENOENT ? -EPROTONOSUPPORT : r; /* the module is not there */
}

/* A socket of our own with the ULP: is it told? It cannot be attached where no socket has it. */
static bool try_own(void)
{
	_cleanup_(kern_pair_close) struct kern_pair pair = KERN_PAIR_NULL;
	struct ktls_diag_socket socket = { .cookie = 0 };
	struct ktls_diag_signs signs;
	unsigned int reason;
	int r;

	if (kern_pair_connect(&pair, &reason) < 0)
		return false;
	r = kern_attach(pair.tx, &reason);
	if (r < 0)
		return r == -ENOENT;
	if (fill_from_socket(pair.tx, &socket) < 0 || ask_one(&socket, &signs) < 0)
		return false;
	return signs.ulp;
}

/* Of those of which nothing was told: they have no TLS, if that would have been told. */
static void settle(struct ktls_diag *diag)
{
	if (!diag->silent || (!diag->told && !try_own()))
		return;
	diag->silent = 0;
	for (size_t i = 0; i < diag->n; i++)
		if (!(diag->sockets[i].told & KTLS_DIAG_TOLD_TLS))
			ktls_diag_set_tls(&diag->sockets[i], false);
}

static int ask_all(struct ktls_diag *diag)
{
	_cleanup_(free_netlink) struct ktls_netlink *netlink = NULL;
	int r = ktls_netlink_new(&netlink, NETLINK_SOCK_DIAG);

	if (!r)
		r = ask_family(diag, netlink, AF_INET);
	if (!r)
		r = ask_family(diag, netlink, AF_INET6);
	return r;
}

int ktls_diag_new(struct ktls_diag **ret_diag, unsigned int flags)
{
	struct ktls_diag *diag;
	int r;

	if (!ret_diag || flags & ~(unsigned int)KTLS_DIAG_EVERY)
		return -EINVAL;
	diag = calloc(1, sizeof(*diag));
	if (!diag)
		return -ENOMEM;
	diag->every = flags & KTLS_DIAG_EVERY;
	r = ask_all(diag);
	if (r < 0) {
		ktls_diag_free(diag);
		return r;
	}
	settle(diag);
	*ret_diag = diag;
	return 0;
}

struct ktls_diag *ktls_diag_free(struct ktls_diag *diag)
{
	if (diag)
		free(diag->sockets);
	free(diag);
	return NULL;
}

size_t ktls_diag_count(const struct ktls_diag *diag)
{
	return diag ? diag->n : 0;
}

size_t ktls_diag_hidden(const struct ktls_diag *diag)
{
	return diag ? diag->silent : 0;
}

int ktls_diag_get(const struct ktls_diag *diag, size_t i, struct ktls_diag_socket *ret_socket,
		  size_t size)
{
	if (!diag || !ret_socket || !size)
		return -EINVAL;
	if (i >= diag->n)
		return -ERANGE;
	ktls_sized_copy(ret_socket, size, &diag->sockets[i], sizeof(diag->sockets[i]));
	return 0;
}

/* -- Words -- */

const char *ktls_diag_mode_name(unsigned int mode)
{
	static const char *const names[_KTLS_DIAG_MODE_N] = {
		[KTLS_DIAG_UNKNOWN] = "unknown",   [KTLS_DIAG_NONE] = "none",
		[KTLS_DIAG_SOFTWARE] = "software", [KTLS_DIAG_DEVICE] = "device",
		[KTLS_DIAG_RECORD] = "record",
	};

	return names[mode < _KTLS_DIAG_MODE_N ? mode : KTLS_DIAG_UNKNOWN];
}

const char *ktls_diag_state_name(unsigned int state)
{
	static const char *const names[] = {
		[TCP_ESTABLISHED] = "ESTABLISHED",
		[TCP_SYN_SENT] = "SYN-SENT",
		[TCP_SYN_RECV] = "SYN-RECEIVED",
		[TCP_FIN_WAIT1] = "FIN-WAIT-1",
		[TCP_FIN_WAIT2] = "FIN-WAIT-2",
		[TCP_TIME_WAIT] = "TIME-WAIT",
		[TCP_CLOSE] = "CLOSED",
		[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
		[TCP_LAST_ACK] = "LAST-ACK",
		[TCP_LISTEN] = "LISTEN",
		[TCP_CLOSING] = "CLOSING",
	};

	if (state >= sizeof(names) / sizeof(names[0]) || !names[state])
		return "unknown";
	return names[state];
}
