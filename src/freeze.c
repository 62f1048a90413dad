/* SPDX-License-Identifier: MIT */

/*
 * A connection as bytes, and back: a head of fixed layout, then what differs in length, in the
 * order of `struct parts`. What comes back is checked as if a stranger had sent it, though it must
 * not have: it holds keys.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/freeze.h>
#include <ktls/version.h>

#include "base/secret.h"
#include "config.h"
#include "conn.h"
#include "pool.h"
#include "resume.h"

enum {
	VERSION_LEN = 16,
	NAME_MAX_LEN = 256,
};

static const char magic[8] = "ktlsfrz1";

enum part {
	PART_SUITE = 0,
	PART_ALPN,
	PART_SERVER_NAME,
	PART_TICKETS,
	PART_TX,       /* records that TCP has not taken */
	PART_RX_PLAIN, /* opened, not read */
	PART_RX,       /* not opened */
	PARTS_N,
};

struct parts {
	const uint8_t *data[PARTS_N];
	uint32_t len[PARTS_N];
};

struct frozen_half {
	uint64_t seq, bytes;
	uint64_t taken_before, plain, records_before, first_seq; /* in the kernel */
	uint32_t key_updates;
	int32_t error, alert; /* in userspace */
	uint8_t protection, plain_type, ended, unused;
	uint8_t key[KERN_KEY_MAX];
	uint8_t iv[KERN_IV_LEN];
	uint8_t secret[KTLS_SECRET_MAX];
	uint32_t reserved;
};

/* Integers of fixed size only, and no holes. */
struct frozen {
	char magic[sizeof(magic)];
	char version[VERSION_LEN];
	struct frozen_half half[_KTLS_DIRECTION_N];
	uint64_t file_end, run_bytes, moved_ns;
	uint32_t part_len[PARTS_N];
	uint32_t body_left, messages;
	uint16_t protocol, cipher, payload_max;
	uint8_t role, resumed, early_data;
	uint8_t rx_end, close_sent, transport_shut, sendfile_seen;
	uint8_t header[4], header_len;
	uint8_t alert[2], alert_len;
	uint8_t update_request, owes_no_renegotiation, empty;
	uint8_t rekey_owed, rekey_announced, rekey_ending;
	uint8_t group[2];
	uint8_t unused[7];
};

KTLS_DEFINE_WIPE(frozen);

static_assert(sizeof(struct frozen_half) == 160, "no holes");
static_assert(sizeof(struct frozen) == 440, "no holes");

/* Freezing */

static void freeze_half(const struct ktls_half *half, struct frozen_half *frozen)
{
	frozen->seq = half->keys.seq;
	frozen->bytes = half->bytes;
	frozen->key_updates = half->key_updates;
	frozen->protection = (uint8_t)half->protect->protection;
	memcpy(frozen->key, half->keys.key, sizeof(frozen->key));
	memcpy(frozen->iv, half->keys.iv, sizeof(frozen->iv));
	memcpy(frozen->secret, half->secret.bytes, sizeof(frozen->secret));
	if (half->protect == &ktls_protect_kernel) {
		frozen->taken_before = half->kernel.taken_before;
		frozen->plain = half->kernel.plain;
		frozen->records_before = half->kernel.records_before;
		frozen->first_seq = half->kernel.first_seq;
	} else {
		frozen->error = half->user.error;
		frozen->alert = half->user.alert;
		frozen->ended = half->user.ended;
		frozen->plain_type = half->user.plain_type;
	}
}

static void freeze_post(const struct ktls_conn *conn, struct frozen *frozen)
{
	const struct ktls_post *post = &conn->post;

	memcpy(frozen->header, post->header, sizeof(frozen->header));
	memcpy(frozen->alert, post->alert, sizeof(frozen->alert));
	frozen->header_len = post->header_len;
	frozen->alert_len = post->alert_len;
	frozen->body_left = post->body_left;
	frozen->messages = post->messages;
	frozen->update_request = post->update_request;
	frozen->owes_no_renegotiation = post->owes_no_renegotiation;
	frozen->empty = post->empty;
	frozen->rekey_owed = conn->rekey.owed;
	frozen->rekey_announced = conn->rekey.announced;
	frozen->rekey_ending = conn->rekey.ending;
}

