/* SPDX-License-Identifier: MIT */

/* A connection through the kernel; see link.h. */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/link.h"

const struct kit_suite *const link_tls12 = &kit_suites[0];
const struct kit_suite *const link_tls13 = &kit_suites[4];

uint8_t link_plain[LINK_BUFFER_LEN], link_received[LINK_BUFFER_LEN];

void link_setup(void)
{
	kit_require_tls();
	for (size_t i = 0; i < sizeof(link_plain); i++)
		link_plain[i] = kit_byte(i);
}

static void set_key(const struct link *link, enum ktls_direction direction)
{
	struct kern_crypto crypto;
	unsigned int reason;

	cr_assert_eq(kern_prepare(&link->keys, &crypto), 0);
	cr_assert_eq(kern_attach(link->fd[direction], &reason), 0);
	cr_assert_eq(kern_commit(link->fd[direction], direction, &crypto, &reason), 0, "%s: %s",
		     link->suite->name, ktls_reason_name(reason));
}

void link_open(struct link *link, const struct kit_suite *suite, bool tx, bool rx)
{
	const int len = LINK_BUFFER_LEN;

	link->suite = suite;
	link->counted[KTLS_TX] = kit_tls_stat("TlsTxSw");
	link->counted[KTLS_RX] = kit_tls_stat("TlsRxSw");
	kit_tcp_pair(link->fd);
	setsockopt(link->fd[0], SOL_SOCKET, SO_SNDBUF, &len, sizeof(len));
	setsockopt(link->fd[1], SOL_SOCKET, SO_RCVBUF, &len, sizeof(len));
	kit_keys(suite, 0, &link->keys);
	if (tx)
		set_key(link, KTLS_TX);
	if (rx)
		set_key(link, KTLS_RX);
}

void link_close(struct link *link, bool tx, bool rx)
{
	cr_assert_eq(kit_tls_stat("TlsTxSw") - link->counted[KTLS_TX], tx);
	cr_assert_eq(kit_tls_stat("TlsRxSw") - link->counted[KTLS_RX], rx);
	close(link->fd[0]);
	close(link->fd[1]);
}

void link_send(const struct link *link, uint8_t type, const void *data, size_t len)
{
	const struct iovec iov = { (void *)data, len };
	size_t n;

	cr_assert_eq(kern_send(link->fd[0], type, &iov, 1, &n), 0);
	cr_assert_eq(n, len);
}

int link_receive(const struct link *link, size_t room, uint8_t *ret_type, bool *ret_end,
		 size_t *ret_n)
{
	const struct iovec iov = { link_received, room };
	int r;

	for (;;) {
		r = kern_recv(link->fd[1], &iov, 1, ret_type, ret_end, ret_n);
		if (r == -EAGAIN)
			kit_wait(link->fd[1], POLLIN);
		else if (r || *ret_n || *ret_type != KERN_RECORD_DATA)
			return r;
	}
}

void link_drain(const struct link *link, size_t len, size_t plain_at)
{
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		uint8_t type;
		bool end;

		cr_assert_eq(link_receive(link, len - at, &type, &end, &n), 0);
		cr_assert_eq(type, KERN_RECORD_DATA);
		cr_assert_arr_eq(link_received, link_plain + plain_at + at, n, "%zu at %zu", len,
				 plain_at);
	}
}
