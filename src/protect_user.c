/* SPDX-License-Identifier: MIT */

/*
 * Records protected in userspace, with GnuTLS's AEAD, in buffers of the config's pool.
 *
 * Sending: several records are built side by side in one buffer, sealed in place, and handed to TCP
 * with one call. Records of which no byte left are taken back: their numbers and their plaintext
 * are free again, so that never more than the rest of one record waits here, and a full socket is
 * felt by the writer. How many are tried at once follows what the socket took last time. What is
 * owed to the peer before the data is held, and leaves with the data in one call.
 *
 * Receiving: the socket is read greedily, records are opened in place and copied out. Where the
 * direction is about to be promoted it is read exactly to the end of the record instead, because
 * what lies in userspace the kernel will never see.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "ciphers.h"
#include "config.h"
#include "conn.h"
#include "lane.h"
#include "pool.h"
#include "transport.h"

static struct ktls_half *tx_half(struct ktls_conn *conn)
{
	return &conn->half[KTLS_TX];
}

static void give_buffer(struct ktls_conn *conn, struct ktls_user *user)
{
	if (user->aead)
		ktls_ciphers_give(conn->config->aeads, &user->cipher);
	if (user->buffer && user == &conn->half[KTLS_TX].user && ktls_lane_is_sending(conn))
		ktls_lane_keep(conn, user->buffer);
	else if (user->buffer)
		ktls_pool_give(conn->config->pool, user->buffer);
	user->aead = NULL;
	user->buffer = NULL;
	user->start = user->end = 0;
}

static int take_cipher(struct ktls_conn *conn, struct ktls_half *half)
{
	struct ktls_user *user = &half->user;

	return ktls_ciphers_take(conn->config->aeads, &user->cipher, half->keys.cipher,
				 half->keys.key, &user->aead);
}

/* A buffer, and the direction's cipher. */
static int take_buffer(struct ktls_conn *conn, struct ktls_half *half)
{
	struct ktls_user *user = &half->user;
	int r;

	if (user->buffer)
		return 0;
	user->buffer = ktls_pool_take(conn->config->pool);
	if (!user->buffer)
		return KTLS_WANT_BUFFER;
	user->start = user->end = 0;
	r = take_cipher(conn, half);
	if (r < 0)
		give_buffer(conn, user);
	return r;
}

static int install(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	struct ktls_user *user = &half->user;
	bool in_use;

	if (half->protect != &ktls_protect_user) {
		*user = (struct ktls_user){ .batch = KTLS_POOL_BATCH };
		half->protect = &ktls_protect_user;
		return 0;
	}
	in_use = user->aead;
	if (in_use)
		ktls_ciphers_give(conn->config->aeads, &user->cipher);
	user->aead = NULL;
	ktls_ciphers_forget(conn->config->aeads, &user->cipher);
	return in_use ? take_cipher(conn, half) : 0;
}

int ktls_protect_user_hold(struct ktls_conn *conn, enum ktls_direction direction)
{
	return take_buffer(conn, &conn->half[direction]);
}

int ktls_protect_user_warm(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	int r = take_buffer(conn, half);

	if (!r)
		give_buffer(conn, &half->user);
	return r < 0 ? r : 0;
}

void ktls_protect_user_discard(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];

	if (half->protect != &ktls_protect_user)
		return;
	give_buffer(conn, &half->user);
	half->user.plain_len = 0;
}

static void drop(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];

	give_buffer(conn, &half->user);
	ktls_ciphers_forget(conn->config->aeads, &half->user.cipher);
	half->user = (struct ktls_user){ 0 };
	kern_keys_wipe(&half->keys);
}

bool ktls_protect_user_at_boundary(const struct ktls_conn *conn, enum ktls_direction direction)
{
	const struct ktls_user *user = &conn->half[direction].user;

	return user->start == user->end && !user->plain_len && !user->error && !user->ended;
}

static uint64_t sequence(const struct ktls_conn *conn, enum ktls_direction direction)
{
	return conn->half[direction].keys.seq;
}

/* Sending */

/* Some of buffer[from..to) to the transport; how many. -EAGAIN counts as none. */
static int push(struct ktls_conn *conn, const uint8_t *from, size_t len, size_t *ret_n)
{
	struct iovec iov = { .iov_base = (void *)from, .iov_len = len };
	int r = ktls_transport_send(conn, &iov, 1, ret_n);

	if (r == -EAGAIN)
		*ret_n = 0;
	return r == -EAGAIN ? 0 : r;
}