static void freeze_conn(const struct ktls_conn *conn, struct frozen *frozen)
{
	memcpy(frozen->magic, magic, sizeof(magic));
	memcpy(frozen->version, KTLS_VERSION, sizeof(KTLS_VERSION));
	frozen->role = (uint8_t)conn->config->role;
	frozen->protocol = conn->protocol;
	frozen->cipher = conn->cipher;
	frozen->payload_max = conn->payload_max;
	memcpy(frozen->group, &conn->group, sizeof(frozen->group));
	frozen->resumed = conn->resumed;
	frozen->early_data = conn->early_data;
	frozen->rx_end = conn->rx_end;
	frozen->close_sent = conn->close_sent;
	frozen->transport_shut = conn->transport_shut;
	frozen->sendfile_seen = conn->sendfile_seen;
	frozen->file_end = conn->file_end;
	frozen->run_bytes = conn->pace.run_bytes;
	frozen->moved_ns = conn->pace.moved_ns;
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++)
		freeze_half(&conn->half[d], &frozen->half[d]);
	freeze_post(conn, frozen);
}

static void set_part(struct parts *parts, enum part part, const void *data, size_t len)
{
	parts->data[part] = data;
	parts->len[part] = (uint32_t)len;
}

static void set_name(struct parts *parts, enum part part, const char *name)
{
	if (name)
		set_part(parts, part, name, strlen(name));
}

static struct parts gather_parts(const struct ktls_conn *conn)
{
	const struct ktls_half *tx = &conn->half[KTLS_TX], *rx = &conn->half[KTLS_RX];
	struct parts parts = { 0 };
	const uint8_t *tickets;
	size_t len;

	set_name(&parts, PART_SUITE, conn->suite);
	set_name(&parts, PART_ALPN, conn->alpn);
	set_name(&parts, PART_SERVER_NAME, conn->server_name);
	tickets = ktls_resume_tickets(conn, &len);
	set_part(&parts, PART_TICKETS, tickets, len);
	if (tx->protect == &ktls_protect_user && tx->user.buffer)
		set_part(&parts, PART_TX, tx->user.buffer + tx->user.start,
			 tx->user.end - tx->user.start);
	if (rx->protect == &ktls_protect_user && rx->user.buffer) {
		set_part(&parts, PART_RX_PLAIN, rx->user.buffer + rx->user.plain,
			 rx->user.plain_len);
		set_part(&parts, PART_RX, rx->user.buffer + rx->user.start,
			 rx->user.end - rx->user.start);
	}
	return parts;
}

static int check_freezable(const struct ktls_conn *conn)
{
	int r = ktls_conn_check_io(conn);

	if (r)
		return r;
	/* Closed with its socket: nothing is left that could go on. */
	if (conn->gone)
		return -ENOTCONN;
	if (conn->transport || conn->config->insecure_plaintext)
		return -EOPNOTSUPP;
	return ktls_resume_holds_early_data(conn) ? -EBUSY : 0;
}

int ktls_conn_freeze(struct ktls_conn *conn, void *buf, size_t size, size_t *ret_len)
{
	_cleanup_(frozen_wipe) struct frozen frozen = { .unused = { 0 } };
	size_t at = sizeof(frozen);
	struct parts parts;
	int r;

	if (!conn || (!buf && size) || !ret_len)
		return -EINVAL;
	r = check_freezable(conn);
	if (r)
		return r;
	parts = gather_parts(conn);
	freeze_conn(conn, &frozen);
	memcpy(frozen.part_len, parts.len, sizeof(frozen.part_len));
	*ret_len = at;
	for (int i = 0; i < PARTS_N; i++)
		*ret_len += parts.len[i];
	if (*ret_len > size)
		return -ENOSPC;
	memcpy(buf, &frozen, sizeof(frozen));
	for (int i = 0; i < PARTS_N; i++) {
		if (parts.len[i])
			memcpy((uint8_t *)buf + at, parts.data[i], parts.len[i]);
		at += parts.len[i];
	}
	ktls_conn_leave(conn);
	return 0;
}

/* Thawing */

static bool part_fits(enum part part, uint32_t len)
{
	switch (part) {
	case PART_SUITE:
	case PART_ALPN:
	case PART_SERVER_NAME:
		return len < NAME_MAX_LEN;
	case PART_TICKETS:
		return len <= KERN_PAYLOAD_MAX;
	case PART_TX:
	case PART_RX_PLAIN:
	case PART_RX:
		return len <= KTLS_POOL_BUFFER_LEN;
	case PARTS_N:
		break;
	}
	return false;
}

static bool split_parts(const struct frozen *frozen, const uint8_t *data, size_t len,
			struct parts *ret_parts)
{
	size_t at = sizeof(*frozen);

	for (int i = 0; i < PARTS_N; i++) {
		uint32_t part_len = frozen->part_len[i];

		if (!part_fits(i, part_len) || part_len > len - at)
			return false;
		set_part(ret_parts, i, data + at, part_len);
		at += part_len;
	}
	return at == len;
}

