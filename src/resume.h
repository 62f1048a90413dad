/* SPDX-License-Identifier: MIT */
#ifndef KTLS_RESUME_H
#define KTLS_RESUME_H

/*
 * Resumption (RFC 8446 2.2, 4.6.1) and early data (2.3, 4.2.10): what a config has for it, what a
 * connection holds of it, and the moments at which the handshake and the messages behind it come
 * here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct gnutls_anti_replay_st;
struct gnutls_session_int;
struct ktls_config;
struct ktls_conn;
struct ktls_handshake;
struct ktls_replay;
struct ktls_ticket_keys;

/* Of a config. */
struct ktls_resumption {
	struct ktls_ticket_keys *keys;
	struct ktls_replay *replay;
	struct gnutls_anti_replay_st *anti_replay;
};

/* Of a connection; only while there is something of it. */
struct ktls_resume {
	struct ktls_bytes offer;   /* client: what is to be resumed */
	struct ktls_bytes session; /* client: what resumes this connection */
	struct ktls_bytes early;   /* client: to send; server: received */
	struct ktls_bytes tickets; /* server: messages owed */
	struct ktls_bytes message; /* client: a NewSessionTicket that is coming in */
	size_t early_at, message_at;
	unsigned int tickets_left; /* client: to come */
};

/* The keys of a file, or of this process alone (NULL); 0 or the error, with its sentence. */
int ktls_resumption_read_keys(struct ktls_config *config, const char *path,
			      struct ktls_ticket_keys **ret_keys);

/* Made by the config's freeze; 0 or the error, with its sentence. */
int ktls_resumption_freeze(struct ktls_config *config);
struct ktls_resumption *ktls_resumption_free(struct ktls_resumption *resumption);

/* The connection has one now. -ENOMEM. */
int ktls_resume_need(struct ktls_conn *conn);
/* Wiped. Takes NULL; returns NULL. */
struct ktls_resume *ktls_resume_free(struct ktls_resume *resume);

/* What gnutls_init() is told, and then the session. -KTLS_E_BAD_SESSION, -KTLS_E_CRYPTO. */
unsigned int ktls_resume_flags(const struct ktls_config *config);
int ktls_resume_apply(struct ktls_conn *conn, struct gnutls_session_int *session);

/* Server: the first ClientHello has been looked at; chooses among the keys for its tickets and
 * ours. NULL: there are no tickets. */
void ktls_resume_choose_key(struct ktls_conn *conn, struct ktls_ticket_keys *keys);

/* The handshake is done: takes over what only GnuTLS's session can give. *ret_wait: a client's must
 * stay until tickets came. */
int ktls_resume_finish(struct ktls_conn *conn, bool *ret_wait);

/* Client: a NewSessionTicket, as it trickles in. _end answers 0 or a negative code. */
int ktls_resume_ticket_begin(struct ktls_conn *conn, const uint8_t header[4], size_t body_len);
void ktls_resume_ticket_bytes(struct ktls_conn *conn, const uint8_t *bytes, size_t len);
int ktls_resume_ticket_end(struct ktls_conn *conn);

/* Client: data came, or the end: no ticket is waited for for ever. */
void ktls_resume_read(struct ktls_conn *conn);

/* Server: sends the tickets, if they have not been. */
int ktls_resume_pay(struct ktls_conn *conn);

/* The tickets that are owed, or NULL with 0 bytes; and the same, of a connection that was frozen.
 */
const uint8_t *ktls_resume_tickets(const struct ktls_conn *conn, size_t *ret_len);
int ktls_resume_set_tickets(struct ktls_conn *conn, const uint8_t *tickets, size_t len);

/* early.c: remembers what was seen; gives the client's session the data to send, and takes it out
 * of the server's. */
int ktls_early_freeze(struct ktls_config *config);
void ktls_early_offer(struct ktls_conn *conn, struct gnutls_session_int *session);
int ktls_early_take(struct ktls_conn *conn);

/* Server: there is early data that nobody has read. */
bool ktls_resume_holds_early_data(const struct ktls_conn *conn);

#endif
