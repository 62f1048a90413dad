/* SPDX-License-Identifier: MIT */
#ifndef KTLS_LIMITS_H
#define KTLS_LIMITS_H

/*
 * How keys and records are used, where the defaults do not suit: parts of a config, set before its
 * first connection (see config.h for the thread rule; each answers -EBUSY once it is frozen, and
 * -EINVAL, with the sentence in ktls_config_error(), for a value out of range).
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/config.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * How many records one key of ours may protect before it is changed by a KeyUpdate of our own; 0,
 * the default, is half of what the AEAD allows (AES-GCM: 2^24.5 records, RFC 8446 5.5; AES-CCM:
 * 2^23, RFC 9147 4.5.3; ChaCha20-Poly1305: no limit). Counted exactly, but looked at rarely: a few
 * records more may be made. Where the key cannot be changed (TLS 1.2, or a kernel before 6.14) a
 * write that finds it used up ends the connection in order, with -KTLS_E_REKEY. At most 2^24.
 */
int ktls_config_set_key_records(struct ktls_config *config, uint64_t records);

/*
 * Small records first: the first `bytes` of the data we write, and again after `idle_ms`
 * milliseconds without a write, go in records of at most `payload` bytes, which the peer can open
 * before a full one has arrived; 1400, 65536 and 1000 are good values. In the kernel each such
 * record costs a system call. Default: 0, 0, 0, full records always. `payload` 64 to 16384.
 */
int ktls_config_set_first_records(struct ktls_config *config, size_t payload, uint32_t bytes,
				  uint32_t idle_ms);

/*
 * TLS 1.3 padding (RFC 8446 5.4): each record's plaintext is filled up with zeros to a multiple of
 * `block` bytes, or to the largest record the peer takes, so that lengths tell less. TX then stays
 * in userspace (KTLS_REASON_PADDING); TLS 1.2 has no padding. Default 0: none. At most 16384.
 */
int ktls_config_set_padding(struct ktls_config *config, size_t block);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
