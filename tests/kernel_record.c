/* SPDX-License-Identifier: MIT */

/*
 * Records on real kernels: types out and in, where one ends, what is the end and what is only
 * empty, what does not authenticate; and the two counts that the library stands on: how many
 * records the kernel made, and how many bytes TCP took from it.
 */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/judge.h"
#include "tests/kit.h"

enum {
	RECORDS_N = 8,
	BUFFER_LEN = 4 << 20,
	FILE_LEN = 300000,
};

/* A connection whose fd[0] sends to fd[1]: both keyed, or one of them for the judge. */
struct link {
	const struct kit_suite *suite;
	struct kern_keys keys;
	uint64_t counted[_KTLS_DIRECTION_N];
	int fd[2];
};

static uint8_t sealed[JUDGE_RECORD_MAX + 5];
static uint8_t plain[BUFFER_LEN], received[BUFFER_LEN];

static void fill_plain(void)
{
	kit_require_tls();
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = kit_byte(i);
}

TestSuite(kernel, .init = fill_plain);

static const struct kit_suite *const suite_12 = &kit_suites[0];
static const struct kit_suite *const suite_13 = &kit_suites[4];

static void link_key(struct link *link, enum ktls_direction direction)
{
	struct kern_crypto crypto;
	unsigned int reason;

	cr_assert_eq(kern_prepare(&link->keys, &crypto), 0);
	cr_assert_eq(kern_attach(link->fd[direction], &reason), 0);
	cr_assert_eq(kern_commit(link->fd[direction], direction, &crypto, &reason), 0, "%s: %s",
		     link->suite->name, ktls_reason_name(reason));
}

static void link_open(struct link *link, const struct kit_suite *suite, bool tx, bool rx)
{
	const int len = BUFFER_LEN;

	link->suite = suite;
	link->counted[KTLS_TX] = kit_tls_stat("TlsTxSw");
	link->counted[KTLS_RX] = kit_tls_stat("TlsRxSw");
	kit_tcp_pair(link->fd);
	setsockopt(link->fd[0], SOL_SOCKET, SO_SNDBUF, &len, sizeof(len));
	setsockopt(link->fd[1], SOL_SOCKET, SO_RCVBUF, &len, sizeof(len));
	kit_keys(suite, 0, &link->keys);
	if (tx)
		link_key(link, KTLS_TX);
	if (rx)
		link_key(link, KTLS_RX);
}

/* The witness: it was the kernel that protected, in the directions that were keyed. */
static void link_close(struct link *link, bool tx, bool rx)
{
	cr_assert_eq(kit_tls_stat("TlsTxSw") - link->counted[KTLS_TX], tx);
	cr_assert_eq(kit_tls_stat("TlsRxSw") - link->counted[KTLS_RX], rx);
	close(link->fd[0]);
	close(link->fd[1]);
}

static void send_record(const struct link *link, uint8_t type, const void *data, size_t len)
{
	const struct iovec iov = { (void *)data, len };
	size_t n;

	cr_assert_eq(kern_send(link->fd[0], type, &iov, 1, &n), 0);
	cr_assert_eq(n, len);
}

/* A record that no kernel made: the judge's, past the sender's kernel. */
static void send_judged(struct link *link, uint8_t type, size_t len, size_t padding)
{
	const size_t record_len = judge_seal(&link->keys, type, plain, len, padding, sealed);

	cr_assert_eq(send(link->fd[0], sealed, record_len, 0), (ssize_t)record_len);
	link->keys.seq++;
}

static int receive(const struct link *link, size_t len, uint8_t *ret_type, bool *ret_end,
		   size_t *ret_n)
{
	const struct iovec iov = { received, len };
	int r;

	while ((r = kern_recv(link->fd[1], &iov, 1, ret_type, ret_end, ret_n)) == -EAGAIN)
		kit_wait(link->fd[1], POLLIN);
	return r;
}

