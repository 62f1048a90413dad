/* SPDX-License-Identifier: MIT */
#ifndef KTLS_RECORD_H
#define KTLS_RECORD_H

/*
 * One record on the wire, for TLS 1.2 (RFC 5246 6.2, RFC 5288 3, RFC 7905 2) and 1.3 (RFC 8446 5):
 * sealed and opened in place, no I/O, no state but what is passed in.
 *
 *   header 5 | explicit nonce 0 or 8 (1.2) | payload | inner type 1 (1.3) | tag 16
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aead.h"
#include "ktls/kern.h"

enum {
	KTLS_RECORD_HEADER_LEN = 5,
	/* RFC 8446 5.2: 256 bytes more than the payload. RFC 5246 allows 2048 for suites that
	 * expand by more than those here do: theirs expand by 24. */
	KTLS_RECORD_BODY_MAX = KERN_PAYLOAD_MAX + 256,
	KTLS_RECORD_MAX = KTLS_RECORD_HEADER_LEN + KTLS_RECORD_BODY_MAX,
};

/* Alerts (RFC 8446 6), the ones that this library sends or knows by meaning. */
enum ktls_alert {
	KTLS_ALERT_NONE = -1,
	KTLS_ALERT_CLOSE_NOTIFY = 0,
	KTLS_ALERT_UNEXPECTED_MESSAGE = 10,
	KTLS_ALERT_BAD_RECORD_MAC = 20,
	KTLS_ALERT_RECORD_OVERFLOW = 22,
	KTLS_ALERT_BAD_CERTIFICATE = 42,
	KTLS_ALERT_CERTIFICATE_REVOKED = 44,
	KTLS_ALERT_CERTIFICATE_EXPIRED = 45,
	KTLS_ALERT_ILLEGAL_PARAMETER = 47,
	KTLS_ALERT_UNKNOWN_CA = 48,
	KTLS_ALERT_DECODE_ERROR = 50,
	KTLS_ALERT_INTERNAL_ERROR = 80,
	KTLS_ALERT_USER_CANCELED = 90,
	KTLS_ALERT_NO_RENEGOTIATION = 100,
	KTLS_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE = 113,
};

/* "bad_record_mac"; "unknown" for what no RFC names. Static. */
const char *ktls_alert_name(unsigned int alert);

/* Where the payload of a record lies behind the record's first byte. */
size_t ktls_record_payload_offset(const struct kern_keys *keys);

/*
 * Makes a record of the payload that already lies at that offset in `record`, which has room for
 * kern_record_overhead() and the padding behind it (zeros; TLS 1.3 only). Does not count: the
 * caller does, once it is sure that the record leaves. -KTLS_E_CRYPTO.
 */
int ktls_record_seal(struct ktls_aead *aead, const struct kern_keys *keys, uint64_t seq,
		     uint8_t type, uint8_t *record, size_t payload_len, size_t padding);

/*
 * The whole length of the record that begins with these len bytes: 0 if fewer than a header is
 * there, or a negative code and the alert it asks for: -KTLS_E_BAD_RECORD.
 */
int ktls_record_length(const struct kern_keys *keys, const uint8_t *record, size_t len,
		       enum ktls_alert *ret_alert);

/* Opens a whole record in place. -KTLS_E_BAD_MAC, -KTLS_E_BAD_RECORD, with the alert. */
int ktls_record_open(struct ktls_aead *aead, const struct kern_keys *keys, uint8_t *record,
		     size_t record_len, uint8_t *ret_type, uint8_t **ret_payload,
		     size_t *ret_payload_len, enum ktls_alert *ret_alert);

#endif
