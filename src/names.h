/* SPDX-License-Identifier: MIT */
#ifndef KTLS_NAMES_H
#define KTLS_NAMES_H

/*
 * The names that servers are called by, and that certificates are for (RFC 9525): DNS names and IP
 * addresses, which never stand for each other.
 */

#include <stdbool.h>

struct gnutls_x509_crt_int;

/* An IP address, as text. */
bool ktls_name_is_address(const char *name);

/*
 * The one form in which a name is resolved, sent and compared: A-labels for what is not ASCII (RFC
 * 5890), lower case, no dot at the end; an address stays one. Caller frees. -EINVAL: no host has
 * such a name. -ENOMEM.
 */
int ktls_name_canonical(const char *name, char **ret_name);

/* Whether the certificate is for the canonical name. Its subject (CN) never counts. */
bool ktls_name_fits(struct gnutls_x509_crt_int *leaf, const char *name);

#endif
