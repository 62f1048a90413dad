/* SPDX-License-Identifier: MIT */
#ifndef TESTS_VERIFYING_H
#define TESTS_VERIFYING_H

/*
 * Handshakes in which one end, the judge, says by itself who the peer may be: case by case a client
 * and a server that asks for certificates, in both versions.
 */

#include <stdbool.h>
#include <stddef.h>

#include "pair.h"
#include "pki.h"

enum {
	VERIFYING_CASES = 4, /* versions times ends */
};

enum ktls_protocol verifying_protocol(int i);
enum pair_end verifying_judge(int i);
const char *verifying_name(int i);

/* A verifier that counts, looks, and says what it was told to. */
struct verifying_witness {
	int answer;
	int calls;
	size_t n;
	bool in_order; /* each is issued by the next */
};

int verifying_look(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n);

/* For a name that nobody asks for. */
struct pki_identity verifying_self_signed(void);
void verifying_add(struct ktls_config *config, const struct pki_identity *identity);

/* Both have the identity; the judge trusts nobody, the other end does not ask. */
void verifying_configs(int i, const struct pki_identity *identity, struct ktls_config *config[2]);

/* The same, with that verifier; takes the identity over. */
struct pair verifying_pair(int i, struct pki_identity identity, struct verifying_witness *witness);

/* Until neither end goes on; what each answered last. */
void verifying_settle(struct pair *pair, int rc[2]);

#endif
