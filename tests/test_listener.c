/* SPDX-License-Identifier: MIT */

/* Listening: where, with which config, and connections as they come; none waits for a client that
 * says nothing. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sys.h"
#include "calling.h"
#include "kit.h"

enum {
	SHORT_MS = 40,
	SILENT = 1000,
	MANY = 64,
};

static struct ktls_address address_of(const char *text)
{
	struct ktls_address address;

	cr_assert_eq(ktls_address_parse(&address, text), 0);
	return address;
}

static struct ktls_conn *accept_one(struct ktls_listener *listener)
{
	struct ktls_conn *conn = NULL;

	cr_assert_eq(ktls_listener_accept(listener, ktls_deadline_in(CALLING_PATIENCE_MS), &conn,
					  NULL),
		     0);
	return conn;
}

/* Where, and with what */

Test(unit, a_server_without_an_identity_does_not_listen)
{
	struct ktls_address address = address_of("127.0.0.1");
	unsigned int fds = kit_count_fds();
	struct ktls_listener *listener = NULL;
	struct ktls_config *config;

	cr_assert_eq(ktls_config_new(&config, KTLS_SERVER), 0);
	cr_assert_eq(ktls_listener_new(&listener, config, &address, -1, 0), -KTLS_E_NO_IDENTITY);
	cr_assert(*ktls_config_error(config));
	ktls_config_unref(config);
	cr_assert_eq(ktls_config_new(&config, KTLS_CLIENT), 0);
	cr_assert_eq(ktls_listener_new(&listener, config, &address, -1, 0), -EINVAL);
	ktls_config_unref(config);
	cr_assert(!listener && kit_count_fds() == fds);
}

Test(unit, what_cannot_be_meant_is_refused)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server), *other = NULL;
	struct ktls_address address = address_of("127.0.0.1"), nowhere = { 0 };
	struct ktls_listener_stats stats;
	struct ktls_conn *conn;
	int fd[2];

	cr_assert_eq(ktls_listener_new(NULL, server, &address, -1, 0), -EINVAL);
	cr_assert_eq(ktls_listener_new(&other, NULL, &address, -1, 0), -EINVAL);
	cr_assert_eq(ktls_listener_new(&other, server, NULL, -1, 0), -EINVAL);
	cr_assert_eq(ktls_listener_new(&other, server, &nowhere, -1, 0), -EINVAL);
	cr_assert_eq(ktls_listener_new(&other, server, &address, -2, 0), -EINVAL);
	cr_assert_eq(ktls_listener_new(&other, server, &address, -1, 1u << 3), -EINVAL);
	cr_assert_eq(ktls_listener_new_fd(NULL, server, 0), -EINVAL);
	cr_assert_eq(ktls_listener_new_fd(&other, server, -1), -EBADF);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	cr_assert_eq(ktls_listener_new_fd(&other, server, fd[0]), -EINVAL, "it is connected");
	cr_assert_eq(ktls_listener_set_config(NULL, server), -EINVAL);
	cr_assert_eq(ktls_listener_set_config(listener, NULL), -EINVAL);
	cr_assert_eq(ktls_listener_get_address(listener, NULL), -EINVAL);
	cr_assert_eq(ktls_listener_get_fd(NULL), -EINVAL);
	cr_assert_eq(ktls_listener_accept(NULL, KTLS_NOW, &conn, NULL), -EINVAL);
	cr_assert_eq(ktls_listener_accept(listener, KTLS_NOW, NULL, NULL), -EINVAL);
	cr_assert_eq(ktls_listener_accept_open(listener, KTLS_NOW, NULL, NULL), -EINVAL);
	cr_assert_eq(ktls_listener_set_handshakes(listener, 0, 1), -EINVAL);
	cr_assert_eq(ktls_listener_set_handshakes(listener, 65537, 1), -EINVAL);
	cr_assert_eq(ktls_listener_set_handshakes(listener, 1, 0), -EINVAL);
	cr_assert_eq(ktls_listener_get_stats(listener, &stats, 0), -EINVAL);
	cr_assert_null(other);
	cr_assert_null(ktls_listener_free(NULL));
	close(fd[0]);
	close(fd[1]);
	ktls_listener_free(listener);
	ktls_config_unref(server);
}

