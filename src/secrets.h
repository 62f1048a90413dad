/* SPDX-License-Identifier: MIT */
#ifndef KTLS_SECRETS_H
#define KTLS_SECRETS_H

/* The end of TLS 1.3's key schedule: from a traffic secret to keys, and to the next secret. */

#include <stdint.h>

#include "ktls/kern.h"

enum {
	KTLS_SECRET_MAX = 48, /* SHA-384's */
};

struct ktls_secret {
	uint8_t bytes[KTLS_SECRET_MAX];
};

KTLS_DEFINE_WIPE(ktls_secret);

/* Key and IV of a traffic secret, with the number of the next record 0 (RFC 8446 7.3). */
int ktls_secret_keys(const struct ktls_secret *secret, unsigned int cipher,
		     struct kern_keys *ret_keys);

/* application_traffic_secret_N+1 (RFC 8446 7.2); in place is fine. */
int ktls_secret_next(const struct ktls_secret *secret, unsigned int cipher,
		     struct ktls_secret *ret_next);

#endif
