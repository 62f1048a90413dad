/* SPDX-License-Identifier: MIT */

/* See peer_verify.h. */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "peer_verify.h"

enum {
	PIN_LEN = 32,
	LATER_MS = 300, /* time in which something could leave that must not */
};

static int calls;
static size_t certificates;

/* The last word of "yes", "no", "later-yes", "later-no". */
static int verdict_of(const char *word)
{
	size_t len = strlen(word);

	return len >= 3 && !strcmp(word + len - 3, "yes") ? 0 : -EPERM;
}

static int look(void *context, struct ktls_conn *conn, const struct iovec *chain, size_t n)
{
	const char *word = context;

	(void)conn;
	(void)chain;
	calls++;
	certificates = n;
	return strncmp(word, "later", 5) ? verdict_of(word) : KTLS_WANT_VERDICT;
}

static int add_pin(struct ktls_config *config, const char *hex)
{
	uint8_t pin[PIN_LEN];
	unsigned int byte;

	for (size_t i = 0; i < PIN_LEN; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		pin[i] = (uint8_t)byte;
	}
	return ktls_config_add_pinned_key(config, pin);
}

int peer_verify_set(struct ktls_config *config, const struct peer_verify *verify)
{
	int r = 0;

	if (verify->client_auth)
		r = ktls_config_set_client_auth(config, KTLS_CLIENT_AUTH_REQUIRE);
	if (!r && verify->verifier)
		r = ktls_config_set_verifier(config, look, (void *)verify->verifier);
	if (!r && verify->pin)
		r = add_pin(config, verify->pin);
	if (!r && verify->revocations)
		r = ktls_config_add_revocations_file(config, verify->revocations);
	if (!r && verify->staple)
		r = ktls_config_add_staple_file(config, verify->staple);
	if (!r && verify->require_staple)
		r = ktls_config_set_require_staple(config);
	return r;
}

int peer_verify_handshake(struct ktls_conn *conn, const struct peer_verify *verify)
{
	int r = ktls_conn_handshake(conn, KTLS_FOREVER);

	if (r == KTLS_WANT_VERDICT) {
		poll(NULL, 0, LATER_MS);
		fprintf(stderr, "verdict=%s\n",
			ktls_strerrorname(
				ktls_conn_set_verdict(conn, verdict_of(verify->verifier))));
		r = ktls_conn_handshake(conn, KTLS_FOREVER);
	}
	fprintf(stderr, "verifier_calls=%d\ncertificates=%zu\n", calls, certificates);
	return r;
}
