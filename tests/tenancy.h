/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TENANCY_H
#define TESTS_TENANCY_H

/* Configs for several names on one server, in userspace. */

#include "pair.h"

void tenancy_add_identity(struct ktls_config *config, const char *name);

/* With a certificate for the name, and one application protocol if it is not NULL. */
struct ktls_config *tenancy_server(const char *name, const char *alpn);

/* Wants a ticket, and knows the authority. */
struct ktls_config *tenancy_client(const char *const *alpn, size_t n);

/* Takes over the tenant's reference. */
void tenancy_add(struct ktls_config *config, const char *name, struct ktls_config *tenant);

/* With handshakes done; takes over the references. */
struct pair tenancy_meet(struct ktls_config *client, struct ktls_config *server, const char *name);

#endif
