/* SPDX-License-Identifier: MIT */

/* Servers and clients that differ in their names; see tenancy.h. */

#include <criterion/criterion.h>

#include "pki.h"
#include "tenancy.h"

void tenancy_add_identity(struct ktls_config *config, const char *name)
{
	struct pki_identity identity = pki_issue(PKI_GOOD, false, &name, 1);

	cr_assert(!ktls_config_add_identity(config, identity.chain.data, identity.chain.len,
					    identity.key.data, identity.key.len));
	pki_identity_free(&identity);
}

static void stay_in_userspace(struct ktls_config *config)
{
	cr_assert(!ktls_config_set_offload(config, KTLS_TX, KTLS_OFFLOAD_NEVER, 0));
	cr_assert(!ktls_config_set_offload(config, KTLS_RX, KTLS_OFFLOAD_NEVER, 0));
}

struct ktls_config *tenancy_server(const char *name, const char *alpn)
{
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, KTLS_SERVER));
	stay_in_userspace(config);
	tenancy_add_identity(config, name);
	if (alpn)
		cr_assert(!ktls_config_set_alpn(config, &alpn, 1));
	return config;
}

struct ktls_config *tenancy_client(const char *const *alpn, size_t n)
{
	struct pki_pem authority = pki_authority();
	struct ktls_config *config;

	cr_assert(!ktls_config_new(&config, KTLS_CLIENT));
	stay_in_userspace(config);
	cr_assert(!ktls_config_set_tickets(config, 1));
	cr_assert(!ktls_config_add_trust(config, authority.data, authority.len));
	cr_assert(!ktls_config_set_alpn(config, alpn, n));
	return config;
}

void tenancy_add(struct ktls_config *config, const char *name, struct ktls_config *tenant)
{
	cr_assert(!ktls_config_add_tenant(config, name, tenant), "%s", ktls_config_error(config));
	ktls_config_unref(tenant);
}

struct pair tenancy_meet(struct ktls_config *client, struct ktls_config *server, const char *name)
{
	struct pair pair = pair_join(client, server, name, 0);
	int rc[2];

	pair_handshake(&pair, rc);
	for (int end = 0; end < 2; end++)
		cr_assert(!rc[end], "%s, end %d: %s", name, end, ktls_conn_error(pair.conn[end]));
	return pair;
}
