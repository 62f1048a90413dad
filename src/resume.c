/* SPDX-License-Identifier: MIT */

/*
 * Resumption, with GnuTLS. A server's tickets are made when the handshake is done, by a session
 * whose messages are diverted to us, and wait, as plain messages, for the first write: sending them
 * earlier could block on a client that writes before it reads. A client that wants tickets keeps
 * its session, feeds it the messages that come, and takes the data that resumes.
 */

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include <ktls/session.h>

#include "base/secret.h"
#include "config.h"
#include "conn.h"
#include "handshake.h"
#include "replay.h"
#include "resume.h"
#include "ticket_keys.h"
#include "verify.h"

enum {
	TICKETS_LEN_MAX = 1 << 14, /* they leave in one record */
	WAIT_BYTES_MAX = 1 << 20,  /* read without a ticket */
	SESSION_HEADER_LEN = 8,
	MESSAGE_HEADER_LEN = 4,
};

int ktls_resume_need(struct ktls_conn *conn)
{
	if (!conn->resume)
		conn->resume = calloc(1, sizeof(*conn->resume));
	return conn->resume ? 0 : -ENOMEM;
}

struct ktls_resume *ktls_resume_free(struct ktls_resume *resume)
{
	if (!resume)
		return NULL;
	ktls_bytes_free(&resume->offer);
	ktls_bytes_free(&resume->session);
	ktls_bytes_free(&resume->early);
	ktls_bytes_free(&resume->tickets);
	ktls_bytes_free(&resume->message);
	free(resume);
	return NULL;
}

/* Of a config */

int ktls_resumption_read_keys(struct ktls_config *config, const char *path,
			      struct ktls_ticket_keys **ret_keys)
{
	const char *what = NULL;
	int r = ktls_ticket_keys_new(ret_keys, path, config->ticket_lifetime_s, &what);

	if (r < 0)
		return ktls_config_fail(config, r, "reading the ticket keys%s%s: %s",
					path ? " of " : "", path ? path : "",
					what ? what : ktls_strerror(r));
	return 0;
}

int ktls_resumption_freeze(struct ktls_config *config)
{
	int r = 0;

	if (config->role != KTLS_SERVER || !config->tickets)
		return 0;
	ktls_resumption_free(config->resumption);
	config->resumption = calloc(1, sizeof(*config->resumption));
	if (!config->resumption)
		return -ENOMEM;
	r = ktls_resumption_read_keys(config, config->ticket_file, &config->resumption->keys);
	if (!r && config->early_data_bytes)
		r = ktls_early_freeze(config);
	return r;
}

struct ktls_resumption *ktls_resumption_free(struct ktls_resumption *resumption)
{
	if (!resumption)
		return NULL;
	ktls_ticket_keys_free(resumption->keys);
	ktls_replay_free(resumption->replay);
	if (resumption->anti_replay)
		gnutls_anti_replay_deinit(resumption->anti_replay);
	free(resumption);
	return NULL;
}

/* The session to resume: "KTLS", version, whether the peer was verified, the length of its name,
 * the name, and GnuTLS's data. What was not verified must not pass for it later, nor one name's
 * server for another's: a resumed handshake shows no certificate. */

static const char session_magic[] = { 'K', 'T', 'L', 'S', 1 };

static void write_session_header(const struct ktls_conn *conn, uint8_t *ret_header)
{
	size_t name_len = conn->server_name ? strlen(conn->server_name) : 0;

	memcpy(ret_header, session_magic, sizeof(session_magic));
	ret_header[5] = !ktls_verify_is_off(conn->config);
	ret_header[6] = (uint8_t)(name_len >> 8);
	ret_header[7] = (uint8_t)name_len;
}

static bool session_fits(const struct ktls_conn *conn, const uint8_t *data, size_t len)
{
	uint8_t mine[SESSION_HEADER_LEN];
	size_t name_len;

	if (len < SESSION_HEADER_LEN)
		return false;
	write_session_header(conn, mine);
	/* One that was verified serves also who does not ask for it. */
	if (data[5] > mine[5])
		mine[5] = data[5];
	if (memcmp(data, mine, sizeof(mine)) != 0 || data[5] > 1)
		return false;
	name_len = (size_t)data[6] << 8 | data[7];
	return len > SESSION_HEADER_LEN + name_len &&
	       (!name_len || !memcmp(data + SESSION_HEADER_LEN, conn->server_name, name_len));
}

int ktls_conn_set_session(struct ktls_conn *conn, const void *data, size_t len)
{
	int r;

	if (!conn || !data || conn->config->role != KTLS_CLIENT || conn->config->insecure_plaintext)
		return -EINVAL;
	if (ktls_conn_has_begun(conn))
		return -EISCONN;
	if (!session_fits(conn, data, len))
		return -KTLS_E_BAD_SESSION;
	r = ktls_resume_need(conn);
	if (r < 0)
		return r;
	ktls_bytes_free(&conn->resume->offer);
	return ktls_bytes_append(&conn->resume->offer, data, len);
}

