/* SPDX-License-Identifier: MIT */

/*
 * Keys in real kernels: what one direction alone makes of them, held to the judge's records; both
 * together; what the kernel refuses, and the reason given. The kernel's counters are the witness
 * that it was the kernel.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <netinet/in.h>

#include "tests/judge.h"
#include "tests/kit.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum {
	LENGTHS_N = 4,
	KEY_UPDATE = 24,
};

static const size_t lengths[LENGTHS_N] = { 1, 100, 16383, 16384 };

static uint8_t plain[KERN_PAYLOAD_MAX], sealed[JUDGE_RECORD_MAX + 5], opened[JUDGE_RECORD_MAX + 5];

static void fill_plain(void)
{
	kit_require_tls();
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = kit_byte(i);
}

TestSuite(kernel, .init = fill_plain);

/* Keys as they are now, into one direction of a socket; 0, or -errno with its reason. */
static int set_key(int fd, enum ktls_direction direction, const struct kern_keys *keys,
		   unsigned int *ret_reason)
{
	struct kern_crypto crypto;

	cr_assert_eq(kern_prepare(keys, &crypto), 0);
	return kern_commit(fd, direction, &crypto, ret_reason);
}

/* As above, where the kernel may lack the cipher's module, and nothing else. */
static bool attach_and_key(int fd, enum ktls_direction direction, const struct kit_suite *suite,
			   const struct kern_keys *keys)
{
	unsigned int reason = KTLS_REASON_NONE;

	cr_assert_eq(kern_attach(fd, &reason), 0, "%s", ktls_reason_name(reason));
	if (!set_key(fd, direction, keys, &reason))
		return true;
	cr_assert_eq(reason, KTLS_REASON_NO_CIPHER, "%s: %s", suite->name,
		     ktls_reason_name(reason));
	cr_log_warn("%s: not in this kernel", suite->name);
	return false;
}

