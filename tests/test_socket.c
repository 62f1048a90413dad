/* SPDX-License-Identifier: MIT */

/*
 * Where a connection's socket comes from, and whose it is: shared with the caller, taken over, or
 * dialed.
 */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ktls/freeze.h>
#include <ktls/socket.h>

#include "kit.h"
#include "pair.h"

enum {
	LEN = 200000,
	STRANGERS = 64,
	SHORT_MS = 20,
	PATIENCE_MS = 20000,
};

static uint8_t seen[LEN];

/* Whose it is */

/* A pair whose server shares its descriptor with the caller, who has *ret_fd. */
static struct pair shared_pair(int *ret_fd)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = { 0 };
	int rc[2];

	pair_configs(&options, pair.config);
	pair_sockets(pair.fd, 0);
	*ret_fd = pair.fd[PAIR_SERVER];
	cr_assert(!ktls_conn_adopt(&pair.conn[0], pair.config[0], pair.fd[0]));
	cr_assert(!ktls_conn_new(&pair.conn[1], pair.config[1], pair.fd[1]));
	pair.fd[PAIR_SERVER] = ktls_conn_get_fd(pair.conn[PAIR_SERVER]);
	cr_assert(!ktls_conn_set_server_name(pair.conn[0], "localhost"));
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1]);
	return pair;
}

Test(unit, the_callers_descriptor_stays_the_callers)
{
	unsigned int fds = kit_count_fds();
	int fd;
	struct pair pair = shared_pair(&fd);

	cr_assert(pair.fd[PAIR_SERVER] >= 0 && pair.fd[PAIR_SERVER] != fd);
	cr_assert(fcntl(pair.fd[PAIR_SERVER], F_GETFD) & FD_CLOEXEC);
	pair_move(&pair, PAIR_CLIENT, LEN, 10000);
	pair_close(&pair);
	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_conn_shutdown_and_close(pair.conn[end], KTLS_NOW));
	cr_assert_eq(ktls_conn_get_fd(pair.conn[PAIR_SERVER]), -ENOTCONN);
	cr_assert(fcntl(fd, F_GETFD) >= 0, "it was closed");
	close(fd);
	pair_free(&pair);
	cr_assert_eq(kit_count_fds(), fds);
}

struct reader {
	struct ktls_conn *conn;
	size_t got;
	int r;
};

static void *read_all(void *context)
{
	struct reader *reader = context;
	size_t n;

	while (!(reader->r = ktls_conn_read(reader->conn, seen, sizeof(seen), KTLS_FOREVER, &n)))
		reader->got += n;
	return NULL;
}

/* The number that the caller closed serves strangers while the connection is in use: none of them
 * sees a byte of it, nor loses one to it. */
Test(unit, a_descriptor_that_is_closed_and_used_anew_is_not_the_connections)
{
	static const uint8_t bytes[1000];
	int stranger[STRANGERS][2], fd;
	struct pair pair = shared_pair(&fd);
	struct reader reader = { .conn = pair.conn[PAIR_SERVER] };
	pthread_t thread;
	uint8_t byte;
	size_t n;

	cr_assert(!pthread_create(&thread, NULL, read_all, &reader));
	cr_assert(!ktls_conn_write(pair.conn[PAIR_CLIENT], bytes, 1000, KTLS_FOREVER, &n));
	close(fd);
	for (int i = 0; i < STRANGERS; i++)
		cr_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stranger[i]) &&
			  send(stranger[i][1], "s", 1, 0) == 1);
	cr_assert(fcntl(fd, F_GETFD) >= 0, "it is not used anew");
	for (size_t at = 1000; at < LEN; at += 1000)
		cr_assert(!ktls_conn_write(pair.conn[PAIR_CLIENT], bytes, 1000, KTLS_FOREVER, &n));
	cr_assert(!ktls_conn_shutdown(pair.conn[PAIR_CLIENT], KTLS_FOREVER));
	cr_assert(!pthread_join(thread, NULL));
	cr_assert(reader.r == KTLS_EOF && reader.got == LEN);
	cr_assert(!ktls_conn_write(reader.conn, "ours", 4, KTLS_FOREVER, &n));
	pair_free(&pair);
	for (int i = 0; i < STRANGERS; i++) {
		cr_assert(recv(stranger[i][0], &byte, 1, 0) == 1 && byte == 's');
		cr_assert(recv(stranger[i][0], &byte, 1, 0) == -1 && errno == EAGAIN);
		cr_assert(recv(stranger[i][1], &byte, 1, 0) == -1 && errno == EAGAIN);
		close(stranger[i][0]);
		close(stranger[i][1]);
	}
}

