/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TICKET_KEYS_H
#define KTLS_TICKET_KEYS_H

/*
 * The keys that a server's session tickets are sealed with: made at random for this process alone,
 * or from a file (ticket_file.h) that is read again when it changes. Belongs to a config; any
 * thread.
 *
 * GnuTLS takes one master key per session, for the ticket that comes and those that go. So a
 * session is given the master of the ticket that its client brought, and the current one if that is
 * none of ours.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ticket_file.h"

enum {
	KTLS_TICKET_NAME_LEN = 16, /* a ticket begins with its key's name */
};

struct ktls_ticket_keys;

/*
 * path NULL: keys of this process alone. lifetime_s: of a ticket, as given to
 * gnutls_db_set_cache_expiration(); not 0. -EINVAL, -ENOMEM, -errno of the file, or
 * -KTLS_E_BAD_TICKET_KEYS: *ret_what then says what is wrong with it and what to do (static), and
 * is untouched otherwise.
 */
int ktls_ticket_keys_new(struct ktls_ticket_keys **ret_keys, const char *path,
			 unsigned int lifetime_s, const char **ret_what);

/* Before they are used: makes of them the keys of this name alone, so that what shares the file and
 * has another name opens none of its tickets. -ENOMEM, -KTLS_E_CRYPTO. */
int ktls_ticket_keys_bind(struct ktls_ticket_keys *keys, const char *name);

/* Wipes them. Takes NULL; returns NULL. */
struct ktls_ticket_keys *ktls_ticket_keys_free(struct ktls_ticket_keys *keys);

/* The master of the ticket with that name; false: it is none of ours, nothing is set. */
bool ktls_ticket_keys_find(struct ktls_ticket_keys *keys, const uint8_t name[KTLS_TICKET_NAME_LEN],
			   uint8_t ret_key[KTLS_TICKET_KEY_LEN]);

/* The master for a session whose client brought the ticket of that name (NULL: brought none). */
void ktls_ticket_keys_choose(struct ktls_ticket_keys *keys, const uint8_t *name,
			     uint8_t ret_key[KTLS_TICKET_KEY_LEN]);

#endif