Test(unit, port_0_takes_a_free_one_which_is_then_taken)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server), *other = NULL;
	struct ktls_address address;
	int on = 0;
	socklen_t len = sizeof(on);

	cr_assert_eq(ktls_listener_get_address(listener, &address), 0);
	cr_assert(address.family == AF_INET && address.port && ktls_address_is_loopback(&address));
	cr_assert_eq(ktls_listener_new(&other, server, &address, 0, 0), -EADDRINUSE);
	cr_assert_eq(
		getsockopt(ktls_listener_get_fd(listener), SOL_SOCKET, SO_REUSEADDR, &on, &len), 0);
	cr_assert_eq(on, 1);
	ktls_listener_free(listener);
	cr_assert_eq(ktls_listener_new(&other, server, &address, 1, KTLS_LISTENER_EXCLUSIVE), 0);
	cr_assert_eq(getsockopt(ktls_listener_get_fd(other), SOL_SOCKET, SO_REUSEADDR, &on, &len),
		     0);
	cr_assert_eq(on, 0);
	cr_assert(fcntl(ktls_listener_get_fd(other), F_GETFD) & FD_CLOEXEC);
	ktls_listener_free(other);
	ktls_config_unref(server);
}

Test(unit, two_listeners_share_a_port)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_address address = address_of("127.0.0.1");
	struct ktls_listener *listeners[2];
	int calls[MANY], seen[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ktls_listener_new(&listeners[i], server, &address, -1,
					       KTLS_LISTENER_REUSE_PORT),
			     0);
		cr_assert_eq(ktls_listener_get_address(listeners[i], &address), 0);
	}
	for (int i = 0; i < MANY; i++)
		calls[i] = calling_silent(listeners[0]);
	for (int i = 0; i < 2; i++) {
		struct ktls_conn *conn;

		while (!ktls_listener_accept(listeners[i], KTLS_NOW, &conn, NULL)) {
			ktls_conn_free(conn);
			seen[i]++;
		}
	}
	cr_assert(seen[0] && seen[1] && seen[0] + seen[1] == MANY, "%d %d", seen[0], seen[1]);
	for (int i = 0; i < MANY; i++)
		close(calls[i]);
	for (int i = 0; i < 2; i++)
		ktls_listener_free(listeners[i]);
	ktls_config_unref(server);
}

/* A socket that has the port of IPv4's loopback and does not listen; -1: somebody else has it. */
static int hold_ipv4(uint16_t port)
{
	struct ktls_address address = address_of("127.0.0.1");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage storage;
	socklen_t len;

	address.port = port;
	cr_assert_eq(ktls_address_to_sockaddr(&address, &storage, &len), 0);
	if (!bind(fd, (struct sockaddr *)&storage, len))
		return fd;
	close(fd);
	return -1;
}

Test(unit, an_ipv6_listener_takes_both_families_or_one)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_address any = address_of("::"), address, peer;

	for (int only = 0; only < 2; only++) {
		struct ktls_listener *listener;
		struct sockaddr_storage storage;
		struct ktls_conn *conn;
		socklen_t len;
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), held;

		if (ktls_listener_new(&listener, server, &any, -1,
				      only ? KTLS_LISTENER_V6_ONLY : 0) < 0)
			cr_skip_test("this machine has no IPv6");
		cr_assert_eq(ktls_listener_get_address(listener, &address), 0);
		held = only ? hold_ipv4(address.port) : -1;
		if (only && held < 0) { /* another program's port: once more */
			ktls_listener_free(listener);
			close(fd);
			only--;
			continue;
		}
		peer = address_of("127.0.0.1");
		peer.port = address.port;
		cr_assert_eq(ktls_address_to_sockaddr(&peer, &storage, &len), 0);
		cr_assert_eq(connect(fd, (struct sockaddr *)&storage, len), only ? -1 : 0);
		if (!only) {
			cr_assert_eq(ktls_listener_accept(listener, KTLS_FOREVER, &conn, &peer), 0);
			cr_assert_eq(peer.family, AF_INET6);
			cr_assert(ktls_address_is_loopback(&peer));
			ktls_conn_free(conn);
		}
		if (held >= 0)
			close(held);
		close(fd);
		ktls_listener_free(listener);
	}
	ktls_config_unref(server);
}

