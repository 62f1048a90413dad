/* SPDX-License-Identifier: MIT */

/*
 * Real kernels say of sockets what was set on them: every version, cipher and direction, by the
 * socket and among all; closed, without privileges, and across namespaces.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <ktls/diag.h>

#include "tests/kit.h"

enum {
	NOBODY = 65534,
	SOL_TLS_ = 282,
	EXPECT_NO_PAD = 4, /* TLS_RX_EXPECT_NO_PAD */
	TOLD_KEYS = KTLS_DIAG_TOLD_TLS | KTLS_DIAG_TOLD_MODE | KTLS_DIAG_TOLD_CIPHER |
		    KTLS_DIAG_TOLD_TCP,
};

TestSuite(kernel, .init = kit_require_tls);

static struct ktls_diag_socket ask(int fd)
{
	struct ktls_diag_socket socket;

	cr_assert_eq(ktls_diag_fd(fd, &socket, sizeof(socket)), 0);
	return socket;
}

static bool find(uint64_t cookie, unsigned int flags, struct ktls_diag_socket *ret_socket,
		 size_t *ret_hidden)
{
	struct ktls_diag *diag;
	bool found = false;

	cr_assert_eq(ktls_diag_new(&diag, flags), 0);
	for (size_t i = 0; !found && i < ktls_diag_count(diag); i++) {
		cr_assert_eq(ktls_diag_get(diag, i, ret_socket, sizeof(*ret_socket)), 0);
		found = ret_socket->cookie == cookie;
	}
	*ret_hidden = ktls_diag_hidden(diag);
	ktls_diag_free(diag);
	return found;
}

/* Sockets may be asked of as CAP_NET_ADMIN, and among all it is told the same. */
static struct ktls_diag_socket ask_both(int fd)
{
	struct ktls_diag_socket one = ask(fd), same;
	size_t hidden;

	cr_assert(find(one.cookie, 0, &same, &hidden) == one.tls);
	cr_assert_eq(hidden, 0);
	if (!one.tls)
		return one;
	cr_assert_eq(same.told, one.told);
	cr_assert_eq(same.protocol, one.protocol);
	cr_assert_eq(same.cipher_id, one.cipher_id);
	cr_assert(same.mode[0] == one.mode[0] && same.mode[1] == one.mode[1]);
	cr_assert_eq(same.expect_no_pad, one.expect_no_pad);
	cr_assert_eq(same.tx_max_payload_len, one.tx_max_payload_len);
	cr_assert(!memcmp(&same.local, &one.local, sizeof(one.local)));
	cr_assert(!memcmp(&same.peer, &one.peer, sizeof(one.peer)));
	return one;
}

static void attach(int fd)
{
	unsigned int reason = 0;

	cr_assert_eq(kern_attach(fd, &reason), 0, "%s", ktls_reason_name(reason));
}

/* A kernel may lack the cipher's module. */
static bool key(int fd, enum ktls_direction direction, const struct kit_suite *suite)
{
	unsigned int reason = 0;
	struct kern_crypto crypto;
	struct kern_keys keys;

	kit_keys(suite, 0, &keys);
	cr_assert_eq(kern_prepare(&keys, &crypto), 0);
	if (!kern_commit(fd, direction, &crypto, &reason))
		return true;
	cr_assert_eq(reason, KTLS_REASON_NO_CIPHER, "%s: %s", suite->name,
		     ktls_reason_name(reason));
	return false;
}