static int flush(struct ktls_conn *conn)
{
	struct ktls_user *user = &tx_half(conn)->user;
	size_t n;
	int r;

	if (ktls_lane_is_sending(conn))
		return KTLS_WANT_WRITE;
	user->held = false;
	while (user->start < user->end) {
		r = push(conn, user->buffer + user->start, user->end - user->start, &n);
		if (r < 0)
			return r;
		if (!n)
			return KTLS_WANT_WRITE;
		user->start += (uint32_t)n;
	}
	give_buffer(conn, user);
	return 0;
}

static void adapt_batch(struct ktls_user *user, size_t begun, bool all_left)
{
	if (!all_left)
		user->batch = begun ? (uint8_t)begun : 1;
	else if (user->batch < KTLS_POOL_BATCH)
		user->batch = user->batch * 2 < KTLS_POOL_BATCH ? user->batch * 2 : KTLS_POOL_BATCH;
}

/* What TCP took of the batch, and of what is held in front of it, decides what of it has happened:
 * a record begun must be finished, one not begun never was. Returns the plaintext accepted. */
static size_t settle_batch(struct ktls_conn *conn, const struct ktls_batch *batch, size_t sent)
{
	struct ktls_half *half = tx_half(conn);
	struct ktls_user *user = &half->user;
	size_t held = batch->base - user->start;
	size_t of_batch = sent > held ? sent - held : 0;
	size_t begun = (of_batch + batch->stride - 1) / batch->stride;
	bool all_left = of_batch == batch->wire_len;

	if (all_left || begun > batch->count)
		begun = batch->count;
	half->keys.seq += begun;
	user->held = false;
	user->start += (uint32_t)sent;
	if (begun == batch->count)
		user->end = batch->base + batch->wire_len;
	else
		user->end = (uint32_t)(batch->base + begun * batch->stride);
	adapt_batch(user, begun, all_left);
	if (user->start == user->end)
		give_buffer(conn, user);
	return begun == batch->count ? batch->plain_len : begun * batch->payload_max;
}

/* Seals and sends what lies in the batch. 0 if all of it left, else KTLS_WANT_WRITE. */
static int send_batch(struct ktls_conn *conn, const struct ktls_batch *batch, uint8_t type,
		      size_t *ret_accepted)
{
	struct ktls_user *user = &tx_half(conn)->user;
	size_t sent, len;
	int r;

	r = ktls_batch_seal(conn, batch, type);
	if (r < 0)
		return r;
	len = batch->base - user->start + batch->wire_len;
	r = push(conn, user->buffer + user->start, len, &sent);
	if (r < 0)
		return r;
	*ret_accepted = settle_batch(conn, batch, sent);
	return sent == len ? 0 : KTLS_WANT_WRITE;
}

/* Seals what lies in the batch, and leaves it to go out with what comes right behind it. */
static int hold_batch(struct ktls_conn *conn, const struct ktls_batch *batch, uint8_t type)
{
	struct ktls_half *half = tx_half(conn);
	int r = ktls_batch_seal(conn, batch, type);

	if (r < 0)
		return r;
	half->keys.seq += batch->count;
	half->user.end = batch->base + batch->wire_len;
	half->user.held = true;
	return 0;
}

/* What is held may be joined, while there is room behind it; any other rest goes first. */
static int flush_before(struct ktls_conn *conn)
{
	const struct ktls_user *user = &tx_half(conn)->user;

	if (ktls_lane_is_sending(conn))
		return KTLS_WANT_WRITE;
	if (user->held && KTLS_POOL_BUFFER_LEN - user->end >= KTLS_RECORD_MAX)
		return 0;
	return flush(conn);
}

static int send_records(struct ktls_conn *conn, uint8_t type, struct ktls_cursor *cursor)
{
	size_t left = ktls_cursor_left(cursor);
	int r;

	if (!left)
		return flush(conn);
	r = flush_before(conn);
	while (!r && left) {
		struct ktls_batch batch;
		size_t accepted;

		r = take_buffer(conn, tx_half(conn));
		if (r)
			return r;
		batch = ktls_batch_plan(conn, type, left);
		accepted = batch.plain_len;
		ktls_batch_fill(&batch, *cursor);
		r = conn->hold ? hold_batch(conn, &batch, type)
			       : send_batch(conn, &batch, type, &accepted);
		if (r < 0)
			return r;
		ktls_cursor_advance(cursor, accepted);
		left -= accepted;
	}
	return r;
}

