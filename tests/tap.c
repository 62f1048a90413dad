/* SPDX-License-Identifier: MIT */

/* Records that are looked at on their way; see tap.h. */

#include <criterion/criterion.h>
#include <string.h>

#include "base/sys.h"
#include "conn.h"
#include "judge.h"
#include "outside.h"
#include "secrets.h"
#include "tap.h"

enum {
	HEADER_LEN = 5,
	KEY_UPDATE = 24,
};

struct tap tap;

static struct {
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	int fd;
	struct kern_keys keys;
	struct ktls_secret secret;
	uint32_t key;
	uint8_t record[JUDGE_RECORD_MAX + HEADER_LEN];
	size_t have;
	const char *fault; /* asserted at the end: it may come about in a thread */
} open_tap;

/* As the judge counts: the whole record but header, inner type, explicit nonce and tag. */
static size_t inner_len(const struct kern_keys *keys, size_t record_len)
{
	return record_len - kern_record_overhead(keys->protocol, keys->cipher);
}

static void change_key(void)
{
	open_tap.key++;
	if (ktls_secret_next(&open_tap.secret, open_tap.keys.cipher, &open_tap.secret) < 0 ||
	    ktls_secret_keys(&open_tap.secret, open_tap.keys.cipher, &open_tap.keys) < 0)
		open_tap.fault = "the next key";
}

static void take_record(size_t record_len)
{
	static uint8_t data[JUDGE_RECORD_MAX];
	struct tap_record *record = &tap.records[tap.n];
	size_t len;

	if (tap.n == TAP_RECORDS_MAX) {
		open_tap.fault = "too many records";
		return;
	}
	if (judge_open(&open_tap.keys, open_tap.record, record_len, &record->type, data, &len)) {
		open_tap.fault = "a record does not open";
		return;
	}
	record->len = (uint16_t)len;
	record->inner = (uint16_t)inner_len(&open_tap.keys, record_len);
	record->key = open_tap.key;
	tap.n++;
	open_tap.keys.seq++;
	if (record->type == KERN_RECORD_HANDSHAKE && data[0] == KEY_UPDATE)
		change_key();
}

/* The bytes as they trickle in. */
static void take_bytes(const uint8_t *bytes, size_t len)
{
	while (len && !open_tap.fault) {
		size_t whole =
			open_tap.have < HEADER_LEN ? HEADER_LEN : judge_record_len(open_tap.record);
		size_t n = whole - open_tap.have < len ? whole - open_tap.have : len;

		memcpy(open_tap.record + open_tap.have, bytes, n);
		open_tap.have += n;
		bytes += n;
		len -= n;
		if (open_tap.have < HEADER_LEN)
			continue;
		whole = judge_record_len(open_tap.record);
		if (whole > sizeof(open_tap.record)) {
			open_tap.fault = "a record is too large";
		} else if (open_tap.have == whole) {
			take_record(whole);
			open_tap.have = 0;
		}
	}
}

static ssize_t tap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = open_tap.recvmsg(fd, msg, flags);

	if (n > 0 && fd == open_tap.fd)
		take_bytes(msg->msg_iov[0].iov_base, (size_t)n);
	return n;
}

void tap_begin(const struct pair *pair, enum pair_end to)
{
	const struct ktls_half *half = &pair->conn[to]->half[KTLS_RX];

	cr_assert(half->protect == &ktls_protect_user);
	tap.n = 0;
	memset(&open_tap, 0, sizeof(open_tap));
	open_tap.recvmsg = ktls_sys.recvmsg;
	open_tap.fd = pair->fd[to];
	open_tap.keys = half->keys;
	open_tap.secret = half->secret;
	ktls_sys.recvmsg = tap_recvmsg;
	outside_begin(pair->conn[to]);
}

void tap_end(void)
{
	ktls_sys.recvmsg = open_tap.recvmsg;
	outside_end();
	cr_assert_null(open_tap.fault, "record %zu: %s", tap.n, open_tap.fault);
}

size_t tap_count(uint8_t type)
{
	size_t n = 0;

	for (size_t i = 0; i < tap.n; i++)
		n += !type || tap.records[i].type == type;
	return n;
}

uint32_t tap_key_updates(void)
{
	return open_tap.key;
}

size_t tap_most_under_one_key(void)
{
	size_t most = 0, n = 0;

	for (size_t i = 0; i < tap.n; i++) {
		n = i && tap.records[i].key == tap.records[i - 1].key ? n + 1 : 1;
		most = n > most ? n : most;
	}
	return most;
}

size_t tap_largest(void)
{
	size_t most = 0;

	for (size_t i = 0; i < tap.n; i++)
		if (tap.records[i].type == KERN_RECORD_DATA && tap.records[i].len > most)
			most = tap.records[i].len;
	return most;
}
