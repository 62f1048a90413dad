/* SPDX-License-Identifier: MIT */

/* Answers of sock_diag, recorded from real kernels and made up, read. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/tls.h>

#include <criterion/criterion.h>

#include "src/diag.h"
#include "tests/diag_recorded.h"

static struct ktls_diag_socket socket_;
static struct ktls_diag_signs signs;

static void begin(void)
{
	memset(&socket_, 0, sizeof(socket_));
	memset(&signs, 0, sizeof(signs));
}

TestSuite(unit, .init = begin);

/* On the heap and of its very length, so that a read past its end is seen. */
static int read_bytes(const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int r;

	if (len)
		memcpy(copy, data, len);
	begin();
	r = ktls_diag_read((struct ktls_view){ copy, len }, &socket_, &signs);
	free(copy);
	return r;
}

static size_t unhex(const char *text, uint8_t *ret_data)
{
	size_t n = strlen(text) / 2;
	unsigned int byte;

	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(sscanf(text + 2 * i, "%2x", &byte), 1);
		ret_data[i] = (uint8_t)byte;
	}
	return n;
}

static int read_recorded(const char *text)
{
	uint8_t data[1024];

	cr_assert_lt(strlen(text), 2 * sizeof(data));
	return read_bytes(data, unhex(text, data));
}

/* What is the same in all of the recorded answers. */
static void check_connection(void)
{
	struct ktls_address loopback;

	cr_assert_eq(ktls_address_parse(&loopback, "127.0.0.1"), 0);
	loopback.port = socket_.local.port;
	cr_assert(!memcmp(&socket_.local, &loopback, sizeof(loopback)));
	loopback.port = socket_.peer.port;
	cr_assert(!memcmp(&socket_.peer, &loopback, sizeof(loopback)));
	cr_assert(socket_.local.port && socket_.peer.port);
	cr_assert_eq(socket_.state, TCP_ESTABLISHED);
	cr_assert(socket_.cookie && socket_.inode);
	cr_assert_eq(socket_.uid, 0);
	cr_assert(socket_.told & KTLS_DIAG_TOLD_TCP);
	cr_assert_gt(socket_.tcp_mss, 1000);
	cr_assert_eq(socket_.tcp_cwnd, 10);
	cr_assert(!signs.remnant);
}

static void check_keyed(void)
{
	check_connection();
	cr_assert(signs.ulp);
	cr_assert_eq(socket_.tls, 1);
	cr_assert_eq(socket_.protocol, KTLS_TLS_1_3);
	cr_assert_eq(socket_.cipher_id, TLS_CIPHER_AES_GCM_256);
	cr_assert_str_eq(socket_.cipher, "AES-256-GCM");
	cr_assert_eq(socket_.mode[KTLS_TX], KTLS_DIAG_SOFTWARE);
	cr_assert_eq(socket_.mode[KTLS_RX], KTLS_DIAG_SOFTWARE);
	cr_assert_eq(socket_.expect_no_pad, 1);
	cr_assert_eq(socket_.zerocopy_ro, 0);
}

enum {
	TOLD_KEYS = KTLS_DIAG_TOLD_TLS | KTLS_DIAG_TOLD_MODE | KTLS_DIAG_TOLD_CIPHER |
		    KTLS_DIAG_TOLD_TCP,
};

Test(unit, recorded_of_6_1)
{
	cr_assert_eq(read_recorded(diag_linux_6_1), 0);
	check_keyed();
	cr_assert(signs.trusted);
	cr_assert_eq(socket_.told, TOLD_KEYS);
}

Test(unit, recorded_of_6_1_without_privileges_tells_nothing_of_tls)
{
	cr_assert_eq(read_recorded(diag_linux_6_1_unprivileged), 0);
	check_connection();
	cr_assert(!signs.trusted && !signs.ulp);
	cr_assert_eq(socket_.told, KTLS_DIAG_TOLD_TCP);
	cr_assert_eq(socket_.mode[KTLS_TX], KTLS_DIAG_UNKNOWN);
}

Test(unit, recorded_of_6_12)
{
	cr_assert_eq(read_recorded(diag_linux_6_12), 0);
	check_keyed();
	cr_assert_eq(socket_.told, TOLD_KEYS);
}

