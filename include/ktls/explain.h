/* SPDX-License-Identifier: MIT */
#ifndef KTLS_EXPLAIN_H
#define KTLS_EXPLAIN_H

/* Where the records of a connection are protected, why not elsewhere, and what to do about it, in
 * words for a log. For programs there is struct ktls_info. */

#include <stddef.h>

#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ktls_explain_limit {
	KTLS_EXPLAIN_LEN = 512, /* is room for every sentence */
};

/*
 * One line of a direction (enum ktls_direction), with what is this connection's own: the cipher,
 * the peer's record_size_limit, how many bytes are to go. "TX is in the kernel", or "TX is in
 * userspace: this kernel's tls is too old for it, TLS 1.3 with AES-128-CCM (EINVAL: Invalid
 * argument). To do: use a newer kernel". Writes at most `size` bytes, always with a zero at their
 * end. Any state. -EINVAL. The connection's thread.
 */
int ktls_conn_explain(const struct ktls_conn *conn, unsigned int direction, char *ret_text,
		      size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
