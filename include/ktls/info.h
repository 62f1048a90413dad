/* SPDX-License-Identifier: MIT */
#ifndef KTLS_INFO_H
#define KTLS_INFO_H

/*
 * Facts: the terms in which a connection is described, and the struct that describes one. Plain
 * data, filled by the caller's size, so that a program built against an older header goes on
 * working.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The values are those on the wire (RFC 8446 4.2.1). */
enum ktls_protocol {
	KTLS_TLS_1_2 = 0x0303,
	KTLS_TLS_1_3 = 0x0304,
};

/* The AEAD of a suite. Only these: each is one that Linux can protect records with. */
enum ktls_cipher {
	KTLS_AES_128_GCM = 0,
	KTLS_AES_256_GCM,
	KTLS_AES_128_CCM,
	KTLS_CHACHA20_POLY1305,
	_KTLS_CIPHER_N,
};

/* In which keys are agreed. The values are those on the wire (RFC 8446 4.2.7). */
enum ktls_group {
	KTLS_GROUP_SECP256R1 = 0x0017,
	KTLS_GROUP_SECP384R1 = 0x0018,
	KTLS_GROUP_SECP521R1 = 0x0019,
	KTLS_GROUP_X25519 = 0x001d,
	KTLS_GROUP_X448 = 0x001e,
};

enum ktls_direction {
	KTLS_TX = 0,
	KTLS_RX,
	_KTLS_DIRECTION_N,
};

/* Where the records of a direction are protected. */
enum ktls_protection {
	KTLS_PROTECTION_NONE = 0, /* no keys yet */
	KTLS_PROTECTION_USER,
	KTLS_PROTECTION_KERNEL,
	_KTLS_PROTECTION_N,
};

enum ktls_state {
	KTLS_STATE_NEW = 0,
	KTLS_STATE_HANDSHAKE,
	KTLS_STATE_OPEN,
	KTLS_STATE_CLOSING, /* one side has sent its close_notify; the other direction may go on */
	KTLS_STATE_CLOSED,  /* both have */
	KTLS_STATE_FAILED,  /* ended by an error; the first one is kept */
	KTLS_STATE_FROZEN,  /* it goes on elsewhere */
	KTLS_STATE_CONNECTING, /* there is no socket yet */
	_KTLS_STATE_N,
};

/* What became of a client's early data. A server that took none does not know. */
enum ktls_early_data {
	KTLS_EARLY_DATA_NONE = 0,
	KTLS_EARLY_DATA_ACCEPTED,
	KTLS_EARLY_DATA_REJECTED, /* client: it was lost, and is to be written again */
	_KTLS_EARLY_DATA_N,
};

struct ktls_info {
	uint32_t state;	   /* enum ktls_state */
	uint16_t protocol; /* enum ktls_protocol; 0 before the handshake is done, as all below */
	uint16_t cipher;   /* enum ktls_cipher */
	uint16_t protection[2];	 /* enum ktls_protection, by enum ktls_direction */
	uint16_t reason[2];	 /* enum ktls_reason: why it is not in the kernel */
	int32_t reason_errno[2]; /* the errno behind the reason, or 0 */
	uint64_t records[2]; /* records protected with the present key: the next sequence number */
	uint64_t bytes[2];   /* application bytes */
	uint64_t key_updates[2]; /* keys changed since the handshake (RFC 8446 4.6.3) */
	const char *suite;	 /* IANA's name; static */
	const char *alpn;	 /* as negotiated, or NULL; lives as long as the connection */
	const char *server_name; /* client: the name verified; server: SNI as sent, or NULL */
	uint16_t resumed;	 /* 1: a session was resumed, no certificate was shown */
	uint16_t early_data;	 /* enum ktls_early_data */
	uint16_t group; /* enum ktls_group; 0: no key was agreed, a session of TLS 1.2 resumed */
};

/* "TLS 1.3", "AES-128-GCM", "X25519", "kernel", "open". Never NULL; static storage; any thread. */
const char *ktls_protocol_name(unsigned int protocol);
const char *ktls_cipher_name(unsigned int cipher);
const char *ktls_group_name(unsigned int group);
const char *ktls_protection_name(unsigned int protection);
const char *ktls_state_name(unsigned int state);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
