/* SPDX-License-Identifier: MIT */

/* What this kernel says of sockets, with TLS or without it; and what the calls refuse. */

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include <criterion/criterion.h>

#include <ktls/diag.h>

#include "src/base/sys.h"
#include "src/netlink.h"
#include "tests/kit.h"
#include "tests/telling.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* A kernel, or a container, may have no sock_diag. */
static struct ktls_diag *every(void)
{
	struct ktls_diag *diag;
	int r = ktls_diag_new(&diag, KTLS_DIAG_EVERY);

	if (r == -EPROTONOSUPPORT || r == -EPERM)
		cr_skip_test("there is no sock_diag here");
	cr_assert_eq(r, 0, "%d", r);
	return diag;
}

static struct ktls_diag_socket ask(int fd)
{
	struct ktls_diag_socket socket;

	cr_assert_eq(ktls_diag_fd(fd, &socket, sizeof(socket)), 0);
	return socket;
}

static bool find(const struct ktls_diag *diag, uint64_t cookie, struct ktls_diag_socket *ret_socket)
{
	for (size_t i = 0; i < ktls_diag_count(diag); i++) {
		cr_assert_eq(ktls_diag_get(diag, i, ret_socket, sizeof(*ret_socket)), 0);
		if (ret_socket->cookie == cookie)
			return true;
	}
	return false;
}