Test(unit, one_that_is_adopted_is_the_connections)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	unsigned int fds = kit_count_fds();
	struct ktls_conn *conn = NULL;
	struct ktls_config *config[2];
	int fd[2], pipes[2];

	pair_configs(&options, config);
	pair_sockets(fd, 0);
	cr_assert(!ktls_conn_adopt(&conn, config[0], fd[0]));
	cr_assert_eq(ktls_conn_get_fd(conn), fd[0]);
	ktls_conn_free(conn);
	cr_assert(fcntl(fd[0], F_GETFD) < 0 && errno == EBADF);
	cr_assert(recv(fd[1], seen, 1, 0) == 0, "it was closed, and nothing was said");
	close(fd[1]);
	/* What cannot be adopted stays the caller's. */
	cr_assert(!pipe(pipes));
	cr_assert_eq(ktls_conn_adopt(&conn, config[0], pipes[0]), -ENOTSOCK);
	cr_assert_eq(ktls_conn_adopt(&conn, config[0], -1), -EBADF);
	cr_assert_eq(ktls_conn_adopt(NULL, config[0], pipes[0]), -EINVAL);
	cr_assert_eq(ktls_conn_adopt(&conn, NULL, pipes[0]), -EINVAL);
	cr_assert(!close(pipes[0]) && !close(pipes[1]));
	ktls_config_unref(config[0]);
	ktls_config_unref(config[1]);
	cr_assert_eq(kit_count_fds(), fds);
}

Test(unit, its_ends_have_addresses)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct pair pair = pair_new(&options);
	struct ktls_address ours, theirs;
	char text[KTLS_ADDRESS_TEXT_LEN];

	cr_assert(!ktls_conn_get_local_address(pair.conn[0], &ours));
	cr_assert(!ktls_conn_get_peer_address(pair.conn[1], &theirs));
	cr_assert(!memcmp(&ours, &theirs, sizeof(ours)));
	cr_assert(ktls_address_is_loopback(&ours) && ours.port);
	cr_assert(!ktls_address_format(&ours, text, sizeof(text)) &&
		  !strncmp(text, "127.0.0.1:", 10));
	cr_assert_eq(ktls_conn_get_local_address(pair.conn[0], NULL), -EINVAL);
	cr_assert_eq(ktls_conn_get_peer_address(NULL, &ours), -EINVAL);
	cr_assert_eq(ktls_conn_get_fd(NULL), -EINVAL);
	pair_free(&pair);
}

/* Dialing */

struct server {
	struct ktls_config *config[2];
	struct ktls_conn *conn;
	int listener;
	uint16_t port;
};

static struct server server_new(void)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct server server = { .listener = socket(
					 AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };

	cr_assert(!bind(server.listener, (struct sockaddr *)&address, len) &&
		  !listen(server.listener, 8) &&
		  !getsockname(server.listener, (struct sockaddr *)&address, &len));
	server.port = ntohs(address.sin_port);
	pair_configs(&options, server.config);
	return server;
}

static void server_free(struct server *server)
{
	ktls_conn_free(server->conn);
	ktls_config_unref(server->config[0]);
	ktls_config_unref(server->config[1]);
	close(server->listener);
}

/* Whether somebody has called; the first of them is served. */
static bool answer(struct server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	cr_assert(!server->conn, "it calls twice");
	cr_assert(!ktls_conn_adopt(&server->conn, server->config[1], fd));
	return true;
}

/* The client's last answer, when both are done. */
static int shake_hands(struct server *server, struct ktls_conn *client)
{
	struct pollfd pollfd = { .events = POLLIN };
	int r[2] = { KTLS_WANT_READ, KTLS_WANT_READ };

	while (r[0] > 0 || (r[1] > 0 && !r[0])) {
		if (r[0] > 0)
			r[0] = ktls_conn_handshake(client, KTLS_NOW);
		answer(server);
		if (server->conn && r[1] > 0)
			r[1] = ktls_conn_handshake(server->conn, KTLS_NOW);
		pollfd.fd = ktls_conn_get_fd(client);
		poll(&pollfd, 1, 1);
	}
	return r[0];
}

static struct ktls_info info_of(const struct ktls_conn *conn)
{
	struct ktls_info info;

	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	return info;
}

