/* SPDX-License-Identifier: MIT */

/*
 * The session that a client is given to resume: what libktls reads of it, before GnuTLS gets the
 * rest. The input: a byte that says whether the client verifies its peer and which name it wants,
 * and the session, whose head is set right if another bit says so. Of what is taken, a client with
 * another name or more to verify takes nothing.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <ktls/ktls.h>

#include "pki.h"
#include "target.h"

enum {
	VERIFIES = 1,
	OTHER_NAME = 2,
	NO_NAME = 4,
	HEADED = 8,
	HEAD_LEN = 8,
};

static int trust(struct ktls_config *config)
{
	struct pki_pem authority = pki_authority();

	return ktls_config_add_trust(config, authority.data, authority.len);
}

static struct ktls_config *config_of(bool verifies)
{
	static struct ktls_config *made[2];
	struct ktls_config **config = &made[verifies];
	int r = 0;

	if (*config)
		return *config;
	r = ktls_config_new(config, KTLS_CLIENT);
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N && !r; d++)
		r = ktls_config_set_offload(*config, d, KTLS_OFFLOAD_NEVER, 0);
	if (!r && verifies)
		r = trust(*config);
	else if (!r)
		r = ktls_config_set_insecure_no_verify(*config);
	assert(!r);
	return *config;
}

static int socket_of(void)
{
	static int fd[2] = { -1, -1 };

	if (fd[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		abort();
	return fd[0];
}

static int offer(unsigned int how, const uint8_t *session, size_t len)
{
	struct ktls_conn *conn;
	int r = ktls_conn_new(&conn, config_of(how & VERIFIES), socket_of());

	assert(!r);
	if (!(how & NO_NAME))
		r = ktls_conn_set_server_name(conn, how & OTHER_NAME ? "b.example" : "a.example");
	assert(!r);
	r = ktls_conn_set_session(conn, session, len);
	assert(!r || r == -KTLS_E_BAD_SESSION);
	/* Early data needs a session. */
	assert(!ktls_conn_set_early_data(conn, session, len) == !r);
	conn = ktls_conn_free(conn);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t head[HEAD_LEN] = { 'K', 'T', 'L', 'S', 1, 0, 0, 9 };
	struct input input = { data, len };
	unsigned int how = input_u8(&input);
	size_t skip = how & HEADED ? 5 : 0;
	uint8_t *session = malloc(skip + input.left + 1);

	assert(session);
	memcpy(session, head, skip);
	memcpy(session + skip, input.at, input.left);
	if (!offer(how, session, skip + input.left)) {
		assert(offer(how ^ OTHER_NAME, session, skip + input.left) || how & NO_NAME);
		assert(offer(how ^ NO_NAME, session, skip + input.left));
		if (!session[5])
			assert(offer(how | VERIFIES, session, skip + input.left));
	}
	free(session);
	return 0;
}
