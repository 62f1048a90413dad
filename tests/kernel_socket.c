/* SPDX-License-Identifier: MIT */

/* Sockets of other kinds, on kernels that have tls; test_socket.c has those that any kernel has. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <ktls/listener.h>
#include <ktls/socket.h>

#include "kit.h"
#include "pair.h"

enum {
	LEN = 200000,
	PATIENCE_MS = 20000,
};

static struct pair_options at_once(void)
{
	struct pair_options options = PAIR_OPTIONS_USER;

	for (int end = 0; end < 2; end++)
		options.tx[end] = options.rx[end] = KTLS_OFFLOAD_AT_ONCE;
	return options;
}

static void expect_protection(const struct pair *pair, enum ktls_protection protection,
			      enum ktls_reason reason)
{
	struct ktls_info info;

	for (int end = 0; end < 2; end++) {
		cr_assert(!ktls_conn_get_info(pair->conn[end], &info, sizeof(info)));
		for (int d = KTLS_TX; d <= KTLS_RX; d++)
			cr_assert(info.protection[d] == protection && info.reason[d] == reason,
				  "end %d, direction %d: %s, %s", end, d,
				  ktls_protection_name(info.protection[d]),
				  ktls_reason_name(info.reason[d]));
	}
}

Test(kernel, one_that_was_dialed_and_one_that_was_accepted_are_the_kernels)
{
	struct ktls_address here = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
	struct pair_options options = at_once();
	struct ktls_listener *listener;
	struct pair pair = { 0 };
	int rc[2], on;
	socklen_t len = sizeof(on);

	kit_require_tls();
	pair_configs(&options, pair.config);
	cr_assert(!ktls_listener_new(&listener, pair.config[1], &here, -1, 0));
	cr_assert(!ktls_listener_get_address(listener, &here));
	cr_assert(!ktls_conn_dial(&pair.conn[0], pair.config[0], "localhost", here.port));
	cr_assert(!ktls_conn_connect(pair.conn[0], ktls_deadline_in(PATIENCE_MS)));
	cr_assert(!ktls_listener_accept(listener, ktls_deadline_in(PATIENCE_MS), &pair.conn[1],
					NULL));
	for (int end = 0; end < 2; end++) {
		pair.fd[end] = ktls_conn_get_fd(pair.conn[end]);
		cr_assert(!getsockopt(pair.fd[end], IPPROTO_TCP, TCP_NODELAY, &on, &len) && on);
	}
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1], "%s", ktls_conn_error(pair.conn[0]));
	expect_protection(&pair, KTLS_PROTECTION_KERNEL, KTLS_REASON_NONE);
	pair_move(&pair, PAIR_CLIENT, LEN, 1000);
	pair_move(&pair, PAIR_SERVER, LEN, LEN);
	pair_close(&pair);
	pair_free(&pair);
	ktls_listener_free(listener);
}

/* The caller's copy of the descriptor goes while the kernel protects. */
Test(kernel, the_callers_descriptor_may_be_closed)
{
	struct pair_options options = at_once();
	struct pair pair = { 0 };
	int fd[2], rc[2];

	kit_require_tls();
	pair_configs(&options, pair.config);
	pair_sockets(fd, 0);
	for (int end = 0; end < 2; end++) {
		cr_assert(!ktls_conn_new(&pair.conn[end], pair.config[end], fd[end]));
		pair.fd[end] = ktls_conn_get_fd(pair.conn[end]);
		close(fd[end]);
	}
	cr_assert(!ktls_conn_set_server_name(pair.conn[0], "localhost"));
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1], "%s", ktls_conn_error(pair.conn[0]));
	expect_protection(&pair, KTLS_PROTECTION_KERNEL, KTLS_REASON_NONE);
	pair_move(&pair, PAIR_CLIENT, LEN, 1000);
	pair_close(&pair);
	pair_free(&pair);
}

Test(kernel, a_vsock_is_protected_in_userspace)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK,
				       .svm_cid = VMADDR_CID_LOCAL,
				       .svm_port = VMADDR_PORT_ANY };
	struct pair_options options = at_once();
	socklen_t len = sizeof(address);
	struct pair pair;
	int listener, fd[2], rc[2];

	kit_require_tls();
	if (system("modprobe -q vsock_loopback"))
		cr_skip_test("this kernel has no vsock to itself");
	listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd[0] = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(!bind(listener, (struct sockaddr *)&address, len) && !listen(listener, 1) &&
			  !getsockname(listener, (struct sockaddr *)&address, &len) &&
			  !connect(fd[0], (struct sockaddr *)&address, len),
		  "%s", strerror(errno));
	fd[1] = accept(listener, NULL, NULL);
	cr_assert(fd[1] >= 0);
	close(listener);
	pair = pair_on(&options, fd);
	pair_handshake(&pair, rc);
	cr_assert(!rc[0] && !rc[1], "%s", ktls_conn_error(pair.conn[0]));
	expect_protection(&pair, KTLS_PROTECTION_USER, KTLS_REASON_NOT_TCP);
	pair_move(&pair, PAIR_CLIENT, LEN, 1000);
	pair_close(&pair);
	pair_free(&pair);
}
