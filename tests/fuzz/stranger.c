/* SPDX-License-Identifier: MIT */

/* A peer out of a script; see stranger.h. */

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/cursor.h"
#include "base/sys.h"
#include "stranger.h"

#define MARKER "PLAINTEXT"

enum {
	WIRE_LEN = 1 << 20,
	SENT_LEN = 1 << 18, /* in one call: more than a buffer of the pool */
	BLOCK = 16,	    /* of the connection's stream */
	ALERT_FATAL = 2,
	FILE_BYTES = 1 << 30,
	LEVEL_TLS = 282,
};

struct stranger stranger;

static uint8_t wire[WIRE_LEN];
static size_t wire_at, wire_end;
static uint8_t part[KTLS_RECORD_MAX];

/* The streams */

uint8_t stranger_byte(uint64_t at)
{
	return (uint8_t)((uint32_t)at * 0x9e3779b1u >> 24);
}

uint8_t stranger_conn_byte(uint64_t at)
{
	size_t i = at % BLOCK;

	return i < sizeof(MARKER) - 1 ? (uint8_t)MARKER[i] : (uint8_t)(at / BLOCK >> (i % 2 * 8));
}

/* What comes from the connection */

static void take_data(const uint8_t *data, size_t len)
{
	assert(len <= stranger.payload_max);
	for (size_t i = 0; i < len; i++)
		assert(data[i] == stranger_conn_byte(stranger.received + i));
	stranger.received += len;
}

static void take_alert(const uint8_t *data, size_t len)
{
	assert(len == 2 && data[0] >= 1 && data[0] <= ALERT_FATAL);
	if (data[0] == ALERT_FATAL || data[1] == KTLS_ALERT_CLOSE_NOTIFY)
		stranger.told = true;
	else
		assert(data[1] == KTLS_ALERT_NO_RENEGOTIATION &&
		       stranger.keys[KTLS_RX].protocol == KTLS_TLS_1_2);
}

static void take_handshake(const uint8_t *data, size_t len)
{
	static const uint8_t key_update[] = { 24, 0, 0, 1 };

	assert(stranger.keys[KTLS_RX].protocol == KTLS_TLS_1_3);
	assert(len == sizeof(key_update) + 1 && !memcmp(data, key_update, sizeof(key_update)));
	assert(data[sizeof(key_update)] <= 1);
	stranger_next_key(KTLS_RX);
}

static void take_record(size_t record_len)
{
	static uint8_t data[KTLS_RECORD_MAX];
	uint8_t type;
	size_t len;
	int r = judge_open(&stranger.keys[KTLS_RX], part, record_len, &type, data, &len);

	assert(!r && !stranger.told);
	stranger.keys[KTLS_RX].seq++;
	assert(type >= KERN_RECORD_ALERT && type <= KERN_RECORD_DATA);
	if (type == KERN_RECORD_DATA)
		take_data(data, len);
	else if (type == KERN_RECORD_ALERT)
		take_alert(data, len);
	else
		take_handshake(data, len);
}

/* Bytes that TCP has taken: records as they become whole. */
static void take_bytes(const uint8_t *bytes, size_t len)
{
	while (len) {
		size_t want = stranger.part_len < 5 ? 5 : judge_record_len(part), n;

		assert(want <= sizeof(part) && !stranger.told);
		n = want - stranger.part_len < len ? want - stranger.part_len : len;
		memcpy(part + stranger.part_len, bytes, n);
		stranger.part_len += n;
		bytes += n;
		len -= n;
		if (stranger.part_len < 5 || stranger.part_len < judge_record_len(part))
			continue;
		take_record(stranger.part_len);
		stranger.part_len = 0;
	}
}

/* The seam */

static bool interrupted(void)
{
	bool now = stranger.interrupted;

	assert(!stranger.silent);
	stranger.interrupted = false;
	errno = EINTR;
	return now;
}

static size_t spend(size_t *quota, size_t n)
{
	if (n > *quota)
		n = *quota;
	if (*quota < STRANGER_UNLIMITED)
		*quota -= n;
	return n;
}

static ssize_t stranger_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct ktls_cursor cursor = { .iov = msg->msg_iov, .count = (int)msg->msg_iovlen };
	static uint8_t bytes[SENT_LEN];
	size_t n;

	assert(fd >= 0 && flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
	if (interrupted())
		return -1;
	errno = stranger.shut ? EPIPE : stranger.write_error;
	if (errno)
		return -1;
	assert(ktls_cursor_left(&cursor) <= sizeof(bytes));
	n = ktls_cursor_read(&cursor, bytes, sizeof(bytes));
	assert(n && (stranger.deaf || !memmem(bytes, n, MARKER, sizeof(MARKER) - 1)));
	n = spend(&stranger.writable, n);
	if (!stranger.deaf)
		take_bytes(bytes, n);
	errno = EAGAIN;
	return n ? (ssize_t)n : -1;
}

static ssize_t stranger_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct ktls_cursor cursor = { .iov = msg->msg_iov, .count = (int)msg->msg_iovlen };
	size_t n = ktls_cursor_left(&cursor);

	assert(fd >= 0 && flags & MSG_DONTWAIT && n);
	if (interrupted())
		return -1;
	/* No control message, which the kernel's tls would add. */
	msg->msg_controllen = 0;
	msg->msg_flags = 0;
	if (n > wire_end - wire_at)
		n = wire_end - wire_at;
	n = spend(&stranger.readable, n);
	ktls_cursor_write(&cursor, wire + wire_at, n);
	wire_at += n;
	if (n)
		return (ssize_t)n;
	errno = stranger.read_error ? stranger.read_error : EAGAIN;
	return stranger.ended && wire_at == wire_end && !stranger.read_error ? 0 : -1;
}

