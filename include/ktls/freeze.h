/* SPDX-License-Identifier: MIT */
#ifndef KTLS_FREEZE_H
#define KTLS_FREEZE_H

/*
 * A connection as bytes: frozen in one process, passed on with its socket (SCM_RIGHTS, or left open
 * over exec), and thawed in another, where it goes on: reading, writing, changing keys, closing.
 * What the kernel protects stays in the kernel meanwhile. Both processes run on this machine with
 * the same version of the library.
 */

#include <stddef.h>

#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Writes the connection into buf: some 500 bytes, and what userspace holds of records under way (at
 * most 256 KiB). It must be past its handshake. Afterwards it is KTLS_STATE_FROZEN: all that is
 * left is ktls_conn_free(), which closes its own descriptor: pass on yours, or a dup(2) of it. The
 * bytes are secret, hold the keys, and thaw once: two that go on with one key destroy its secrecy.
 * -ENOSPC: *ret_len is how large buf must be, and nothing has changed. -EBUSY: early data is
 * unread; -ENOTCONN before OPEN and once its socket is closed; the error of one that has failed.
 */
int ktls_conn_freeze(struct ktls_conn *conn, void *buf, size_t size, size_t *ret_len);

/*
 * The connection again, on the same socket, as ktls_conn_new() would give it with this config,
 * which must be of the same role. A client's tickets that had not come are waited for no more.
 * -KTLS_E_BAD_FROZEN: the bytes are malformed or of another version, or the socket is not the one;
 * KTLS_WANT_BUFFER: every buffer of the config is in use; else as ktls_conn_new(). Wipe the bytes
 * when it is done.
 */
int ktls_conn_thaw(struct ktls_conn **ret_conn, struct ktls_config *config, int fd,
		   const void *data, size_t len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
