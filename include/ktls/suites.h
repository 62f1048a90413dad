/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SUITES_H
#define KTLS_SUITES_H

/*
 * What is offered and negotiated beyond versions and AEADs, where the defaults do not suit: groups,
 * FIPS, and the suites by name. The first two are parts of a config, set before its first
 * connection (see config.h for the thread rule; each answers -EBUSY once it is frozen).
 */

#include <stddef.h>

#include <ktls/config.h>
#include <ktls/info.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_conn;

/* Room in which every list of suites fits, with its end. */
#define KTLS_ALGORITHMS_SIZE 512

/*
 * The groups in which keys are agreed (RFC 8446 4.2.7), a client's best first; a server takes the
 * client's favourite among them. Default: X25519, P-256, P-384, P-521. In TLS 1.2 a certificate's
 * key must be in one of them, too (RFC 8422 5.1). -EINVAL on none, unknown or twice.
 */
int ktls_config_set_groups(struct ktls_config *config, const enum ktls_group *groups, size_t n);

/*
 * Only with cryptography that FIPS 140 approves: GnuTLS must be in its FIPS mode, which is the
 * system's to set (fips-mode-setup(8)), now and at the first connection. -EOPNOTSUPP where it is
 * not; the config is then as before, and nothing weaker is taken instead.
 */
int ktls_config_require_fips(struct ktls_config *config);

/*
 * The suites by IANA's names, ended with a NUL: before the handshake is done those that are
 * offered or taken, best first, with commas between; afterwards the negotiated one. Any state.
 * -ENOSPC if they do not fit in `size` (KTLS_ALGORITHMS_SIZE does), -EINVAL.
 */
int ktls_conn_get_algorithms(const struct ktls_conn *conn, char *ret_text, size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