/* A connection; the ends' families may differ, for ::ffff:127.0.0.1. */
static void connect_pair(int listening, int connecting, int ret_fds[2])
{
	struct sockaddr_storage storage = { .ss_family = (sa_family_t)listening };
	struct sockaddr *address = (struct sockaddr *)&storage;
	struct ktls_address bound;
	socklen_t len = sizeof(storage);
	int listener = socket(listening, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	cr_assert(!bind(listener, address, sizeof(storage)) && !listen(listener, 1));
	cr_assert(!getsockname(listener, address, &len));
	cr_assert_eq(ktls_address_from_sockaddr(&bound, address, len), 0);
	cr_assert_eq(ktls_address_parse(&bound, connecting == AF_INET ? "127.0.0.1" : "::1"), 0);
	bound.port = ntohs(((struct sockaddr_in *)(void *)&storage)->sin_port);
	cr_assert_eq(ktls_address_to_sockaddr(&bound, &storage, &len), 0);
	ret_fds[0] = socket(connecting, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	cr_assert(!connect(ret_fds[0], address, len));
	ret_fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(ret_fds[1], 0);
	close(listener);
}

static void close_pair(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* The facts that the socket itself can be asked for. */
static void check_plain(int fd, const struct ktls_diag_socket *socket)
{
	struct sockaddr_storage storage;
	socklen_t len = sizeof(storage), cookie_len = sizeof(uint64_t);
	struct ktls_address address;
	uint64_t cookie;
	struct stat file;

	cr_assert(!getsockname(fd, (struct sockaddr *)&storage, &len));
	cr_assert_eq(ktls_address_from_sockaddr(&address, (struct sockaddr *)&storage, len), 0);
	cr_assert(!memcmp(&address, &socket->local, sizeof(address)));
	len = sizeof(storage);
	cr_assert(!getpeername(fd, (struct sockaddr *)&storage, &len));
	cr_assert_eq(ktls_address_from_sockaddr(&address, (struct sockaddr *)&storage, len), 0);
	cr_assert(!memcmp(&address, &socket->peer, sizeof(address)));
	cr_assert(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_len));
	cr_assert_eq(socket->cookie, cookie);
	cr_assert(!fstat(fd, &file));
	cr_assert_eq(socket->inode, file.st_ino);
	cr_assert_eq(socket->uid, file.st_uid);
	cr_assert_eq(socket->state, TCP_ESTABLISHED);
	cr_assert(socket->told & KTLS_DIAG_TOLD_TCP);
	cr_assert_gt(socket->tcp_mss, 500);
	cr_assert_gt(socket->tcp_cwnd, 0);
	cr_assert_eq(socket->tls, 0);
	cr_assert_null(socket->cipher);
}

Test(unit, a_socket_is_told_of_by_itself_and_among_all)
{
	static const struct {
		int listening, connecting;
	} rows[] = { { AF_INET, AF_INET }, { AF_INET6, AF_INET6 }, { AF_INET6, AF_INET } };

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		struct ktls_diag *diag;
		int fds[2];

		connect_pair(rows[row].listening, rows[row].connecting, fds);
		diag = every();
		for (int i = 0; i < 2; i++) {
			struct ktls_diag_socket one = ask(fds[i]), same;

			check_plain(fds[i], &one);
			cr_assert(one.told & KTLS_DIAG_TOLD_TLS);
			cr_assert_eq(one.mode[KTLS_TX], KTLS_DIAG_NONE);
			cr_assert(find(diag, one.cookie, &same));
			check_plain(fds[i], &same);
		}
		cr_assert_null(ktls_diag_free(diag));
		close_pair(fds);
	}
}

Test(unit, what_is_in_the_queues_is_told)
{
	struct ktls_diag_socket ends[2];
	int fds[2];

	kit_tcp_pair(fds);
	cr_assert_eq(write(fds[0], "hello", 5), 5);
	kit_wait(fds[1], POLLIN);

	ends[0] = ask(fds[0]);
	ends[1] = ask(fds[1]);

	cr_assert_eq(ends[1].tcp_receive_queue, 5);
	cr_assert_eq(ends[1].tcp_bytes_received, 5);
	cr_assert_eq(ends[0].tcp_receive_queue, 0);
	cr_assert_leq(ends[0].tcp_not_sent, ends[0].tcp_send_queue);
	close_pair(fds);
}

Test(unit, a_half_closed_socket_is_told_of)
{
	struct ktls_diag_socket ends[2], same;
	struct ktls_diag *diag;
	int fds[2];

	kit_tcp_pair(fds);
	cr_assert(!shutdown(fds[0], SHUT_WR));
	kit_wait(fds[1], POLLIN);

	do
		ends[0] = ask(fds[0]);
	while (ends[0].state == TCP_FIN_WAIT1); /* until the peer has acknowledged it */
	ends[1] = ask(fds[1]);
	diag = every();

	cr_assert_eq(ends[0].state, TCP_FIN_WAIT2);
	cr_assert_eq(ends[1].state, TCP_CLOSE_WAIT);
	cr_assert(find(diag, ends[0].cookie, &same) && same.state == TCP_FIN_WAIT2);
	cr_assert(find(diag, ends[1].cookie, &same) && same.state == TCP_CLOSE_WAIT);
	ktls_diag_free(diag);
	close_pair(fds);
}

/* It is kept, for its bytes are to be sent, until the peer has them; then it is a remnant. */
Test(unit, a_socket_that_no_process_has_is_told_of_and_its_remnant_is_not)
{
	struct ktls_diag_socket gone, same;
	struct ktls_diag *diag;
	int fds[2];

	kit_tcp_pair(fds);
	gone = ask(fds[0]);
	close(fds[0]);
	kit_wait(fds[1], POLLIN);
	diag = every();
	if (find(diag, gone.cookie, &same)) {
		cr_assert_eq(same.inode, 0);
		cr_assert(same.state == TCP_FIN_WAIT1 || same.state == TCP_FIN_WAIT2);
	}
	ktls_diag_free(diag);

	close(fds[1]);
	diag = every();
	cr_assert(!find(diag, gone.cookie, &same));
	for (size_t i = 0; i < ktls_diag_count(diag); i++) {
		cr_assert_eq(ktls_diag_get(diag, i, &same, sizeof(same)), 0);
		cr_assert_neq(same.state, TCP_TIME_WAIT);
	}
	ktls_diag_free(diag);
}

Test(unit, a_bound_socket_is_found)
{
	const char name[] = "lo";
	struct ktls_diag_socket socket;
	int fds[2];

	kit_tcp_pair(fds);
	/* The peer's answers come in over it, too; Linux 5.7 needs no privilege for it. */
	cr_assert(!setsockopt(fds[0], SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name)));

	socket = ask(fds[0]);

	cr_assert_eq(socket.ifindex, if_nametoindex(name));
	check_plain(fds[0], &socket);
	close_pair(fds);
}

Test(unit, only_a_connected_tcp_socket_can_be_asked_for)
{
	struct ktls_diag_socket socket_, untouched;
	int unconnected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int multipath = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	int local[2], file[2];
	size_t size = sizeof(socket_);

	memset(&untouched, 0x5a, sizeof(untouched));
	memset(&socket_, 0x5a, sizeof(socket_));
	cr_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local) && !pipe(file));

	cr_assert_eq(ktls_diag_fd(-1, &socket_, size), -EBADF);
	cr_assert_eq(ktls_diag_fd(file[0], &socket_, size), -ENOTSOCK);
	cr_assert_eq(ktls_diag_fd(local[0], &socket_, size), -EOPNOTSUPP);
	cr_assert_eq(ktls_diag_fd(datagram, &socket_, size), -EOPNOTSUPP);
	cr_assert_eq(ktls_diag_fd(unconnected, &socket_, size), -ENOTCONN);
	cr_assert(!listen(unconnected, 1));
	cr_assert_eq(ktls_diag_fd(unconnected, &socket_, size), -ENOTCONN);
	if (multipath >= 0)
		cr_assert_eq(ktls_diag_fd(multipath, &socket_, size), -EOPNOTSUPP);
	cr_assert(!memcmp(&socket_, &untouched, size));
}

