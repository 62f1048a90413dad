/* SPDX-License-Identifier: MIT */
#ifndef KTLS_VERIFY_H
#define KTLS_VERIFY_H

/*
 * Who the peer is, where the default answer does not suit: a verifier of the caller's own, verdicts
 * that come later, pinned keys, and who was revoked. The config's parts are set before its first
 * connection (see config.h for the thread rule; each answers -EBUSY once it is frozen, and keeps a
 * sentence in ktls_config_error()). A server to which they mean something must ask its clients for
 * certificates, or ktls_conn_new() answers -EINVAL.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <ktls/config.h>
#include <ktls/conn.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Replaces the check of chain and name by the caller's: trust and insecure_no_verify no longer
 * count, and a client needs no server name. Called from within ktls_conn_handshake(), once for a
 * handshake in which the peer shows certificates: `chain` has n of them as DER, leaf first, as they
 * were sent (1 to 16; more are refused), and lives as long as the call. In a handshake that resumes
 * they are those of the first one. 0: yes; negative: no, the connection fails with that code and
 * the peer hears bad_certificate; KTLS_WANT_VERDICT: later, below. Whether the peer has the key of
 * the leaf is checked besides, always. `verify` may do nothing to the connection but ask it for
 * facts. NULL: the default again.
 */
int ktls_config_set_verifier(struct ktls_config *config,
			     int (*verify)(void *context, struct ktls_conn *conn,
					   const struct iovec *chain, size_t n),
			     void *context);

/* A verifier that always answers KTLS_WANT_VERDICT. */
int ktls_config_set_external_verdict(struct ktls_config *config);

/*
 * The verdict that ktls_conn_handshake() asked for with KTLS_WANT_VERDICT: 0, or a negative code as
 * above. Until it is given every ktls_conn_handshake() answers the same at once, and nothing leaves
 * that would take the peer for good: no Finished of a client, no application data. Then call
 * ktls_conn_handshake() again. -EALREADY: it was given; -EINVAL: none is asked for, or a positive
 * code.
 */
int ktls_conn_set_verdict(struct ktls_conn *conn, int verdict);

/*
 * A key that the peer may have: the SHA-256 of the SubjectPublicKeyInfo of its leaf (RFC 7469 2.4).
 * Where any are given, one must be the peer's, else -KTLS_E_PEER_KEY: besides all other checks,
 * those of a verifier too, and even where the config says insecure_no_verify. A client certificate
 * that is only asked for may still be missing. Copied; -EINVAL: more than 16.
 */
int ktls_config_add_pinned_key(struct ktls_config *config, const uint8_t sha256[32]);

/*
 * Revocation lists (CRLs, RFC 5280 5) for the default check: PEM (any number) or DER (one). Whoever
 * is on the list of his issuer is refused with -KTLS_E_PEER_REVOKED; an issuer without a list has
 * revoked nobody. They are believed as they are, however old: they come from the caller. Adds to
 * what was given before. -KTLS_E_BAD_REVOCATION, -errno of the file.
 */
int ktls_config_add_revocations_file(struct ktls_config *config, const char *path);
int ktls_config_add_revocations(struct ktls_config *config, const void *data, size_t len);

/*
 * A response of OCSP (RFC 6960) for the leaf of the identity that was added last, DER or PEM, which
 * a server shows to the clients that ask (RFC 6066 8) until it has expired. -KTLS_E_BAD_REVOCATION:
 * it cannot be read, or is for another certificate; -EINVAL: no identity; -errno of the file.
 */
int ktls_config_add_staple_file(struct ktls_config *config, const char *path);
int ktls_config_add_staple(struct ktls_config *config, const void *data, size_t len);

/*
 * Client: a server must staple a response that says "good", else -KTLS_E_PEER_STAPLE. Without this
 * a response may be missing, unless the certificate promises one (RFC 7633); one that is there must
 * be valid, in any case, and one that says "revoked" is believed. Part of the default check.
 */
int ktls_config_set_require_staple(struct ktls_config *config);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