static void close_pair(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static void read_all(int fd, void *bytes, size_t len)
{
	cr_assert_eq(recv(fd, bytes, len, MSG_WAITALL), (ssize_t)len);
}

static void send_record(int fd, uint8_t type, const void *data, size_t len)
{
	const struct iovec iov = { (void *)data, len };
	size_t n;

	kit_wait(fd, POLLOUT);
	cr_assert_eq(kern_send(fd, type, &iov, 1, &n), 0);
	cr_assert_eq(n, len);
}

/* One record, into a buffer that holds any. */
static uint8_t receive_record(int fd, size_t *ret_len)
{
	const struct iovec iov = { opened, sizeof(opened) };
	uint8_t type;
	bool end;
	int r;

	while ((r = kern_recv(fd, &iov, 1, &type, &end, ret_len)) == -EAGAIN)
		kit_wait(fd, POLLIN);
	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	return type;
}

/*
 * -- each direction alone, and both --
 */

static void assert_tx_is_right(const struct kit_suite *suite)
{
	const uint64_t counted = kit_tls_stat("TlsTxSw");
	struct kern_keys keys;
	int fds[2];

	kit_tcp_pair(fds);
	kit_keys(suite, 0, &keys);
	if (!attach_and_key(fds[0], KTLS_TX, suite, &keys))
		return close_pair(fds);
	for (size_t i = 0; i < 2 * LENGTHS_N; i++) {
		const uint8_t type = i & 1 ? KERN_RECORD_HANDSHAKE : KERN_RECORD_DATA;
		const size_t len = lengths[i / 2];
		size_t opened_len, record_len;
		uint8_t opened_type;

		send_record(fds[0], type, plain, len);
		read_all(fds[1], sealed, 5);
		record_len = judge_record_len(sealed);
		cr_assert_eq(record_len, len + kern_record_overhead(suite->protocol, suite->cipher),
			     "%s", suite->name);
		read_all(fds[1], sealed + 5, record_len - 5);

		cr_assert_eq(judge_open(&keys, sealed, record_len, &opened_type, opened,
					&opened_len),
			     0, "%s, record %zu", suite->name, i);
		cr_assert_eq(opened_type, type, "%s", suite->name);
		cr_assert_eq(opened_len, len, "%s", suite->name);
		cr_assert_arr_eq(opened, plain, len, "%s", suite->name);
		keys.seq++;
	}
	cr_assert_geq(kit_tls_stat("TlsTxSw") - counted, 1);
	cr_assert_geq(kit_tls_stat("TlsCurrTxSw"), 1);
	close_pair(fds);
}

Test(kernel, what_the_kernel_sends_is_what_the_rfcs_say)
{
	for (size_t i = 0; i < KIT_SUITES_N; i++)
		assert_tx_is_right(&kit_suites[i]);
}

static void assert_rx_is_right(const struct kit_suite *suite)
{
	const uint64_t counted = kit_tls_stat("TlsRxSw"), errors = kit_tls_stat("TlsDecryptError");
	struct kern_keys keys;
	int fds[2];

	kit_tcp_pair(fds);
	kit_keys(suite, 0, &keys);
	if (!attach_and_key(fds[1], KTLS_RX, suite, &keys))
		return close_pair(fds);
	for (size_t i = 0; i < 2 * LENGTHS_N; i++) {
		const uint8_t type = i & 1 ? KERN_RECORD_HANDSHAKE : KERN_RECORD_DATA;
		const size_t len = lengths[i / 2];
		const size_t record_len = judge_seal(&keys, type, plain, len, 0, sealed);
		size_t opened_len;

		cr_assert_eq(send(fds[0], sealed, record_len, 0), (ssize_t)record_len);

		cr_assert_eq(receive_record(fds[1], &opened_len), type, "%s, record %zu",
			     suite->name, i);
		cr_assert_eq(opened_len, len, "%s", suite->name);
		cr_assert_arr_eq(opened, plain, len, "%s", suite->name);
		keys.seq++;
	}
	cr_assert_geq(kit_tls_stat("TlsRxSw") - counted, 1);
	cr_assert_geq(kit_tls_stat("TlsCurrRxSw"), 1);
	cr_assert_eq(kit_tls_stat("TlsDecryptError"), errors);
	close_pair(fds);
}

Test(kernel, what_the_rfcs_say_the_kernel_receives)
{
	for (size_t i = 0; i < KIT_SUITES_N; i++)
		assert_rx_is_right(&kit_suites[i]);
}

/* Both directions of both ends, from a number in the middle, as after a promotion. */
static void assert_both_work(const struct kit_suite *suite)
{
	const uint64_t tx = kit_tls_stat("TlsTxSw"), rx = kit_tls_stat("TlsRxSw");
	struct kern_keys keys[2];
	uint64_t seq;
	int fds[2];

	kit_tcp_pair(fds);
	for (int i = 0; i < 2; i++) {
		kit_keys(suite, 0xfffffffeull, &keys[i]);
		if (!attach_and_key(fds[i], KTLS_TX, suite, &keys[i]) ||
		    !attach_and_key(fds[!i], KTLS_RX, suite, &keys[i]))
			return close_pair(fds);
	}
	for (size_t i = 0; i < 2 * LENGTHS_N; i++) {
		const size_t len = lengths[i / 2];
		size_t opened_len;

		send_record(fds[i & 1], KERN_RECORD_DATA, plain, len);
		cr_assert_eq(receive_record(fds[!(i & 1)], &opened_len), KERN_RECORD_DATA);
		cr_assert_eq(opened_len, len, "%s", suite->name);
		cr_assert_arr_eq(opened, plain, len, "%s", suite->name);
	}
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(kern_seq(fds[i & 1], i < 2 ? KTLS_TX : KTLS_RX, suite->protocol,
				      suite->cipher, &seq),
			     0, "%s", suite->name);
		cr_assert_eq(seq, 0xfffffffeull + LENGTHS_N, "%s", suite->name);
	}
	cr_assert_geq(kit_tls_stat("TlsTxSw") - tx, 2);
	cr_assert_geq(kit_tls_stat("TlsRxSw") - rx, 2);
	close_pair(fds);
}

Test(kernel, both_directions_work_from_any_record_on)
{
	for (size_t i = 0; i < KIT_SUITES_N; i++)
		assert_both_work(&kit_suites[i]);
}

/*
 * -- a second key --
 */

static const struct kit_suite *const suite_12 = &kit_suites[0];
static const struct kit_suite *const suite_13 = &kit_suites[4];