Test(unit, arguments_are_checked)
{
	struct ktls_diag_socket socket;
	struct ktls_diag *diag = NULL;
	int fds[2];

	kit_tcp_pair(fds);
	cr_assert_eq(ktls_diag_fd(fds[0], NULL, sizeof(socket)), -EINVAL);
	cr_assert_eq(ktls_diag_fd(fds[0], &socket, 0), -EINVAL);
	cr_assert_eq(ktls_diag_new(NULL, 0), -EINVAL);
	cr_assert_eq(ktls_diag_new(&diag, 2), -EINVAL);
	cr_assert_null(diag);
	cr_assert_null(ktls_diag_free(NULL));
	cr_assert_eq(ktls_diag_count(NULL), 0);
	cr_assert_eq(ktls_diag_hidden(NULL), 0);
	cr_assert_eq(ktls_diag_get(NULL, 0, &socket, sizeof(socket)), -EINVAL);

	diag = every();
	cr_assert_eq(ktls_diag_get(diag, 0, NULL, sizeof(socket)), -EINVAL);
	cr_assert_eq(ktls_diag_get(diag, 0, &socket, 0), -EINVAL);
	cr_assert_eq(ktls_diag_get(diag, ktls_diag_count(diag), &socket, sizeof(socket)), -ERANGE);
	cr_assert_eq(ktls_diag_get(diag, SIZE_MAX, &socket, sizeof(socket)), -ERANGE);
	ktls_diag_free(diag);
	close_pair(fds);
}

/* Built against an older header, and against a newer one. */
Test(unit, a_program_gets_what_it_knows)
{
	struct ktls_diag_socket socket;
	struct {
		struct ktls_diag_socket socket;
		uint64_t more;
	} newer = { .more = 7 };
	int fds[2];

	kit_tcp_pair(fds);
	memset(&socket, 0x5a, sizeof(socket));

	cr_assert_eq(ktls_diag_fd(fds[0], &socket, sizeof(struct ktls_address)), 0);
	cr_assert_eq(socket.local.family, AF_INET);
	cr_assert_eq(socket.peer.family, 0x5a5a);
	cr_assert_eq(ktls_diag_fd(fds[0], &newer.socket, sizeof(newer)), 0);
	cr_assert_eq(newer.more, 0);
	check_plain(fds[0], &newer.socket);
	close_pair(fds);
}

Test(unit, nothing_is_left_behind)
{
	unsigned int fds = kit_count_fds();

	for (int i = 0; i < 10; i++)
		ktls_diag_free(every());
	cr_assert_eq(kit_count_fds(), fds);
}

/* A kernel that says what the test wants */

static void say_socket(const struct inet_diag_msg *head, bool trusted, const char *ulp)
{
	struct ktls_ask message = { .type = 0 };
	size_t mark;

	cr_assert_eq(ktls_ask_put_header(&message, head, sizeof(*head)), 0);
	if (trusted)
		cr_assert_eq(ktls_ask_put(&message, INET_DIAG_MARK, "\0\0\0", 4), 0);
	if (ulp) {
		cr_assert_eq(ktls_ask_begin(&message, INET_DIAG_ULP_INFO, &mark), 0);
		cr_assert_eq(ktls_ask_put(&message, INET_ULP_INFO_NAME, ulp, strlen(ulp) + 1), 0);
		ktls_ask_end(&message, mark);
	}
	telling_say(SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, 0, message.data, message.len);
}

static void say_v4(bool trusted, const char *ulp)
{
	static const struct inet_diag_msg head = { .idiag_family = AF_INET,
						   .idiag_state = TCP_ESTABLISHED };

	say_socket(&head, trusted, ulp);
}

/* The lists of both families, of which the second is empty. */
static struct ktls_diag *list(unsigned int flags)
{
	struct ktls_diag *diag;

	telling_done(0);
	telling_datagram();
	telling_done(0);
	cr_assert_eq(ktls_diag_new(&diag, flags), 0);
	return diag;
}

/* As if this kernel had TLS, whether it has or not. */
static int attach(int fd, int level, int name, const void *value, socklen_t len)
{
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return 0;
	return setsockopt(fd, level, name, value, len);
}