Test(unit, a_socket_that_listens_already_is_shared, .init = kit_directory_enter,
     .fini = kit_directory_leave)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), call;
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = NULL;
	struct ktls_address peer, where;
	struct ktls_conn *conn, *theirs;
	int rc[2] = { KTLS_WANT_READ, KTLS_WANT_READ };

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(ktls_listener_new_fd(&listener, server, fd), -EINVAL, "not yet");
	cr_assert_eq(listen(fd, 4), 0);
	cr_assert_eq(ktls_listener_new_fd(&listener, server, fd), 0);
	cr_assert_eq(ktls_listener_get_address(listener, &where), -EAFNOSUPPORT);
	close(fd);
	call = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(call, (struct sockaddr *)&address, sizeof(address)), 0);
	memset(&peer, 0xa5, sizeof(peer));
	cr_assert_eq(ktls_listener_accept(listener, KTLS_FOREVER, &conn, &peer), 0);
	cr_assert_eq(peer.family, 0);
	cr_assert_eq(ktls_conn_adopt(&theirs, client, call), 0);
	cr_assert_eq(ktls_conn_set_server_name(theirs, "localhost"), 0);
	for (int i = 0; i < MANY && (rc[0] || rc[1]); i++) {
		rc[0] = ktls_conn_handshake(theirs, KTLS_NOW);
		rc[1] = ktls_conn_handshake(conn, KTLS_NOW);
	}
	cr_assert(!rc[0] && !rc[1]);
	ktls_conn_free(theirs);
	ktls_conn_free(conn);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

/* Accepting */

Test(unit, accept_waits_as_long_as_it_is_told)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server);
	uint64_t began_ns = ktls_deadline_in(0);
	struct ktls_conn *conn = NULL;

	cr_assert_eq(ktls_listener_accept(listener, KTLS_NOW, &conn, NULL), KTLS_WANT_READ);
	cr_assert_eq(ktls_listener_accept(listener, ktls_deadline_in(SHORT_MS), &conn, NULL),
		     KTLS_TIMEDOUT);
	cr_assert_eq(ktls_listener_accept_open(listener, KTLS_NOW, &conn, NULL), KTLS_WANT_READ);
	cr_assert_eq(ktls_listener_accept_open(listener, ktls_deadline_in(SHORT_MS), &conn, NULL),
		     KTLS_TIMEDOUT);
	cr_assert_geq(ktls_deadline_in(0) - began_ns, 2 * SHORT_MS * 1000000ull);
	cr_assert_null(conn);
	ktls_listener_free(listener);
	ktls_config_unref(server);
}

Test(unit, what_is_accepted_is_new_its_own_and_like_its_listener)
{
	static const char *const protocols[] = { "word/1" };
	const enum ktls_cipher cipher = KTLS_AES_256_GCM;
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener;
	struct ktls_address peer, seen;
	struct calling_echo *echo;
	struct ktls_conn *conn;
	struct ktls_info info;
	int on = 0, fd;
	socklen_t len = sizeof(on);

	cr_assert_eq(ktls_config_set_alpn(server, protocols, 1), 0);
	cr_assert_eq(ktls_config_set_ciphers(server, &cipher, 1), 0);
	cr_assert_eq(ktls_config_set_alpn(client, protocols, 1), 0);
	listener = calling_listener(server);
	echo = calling_echo_begin(listener, client, "localhost");
	cr_assert_eq(ktls_listener_accept(listener, KTLS_FOREVER, &conn, &peer), 0);
	cr_assert_eq(ktls_conn_get_info(conn, &info, sizeof(info)), 0);
	cr_assert_eq(info.state, KTLS_STATE_NEW);
	cr_assert_eq(ktls_conn_get_peer_address(conn, &seen), 0);
	cr_assert(!memcmp(&peer, &seen, sizeof(peer)) && ktls_address_is_loopback(&peer));
	fd = ktls_conn_get_fd(conn);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	cr_assert_eq(on, 1);
	cr_assert_eq(ktls_conn_handshake(conn, KTLS_FOREVER), 0);
	cr_assert_eq(ktls_conn_get_info(conn, &info, sizeof(info)), 0);
	cr_assert_str_eq(info.alpn, "word/1");
	cr_assert_eq(info.cipher, cipher);
	calling_serve(conn);
	calling_echo_end(echo);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

Test(unit, what_was_accepted_outlives_its_listener)
{
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = calling_listener(server);
	unsigned int fds = kit_count_fds();
	struct calling_echo *echo = calling_echo_begin(listener, client, "localhost");
	struct ktls_conn *conn = accept_one(listener);

	ktls_listener_free(listener);
	ktls_config_unref(server);
	calling_serve(conn);
	calling_echo_end(echo);
	cr_assert_eq(kit_count_fds(), fds - 1);
	ktls_config_unref(client);
}

Test(unit, a_certificate_is_replaced_while_connections_go_on)
{
	struct ktls_config *client = calling_client();
	struct ktls_config *before = calling_server("before.example");
	struct ktls_config *after = calling_server("after.example"), *nobody;
	struct ktls_listener *listener = calling_listener(before);
	struct calling_echo *echo[2];
	struct ktls_conn *conn[2];

	echo[0] = calling_echo_begin(listener, client, "before.example");
	conn[0] = accept_one(listener);
	cr_assert_eq(ktls_config_new(&nobody, KTLS_SERVER), 0);
	cr_assert_eq(ktls_listener_set_config(listener, nobody), -KTLS_E_NO_IDENTITY);
	cr_assert_eq(ktls_listener_set_config(listener, client), -EINVAL);
	cr_assert_eq(ktls_listener_set_config(listener, after), 0);
	ktls_config_unref(nobody);
	ktls_config_unref(before);
	ktls_config_unref(after);
	echo[1] = calling_echo_begin(listener, client, "after.example");
	conn[1] = accept_one(listener);
	for (int i = 1; i >= 0; i--) {
		calling_serve(conn[i]);
		calling_echo_end(echo[i]);
	}
	ktls_listener_free(listener);
	ktls_config_unref(client);
}

static unsigned int breaks;
static int broken_errno;

static int break_first(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	if (!breaks)
		return accept4(fd, address, len, flags);
	breaks--;
	errno = broken_errno;
	return -1;
}

Test(unit, connections_that_broke_in_the_queue_are_skipped)
{
	static const int errors[] = { ECONNABORTED, EPROTO, ENETUNREACH, EHOSTUNREACH, EINTR };
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server);
	struct ktls_conn *conn;

	ktls_sys.accept4 = break_first;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int call = calling_silent(listener);

		/* More in a row than are skipped at once. */
		breaks = 200;
		broken_errno = errors[i];
		ktls_conn_free(accept_one(listener));
		cr_assert_eq(breaks, 0);
		close(call);
	}
	breaks = 1;
	broken_errno = ENOBUFS;
	cr_assert_eq(ktls_listener_accept(listener, KTLS_FOREVER, &conn, NULL), -ENOBUFS);
	cr_assert_eq(ktls_listener_accept(listener, KTLS_NOW, &conn, NULL), KTLS_WANT_READ);
	ktls_listener_free(listener);
	ktls_config_unref(server);
}

