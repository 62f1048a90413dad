/* SPDX-License-Identifier: MIT */

/*
 * Tenants: a list sorted by name. A wildcard is in it as it is written, and looked for with the
 * first label of a name replaced. A tenant is frozen before it is in a list, so that no list can
 * come to be in itself.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/error.h>

#include "base/secret.h"
#include "config.h"
#include "hello.h"
#include "names.h"
#include "resume.h"
#include "tenants.h"
#include "ticket_keys.h"

static void free_string(char **string)
{
	free(*string);
}

static void tenant_done(struct ktls_tenant *tenant)
{
	free(tenant->name);
	ktls_config_unref(tenant->config);
	ktls_ticket_keys_free(tenant->keys);
}

void ktls_tenants_done(struct ktls_tenants *tenants)
{
	for (size_t i = 0; i < tenants->n; i++)
		tenant_done(&tenants->list[i]);
	free(tenants->list);
	*tenants = (struct ktls_tenants){ 0 };
}

/* The place of the first that does not come before the name. */
static size_t place_of(const struct ktls_tenants *tenants, const char *name)
{
	size_t low = 0, high = tenants->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(tenants->list[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct ktls_tenant *look_up(const struct ktls_tenants *tenants, const char *name)
{
	size_t at = place_of(tenants, name);

	return at < tenants->n && !strcmp(tenants->list[at].name, name) ? &tenants->list[at] : NULL;
}

/* RFC 9525 6.3: a wildcard stands for one whole label. */
const struct ktls_tenant *ktls_tenants_find(const struct ktls_tenants *tenants, const char *name)
{
	char lower[KTLS_HELLO_SERVER_NAME_SIZE];
	const struct ktls_tenant *found;
	size_t len = strlen(name);
	char *rest;

	if (!tenants->n || !len || len >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i <= len; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	if (lower[len - 1] == '.')
		lower[len - 1] = '\0';
	found = look_up(tenants, lower);
	rest = strchr(lower, '.');
	if (found || !rest || rest == lower)
		return found;
	*--rest = '*';
	return look_up(tenants, rest);
}

/* Adding */

static int check_tenant(struct ktls_config *config, const struct ktls_config *tenant)
{
	if (config->role != KTLS_SERVER || !tenant || tenant->role != KTLS_SERVER)
		return ktls_config_fail_value(config, "only a server has tenants, and is one");
	if (tenant->insecure_plaintext)
		return ktls_config_fail_value(config, "there are no tenants without TLS");
	if (tenant == config || tenant->tenants.n)
		return ktls_config_fail_value(config, "a tenant has no tenants of its own");
	return 0;
}

static int canonical_name(struct ktls_config *config, const char *name, char **ret_name)
{
	bool wildcard = name && !strncmp(name, "*.", 2);
	_cleanup_(free_string) char *base = NULL;
	int r = name ? ktls_name_canonical(wildcard ? name + 2 : name, &base) : -EINVAL;

	if (r == -EINVAL || (!r && ktls_name_is_address(base)))
		return ktls_config_fail_value(config,
					      "a tenant has a DNS name, or \"*.\" before one");
	if (!r && asprintf(ret_name, "%s%s", wildcard ? "*." : "", base) < 0)
		r = -ENOMEM;
	return r;
}

/* Of its own for each name, also from a file that all share: a ticket is good for one tenant. */
static int make_keys(struct ktls_tenant *tenant)
{
	const char *what;
	int r;

	if (!tenant->config->tickets)
		return 0;
	r = ktls_ticket_keys_new(&tenant->keys, tenant->config->ticket_file,
				 tenant->config->ticket_lifetime_s, &what);
	return r < 0 ? r : ktls_ticket_keys_bind(tenant->keys, tenant->name);
}

static int insert(struct ktls_tenants *tenants, const struct ktls_tenant *tenant)
{
	size_t at = place_of(tenants, tenant->name);
	struct ktls_tenant *list =
		realloc(tenants->list, (tenants->n + 1) * sizeof(*tenants->list));

	if (!list)
		return -ENOMEM;
	memmove(list + at + 1, list + at, (tenants->n - at) * sizeof(*list));
	list[at] = *tenant;
	tenants->list = list;
	tenants->n++;
	return 0;
}

static int add(struct ktls_config *config, struct ktls_tenant *tenant)
{
	int r;

	if (look_up(&config->tenants, tenant->name))
		return ktls_config_fail_value(config, "this tenant's name is taken");
	r = ktls_config_freeze(tenant->config);
	if (r < 0)
		return ktls_config_fail(config, r, "adding the tenant %s: %s", tenant->name,
					ktls_config_error(tenant->config));
	r = make_keys(tenant);
	if (!r)
		r = insert(&config->tenants, tenant);
	return r;
}

int ktls_config_add_tenant(struct ktls_config *config, const char *server_name,
			   struct ktls_config *tenant)
{
	struct ktls_tenant new = { 0 };
	int r = ktls_config_begin_set(config);

	if (!r)
		r = check_tenant(config, tenant);
	if (!r)
		r = canonical_name(config, server_name, &new.name);
	if (r < 0)
		return r;
	new.config = ktls_config_ref(tenant);
	r = add(config, &new);
	if (r < 0)
		tenant_done(&new);
	return r;
}
