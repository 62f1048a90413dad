/* SPDX-License-Identifier: MIT */
#ifndef KTLS_TICKET_FILE_H
#define KTLS_TICKET_FILE_H

/*
 * The keys that session tickets are sealed with, as a file that a fleet of servers shares:
 *
 *   libktls ticket keys 1
 *   next HEX
 *   current HEX
 *   previous HEX
 *
 * Nothing else: 128 hexadecimal digits each. <ktls/tickets.h> has the one call that makes such a
 * file and rotates it.
 */

#include <stdint.h>
#include <sys/stat.h>

#include "base/secret.h"

enum {
	KTLS_TICKET_KEY_LEN = 64,
};

enum ktls_ticket_age {
	KTLS_TICKET_NEXT = 0,
	KTLS_TICKET_CURRENT,
	KTLS_TICKET_PREVIOUS,
	KTLS_TICKET_KEYS_N,
};

struct ktls_ticket_masters {
	uint8_t keys[KTLS_TICKET_KEYS_N][KTLS_TICKET_KEY_LEN]; /* by enum ktls_ticket_age */
};

KTLS_DEFINE_WIPE(ktls_ticket_masters);

/* Made now, at random. -errno. */
int ktls_ticket_masters_make(struct ktls_ticket_masters *ret_masters);

/*
 * Reads a file of keys that is regular, ours or root's, and nobody else's to read. -errno, or
 * -KTLS_E_BAD_TICKET_KEYS: *ret_what then says what is wrong and what to do (static), and is
 * untouched otherwise. *ret_file is what fstat(2) said before anything was read.
 */
int ktls_ticket_file_read(const char *path, struct ktls_ticket_masters *ret_masters,
			  struct stat *ret_file, const char **ret_what);

#endif
