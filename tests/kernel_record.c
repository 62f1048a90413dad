/* SPDX-License-Identifier: MIT */

/*
 * Records on real kernels: types out and in, where one ends, what is the end and what is only
 * empty, and what does not authenticate.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/sigpipe.h"
#include "tests/judge.h"
#include "tests/link.h"

static uint8_t sealed[JUDGE_RECORD_MAX + 5];

TestSuite(kernel, .init = link_setup);

/* A record that no kernel made: the judge's, past the sender's kernel. */
static void send_judged(struct link *link, uint8_t type, size_t len, size_t padding)
{
	const size_t record_len = judge_seal(&link->keys, type, link_plain, len, padding, sealed);

	cr_assert_eq(send(link->fd[0], sealed, record_len, 0), (ssize_t)record_len);
	link->keys.seq++;
}

static void assert_received(const struct link *link, size_t room, uint8_t type, size_t len,
			    bool end)
{
	uint8_t got_type;
	bool got_end;
	size_t n;
	int r = link_receive(link, room, &got_type, &got_end, &n);

	cr_assert_eq(r, 0, "%s: %s", link->suite->name, ktls_strerrorname(r));
	cr_assert_eq(got_type, type, "%s: type %u, not %u", link->suite->name, got_type, type);
	cr_assert_eq(n, len, "%s: %zu bytes, not %zu", link->suite->name, n, len);
	if (type != KERN_RECORD_NONE)
		cr_assert_eq(got_end, end, "%s: end", link->suite->name);
}

/*
 * -- types --
 */

Test(kernel, control_records_keep_their_place_among_data)
{
	const uint8_t close_notify[2] = { 1, 0 };

	for (size_t i = 0; i < 2; i++) {
		struct link link;

		link_open(&link, i ? link_tls13 : link_tls12, true, true);
		link_send(&link, KERN_RECORD_DATA, link_plain, 10);
		link_send(&link, KERN_RECORD_DATA, link_plain, 20);
		link_send(&link, KERN_RECORD_HANDSHAKE, link_plain, 30);
		link_send(&link, KERN_RECORD_HANDSHAKE, link_plain, 40);
		link_send(&link, KERN_RECORD_DATA, link_plain, 50);
		link_send(&link, KERN_RECORD_ALERT, close_notify, sizeof(close_notify));
		kit_wait(link.fd[1], POLLIN);
		usleep(50000); /* let all of them arrive: then only the types part them */

		assert_received(&link, 1000, KERN_RECORD_DATA, 30, true);
		assert_received(&link, 1000, KERN_RECORD_HANDSHAKE, 30, true);
		assert_received(&link, 1000, KERN_RECORD_HANDSHAKE, 40, true);
		assert_received(&link, 1000, KERN_RECORD_DATA, 50, true);
		assert_received(&link, 1000, KERN_RECORD_ALERT, 2, true);
		cr_assert_arr_eq(link_received, close_notify, 2);
		link_close(&link, true, true);
	}
}

Test(kernel, a_record_in_parts_ends_with_the_last)
{
	struct link link;

	link_open(&link, link_tls13, true, true);
	link_send(&link, KERN_RECORD_HANDSHAKE, link_plain, 100);
	link_send(&link, KERN_RECORD_DATA, link_plain, 100);
	usleep(50000);

	assert_received(&link, 60, KERN_RECORD_HANDSHAKE, 60, false);
	assert_received(&link, 60, KERN_RECORD_HANDSHAKE, 40, true);
	assert_received(&link, 60, KERN_RECORD_DATA, 60, false);
	assert_received(&link, 60, KERN_RECORD_DATA, 40, true);
	link_close(&link, true, true);
}

/* The kernel's MSG_EOR is that of the first of the two. */
Test(kernel, a_remainder_of_the_last_of_several_records_is_no_end)
{
	struct link link;

	link_open(&link, link_tls13, true, true);
	link_send(&link, KERN_RECORD_DATA, link_plain, 100);
	link_send(&link, KERN_RECORD_DATA, link_plain, 100);
	usleep(50000);

	assert_received(&link, 150, KERN_RECORD_DATA, 150, false);
	assert_received(&link, 150, KERN_RECORD_DATA, 50, true);
	link_close(&link, true, true);
}

