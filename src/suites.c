/* SPDX-License-Identifier: MIT */

/* Versions, suites and groups, as GnuTLS names them; see suites.h and ktls/suites.h. */

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#include <ktls/suites.h>

#include "config.h"
#include "conn.h"
#include "credentials.h"
#include "suites.h"

enum {
	PRIORITY_LEN = 512,
};

struct group {
	enum ktls_group group;
	gnutls_group_t gnutls;
	const char *priority;
};

static const struct group known[KTLS_GROUPS_MAX] = {
	{ KTLS_GROUP_X25519, GNUTLS_GROUP_X25519, "GROUP-X25519" },
	{ KTLS_GROUP_SECP256R1, GNUTLS_GROUP_SECP256R1, "GROUP-SECP256R1" },
	{ KTLS_GROUP_SECP384R1, GNUTLS_GROUP_SECP384R1, "GROUP-SECP384R1" },
	{ KTLS_GROUP_SECP521R1, GNUTLS_GROUP_SECP521R1, "GROUP-SECP521R1" },
	{ KTLS_GROUP_X448, GNUTLS_GROUP_X448, "GROUP-X448" },
};

/* Its row in known[], or KTLS_GROUPS_MAX. */
static size_t find_group(enum ktls_group group)
{
	size_t i = 0;

	while (i < KTLS_GROUPS_MAX && known[i].group != group)
		i++;
	return i;
}

int ktls_config_set_groups(struct ktls_config *config, const enum ktls_group *groups, size_t n)
{
	unsigned int seen = 0;
	int r = ktls_config_begin_set(config);

	if (r < 0)
		return r;
	if (!groups || !n || n > KTLS_GROUPS_MAX)
		return ktls_config_fail_value(config,
					      "at least one group is needed, each only once");
	for (size_t i = 0; i < n; i++) {
		size_t row = find_group(groups[i]);

		if (row == KTLS_GROUPS_MAX || seen & 1u << row)
			return ktls_config_fail_value(config, "an unknown group, or one twice");
		seen |= 1u << row;
	}
	memcpy(config->groups, groups, n * sizeof(groups[0]));
	config->groups_n = n;
	return 0;
}

static int check_fips(struct ktls_config *config)
{
	if (ktls_credentials_is_fips())
		return 0;
	return ktls_config_fail(config, -EOPNOTSUPP,
				"requiring FIPS: GnuTLS is not in its FIPS mode. To do: switch the "
				"system to it, with a GnuTLS that is built for it");
}

int ktls_config_require_fips(struct ktls_config *config)
{
	int r = ktls_config_begin_set(config);

	if (!r)
		r = check_fips(config);
	if (!r)
		config->require_fips = true;
	return r;
}

/* Priorities */

/* AEAD suites with forward secrecy only, in the order of the config. */
static void write_priority(const struct ktls_config *config, char *ret_text, size_t len)
{
	static const char *const names[_KTLS_CIPHER_N] = {
		[KTLS_AES_128_GCM] = "AES-128-GCM",
		[KTLS_AES_256_GCM] = "AES-256-GCM",
		[KTLS_AES_128_CCM] = "AES-128-CCM",
		[KTLS_CHACHA20_POLY1305] = "CHACHA20-POLY1305",
	};
	size_t at;

	at = (size_t)snprintf(ret_text, len,
			      "NORMAL:%%ALLOW_SMALL_RECORDS:-VERS-ALL%s%s:-KX-ALL:+ECDHE-ECDSA:+"
			      "ECDHE-RSA:-MAC-ALL:+AEAD:-CIPHER-ALL",
			      config->protocol_max == KTLS_TLS_1_3 ? ":+VERS-TLS1.3" : "",
			      config->protocol_min == KTLS_TLS_1_2 ? ":+VERS-TLS1.2" : "");
	for (size_t i = 0; i < config->ciphers_n; i++)
		at += (size_t)snprintf(ret_text + at, len - at, ":+%s", names[config->ciphers[i]]);
	at += (size_t)snprintf(ret_text + at, len - at, ":-GROUP-ALL");
	for (size_t i = 0; i < config->groups_n; i++)
		at += (size_t)snprintf(ret_text + at, len - at, ":+%s",
				       known[find_group(config->groups[i])].priority);
}

int ktls_suites_make_priority(struct ktls_config *config, gnutls_priority_t *ret_priority)
{
	char text[PRIORITY_LEN];
	const char *at = text;
	int r = config->require_fips ? check_fips(config) : 0;

	if (r < 0)
		return r;
	write_priority(config, text, sizeof(text));
	r = gnutls_priority_init(ret_priority, text, &at);
	if (r < 0)
		return ktls_config_fail(
			config, -KTLS_E_CRYPTO,
			"choosing suites with GnuTLS: %s near \"%s\". To do: look at "
			"the system-wide GnuTLS configuration",
			gnutls_strerror(r), at);
	return 0;
}

/* What became of them */

uint16_t ktls_suites_group(gnutls_session_t session)
{
	gnutls_group_t group = gnutls_group_get(session);

	/* It remembers the group of the session that is resumed. */
	if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 &&
	    gnutls_session_is_resumed(session))
		return 0;
	for (size_t i = 0; i < KTLS_GROUPS_MAX; i++) {
		if (known[i].gnutls == group)
			return (uint16_t)known[i].group;
	}
	return 0;
}

/* IANA's name; GnuTLS tells only its own of a suite that is not in use. */
static const char *suite_name(const uint8_t id[2])
{
	static const struct {
		uint8_t id[2];
		const char *name;
	} names[] = {
		{ { 0x13, 0x01 }, "TLS_AES_128_GCM_SHA256" },
		{ { 0x13, 0x02 }, "TLS_AES_256_GCM_SHA384" },
		{ { 0x13, 0x03 }, "TLS_CHACHA20_POLY1305_SHA256" },
		{ { 0x13, 0x04 }, "TLS_AES_128_CCM_SHA256" },
		{ { 0xc0, 0x2b }, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
		{ { 0xc0, 0x2c }, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" },
		{ { 0xc0, 0xac }, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" },
		{ { 0xcc, 0xa9 }, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" },
		{ { 0xc0, 0x2f }, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
		{ { 0xc0, 0x30 }, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" },
		{ { 0xcc, 0xa8 }, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!memcmp(names[i].id, id, sizeof(names[i].id)))
			return names[i].name;
	}
	return NULL;
}

static void list_offered(gnutls_priority_t priority, char *ret_text, size_t size)
{
	size_t len = 0;
	int r;

	for (unsigned int i = 0, suite; len < size; i++) {
		const char *name;
		uint8_t id[2];

		r = gnutls_priority_get_cipher_suite_index(priority, i, &suite);
		if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return;
		if (r < 0)
			continue;
		gnutls_cipher_suite_info(suite, id, NULL, NULL, NULL, NULL);
		name = suite_name(id);
		if (name)
			len += (size_t)snprintf(ret_text + len, size - len, "%s%s", len ? "," : "",
						name);
	}
}

int ktls_conn_get_algorithms(const struct ktls_conn *conn, char *ret_text, size_t size)
{
	char text[KTLS_ALGORITHMS_SIZE] = "";
	gnutls_priority_t priority;
	size_t len;

	if (!conn || !ret_text || !size)
		return -EINVAL;
	priority = ktls_credentials_priority(conn->config->credentials);
	if (conn->suite)
		snprintf(text, sizeof(text), "%s", conn->suite);
	else if (priority)
		list_offered(priority, text, sizeof(text));
	len = strlen(text) + 1;
	if (len > size)
		return -ENOSPC;
	memcpy(ret_text, text, len);
	return 0;
}