static int stranger_shutdown(int fd, int how)
{
	assert(fd >= 0 && how == SHUT_WR && !stranger.silent);
	assert(stranger.deaf || !stranger.part_len);
	stranger.shut = true;
	return 0;
}

static int stranger_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	assert(!timeout_ms);
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = 0;
	return 0;
}

/* A file is the connection's stream. */
static int stranger_fstat(int fd, struct stat *ret_stat)
{
	(void)fd;
	*ret_stat = (struct stat){ .st_mode = S_IFREG, .st_size = FILE_BYTES };
	return 0;
}

static ssize_t stranger_preadv(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
	size_t done = 0;

	(void)fd;
	if (interrupted())
		return -1;
	for (int i = 0; i < iovcnt; i++) {
		uint8_t *bytes = iov[i].iov_base;

		for (size_t j = 0; j < iov[i].iov_len; j++)
			bytes[j] = stranger_conn_byte((uint64_t)offset + done++);
	}
	return (ssize_t)done;
}

/* The ULP is attached, and no key is ever taken: where the kernel is wanted, all is read as if it
 * took over at the next record. */
static int stranger_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd;
	(void)value;
	(void)len;
	errno = EBUSY;
	return (level == IPPROTO_TCP && name == TCP_ULP) || level == SOL_SOCKET ? 0 : -1;
}

/* struct tls_crypto_info: version and cipher; the rest is zeros. */
static int stranger_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	const struct kern_keys *keys = &stranger.keys[KTLS_TX];
	const uint16_t head[] = { keys->protocol, kern_cipher(keys->cipher)->id };

	(void)fd;
	(void)name;
	errno = ENOPROTOOPT;
	if (!stranger.kernel || level != LEVEL_TLS || *len < sizeof(head))
		return -1;
	memset(value, 0, *len);
	memcpy(value, head, sizeof(head));
	return 0;
}

static const struct ktls_sys calls = {
	.sendmsg = stranger_sendmsg,
	.recvmsg = stranger_recvmsg,
	.preadv = stranger_preadv,
	.setsockopt = stranger_setsockopt,
	.getsockopt = stranger_getsockopt,
	.fstat = stranger_fstat,
	.poll = stranger_poll,
	.shutdown = stranger_shutdown,
};

/* Keys */

/* Of no value: they protect nothing, and the same input must do the same every time. */
static void make_keys(enum ktls_direction direction, enum ktls_protocol protocol,
		      enum ktls_cipher cipher)
{
	struct kern_keys *keys = &stranger.keys[direction];
	int r;

	for (size_t i = 0; i < KTLS_SECRET_MAX; i++)
		stranger.secret[direction].bytes[i] = stranger_byte(i + 100 * direction);
	if (protocol == KTLS_TLS_1_3) {
		r = ktls_secret_keys(&stranger.secret[direction], cipher, keys);
		assert(!r);
		return;
	}
	*keys = (struct kern_keys){ .protocol = protocol, .cipher = cipher, .seq = 1 };
	memcpy(keys->key, stranger.secret[direction].bytes, sizeof(keys->key));
	memcpy(keys->iv, stranger.secret[direction].bytes + KERN_KEY_MAX, sizeof(keys->iv));
}

void stranger_next_key(enum ktls_direction direction)
{
	struct ktls_secret *secret = &stranger.secret[direction];
	unsigned int cipher = stranger.keys[direction].cipher;

	int r = ktls_secret_next(secret, cipher, secret);

	assert(!r);
	r = ktls_secret_keys(secret, cipher, &stranger.keys[direction]);
	assert(!r);
}

void stranger_begin(int fd, enum ktls_protocol protocol, enum ktls_cipher cipher)
{
	stranger = (struct stranger){ .fd = fd,
				      .payload_max = KERN_PAYLOAD_MAX,
				      .readable = STRANGER_UNLIMITED,
				      .writable = STRANGER_UNLIMITED };
	make_keys(KTLS_TX, protocol, cipher);
	make_keys(KTLS_RX, protocol, cipher);
	wire_at = wire_end = 0;
	ktls_sys = calls;
}

/* What goes to the connection */

bool stranger_send_raw(const uint8_t *bytes, size_t len)
{
	if (stranger.ended)
		return true;
	if (wire_at == wire_end)
		wire_at = wire_end = 0;
	if (len > sizeof(wire) - wire_end)
		return false;
	memcpy(wire + wire_end, bytes, len);
	wire_end += len;
	return true;
}

bool stranger_send(uint8_t type, const uint8_t *bytes, size_t len, size_t padding)
{
	static uint8_t record[JUDGE_RECORD_MAX + 5];
	size_t record_len;

	assert(len + padding <= STRANGER_SEALED_MAX);
	record_len = judge_seal(&stranger.keys[KTLS_TX], type, bytes, len, padding, record);
	if (stranger.flip) {
		size_t bit = stranger.flip_bit % (record_len * 8);

		record[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	if (!stranger_send_raw(record, record_len))
		return false;
	stranger.flip = false;
	stranger.keys[KTLS_TX].seq++;
	return true;
}

bool stranger_send_data(size_t len, size_t padding)
{
	static uint8_t bytes[STRANGER_SEALED_MAX];

	assert(len <= sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = stranger_byte(stranger.sent + i);
	if (!stranger_send(KERN_RECORD_DATA, bytes, len, padding))
		return false;
	stranger.sent += len;
	return true;
}
