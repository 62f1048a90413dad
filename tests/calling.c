/* SPDX-License-Identifier: MIT */

/* Clients of a listener; see calling.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calling.h"
#include "kit.h"
#include "pki.h"

enum {
	SPARE = 64, /* descriptors for all else */
};

static const char word[] = "a word, and back again";

struct ktls_config *calling_server(const char *name)
{
	struct pki_identity identity = pki_issue(PKI_GOOD, false, &name, 1);
	struct ktls_config *config;

	cr_assert_eq(ktls_config_new(&config, KTLS_SERVER), 0);
	cr_assert_eq(ktls_config_add_identity(config, identity.chain.data, identity.chain.len,
					      identity.key.data, identity.key.len),
		     0);
	cr_assert_eq(ktls_config_set_offload(config, KTLS_TX, KTLS_OFFLOAD_NEVER, 0), 0);
	cr_assert_eq(ktls_config_set_offload(config, KTLS_RX, KTLS_OFFLOAD_NEVER, 0), 0);
	pki_identity_free(&identity);
	return config;
}

struct ktls_config *calling_client(void)
{
	struct pki_pem authority = pki_authority();
	struct ktls_config *config;

	cr_assert_eq(ktls_config_new(&config, KTLS_CLIENT), 0);
	cr_assert_eq(ktls_config_add_trust(config, authority.data, authority.len), 0);
	return config;
}

struct ktls_listener *calling_listener(struct ktls_config *server)
{
	struct ktls_listener *listener;
	struct ktls_address address;

	cr_assert_eq(ktls_address_parse(&address, "127.0.0.1"), 0);
	cr_assert_eq(ktls_listener_new(&listener, server, &address, -1, 0), 0, "%s",
		     ktls_config_error(server));
	return listener;
}

int calling_silent(const struct ktls_listener *listener)
{
	struct ktls_address address;
	struct sockaddr_storage storage;
	socklen_t len;
	int fd;

	cr_assert_eq(ktls_listener_get_address(listener, &address), 0);
	cr_assert_eq(ktls_address_to_sockaddr(&address, &storage, &len), 0);
	fd = socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0, "%s", strerror(errno));
	cr_assert_eq(connect(fd, (struct sockaddr *)&storage, len), 0, "%s", strerror(errno));
	return fd;
}

struct ktls_conn *calling_new(const struct ktls_listener *listener, struct ktls_config *client,
			      const char *name)
{
	struct ktls_conn *conn;

	cr_assert_eq(ktls_conn_adopt(&conn, client, calling_silent(listener)), 0);
	cr_assert_eq(ktls_conn_set_server_name(conn, name), 0);
	return conn;
}

size_t calling_room(size_t n)
{
	struct rlimit limit;
	size_t room;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	room = (size_t)limit.rlim_cur - kit_count_fds() - SPARE;
	return room < n ? room : n;
}

/* Echoes */

struct calling_echo {
	pthread_t thread;
	struct ktls_conn *conn;
	int rc;
};

static void *echo(void *arg)
{
	struct calling_echo *call = arg;
	uint64_t deadline_ns = ktls_deadline_in(CALLING_PATIENCE_MS);
	char got[sizeof(word)];
	size_t n, done = 0;
	int rc = ktls_conn_handshake(call->conn, deadline_ns);

	if (!rc)
		rc = ktls_conn_write(call->conn, word, sizeof(word), deadline_ns, &n);
	while (!rc && done < sizeof(word)) {
		rc = ktls_conn_read(call->conn, got + done, sizeof(word) - done, deadline_ns, &n);
		done += n;
	}
	if (!rc && memcmp(got, word, sizeof(word)))
		rc = -EBADMSG;
	if (!rc)
		rc = ktls_conn_shutdown_and_close(call->conn, deadline_ns);
	call->rc = rc;
	return NULL;
}

struct calling_echo *calling_echo_begin(const struct ktls_listener *listener,
					struct ktls_config *client, const char *name)
{
	struct calling_echo *call = calloc(1, sizeof(*call));

	cr_assert(call);
	call->conn = calling_new(listener, client, name);
	cr_assert_eq(pthread_create(&call->thread, NULL, echo, call), 0);
	return call;
}

void calling_echo_end(struct calling_echo *call)
{
	cr_assert_eq(pthread_join(call->thread, NULL), 0);
	cr_assert_eq(call->rc, 0, "%s %s", ktls_strerrorname(call->rc),
		     ktls_conn_error(call->conn));
	ktls_conn_free(call->conn);
	free(call);
}

void calling_serve(struct ktls_conn *conn)
{
	uint64_t deadline_ns = ktls_deadline_in(CALLING_PATIENCE_MS);
	char bytes[sizeof(word)];
	size_t n;
	int rc = ktls_conn_handshake(conn, deadline_ns);

	while (!rc) {
		rc = ktls_conn_read(conn, bytes, sizeof(bytes), deadline_ns, &n);
		if (!rc)
			rc = ktls_conn_write(conn, bytes, n, deadline_ns, &n);
	}
	cr_assert_eq(rc, KTLS_EOF, "%s %s", ktls_strerrorname(rc), ktls_conn_error(conn));
	cr_assert_eq(ktls_conn_shutdown_and_close(conn, deadline_ns), 0, "%s",
		     ktls_conn_error(conn));
	ktls_conn_free(conn);
}
