/* SPDX-License-Identifier: MIT */
#ifndef KTLS_CONFIG_H
#define KTLS_CONFIG_H

/*
 * Everything that is decided before a connection: role, identity, trust, versions, offload. A
 * config is made, set, and then shared by any number of connections and threads; the first
 * connection freezes it, and a later set answers -EBUSY. The defaults are the safe ones: a client
 * verifies the chain against the system's trust and the name it was given; a server asks for no
 * client certificate.
 *
 * Thread rule: set by one thread; _ref and _unref by any; frozen, it is only read.
 */

#include <stddef.h>
#include <stdint.h>

#include <ktls/info.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ktls_config;

enum ktls_role {
	KTLS_CLIENT = 0,
	KTLS_SERVER,
};

enum ktls_client_auth {
	KTLS_CLIENT_AUTH_NONE = 0,
	KTLS_CLIENT_AUTH_REQUEST, /* ask; a client may send none, what it sends is verified */
	KTLS_CLIENT_AUTH_REQUIRE, /* ask, and fail the handshake without one */
	_KTLS_CLIENT_AUTH_N,
};

/* When a direction is handed to the kernel. */
enum ktls_offload {
	KTLS_OFFLOAD_AUTO = 0, /* TX: AT_ONCE; RX: WITH_REKEY */
	KTLS_OFFLOAD_NEVER,
	KTLS_OFFLOAD_AT_ONCE,	  /* when the handshake is done, if the kernel can */
	KTLS_OFFLOAD_AFTER_BYTES, /* after that many application bytes in this direction */
	KTLS_OFFLOAD_AT_SENDFILE, /* at the first ktls_conn_sendfile() */
	KTLS_OFFLOAD_REQUIRED,	  /* at once, and the handshake fails if the kernel cannot */
	KTLS_OFFLOAD_WITH_REKEY,  /* at once, if the kernel can change keys too (6.14): where it
				     cannot, a KeyUpdate of TLS 1.3 ends the connection */
	KTLS_OFFLOAD_NIC, /* as REQUIRED, and by a NIC: the handshake fails also if the kernel
			     would do it itself, or does not tell */
	_KTLS_OFFLOAD_N,
};

/* A new config with the defaults. Caller owns it: ktls_config_unref(). -EINVAL, -ENOMEM,
 * -KTLS_E_CRYPTO. */
int ktls_config_new(struct ktls_config **ret_config, enum ktls_role role);
struct ktls_config *ktls_config_ref(struct ktls_config *config);
/* Drops a reference; the last one wipes the keys and frees. Takes NULL; always returns NULL. */
struct ktls_config *ktls_config_unref(struct ktls_config *config);

/* What the last failed call on it meant, in words; "" if none failed. Lives until the next call on
 * it. */
const char *ktls_config_error(const struct ktls_config *config);

/*
 * Who we are: a certificate chain, leaf first, and its private key; PEM or DER, from files or from
 * memory (copied). May be called again for a further identity (RSA beside ECDSA, other names): the
 * name that is asked for, as it is in the certificate, and the suite choose.
 * -KTLS_E_BAD_CERTIFICATE, -KTLS_E_BAD_KEY, -KTLS_E_KEY_MISMATCH, -errno of the file, -EBUSY when
 * frozen.
 */
int ktls_config_add_identity_file(struct ktls_config *config, const char *chain_path,
				  const char *key_path);
int ktls_config_add_identity(struct ktls_config *config, const void *chain, size_t chain_len,
			     const void *key, size_t key_len);

/*
 * A throw-away identity: a new P-256 key and a certificate signed by itself, for these DNS names
 * and IP addresses, good for thirty days. For trying things out: no client trusts it unless told
 * to. -EINVAL without names, -KTLS_E_CRYPTO, -EBUSY.
 */
int ktls_config_add_identity_self_signed(struct ktls_config *config, const char *const *names,
					 size_t n);

/*
 * Whom we trust, instead of the system's certificates: PEM (any number) or DER (one). Adds to what
 * was given before. -KTLS_E_BAD_TRUST if nothing in it can be read, -errno of the file, -EBUSY.
 */
int ktls_config_add_trust_file(struct ktls_config *config, const char *path);
int ktls_config_add_trust(struct ktls_config *config, const void *data, size_t len);

/* Verify neither chain nor name of the peer. Anyone on the way can then read and change everything.
 */
int ktls_config_set_insecure_no_verify(struct ktls_config *config);

/* No TLS at all: the same calls over the bare transport, whose end is then KTLS_EOF. Anyone on the
 * way can read and change everything. */
int ktls_config_set_insecure_plaintext(struct ktls_config *config);

/* Server: whether to ask clients for a certificate; trust as above, which must have been given. */
int ktls_config_set_client_auth(struct ktls_config *config, enum ktls_client_auth client_auth);

/* Default: both, TLS 1.2 and 1.3. -EINVAL if min is above max or either is unknown. */
int ktls_config_set_protocols(struct ktls_config *config, enum ktls_protocol min,
			      enum ktls_protocol max);

/* The AEADs, a client's best first; a server takes the client's favourite among them. Default: all,
 * in the order of enum ktls_cipher. -EINVAL on none, unknown or twice. */
int ktls_config_set_ciphers(struct ktls_config *config, const enum ktls_cipher *ciphers, size_t n);

/*
 * Application protocols (RFC 7301), best first, each of 1 to 255 bytes; copied. A peer that offers
 * ALPN but none of these is refused with no_application_protocol; one that offers none at all is
 * served.
 */
int ktls_config_set_alpn(struct ktls_config *config, const char *const *protocols, size_t n);

/*
 * Server: when a ClientHello asks for this name (SNI, RFC 6066 3; "a.example", or "*.example" for
 * every name with one label in its place), the connection goes on with the tenant instead, in all
 * that is said here and in limits.h, peer.h, session.h and suites.h. A name of nobody's, and none,
 * is this config's. The tenant is a whole server: it is frozen, and a reference is taken. Tickets
 * are good for their own name alone; early data is taken only if this config takes some, too.
 * -EINVAL, what the tenant lacks, -EBUSY.
 */
int ktls_config_add_tenant(struct ktls_config *config, const char *server_name,
			   struct ktls_config *tenant);

/* When a direction goes to the kernel; `bytes` only with KTLS_OFFLOAD_AFTER_BYTES, else 0. Default:
 * AUTO. */
int ktls_config_set_offload(struct ktls_config *config, enum ktls_direction direction,
			    enum ktls_offload when, uint64_t bytes);

/*
 * How many buffers (of some 130 KiB, mapped, not touched before use) the connections of this config
 * share while userspace protects their bytes; an idle connection holds none. When all are in use,
 * calls wait for one, or answer KTLS_WANT_BUFFER. A connection whose peer does not read holds one:
 * let there be more of them than such peers. Default 1024. -EINVAL on 0 or more than 65536.
 */
int ktls_config_set_buffers(struct ktls_config *config, size_t n);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