static bool half_is_sane(const struct frozen_half *half, unsigned int protocol, unsigned int cipher,
			 unsigned int direction, int fd)
{
	uint64_t seq;

	if (half->protection == KTLS_PROTECTION_USER)
		return half->ended <= 1 && half->error <= 0;
	/* The key must be in this very socket. */
	return half->protection == KTLS_PROTECTION_KERNEL &&
	       !kern_seq(fd, direction, protocol, cipher, &seq);
}

static bool head_is_sane(const struct frozen *frozen, const struct ktls_config *config)
{
	const struct frozen expected = { .version = KTLS_VERSION };

	return !memcmp(frozen->magic, magic, sizeof(magic)) &&
	       !memcmp(frozen->version, expected.version, sizeof(expected.version)) &&
	       frozen->role == config->role &&
	       (frozen->protocol == KTLS_TLS_1_2 || frozen->protocol == KTLS_TLS_1_3) &&
	       frozen->cipher < _KTLS_CIPHER_N && frozen->payload_max >= KTLS_PAYLOAD_MIN - 1 &&
	       frozen->payload_max <= KERN_PAYLOAD_MAX && frozen->early_data < _KTLS_EARLY_DATA_N &&
	       (!frozen->rx_end || frozen->rx_end == KTLS_EOF || frozen->rx_end == KTLS_CLOSED) &&
	       frozen->header_len <= sizeof(frozen->header) &&
	       frozen->alert_len < sizeof(frozen->alert) &&
	       frozen->rekey_owed <= KTLS_REKEY_BOTH_WAYS &&
	       (frozen->rekey_owed || !frozen->rekey_announced) &&
	       frozen->rekey_ending <= KTLS_ENDING_TLS12;
}

static bool is_sane(const struct frozen *frozen, const struct ktls_config *config, int fd)
{
	if (!head_is_sane(frozen, config))
		return false;
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++)
		if (!half_is_sane(&frozen->half[d], frozen->protocol, frozen->cipher, d, fd))
			return false;
	return true;
}

static void thaw_half(struct ktls_conn *conn, unsigned int direction,
		      const struct frozen_half *frozen)
{
	struct ktls_half *half = &conn->half[direction];

	half->keys = (struct kern_keys){ .protocol = conn->protocol,
					 .cipher = conn->cipher,
					 .seq = frozen->seq };
	memcpy(half->keys.key, frozen->key, sizeof(frozen->key));
	memcpy(half->keys.iv, frozen->iv, sizeof(frozen->iv));
	memcpy(half->secret.bytes, frozen->secret, sizeof(frozen->secret));
	half->bytes = frozen->bytes;
	half->key_updates = frozen->key_updates;
	if (frozen->protection == KTLS_PROTECTION_KERNEL) {
		half->protect = &ktls_protect_kernel;
		half->kernel = (struct ktls_kernel){
			.taken_before = frozen->taken_before,
			.plain = frozen->plain,
			.records_before = frozen->records_before,
			.first_seq = frozen->first_seq,
		};
		return;
	}
	ktls_protect_user.install(conn, direction);
	half->user.error = frozen->error;
	half->user.alert = frozen->alert;
	half->user.ended = frozen->ended;
	half->user.plain_type = frozen->plain_type;
}

static void thaw_post(struct ktls_conn *conn, const struct frozen *frozen)
{
	struct ktls_post *post = &conn->post;

	memcpy(post->header, frozen->header, sizeof(post->header));
	memcpy(post->alert, frozen->alert, sizeof(post->alert));
	post->header_len = frozen->header_len;
	post->alert_len = frozen->alert_len;
	post->body_left = frozen->body_left;
	post->messages = frozen->messages;
	post->update_request = frozen->update_request;
	post->owes_no_renegotiation = frozen->owes_no_renegotiation;
	post->empty = frozen->empty;
	conn->rekey.owed = frozen->rekey_owed;
	conn->rekey.announced = frozen->rekey_announced;
	conn->rekey.ending = frozen->rekey_ending;
}

static void thaw_conn(struct ktls_conn *conn, const struct frozen *frozen)
{
	conn->protocol = frozen->protocol;
	conn->cipher = frozen->cipher;
	conn->payload_max = frozen->payload_max;
	memcpy(&conn->group, frozen->group, sizeof(conn->group));
	conn->resumed = frozen->resumed;
	conn->early_data = frozen->early_data;
	conn->sendfile_seen = frozen->sendfile_seen;
	conn->transport_shut = frozen->transport_shut;
	conn->file_end = frozen->file_end;
	conn->pace.run_bytes = frozen->run_bytes;
	conn->pace.moved_ns = frozen->moved_ns;
	for (unsigned int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++)
		thaw_half(conn, d, &frozen->half[d]);
	thaw_post(conn, frozen);
}

