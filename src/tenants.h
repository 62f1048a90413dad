/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TENANTS_H
#define KTLS_TENANTS_H

/* The configs that answer for names of their own on one server: chosen by the ClientHello's. */

#include <stddef.h>

struct ktls_config;
struct ktls_ticket_keys;

struct ktls_tenant {
	char *name; /* canonical, or with "*." before such a name */
	struct ktls_config *config;
	struct ktls_ticket_keys *keys; /* this name's own; NULL: no tickets */
};

/* By name. */
struct ktls_tenants {
	struct ktls_tenant *list;
	size_t n;
};

/* Whose name it is: its own before a wildcard's, in any case of letters; NULL: nobody's. */
const struct ktls_tenant *ktls_tenants_find(const struct ktls_tenants *tenants, const char *name);

void ktls_tenants_done(struct ktls_tenants *tenants);

#endif