static void assert_received(const struct link *link, size_t room, uint8_t type, size_t len,
			    bool end)
{
	uint8_t got_type;
	bool got_end;
	size_t n;
	int r = receive(link, room, &got_type, &got_end, &n);

	cr_assert_eq(r, 0, "%s: %s", link->suite->name, ktls_strerrorname(r));
	cr_assert_eq(got_type, type, "%s: type %u, not %u", link->suite->name, got_type, type);
	cr_assert_eq(n, len, "%s: %zu bytes, not %zu", link->suite->name, n, len);
	if (type != KERN_RECORD_NONE)
		cr_assert_eq(got_end, end, "%s: end", link->suite->name);
}

/* What was sent and not yet received, all of it. */
static void drain(const struct link *link, size_t len)
{
	for (size_t at = 0; at < len;) {
		uint8_t type;
		bool end;
		size_t n;

		cr_assert_eq(receive(link, len - at, &type, &end, &n), 0);
		cr_assert_eq(type, KERN_RECORD_DATA);
		cr_assert_arr_eq(received, plain + at, n);
		at += n;
	}
}

/*
 * -- types --
 */

Test(kernel, control_records_keep_their_place_among_data)
{
	const uint8_t close_notify[2] = { 1, 0 };

	for (size_t i = 0; i < 2; i++) {
		struct link link;

		link_open(&link, i ? suite_13 : suite_12, true, true);
		send_record(&link, KERN_RECORD_DATA, plain, 10);
		send_record(&link, KERN_RECORD_DATA, plain, 20);
		send_record(&link, KERN_RECORD_HANDSHAKE, plain, 30);
		send_record(&link, KERN_RECORD_HANDSHAKE, plain, 40);
		send_record(&link, KERN_RECORD_DATA, plain, 50);
		send_record(&link, KERN_RECORD_ALERT, close_notify, sizeof(close_notify));
		kit_wait(link.fd[1], POLLIN);
		usleep(50000); /* let all of them arrive: then only the types part them */

		assert_received(&link, 1000, KERN_RECORD_DATA, 30, true);
		assert_received(&link, 1000, KERN_RECORD_HANDSHAKE, 30, true);
		assert_received(&link, 1000, KERN_RECORD_HANDSHAKE, 40, true);
		assert_received(&link, 1000, KERN_RECORD_DATA, 50, true);
		assert_received(&link, 1000, KERN_RECORD_ALERT, 2, true);
		cr_assert_arr_eq(received, close_notify, 2);
		link_close(&link, true, true);
	}
}

Test(kernel, a_record_in_parts_ends_with_the_last)
{
	struct link link;

	link_open(&link, suite_13, true, true);
	send_record(&link, KERN_RECORD_HANDSHAKE, plain, 100);
	send_record(&link, KERN_RECORD_DATA, plain, 100);
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

	link_open(&link, suite_13, true, true);
	send_record(&link, KERN_RECORD_DATA, plain, 100);
	send_record(&link, KERN_RECORD_DATA, plain, 100);
	usleep(50000);

	assert_received(&link, 150, KERN_RECORD_DATA, 150, false);
	assert_received(&link, 150, KERN_RECORD_DATA, 50, true);
	link_close(&link, true, true);
}

Test(kernel, padding_is_no_part_of_a_record)
{
	struct link link;

	link_open(&link, suite_13, false, true);
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

		link_open(&link, i ? suite_13 : suite_12, true, true);
		send_record(&link, KERN_RECORD_DATA, plain, 100);
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

	link_open(&link, suite_13, false, true);
	len = judge_seal(&link.keys, KERN_RECORD_DATA, plain, 100, 0, sealed);
	cr_assert_eq(send(link.fd[0], sealed, len - 1, 0), (ssize_t)len - 1);
	shutdown(link.fd[0], SHUT_WR);

	assert_received(&link, 1000, KERN_RECORD_NONE, 0, false);
	link_close(&link, false, true);
}

