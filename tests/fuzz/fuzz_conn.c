/* SPDX-License-Identifier: MIT */

/*
 * A connection after its handshake, under a script of what its peer sends and of what is done with
 * it. The input is that script: two bytes that say which connection, then steps, each a byte and
 * what it takes.
 *
 * What must hold, whatever comes: the bytes read are those that the peer sealed, in order, none of
 * them from behind the first record that was tampered with; what is sent is what stranger.c lets
 * pass; an error ends the connection, and is the answer to every later call. While the peer has
 * kept to the protocol, nothing fails and nothing is lost, either.
 */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <ktls/ktls.h>

#include "config.h"
#include "opened.h"
#include "stranger.h"

enum {
	STEPS_MAX = 100,
	BYTES_MAX = 40000,   /* of one call: more than two records */
	FROZEN_MAX = 600000, /* freeze.h: two buffers, and some */
	EMPTY_MAX = 30,	     /* fewer than the library bears */
	READS_MAX = 10000,
	ALERT_WARNING = 1,
};

struct run {
	struct opened opened;
	struct ktls_conn *conn;
	bool odd;	    /* the connection may fail: the peer has, or its transport */
	bool breach;	    /* it must: what the peer sent is to be refused */
	bool ended;	    /* our socket is gone */
	unsigned int empty; /* records in a row */
	uint64_t written, read;
	uint64_t readable; /* of the peer's stream, what may be read */
	int error;
};

static uint8_t bytes[BYTES_MAX];

/* What holds at all times */

/* A key that has protected all it may is changed, but for TLS 1.2's. */
static bool may_fail(const struct run *run)
{
	return run->odd || (run->error == -KTLS_E_REKEY && run->opened.protocol == KTLS_TLS_1_2 &&
			    run->opened.settings->key_records);
}

static void check(struct run *run, int r)
{
	struct ktls_info info;

	assert(r < _KTLS_STATUS_N && r != KTLS_TIMEDOUT);
	assert(!ktls_conn_get_info(run->conn, &info, sizeof(info)));
	assert(stranger.received <= run->written && info.bytes[KTLS_TX] == run->written);
	assert(info.bytes[KTLS_RX] == run->read && run->read <= run->readable);
	if (info.state != KTLS_STATE_FAILED)
		return;
	assert(r < 0 && (!run->error || run->error == r));
	run->error = r;
	if (!may_fail(run)) {
		fprintf(stderr, "failed for no reason: %s\n", ktls_conn_error(run->conn));
		abort();
	}
	opened_check_failed(run->conn, run->error);
}

static void check_refused(struct run *run, int r, int expected)
{
	assert(r == expected && run->conn->state != KTLS_STATE_FAILED);
	check(run, r);
}

/* What the peer sends */

static const size_t edges[] = {
	4096,
	KTLS_PAYLOAD_MIN,
	KERN_PAYLOAD_MAX - 1,
	KERN_PAYLOAD_MAX,
	KERN_PAYLOAD_MAX + 1,
	STRANGER_SEALED_MAX,
	KTLS_RECORD_MAX,
	BYTES_MAX,
};

/* Mostly short. */
static size_t take_len(struct input *input, size_t max)
{
	enum {
		SHORT = 240
	};
	uint8_t code = input_u8(input);
	size_t len = code < SHORT ? code : edges[(code - SHORT) % 8];

	return len < max ? len : max;
}

/* What comes from here on must not be read. */
static void end_stream(struct run *run)
{
	if (stranger.sent < run->readable)
		run->readable = stranger.sent;
}

/* The same, and what is read there fails. */
static void break_stream(struct run *run)
{
	run->odd = true;
	end_stream(run);
}

/* The same for what is known to be refused, if nothing was wrong before. */
static void breach(struct run *run)
{
	run->breach |= !run->odd && run->readable == UINT64_MAX && !stranger.flip;
	break_stream(run);
}

/* Nothing is certain of what did not get on the wire. */
static void sent(struct run *run, bool all)
{
	if (all)
		return;
	run->odd = true;
	run->breach = false;
}

static void step_data(struct run *run, struct input *input)
{
	size_t len = take_len(input, STRANGER_SEALED_MAX);
	size_t padding = take_len(input, STRANGER_SEALED_MAX - len);

	if (run->opened.protocol == KTLS_TLS_1_2)
		padding = 0;
	run->empty = len ? 0 : run->empty + 1;
	if (len + padding > KERN_PAYLOAD_MAX)
		breach(run);
	if (stranger.flip)
		break_stream(run);
	run->odd |= run->empty > EMPTY_MAX;
	sent(run, stranger_send_data(len, padding));
}

/* Of any type but data, with whatever is in it; of none with zeros, for in TLS 1.3 the last byte
 * that is not 0 is the type. */
static void step_record(struct run *run, struct input *input)
{
	static const uint8_t zeros[STRANGER_SEALED_MAX];
	uint8_t type = input_u8(input);
	size_t len = take_len(input, STRANGER_SEALED_MAX), padding = take_len(input, 16);
	const uint8_t *content = zeros;

	run->odd = true;
	if (stranger.flip)
		end_stream(run);
	if (type == KERN_RECORD_DATA)
		type = KERN_RECORD_NONE;
	if (type)
		len = input_bytes(input, len, &content);
	if (run->opened.protocol == KTLS_TLS_1_2 || len + padding > STRANGER_SEALED_MAX)
		padding = 0;
	stranger_send(type, content, len, padding);
}

