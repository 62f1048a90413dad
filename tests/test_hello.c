/* SPDX-License-Identifier: MIT */

/*
 * The peer's extensions, as they pass by: what is well-formed is seen, and nothing is read beyond
 * what there is (each message ends where its memory does, for the sanitizers).
 */

#include <criterion/criterion.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "hello.h"

enum {
	EXT_SERVER_NAME = 0,
	EXT_RECORD_SIZE_LIMIT = 28,
	EXT_SESSION_TICKET = 35,
	EXT_PRE_SHARED_KEY = 41,
	EXT_SUPPORTED_VERSIONS = 43,
	MESSAGE_MAX = 4096,
};

struct message {
	unsigned int type;
	uint8_t bytes[MESSAGE_MAX];
	size_t len;
	size_t extensions; /* where their length stands */
};

static void put(struct message *message, const void *bytes, size_t len)
{
	cr_assert(message->len + len <= MESSAGE_MAX);
	if (len)
		memcpy(message->bytes + message->len, bytes, len);
	message->len += len;
}

static void put_u16(struct message *message, size_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

	put(message, bytes, sizeof(bytes));
}

/* Up to the extensions, with a session id of so many bytes. */
static struct message begin(unsigned int type, uint8_t session_id_len)
{
	static const uint8_t zeros[255];
	struct message message = { .type = type };

	if (type != GNUTLS_HANDSHAKE_ENCRYPTED_EXTENSIONS) {
		put(&message, "\3\3", 2);
		put(&message, zeros, 32);
		put(&message, &session_id_len, 1);
		put(&message, zeros, session_id_len);
	}
	if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO)
		put(&message, "\0\2\x13\1\1\0", 6);
	if (type == GNUTLS_HANDSHAKE_SERVER_HELLO)
		put(&message, "\x13\1\0", 3);
	message.extensions = message.len;
	put_u16(&message, 0);
	return message;
}

static void add(struct message *message, unsigned int extension, const void *data, size_t len)
{
	size_t total;

	put_u16(message, extension);
	put_u16(message, len);
	put(message, data, len);
	total = message->len - message->extensions - 2;
	message->bytes[message->extensions] = (uint8_t)(total >> 8);
	message->bytes[message->extensions + 1] = (uint8_t)total;
}

/* The first len bytes of it, in memory of just that size. */
static void look_at_first(struct ktls_hello *hello, const struct message *message, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);

	memcpy(bytes, message->bytes, len);
	ktls_hello_look(hello, message->type, bytes, len);
	free(bytes);
}

static struct ktls_hello look(const struct message *message)
{
	struct ktls_hello hello = { 0 };

	look_at_first(&hello, message, message->len);
	return hello;
}

static const unsigned int carriers[] = { GNUTLS_HANDSHAKE_CLIENT_HELLO,
					 GNUTLS_HANDSHAKE_SERVER_HELLO,
					 GNUTLS_HANDSHAKE_ENCRYPTED_EXTENSIONS };

Test(unit, a_record_size_limit_is_seen_in_each_message_that_carries_one)
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		for (int session_id_len = 0; session_id_len <= 32; session_id_len += 16) {
			struct message message = begin(carriers[i], (uint8_t)session_id_len);

			add(&message, 0x1234, "unknown", 7);
			add(&message, EXT_RECORD_SIZE_LIMIT, "\x40\x01", 2);
			cr_assert(look(&message).record_size_limit == 0x4001, "message %u",
				  carriers[i]);
		}
	}
}

Test(unit, a_record_size_limit_of_another_length_is_none)
{
	for (size_t len = 0; len <= 5; len++) {
		struct message message = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 0);

		add(&message, EXT_RECORD_SIZE_LIMIT, "\x40\x01\x40\x01\x40", len);
		cr_assert(look(&message).record_size_limit == (len == 2 ? 0x4001 : 0), "%zu", len);
	}
}

Test(unit, a_client_that_does_not_list_tls_12_is_told_from_one_that_lists_nothing)
{
	static const struct {
		const char *data;
		size_t len;
		bool no_tls12;
	} rows[] = {
		{ "\2\3\4", 3, true },
		{ "\4\3\4\3\3", 5, false },
		{ "\4\3\3\3\4", 5, false },
		{ "\6\x7a\x7a\3\4\3\1", 7, true },
		{ "", 0, true },
		{ "\2", 1, true },
		{ "\2\3", 2, true },
		{ "\4\3\4\3", 4, true },
	};
	struct message none = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 32);

	cr_assert(!look(&none).no_tls12);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message message = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 32);

		add(&message, EXT_SUPPORTED_VERSIONS, rows[i].data, rows[i].len);
		cr_assert(look(&message).no_tls12 == rows[i].no_tls12, "row %zu", i);
	}
}