static char *copy_name(const struct parts *parts, enum part part)
{
	return strndup((const char *)parts->data[part], parts->len[part]);
}

/* Facts that are strings of their own here. */
static int thaw_names(struct ktls_conn *conn, const struct parts *parts)
{
	if (parts->len[PART_SERVER_NAME]) {
		conn->server_name = copy_name(parts, PART_SERVER_NAME);
		if (!conn->server_name)
			return -ENOMEM;
	}
	conn->thawed_suite = copy_name(parts, PART_SUITE);
	conn->thawed_alpn = copy_name(parts, PART_ALPN);
	if (!conn->thawed_suite || !conn->thawed_alpn)
		return -ENOMEM;
	conn->suite = conn->thawed_suite;
	conn->alpn = parts->len[PART_ALPN] ? conn->thawed_alpn : NULL;
	return ktls_resume_set_tickets(conn, parts->data[PART_TICKETS], parts->len[PART_TICKETS]);
}

/* What userspace held, into buffers of this config's. */
static int thaw_bytes(struct ktls_conn *conn, const struct parts *parts)
{
	struct ktls_user *tx = &conn->half[KTLS_TX].user, *rx = &conn->half[KTLS_RX].user;
	uint32_t plain_len = parts->len[PART_RX_PLAIN], rx_len = parts->len[PART_RX];
	int r;

	if (parts->len[PART_TX]) {
		r = ktls_protect_user_hold(conn, KTLS_TX);
		if (r)
			return r;
		memcpy(tx->buffer, parts->data[PART_TX], parts->len[PART_TX]);
		tx->end = parts->len[PART_TX];
	}
	if (plain_len || rx_len) {
		r = ktls_protect_user_hold(conn, KTLS_RX);
		if (r)
			return r;
		memcpy(rx->buffer, parts->data[PART_RX_PLAIN], plain_len);
		memcpy(rx->buffer + plain_len, parts->data[PART_RX], rx_len);
		rx->plain = 0;
		rx->plain_len = plain_len;
		rx->start = plain_len;
		rx->end = plain_len + rx_len;
	}
	return 0;
}

/* Only userspace holds bytes, and a direction in one buffer. */
static bool parts_agree(const struct frozen *frozen)
{
	if (frozen->part_len[PART_RX_PLAIN] + frozen->part_len[PART_RX] > KTLS_POOL_BUFFER_LEN)
		return false;
	if (frozen->half[KTLS_TX].protection != KTLS_PROTECTION_USER && frozen->part_len[PART_TX])
		return false;
	return frozen->half[KTLS_RX].protection == KTLS_PROTECTION_USER ||
	       (!frozen->part_len[PART_RX_PLAIN] && !frozen->part_len[PART_RX]);
}

static void set_states(struct ktls_conn *conn, const struct frozen *frozen)
{
	ktls_conn_set_state(conn, KTLS_STATE_OPEN);
	if (frozen->rx_end)
		ktls_conn_end_rx(conn, frozen->rx_end);
	if (frozen->close_sent)
		ktls_conn_end_tx(conn);
}

static int thaw(struct ktls_conn *conn, const struct frozen *frozen, const struct parts *parts)
{
	int r;

	if (!is_sane(frozen, conn->config, conn->fd) || !parts_agree(frozen))
		return -KTLS_E_BAD_FROZEN;
	thaw_conn(conn, frozen);
	/* A KeyUpdate that went out is followed by its key. */
	if (conn->rekey.announced && !ktls_rekey_possible(conn, KTLS_TX))
		return -KTLS_E_BAD_FROZEN;
	r = thaw_names(conn, parts);
	if (!r)
		r = thaw_bytes(conn, parts);
	if (r)
		return r;
	ktls_conn_set_reasons(conn);
	set_states(conn, frozen);
	return 0;
}

int ktls_conn_thaw(struct ktls_conn **ret_conn, struct ktls_config *config, int fd,
		   const void *data, size_t len)
{
	_cleanup_(frozen_wipe) struct frozen frozen = { .unused = { 0 } };
	struct ktls_conn *conn;
	struct parts parts = { 0 };
	int r;

	if (!ret_conn || !config || !data)
		return -EINVAL;
	if (len < sizeof(frozen))
		return -KTLS_E_BAD_FROZEN;
	memcpy(&frozen, data, sizeof(frozen));
	if (!split_parts(&frozen, data, len, &parts))
		return -KTLS_E_BAD_FROZEN;
	r = ktls_conn_new(&conn, config, fd);
	if (r < 0)
		return r;
	r = thaw(conn, &frozen, &parts);
	if (r) {
		ktls_conn_free(conn);
		return r;
	}
	*ret_conn = conn;
	return 0;
}
