/* SPDX-License-Identifier: MIT */

/* Tenants, and a ClientHello that comes in pieces, with more behind it, or twice. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "tenancy.h"
#include "visit.h"

enum {
	IDLE_MS = 5000,
	RELAY_LEN = 1 << 16,
};

/* What the client has said goes to the server in pieces of so many bytes, and back as it comes. */
struct relay {
	struct pair pair;
	int client_side, server_side; /* the relay's ends */
};

static struct relay relay_new(struct ktls_config *server, const char *name)
{
	struct relay relay = { .pair.config = { tenancy_client(NULL, 0), server } };
	int client[2], servers[2];

	pair_sockets(client, 0);
	pair_sockets(servers, 0);
	relay.pair.fd[PAIR_CLIENT] = client[0];
	relay.client_side = client[1];
	relay.server_side = servers[0];
	relay.pair.fd[PAIR_SERVER] = servers[1];
	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_conn_new(&relay.pair.conn[end], relay.pair.config[end],
					 relay.pair.fd[end]));
	cr_assert(!ktls_conn_set_server_name(relay.pair.conn[PAIR_CLIENT], name));
	return relay;
}

static void relay_free(struct relay *relay)
{
	close(relay->client_side);
	close(relay->server_side);
	pair_free(&relay->pair);
}

/* What has come on from, at once; 0: nothing. */
static size_t take(int from, uint8_t *bytes)
{
	ssize_t n = recv(from, bytes, RELAY_LEN, MSG_DONTWAIT);

	return n < 0 ? 0 : (size_t)n;
}

static void give(int to, const uint8_t *bytes, size_t len)
{
	cr_assert_eq(send(to, bytes, len, 0), (ssize_t)len);
}

static void wait_for_input(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	cr_assert_eq(poll(&pollfd, 1, IDLE_MS), 1, "nothing comes");
}

Test(unit, a_client_hello_in_single_bytes_finds_its_tenant)
{
	struct ktls_config *server = tenancy_server("base.example", NULL);
	static uint8_t bytes[RELAY_LEN];
	struct relay relay;
	int ours = KTLS_WANT_READ, theirs = KTLS_WANT_READ;

	tenancy_add(server, "a.example", tenancy_server("a.example", NULL));
	relay = relay_new(server, "a.example");
	while (ours || theirs) {
		size_t n;

		if (ours)
			ours = ktls_conn_handshake(relay.pair.conn[PAIR_CLIENT], KTLS_NOW);
		cr_assert(ours >= 0, "%s", ktls_conn_error(relay.pair.conn[PAIR_CLIENT]));
		n = take(relay.client_side, bytes);
		for (size_t i = 0; i < n; i++) {
			give(relay.server_side, bytes + i, 1);
			wait_for_input(relay.pair.fd[PAIR_SERVER]);
			if (theirs)
				theirs =
					ktls_conn_handshake(relay.pair.conn[PAIR_SERVER], KTLS_NOW);
			cr_assert(theirs >= 0);
		}
		n = take(relay.server_side, bytes);
		give(relay.client_side, bytes, n);
	}
	cr_assert_str_eq(visit_info(relay.pair.conn[PAIR_SERVER]).server_name, "a.example");
	relay_free(&relay);
}

/* The end of the handshake and the first request arrive as one. */
Test(unit, what_comes_right_behind_the_handshake_is_the_tenants_to_read)
{
	struct ktls_config *server = tenancy_server("base.example", NULL);
	static uint8_t bytes[RELAY_LEN];
	struct relay relay;
	size_t n, glued = 0;
	int ours, theirs = KTLS_WANT_READ;
	char request[6] = "";

	tenancy_add(server, "a.example", tenancy_server("a.example", NULL));
	relay = relay_new(server, "a.example");
	while ((ours = ktls_conn_handshake(relay.pair.conn[PAIR_CLIENT], KTLS_NOW))) {
		cr_assert_eq(ours, KTLS_WANT_READ);
		n = take(relay.client_side, bytes);
		give(relay.server_side, bytes, n);
		theirs = ktls_conn_handshake(relay.pair.conn[PAIR_SERVER], KTLS_NOW);
		cr_assert_eq(theirs, KTLS_WANT_READ);
		n = take(relay.server_side, bytes);
		give(relay.client_side, bytes, n);
	}
	cr_assert(!ktls_conn_write(relay.pair.conn[PAIR_CLIENT], "hello", 5, KTLS_NOW, &n));
	for (int i = 0; i < 3; i++) {
		glued += take(relay.client_side, bytes + glued);
		usleep(1000);
	}
	give(relay.server_side, bytes, glued);
	cr_assert(!ktls_conn_handshake(relay.pair.conn[PAIR_SERVER], ktls_deadline_in(IDLE_MS)));
	cr_assert(!ktls_conn_read(relay.pair.conn[PAIR_SERVER], request, sizeof(request),
				  ktls_deadline_in(IDLE_MS), &n));
	cr_assert(n == 5 && !strcmp(request, "hello"));
	relay_free(&relay);
}

/* GnuTLS as a client of bad manners */

static const char *second_name;
static bool retried;

static int change_name(gnutls_session_t session, unsigned int type, unsigned int when,
		       unsigned int incoming, const gnutls_datum_t *message)
{
	(void)when;
	(void)message;
	if (!incoming || type != GNUTLS_HANDSHAKE_HELLO_RETRY_REQUEST)
		return 0;
	retried = true;
	if (second_name)
		gnutls_server_name_set(session, GNUTLS_NAME_DNS, second_name, strlen(second_name));
	return 0;
}

/* What the server says to a client that asks for a, and after a HelloRetryRequest for `then`. */
static int ask_twice(struct ktls_config *server, const char *then)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	struct ktls_conn *conn;
	int fd[2], ours = KTLS_WANT_READ, theirs = GNUTLS_E_AGAIN;

	second_name = then;
	retried = false;
	pair_sockets(fd, 0);
	cr_assert(!fcntl(fd[0], F_SETFL, O_NONBLOCK));
	cr_assert(!ktls_conn_new(&conn, server, fd[1]));
	cr_assert(!gnutls_certificate_allocate_credentials(&credentials));
	cr_assert(!gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK));
	cr_assert(!gnutls_priority_set_direct(
		session,
		"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"
		"+GROUP-SECP384R1",
		NULL));
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_server_name_set(session, GNUTLS_NAME_DNS, "a.example", 9);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
					   change_name);
	gnutls_transport_set_int(session, fd[0]);
	while (theirs == GNUTLS_E_AGAIN && ours >= 0) {
		theirs = gnutls_handshake(session);
		if (ours)
			ours = ktls_conn_handshake(conn, KTLS_NOW);
	}
	cr_assert(retried);
	if (!ours)
		cr_assert_str_eq(visit_info(conn).server_name, "a.example");
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
	return ours;
}

/* It would be the one's connection under the other's name. */
Test(unit, the_name_stays_after_a_hello_retry_request)
{
	static const enum ktls_group p384 = KTLS_GROUP_SECP384R1;
	struct ktls_config *server = tenancy_server("b.example", NULL);
	struct ktls_config *tenant = tenancy_server("a.example", NULL);

	cr_assert(!ktls_config_set_groups(tenant, &p384, 1));
	tenancy_add(server, "a.example", tenant);
	cr_assert(ask_twice(server, NULL) >= 0);
	cr_assert_eq(ask_twice(server, "b.example"), -KTLS_E_PROTOCOL);
	ktls_config_unref(server);
}