Test(unit, without_descriptors_the_connection_stays_in_the_queue)
{
	struct ktls_config *server = calling_server("localhost");
	struct ktls_listener *listener = calling_listener(server);
	struct pollfd queue = { .fd = ktls_listener_get_fd(listener), .events = POLLIN };
	int call = calling_silent(listener), top = dup(0);
	struct rlimit limit, none;
	struct ktls_conn *conn = NULL;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	close(top);
	none = limit;
	none.rlim_cur = (rlim_t)top;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ktls_listener_accept(listener, KTLS_FOREVER, &conn, NULL), -EMFILE);
	cr_assert_eq(poll(&queue, 1, 0), 1);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ktls_conn_free(accept_one(listener));
	close(call);
	ktls_listener_free(listener);
	ktls_config_unref(server);
}

/* Many */

/* One thread serves: the silent have connected before, and go on saying nothing. */
static void serve_one_of_many(struct ktls_listener *listener, struct ktls_conn **conns, size_t *n,
			      struct ktls_conn **ret_conn)
{
	static struct ktls_handle handles[KTLS_POLL_MAX];
	static uint32_t out[KTLS_POLL_MAX], query[KTLS_POLL_MAX];
	size_t count;

	for (*ret_conn = NULL; !*ret_conn;) {
		memset(out, 0, sizeof(out));
		handles[0] = ktls_handle_of_listener(listener);
		query[0] = KTLS_POLL_READ;
		for (size_t i = 0; i < *n; i++) {
			handles[1 + i] = ktls_handle_of_conn(conns[i]);
			query[1 + i] = KTLS_POLL_READ;
		}
		cr_assert_eq(ktls_poll(out, handles, query, 1 + *n,
				       ktls_deadline_in(CALLING_PATIENCE_MS), &count),
			     0);
		for (size_t i = 0; i < *n; i++) {
			if (out[1 + i] && !ktls_conn_handshake(conns[i], KTLS_NOW)) {
				*ret_conn = conns[i];
				conns[i] = NULL;
			}
		}
		if (out[0] && *n < KTLS_POLL_MAX - 1)
			*n += !ktls_listener_accept(listener, KTLS_NOW, &conns[*n], NULL);
	}
}