int ktls_conn_get_session(const struct ktls_conn *conn, void *buf, size_t size, size_t *ret_len)
{
	const struct ktls_bytes *session = conn && conn->resume ? &conn->resume->session : NULL;

	if (!conn || (!buf && size) || !ret_len)
		return -EINVAL;
	if (!session || !session->len)
		return -ENODATA;
	*ret_len = session->len;
	if (session->len > size)
		return -ENOSPC;
	memcpy(buf, session->data, session->len);
	return 0;
}

/* Takes from GnuTLS what resumes the connection as it stands. */
static int keep_session(struct ktls_conn *conn)
{
	struct ktls_bytes *kept = &conn->resume->session;
	uint8_t header[SESSION_HEADER_LEN];
	gnutls_datum_t data;
	int r;

	if (gnutls_session_get_data2(conn->handshake->session, &data) < 0)
		return 0;
	ktls_bytes_free(kept);
	write_session_header(conn, header);
	r = ktls_bytes_append(kept, header, sizeof(header));
	if (!r && conn->server_name)
		r = ktls_bytes_append(kept, conn->server_name, strlen(conn->server_name));
	if (!r)
		r = ktls_bytes_append(kept, data.data, data.size);
	gnutls_memset(data.data, 0, data.size);
	gnutls_free(data.data);
	if (r < 0)
		ktls_bytes_free(kept);
	return r;
}

/* The session, before the handshake */

unsigned int ktls_resume_flags(const struct ktls_config *config)
{
	unsigned int flags = GNUTLS_NO_AUTO_SEND_TICKET;

	if (!config->tickets)
		flags |= GNUTLS_NO_TICKETS;
	if (config->role == KTLS_SERVER && config->tickets && config->early_data_bytes)
		flags |= GNUTLS_ENABLE_EARLY_DATA;
	return flags;
}

static int apply_server(const struct ktls_config *config, gnutls_session_t session)
{
	if (!config->tickets)
		return 0;
	gnutls_db_set_cache_expiration(session, (int)config->ticket_lifetime_s);
	if (!config->early_data_bytes)
		return 0;
	gnutls_anti_replay_enable(session, config->resumption->anti_replay);
	return gnutls_record_set_max_early_data_size(session, config->early_data_bytes) < 0
		       ? -KTLS_E_CRYPTO
		       : 0;
}

static int apply_client(struct ktls_conn *conn, gnutls_session_t session)
{
	const struct ktls_bytes *offer = &conn->resume->offer;
	size_t skip;

	if (!offer->len)
		return 0;
	/* The name may have been set anew since. */
	if (!session_fits(conn, offer->data, offer->len))
		return -KTLS_E_BAD_SESSION;
	skip = SESSION_HEADER_LEN + ((size_t)offer->data[6] << 8 | offer->data[7]);
	if (gnutls_session_set_data(session, offer->data + skip, offer->len - skip) < 0)
		return -KTLS_E_BAD_SESSION;
	ktls_early_offer(conn, session);
	return 0;
}

int ktls_resume_apply(struct ktls_conn *conn, gnutls_session_t session)
{
	if (conn->config->role == KTLS_SERVER)
		return apply_server(conn->config, session);
	return conn->resume ? apply_client(conn, session) : 0;
}

void ktls_resume_choose_key(struct ktls_conn *conn, struct ktls_ticket_keys *keys)
{
	const struct ktls_hello *hello = &conn->handshake->hello;
	uint8_t key[KTLS_TICKET_KEY_LEN];
	gnutls_datum_t datum = { key, sizeof(key) };
	bool found = false;

	static_assert((int)KTLS_HELLO_NAME_LEN == (int)KTLS_TICKET_NAME_LEN, "a ticket's name");
	if (!keys)
		return;
	for (size_t i = 0; i < hello->tickets_n && !found; i++)
		found = ktls_ticket_keys_find(keys, hello->tickets[i], key);
	if (!found)
		ktls_ticket_keys_choose(keys, NULL, key);
	gnutls_session_ticket_enable_server(conn->handshake->session, &datum);
	explicit_bzero(key, sizeof(key));
}

/* Tickets: the server's side */

/* gnutls_handshake_read_func: what GnuTLS wants to send. */
static int divert(gnutls_session_t session, gnutls_record_encryption_level_t level,
		  gnutls_handshake_description_t type, const void *data, size_t len)
{
	struct ktls_conn *conn = gnutls_session_get_ptr(session);
	struct ktls_bytes *tickets = &conn->resume->tickets;

	(void)level;
	if (type != GNUTLS_HANDSHAKE_NEW_SESSION_TICKET || tickets->len + len > TICKETS_LEN_MAX)
		return 0;
	return ktls_bytes_append(tickets, data, len) < 0 ? GNUTLS_E_MEMORY_ERROR : 0;
}

static int make_tickets(struct ktls_conn *conn)
{
	gnutls_session_t session = conn->handshake->session;
	int r = ktls_resume_need(conn);

	if (r < 0)
		return r;
	gnutls_handshake_set_read_function(session, divert);
	/* Without them the connection is as good. */
	if (gnutls_session_ticket_send(session, conn->config->tickets, 0) < 0)
		ktls_bytes_free(&conn->resume->tickets);
	return 0;
}