static int refuse(int fd, int level, int name, const void *value, socklen_t len)
{
	if (level != IPPROTO_TCP || name != TCP_ULP)
		return setsockopt(fd, level, name, value, len);
	errno = EPERM;
	return -1;
}

static int lack(int fd, int level, int name, const void *value, socklen_t len)
{
	if (level != IPPROTO_TCP || name != TCP_ULP)
		return setsockopt(fd, level, name, value, len);
	errno = ENOENT;
	return -1;
}

Test(unit, what_is_told_of_one_is_told_of_all)
{
	struct ktls_diag_socket socket;
	struct ktls_diag *diag;

	telling_begin();
	telling_datagram();
	say_v4(false, NULL);
	say_v4(false, "tls");
	say_v4(false, "mptcp");
	diag = list(0);

	cr_assert_eq(ktls_diag_count(diag), 1);
	cr_assert_eq(ktls_diag_hidden(diag), 0);
	cr_assert_eq(ktls_diag_get(diag, 0, &socket, sizeof(socket)), 0);
	cr_assert_eq(socket.tls, 1);
	ktls_diag_free(diag);

	telling_begin();
	telling_datagram();
	say_v4(true, NULL);
	diag = list(KTLS_DIAG_EVERY);
	cr_assert_eq(ktls_diag_hidden(diag), 0);
	cr_assert_eq(ktls_diag_get(diag, 0, &socket, sizeof(socket)), 0);
	cr_assert(!socket.tls && socket.told & KTLS_DIAG_TOLD_TLS);
	ktls_diag_free(diag);
}

/* Nothing shows that it is told to us: one of our own decides, which is not told of either. */
Test(unit, what_is_not_told_even_of_our_own_is_hidden)
{
	struct ktls_diag_socket socket;
	struct ktls_diag *diag;
	unsigned int fds = kit_count_fds();

	for (unsigned int flags = 0; flags < 2; flags++) {
		telling_begin();
		ktls_sys.setsockopt = attach;
		telling_datagram();
		say_v4(false, NULL);
		say_v4(false, NULL);
		telling_done(0);
		telling_datagram();
		telling_done(0);
		telling_datagram();
		say_v4(false, NULL);
		telling_error(0);
		cr_assert_eq(ktls_diag_new(&diag, flags), 0);

		cr_assert_eq(telling.asked, 3);
		cr_assert_eq(ktls_diag_hidden(diag), 2);
		cr_assert_eq(ktls_diag_count(diag), flags ? 2 : 0);
		if (flags) {
			cr_assert_eq(ktls_diag_get(diag, 1, &socket, sizeof(socket)), 0);
			cr_assert_eq(socket.told, 0);
			cr_assert_eq(socket.mode[KTLS_TX], KTLS_DIAG_UNKNOWN);
		}
		ktls_diag_free(diag);
	}
	cr_assert_eq(kit_count_fds(), fds);
}

Test(unit, nothing_is_hidden_where_our_own_is_told)
{
	struct ktls_diag *diag;

	telling_begin();
	ktls_sys.setsockopt = attach;
	telling_datagram();
	say_v4(false, NULL);
	telling_done(0);
	telling_datagram();
	telling_done(0);
	telling_datagram();
	say_v4(false, "tls");
	telling_error(0);
	cr_assert_eq(ktls_diag_new(&diag, KTLS_DIAG_EVERY), 0);

	cr_assert_eq(ktls_diag_hidden(diag), 0);
	cr_assert_eq(ktls_diag_count(diag), 1);
	ktls_diag_free(diag);
}

/* Where no socket can have it nothing is hidden; where that cannot be tried, all is. */
Test(unit, what_cannot_be_tried_is_hidden_unless_there_is_no_tls)
{
	struct ktls_diag *diag;

	telling_begin();
	ktls_sys.setsockopt = lack;
	telling_datagram();
	say_v4(false, NULL);
	diag = list(0);
	cr_assert_eq(ktls_diag_hidden(diag), 0);
	ktls_diag_free(diag);

	telling_begin();
	ktls_sys.setsockopt = refuse;
	telling_datagram();
	say_v4(false, NULL);
	diag = list(0);
	cr_assert_eq(ktls_diag_hidden(diag), 1);
	ktls_diag_free(diag);
}

