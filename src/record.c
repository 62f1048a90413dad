/* SPDX-License-Identifier: MIT */

/* Records as bytes; see record.h. */

#include <assert.h>
#include <string.h>

#include <ktls/error.h>

#include "record.h"

enum {
	SEQ_LEN = 8,
	AAD_TLS12_LEN = SEQ_LEN + KTLS_RECORD_HEADER_LEN,
	VERSION_MAJOR = 3,
	VERSION_MINOR = 3, /* both versions say 0x0303 (RFC 8446 5.1) */
};

const char *ktls_alert_name(unsigned int alert)
{
	/* The TLS Alerts registry of IANA. */
	static const char *const names[256] = {
		[0] = "close_notify",
		[10] = "unexpected_message",
		[20] = "bad_record_mac",
		[21] = "decryption_failed",
		[22] = "record_overflow",
		[30] = "decompression_failure",
		[40] = "handshake_failure",
		[41] = "no_certificate",
		[42] = "bad_certificate",
		[43] = "unsupported_certificate",
		[44] = "certificate_revoked",
		[45] = "certificate_expired",
		[46] = "certificate_unknown",
		[47] = "illegal_parameter",
		[48] = "unknown_ca",
		[49] = "access_denied",
		[50] = "decode_error",
		[51] = "decrypt_error",
		[70] = "protocol_version",
		[71] = "insufficient_security",
		[80] = "internal_error",
		[86] = "inappropriate_fallback",
		[90] = "user_canceled",
		[100] = "no_renegotiation",
		[109] = "missing_extension",
		[110] = "unsupported_extension",
		[112] = "unrecognized_name",
		[113] = "bad_certificate_status_response",
		[115] = "unknown_psk_identity",
		[116] = "certificate_required",
		[120] = "no_application_protocol",
	};

	return alert < 256 && names[alert] ? names[alert] : "unknown";
}

static size_t explicit_len(const struct kern_keys *keys)
{
	return keys->protocol == KTLS_TLS_1_2 ? kern_cipher(keys->cipher)->explicit_len : 0;
}

size_t ktls_record_payload_offset(const struct kern_keys *keys)
{
	return KTLS_RECORD_HEADER_LEN + explicit_len(keys);
}