Test(unit, recorded_of_7_2_with_no_key_yet)
{
	cr_assert_eq(read_recorded(diag_linux_7_2_attached), 0);
	check_connection();
	cr_assert_eq(socket_.tls, 1);
	cr_assert_eq(socket_.protocol, 0);
	cr_assert_null(socket_.cipher);
	cr_assert_eq(socket_.mode[KTLS_TX], KTLS_DIAG_NONE);
	cr_assert_eq(socket_.mode[KTLS_RX], KTLS_DIAG_NONE);
	cr_assert_eq(socket_.told, TOLD_KEYS | KTLS_DIAG_TOLD_PAYLOAD);
}

Test(unit, recorded_of_7_2)
{
	cr_assert_eq(read_recorded(diag_linux_7_2), 0);
	check_keyed();
	cr_assert(signs.trusted);
	cr_assert_eq(socket_.told, TOLD_KEYS | KTLS_DIAG_TOLD_PAYLOAD);
	cr_assert_eq(socket_.tx_max_payload_len, 16384);
}

Test(unit, recorded_of_7_2_without_privileges_tells_all)
{
	cr_assert_eq(read_recorded(diag_linux_7_2_unprivileged), 0);
	check_keyed();
	cr_assert(!signs.trusted);
	cr_assert_eq(socket_.told, TOLD_KEYS | KTLS_DIAG_TOLD_PAYLOAD);
}

Test(unit, recorded_of_a_kernel_without_tls)
{
	cr_assert_eq(read_recorded(diag_linux_6_18_without_tls), 0);
	check_connection();
	cr_assert(signs.trusted && !signs.ulp);
	cr_assert_eq(socket_.tls, 0);
	cr_assert_eq(socket_.told, TOLD_KEYS);
	cr_assert_eq(socket_.mode[KTLS_RX], KTLS_DIAG_NONE);
}

/* It is malformed, or it ends between two attributes and then tells less; and nothing is read
 * beyond. */
Test(unit, a_recorded_answer_cut_at_every_byte)
{
	uint8_t data[1024];
	size_t n = unhex(diag_linux_7_2, data), whole = 0;

	for (size_t len = 0; len < n; len++) {
		int r = read_bytes(data, len);

		cr_assert(!r || r == -EBADMSG, "%zu: %d", len, r);
		cr_assert(len >= sizeof(struct inet_diag_msg) || r == -EBADMSG, "%zu", len);
		whole += !r;
	}
	cr_assert(whole > 2 && whole < 20, "%zu", whole);
}

/* One byte changed, whichever: no answer but these two, and no word that is none. */
Test(unit, a_recorded_answer_changed_at_every_byte)
{
	static const uint8_t changes[] = { 0x01, 0x80, 0xff };
	uint8_t data[1024];
	size_t n = unhex(diag_linux_7_2, data);

	for (size_t at = 0; at < 3 * n; at++) {
		int r;

		data[at / 3] ^= changes[at % 3];
		r = read_bytes(data, n);
		data[at / 3] ^= changes[at % 3];
		cr_assert(!r || r == -EBADMSG, "%zu: %d", at, r);
		if (!r)
			cr_assert(socket_.mode[0] < _KTLS_DIAG_MODE_N &&
					  socket_.mode[1] < _KTLS_DIAG_MODE_N && socket_.tls < 2,
				  "%zu", at);
	}
}

/* Made up */

static const struct inet_diag_msg header = { .idiag_family = AF_INET,
					     .idiag_state = TCP_ESTABLISHED };

static struct ktls_ask message_with(const struct inet_diag_msg *head)
{
	struct ktls_ask message = { .type = 0 };

	cr_assert_eq(ktls_ask_put_header(&message, head, sizeof(*head)), 0);
	return message;
}

static void put_u16(struct ktls_ask *message, uint16_t type, uint16_t value)
{
	cr_assert_eq(ktls_ask_put(message, type, &value, sizeof(value)), 0);
}

static int read_message(const struct ktls_ask *message)
{
	return read_bytes(message->data, message->len);
}