int ktls_resume_pay(struct ktls_conn *conn)
{
	struct ktls_resume *resume = conn->resume;
	int r;

	if (!resume || !resume->tickets.len)
		return 0;
	r = ktls_post_send(conn, KERN_RECORD_HANDSHAKE, resume->tickets.data, resume->tickets.len);
	if (r)
		return r;
	ktls_bytes_free(&resume->tickets);
	if (!resume->early.len)
		conn->resume = ktls_resume_free(resume);
	return 0;
}

const uint8_t *ktls_resume_tickets(const struct ktls_conn *conn, size_t *ret_len)
{
	*ret_len = conn->resume ? conn->resume->tickets.len : 0;
	return *ret_len ? conn->resume->tickets.data : NULL;
}

int ktls_resume_set_tickets(struct ktls_conn *conn, const uint8_t *tickets, size_t len)
{
	int r = len ? ktls_resume_need(conn) : 0;

	return r || !len ? r : ktls_bytes_append(&conn->resume->tickets, tickets, len);
}

static int finish_server(struct ktls_conn *conn)
{
	unsigned int flags = gnutls_session_get_flags(conn->handshake->session);
	int r = 0;

	if (conn->config->early_data_bytes && flags & GNUTLS_SFLAGS_EARLY_DATA)
		r = ktls_early_take(conn);
	if (!r && conn->config->tickets && conn->protocol == KTLS_TLS_1_3)
		r = make_tickets(conn);
	return r;
}

/* And the client's */

static int finish_client(struct ktls_conn *conn, bool *ret_wait)
{
	gnutls_session_t session = conn->handshake->session;
	int r = conn->config->tickets ? ktls_resume_need(conn) : 0;

	if (r < 0 || !conn->resume)
		return r;
	if (gnutls_session_get_flags(session) & GNUTLS_SFLAGS_EARLY_DATA)
		conn->early_data = KTLS_EARLY_DATA_ACCEPTED;
	ktls_bytes_free(&conn->resume->offer);
	ktls_bytes_free(&conn->resume->early);
	if (!conn->config->tickets)
		return 0;
	/* TLS 1.2's came with the handshake, or the one that was offered goes on. */
	if (conn->protocol == KTLS_TLS_1_2)
		return conn->resumed || gnutls_session_get_flags(session) &
						GNUTLS_SFLAGS_SESSION_TICKET
			       ? keep_session(conn)
			       : 0;
	conn->resume->tickets_left = conn->config->tickets;
	gnutls_handshake_set_read_function(session, divert);
	*ret_wait = true;
	return 0;
}

int ktls_resume_finish(struct ktls_conn *conn, bool *ret_wait)
{
	*ret_wait = false;
	conn->resumed = gnutls_session_is_resumed(conn->handshake->session) != 0;
	return conn->config->role == KTLS_SERVER ? finish_server(conn)
						 : finish_client(conn, ret_wait);
}

int ktls_resume_ticket_begin(struct ktls_conn *conn, const uint8_t header[4], size_t body_len)
{
	struct ktls_bytes *message = conn->handshake ? &conn->resume->message : NULL;

	if (!message)
		return 0;
	message->data = malloc(MESSAGE_HEADER_LEN + body_len);
	if (!message->data)
		return -ENOMEM;
	message->len = MESSAGE_HEADER_LEN + body_len;
	memcpy(message->data, header, MESSAGE_HEADER_LEN);
	conn->resume->message_at = MESSAGE_HEADER_LEN;
	return 0;
}

void ktls_resume_ticket_bytes(struct ktls_conn *conn, const uint8_t *bytes, size_t len)
{
	struct ktls_resume *resume = conn->resume;

	if (!conn->handshake)
		return;
	assert(len <= resume->message.len - resume->message_at);
	memcpy(resume->message.data + resume->message_at, bytes, len);
	resume->message_at += len;
}

static void stop_waiting(struct ktls_conn *conn)
{
	conn->handshake = ktls_handshake_free(conn->handshake);
	ktls_bytes_free(&conn->resume->message);
}

int ktls_resume_ticket_end(struct ktls_conn *conn)
{
	struct ktls_resume *resume = conn->resume;
	int r;

	if (!conn->handshake)
		return 0;
	if (gnutls_handshake_write(conn->handshake->session, GNUTLS_ENCRYPTION_LEVEL_APPLICATION,
				   resume->message.data, resume->message.len) < 0)
		return -KTLS_E_PROTOCOL;
	ktls_bytes_free(&resume->message);
	r = keep_session(conn);
	if (!r && !--resume->tickets_left)
		stop_waiting(conn);
	return r;
}

void ktls_resume_read(struct ktls_conn *conn)
{
	/* Not in the middle of one. */
	if (conn->handshake && !conn->resume->message.len &&
	    (conn->rx_end || conn->half[KTLS_RX].bytes > WAIT_BYTES_MAX))
		stop_waiting(conn);
}