Test(kernel, padding_is_no_part_of_a_record)
{
	struct link link;

	link_open(&link, link_tls13, false, true);
	send_judged(&link, KERN_RECORD_DATA, 100, 1000);
	send_judged(&link, KERN_RECORD_ALERT, 2, 50);
	usleep(50000);

	assert_received(&link, 2000, KERN_RECORD_DATA, 100, true);
	assert_received(&link, 2000, KERN_RECORD_ALERT, 2, true);
	link_close(&link, false, true);
}

/*
 * -- the end --
 */

Test(kernel, the_transports_end_is_the_end)
{
	for (size_t i = 0; i < 2; i++) {
		struct link link;

		link_open(&link, i ? link_tls13 : link_tls12, true, true);
		link_send(&link, KERN_RECORD_DATA, link_plain, 100);
		shutdown(link.fd[0], SHUT_WR);

		assert_received(&link, 1000, KERN_RECORD_DATA, 100, true);
		assert_received(&link, 1000, KERN_RECORD_NONE, 0, false);
		assert_received(&link, 1000, KERN_RECORD_NONE, 0, false);
		link_close(&link, true, true);
	}
}

Test(kernel, half_a_record_and_the_transports_end_are_the_end)
{
	struct link link;
	size_t len;

	link_open(&link, link_tls13, false, true);
	len = judge_seal(&link.keys, KERN_RECORD_DATA, link_plain, 100, 0, sealed);
	cr_assert_eq(send(link.fd[0], sealed, len - 1, 0), (ssize_t)len - 1);
	shutdown(link.fd[0], SHUT_WR);

	assert_received(&link, 1000, KERN_RECORD_NONE, 0, false);
	link_close(&link, false, true);
}

Test(kernel, an_empty_record_is_not_the_end)
{
	for (size_t i = 0; i < 2; i++) {
		struct link link;

		link_open(&link, i ? link_tls13 : link_tls12, false, true);
		send_judged(&link, KERN_RECORD_ALERT, 0, 0);
		send_judged(&link, KERN_RECORD_DATA, 0, 0);
		send_judged(&link, KERN_RECORD_ALERT, 2, 0);
		send_judged(&link, KERN_RECORD_DATA, 0, 0);
		send_judged(&link, KERN_RECORD_DATA, 0, 0);
		send_judged(&link, KERN_RECORD_DATA, 10, 0);
		send_judged(&link, KERN_RECORD_DATA, 0, 0);
		shutdown(link.fd[0], SHUT_WR);
		usleep(50000);

		assert_received(&link, 1000, KERN_RECORD_ALERT, 0, true);
		assert_received(&link, 1000, KERN_RECORD_ALERT, 2, true);
		assert_received(&link, 1000, KERN_RECORD_DATA, 10, true);
		assert_received(&link, 1000, KERN_RECORD_NONE, 0, false);
		link_close(&link, false, true);
	}
}

Test(kernel, nothing_there_is_not_the_end)
{
	const struct iovec iov = { link_received, 100 };
	struct link link;
	uint8_t type;
	bool end;
	size_t n;

	link_open(&link, link_tls13, false, true);

	cr_assert_eq(kern_recv(link.fd[1], &iov, 1, &type, &end, &n), -EAGAIN);
	link_close(&link, false, true);
}

static volatile sig_atomic_t sigpipes;

static void count_sigpipe(int number)
{
	(void)number;
	sigpipes++;
}