Test(kernel, an_empty_record_is_not_the_end)
{
	for (size_t i = 0; i < 2; i++) {
		struct link link;

		link_open(&link, i ? suite_13 : suite_12, false, true);
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
	const struct iovec iov = { received, 100 };
	struct link link;
	uint8_t type;
	bool end;
	size_t n;

	link_open(&link, suite_13, false, true);

	cr_assert_eq(kern_recv(link.fd[1], &iov, 1, &type, &end, &n), -EAGAIN);
	link_close(&link, false, true);
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

	link_open(&link, suite_13, false, false);
	cr_assert_eq(send(link.fd[0], plain, 100, 0), 100);

	cr_assert_eq(receive(&link, 1000, &type, &end, &n), -EPROTO);
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
		len = judge_seal(&link.keys, KERN_RECORD_DATA, plain, 100, 0, sealed);
		sealed[rows[i].at] ^= 1;
		cr_assert_eq(send(link.fd[0], sealed, len, 0), (ssize_t)len);

		for (int again = 0; again < 2; again++) {
			r = receive(&link, 1000, &type, &end, &n);
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

		link_open(&link, suite_13, false, true);
		memcpy(sealed, rows[i].header, sizeof(rows[i].header));
		cr_assert_eq(send(link.fd[0], sealed, 200, 0), 200);

		r = receive(&link, 1000, &type, &end, &n);
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

	link_open(&link, suite_12, false, true);
	send_judged(&link, 0, 10, 0);

	r = receive(&link, 1000, &type, &end, &n);
	cr_assert_eq(r, -EBADMSG, "%s", ktls_strerrorname(r));
	link_close(&link, false, true);
}

/*
 * -- the counts --
 */

static uint64_t records(const struct link *link, enum ktls_direction direction)
{
	uint64_t seq;

	cr_assert_eq(kern_seq(link->fd[direction], direction, link->suite->protocol,
			      link->suite->cipher, &seq),
		     0);
	return seq;
}

static uint64_t records_of(size_t len)
{
	return (len + KERN_PAYLOAD_MAX - 1) / KERN_PAYLOAD_MAX;
}

static uint64_t taken(const struct link *link)
{
	uint64_t bytes;
	int r = kern_tcp_taken(link->fd[0], &bytes);

	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	return bytes;
}

/* One call sends so many bytes. How many records that made, which both ends must have counted, and
 * which TCP must have the weight of. */
static uint64_t count_records(const struct link *link, size_t len, int file_fd, size_t offset)
{
	const size_t overhead = kern_record_overhead(link->suite->protocol, link->suite->cipher);
	const uint64_t tx = records(link, KTLS_TX), rx = records(link, KTLS_RX);
	const uint64_t bytes = taken(link);
	const struct iovec iov = { plain, len };
	uint64_t made;
	size_t n;
	int r = file_fd < 0 ? kern_send(link->fd[0], KERN_RECORD_DATA, &iov, 1, &n)
			    : kern_send_file(link->fd[0], file_fd, offset, len, &n);

	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	cr_assert_eq(n, len);
	for (size_t at = 0; at < len; at += n) {
		uint8_t type;
		bool end;

		cr_assert_eq(receive(link, len - at, &type, &end, &n), 0);
		cr_assert_eq(type, KERN_RECORD_DATA);
		cr_assert_arr_eq(received, plain + offset + at, n, "%zu at %zu", len, offset);
	}
	made = records(link, KTLS_TX) - tx;
	cr_assert_eq(records(link, KTLS_RX) - rx, made, "%s: %zu at %zu", link->suite->name, len,
		     offset);
	cr_assert_eq(taken(link) - bytes, len + made * overhead, "%s: %zu at %zu",
		     link->suite->name, len, offset);
	return made;
}

static const size_t sizes[] = {
	1, 100, 4095, 4096, 16383, 16384, 16385, 32768, 65535, 65537, 200000
};

Test(kernel, the_kernel_makes_one_record_for_each_16384_bytes_and_counts_it)
{
	for (size_t i = 0; i < KIT_SUITES_N; i++) {
		struct link link;

		if (kern_probe_reason(kern_probe(), kit_suites[i].protocol, kit_suites[i].cipher,
				      KTLS_TX))
			continue;
		link_open(&link, &kit_suites[i], true, true);
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			cr_assert_eq(count_records(&link, sizes[j], -1, 0), records_of(sizes[j]),
				     "%s: %zu", kit_suites[i].name, sizes[j]);
		link_close(&link, true, true);
	}
}

/*
 * A range is spliced through a pipe of 16 pages. Before Linux 6.5 a record is closed at the end of
 * each filling, and a filling that starts inside a page is no multiple of 16384: so 6.1 makes one
 * record more. Nobody can count them but the kernel.
 */
static void assert_range_counts(const struct link *link, size_t len, int file_fd, size_t offset)
{
	const size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	const size_t filling = 16 * page_len - offset % page_len;
	const uint64_t made = count_records(link, len, file_fd, offset);

	if (len <= filling || !(filling % KERN_PAYLOAD_MAX))
		cr_assert_eq(made, records_of(len), "%zu at %zu", len, offset);
	else
		cr_assert(made == records_of(len) ||
				  made == records_of(filling) + records_of(len - filling),
			  "%zu at %zu: %d records", len, offset, (int)made);
}

Test(kernel, a_range_of_a_file_makes_the_fewest_records_from_the_start_of_a_page)
{
	static const size_t offsets[] = { 0, 1, 4095, 4096, 12345, 65537 };
	int file_fd = kit_file(FILE_LEN);

	for (size_t i = 0; i < 2; i++) {
		struct link link;

		link_open(&link, i ? suite_13 : suite_12, true, true);
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			for (size_t k = 0; k < sizeof(offsets) / sizeof(offsets[0]); k++)
				assert_range_counts(&link, sizes[j], file_fd, offsets[k]);
		link_close(&link, true, true);
	}
	close(file_fd);
}

Test(kernel, a_file_ends_where_it_ends_and_what_was_sent_of_it_is_whole_records)
{
	int file_fd = kit_file(FILE_LEN);
	struct link link;
	size_t n;

	link_open(&link, suite_13, true, true);

	cr_assert_eq(kern_send_file(link.fd[0], file_fd, 0, FILE_LEN + 1000, &n), 0);
	cr_assert_eq(n, FILE_LEN);
	drain(&link, FILE_LEN);
	cr_assert_eq(records(&link, KTLS_TX), records_of(FILE_LEN));
	cr_assert_eq(kern_send_file(link.fd[0], file_fd, FILE_LEN, 1000, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(records(&link, KTLS_TX), records_of(FILE_LEN));
	link_close(&link, true, true);
	close(file_fd);
}

Test(kernel, many_pieces_make_one_stream_and_too_many_are_taken_partly)
{
	static struct iovec list[IOV_MAX + 10];
	struct link link;
	size_t n;

	for (size_t i = 0; i < IOV_MAX + 10; i++)
		list[i] = (struct iovec){ plain + i * 20, 20 };
	link_open(&link, suite_13, true, true);

	cr_assert_eq(kern_send(link.fd[0], KERN_RECORD_DATA, list, IOV_MAX + 10, &n), 0);
	cr_assert_eq(n, IOV_MAX * 20);
	drain(&link, n);
	cr_assert_eq(records(&link, KTLS_TX), records_of(n));
	link_close(&link, true, true);
}

/*
 * The kernel may hold back the last record that it accepted from a full socket, and close(2) would
 * drop it (tls_sw.c's tx_list). The difference of the two counts must show it, and end.
 */
Test(kernel, what_a_full_socket_holds_back_is_seen_and_goes_out)
{
	const int small = 16384;
	const struct iovec iov = { plain, 500000 };
	const size_t overhead = kern_record_overhead(KTLS_TLS_1_3, suite_13->cipher);
	uint64_t before, accepted = 0, weight;
	struct link link;
	size_t n;
	int r;

	link_open(&link, suite_13, false, true);
	setsockopt(link.fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(link.fd[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	link_key(&link, KTLS_TX);
	before = taken(&link);

	while (!(r = kern_send(link.fd[0], KERN_RECORD_DATA, &iov, 1, &n)))
		accepted += n;
	cr_assert_eq(r, -EAGAIN);
	weight = accepted + overhead * records(&link, KTLS_TX);
	cr_assert_leq(taken(&link) - before, weight);

	for (uint64_t at = 0; at < accepted; at += n) {
		uint8_t type;
		bool end;

		cr_assert_eq(receive(&link, 100000, &type, &end, &n), 0);
		cr_assert_eq(type, KERN_RECORD_DATA);
	}
	cr_assert_eq(taken(&link) - before, weight);
	link_close(&link, true, true);
}