static void close_pair(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

Test(kernel, every_suite_and_direction_is_told)
{
	for (unsigned int i = 0; i < KIT_SUITES_N; i++) {
		const struct kit_suite *suite = &kit_suites[i];

		for (unsigned int set = 1; set < 4; set++) {
			bool tx = set & 1, rx = set & 2;
			struct ktls_diag_socket socket;
			int fds[2];

			kit_tcp_pair(fds);
			attach(fds[0]);
			if ((tx && !key(fds[0], KTLS_TX, suite)) ||
			    (rx && !key(fds[0], KTLS_RX, suite))) {
				close_pair(fds);
				continue;
			}
			socket = ask_both(fds[0]);
			cr_assert_eq(socket.told & TOLD_KEYS, TOLD_KEYS, "%s", suite->name);
			cr_assert_eq(socket.tls, 1);
			cr_assert_eq(socket.protocol, suite->protocol, "%s", suite->name);
			cr_assert_eq(socket.cipher_id, kern_cipher(suite->cipher)->id);
			cr_assert_str_eq(socket.cipher, kern_cipher(suite->cipher)->name);
			cr_assert_eq(socket.mode[KTLS_TX], tx ? KTLS_DIAG_SOFTWARE : KTLS_DIAG_NONE,
				     "%s", suite->name);
			cr_assert_eq(socket.mode[KTLS_RX], rx ? KTLS_DIAG_SOFTWARE : KTLS_DIAG_NONE,
				     "%s", suite->name);
			cr_assert_eq(ask_both(fds[1]).tls, 0);
			close_pair(fds);
		}
	}
}

Test(kernel, attached_without_a_key)
{
	struct ktls_diag_socket socket;
	int fds[2];

	kit_tcp_pair(fds);
	attach(fds[0]);

	socket = ask_both(fds[0]);

	cr_assert_eq(socket.tls, 1);
	cr_assert_eq(socket.told & TOLD_KEYS, TOLD_KEYS);
	cr_assert(!socket.protocol && !socket.cipher_id && !socket.cipher);
	cr_assert(socket.mode[0] == KTLS_DIAG_NONE && socket.mode[1] == KTLS_DIAG_NONE);
	close_pair(fds);
}

Test(kernel, options_are_told_as_they_were_taken)
{
	const int on = 1;
	struct ktls_diag_socket socket;
	unsigned int reason;
	bool limited, unpadded;
	int fds[2];

	kit_tcp_pair(fds);
	attach(fds[0]);
	limited = !kern_set_payload_max(fds[0], 512, &reason);
	cr_assert(key(fds[0], KTLS_TX, &kit_suites[4]) && key(fds[0], KTLS_RX, &kit_suites[4]));
	unpadded = !setsockopt(fds[0], SOL_TLS_, EXPECT_NO_PAD, &on, sizeof(on));

	socket = ask_both(fds[0]);

	cr_assert_eq(socket.expect_no_pad, unpadded);
	cr_assert_eq(socket.zerocopy_ro, 0);
	cr_assert_eq(socket.tx_max_payload_len, limited ? 512 : 0);
	cr_assert_eq(!!(socket.told & KTLS_DIAG_TOLD_PAYLOAD), limited);
	close_pair(fds);
}

/* ::1, and 127.0.0.1 as seen by a socket for both families. */
Test(kernel, addresses_of_both_families)
{
	static const struct in6_addr mapped = { .s6_addr = { [10] = 255, 255, 127, 0, 0, 1 } };

	for (int i = 0; i < 2; i++) {
		struct sockaddr_in6 address = { .sin6_family = AF_INET6,
						.sin6_addr = i ? mapped : in6addr_loopback };
		socklen_t len = sizeof(address);
		int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int fds[2];

		cr_assert(!bind(listener, (struct sockaddr *)&address, len) &&
			  !listen(listener, 1) &&
			  !getsockname(listener, (struct sockaddr *)&address, &len));
		fds[0] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert(!connect(fds[0], (struct sockaddr *)&address, len));
		fds[1] = accept(listener, NULL, NULL);
		for (int end = 0; end < 2; end++) {
			attach(fds[end]);
			cr_assert(key(fds[end], KTLS_TX, &kit_suites[0]));
			cr_assert_eq(ask_both(fds[end]).mode[KTLS_TX], KTLS_DIAG_SOFTWARE);
		}
		close_pair(fds);
		close(listener);
	}
}

Test(kernel, half_closed_sockets_keep_their_tls)
{
	struct ktls_diag_socket socket;
	int fds[2];

	kit_tcp_pair(fds);
	for (int end = 0; end < 2; end++) {
		attach(fds[end]);
		cr_assert(key(fds[end], KTLS_TX, &kit_suites[4]));
	}
	cr_assert(!shutdown(fds[0], SHUT_WR));
	kit_wait(fds[1], POLLIN);

	socket = ask_both(fds[1]);
	cr_assert_eq(socket.state, TCP_CLOSE_WAIT);
	cr_assert_eq(socket.mode[KTLS_TX], KTLS_DIAG_SOFTWARE);
	socket = ask_both(fds[0]);
	cr_assert(socket.state == TCP_FIN_WAIT1 || socket.state == TCP_FIN_WAIT2);
	cr_assert_eq(socket.mode[KTLS_TX], KTLS_DIAG_SOFTWARE);
	close_pair(fds);
}

/* Its last bytes cannot leave, for the peer does not read. */
Test(kernel, a_socket_that_no_process_has_is_told_of)
{
	static const uint8_t much[1 << 20];
	struct ktls_diag_socket gone, socket;
	size_t hidden;
	int fds[2];

	kit_tcp_pair(fds);
	attach(fds[0]);
	gone = ask(fds[0]);
	while (send(fds[0], much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	close(fds[0]);

	cr_assert(find(gone.cookie, KTLS_DIAG_EVERY, &socket, &hidden));
	cr_assert_eq(socket.inode, 0);
	cr_assert_eq(socket.state, TCP_FIN_WAIT1);
	cr_assert(socket.told & KTLS_DIAG_TOLD_TLS);
	close(fds[1]);
}

/* What becomes of the test in a process of its own: 0, or the number of the line that failed. */
#define CHECK(condition)                       \
	do {                                   \
		if (!(condition))              \
			_exit(__LINE__ % 256); \
	} while (0)

static void check_child(pid_t child)
{
	int status;

	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && !WEXITSTATUS(status), "line %d (modulo 256)",
		  WEXITSTATUS(status));
}

/* In a child, which ends with it: of a socket whose TX has a key, and what is known of it here. */
static void check_elsewhere(void (*check)(int fd, const struct ktls_diag_socket *known))
{
	struct ktls_diag_socket known;
	int fds[2];
	pid_t child;

	kit_tcp_pair(fds);
	attach(fds[0]);
	cr_assert(key(fds[0], KTLS_TX, &kit_suites[4]));
	known = ask_both(fds[0]);
	child = fork();
	if (!child)
		check(fds[0], &known);
	check_child(child);
	close_pair(fds);
}

static bool list(unsigned int flags, uint64_t cookie, struct ktls_diag_socket *ret_socket,
		 size_t *ret_n, size_t *ret_hidden)
{
	struct ktls_diag *diag;
	bool found = false;

	CHECK(!ktls_diag_new(&diag, flags));
	for (size_t i = 0; !found && i < ktls_diag_count(diag); i++) {
		CHECK(!ktls_diag_get(diag, i, ret_socket, sizeof(*ret_socket)));
		found = ret_socket->cookie == cookie;
	}
	*ret_n = ktls_diag_count(diag);
	*ret_hidden = ktls_diag_hidden(diag);
	ktls_diag_free(diag);
	return found;
}

/* All is told, or all is said to be hidden; and of its own socket a process knows nearly all. */
static void check_unprivileged(int fd, const struct ktls_diag_socket *known)
{
	struct ktls_diag_socket socket;
	size_t n, hidden;
	bool shown;

	CHECK(!setgid(NOBODY) && !setuid(NOBODY));
	shown = list(0, known->cookie, &socket, &n, &hidden);
	CHECK(shown ? !hidden && socket.mode[KTLS_TX] == KTLS_DIAG_SOFTWARE : !n && hidden >= 2);
	CHECK(list(KTLS_DIAG_EVERY, known->cookie, &socket, &n, &hidden));
	CHECK(n >= 2 && !!(socket.told & KTLS_DIAG_TOLD_TLS) == shown);
	CHECK(shown || (!socket.tls && socket.mode[KTLS_TX] == KTLS_DIAG_UNKNOWN));
	CHECK(socket.inode == known->inode && socket.told & KTLS_DIAG_TOLD_TCP);

	CHECK(!ktls_diag_fd(fd, &socket, sizeof(socket)));
	CHECK(socket.tls == 1 && socket.protocol == known->protocol &&
	      socket.cipher == known->cipher && socket.inode == known->inode);
	CHECK(socket.mode[KTLS_RX] == KTLS_DIAG_NONE);
	CHECK(socket.mode[KTLS_TX] == (shown ? KTLS_DIAG_SOFTWARE : KTLS_DIAG_UNKNOWN));
	CHECK(!!(socket.told & KTLS_DIAG_TOLD_MODE) == shown);
	_exit(0);
}

Test(kernel, without_privileges_what_is_hidden_is_said_to_be)
{
	check_elsewhere(check_unprivileged);
}

/* There nobody else's sockets are; of the one that came along, what it says of itself. */
static void check_namespace(int fd, const struct ktls_diag_socket *known)
{
	struct ktls_diag_socket socket;
	size_t n, hidden;

	CHECK(!unshare(CLONE_NEWNET));
	CHECK(!list(KTLS_DIAG_EVERY, known->cookie, &socket, &n, &hidden));
	CHECK(!n && !hidden);
	CHECK(!ktls_diag_fd(fd, &socket, sizeof(socket)));
	CHECK(socket.cookie == known->cookie && socket.inode == known->inode);
	CHECK(socket.tls == 1 && socket.protocol == known->protocol);
	CHECK(socket.mode[KTLS_TX] == KTLS_DIAG_UNKNOWN && socket.mode[KTLS_RX] == KTLS_DIAG_NONE);
	CHECK(socket.state == TCP_ESTABLISHED && socket.told & KTLS_DIAG_TOLD_TCP);
	_exit(0);
}

Test(kernel, another_network_namespace_has_its_own_sockets)
{
	check_elsewhere(check_namespace);
}