/* Identities of so many bytes, each of its own letter, and binders that nobody reads. */
static size_t make_psks(uint8_t *data, const size_t *lens, size_t n)
{
	size_t at = 2, total;

	for (size_t i = 0; i < n; i++) {
		data[at++] = (uint8_t)(lens[i] >> 8);
		data[at++] = (uint8_t)lens[i];
		memset(data + at, 'a' + (int)i, lens[i]);
		at += lens[i];
		memset(data + at, 0, 4);
		at += 4;
	}
	total = at - 2;
	data[0] = (uint8_t)(total >> 8);
	data[1] = (uint8_t)total;
	memset(data + at, 0xff, 35);
	return at + 35;
}

Test(unit, several_tickets_are_seen_in_their_order_and_no_more_than_there_is_room_for)
{
	static const size_t lens[] = { 16, 100, 15, 200, 1, 17, 300, 400 };
	static const char names[] = { 'a', 'b', 'd', 'f' };

	for (size_t n = 0; n <= sizeof(lens) / sizeof(lens[0]); n++) {
		struct message message = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 32);
		struct ktls_hello hello;
		uint8_t data[2000];
		size_t expected = 0;

		for (size_t i = 0; i < n; i++)
			expected += lens[i] >= KTLS_HELLO_NAME_LEN;
		if (expected > KTLS_HELLO_TICKETS_MAX)
			expected = KTLS_HELLO_TICKETS_MAX;
		add(&message, EXT_PRE_SHARED_KEY, data, make_psks(data, lens, n));
		hello = look(&message);
		cr_assert(hello.tickets_n == expected, "%zu: %u", n, hello.tickets_n);
		for (size_t i = 0; i < expected; i++)
			for (int at = 0; at < KTLS_HELLO_NAME_LEN; at++)
				cr_assert(hello.tickets[i][at] == (uint8_t)names[i], "ticket %zu",
					  i);
	}
}

Test(unit, tickets_of_both_protocols_are_seen)
{
	static const size_t len = 32;
	struct message message = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 0);
	struct ktls_hello hello;
	uint8_t data[200];

	add(&message, EXT_SESSION_TICKET, "0123456789abcdef-and-more", 25);
	add(&message, EXT_PRE_SHARED_KEY, data, make_psks(data, &len, 1));
	hello = look(&message);
	cr_assert(hello.tickets_n == 2 && !memcmp(hello.tickets[0], "0123456789abcdef", 16) &&
		  hello.tickets[1][0] == 'a');
}

Test(unit, the_name_that_a_client_asks_for_is_seen_if_a_host_can_have_it)
{
	static const struct {
		const char *data;
		size_t len;
		const char *name;
	} rows[] = {
		{ "\0\x0c\0\0\11a.example", 14, "a.example" },
		{ "\0\x0d\0\0\12A-1.Example", 15, "A-1.Exampl" },
		{ "\0\x0c\0\0\11a_example", 14, "" },
		{ "\0\x0c\0\0\11a.\0xample", 14, "" },
		{ "\0\x0c\0\0\11a.\xc3\xa4.exa", 14, "" },
		{ "", 0, "" },
		{ "\0", 1, "" },
		{ "\0\0", 2, "" },
		{ "\0\3\0\0\0", 5, "" },
		{ "\0\2\0\0", 4, "" },
		{ "\0\4\0\0\2a", 6, "" },	     /* beyond its end */
		{ "\0\5\0\0\1a", 6, "" },	     /* a list that is longer, */
		{ "\0\3\0\0\1a", 6, "" },	     /* and shorter, than its extension */
		{ "\0\x08\0\0\1a\0\0\1b", 10, "a" }, /* two names: GnuTLS takes the first, too */
		{ "\0\x08\1\0\1a\0\0\1b", 10, "b" }, /* the first is no host's */
		{ "\0\x08\0\0\1_\0\0\1b", 10, "" },  /* which is refused for the first */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message message = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 0);
		struct ktls_hello hello;

		add(&message, EXT_SERVER_NAME, rows[i].data, rows[i].len);
		hello = look(&message);
		cr_assert_str_eq(hello.server_name, rows[i].name, "row %zu", i);
	}
}

