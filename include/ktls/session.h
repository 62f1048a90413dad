/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SESSION_H
#define KTLS_SESSION_H

/*
 * What outlives a connection: sessions, which a later connection resumes without certificates (RFC
 * 8446 2.2, RFC 5077), and early data, which it may send with its first flight (2.3).
 *
 * A server seals a session into a ticket and sends it with its first write, never before; it keeps
 * nothing. A client that asked for tickets finds the session of the last one in
 * ktls_conn_get_session() after it has read some. The configs' calls answer as those of config.h.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * How many tickets a connection gives its client (in TLS 1.2: one, if any), or takes as a client,
 * which keeps some 15 KiB until they came or 1 MiB was read without them. 0: no resumption.
 * Default: 2 for a server, 0 for a client. At most 8.
 */
int ktls_config_set_tickets(struct ktls_config *config, unsigned int n);

/* Server: how long a session can be resumed, however often; 1 s to 7 days (RFC 8446 4.6.1); default
 * 6 hours. */
int ktls_config_set_ticket_lifetime(struct ktls_config *config, uint32_t lifetime_s);

/*
 * Server: the file of the keys that tickets are sealed with, instead of keys of this process alone;
 * see tickets.h. Processes and machines that share it resume each other's sessions. It is read
 * again when it changes; one that is broken then changes nothing. -errno of the file,
 * -KTLS_E_BAD_TICKET_KEYS.
 */
int ktls_config_set_ticket_file(struct ktls_config *config, const char *path);

/*
 * Server: takes early data of up to limit_bytes (at most 65536) with a resumed session of TLS 1.3.
 * Whoever recorded it can send it again to another server that shares the ticket keys: replays are
 * refused within this config, for all else see ktls_config_set_replay_store(); so is what comes
 * with a ticket that is older than the first connection of this config. Default 0: none.
 */
int ktls_config_set_early_data(struct ktls_config *config, uint32_t limit_bytes);

/*
 * Server: where early data's keys are remembered, instead of in this config: one store for all
 * servers with the same ticket keys. `add` is called by any thread in its handshake: 0 if the key
 * is new, and it is then remembered until expires_s (CLOCK_REALTIME); anything else refuses the
 * data, not the connection. The context must outlive the config.
 */
int ktls_config_set_replay_store(struct ktls_config *config,
				 int (*add)(void *context, const void *key, size_t len,
					    uint64_t expires_s),
				 void *context);

/*
 * Client, after ktls_conn_set_server_name() and before the handshake: the session to resume, as
 * ktls_conn_get_session() gave it; copied. A server that has forgotten it does a full handshake,
 * which is no error (ktls_info.resumed tells). -KTLS_E_BAD_SESSION: malformed, for another name, or
 * of a connection that did not verify its peer as this config does. -EINVAL, -EISCONN, -ENOMEM.
 */
int ktls_conn_set_session(struct ktls_conn *conn, const void *data, size_t len);

/*
 * Client: the session of the last ticket that has come, some kilobytes into buf. It holds secrets:
 * whoever has it can speak for this client. -ENODATA: none has come yet; -ENOSPC: *ret_len is how
 * large buf must be. A connection that fails has none any more: take it before the end. Use each
 * only once: a second use tells an observer that it is the same client (RFC 8446 C.4).
 */
int ktls_conn_get_session(const struct ktls_conn *conn, void *buf, size_t size, size_t *ret_len);

/*
 * Client, after ktls_conn_set_session(): data to send with the first flight; copied. It is not safe
 * from replays, and the peer may refuse it: after the handshake ktls_info.early_data says whether
 * it was taken; if not, it was lost, and is to be written again. -EINVAL, -EISCONN, -ENOMEM.
 */
int ktls_conn_set_early_data(struct ktls_conn *conn, const void *data, size_t len);

/* Server, after the handshake: the client's early data, apart from what is read otherwise; *ret_n 0
 * at its end. -ENOTCONN before OPEN. */
int ktls_conn_read_early_data(struct ktls_conn *conn, void *buf, size_t len, size_t *ret_n);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