Test(kernel, tls_1_2_takes_no_second_key_and_keeps_the_first)
{
	const uint64_t counted = kit_tls_stat("TlsTxSw");
	struct kern_keys keys;
	unsigned int reason;
	size_t len;
	int fds[2];

	kit_tcp_pair(fds);
	kit_keys(suite_12, 0, &keys);
	cr_assert(attach_and_key(fds[0], KTLS_TX, suite_12, &keys));
	cr_assert(attach_and_key(fds[1], KTLS_RX, suite_12, &keys));

	cr_assert_eq(set_key(fds[0], KTLS_TX, &keys, &reason), -EBUSY);
	cr_assert_eq(reason, KTLS_REASON_ULP_BUSY);
	cr_assert_eq(set_key(fds[1], KTLS_RX, &keys, &reason), -EBUSY);
	cr_assert_eq(reason, KTLS_REASON_ULP_BUSY);

	send_record(fds[0], KERN_RECORD_DATA, plain, 100);
	cr_assert_eq(receive_record(fds[1], &len), KERN_RECORD_DATA);
	cr_assert_eq(kit_tls_stat("TlsTxSw") - counted, 1);
	close_pair(fds);
}

Test(kernel, a_kernel_that_cannot_rekey_says_so_and_keeps_the_first_key)
{
	const uint64_t counted = kit_tls_stat("TlsTxSw");
	struct kern_keys keys, next;
	unsigned int reason;
	size_t len;
	int fds[2];

	if (kern_probe()->rekey[KTLS_TX] == KTLS_REASON_NONE)
		cr_skip_test("this kernel can rekey");
	kit_tcp_pair(fds);
	kit_keys(suite_13, 0, &keys);
	kit_keys(suite_13, 0, &next);
	cr_assert(attach_and_key(fds[0], KTLS_TX, suite_13, &keys));
	cr_assert(attach_and_key(fds[1], KTLS_RX, suite_13, &keys));

	cr_assert_eq(set_key(fds[0], KTLS_TX, &next, &reason), -EBUSY);
	cr_assert_eq(reason, KTLS_REASON_NO_REKEY);
	cr_assert_eq(set_key(fds[1], KTLS_RX, &next, &reason), -EBUSY);
	cr_assert_eq(reason, KTLS_REASON_NO_REKEY);

	send_record(fds[0], KERN_RECORD_DATA, plain, 100);
	cr_assert_eq(receive_record(fds[1], &len), KERN_RECORD_DATA);
	cr_assert_gt(kit_tls_stat("TlsTxSw"), counted);
	close_pair(fds);
}

Test(kernel, a_key_update_stops_reading_until_its_key_is_set)
{
	const uint8_t update[5] = { KEY_UPDATE, 0, 0, 1, 0 };
	const uint64_t tx = kit_tls_stat("TlsTxRekeyOk"), rx = kit_tls_stat("TlsRxRekeyOk");
	const struct ktls_probe *probe = kern_probe();
	const uint64_t probed = kit_tls_stat("TlsTxRekeyOk") - tx;
	const struct iovec iov = { opened, sizeof(opened) };
	struct kern_keys keys, next;
	unsigned int reason;
	uint64_t seq;
	uint8_t type;
	bool end;
	size_t len;
	int fds[2];

	if (probe->rekey[KTLS_TX] != KTLS_REASON_NONE || probe->rekey[KTLS_RX] != KTLS_REASON_NONE)
		cr_skip_test("this kernel cannot rekey");
	kit_tcp_pair(fds);
	kit_keys(suite_13, 7, &keys);
	kit_keys(suite_13, 0, &next);
	cr_assert(attach_and_key(fds[0], KTLS_TX, suite_13, &keys));
	cr_assert(attach_and_key(fds[1], KTLS_RX, suite_13, &keys));

	send_record(fds[0], KERN_RECORD_HANDSHAKE, update, sizeof(update));
	cr_assert_eq(set_key(fds[0], KTLS_TX, &next, &reason), 0);
	send_record(fds[0], KERN_RECORD_DATA, plain, 100);

	cr_assert_eq(receive_record(fds[1], &len), KERN_RECORD_HANDSHAKE);
	cr_assert_eq(len, sizeof(update));
	cr_assert_eq(kern_recv(fds[1], &iov, 1, &type, &end, &len), -EKEYEXPIRED);
	cr_assert_eq(set_key(fds[1], KTLS_RX, &next, &reason), 0);
	cr_assert_eq(receive_record(fds[1], &len), KERN_RECORD_DATA);
	cr_assert_arr_eq(opened, plain, 100);

	cr_assert_eq(kern_seq(fds[0], KTLS_TX, KTLS_TLS_1_3, suite_13->cipher, &seq), 0);
	cr_assert_eq(seq, 1, "counted anew");
	cr_assert_eq(kit_tls_stat("TlsTxRekeyOk") - tx, 1 + probed);
	cr_assert_eq(kit_tls_stat("TlsRxRekeyOk") - rx, 1 + probed);
	close_pair(fds);
}