static void step_raw(struct run *run, struct input *input)
{
	const uint8_t *content;
	size_t len = input_bytes(input, take_len(input, BYTES_MAX), &content);

	if (!len)
		return;
	break_stream(run);
	stranger_send_raw(content, len);
}

/* Of the next record. */
static void step_flip(struct run *run, struct input *input)
{
	(void)run;
	stranger.flip = true;
	stranger.flip_bit = input_u16(input);
}

static void send_message(struct run *run, uint8_t type, const uint8_t *message, size_t len)
{
	if (stranger.flip)
		break_stream(run);
	sent(run, stranger_send(type, message, len, 0));
}

static void step_key_update(struct run *run, struct input *input)
{
	uint8_t request = input_u8(input);
	const uint8_t message[] = { 24, 0, 0, 1, request };

	if (request > 1 || run->opened.protocol == KTLS_TLS_1_2)
		breach(run);
	send_message(run, KERN_RECORD_HANDSHAKE, message, sizeof(message));
	if (run->opened.protocol == KTLS_TLS_1_3)
		stranger_next_key(KTLS_TX);
}

static void step_change_key(struct run *run, struct input *input)
{
	(void)input;
	run->odd = true;
	if (run->opened.protocol == KTLS_TLS_1_3)
		stranger_next_key(KTLS_TX);
}

/* What a well-mannered peer may send beside data: a ticket, or in TLS 1.2 the wish for another
 * handshake; in two records, if it likes. */
static void step_message(struct run *run, struct input *input)
{
	bool client = run->conn->config->role == KTLS_CLIENT;
	bool is_13 = run->opened.protocol == KTLS_TLS_1_3;
	size_t body = is_13 || !client ? take_len(input, 4096) : 0, cut = input_u8(input);
	uint8_t message[4 + 4096] = { is_13    ? 4
				      : client ? 0
					       : 1,
				      0, (uint8_t)(body >> 8), (uint8_t)body };

	if (is_13 && !client)
		breach(run);
	if (!cut || cut >= 4 + body) {
		send_message(run, KERN_RECORD_HANDSHAKE, message, 4 + body);
		return;
	}
	send_message(run, KERN_RECORD_HANDSHAKE, message, cut);
	send_message(run, KERN_RECORD_HANDSHAKE, message + cut, 4 + body - cut);
}

static void step_alert(struct run *run, struct input *input)
{
	uint8_t level = input_u8(input), alert = input_u8(input);
	const uint8_t message[] = { level, alert };
	bool tolerated = alert == KTLS_ALERT_USER_CANCELED || alert == KTLS_ALERT_CLOSE_NOTIFY ||
			 (run->opened.protocol == KTLS_TLS_1_2 && level == ALERT_WARNING);

	if (!tolerated)
		breach(run);
	if (alert == KTLS_ALERT_CLOSE_NOTIFY)
		end_stream(run);
	send_message(run, KERN_RECORD_ALERT, message, sizeof(message));
}

/* How it comes, and what is taken */

static void step_readable(struct run *run, struct input *input)
{
	size_t n = input_u16(input);

	(void)run;
	stranger.readable = n == UINT16_MAX ? STRANGER_UNLIMITED : n;
}

static void step_writable(struct run *run, struct input *input)
{
	size_t n = input_u16(input);

	(void)run;
	stranger.writable = n == UINT16_MAX ? STRANGER_UNLIMITED : n;
}

/* The transport ends, is cut, or a signal comes. */
static void step_transport(struct run *run, struct input *input)
{
	uint8_t what = input_u8(input) % 4;

	if (!what) {
		stranger.ended = true;
		end_stream(run);
	}
	if (what == 1)
		stranger.read_error = ECONNRESET;
	if (what == 2)
		stranger.write_error = EPIPE;
	if (what == 3)
		stranger.interrupted = true;
	run->odd |= what == 1 || what == 2;
}

/* What is done with the connection */

static int read_some(struct run *run, size_t len, size_t split)
{
	const struct iovec iov[] = { { bytes, split }, { bytes + split, len - split } };
	size_t n = SIZE_MAX;
	int r = ktls_conn_readv(run->conn, iov, 2, KTLS_NOW, &n);

	assert(n <= len && (!n || !r) && (n || r || !len));
	assert(n <= run->readable - run->read);
	for (size_t i = 0; i < n; i++)
		assert(bytes[i] == stranger_byte(run->read + i));
	run->read += n;
	check(run, r);
	return r;
}

static void step_read(struct run *run, struct input *input)
{
	size_t len = take_len(input, BYTES_MAX);

	read_some(run, len, take_len(input, len));
}

/* All that was accepted has left. */
static void check_left(const struct run *run)
{
	assert(stranger.received == run->written && !stranger.part_len);
}