/* Of an upper layer; behind its name, of TLS, one attribute. */
static int read_ulp(const char *name, uint16_t type, uint16_t value)
{
	struct ktls_ask message = message_with(&header);
	size_t ulp, tls;

	cr_assert_eq(ktls_ask_begin(&message, INET_DIAG_ULP_INFO, &ulp), 0);
	if (name)
		cr_assert_eq(ktls_ask_put(&message, INET_ULP_INFO_NAME, name, strlen(name) + 1), 0);
	if (type) {
		cr_assert_eq(ktls_ask_begin(&message, INET_ULP_INFO_TLS, &tls), 0);
		put_u16(&message, type, value);
		ktls_ask_end(&message, tls);
	}
	ktls_ask_end(&message, ulp);
	return read_message(&message);
}

Test(unit, a_socket_being_closed_has_the_name_and_no_more)
{
	cr_assert_eq(read_ulp("tls", 0, 0), 0);
	cr_assert_eq(socket_.tls, 1);
	cr_assert_eq(socket_.told, KTLS_DIAG_TOLD_TLS);
	cr_assert_eq(socket_.mode[KTLS_TX], KTLS_DIAG_UNKNOWN);
}

Test(unit, another_upper_layer_is_no_tls)
{
	static const char *const names[] = { "mptcp",
					     "smc",
					     "tlsx",
					     "tl",
					     "",
					     "espintcp",
					     "a name longer than any that there is",
					     NULL };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert_eq(read_ulp(names[i], TLS_INFO_CIPHER, 51), 0);
		cr_assert(signs.ulp);
		cr_assert_eq(socket_.tls, 0);
		cr_assert_null(socket_.cipher);
		cr_assert(socket_.told & KTLS_DIAG_TOLD_TLS);
	}
}

Test(unit, every_mode)
{
	static const uint16_t modes[] = { KTLS_DIAG_UNKNOWN, KTLS_DIAG_NONE,   KTLS_DIAG_SOFTWARE,
					  KTLS_DIAG_DEVICE,  KTLS_DIAG_RECORD, KTLS_DIAG_UNKNOWN };

	for (uint16_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		cr_assert_eq(read_ulp("tls", TLS_INFO_TXCONF, i), 0);
		cr_assert_eq(socket_.mode[KTLS_TX], modes[i]);
		cr_assert_eq(socket_.mode[KTLS_RX], KTLS_DIAG_UNKNOWN);
		cr_assert(!(socket_.told & KTLS_DIAG_TOLD_MODE));
		cr_assert_eq(read_ulp("tls", TLS_INFO_RXCONF, i), 0);
		cr_assert_eq(socket_.mode[KTLS_RX], modes[i]);
	}
}

Test(unit, every_cipher_that_kernels_have_has_a_name)
{
	static const char *const names[] = { "AES-128-GCM",	  "AES-256-GCM", "AES-128-CCM",
					     "CHACHA20-POLY1305", "SM4-GCM",	 "SM4-CCM",
					     "ARIA-128-GCM",	  "ARIA-256-GCM" };

	for (uint16_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert_eq(read_ulp("tls", TLS_INFO_CIPHER, 51 + i), 0);
		cr_assert_str_eq(socket_.cipher, names[i]);
		cr_assert_eq(socket_.cipher_id, 51 + i);
	}
	cr_assert_eq(read_ulp("tls", TLS_INFO_CIPHER, 59), 0);
	cr_assert_null(socket_.cipher);
	cr_assert_eq(socket_.cipher_id, 59);
}

Test(unit, options_are_told)
{
	cr_assert_eq(read_ulp("tls", TLS_INFO_ZC_RO_TX, 0), 0);
	cr_assert(socket_.zerocopy_ro && !socket_.expect_no_pad);
	cr_assert_eq(read_ulp("tls", TLS_INFO_RX_NO_PAD, 0), 0);
	cr_assert(socket_.expect_no_pad && !socket_.zerocopy_ro);
	cr_assert_eq(read_ulp("tls", 7, 512), 0);
	cr_assert_eq(socket_.tx_max_payload_len, 512);
	cr_assert(socket_.told & KTLS_DIAG_TOLD_PAYLOAD);
	cr_assert_eq(read_ulp("tls", 200, 1), 0);
	cr_assert_eq(socket_.tls, 1);
}