Test(kernel, the_directions_must_be_alike)
{
	const uint64_t counted = kit_tls_stat("TlsTxSw");
	struct kern_keys keys;
	unsigned int reason;
	int fds[2];

	kit_tcp_pair(fds);
	kit_keys(suite_13, 0, &keys);
	cr_assert(attach_and_key(fds[0], KTLS_TX, suite_13, &keys));
	kit_keys(&kit_suites[5], 0, &keys);

	cr_assert_eq(set_key(fds[0], KTLS_RX, &keys, &reason), -EINVAL);
	cr_assert_eq(reason, KTLS_REASON_ULP_BUSY);
	cr_assert_eq(kit_tls_stat("TlsTxSw") - counted, 1);
	close_pair(fds);
}

/*
 * -- where it cannot be attached --
 */

static void assert_no_attach(int fd, int error, unsigned int wanted)
{
	unsigned int reason;
	int r;

	cr_assert_geq(fd, 0, "%s", strerror(errno));
	r = kern_attach(fd, &reason);
	cr_assert_eq(r, -error, "%s", ktls_strerrorname(r));
	cr_assert_eq(reason, wanted, "%s", ktls_reason_name(reason));
	close(fd);
}

Test(kernel, attaching_twice_is_success)
{
	unsigned int reason;
	int fds[2];

	kit_tcp_pair(fds);

	cr_assert_eq(kern_attach(fds[0], &reason), 0);
	cr_assert_eq(kern_attach(fds[0], &reason), 0);
	close_pair(fds);
}

Test(kernel, what_is_no_connected_tcp_socket_has_its_reason)
{
	int pipes[2];

	assert_no_attach(socket(AF_INET, SOCK_STREAM, 0), ENOTCONN, KTLS_REASON_NOT_CONNECTED);
	assert_no_attach(socket(AF_INET, SOCK_DGRAM, 0), ENOPROTOOPT, KTLS_REASON_NOT_TCP);
	assert_no_attach(socket(AF_INET6, SOCK_DGRAM, 0), ENOPROTOOPT, KTLS_REASON_NOT_TCP);
	assert_no_attach(socket(AF_UNIX, SOCK_STREAM, 0), EOPNOTSUPP, KTLS_REASON_NOT_TCP);
	cr_assert_eq(pipe(pipes), 0);
	close(pipes[1]);
	assert_no_attach(pipes[0], ENOTSOCK, KTLS_REASON_NOT_TCP);
}

Test(kernel, multipath_tcp_cannot_carry_it)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	unsigned int reason;

	if (fd < 0)
		cr_skip_test("this kernel has no MPTCP");

	cr_assert_lt(kern_attach(fd, &reason), 0);
	cr_assert_eq(reason, KTLS_REASON_MPTCP, "%s", ktls_reason_name(reason));
	close(fd);
}

Test(kernel, a_key_without_the_ulp_is_refused)
{
	struct kern_keys keys;
	unsigned int reason;
	int fds[2];

	kit_tcp_pair(fds);
	kit_keys(suite_13, 0, &keys);

	cr_assert_eq(set_key(fds[0], KTLS_TX, &keys, &reason), -ENOPROTOOPT);
	cr_assert_eq(reason, KTLS_REASON_NO_ULP);
	close_pair(fds);
}

/* Hence the ULP is attached before the handshake: KERNEL's order, not ours. */
Test(kernel, after_the_peers_fin_a_key_is_taken_and_the_ulp_is_not)
{
	const uint64_t counted = kit_tls_stat("TlsTxSw");
	struct kern_keys keys;
	unsigned int reason;
	int early[2], late[2];
	char byte;

	kit_tcp_pair(early);
	kit_tcp_pair(late);
	kit_keys(suite_13, 0, &keys);
	cr_assert_eq(kern_attach(early[0], &reason), 0);
	shutdown(early[1], SHUT_WR);
	shutdown(late[1], SHUT_WR);
	cr_assert_eq(recv(early[0], &byte, 1, 0), 0);
	cr_assert_eq(recv(late[0], &byte, 1, 0), 0);

	cr_assert_eq(kern_attach(late[0], &reason), -ENOTCONN);
	cr_assert_eq(reason, KTLS_REASON_NOT_CONNECTED);
	cr_assert_eq(set_key(early[0], KTLS_TX, &keys, &reason), 0);
	cr_assert_eq(kit_tls_stat("TlsTxSw") - counted, 1);
	close_pair(early);
	close_pair(late);
}