Test(unit, a_name_that_no_host_can_have_for_its_length_is_none)
{
	static uint8_t bytes[43 + 0xffff];
	static const size_t lens[] = { 1, 252, 253, 254, 255, 256, 4096, 0xffff - 9 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = lens[i], at = 41;
		/* all extensions, this one's type and length, its list, the name's type and length
		 */
		const size_t header[] = { len + 9, EXT_SERVER_NAME, len + 5, len + 3 };
		struct ktls_hello hello = { 0 };

		memset(bytes, 'a', sizeof(bytes));
		memset(bytes, 0, at);
		bytes[0] = 3;
		bytes[36] = 2;
		bytes[39] = 1;
		for (int j = 0; j < 4; j++) {
			bytes[at++] = (uint8_t)(header[j] >> 8);
			bytes[at++] = (uint8_t)header[j];
		}
		bytes[at++] = 0;
		bytes[at++] = (uint8_t)(len >> 8);
		bytes[at++] = (uint8_t)len;
		ktls_hello_look(&hello, GNUTLS_HANDSHAKE_CLIENT_HELLO, bytes, at + len);
		cr_assert_eq(strlen(hello.server_name), len < KTLS_HELLO_SERVER_NAME_SIZE ? len : 0,
			     "%zu", len);
	}
}

/* A second ClientHello stands for itself: after a HelloRetryRequest. */
Test(unit, a_client_hello_begins_anew_and_other_messages_do_not)
{
	struct message first = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 0);
	struct message second = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 0);
	struct message finished = { .type = GNUTLS_HANDSHAKE_FINISHED, .len = 32 };
	struct ktls_hello hello = { 0 };

	add(&first, EXT_RECORD_SIZE_LIMIT, "\1\0", 2);
	add(&first, EXT_SESSION_TICKET, "0123456789abcdef", 16);
	look_at_first(&hello, &first, first.len);
	look_at_first(&hello, &finished, finished.len);
	cr_assert(hello.record_size_limit == 256 && hello.tickets_n == 1);
	look_at_first(&hello, &second, second.len);
	cr_assert(!hello.record_size_limit && !hello.tickets_n);
}

/* A message with everything in it. */
static struct message whole(unsigned int type)
{
	static const size_t lens[] = { 100, 50 };
	struct message message = begin(type, 32);
	uint8_t data[400];

	add(&message, EXT_SERVER_NAME, "\0\x0c\0\0\11a.example", 14);
	add(&message, EXT_SUPPORTED_VERSIONS, "\4\3\4\3\3", 5);
	add(&message, EXT_RECORD_SIZE_LIMIT, "\x40\x01", 2);
	add(&message, EXT_SESSION_TICKET, "0123456789abcdef", 16);
	add(&message, EXT_PRE_SHARED_KEY, data, make_psks(data, lens, 2));
	return message;
}

Test(unit, a_message_cut_anywhere_is_not_read_beyond_its_end)
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		struct message message = whole(carriers[i]);

		for (size_t len = 0; len <= message.len; len++) {
			struct ktls_hello hello = { 0 };

			look_at_first(&hello, &message, len);
			cr_assert(hello.tickets_n <= KTLS_HELLO_TICKETS_MAX);
		}
	}
}

Test(unit, a_message_with_any_byte_changed_is_not_read_beyond_its_end)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0xff };

	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		struct message message = whole(carriers[i]);

		for (size_t at = 0; at < 4 * message.len; at++) {
			struct message changed = message;
			struct ktls_hello hello = { 0 };

			changed.bytes[at / 4] = values[at % 4];
			look_at_first(&hello, &changed, changed.len);
			cr_assert(hello.tickets_n <= KTLS_HELLO_TICKETS_MAX);
		}
	}
}

/* Lists whose inner lengths lie, in an extension that is whole. */
Test(unit, a_list_of_tickets_that_lies_is_read_as_far_as_it_is_true)
{
	static const struct {
		const char *data;
		size_t len;
	} rows[] = {
		{ "", 0 },
		{ "\0", 1 },
		{ "\0\0", 2 },
		{ "\xff\xff\0\x10", 4 },
		{ "\0\2\xff\xff", 4 },
		{ "\0\3\0\1x", 5 },
		{ "\0\1\0", 3 },
		{ "\0\7\0\x10xxxxx", 9 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message message = begin(GNUTLS_HANDSHAKE_CLIENT_HELLO, 0);

		add(&message, EXT_PRE_SHARED_KEY, rows[i].data, rows[i].len);
		cr_assert(!look(&message).tickets_n, "row %zu", i);
	}
}
