/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MUST_H
#define TESTS_MUST_H

/* A call of GnuTLS, of which what fails is the machine's fault, not the tested code's. */

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(call)                                                                     \
	do {                                                                           \
		int must_rc_ = (call);                                                 \
		if (must_rc_ < 0) {                                                    \
			fprintf(stderr, "%s: %s\n", #call, gnutls_strerror(must_rc_)); \
			abort();                                                       \
		}                                                                      \
	} while (0)

#endif
