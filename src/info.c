/* SPDX-License-Identifier: MIT */

/* The words for what a connection is: names of protocols, ciphers, protections and states. */

#include <ktls/info.h>
#include <ktls/version.h>

#include "ktls/kern.h"

const char *ktls_version(void)
{
	return KTLS_VERSION;
}

const char *ktls_protocol_name(unsigned int protocol)
{
	switch (protocol) {
	case KTLS_TLS_1_2:
		return "TLS 1.2";
	case KTLS_TLS_1_3:
		return "TLS 1.3";
	}
	return "none";
}

const char *ktls_cipher_name(unsigned int cipher)
{
	const struct kern_cipher *row = kern_cipher(cipher);

	return row ? row->name : "unknown";
}

const char *ktls_group_name(unsigned int group)
{
	switch (group) {
	case KTLS_GROUP_SECP256R1:
		return "P-256";
	case KTLS_GROUP_SECP384R1:
		return "P-384";
	case KTLS_GROUP_SECP521R1:
		return "P-521";
	case KTLS_GROUP_X25519:
		return "X25519";
	case KTLS_GROUP_X448:
		return "X448";
	}
	return "none";
}

const char *ktls_protection_name(unsigned int protection)
{
	static const char *const names[_KTLS_PROTECTION_N] = {
		[KTLS_PROTECTION_NONE] = "none",
		[KTLS_PROTECTION_USER] = "user",
		[KTLS_PROTECTION_KERNEL] = "kernel",
	};

	return protection < _KTLS_PROTECTION_N ? names[protection] : "unknown";
}

const char *ktls_state_name(unsigned int state)
{
	static const char *const names[_KTLS_STATE_N] = {
		[KTLS_STATE_NEW] = "new",	[KTLS_STATE_HANDSHAKE] = "handshake",
		[KTLS_STATE_OPEN] = "open",	[KTLS_STATE_CLOSING] = "closing",
		[KTLS_STATE_CLOSED] = "closed", [KTLS_STATE_FAILED] = "failed",
		[KTLS_STATE_FROZEN] = "frozen", [KTLS_STATE_CONNECTING] = "connecting",
	};

	return state < _KTLS_STATE_N ? names[state] : "unknown";
}