static void stage_rest(const struct ktls_user *user, size_t more, struct ktls_stage *stage)
{
	stage->count = 1;
	stage->pieces[0] = (struct iovec){
		.iov_base = user->buffer + user->start,
		.iov_len = user->end - user->start + more,
	};
}

/* The rest of the last batch by itself, or the next one behind what is held. */
static int stage_records(struct ktls_conn *conn, const struct ktls_cursor *cursor,
			 struct ktls_stage *stage)
{
	struct ktls_user *user = &tx_half(conn)->user;
	size_t left = ktls_cursor_left(cursor);
	bool joins = user->held && KTLS_POOL_BUFFER_LEN - user->end >= KTLS_RECORD_MAX;
	int r;

	stage->list = NULL;
	stage->count = 0;
	stage->batch.count = 0;
	if (user->start < user->end && !(joins && left)) {
		stage_rest(user, 0, stage);
		return 0;
	}
	if (!left)
		return 0;
	r = take_buffer(conn, tx_half(conn));
	if (r)
		return r;
	stage->batch = ktls_batch_plan(conn, KERN_RECORD_DATA, left);
	ktls_batch_fill(&stage->batch, *cursor);
	r = ktls_batch_seal(conn, &stage->batch, KERN_RECORD_DATA);
	if (r < 0)
		return r;
	stage_rest(user, stage->batch.wire_len, stage);
	return 0;
}

static void records_sent(struct ktls_conn *conn, struct ktls_cursor *cursor,
			 const struct ktls_stage *stage, size_t n)
{
	struct ktls_user *user = &tx_half(conn)->user;

	if (stage->batch.count) {
		ktls_cursor_advance(cursor, settle_batch(conn, &stage->batch, n));
		return;
	}
	user->held = false;
	user->start += (uint32_t)n;
	if (user->start == user->end)
		give_buffer(conn, user);
}

static int send_file(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		     uint64_t *ret_n)
{
	uint64_t done = 0;
	int r;

	*ret_n = 0;
	r = flush_before(conn);
	while (!r && done < len) {
		struct ktls_batch batch;
		size_t accepted;

		r = take_buffer(conn, tx_half(conn));
		if (r)
			return r;
		batch = ktls_batch_plan(conn, KERN_RECORD_DATA, len - done);
		r = ktls_batch_read(file_fd, offset + done, &batch);
		if (r < 0)
			return r;
		r = send_batch(conn, &batch, KERN_RECORD_DATA, &accepted);
		if (r < 0)
			return r;
		*ret_n = done += accepted;
	}
	return r;
}

/* Receiving */

/* The length of the record that begins at start if all of it is here, 0 if not. */
static int whole_record(const struct ktls_half *half, enum ktls_alert *ret_alert)
{
	const struct ktls_user *user = &half->user;
	size_t have = user->end - user->start;
	int len =
		have ? ktls_record_length(&half->keys, user->buffer + user->start, have, ret_alert)
		     : 0;

	return len > 0 && (size_t)len > have ? 0 : len;
}

/* How much may be read from the socket now; makes room for it. */
static size_t room_to_fill(const struct ktls_conn *conn, struct ktls_half *half)
{
	struct ktls_user *user = &half->user;
	size_t have = user->end - user->start;
	enum ktls_alert alert;
	int len;

	if (user->start && KTLS_POOL_BUFFER_LEN - user->start < KTLS_RECORD_MAX) {
		memmove(user->buffer, user->buffer + user->start, have);
		user->start = 0;
		user->end = (uint32_t)have;
	}
	if (!ktls_conn_promotion_due(conn, KTLS_RX))
		return KTLS_POOL_BUFFER_LEN - user->end;
	len = ktls_record_length(&half->keys, user->buffer + user->start, have, &alert);
	return (len > 0 ? (size_t)len : KTLS_RECORD_HEADER_LEN) - have;
}

