/* SPDX-License-Identifier: MIT */

/* A look at this machine, where there are sockets of ours. */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "stat_moment.h"
#include "tool.h"

static int client = -1, server = -1;
static uint16_t port;

static void make_pair(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_(tool_fd_close) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	cr_assert_eq(connect(client, (struct sockaddr *)&address, len), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(server, 0);
	port = ntohs(address.sin_port);
}

static void close_pair(void)
{
	tool_fd_close(&client);
	tool_fd_close(&server);
}

TestSuite(unit, .init = make_pair, .fini = close_pair);

/* Ours and nobody else's. */
static struct stat_wish wish_for_ours(void)
{
	struct stat_wish wish = { .all = true };
	static char text[8];

	snprintf(text, sizeof(text), "%u", port);
	cr_assert_eq(stat_filter_add(&wish.filter, STAT_FILTER_PORT, text), 0);
	cr_assert_eq(stat_filter_add(&wish.filter, STAT_FILTER_STATE, "ESTAB"), 0);
	return wish;
}

/* Where the kernel has no sock_diag for TCP, that is its answer. */
static struct stat_moment take(const struct stat_wish *wish)
{
	struct stat_moment moment = STAT_MOMENT_NULL;

	cr_assert_eq(stat_moment_take(&moment, wish), 0);
	if (moment.places.list[0].error == -EPROTONOSUPPORT)
		cr_skip_test("this kernel has no sock_diag for TCP");
	cr_assert_eq(moment.places.list[0].error, 0);
	return moment;
}

Test(unit, both_ends_without_tls)
{
	struct stat_wish wish = wish_for_ours();
	struct stat_moment moment = take(&wish);

	cr_expect_eq(moment.n, 2);
	for (size_t i = 0; i < moment.n; i++) {
		const struct ktls_diag_socket *socket = &moment.rows[i].socket;

		cr_expect(socket->local.port == port || socket->peer.port == port);
		cr_expect_eq(socket->state, TCP_ESTABLISHED);
		cr_expect_not(socket->tls);
		cr_expect_neq(socket->inode, 0);
	}
	cr_expect_not(moment.has_owners);
	cr_expect_eq(stat_moment_first_owner(&moment, 0), STAT_OWNER_NONE);
	cr_expect_gt(moment.time_ms, UINT64_C(1700000000000));
	stat_moment_done(&moment);
}

Test(unit, without_all_only_those_with_tls)
{
	struct stat_wish wish = wish_for_ours();
	struct stat_moment moment;

	wish.all = false;
	moment = take(&wish);
	cr_expect_eq(moment.n, 0);
	stat_moment_done(&moment);
}

Test(unit, they_are_ours)
{
	struct stat_wish wish = wish_for_ours();
	struct stat_moment moment;

	wish.processes = true;
	moment = take(&wish);
	cr_assert_eq(moment.n, 2);
	for (size_t i = 0; i < moment.n; i++) {
		uint32_t at = stat_moment_first_owner(&moment, i);
		const struct stat_process *process;
		bool ours = false;
		int fd;

		while ((process = stat_owners_next(&moment.owners, &at, &fd)))
			ours |= process->pid == getpid() && (fd == client || fd == server);
		cr_expect(ours, "socket %zu", i);
	}
	stat_moment_done(&moment);
}

Test(unit, of_one_process_only)
{
	struct stat_wish ours = wish_for_ours(), others = ours;
	struct stat_moment moment;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	cr_assert_eq(stat_filter_add(&ours.filter, STAT_FILTER_PROCESS, pid), 0);
	cr_assert_eq(stat_filter_add(&others.filter, STAT_FILTER_PROCESS, "nobody-is-called-so"),
		     0);

	moment = take(&ours);
	cr_expect_eq(moment.n, 2);
	cr_expect(moment.has_owners);
	stat_moment_done(&moment);
	moment = take(&others);
	cr_expect_eq(moment.n, 0);
	stat_moment_done(&moment);
}

Test(unit, a_namespace_that_is_none)
{
	struct stat_wish wish = { .namespace = "no-such-namespace" };
	struct stat_moment moment = STAT_MOMENT_NULL;

	cr_assert_eq(stat_moment_take(&moment, &wish), 0);
	cr_expect_eq(moment.n, 0);
	cr_expect_eq(moment.places.list[0].error, -ENOENT);
	cr_expect_eq(stat_moment_hidden(&moment), 0);
	stat_moment_done(&moment);
}

Test(unit, in_all_namespaces_ours_are_seen_once)
{
	struct stat_wish wish = wish_for_ours();
	struct stat_moment moment;

	wish.all_namespaces = true;
	moment = take(&wish);
	cr_expect_eq(moment.n, 2);
	stat_moment_done(&moment);
}
