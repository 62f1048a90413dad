/* SPDX-License-Identifier: MIT */

/*
 * From settings to a config. The library chooses among a config's certificates by their names, but
 * not by wildcards in them; a tenant is chosen by either. So a site, whose names the user says, is
 * a tenant with a config of its own.
 */

#include <stdlib.h>
#include <string.h>

#include "identities.h"
#include "tool.h"

/* What a config says that failed, else what the code says; `about` in front unless it is in that.
 */
static int explain(int r, const struct ktls_config *config, const char *about, char **ret_error)
{
	const char *text = config ? ktls_config_error(config) : "";

	text = *text ? text : ktls_strerror(r);
	about = strstr(text, about) ? "" : about;
	if (asprintf(ret_error, "%s%s%s", about, *about ? ": " : "", text) < 0)
		*ret_error = NULL;
	return r;
}

static int add_identities(struct ktls_config *config, const struct settings_site *site,
			  char **ret_error)
{
	for (size_t i = 0; i < site->n_certs; i++) {
		int r = ktls_config_add_identity_file(config, site->certs[i], site->keys[i]);

		if (r)
			return explain(r, config, site->certs[i], ret_error);
	}
	return 0;
}

static int add_self_signed(struct ktls_config *config)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };

	return ktls_config_add_identity_self_signed(config, names, sizeof(names) / sizeof(*names));
}

/* All that one config has, be it everyone's or a site's. */
static int make_one(struct ktls_config **ret_config, const struct settings *settings,
		    const struct settings_site *site, char **ret_error)
{
	_cleanup_(tool_config_unref) struct ktls_config *config = NULL;
	int r = ktls_config_new(&config, KTLS_SERVER);

	if (r)
		return explain(r, NULL, "", ret_error);
	r = tool_set_offload(config, settings->offload);
	if (!r && settings->ticket_file)
		r = ktls_config_set_ticket_file(config, settings->ticket_file);
	if (!r && settings->self_signed && site == &settings->everyone)
		r = add_self_signed(config);
	if (r)
		return explain(r, config, "", ret_error);
	r = add_identities(config, site, ret_error);
	if (r)
		return r;
	*ret_config = config;
	config = NULL;
	return 0;
}

static int add_site(struct ktls_config *config, const struct settings *settings,
		    const struct settings_site *site, char **ret_error)
{
	_cleanup_(tool_config_unref) struct ktls_config *tenant = NULL;
	int r = make_one(&tenant, settings, site, ret_error);

	if (r)
		return r;
	for (size_t i = 0; i < site->n_names; i++) {
		r = ktls_config_add_tenant(config, site->names[i], tenant);
		if (r)
			return explain(r, config, site->names[i], ret_error);
	}
	return 0;
}

int identities_make(struct ktls_config **ret_config, const struct settings *settings,
		    char **ret_error)
{
	const struct settings_site *everyone = &settings->everyone;
	_cleanup_(tool_config_unref) struct ktls_config *config = NULL;
	int r;

	*ret_error = NULL;
	/* Who asks for a name of nobody's, or for none, must be answered by someone. */
	if (!everyone->n_certs && !settings->self_signed)
		everyone = settings->sites[0];
	r = make_one(&config, settings, everyone, ret_error);
	for (size_t i = 0; i < settings->n_sites && !r; i++)
		r = add_site(config, settings, settings->sites[i], ret_error);
	if (r)
		return r;
	*ret_config = config;
	config = NULL;
	return 0;
}