/* Reads from the socket. 0, KTLS_WANT_READ, KTLS_WANT_BUFFER, KTLS_CLOSED or -errno. */
static int fill(struct ktls_conn *conn, struct ktls_half *half)
{
	struct ktls_user *user = &half->user;
	size_t room, n;
	int r;

	if (user->ended)
		return KTLS_CLOSED;
	r = take_buffer(conn, half);
	if (r)
		return r;
	room = room_to_fill(conn, half); /* which may move what is there */
	r = ktls_transport_receive(conn, user->buffer + user->end, room, &n);
	if (!r && n) {
		user->end += (uint32_t)n;
		return 0;
	}
	user->ended = !r;
	if (user->start == user->end)
		give_buffer(conn, user);
	return r == -EAGAIN ? KTLS_WANT_READ : r ? r : KTLS_CLOSED;
}

/* Opens the record at start. 0, or a code that is kept until what came before it was delivered. */
static int open_record(struct ktls_half *half, size_t len)
{
	struct ktls_user *user = &half->user;
	enum ktls_alert alert;
	uint8_t *payload;
	size_t payload_len;
	int r;

	r = ktls_record_open(user->aead, &half->keys, user->buffer + user->start, len,
			     &user->plain_type, &payload, &payload_len, &alert);
	if (r < 0) {
		user->error = r;
		user->alert = (int)alert;
		return r;
	}
	half->keys.seq++;
	user->plain = (uint32_t)(payload - user->buffer);
	user->plain_len = (uint32_t)payload_len;
	user->start += (uint32_t)len;
	return 0;
}

/* Has a record opened in user->plain, empty or not. What fill() and open_record() answer. */
static int next_record(struct ktls_conn *conn, struct ktls_half *half)
{
	enum ktls_alert alert = KTLS_ALERT_NONE;
	int len, r;

	for (;;) {
		len = whole_record(half, &alert);
		if (len < 0) {
			half->user.error = len;
			half->user.alert = (int)alert;
			return len;
		}
		if (len > 0)
			return open_record(half, (size_t)len);
		r = fill(conn, half);
		if (r)
			return r;
	}
}

/* Whether the next record can follow the last one into the same answer without touching the socket.
 */
static bool more_data_is_here(const struct ktls_half *half)
{
	enum ktls_alert alert;

	return half->user.plain_type == KERN_RECORD_DATA && whole_record(half, &alert) > 0;
}

static int receive(struct ktls_conn *conn, struct ktls_cursor *cursor, uint8_t *ret_type,
		   bool *ret_end, enum ktls_alert *ret_alert)
{
	struct ktls_half *half = &conn->half[KTLS_RX];
	struct ktls_user *user = &half->user;
	size_t left = ktls_cursor_left(cursor), got = 0, n;
	int r = user->error;

	if (!r && !user->plain_len)
		r = next_record(conn, half);
	/* What the socket answered is nobody's alert. */
	*ret_alert = user->error ? (enum ktls_alert)user->alert : KTLS_ALERT_NONE;
	if (r)
		return r;
	*ret_type = user->plain_type;
	for (;;) {
		n = ktls_cursor_write(cursor, user->buffer + user->plain, user->plain_len);
		user->plain += (uint32_t)n;
		user->plain_len -= (uint32_t)n;
		got += n;
		/* An empty record is an answer of its own: they are counted. */
		if (!n || user->plain_len || got == left || !more_data_is_here(half) ||
		    open_record(half, (size_t)whole_record(half, ret_alert)) < 0 ||
		    user->plain_type != KERN_RECORD_DATA)
			break;
	}
	*ret_end = !user->plain_len;
	if (user->start == user->end && !user->plain_len)
		give_buffer(conn, user);
	return 0;
}

bool ktls_protect_user_has_record(const struct ktls_conn *conn)
{
	const struct ktls_half *half = &conn->half[KTLS_RX];
	const struct ktls_user *user = &half->user;
	enum ktls_alert alert;

	if (half->protect != &ktls_protect_user)
		return false;
	return user->plain_len || user->error || user->ended || whole_record(half, &alert);
}

const struct ktls_protect ktls_protect_user = {
	.protection = KTLS_PROTECTION_USER,
	.install = install,
	.send = send_records,
	.send_file = send_file,
	.stage = stage_records,
	.sent = records_sent,
	.flush = flush,
	.receive = receive,
	.sequence = sequence,
	.drop = drop,
};