Test(unit, behind_silent_clients_one_that_speaks_is_served_by_accept_and_poll)
{
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = calling_listener(server);
	size_t silent = calling_room(2 * 100) / 2, n = 0;
	struct ktls_conn *conns[KTLS_POLL_MAX] = { NULL }, *conn;
	struct calling_echo *echo;
	int calls[100];

	for (size_t i = 0; i < silent; i++)
		calls[i] = calling_silent(listener);
	echo = calling_echo_begin(listener, client, "localhost");
	serve_one_of_many(listener, conns, &n, &conn);
	cr_assert_eq(n, silent + 1);
	calling_serve(conn);
	calling_echo_end(echo);
	for (size_t i = 0; i < n; i++)
		ktls_conn_free(conns[i]);
	for (size_t i = 0; i < silent; i++)
		close(calls[i]);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

Test(unit, behind_a_thousand_silent_clients_one_that_speaks_is_served_by_accept_open)
{
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listener = calling_listener(server);
	size_t silent = calling_room(2 * SILENT) / 2;
	struct ktls_listener_stats stats;
	struct calling_echo *echo;
	struct ktls_conn *conn;
	int calls[SILENT];

	for (size_t i = 0; i < silent; i++) {
		calls[i] = calling_silent(listener);
		cr_assert_eq(ktls_listener_accept_open(listener, KTLS_NOW, &conn, NULL),
			     KTLS_WANT_READ);
	}
	echo = calling_echo_begin(listener, client, "localhost");
	cr_assert_eq(ktls_listener_accept_open(listener, ktls_deadline_in(CALLING_PATIENCE_MS),
					       &conn, NULL),
		     0);
	calling_serve(conn);
	calling_echo_end(echo);
	cr_assert_eq(ktls_listener_get_stats(listener, &stats, sizeof(stats)), 0);
	cr_assert_eq(stats.accepted, silent + 1);
	cr_assert(stats.open == 1 && !stats.failed);
	cr_assert_eq(stats.waiting + stats.timed_out + stats.given_up, silent);
	for (size_t i = 0; i < silent; i++)
		close(calls[i]);
	ktls_listener_free(listener);
	ktls_config_unref(server);
	ktls_config_unref(client);
}

/* Any order: the k'th of n places in turn, for a k that has nothing in common with n. */
static size_t shuffled(size_t i, size_t n)
{
	return (i * 101 + 7) % n;
}

Test(unit, many_listeners_and_clients_are_polled_in_any_order)
{
	enum {
		HANDLES = 3 * MANY
	};
	struct ktls_config *server = calling_server("localhost"), *client = calling_client();
	struct ktls_listener *listeners[MANY];
	struct ktls_conn *clients[MANY], *servers[MANY] = { NULL };
	struct ktls_handle handles[HANDLES];
	uint32_t out[HANDLES], query[HANDLES];
	bool open[2 * MANY] = { false };
	size_t done = 0, n;
	int pipes[MANY][2];

	if (calling_room(8 * MANY) < 8 * MANY)
		cr_skip_test("too few descriptors");
	for (size_t i = 0; i < MANY; i++) {
		listeners[i] = calling_listener(server);
		clients[i] = calling_new(listeners[i], client, "localhost");
		cr_assert_eq(pipe(pipes[i]), 0);
	}
	while (done < 2 * MANY) {
		for (size_t i = 0; i < HANDLES; i++) {
			size_t at = shuffled(i, HANDLES), j = i % MANY;

			query[at] = KTLS_POLL_READ;
			out[at] = 0;
			if (i < MANY)
				handles[at] = servers[j] ? ktls_handle_of_conn(open[j] ? NULL
										       : servers[j])
							 : ktls_handle_of_listener(listeners[j]);
			else if (i < 2 * MANY)
				handles[at] = ktls_handle_of_conn(open[i] ? NULL : clients[j]);
			else
				handles[at] = ktls_handle_of_fd(pipes[j][j % 2]);
		}
		cr_assert_eq(ktls_poll(out, handles, query, HANDLES,
				       ktls_deadline_in(CALLING_PATIENCE_MS), &n),
			     0);
		for (size_t i = 0; i < HANDLES; i++) {
			size_t at = shuffled(i, HANDLES), j = i % MANY;

			if (!out[at])
				continue;
			cr_assert_lt(i, 2 * MANY, "a pipe that nobody writes to");
			n--;
			if (i < MANY && !servers[j]) {
				cr_assert_eq(ktls_listener_accept(listeners[j], KTLS_NOW,
								  &servers[j], NULL),
					     0);
				continue;
			}
			open[i] =
				!ktls_conn_handshake(i < MANY ? servers[j] : clients[j], KTLS_NOW);
			done += open[i];
		}
		cr_assert_eq(n, 0);
	}
	for (size_t i = 0; i < MANY; i++) {
		ktls_conn_free(clients[i]);
		ktls_conn_free(servers[i]);
		ktls_listener_free(listeners[i]);
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	ktls_config_unref(server);
	ktls_config_unref(client);
}
