/* SPDX-License-Identifier: MIT */

/* Connections without a handshake; see opened.h. */

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "config.h"
#include "opened.h"
#include "stranger.h"

static const struct opened_config settings[OPENED_CONFIGS_N] = {
	{ .buffers = 4 },
	{ .buffers = 4, .padding = 16 },
	{ .buffers = 4, .padding = 1000 },
	{ .buffers = 4, .key_records = 3 },
	{ .buffers = 4, .first_payload = 100 },
	{ .buffers = 1 },
	{ .buffers = 4, .exact = true },
	{ .buffers = 1, .padding = KERN_PAYLOAD_MAX, .key_records = 2, .exact = true },
};

/* A kernel that says that it can do everything. */
static const struct ktls_probe able;

static void set(struct ktls_config *config, const struct opened_config *what)
{
	int r = ktls_config_set_tickets(config, 0);

	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N && !r; d++)
		r = ktls_config_set_offload(config, d, KTLS_OFFLOAD_NEVER, 0);
	if (!r)
		r = ktls_config_set_buffers(config, what->buffers);
	if (!r)
		r = ktls_config_set_padding(config, what->padding);
	/* No clock decides: the stream begins once. */
	if (!r)
		r = ktls_config_set_first_records(config, what->first_payload, 1000, UINT32_MAX);
	if (!r)
		r = ktls_config_set_key_records(config, what->key_records);
	assert(!r);
}

static struct ktls_config *make(enum ktls_role role, const struct opened_config *what)
{
	static const char *const names[] = { "localhost" };
	struct ktls_config *config;
	int r = ktls_config_new(&config, role);

	assert(!r);
	set(config, what);
	r = role == KTLS_SERVER ? ktls_config_add_identity_self_signed(config, names, 1)
				: ktls_config_set_insecure_no_verify(config);
	if (!r)
		r = ktls_config_freeze(config);
	assert(!r);
	/* So that this kernel is not asked. */
	config->probe = &able;
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N && what->exact; d++)
		config->offload[d] = (struct ktls_offload_rule){ KTLS_OFFLOAD_AFTER_BYTES, 100 };
	return config;
}

static struct ktls_config *config_of(enum ktls_role role, unsigned int i)
{
	static struct ktls_config *made[2][OPENED_CONFIGS_N];
	struct ktls_config **config = &made[role == KTLS_SERVER][i];

	if (!*config)
		*config = make(role, &settings[i]);
	return *config;
}

/* One for all, until a connection has closed it. */
static int sockets[2] = { -1, -1 };

static int socket_of(void)
{
	if (sockets[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		abort();
	return sockets[0];
}

static void open_conn(struct ktls_conn *conn, enum ktls_protocol protocol, enum ktls_cipher cipher,
		      size_t payload_max)
{
	int r;

	conn->protocol = (uint16_t)protocol;
	conn->cipher = (uint16_t)cipher;
	conn->payload_max = (uint16_t)payload_max;
	conn->suite = "made up";
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++) {
		conn->half[d].keys = stranger.keys[!d];
		conn->half[d].secret = stranger.secret[!d];
	}
	ktls_conn_set_state(conn, KTLS_STATE_HANDSHAKE);
	r = ktls_conn_open(conn);
	assert(!r);
}

struct opened opened_new(struct input *input)
{
	/* What a peer's record_size_limit leaves, with and without the inner type. */
	static const size_t payload_max[] = { KERN_PAYLOAD_MAX, KTLS_PAYLOAD_MIN - 1,
					      KTLS_PAYLOAD_MIN, 1000 };
	uint8_t suite = input_u8(input), config = input_u8(input);
	enum ktls_role role = suite & 1 ? KTLS_SERVER : KTLS_CLIENT;
	enum ktls_protocol protocol = suite & 2 ? KTLS_TLS_1_2 : KTLS_TLS_1_3;
	enum ktls_cipher cipher = suite >> 2 & 3;
	struct opened opened = {
		.config = config_of(role, config % OPENED_CONFIGS_N),
		.settings = &settings[config % OPENED_CONFIGS_N],
		.protocol = protocol,
	};
	int fd = socket_of(), r;

	stranger_begin(fd, protocol, cipher);
	stranger.payload_max = payload_max[config >> 3 & 3];
	r = ktls_conn_new(&opened.conn, opened.config, fd);
	assert(!r);
	open_conn(opened.conn, protocol, cipher, stranger.payload_max);
	return opened;
}

static void expect_same(int r, int error, size_t n)
{
	assert(r == error && !n);
}

void opened_check_failed(struct ktls_conn *conn, int error)
{
	uint8_t bytes[1] = { 0 };
	size_t n = 0;
	int r;

	stranger.silent = true;
	assert(error < 0 && *ktls_conn_error(conn));
	r = ktls_conn_read(conn, bytes, sizeof(bytes), KTLS_NOW, &n);
	expect_same(r, error, n);
	r = ktls_conn_write(conn, bytes, sizeof(bytes), KTLS_NOW, &n);
	expect_same(r, error, n);
	r = ktls_conn_freeze(conn, NULL, 0, &n);
	expect_same(r, error, n);
	expect_same(ktls_conn_update_key(conn, KTLS_KEY_UPDATE_OURS, KTLS_NOW), error, 0);
	expect_same(ktls_conn_shutdown(conn, KTLS_NOW), error, 0);
}

void opened_free(struct opened *opened)
{
	opened->conn = ktls_conn_free(opened->conn);
}
