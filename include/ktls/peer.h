/* SPDX-License-Identifier: MIT */
#ifndef KTLS_PEER_H
#define KTLS_PEER_H

/*
 * What only the handshake knows, and is gone with it unless the config asks beforehand: the
 * certificates that were shown, and keying material for protocols above TLS. A connection that was
 * frozen has none of it when it is thawed.
 *
 * The config's part is set before its first connection (see config.h for the thread rule; each
 * answers -EBUSY once it is frozen); the connection's is its owner's.
 */

#include <stddef.h>

#include <ktls/config.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_conn;

/* Keep the certificates that are shown, for as long as the connection lives: some kilobytes. */
int ktls_config_set_keep_chain(struct ktls_config *config);

/*
 * The peer's certificate number i as DER, leaf first, in the order in which it sent them, unless it
 * sent more than 16; of a session that was resumed, those of the first handshake. Verified only as
 * far as the config says. *ret_der lives as long as the connection. While KTLS_WANT_VERDICT is
 * answered they are there whether kept or not, until the verdict is given. -ENODATA: there is no
 * such one, or it was not kept; -ENOTCONN before OPEN, or how it failed before; -EINVAL.
 */
int ktls_conn_get_peer_certificate(const struct ktls_conn *conn, size_t i, const void **ret_der,
				   size_t *ret_len);

/* The same of the leaf that we showed; none in a session that was resumed. */
int ktls_conn_get_local_certificate(const struct ktls_conn *conn, const void **ret_der,
				    size_t *ret_len);

/* The channel binding "tls-exporter" (RFC 9266): a label, and the length of its secret. */
#define KTLS_CHANNEL_BINDING	 "EXPORTER-Channel-Binding"
#define KTLS_CHANNEL_BINDING_LEN 32

/*
 * Keying material of `len` bytes (1 to 64) to be exported under the label (1 to 63 bytes; copied)
 * from each connection (RFC 8446 7.5, RFC 5705): without a context, but for KTLS_CHANNEL_BINDING,
 * whose context is empty. At most 8. -EINVAL, also for a label that TLS itself uses (RFC 5705 4).
 */
int ktls_config_add_exporter(struct ktls_config *config, const char *label, size_t len);

/*
 * What was exported under that label, whose length `len` must be; both ends have the same, and
 * nobody else. Wiped when the connection fails or is freed. -ENODATA: the config did not ask for
 * the label; or TLS 1.2 without extended_master_secret (RFC 7627), where it would bind nothing.
 * -ENOTCONN before OPEN, or how it failed; -EINVAL.
 */
int ktls_conn_export(const struct ktls_conn *conn, const char *label, void *ret_bytes, size_t len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