Test(unit, a_value_of_a_wrong_length_is_not_told)
{
	struct ktls_ask message = message_with(&header);
	size_t ulp, tls;

	cr_assert_eq(ktls_ask_begin(&message, INET_DIAG_ULP_INFO, &ulp), 0);
	cr_assert_eq(ktls_ask_put(&message, INET_ULP_INFO_NAME, "tls", 3), 0);
	cr_assert_eq(ktls_ask_begin(&message, INET_ULP_INFO_TLS, &tls), 0);
	cr_assert_eq(ktls_ask_put(&message, TLS_INFO_TXCONF, "\2\0\0\0", 4), 0);
	cr_assert_eq(ktls_ask_put(&message, TLS_INFO_VERSION, "\4", 1), 0);
	ktls_ask_end(&message, tls);
	ktls_ask_end(&message, ulp);
	cr_assert_eq(ktls_ask_put(&message, INET_DIAG_INFO, "short", 5), 0);

	cr_assert_eq(read_message(&message), 0);
	cr_assert_eq(socket_.tls, 1);
	cr_assert_eq(socket_.mode[KTLS_TX], KTLS_DIAG_UNKNOWN);
	cr_assert_eq(socket_.protocol, 0);
	cr_assert(!(socket_.told & (KTLS_DIAG_TOLD_TCP | KTLS_DIAG_TOLD_MODE)));
}

/* What lies in a row deeper is cut, though the message is not. */
Test(unit, a_malformed_row_within_is_malformed)
{
	struct ktls_ask message = message_with(&header);

	cr_assert_eq(ktls_ask_put(&message, INET_DIAG_ULP_INFO, "\x09\0\1\0tls", 7), 0);
	cr_assert_eq(read_message(&message), -EBADMSG);

	message = message_with(&header);
	cr_assert_eq(ktls_ask_put(&message, INET_DIAG_ULP_INFO,
				  "\x08\0\1\0tls\0\x08\0\2\0\x06\0\3\0", 16),
		     0);
	cr_assert_eq(read_message(&message), -EBADMSG);
}

Test(unit, what_was_known_stays_where_nothing_is_told)
{
	struct ktls_ask message = message_with(&header);

	begin();
	socket_.cipher_id = 51;
	socket_.told = KTLS_DIAG_TOLD_CIPHER;
	cr_assert_eq(ktls_diag_read((struct ktls_view){ message.data, message.len }, &socket_,
				    &signs),
		     0);
	cr_assert_eq(socket_.cipher_id, 51);
	cr_assert_eq(socket_.told, KTLS_DIAG_TOLD_CIPHER);
}

Test(unit, time_wait_by_another_name_is_a_remnant)
{
	struct inet_diag_msg head = header;
	struct ktls_ask message;

	head.idiag_state = TCP_FIN_WAIT2;
	head.idiag_timer = 3;
	message = message_with(&head);
	cr_assert_eq(read_message(&message), 0);
	cr_assert(signs.remnant);
}

Test(unit, addresses_of_ipv6_have_a_zone_where_they_need_one)
{
	struct inet_diag_msg head = { .idiag_family = AF_INET6 };
	struct ktls_ask message;

	head.id.idiag_src[0] = htonl(0xfe800000);
	head.id.idiag_dst[0] = htonl(0x20010db8);
	head.id.idiag_sport = htons(443);
	head.id.idiag_if = 7;
	message = message_with(&head);

	cr_assert_eq(read_message(&message), 0);
	cr_assert_eq(socket_.local.scope_id, 7);
	cr_assert_eq(socket_.local.port, 443);
	cr_assert_eq(socket_.peer.scope_id, 0);
	cr_assert_eq(socket_.ifindex, 7);
}

Test(unit, another_family_is_malformed)
{
	struct inet_diag_msg head = { .idiag_family = AF_UNIX };
	struct ktls_ask message = message_with(&head);

	cr_assert_eq(read_message(&message), -EBADMSG);
}