Test(unit, a_host_is_dialed_and_verified_by_its_name)
{
	static const char *const hosts[] = { "localhost", "LocalHost.", "127.0.0.1" };
	unsigned int fds = kit_count_fds();

	for (int i = 0; i < 3; i++) {
		struct server server = server_new();
		struct ktls_address address;
		struct ktls_conn *client;
		int fd;

		cr_assert(!ktls_conn_dial(&client, server.config[0], hosts[i], server.port));
		cr_assert_eq(info_of(client).state, KTLS_STATE_CONNECTING);
		fd = ktls_conn_get_fd(client);
		cr_assert(fd >= 0);
		cr_assert_eq(ktls_conn_read(client, seen, 1, KTLS_NOW, &(size_t){ 0 }), -ENOTCONN);
		cr_assert_eq(ktls_conn_get_peer_address(client, &address), -ENOTCONN);
		cr_assert(!shake_hands(&server, client), "%s: %s", hosts[i],
			  ktls_conn_error(client));
		cr_assert(!ktls_conn_get_peer_address(client, &address));
		cr_assert_eq(address.port, server.port);
		cr_assert_str_eq(info_of(client).server_name, i < 2 ? "localhost" : "127.0.0.1");
		ktls_conn_free(client);
		server_free(&server);
		cr_assert_eq(kit_count_fds(), fds);
	}
}

Test(unit, an_address_is_dialed_and_verified_by_a_name_that_is_set)
{
	struct server server = server_new();
	struct ktls_address address = { .family = AF_INET,
					.port = server.port,
					.bytes = { 127, 0, 0, 1 } };
	struct ktls_conn *client;

	cr_assert(!ktls_conn_dial_address(&client, server.config[0], &address));
	cr_assert(!ktls_conn_set_server_name(client, "localhost"));
	cr_assert(!ktls_conn_connect(client, ktls_deadline_in(PATIENCE_MS)));
	cr_assert_eq(info_of(client).state, KTLS_STATE_NEW);
	cr_assert(!ktls_conn_connect(client, KTLS_NOW), "it is connected");
	cr_assert(!shake_hands(&server, client));
	cr_assert(!ktls_conn_connect(client, KTLS_NOW));
	ktls_conn_free(client);
	server_free(&server);
}

Test(unit, without_a_name_to_verify_nobody_is_called)
{
	struct server server = server_new();
	struct ktls_address address = { .family = AF_INET,
					.port = server.port,
					.bytes = { 127, 0, 0, 1 } };
	struct ktls_conn *client;

	cr_assert(!ktls_conn_dial_address(&client, server.config[0], &address));
	cr_assert_eq(ktls_conn_handshake(client, ktls_deadline_in(PATIENCE_MS)), -KTLS_E_NO_NAME);
	cr_assert_eq(ktls_conn_connect(client, KTLS_NOW), -KTLS_E_NO_NAME);
	usleep(SHORT_MS * 1000);
	cr_assert(!answer(&server), "somebody called");
	ktls_conn_free(client);
	server_free(&server);
}

/* Time and again it is too early; the server sees one caller. */
Test(unit, a_dial_that_times_out_goes_on_over_the_same_connection)
{
	struct server server = server_new();
	struct ktls_conn *client;
	int r = 0, timeouts = 0;

	cr_assert(!ktls_conn_dial(&client, server.config[0], "localhost", server.port));
	while (timeouts < 20) {
		r = ktls_conn_handshake(client, ktls_deadline_in(2));
		cr_assert_eq(r, KTLS_TIMEDOUT, "%s", ktls_conn_error(client));
		timeouts++;
	}
	cr_assert(!shake_hands(&server, client), "%s", ktls_conn_error(client));
	cr_assert(!answer(&server));
	ktls_conn_free(client);
	server_free(&server);
}

Test(unit, who_does_not_answer_is_named)
{
	struct server server = server_new();
	struct ktls_conn *client;

	close(server.listener);
	server.listener = -1;
	cr_assert(!ktls_conn_dial(&client, server.config[0], "127.0.0.1", server.port));
	cr_assert_eq(ktls_conn_handshake(client, ktls_deadline_in(PATIENCE_MS)), -ECONNREFUSED);
	cr_assert_eq(info_of(client).state, KTLS_STATE_FAILED);
	cr_assert(strstr(ktls_conn_error(client), "127.0.0.1"), "%s", ktls_conn_error(client));
	cr_assert_eq(ktls_conn_connect(client, KTLS_NOW), -ECONNREFUSED);
	cr_assert_eq(ktls_conn_get_fd(client), -ENOTCONN);
	ktls_conn_free(client);
	server_free(&server);
}

Test(unit, one_that_is_dialing_can_be_given_up)
{
	struct server server = server_new();
	unsigned int fds = kit_count_fds();
	struct ktls_conn *client;
	size_t n;

	for (int i = 0; i < 2; i++) {
		cr_assert(!ktls_conn_dial(&client, server.config[0], "localhost", server.port));
		cr_assert_eq(ktls_conn_handshake(client, KTLS_NOW), KTLS_WANT_READ);
		cr_assert_eq(ktls_conn_freeze(client, seen, sizeof(seen), &n), -ENOTCONN);
		cr_assert_eq(ktls_conn_shutdown(client, KTLS_NOW), -ENOTCONN);
		if (i)
			cr_assert(!ktls_conn_shutdown_and_close(client, KTLS_FOREVER));
		ktls_conn_free(client);
		cr_assert_eq(kit_count_fds(), fds);
	}
	server_free(&server);
}

