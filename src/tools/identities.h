/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TOOL_IDENTITIES_H
#define KTLS_TOOL_IDENTITIES_H

#include <ktls/ktls.h>

#include "settings.h"

/* A server's config with everything the settings say of it: certificates, sites, tickets, offload.
 * The files are read now. On failure *ret_error is what is wrong, in words, with the file's name;
 * to be freed. -errno, -KTLS_E_... */
int identities_make(struct ktls_config **ret_config, const struct settings *settings,
		    char **ret_error);

#endif
