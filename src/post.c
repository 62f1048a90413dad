/* SPDX-License-Identifier: MIT */

/*
 * What comes after the handshake and is not data: alerts (RFC 8446 6), NewSessionTicket (4.6.1),
 * KeyUpdate (4.6.3), and TLS 1.2's renegotiation, which is refused (RFC 5746 4.5 allows that).
 * Messages are parsed as they trickle in, so that no buffer is kept for them. What we owe the peer
 * is only noted, and paid before the next application byte: answering inside a read could block,
 * and a storm of requests must not owe more than one answer.
 */

#include <errno.h>
#include <string.h>

#include "config.h"
#include "conn.h"
#include "resume.h"

/* Handshake types (RFC 8446 4, RFC 5246 7.4). */
enum message {
	HELLO_REQUEST = 0,
	CLIENT_HELLO = 1,
	NEW_SESSION_TICKET = 4,
};

enum {
	ALERT_WARNING = 1,
	ALERT_FATAL = 2,
	HEADER_LEN = 4,
	CHUNK = 64,
	MESSAGE_MAX = 1 << 16,	/* bytes of one */
	MESSAGES_MAX = 1 << 17, /* in a row, with no application byte either way: a flood */
};

int ktls_post_send(struct ktls_conn *conn, uint8_t type, const void *bytes, size_t len)
{
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct ktls_cursor cursor = { .iov = &iov, .count = 1 };
	int r;

	if (!conn->half[KTLS_TX].protect)
		return -ENOTCONN;
	r = conn->half[KTLS_TX].protect->send(conn, type, &cursor);
	/* Accepted is sent: the rest of a record that was begun goes first in any case. */
	return r > 0 && !ktls_cursor_left(&cursor) ? 0 : r;
}

int ktls_post_send_alert(struct ktls_conn *conn, bool fatal, enum ktls_alert alert)
{
	const uint8_t bytes[] = { fatal ? ALERT_FATAL : ALERT_WARNING, (uint8_t)alert };
	int r = conn->rekey.announced ? ktls_rekey_send(conn) : 0;

	return r ? r : ktls_post_send(conn, KERN_RECORD_ALERT, bytes, sizeof(bytes));
}

static int fail_unexpected(struct ktls_conn *conn, const char *what, unsigned int value)
{
	return ktls_conn_fail_alert(conn, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
				    "reading: the peer sent %s %u after the handshake; told it "
				    "unexpected_message",
				    what, value);
}

static int pay_no_renegotiation(struct ktls_conn *conn)
{
	int r = ktls_post_send_alert(conn, false, KTLS_ALERT_NO_RENEGOTIATION);

	if (!r)
		conn->post.owes_no_renegotiation = false;
	return r;
}

static int settle(struct ktls_conn *conn)
{
	int r;

	if (conn->rekey.ending)
		return ktls_rekey_end(conn);
	r = ktls_resume_pay(conn);
	if (!r && conn->post.owes_no_renegotiation)
		r = pay_no_renegotiation(conn);
	if (!r && conn->rekey.owed)
		r = ktls_rekey_send(conn);
	return r;
}

int ktls_post_settle(struct ktls_conn *conn, bool more)
{
	int r;

	if (more && !conn->rekey.owed && ktls_pace_key_is_spent(conn))
		conn->rekey.owed = KTLS_REKEY_ONE_WAY;
	conn->hold = more;
	r = settle(conn);
	conn->hold = false;
	return r;
}

void ktls_post_calm(struct ktls_conn *conn)
{
	conn->post.messages = 0;
}

/* Handshake messages */

static bool is_expected(const struct ktls_conn *conn, uint8_t message)
{
	bool client = conn->config->role == KTLS_CLIENT;

	if (conn->protocol == KTLS_TLS_1_3)
		return message == KTLS_MESSAGE_KEY_UPDATE ||
		       (client && message == NEW_SESSION_TICKET);
	return message == (client ? HELLO_REQUEST : CLIENT_HELLO);
}

/* The header is whole: what is this going to be? */
static int begin_message(struct ktls_conn *conn)
{
	struct ktls_post *post = &conn->post;
	uint8_t message = post->header[0];
	int r;

	if (!is_expected(conn, message))
		return fail_unexpected(conn, "handshake message", message);
	post->body_left =
		(uint32_t)post->header[1] << 16 | (uint32_t)post->header[2] << 8 | post->header[3];
	if (message == KTLS_MESSAGE_KEY_UPDATE && post->body_left != KTLS_KEY_UPDATE_LEN)
		return ktls_conn_fail_alert(conn, -KTLS_E_PROTOCOL, KTLS_ALERT_DECODE_ERROR,
					    "reading: a KeyUpdate of %u bytes; told the peer "
					    "decode_error",
					    post->body_left);
	if (post->body_left > MESSAGE_MAX)
		return ktls_conn_fail_alert(conn, -KTLS_E_PROTOCOL, KTLS_ALERT_ILLEGAL_PARAMETER,
					    "reading: a handshake message of %u bytes",
					    post->body_left);
	if (message != NEW_SESSION_TICKET)
		return 0;
	r = ktls_resume_ticket_begin(conn, post->header, post->body_left);
	return r < 0 ? ktls_conn_fail_io(conn, r, "taking a ticket") : 0;
}

