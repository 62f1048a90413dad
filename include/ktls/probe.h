/* SPDX-License-Identifier: MIT */
#ifndef KTLS_PROBE_H
#define KTLS_PROBE_H

/*
 * What this kernel can do, found by doing it on a loopback pair once per process; never by its
 * version. Each field holds an enum ktls_reason: KTLS_REASON_NONE means that it works, else why
 * not.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/error.h>
#include <ktls/info.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_probe {
	uint16_t ulp;	      /* TCP_ULP "tls" can be attached */
	uint16_t tls12[4][2]; /* by enum ktls_cipher, enum ktls_direction: records went through */
	uint16_t tls13[4][2];
	uint16_t rekey[2];	     /* by enum ktls_direction: a second key (TLS 1.3 KeyUpdate) */
	uint16_t tx_zerocopy_ro;     /* TLS_TX_ZEROCOPY_RO is taken (only a NIC makes use of it) */
	uint16_t rx_expect_no_pad;   /* TLS_RX_EXPECT_NO_PAD is taken */
	uint16_t tx_max_payload_len; /* TLS_TX_MAX_PAYLOAD_LEN: a peer's record_size_limit can be
					obeyed */
	int32_t ulp_errno;	     /* the errno behind `ulp`, or 0 */
	uint16_t rx_whole_records;   /* a socket is readable when a whole record is there, not half
					of one (6.12) */
};

/* Fills *ret_probe, sizeof(struct ktls_probe) as the caller knows it. The first call takes some
 * milliseconds; any thread. -EINVAL. What cannot be tried counts as not there: that is an answer,
 * not an error. */
int ktls_probe(struct ktls_probe *ret_probe, size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
