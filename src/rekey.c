/* SPDX-License-Identifier: MIT */

/*
 * Changing keys (RFC 8446 4.6.3, 7.2). A KeyUpdate that arrives is acted on at once, whatever
 * protects the direction; one that it asks of us is only owed, and paid before the next application
 * byte. Ours goes out as the last record under the old key, and nothing may follow it before the
 * new key is in use: so the change is two steps that can be resumed between.
 *
 * Where the kernel has a key and cannot take another (before 6.14), and in TLS 1.2, which knows no
 * change, what is left is an orderly end: what was accepted goes out, then close_notify, and only
 * then the connection fails with its reason.
 */

#include <errno.h>

#include "base/secret.h"
#include "config.h"
#include "conn.h"

enum {
	UPDATE_NOT_REQUESTED = 0,
	UPDATE_REQUESTED = 1,
};

bool ktls_rekey_possible(const struct ktls_conn *conn, enum ktls_direction direction)
{
	const struct ktls_probe *probe;

	if (conn->protocol != KTLS_TLS_1_3)
		return false;
	if (conn->half[direction].protect == &ktls_protect_user)
		return true;
	/* A thawed connection's config may not have wanted the kernel. */
	probe = conn->config->probe ? conn->config->probe : kern_probe();
	return probe->rekey[direction] == KTLS_REASON_NONE;
}

/* The next secret and key of a direction, taken into use; on failure everything is as it was. */
static int change_key(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	_cleanup_(ktls_secret_wipe) struct ktls_secret next = { 0 };
	_cleanup_(kern_keys_wipe) struct kern_keys keys = { 0 };
	_cleanup_(kern_keys_wipe) struct kern_keys old = half->keys;
	int r;

	r = ktls_secret_next(&half->secret, conn->cipher, &next);
	if (r < 0)
		return r;
	r = ktls_secret_keys(&next, conn->cipher, &keys);
	if (r < 0)
		return r;
	half->keys = keys;
	r = half->protect->install(conn, direction);
	if (r < 0) {
		half->keys = old;
		return r;
	}
	half->secret = next;
	half->key_updates++;
	return 0;
}

static int fail_ending(struct ktls_conn *conn)
{
	if (conn->rekey.ending == KTLS_ENDING_TLS12)
		return ktls_conn_fail(
			conn, -KTLS_E_REKEY,
			"writing: the key has protected %llu records, which is all it "
			"may, and TLS 1.2 cannot change it; the connection was ended "
			"in order. To do: make another, or use TLS 1.3",
			(unsigned long long)ktls_pace_key_records(conn));
	return ktls_conn_fail(conn, -KTLS_E_REKEY,
			      "changing the key of %s: %s. To do: keep it in userspace on such "
			      "kernels, ktls_config_set_offload() KTLS_OFFLOAD_WITH_REKEY",
			      conn->rekey.ending == KTLS_ENDING_TX ? "TX" : "RX",
			      ktls_reason_text(KTLS_REASON_NO_REKEY));
}

int ktls_rekey_end(struct ktls_conn *conn)
{
	int r = ktls_conn_flush(conn);

	if (!r && !conn->close_sent) {
		r = ktls_post_send_alert(conn, false, KTLS_ALERT_CLOSE_NOTIFY);
		if (!r) {
			ktls_conn_end_tx(conn);
			/* What the kernel still holds it would drop when the socket is closed. */
			r = ktls_conn_flush(conn);
		}
	}
	return r > 0 ? r : fail_ending(conn);
}

static int begin_end(struct ktls_conn *conn, enum ktls_rekey_ending ending)
{
	conn->rekey.ending = (uint8_t)ending;
	/* What came behind the key and was not read never will be, and close_notify may need its
	 * buffer. */
	if (ending == KTLS_ENDING_RX)
		ktls_protect_user_discard(conn, KTLS_RX);
	return ktls_rekey_end(conn);
}

int ktls_rekey_receive(struct ktls_conn *conn, uint8_t request)
{
	int r;

	if (request > UPDATE_REQUESTED)
		return ktls_conn_fail_alert(conn, -KTLS_E_PROTOCOL, KTLS_ALERT_ILLEGAL_PARAMETER,
					    "reading: a KeyUpdate with request %u; told the peer "
					    "illegal_parameter",
					    request);
	if (!ktls_rekey_possible(conn, KTLS_RX))
		return begin_end(conn, KTLS_ENDING_RX);
	r = change_key(conn, KTLS_RX);
	if (r < 0)
		return ktls_conn_fail_alert(conn, -KTLS_E_REKEY, KTLS_ALERT_INTERNAL_ERROR,
					    "taking the peer's new key into use: %s",
					    ktls_strerror(r));
	if (request == UPDATE_REQUESTED && conn->rekey.owed == KTLS_REKEY_NOTHING)
		conn->rekey.owed = KTLS_REKEY_ONE_WAY;
	return 0;
}

static int announce(struct ktls_conn *conn)
{
	const uint8_t message[] = { KTLS_MESSAGE_KEY_UPDATE, 0, 0, KTLS_KEY_UPDATE_LEN,
				    conn->rekey.owed == KTLS_REKEY_BOTH_WAYS
					    ? UPDATE_REQUESTED
					    : UPDATE_NOT_REQUESTED };
	int r = ktls_post_send(conn, KERN_RECORD_HANDSHAKE, message, sizeof(message));

	if (!r)
		conn->rekey.announced = true;
	return r;
}

int ktls_rekey_send(struct ktls_conn *conn)
{
	int r;

	if (!ktls_rekey_possible(conn, KTLS_TX))
		return begin_end(conn, conn->protocol == KTLS_TLS_1_3 ? KTLS_ENDING_TX
								      : KTLS_ENDING_TLS12);
	if (!conn->rekey.announced) {
		r = announce(conn);
		if (r)
			return r;
	}
	r = change_key(conn, KTLS_TX);
	if (r == -EAGAIN)
		return KTLS_WANT_WRITE;
	if (r < 0)
		return ktls_conn_fail(conn, -KTLS_E_REKEY, "taking our new key into use: %s",
				      ktls_strerror(r));
	conn->rekey.announced = false;
	conn->rekey.owed = KTLS_REKEY_NOTHING;
	conn->pace.key_budget = 0;
	return 0;
}
