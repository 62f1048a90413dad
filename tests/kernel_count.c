/* SPDX-License-Identifier: MIT */

/*
 * The two counts that the library stands on, on real kernels: how many records the kernel made of
 * what it took, and how many bytes TCP took of them. Together they say when nothing is left inside
 * that close(2) would drop.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/link.h"

enum {
	FILE_LEN = 300000,
	RANGE_AT = 12345, /* inside a page */
};

TestSuite(kernel, .init = link_setup);

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
	const struct iovec iov = { link_plain, len };
	uint64_t made;
	size_t n;
	int r = file_fd < 0 ? kern_send(link->fd[0], KERN_RECORD_DATA, &iov, 1, &n)
			    : kern_send_file(link->fd[0], file_fd, offset, len, &n);

	cr_assert_eq(r, 0, "%s", ktls_strerrorname(r));
	cr_assert_eq(n, len);
	link_drain(link, len, offset);
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

		link_open(&link, i ? link_tls13 : link_tls12, true, true);
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

	link_open(&link, link_tls13, true, true);

	cr_assert_eq(kern_send_file(link.fd[0], file_fd, 0, FILE_LEN + 1000, &n), 0);
	cr_assert_eq(n, FILE_LEN);
	link_drain(&link, FILE_LEN, 0);
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
		list[i] = (struct iovec){ link_plain + i * 20, 20 };
	link_open(&link, link_tls13, true, true);

	cr_assert_eq(kern_send(link.fd[0], KERN_RECORD_DATA, list, IOV_MAX + 10, &n), 0);
	cr_assert_eq(n, IOV_MAX * 20);
	link_drain(&link, n, 0);
	cr_assert_eq(records(&link, KTLS_TX), records_of(n));
	link_close(&link, true, true);
}

/* A sender that never waits, and soon cannot go on. */
static void link_open_small(struct link *link)
{
	const int small = 16384;

	link_open(link, link_tls13, true, true);
	for (int i = 0; i < 2; i++) {
		setsockopt(link->fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		setsockopt(link->fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	}
	fcntl(link->fd[0], F_SETFL, O_NONBLOCK);
}

/*
 * The kernel may hold back the last record that it accepted from a full socket, and close(2) would
 * drop it (tls_sw.c's tx_list). The difference of the two counts must show it, and end.
 */
Test(kernel, what_a_full_socket_holds_back_is_seen_and_goes_out)
{
	const struct iovec iov = { link_plain, 500000 };
	const size_t overhead = kern_record_overhead(KTLS_TLS_1_3, link_tls13->cipher);
	uint64_t before, accepted = 0, weight;
	struct link link;
	size_t n;
	int r;

	link_open_small(&link);
	before = taken(&link);

	while (!(r = kern_send(link.fd[0], KERN_RECORD_DATA, &iov, 1, &n)) &&
	       accepted < LINK_BUFFER_LEN)
		accepted += n;
	cr_assert_eq(r, -EAGAIN);
	weight = accepted + overhead * records(&link, KTLS_TX);
	cr_assert_leq(taken(&link) - before, weight);

	for (uint64_t at = 0; at < accepted; at += n) {
		uint8_t type;
		bool end;

		cr_assert_eq(link_receive(&link, 100000, &type, &end, &n), 0);
		cr_assert_eq(type, KERN_RECORD_DATA);
	}
	cr_assert_eq(taken(&link) - before, weight);
	link_close(&link, true, true);
}

/* How a connection ends in the middle of a file: what was taken of it goes out before the alert. */
Test(kernel, a_file_cut_short_is_whole_after_the_next_control_record)
{
	const uint8_t close_notify[2] = { 1, 0 };
	const struct iovec alert = { (void *)close_notify, sizeof(close_notify) };
	const size_t overhead = kern_record_overhead(KTLS_TLS_1_3, link_tls13->cipher);
	int file_fd = kit_file(LINK_BUFFER_LEN);
	uint64_t before, accepted = 0;
	struct link link;
	uint8_t type;
	bool end;
	size_t n;
	int r;

	link_open_small(&link);
	before = taken(&link);

	do {
		r = kern_send_file(link.fd[0], file_fd, RANGE_AT + accepted, 1000000 - accepted,
				   &n);
		accepted += r ? 0 : n;
	} while (!r && n);
	cr_assert_eq(r, -EAGAIN);
	cr_assert_gt(accepted, 0);

	for (uint64_t at = 0; kern_send(link.fd[0], KERN_RECORD_ALERT, &alert, 1, &n); at += n) {
		cr_assert_eq(link_receive(&link, 100000, &type, &end, &n), 0);
		cr_assert_arr_eq(link_received, link_plain + RANGE_AT + at, n);
		usleep(1000);
		cr_assert_leq(at + n, accepted);
	}
	do
		cr_assert_eq(link_receive(&link, 100000, &type, &end, &n), 0);
	while (type == KERN_RECORD_DATA);

	cr_assert_eq(type, KERN_RECORD_ALERT);
	cr_assert_eq(records(&link, KTLS_TX), records(&link, KTLS_RX));
	cr_assert_eq(taken(&link) - before,
		     accepted + sizeof(close_notify) + overhead * records(&link, KTLS_TX));
	link_close(&link, true, true);
	close(file_fd);
}
