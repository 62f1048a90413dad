/* SPDX-License-Identifier: MIT */
#ifndef KTLS_CREDENTIALS_H
#define KTLS_CREDENTIALS_H

/*
 * Who we are and whom we trust, as GnuTLS keeps it: identities, trust anchors, priorities. Belongs
 * to a config; frozen with it, and then shared by all sessions.
 */

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct gnutls_priority_st;
struct gnutls_session_int;
struct ktls_credentials;

int ktls_credentials_new(struct ktls_credentials **ret_credentials);
struct ktls_credentials *ktls_credentials_free(struct ktls_credentials *credentials);

/* The public calls' work; each leaves its sentence on the config. */
int ktls_credentials_add_identity(struct ktls_config *config, const void *chain, size_t chain_len,
				  const void *key, size_t key_len);
int ktls_credentials_add_self_signed(struct ktls_config *config, const char *const *names,
				     size_t n);
int ktls_credentials_add_trust(struct ktls_config *config, const void *data, size_t len);

int ktls_credentials_add_revocations(struct ktls_config *config, const void *data, size_t len);
/* Of the identity that was added last. */
int ktls_credentials_add_staple(struct ktls_config *config, const void *data, size_t len);

bool ktls_credentials_has_identity(const struct ktls_credentials *credentials);
bool ktls_credentials_has_trust(const struct ktls_credentials *credentials);

/* Whether GnuTLS refuses what FIPS 140 does not approve: it is built for it, and told to. Any
 * thread. */
bool ktls_credentials_is_fips(void);

/* Loads the system's trust if it is wanted, and makes the priorities. */
int ktls_credentials_freeze(struct ktls_config *config);

/* Of a frozen config; NULL before. */
struct gnutls_priority_st *ktls_credentials_priority(const struct ktls_credentials *credentials);

/* Gives a session its credentials and priorities. */
int ktls_credentials_apply(const struct ktls_config *config, struct gnutls_session_int *session);

#endif