static void put_u16(uint8_t *to, size_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void put_u64(uint8_t *to, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void put_header(uint8_t *record, uint8_t type, size_t body_len)
{
	record[0] = type;
	record[1] = VERSION_MAJOR;
	record[2] = VERSION_MINOR;
	put_u16(record + 3, body_len);
}

/* The nonce: implicit part and explicit bytes (RFC 5288 3), or IV xor sequence number (RFC
 * 8446 5.3, RFC 7905 2). */
static void make_nonce(const struct kern_keys *keys, uint64_t seq, const uint8_t *explicit_bytes,
		       uint8_t *ret_nonce)
{
	uint8_t number[SEQ_LEN];

	memcpy(ret_nonce, keys->iv, KERN_IV_LEN);
	if (explicit_len(keys)) {
		memcpy(ret_nonce + KERN_IV_LEN - SEQ_LEN, explicit_bytes, SEQ_LEN);
		return;
	}
	put_u64(number, seq);
	for (int i = 0; i < SEQ_LEN; i++)
		ret_nonce[KERN_IV_LEN - SEQ_LEN + i] ^= number[i];
}

/* The additional data: the header (RFC 8446 5.2), or number and header with the plaintext's length
 * (RFC 5246 6.2.3.3). */
static size_t make_aad(const struct kern_keys *keys, uint64_t seq, const uint8_t *header,
		       size_t payload_len, uint8_t *ret_aad)
{
	if (keys->protocol == KTLS_TLS_1_3) {
		memcpy(ret_aad, header, KTLS_RECORD_HEADER_LEN);
		return KTLS_RECORD_HEADER_LEN;
	}
	put_u64(ret_aad, seq);
	put_header(ret_aad + SEQ_LEN, header[0], payload_len);
	return AAD_TLS12_LEN;
}

int ktls_record_seal(struct ktls_aead *aead, const struct kern_keys *keys, uint64_t seq,
		     uint8_t type, uint8_t *record, size_t payload_len, size_t padding)
{
	uint8_t *payload = record + ktls_record_payload_offset(keys);
	uint8_t nonce[KERN_IV_LEN], aad[AAD_TLS12_LEN];
	bool inner_type = keys->protocol == KTLS_TLS_1_3;
	size_t sealed_len = payload_len + (inner_type ? 1 + padding : 0);
	size_t aad_len;

	assert(payload_len + padding <= KERN_PAYLOAD_MAX && (inner_type || !padding));
	put_header(record, inner_type ? KERN_RECORD_DATA : type,
		   explicit_len(keys) + sealed_len + KERN_TAG_LEN);
	if (inner_type) {
		payload[payload_len] = type;
		memset(payload + payload_len + 1, 0, padding);
	}
	if (explicit_len(keys))
		put_u64(record + KTLS_RECORD_HEADER_LEN, seq);
	make_nonce(keys, seq, record + KTLS_RECORD_HEADER_LEN, nonce);
	aad_len = make_aad(keys, seq, record, payload_len, aad);
	return ktls_aead_seal(aead, nonce, aad, aad_len, payload, sealed_len);
}

int ktls_record_length(const struct kern_keys *keys, const uint8_t *record, size_t len,
		       enum ktls_alert *ret_alert)
{
	size_t body_len;

	if (len < KTLS_RECORD_HEADER_LEN)
		return 0;
	if (record[0] < KERN_RECORD_CHANGE_CIPHER_SPEC || record[0] > KERN_RECORD_DATA ||
	    record[1] != VERSION_MAJOR || record[2] != VERSION_MINOR) {
		*ret_alert = KTLS_ALERT_UNEXPECTED_MESSAGE;
		return -KTLS_E_BAD_RECORD;
	}
	/* After the handshake every record is protected: TLS 1.3 shows no other type outside, and
	 * change_cipher_spec has no place in either (RFC 8446 5). */
	if ((keys->protocol == KTLS_TLS_1_3 && record[0] != KERN_RECORD_DATA) ||
	    record[0] == KERN_RECORD_CHANGE_CIPHER_SPEC) {
		*ret_alert = KTLS_ALERT_UNEXPECTED_MESSAGE;
		return -KTLS_E_BAD_RECORD;
	}
	body_len = (size_t)record[3] << 8 | record[4];
	if (body_len > KTLS_RECORD_BODY_MAX) {
		*ret_alert = KTLS_ALERT_RECORD_OVERFLOW;
		return -KTLS_E_BAD_RECORD;
	}
	return (int)(KTLS_RECORD_HEADER_LEN + body_len);
}

/* Takes padding and inner type off (RFC 8446 5.4). */
static int strip_padding(const uint8_t *payload, size_t *len, uint8_t *ret_type,
			 enum ktls_alert *ret_alert)
{
	size_t n = *len;

	while (n && !payload[n - 1])
		n--;
	if (!n) {
		*ret_alert = KTLS_ALERT_UNEXPECTED_MESSAGE;
		return -KTLS_E_BAD_RECORD;
	}
	*ret_type = payload[n - 1];
	*len = n - 1;
	return 0;
}

int ktls_record_open(struct ktls_aead *aead, const struct kern_keys *keys, uint8_t *record,
		     size_t record_len, uint8_t *ret_type, uint8_t **ret_payload,
		     size_t *ret_payload_len, enum ktls_alert *ret_alert)
{
	size_t offset = ktls_record_payload_offset(keys);
	uint8_t nonce[KERN_IV_LEN], aad[AAD_TLS12_LEN];
	uint8_t type = record[0];
	size_t len, aad_len;
	int r;

	*ret_alert = KTLS_ALERT_BAD_RECORD_MAC;
	if (record_len < offset + KERN_TAG_LEN)
		return -KTLS_E_BAD_MAC;
	len = record_len - offset - KERN_TAG_LEN;
	make_nonce(keys, keys->seq, record + KTLS_RECORD_HEADER_LEN, nonce);
	aad_len = make_aad(keys, keys->seq, record, len, aad);
	r = ktls_aead_open(aead, nonce, aad, aad_len, record + offset, len + KERN_TAG_LEN);
	if (r < 0)
		return r;
	/* Payload, inner type and padding together (RFC 8446 5.4). */
	if (len > KERN_PAYLOAD_MAX + (keys->protocol == KTLS_TLS_1_3 ? 1u : 0u)) {
		*ret_alert = KTLS_ALERT_RECORD_OVERFLOW;
		return -KTLS_E_BAD_RECORD;
	}
	if (keys->protocol == KTLS_TLS_1_3) {
		r = strip_padding(record + offset, &len, &type, ret_alert);
		if (r < 0)
			return r;
	}
	/* Only data may be empty (RFC 8446 5.4, RFC 5246 6.2.1). */
	if (!len && type != KERN_RECORD_DATA) {
		*ret_alert = KTLS_ALERT_UNEXPECTED_MESSAGE;
		return -KTLS_E_BAD_RECORD;
	}
	*ret_alert = KTLS_ALERT_NONE;
	*ret_type = type;
	*ret_payload = record + offset;
	*ret_payload_len = len;
	return 0;
}