static int end_ticket(struct ktls_conn *conn)
{
	int r = ktls_resume_ticket_end(conn);

	if (r == -KTLS_E_PROTOCOL)
		return ktls_conn_fail_alert(conn, r, KTLS_ALERT_DECODE_ERROR,
					    "reading: a ticket that is malformed; told the peer "
					    "decode_error");
	return r < 0 ? ktls_conn_fail_io(conn, r, "taking a ticket") : 0;
}

/* Tickets that nobody asked for are dropped. Renegotiation is refused, and TLS 1.2 goes on. */
static int end_message(struct ktls_conn *conn, bool ends)
{
	struct ktls_post *post = &conn->post;

	post->header_len = 0;
	/* No message may stand behind a KeyUpdate under the old key (RFC 8446 5.1). */
	if (post->header[0] == KTLS_MESSAGE_KEY_UPDATE && !ends)
		return ktls_conn_fail_alert(conn, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
					    "reading: bytes behind a KeyUpdate in its record; told "
					    "the peer unexpected_message");
	if (post->header[0] == KTLS_MESSAGE_KEY_UPDATE)
		return ktls_rekey_receive(conn, post->update_request);
	if (post->header[0] == NEW_SESSION_TICKET)
		return end_ticket(conn);
	/* Nothing may follow our close_notify. */
	if (conn->protocol == KTLS_TLS_1_2 && !conn->close_sent) {
		post->owes_no_renegotiation = true;
		/* The peer may wait for nothing but this; if it would block, it stays owed. */
		int r = pay_no_renegotiation(conn);
		return r < 0 ? ktls_conn_fail(conn, r, "refusing renegotiation: %s",
					      ktls_strerror(r))
			     : 0;
	}
	return 0;
}

/* Takes what it can use of the bytes; *used says how many. */
static int take_handshake(struct ktls_conn *conn, const uint8_t *bytes, size_t len, bool ends,
			  size_t *used)
{
	struct ktls_post *post = &conn->post;
	size_t n;
	int r;

	*used = 0;
	if (post->header_len < HEADER_LEN) {
		post->header[post->header_len++] = bytes[0];
		*used = 1;
		if (post->header_len < HEADER_LEN)
			return 0;
		r = begin_message(conn);
		return r < 0 || post->body_left ? r : end_message(conn, ends && len == *used);
	}
	n = len < post->body_left ? len : post->body_left;
	if (post->header[0] == KTLS_MESSAGE_KEY_UPDATE)
		post->update_request = bytes[0];
	if (post->header[0] == NEW_SESSION_TICKET)
		ktls_resume_ticket_bytes(conn, bytes, n);
	post->body_left -= (uint32_t)n;
	*used = n;
	return post->body_left ? 0 : end_message(conn, ends && len == n);
}

/* Alerts */

static int receive_alert(struct ktls_conn *conn)
{
	uint8_t alert = conn->post.alert[1];

	conn->post.alert_len = 0;
	if (alert == KTLS_ALERT_CLOSE_NOTIFY) {
		ktls_conn_end_rx(conn, KTLS_EOF);
		return KTLS_EOF;
	}
	/* user_canceled is followed by close_notify (RFC 8446 6.1); TLS 1.2 has other warnings. */
	if (alert == KTLS_ALERT_USER_CANCELED ||
	    (conn->protocol == KTLS_TLS_1_2 && conn->post.alert[0] == ALERT_WARNING))
		return 0;
	return ktls_conn_fail(conn, -KTLS_E_ALERT, "reading: the peer sent the alert %s (%u)",
			      ktls_alert_name(alert), alert);
}

static int take_alert(struct ktls_conn *conn, const uint8_t *bytes, size_t len, bool ends,
		      size_t *used)
{
	struct ktls_post *post = &conn->post;
	bool whole;

	post->alert[post->alert_len++] = bytes[0];
	*used = 1;
	whole = post->alert_len == sizeof(post->alert);
	/* One alert, one record (RFC 8446 5.1). */
	if (whole != (ends && len == 1))
		return ktls_conn_fail_alert(
			conn, -KTLS_E_PROTOCOL, KTLS_ALERT_DECODE_ERROR,
			"reading: a record with other than one alert; told the peer "
			"decode_error");
	return whole ? receive_alert(conn) : 0;
}

static int take(struct ktls_conn *conn, uint8_t type, const uint8_t *bytes, size_t len, bool ends,
		size_t *used)
{
	if (type == KERN_RECORD_ALERT)
		return take_alert(conn, bytes, len, ends, used);
	if (type == KERN_RECORD_HANDSHAKE)
		return take_handshake(conn, bytes, len, ends, used);
	return fail_unexpected(conn, "a record of type", type);
}

int ktls_post_receive(struct ktls_conn *conn, uint8_t type, struct ktls_cursor content, size_t len,
		      bool ends)
{
	uint8_t chunk[CHUNK];

	if (!len)
		return fail_unexpected(conn, "an empty record of type", type);
	if (++conn->post.messages > MESSAGES_MAX)
		return ktls_conn_fail_alert(conn, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
					    "reading: the peer sent %u records in a row that were "
					    "no data; told it unexpected_message",
					    conn->post.messages);
	while (len) {
		size_t n = ktls_cursor_read(&content, chunk, len < CHUNK ? len : CHUNK);
		size_t at = 0;

		len -= n;
		while (at < n) {
			size_t used = 0;
			int r = take(conn, type, chunk + at, n - at, ends && !len, &used);

			if (r)
				return r;
			at += used;
		}
	}
	return 0;
}