static int wrote(struct run *run, int r, size_t len, uint64_t n)
{
	assert(n <= len && (r || n == len));
	run->written += n;
	if (r == -EPIPE && run->conn->close_sent && run->conn->state != KTLS_STATE_FAILED)
		assert(!n);
	else if (!r)
		check_left(run);
	check(run, r);
	return r;
}

static int write_some(struct run *run, size_t len)
{
	size_t n = SIZE_MAX;
	int r;

	for (size_t i = 0; i < len; i++)
		bytes[i] = stranger_conn_byte(run->written + i);
	r = ktls_conn_write(run->conn, bytes, len, KTLS_NOW, &n);
	return wrote(run, r, len, n);
}

static void step_write(struct run *run, struct input *input)
{
	write_some(run, take_len(input, BYTES_MAX));
}

static void step_sendfile(struct run *run, struct input *input)
{
	size_t len = take_len(input, BYTES_MAX);
	uint64_t n = UINT64_MAX;
	int r = ktls_conn_sendfile(run->conn, -1, run->written, len, KTLS_NOW, &n);

	wrote(run, r, len, n);
}

static void step_update_key(struct run *run, struct input *input)
{
	enum ktls_key_update update = input_u8(input) & 1;
	int r = ktls_conn_update_key(run->conn, update, KTLS_NOW);

	if (r == -EPIPE && run->conn->close_sent)
		check_refused(run, r, -EPIPE);
	else if (run->opened.protocol == KTLS_TLS_1_2 && !run->error)
		check_refused(run, r, -EOPNOTSUPP);
	else
		check(run, r);
}

static int shut(struct run *run)
{
	int r = ktls_conn_shutdown(run->conn, KTLS_NOW);

	if (!r) {
		check_left(run);
		assert(stranger.told && stranger.shut);
	}
	check(run, r);
	return r;
}

static void step_shutdown(struct run *run, struct input *input)
{
	(void)input;
	shut(run);
}

/* What still comes is thrown away. */
static void step_close(struct run *run, struct input *input)
{
	int fd = run->conn->fd, r = ktls_conn_shutdown_and_close(run->conn, KTLS_NOW);

	(void)input;
	run->read = run->conn->half[KTLS_RX].bytes;
	run->ended = run->conn->fd < 0;
	if (!run->ended) {
		assert(r > 0 && run->conn->fd == fd);
		check(run, r);
		return;
	}
	if (r >= 0)
		check_left(run);
	stranger.silent = true;
	assert(ktls_conn_shutdown_and_close(run->conn, KTLS_NOW) == -ENOTCONN);
}

static void step_freeze(struct run *run, struct input *input)
{
	static uint8_t frozen[FROZEN_MAX];
	size_t len, again;
	int r;

	(void)input;
	r = ktls_conn_freeze(run->conn, frozen, 0, &len);
	assert(r == -ENOSPC && len <= sizeof(frozen));
	r = ktls_conn_freeze(run->conn, frozen, len, &again);
	assert(!r && len == again);
	assert(ktls_conn_read(run->conn, bytes, 1, KTLS_NOW, &again) == -ENOTCONN);
	run->conn = ktls_conn_free(run->conn);
	r = ktls_conn_thaw(&run->conn, run->opened.config, stranger.fd, frozen, len);
	assert(!r);
	run->opened.conn = run->conn;
	check(run, 0);
}

/* The script */

static void (*const steps[])(struct run *run, struct input *input) = {
	step_data,	 step_read,	step_write,    step_record, step_key_update,
	step_message,	 step_readable, step_writable, step_alert,  step_freeze,
	step_update_key, step_shutdown, step_flip,     step_raw,    step_change_key,
	step_transport,	 step_sendfile, step_close,
};

enum {
	STEPS_N = sizeof(steps) / sizeof(steps[0]),
};

/* The peer has kept to the protocol, so all must arrive, both ways; or it has not, so that must be
 * seen. */
static void finish(struct run *run)
{
	int r = 0, again;

	stranger.readable = stranger.writable = STRANGER_UNLIMITED;
	for (int i = 0; !r && i < READS_MAX; i++) {
		/* With one buffer, what is to leave must, first. */
		again = run->conn->close_sent ? shut(run) : write_some(run, 0);
		if (run->error)
			return;
		assert(again == 0 || again == KTLS_WANT_BUFFER);
		r = read_some(run, BYTES_MAX, 0);
	}
	if (run->error)
		return;
	assert(!run->breach);
	assert(r == KTLS_WANT_READ || r == KTLS_EOF || r == KTLS_CLOSED);
	assert(run->read == (stranger.sent < run->readable ? stranger.sent : run->readable));
	r = shut(run);
	assert(!r || run->error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input input = { data, len };
	struct run run = { .opened = opened_new(&input), .readable = UINT64_MAX };

	run.conn = run.opened.conn;
	for (int i = 0; i < STEPS_MAX && input.left && !run.error && !run.ended; i++)
		steps[input_u8(&input) % STEPS_N](&run, &input);
	if ((!run.odd || run.breach) && !run.error && !run.ended)
		finish(&run);
	opened_free(&run.opened);
	return 0;
}
