/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TESTS_JUDGE_H
#define KTLS_TESTS_JUDGE_H

/*
 * Records by the letter of RFC 8446 5.2-5.3, RFC 5288 3, RFC 6655 3 and RFC 7905 2, one at a time
 * and with none of the library's code: the judge of what the kernel, or the library, makes of the
 * same keys. The caller counts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ktls/kern.h"

enum judge_limit {
	JUDGE_RECORD_MAX = KERN_PAYLOAD_MAX + 256, /* RFC 8446 5.2 */
};

/* Makes the record keys->seq of `len` bytes, with `padding` zeros (TLS 1.3); its length. */
size_t judge_seal(const struct kern_keys *keys, uint8_t type, const void *data, size_t len,
		  size_t padding, uint8_t ret_record[JUDGE_RECORD_MAX + 5]);

/* Opens one whole record: 0, or -EBADMSG. `ret_data` has room for its length. */
int judge_open(const struct kern_keys *keys, const uint8_t *record, size_t record_len,
	       uint8_t *ret_type, uint8_t *ret_data, size_t *ret_len);

/* The whole length of the record that starts there. */
size_t judge_record_len(const uint8_t header[5]);

#endif
