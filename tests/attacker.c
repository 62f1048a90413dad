/* SPDX-License-Identifier: MIT */

/* A peer that says what it likes; see attacker.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "attacker.h"
#include "conn.h"

enum {
	PATIENCE_MS = 20000,
	ARRIVAL_MS = 2000, /* over the loopback, in an emulator */
	SILENCE_MS = 2,	   /* in which something would have come, mostly */
	PING_LEN = 100,
	TRIES = 100,
};

struct attacker attacker_new(enum ktls_protocol protocol, enum pair_end victim,
			     enum ktls_offload tx, enum ktls_offload rx)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	struct attacker attacker = { .end = victim, .protocol = protocol, .buffer_len = 4096 };
	struct ktls_conn *mine;

	options.protocol = protocol;
	options.cipher = KTLS_AES_128_GCM;
	options.no_tickets = true;
	options.tx[victim] = tx;
	options.rx[victim] = rx;
	attacker.pair = pair_open(&options);
	attacker.victim = attacker.pair.conn[victim];
	attacker.fd = attacker.pair.fd[!victim];
	mine = attacker.pair.conn[!victim];
	for (int d = 0; d < _KTLS_DIRECTION_N; d++) {
		attacker.keys[d] = mine->half[d].keys;
		attacker.secret[d] = mine->half[d].secret;
	}
	return attacker;
}

void attacker_free(struct attacker *attacker)
{
	pair_free(&attacker->pair);
}

/* Sending */

void attacker_send_raw(struct attacker *attacker, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		struct pollfd pollfd = { .fd = attacker->fd, .events = POLLOUT };
		ssize_t n = send(attacker->fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			cr_assert(poll(&pollfd, 1, PATIENCE_MS) == 1);
			continue;
		}
		cr_assert(n > 0, "%s", strerror(errno));
		at += n;
		len -= (size_t)n;
	}
}

void attacker_send_padded(struct attacker *attacker, uint8_t type, const void *data, size_t len,
			  size_t padding)
{
	static uint8_t record[2 * JUDGE_RECORD_MAX];
	size_t record_len = judge_seal(&attacker->keys[KTLS_TX], type, data, len, padding, record);

	attacker->keys[KTLS_TX].seq++;
	attacker_send_raw(attacker, record, record_len);
}

void attacker_send(struct attacker *attacker, uint8_t type, const void *data, size_t len)
{
	attacker_send_padded(attacker, type, data, len, 0);
}

void attacker_send_flipped(struct attacker *attacker, const void *data, size_t len, size_t bit)
{
	static uint8_t record[JUDGE_RECORD_MAX + 5];
	size_t record_len =
		judge_seal(&attacker->keys[KTLS_TX], KERN_RECORD_DATA, data, len, 0, record);

	cr_assert(bit / 8 < record_len);
	record[bit / 8] ^= (uint8_t)(1u << bit % 8);
	attacker_send_raw(attacker, record, record_len);
}

void attacker_next_key(struct attacker *attacker, enum ktls_direction direction)
{
	struct ktls_secret *secret = &attacker->secret[direction];
	unsigned int cipher = attacker->keys[direction].cipher;

	cr_assert(!ktls_secret_next(secret, cipher, secret));
	cr_assert(!ktls_secret_keys(secret, cipher, &attacker->keys[direction]));
}

/* Receiving */

/* Exactly len bytes, if the first of them has come. */
static bool receive_bytes(int fd, uint8_t *bytes, size_t len)
{
	for (size_t got = 0; got < len;) {
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&pollfd, 1, got ? PATIENCE_MS : ARRIVAL_MS) != 1)
			return false;
		n = recv(fd, bytes + got, len - got, MSG_DONTWAIT);
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

bool attacker_receive(struct attacker *attacker, uint8_t *ret_type, uint8_t *ret_data,
		      size_t *ret_len)
{
	static uint8_t record[JUDGE_RECORD_MAX + 5];
	size_t len;

	if (!receive_bytes(attacker->fd, record, 5))
		return false;
	len = judge_record_len(record);
	cr_assert(len <= sizeof(record) && receive_bytes(attacker->fd, record + 5, len - 5));
	cr_assert(!judge_open(&attacker->keys[KTLS_RX], record, len, ret_type, ret_data, ret_len),
		  "a record of the victim's does not open");
	attacker->keys[KTLS_RX].seq++;
	return true;
}