Test(unit, what_cannot_be_dialed_is_refused)
{
	struct server server = server_new();
	struct ktls_address nowhere = { 0 };
	struct ktls_conn *conn = NULL;

	cr_assert_eq(ktls_conn_dial(&conn, server.config[0], "localhost", 0), -EINVAL);
	cr_assert_eq(ktls_conn_dial(&conn, server.config[0], "", 443), -EINVAL);
	cr_assert_eq(ktls_conn_dial(&conn, server.config[0], "a b", 443), -EINVAL);
	cr_assert_eq(ktls_conn_dial(&conn, server.config[0], NULL, 443), -EINVAL);
	cr_assert_eq(ktls_conn_dial(&conn, NULL, "localhost", 443), -EINVAL);
	cr_assert_eq(ktls_conn_dial(NULL, server.config[0], "localhost", 443), -EINVAL);
	cr_assert_eq(ktls_conn_dial(&conn, server.config[1], "localhost", 443), -EINVAL);
	cr_assert_eq(ktls_conn_dial_address(&conn, server.config[0], &nowhere), -EINVAL);
	cr_assert_eq(ktls_conn_dial_address(&conn, server.config[0], NULL), -EINVAL);
	cr_assert_eq(ktls_conn_connect(NULL, KTLS_NOW), -EINVAL);
	cr_assert_null(conn);
	server_free(&server);
}

Test(unit, plaintext_is_dialed_by_the_same_calls)
{
	struct server server = server_new();
	struct ktls_config *config;
	struct ktls_conn *client;
	size_t n;
	int fd;

	cr_assert(!ktls_config_new(&config, KTLS_CLIENT));
	cr_assert(!ktls_config_set_insecure_plaintext(config));
	cr_assert(!ktls_conn_dial(&client, config, "localhost", server.port));
	cr_assert(!ktls_conn_handshake(client, ktls_deadline_in(PATIENCE_MS)));
	cr_assert(!ktls_conn_write(client, "GET", 3, KTLS_FOREVER, &n));
	fd = accept(server.listener, NULL, NULL);
	cr_assert(recv(fd, seen, 3, MSG_WAITALL) == 3 && !memcmp(seen, "GET", 3));
	cr_assert_str_eq(ktls_protocol_name(info_of(client).protocol), "none");
	close(fd);
	ktls_conn_free(client);
	ktls_config_unref(config);
	server_free(&server);
}

/* Other families */

static void expect_userspace(const int fd[2])
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct ktls_address address;
	struct ktls_info info;
	struct pair pair;
	int rc[2];

	for (int end = 0; end < 2; end++)
		options.tx[end] = options.rx[end] = KTLS_OFFLOAD_AT_ONCE;
	pair = pair_on(&options, fd);
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1], "%s", ktls_conn_error(pair.conn[0]));
	pair_move(&pair, PAIR_CLIENT, LEN, 1000);
	pair_move(&pair, PAIR_SERVER, LEN, LEN);
	cr_assert(!ktls_conn_get_info(pair.conn[0], &info, sizeof(info)));
	cr_assert_eq(info.protection[KTLS_TX], KTLS_PROTECTION_USER);
	cr_assert(info.reason[KTLS_TX] == KTLS_REASON_NOT_TCP ||
		  info.reason[KTLS_TX] == KTLS_REASON_NO_ULP ||
		  info.reason[KTLS_TX] == KTLS_REASON_ULP_FORBIDDEN);
	cr_assert_eq(ktls_conn_get_local_address(pair.conn[0], &address), -EAFNOSUPPORT);
	pair_close(&pair);
	pair_free(&pair);
}

Test(unit, a_socketpair_is_protected_in_userspace)
{
	int fd[2];

	cr_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	expect_userspace(fd);
}

Test(unit, a_unix_socket_is_protected_in_userspace)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd[2];

	/* The kernel chooses an abstract name. */
	cr_assert(!bind(listener, (struct sockaddr *)&address, len) && !listen(listener, 1));
	len = sizeof(address);
	cr_assert(!getsockname(listener, (struct sockaddr *)&address, &len));
	fd[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(!connect(fd[0], (struct sockaddr *)&address, len));
	fd[1] = accept(listener, NULL, NULL);
	cr_assert(fd[1] >= 0);
	close(listener);
	expect_userspace(fd);
}