/* With the error taken (SO_ERROR), the kernel accepts a record more, and raises SIGPIPE for it. */
Test(kernel, a_peer_that_is_gone_is_an_error_and_no_signal)
{
	const struct linger reset = { .l_onoff = 1 };
	const struct iovec iov = { link_plain, 100 };
	struct ktls_sigpipe sigpipe = { .held = false };
	int file_fd = kit_file(100000), error, r;
	socklen_t len = sizeof(error);
	struct link link;
	size_t n;

	signal(SIGPIPE, count_sigpipe);
	link_open(&link, link_tls13, true, false);
	setsockopt(link.fd[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(link.fd[1]);
	link.fd[1] = -EBADF;
	usleep(50000);

	ktls_sigpipe_hold(&sigpipe);
	cr_assert_eq(kern_send_file(link.fd[0], file_fd, 0, 100000, &n), -ECONNRESET);
	cr_assert_eq(getsockopt(link.fd[0], SOL_SOCKET, SO_ERROR, &error, &len), 0);
	for (int i = 0; i < 3; i++) {
		r = kern_send_file(link.fd[0], file_fd, 0, i ? 100000 : 10, &n);
		cr_assert(!r || r == -EPIPE, "%s", ktls_strerrorname(r));
		r = kern_send(link.fd[0], KERN_RECORD_DATA, &iov, 1, &n);
		cr_assert(!r || r == -EPIPE, "%s", ktls_strerrorname(r));
	}
	ktls_sigpipe_release(&sigpipe);
	cr_assert_eq(sigpipes, 0);
	link_close(&link, true, false);
	close(file_fd);
}

/*
 * -- what must not be received --
 */

Test(kernel, plaintext_on_a_socket_without_a_key_is_never_data)
{
	struct link link;
	uint8_t type;
	bool end;
	size_t n;

	link_open(&link, link_tls13, false, false);
	cr_assert_eq(send(link.fd[0], link_plain, 100, 0), 100);

	cr_assert_eq(link_receive(&link, 1000, &type, &end, &n), -EPROTO);
	link_close(&link, false, false);
}

/* Of TLS 1.3 the kernel does not look at the outer type, which is always 23 (RFC 8446 5.2): it
 * authenticates what should stand there. */
Test(kernel, a_record_that_does_not_authenticate_is_refused_for_good)
{
	static const struct {
		const char *what;
		const struct kit_suite *suite;
		size_t at;
	} rows[] = {
		{ "TLS 1.3, ciphertext", &kit_suites[4], 20 },
		{ "TLS 1.3, tag", &kit_suites[4], 115 },
		{ "TLS 1.2, type", &kit_suites[0], 0 },
		{ "TLS 1.2, explicit nonce", &kit_suites[0], 12 },
		{ "TLS 1.2, ciphertext", &kit_suites[0], 20 },
		{ "TLS 1.2, tag", &kit_suites[0], 115 },
	};
	const uint64_t errors = kit_tls_stat("TlsDecryptError");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct link link;
		uint8_t type;
		bool end;
		size_t len, n;
		int r;

		link_open(&link, rows[i].suite, false, true);
		len = judge_seal(&link.keys, KERN_RECORD_DATA, link_plain, 100, 0, sealed);
		sealed[rows[i].at] ^= 1;
		cr_assert_eq(send(link.fd[0], sealed, len, 0), (ssize_t)len);

		for (int again = 0; again < 2; again++) {
			r = link_receive(&link, 1000, &type, &end, &n);
			cr_assert_eq(r, -EBADMSG, "%s: %s", rows[i].what, ktls_strerrorname(r));
		}
		link_close(&link, false, true);
	}
	/* It stays first in the queue, and each call counts it again. */
	cr_assert_geq(kit_tls_stat("TlsDecryptError") - errors, sizeof(rows) / sizeof(rows[0]));
}

Test(kernel, a_malformed_header_is_refused)
{
	static const struct {
		const char *name;
		uint8_t header[5];
		int r;
	} rows[] = {
		{ "TLS 1.0", { 23, 3, 1, 0, 100 }, -EINVAL },
		{ "no TLS", { 'H', 'T', 'T', 'P', '/' }, -EMSGSIZE },
		{ "too long", { 23, 3, 3, 0x41, 0x12 }, -EMSGSIZE },
		{ "too short for a tag", { 23, 3, 3, 0, 16 }, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct link link;
		uint8_t type;
		bool end;
		size_t n;
		int r;

		link_open(&link, link_tls13, false, true);
		memcpy(sealed, rows[i].header, sizeof(rows[i].header));
		cr_assert_eq(send(link.fd[0], sealed, 200, 0), 200);

		r = link_receive(&link, 1000, &type, &end, &n);
		cr_assert_eq(r, rows[i].r, "%s: %s", rows[i].name, ktls_strerrorname(r));
		link_close(&link, false, true);
	}
}

/* TLS 1.2 lets the peer write any type in the clear part; 0 must not pass for the end. */
Test(kernel, a_record_of_type_0_is_refused)
{
	struct link link;
	uint8_t type;
	bool end;
	size_t n;
	int r;

	link_open(&link, link_tls12, false, true);
	send_judged(&link, 0, 10, 0);

	r = link_receive(&link, 1000, &type, &end, &n);
	cr_assert_eq(r, -EBADMSG, "%s", ktls_strerrorname(r));
	link_close(&link, false, true);
}
