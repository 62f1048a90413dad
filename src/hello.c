/* SPDX-License-Identifier: MIT */

/*
 * The extensions of ClientHello, ServerHello and EncryptedExtensions (RFC 8446 4.2). Nothing here
 * judges: what is malformed is left to GnuTLS, which refuses it.
 */

#include <ctype.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include <ktls/info.h>

#include "hello.h"

enum extension {
	EXT_SERVER_NAME = 0,
	EXT_RECORD_SIZE_LIMIT = 28,
	EXT_SESSION_TICKET = 35,
	EXT_PRE_SHARED_KEY = 41,
	EXT_SUPPORTED_VERSIONS = 43,
};

enum {
	SERVER_HELLO_SESSION_ID = 34, /* behind version and random */
	SERVER_HELLO_SUITE_LEN = 3,   /* with the compression method */
	OBFUSCATED_AGE_LEN = 4,
	NAME_TYPE_HOST = 0, /* RFC 6066 3 */
};

static size_t get_u16(const uint8_t *bytes)
{
	return (size_t)bytes[0] << 8 | bytes[1];
}

static void look_at_versions(struct ktls_hello *hello, const uint8_t *data, size_t len)
{
	hello->no_tls12 = true;
	for (size_t i = 1; i + 1 < len; i += 2) {
		if (get_u16(data + i) == KTLS_TLS_1_2)
			hello->no_tls12 = false;
	}
}

/* What GnuTLS lets through, and no host's name is longer than there is room. */
static void keep_server_name(struct ktls_hello *hello, const uint8_t *name, size_t len)
{
	if (len >= sizeof(hello->server_name))
		return;
	for (size_t i = 0; i < len; i++) {
		if (!isascii(name[i]) || (!isalnum(name[i]) && name[i] != '-' && name[i] != '.'))
			return;
	}
	memcpy(hello->server_name, name, len);
	hello->server_name[len] = '\0';
}

/* struct { NameType name_type; opaque name<1..2^16-1>; } list<1..2^16-1> (RFC 6066 3): the first of
 * a host, as for GnuTLS. */
static void look_at_server_names(struct ktls_hello *hello, const uint8_t *data, size_t len)
{
	size_t at = 2;

	if (len < 2 || get_u16(data) != len - 2)
		return;
	while (at + 3 <= len) {
		size_t name_len = get_u16(data + at + 1);

		if (name_len > len - at - 3)
			return;
		if (data[at] == NAME_TYPE_HOST) {
			keep_server_name(hello, data + at + 3, name_len);
			return;
		}
		at += 3 + name_len;
	}
}

static void keep_ticket(struct ktls_hello *hello, const uint8_t *ticket, size_t len)
{
	if (len < KTLS_HELLO_NAME_LEN || hello->tickets_n == KTLS_HELLO_TICKETS_MAX)
		return;
	memcpy(hello->tickets[hello->tickets_n++], ticket, KTLS_HELLO_NAME_LEN);
}

/* struct { PskIdentity identities<7..2^16-1>; ... } (RFC 8446 4.2.11) */
static void look_at_psks(struct ktls_hello *hello, const uint8_t *data, size_t len)
{
	size_t end = len < 2 ? 0 : 2 + get_u16(data), at = 2;

	if (end > len)
		return;
	while (at + 2 <= end) {
		size_t ticket_len = get_u16(data + at);

		at += 2;
		if (ticket_len > end - at)
			return;
		keep_ticket(hello, data + at, ticket_len);
		at += ticket_len + OBFUSCATED_AGE_LEN;
	}
}

static int look_at_extension(void *ptr, unsigned int extension, const unsigned char *data,
			     unsigned int len)
{
	struct ktls_hello *hello = ptr;

	switch (extension) {
	case EXT_SERVER_NAME:
		look_at_server_names(hello, data, len);
		break;
	case EXT_SUPPORTED_VERSIONS:
		look_at_versions(hello, data, len);
		break;
	case EXT_RECORD_SIZE_LIMIT:
		hello->record_size_limit = len == 2 ? (uint16_t)get_u16(data) : 0;
		break;
	case EXT_SESSION_TICKET:
		keep_ticket(hello, data, len);
		break;
	case EXT_PRE_SHARED_KEY:
		look_at_psks(hello, data, len);
		break;
	default:
		break;
	}
	return 0;
}

/* Where the extensions of a ServerHello begin; its length if it has none. */
static size_t server_hello_extensions(const uint8_t *bytes, size_t len)
{
	size_t at = SERVER_HELLO_SESSION_ID;

	if (len <= at)
		return len;
	at += 1u + bytes[at] + SERVER_HELLO_SUITE_LEN;
	return at < len ? at : len;
}

void ktls_hello_look(struct ktls_hello *hello, unsigned int message, const uint8_t *bytes,
		     size_t len)
{
	gnutls_datum_t datum = { (unsigned char *)bytes, (unsigned int)len };
	unsigned int flags = 0;

	switch (message) {
	case GNUTLS_HANDSHAKE_CLIENT_HELLO_V2: /* which has no extensions */
		*hello = (struct ktls_hello){ 0 };
		return;
	case GNUTLS_HANDSHAKE_CLIENT_HELLO:
		*hello = (struct ktls_hello){ 0 };
		flags = GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO;
		break;
	case GNUTLS_HANDSHAKE_SERVER_HELLO:
		datum.data += server_hello_extensions(bytes, len);
		datum.size -= (unsigned int)(datum.data - bytes);
		break;
	case GNUTLS_HANDSHAKE_ENCRYPTED_EXTENSIONS:
		break;
	default:
		return;
	}
	if (datum.size)
		gnutls_ext_raw_parse(hello, look_at_extension, &datum, flags);
}