int attacker_victim_reads(struct attacker *attacker)
{
	static uint8_t bytes[JUDGE_RECORD_MAX];
	struct pollfd pollfd = { .fd = attacker->pair.fd[attacker->end], .events = POLLIN };
	int rc, tries = 0;

	cr_assert(attacker->buffer_len <= sizeof(bytes));
	do {
		size_t n;

		rc = ktls_conn_read(attacker->victim, bytes, attacker->buffer_len, KTLS_NOW, &n);
		attacker->got += n;
		/* What was sent last may still be on its way; but half a record is readable for
		 * ever, before Linux 6.12. */
		if (rc == KTLS_WANT_READ && tries++ < TRIES && poll(&pollfd, 1, 0) == 1)
			rc = 0;
	} while (!rc);
	return rc;
}

/* The victim must be told, or have told, nothing but this. */
static void expect_alert(struct attacker *attacker, enum ktls_alert alert, const char *what)
{
	static uint8_t data[JUDGE_RECORD_MAX];
	struct pollfd pollfd = { .fd = attacker->fd, .events = POLLIN };
	uint8_t type;
	size_t len;

	if (alert == KTLS_ALERT_NONE) {
		cr_assert(poll(&pollfd, 1, SILENCE_MS) == 0, "%s: the victim sent more", what);
		return;
	}
	cr_assert(attacker_receive(attacker, &type, data, &len), "%s: no alert", what);
	cr_assert(type == KERN_RECORD_ALERT && len == 2, "%s: a record of type %u", what, type);
	cr_assert(data[1] == alert, "%s: the alert %s, not %s", what, ktls_alert_name(data[1]),
		  ktls_alert_name(alert));
	cr_assert(data[0] == (alert == KTLS_ALERT_CLOSE_NOTIFY ? 1 : 2), "%s: level %u", what,
		  data[0]);
}

void attacker_expect_failure(struct attacker *attacker, int code, enum ktls_alert alert,
			     const char *what)
{
	struct pollfd pollfd = { .fd = attacker->pair.fd[attacker->end], .events = POLLIN };
	struct ktls_info info;
	uint8_t byte = 0;
	size_t n;
	int rc = KTLS_WANT_READ;

	for (int i = 0; i < 10 && rc == KTLS_WANT_READ; i++) {
		poll(&pollfd, 1, ARRIVAL_MS);
		rc = attacker_victim_reads(attacker);
	}
	cr_assert(rc == code, "%s, %s: %s, not %s: %s", what,
		  ktls_protocol_name(attacker->protocol), ktls_strerrorname(rc),
		  ktls_strerrorname(code), ktls_conn_error(attacker->victim));
	cr_assert(!ktls_conn_get_info(attacker->victim, &info, sizeof(info)));
	cr_assert(info.state == KTLS_STATE_FAILED, "%s: %s", what, ktls_state_name(info.state));
	cr_assert(*ktls_conn_error(attacker->victim), "%s: without a word", what);
	expect_alert(attacker, alert, what);
	cr_assert(ktls_conn_read(attacker->victim, &byte, 1, KTLS_NOW, &n) == code && !n);
	cr_assert(ktls_conn_write(attacker->victim, &byte, 1, KTLS_NOW, &n) == code && !n);
	cr_assert(ktls_conn_shutdown(attacker->victim, KTLS_NOW) == code);
	expect_alert(attacker, KTLS_ALERT_NONE, what);
}

void attacker_expect_alive(struct attacker *attacker, const char *what)
{
	static const uint8_t ping[PING_LEN];
	static uint8_t data[JUDGE_RECORD_MAX];
	size_t before = attacker->got, n;
	uint8_t type;
	int rc;

	attacker_send(attacker, KERN_RECORD_DATA, ping, sizeof(ping));
	for (int i = 0; i < 10 && attacker->got < before + sizeof(ping); i++) {
		rc = attacker_victim_reads(attacker);
		cr_assert(rc == KTLS_WANT_READ, "%s: %s: %s", what, ktls_strerrorname(rc),
			  ktls_conn_error(attacker->victim));
	}
	cr_assert(attacker->got == before + sizeof(ping), "%s: %zu bytes came", what,
		  attacker->got - before);
	rc = ktls_conn_write(attacker->victim, ping, sizeof(ping), KTLS_NOW, &n);
	cr_assert(!rc && n == sizeof(ping), "%s: %s", what, ktls_conn_error(attacker->victim));
	cr_assert(attacker_receive(attacker, &type, data, &n), "%s: nothing came back", what);
	cr_assert(type == KERN_RECORD_DATA && n == sizeof(ping), "%s: type %u", what, type);
}
