/* SPDX-License-Identifier: MIT */

/*
 * Early data (RFC 8446 2.3, 4.2.10, 8). GnuTLS asks us whether a ClientHello was seen before. Its
 * own window would refuse every ticket that is older than the window, so it is made endless, and
 * what was seen is remembered for as long as a ticket lives.
 */

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ktls/session.h>

#include "base/secret.h"
#include "config.h"
#include "conn.h"
#include "handshake.h"
#include "replay.h"
#include "resume.h"

enum {
	REPLAY_ENTRIES =
		1 << 17, /* early handshakes in a ticket's life, before the rest is refused */
	REPLAY_PREFIX_LEN = 12, /* when GnuTLS began to look: other processes' is another */
};

/* gnutls_db_add_func */
static int remember(void *ptr, time_t expires, const gnutls_datum_t *key,
		    const gnutls_datum_t *data)
{
	const struct ktls_config *config = ptr;
	const uint8_t *id = key->data + REPLAY_PREFIX_LEN;
	uint64_t now_s = (uint64_t)time(NULL), expires_s = now_s + config->ticket_lifetime_s + 1;
	int r;

	(void)expires;
	(void)data;
	if (key->size <= REPLAY_PREFIX_LEN)
		return GNUTLS_E_DB_ERROR;
	if (config->replay_add)
		r = config->replay_add(config->replay_context, id, key->size - REPLAY_PREFIX_LEN,
				       expires_s);
	else
		r = ktls_replay_add(config->resumption->replay, id, key->size - REPLAY_PREFIX_LEN,
				    now_s, expires_s);
	return r ? GNUTLS_E_DB_ENTRY_EXISTS : 0;
}

int ktls_early_freeze(struct ktls_config *config)
{
	struct ktls_resumption *resumption = config->resumption;
	int r = 0;

	if (!config->replay_add)
		r = ktls_replay_new(&resumption->replay, REPLAY_ENTRIES);
	if (!r && gnutls_anti_replay_init(&resumption->anti_replay) < 0)
		r = -ENOMEM;
	if (r < 0)
		return ktls_config_fail(config, r, "remembering early data: %s", ktls_strerror(r));
	gnutls_anti_replay_set_window(resumption->anti_replay, UINT32_MAX);
	gnutls_anti_replay_set_ptr(resumption->anti_replay, config);
	gnutls_anti_replay_set_add_function(resumption->anti_replay, remember);
	return 0;
}

int ktls_conn_set_early_data(struct ktls_conn *conn, const void *data, size_t len)
{
	if (!conn || (!data && len) || conn->config->role != KTLS_CLIENT || !conn->resume ||
	    !conn->resume->offer.len)
		return -EINVAL;
	if (ktls_conn_has_begun(conn))
		return -EISCONN;
	ktls_bytes_free(&conn->resume->early);
	return len ? ktls_bytes_append(&conn->resume->early, data, len) : 0;
}

int ktls_conn_read_early_data(struct ktls_conn *conn, void *buf, size_t len, size_t *ret_n)
{
	struct ktls_resume *resume = conn ? conn->resume : NULL;
	size_t n;
	int r;

	if (!conn || (!buf && len) || !ret_n || conn->config->role != KTLS_SERVER)
		return -EINVAL;
	r = ktls_conn_check_open(conn);
	if (r)
		return r;
	*ret_n = 0;
	if (!resume || !resume->early.len)
		return 0;
	n = resume->early.len - resume->early_at;
	n = n < len ? n : len;
	memcpy(buf, resume->early.data + resume->early_at, n);
	resume->early_at += n;
	if (resume->early_at == resume->early.len)
		ktls_bytes_free(&resume->early);
	*ret_n = n;
	return 0;
}

bool ktls_resume_holds_early_data(const struct ktls_conn *conn)
{
	return conn->resume && conn->config->role == KTLS_SERVER && conn->resume->early.len;
}

/* The session allows early data at all, and so much. Else it was refused before it was sent. */
void ktls_early_offer(struct ktls_conn *conn, gnutls_session_t session)
{
	const struct ktls_bytes *early = &conn->resume->early;

	if (!early->len)
		return;
	conn->early_data = KTLS_EARLY_DATA_REJECTED;
	if (early->len <= gnutls_record_get_max_early_data_size(session))
		gnutls_record_send_early_data(session, early->data, early->len);
}

int ktls_early_take(struct ktls_conn *conn)
{
	gnutls_session_t session = conn->handshake->session;
	_cleanup_(ktls_bytes_free) struct ktls_bytes room = {
		malloc(conn->config->early_data_bytes), conn->config->early_data_bytes
	};
	size_t got = 0;
	int r = room.data ? ktls_resume_need(conn) : -ENOMEM;

	while (!r && got < room.len) {
		ssize_t n = gnutls_record_recv_early_data(session, room.data + got, room.len - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	conn->early_data = KTLS_EARLY_DATA_ACCEPTED;
	return r || !got ? r : ktls_bytes_append(&conn->resume->early, room.data, got);
}