/* Of the first family nothing is lost, when the second is told again. */
Test(unit, a_list_told_again_counts_once)
{
	static const struct inet_diag_msg v6 = { .idiag_family = AF_INET6,
						 .idiag_state = TCP_ESTABLISHED };
	struct ktls_diag *diag;

	telling_begin();
	telling_datagram();
	say_v4(true, "tls");
	telling_done(0);
	telling_datagram();
	say_socket(&v6, true, "tls");
	telling_errno(ENOBUFS);
	telling_datagram();
	say_socket(&v6, true, "tls");
	say_socket(&v6, true, NULL);
	telling_done(0);
	cr_assert_eq(ktls_diag_new(&diag, 0), 0);

	cr_assert_eq(ktls_diag_count(diag), 2);
	cr_assert_eq(ktls_diag_hidden(diag), 0);
	ktls_diag_free(diag);
}

Test(unit, many_sockets_in_many_datagrams)
{
	struct ktls_diag_socket socket;
	struct ktls_diag *diag;

	telling_begin();
	for (int i = 0; i < 30; i++) {
		telling_datagram();
		for (int k = 0; k < 100; k++)
			say_v4(true, k % 2 ? "tls" : NULL);
	}
	diag = list(0);

	cr_assert_eq(ktls_diag_count(diag), 1500);
	cr_assert_eq(ktls_diag_get(diag, 1499, &socket, sizeof(socket)), 0);
	cr_assert_eq(socket.tls, 1);
	ktls_diag_free(diag);
}

Test(unit, a_list_that_fails_leaves_nothing)
{
	static const struct {
		int error, r;
	} rows[] = { { -ENOENT, -EPROTONOSUPPORT }, { -EPERM, -EPERM }, { -ENOMEM, -ENOMEM } };
	unsigned int fds = kit_count_fds();
	struct ktls_diag *diag = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		telling_begin();
		telling_datagram();
		telling_error(rows[i].error);
		cr_assert_eq(ktls_diag_new(&diag, 0), rows[i].r);
	}
	telling_begin();
	telling.again = true;
	telling_errno(ENOBUFS);
	cr_assert_eq(ktls_diag_new(&diag, 0), -EAGAIN);
	telling_begin();
	telling_datagram();
	telling_say(SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, 0, "short", 5);
	cr_assert_eq(ktls_diag_new(&diag, 0), -EBADMSG);
	telling_begin();
	telling_datagram();
	telling_say(SOCK_DIAG_BY_FAMILY + 1, NLM_F_MULTI, 0, NULL, 0);
	cr_assert_eq(ktls_diag_new(&diag, 0), -EBADMSG);
	cr_assert_null(diag);
	cr_assert_eq(kit_count_fds(), fds);
}

/* Then the socket speaks for itself; what is malformed is no answer, though. */
Test(unit, a_socket_that_cannot_be_asked_for_speaks_for_itself)
{
	static const int errors[] = { ENOENT, ESTALE, EPERM, EACCES, EOPNOTSUPP };
	struct ktls_diag_socket socket;
	int fds[2];

	kit_tcp_pair(fds);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		telling_begin();
		telling_datagram();
		telling_error(-errors[i]);
		socket = ask(fds[0]);
		check_plain(fds[0], &socket);
	}
	telling_begin();
	telling_datagram();
	telling_say(SOCK_DIAG_BY_FAMILY, 0, 0, "short", 5);
	cr_assert_eq(ktls_diag_fd(fds[0], &socket, sizeof(socket)), -EBADMSG);
	telling_begin();
	telling_datagram();
	telling_error(-ENOMEM);
	cr_assert_eq(ktls_diag_fd(fds[0], &socket, sizeof(socket)), -ENOMEM);
	close_pair(fds);
}

Test(unit, words)
{
	static const char *const modes[] = { "unknown", "none", "software", "device", "record" };
	static const char *const states[] = { "unknown",      "ESTABLISHED", "SYN-SENT",
					      "SYN-RECEIVED", "FIN-WAIT-1",  "FIN-WAIT-2",
					      "TIME-WAIT",    "CLOSED",	     "CLOSE-WAIT",
					      "LAST-ACK",     "LISTEN",	     "CLOSING" };

	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		cr_assert_str_eq(ktls_diag_mode_name(i), modes[i]);
	for (unsigned int i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		cr_assert_str_eq(ktls_diag_state_name(i), states[i]);
	cr_assert_str_eq(ktls_diag_mode_name(_KTLS_DIAG_MODE_N), "unknown");
	cr_assert_str_eq(ktls_diag_mode_name(UINT32_MAX), "unknown");
	cr_assert_str_eq(ktls_diag_state_name(12), "unknown");
	cr_assert_str_eq(ktls_diag_state_name(UINT32_MAX), "unknown");
}
