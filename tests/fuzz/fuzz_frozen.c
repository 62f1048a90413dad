/* SPDX-License-Identifier: MIT */

/*
 * What claims to be a frozen connection. The input: a byte that says how, then either the bytes
 * themselves, with magic and version set right if it says so, or what is changed in those of a
 * connection that was frozen here, and behind that what the peer sends. Whatever is thawed is read,
 * written, frozen and thawed again, and shut down.
 */

#include <assert.h>
#include <errno.h>

#include <ktls/ktls.h>

#include "opened.h"
#include "stranger.h"

enum how {
	RAW = 1,
	FIX = 2,
	KERNEL = 4,  /* the socket says that it has the keys */
	SENDING = 8, /* a record was on its way out */
	READING = 16,
};

enum change {
	CHANGE_BYTE = 0,
	CHANGE_WORD,
	CHANGE_PART, /* bytes at the end, as one part's */
	CHANGE_NO_MORE,
	CHANGES_N,
};

enum {
	FROZEN_MAX = 600000,
	MAGIC_LEN = 24,	   /* with the version */
	PART_LEN_AT = 368, /* the lengths of the parts */
	PARTS_N = 7,
	BYTES = 1000,
	READS = 4,
};

struct frozen_bytes {
	uint8_t bytes[FROZEN_MAX];
	size_t len;
};

static uint8_t bytes[BYTES];

/* A connection, frozen in the middle of what `how` says. */
static struct opened freeze_one(unsigned int how, struct input *input, struct frozen_bytes *frozen)
{
	struct opened opened = opened_new(input);
	size_t n;
	int r;

	if (how & SENDING) {
		stranger.writable = 10;
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = stranger_conn_byte(i);
		ktls_conn_write(opened.conn, bytes, sizeof(bytes), KTLS_NOW, &n);
	}
	if (how & READING) {
		stranger_send_data(10, 0);
		stranger_send_data(10, 0);
		stranger.readable = 100;
		ktls_conn_read(opened.conn, bytes, 5, KTLS_NOW, &n);
	}
	stranger.readable = stranger.writable = STRANGER_UNLIMITED;
	r = ktls_conn_freeze(opened.conn, frozen->bytes, sizeof(frozen->bytes), &frozen->len);
	assert(!r);
	ktls_conn_free(opened.conn);
	opened.conn = NULL;
	return opened;
}

static void take_raw(unsigned int how, struct input *input, struct frozen_bytes *frozen)
{
	size_t skip = how & FIX ? MAGIC_LEN : 0;
	const uint8_t *content;

	frozen->len = skip + input_bytes(input, sizeof(frozen->bytes) - skip, &content);
	memcpy(frozen->bytes + skip, content, frozen->len - skip);
}

static void add_part(struct input *input, struct frozen_bytes *frozen)
{
	size_t at = PART_LEN_AT + sizeof(uint32_t) * (input_u8(input) % PARTS_N);
	const uint8_t *content;
	uint32_t len = (uint32_t)input_bytes(input, input_u8(input), &content), part_len;

	memcpy(&part_len, frozen->bytes + at, sizeof(part_len));
	part_len += len;
	memcpy(frozen->bytes + at, &part_len, sizeof(part_len));
	memcpy(frozen->bytes + frozen->len, content, len);
	frozen->len += len;
}

static void change(struct input *input, struct frozen_bytes *frozen)
{
	while (input->left && frozen->len < sizeof(frozen->bytes) - UINT8_MAX) {
		unsigned int what = input_u8(input) % CHANGES_N;
		size_t n = what == CHANGE_WORD ? 4 : 1, at;

		if (what == CHANGE_NO_MORE)
			return;
		if (what == CHANGE_PART) {
			add_part(input, frozen);
			continue;
		}
		at = input_u16(input) % (frozen->len - n + 1);
		for (size_t i = 0; i < n; i++)
			frozen->bytes[at + i] = input_u8(input);
	}
}

/* Whether it goes on. */
static bool check(struct ktls_conn *conn, int r)
{
	struct ktls_info info;

	assert(r < _KTLS_STATUS_N && !ktls_conn_get_info(conn, &info, sizeof(info)));
	if (info.state == KTLS_STATE_FAILED)
		opened_check_failed(conn, r);
	return info.state != KTLS_STATE_FAILED;
}

static bool move(struct ktls_conn *conn)
{
	size_t n;
	int r = 0;

	for (int i = 0; !r && i < READS; i++) {
		r = ktls_conn_read(conn, bytes, sizeof(bytes), KTLS_NOW, &n);
		if (!check(conn, r))
			return false;
	}
	r = ktls_conn_write(conn, bytes, sizeof(bytes), KTLS_NOW, &n);
	return check(conn, r);
}

/* What was thawed and goes on can be frozen and thawed. */
static struct ktls_conn *thaw_again(const struct opened *opened, struct ktls_conn *conn,
				    struct frozen_bytes *frozen)
{
	int r = ktls_conn_freeze(conn, frozen->bytes, sizeof(frozen->bytes), &frozen->len);

	assert(!r);
	ktls_conn_free(conn);
	r = ktls_conn_thaw(&conn, opened->config, stranger.fd, frozen->bytes, frozen->len);
	assert(!r);
	return conn;
}

static void use(const struct opened *opened, struct ktls_conn *conn, struct frozen_bytes *frozen)
{
	conn = thaw_again(opened, conn, frozen);
	if (move(conn)) {
		conn = thaw_again(opened, conn, frozen);
		if (check(conn, ktls_conn_update_key(conn, KTLS_KEY_UPDATE_BOTH, KTLS_NOW)) &&
		    move(conn))
			check(conn, ktls_conn_shutdown(conn, KTLS_NOW));
	}
	ktls_conn_free(conn);
}

/* What the peer sends next: a record of any type, bytes, data. */
static void answer(struct input *input)
{
	uint8_t type = input_u8(input);
	const uint8_t *content;
	size_t len = input_bytes(input, input_u8(input), &content);

	if (len)
		stranger_send(type, content, len, 0);
	stranger_send_raw(input->at, input->left);
	stranger_send_data(20, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct frozen_bytes frozen;
	struct input input = { data, len };
	unsigned int how = input_u8(&input);
	struct opened opened = freeze_one(how, &input, &frozen);
	struct ktls_conn *conn;
	int r;

	if (how & RAW)
		take_raw(how, &input, &frozen);
	else
		change(&input, &frozen);
	answer(&input);
	stranger.deaf = true;
	stranger.kernel = how & KERNEL;
	r = ktls_conn_thaw(&conn, opened.config, stranger.fd, frozen.bytes, frozen.len);
	assert(!r || r == -KTLS_E_BAD_FROZEN || r == KTLS_WANT_BUFFER);
	if (!r)
		use(&opened, conn, &frozen);
	return 0;
}
