/* SPDX-License-Identifier: MIT */

/*
 * Names and certificates; see names.h. GnuTLS's own check is more generous than RFC 9525: it takes
 * the CN where there is no other name, and a wildcard for a part of a label. Its parser is used,
 * and the comparison is here.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "names.h"

enum {
	TEXT_MAX = 1024, /* bytes, before it is mapped */
	HOST_MAX = 253,	 /* RFC 1035 2.3.4, without the dot at the end */
	LABEL_MAX = 63,
	ADDRESS_MAX = 16,
};

static void free_datum(gnutls_datum_t *datum)
{
	gnutls_free(datum->data);
}

static void free_names(gnutls_subject_alt_names_t *names)
{
	if (*names)
		gnutls_subject_alt_names_deinit(*names);
}

/* Bytes of the address; 0: it is none. */
static size_t parse_address(const char *name, uint8_t ret_address[ADDRESS_MAX])
{
	if (inet_pton(AF_INET, name, ret_address) == 1)
		return sizeof(struct in_addr);
	return inet_pton(AF_INET6, name, ret_address) == 1 ? sizeof(struct in6_addr) : 0;
}

bool ktls_name_is_address(const char *name)
{
	uint8_t address[ADDRESS_MAX];

	return parse_address(name, address) > 0;
}

/* Of ASCII alone, whatever the locale. */
static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

/* The underscore is no letter of a host, and in use. */
static bool is_label_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
	       byte == '_';
}

static bool is_host(const char *name)
{
	size_t label = 0, len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		if (name[i] == '.' && !label)
			return false;
		if (name[i] != '.' && !is_label_byte(name[i]))
			return false;
		label = name[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return label && len <= HOST_MAX;
}

/* The mapping would leave some bytes out that no name has. */
static bool is_text(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)name[i];

		if (byte < 0x80 && byte != '.' && byte != ':' && !is_label_byte((char)lower(byte)))
			return false;
	}
	return true;
}

int ktls_name_canonical(const char *name, char **ret_name)
{
	_cleanup_(free_datum) gnutls_datum_t mapped = { NULL, 0 };
	size_t len = strnlen(name, TEXT_MAX + 1);
	char *copy;
	int r;

	if (!len || len > TEXT_MAX || !is_text(name, len))
		return -EINVAL;
	r = gnutls_idna_map(name, (unsigned int)len, &mapped, 0);
	if (r < 0)
		return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
	for (unsigned int i = 0; i < mapped.size; i++)
		mapped.data[i] = lower(mapped.data[i]);
	/* "example.org." is the same name, absolutely; certificates and SNI write it without the
	 * dot. */
	if (mapped.size && mapped.data[mapped.size - 1] == '.')
		mapped.data[mapped.size - 1] = '\0';
	copy = strdup((char *)mapped.data);
	if (!copy)
		return -ENOMEM;
	if (!ktls_name_is_address(copy) && !is_host(copy)) {
		free(copy);
		return -EINVAL;
	}
	*ret_name = copy;
	return 0;
}

/* RFC 9525 6.3. A NUL within the pattern is a byte that no name has. */
static bool is_same(const uint8_t *pattern, size_t len, const char *name)
{
	if (len != strlen(name))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (lower(pattern[i]) != (uint8_t)name[i])
			return false;
	}
	return true;
}

/* A wildcard is the whole first label, stands for one, and has two more behind it: nobody speaks
 * for all of "com". */
static bool dns_fits(const gnutls_datum_t *pattern, const char *name)
{
	const char *rest = strchr(name, '.');

	if (pattern->size < 2 || memcmp(pattern->data, "*.", 2) != 0)
		return is_same(pattern->data, pattern->size, name);
	return rest && strchr(rest + 1, '.') && is_same(pattern->data + 1, pattern->size - 1, rest);
}

static bool name_fits(unsigned int type, const gnutls_datum_t *san, const char *name)
{
	uint8_t address[ADDRESS_MAX];
	size_t len = parse_address(name, address);

	if (len)
		return type == GNUTLS_SAN_IPADDRESS && san->size == len &&
		       !memcmp(san->data, address, len);
	return type == GNUTLS_SAN_DNSNAME && dns_fits(san, name);
}

bool ktls_name_fits(gnutls_x509_crt_t leaf, const char *name)
{
	_cleanup_(free_datum) gnutls_datum_t extension = { NULL, 0 };
	_cleanup_(free_names) gnutls_subject_alt_names_t names = NULL;
	gnutls_datum_t san;
	unsigned int type;

	if (gnutls_x509_crt_get_extension_by_oid2(leaf, GNUTLS_X509EXT_OID_SAN, 0, &extension,
						  NULL) < 0 ||
	    gnutls_subject_alt_names_init(&names) < 0 ||
	    gnutls_x509_ext_import_subject_alt_names(&extension, names, 0) < 0)
		return false;
	for (unsigned int i = 0; !gnutls_subject_alt_names_get(names, i, &type, &san, NULL); i++) {
		if (name_fits(type, &san, name))
			return true;
	}
	return false;
}
