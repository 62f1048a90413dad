/* SPDX-License-Identifier: MIT */
#ifndef TESTS_REVOKING_H
#define TESTS_REVOKING_H

/* What the authority of pki.h says of certificates after it has issued them. */

#include <stdbool.h>

#include "pki.h"

/* Its revocation list, as PEM, with these certificates; to be freed with gnutls_free(). */
struct pki_pem revoking_list(const struct pki_identity *identities, size_t n);

enum revoking_answer {
	REVOKING_GOOD,
	REVOKING_REVOKED,
	REVOKING_UNKNOWN,
	REVOKING_EXPIRED,   /* it was good, yesterday */
	REVOKING_FORGED,    /* its signature is of something else */
	REVOKING_TRY_LATER, /* no answer */
	REVOKING_N,
};

/* A response of OCSP for the certificate, as DER; to be freed. */
struct pki_pem revoking_response(const struct pki_identity *identity, enum revoking_answer answer);

#endif
