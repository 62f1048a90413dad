/* SPDX-License-Identifier: MIT */

/* Polling over both protections; see polling.h. */

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

#include "attacker.h"
#include "kit.h"
#include "polling.h"

enum {
	RECORD_LEN = 1000, /* plaintext */
	PIECE = 100,
	CALLS_MAX = 100, /* of ktls_poll() for a record */
	STREAM_LEN = 3000000,
};

uint32_t polling_one(struct ktls_handle handle, uint32_t query, uint64_t deadline_ns)
{
	uint32_t out = 0;
	size_t n = 7;
	int rc = ktls_poll(&out, &handle, &query, 1, deadline_ns, &n);

	cr_assert(rc == (out ? KTLS_DONE : KTLS_TIMEDOUT), "%s", ktls_strerrorname(rc));
	cr_assert_eq(n, out ? 1 : 0);
	return out;
}

uint32_t polling_conn(struct ktls_conn *conn, uint32_t query, uint64_t timeout_ms)
{
	return polling_one(ktls_handle_of_conn(conn), query, ktls_deadline_in(timeout_ms));
}

static size_t seal(struct attacker *attacker, uint8_t *record)
{
	static uint8_t data[RECORD_LEN];
	size_t len;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = kit_byte(i);
	len = judge_seal(&attacker->keys[KTLS_TX], KERN_RECORD_DATA, data, sizeof(data), 0, record);
	attacker->keys[KTLS_TX].seq++;
	return len;
}

/* Reads once where READ was said; how often it was not worth it. */
static unsigned int read_where_said(struct ktls_conn *conn, size_t *got)
{
	uint8_t bytes[RECORD_LEN];
	size_t n;
	int rc;

	if (!polling_conn(conn, KTLS_POLL_READ, POLLING_SHORT_MS))
		return 0;
	rc = ktls_conn_read(conn, bytes, sizeof(bytes), KTLS_NOW, &n);
	cr_assert(!rc || rc == KTLS_WANT_READ, "%s", ktls_conn_error(conn));
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(bytes[i], kit_byte(*got + i));
	*got += n;
	return rc ? 1 : 0;
}

void polling_half_a_record(enum ktls_protocol protocol, enum ktls_offload rx)
{
	struct attacker attacker = attacker_new(protocol, PAIR_CLIENT, KTLS_OFFLOAD_NEVER, rx);
	struct ktls_conn *victim = attacker.victim;
	uint8_t record[JUDGE_RECORD_MAX + 5];

	for (int round = 0; round < 3; round++) {
		size_t len = seal(&attacker, record), got = 0;

		for (size_t at = 0; at < len; at += PIECE) {
			unsigned int vain = 0;

			cr_assert_eq(got, 0);
			attacker_send_raw(&attacker, record + at,
					  len - at < PIECE ? len - at : PIECE);
			vain += read_where_said(victim, &got);
			vain += got ? 0 : read_where_said(victim, &got);
			cr_assert(vain <= 1, "READ was said twice of %zu bytes", at + PIECE);
		}
		cr_assert_eq(got, RECORD_LEN);
		cr_assert_eq(polling_conn(victim, KTLS_POLL_READ, POLLING_SHORT_MS), 0);
	}
	attacker_free(&attacker);
}

void polling_a_cut_record(enum ktls_protocol protocol, enum ktls_offload rx)
{
	struct attacker attacker = attacker_new(protocol, PAIR_SERVER, KTLS_OFFLOAD_NEVER, rx);
	uint8_t record[JUDGE_RECORD_MAX + 5], byte;
	unsigned int calls = 0;
	size_t n;
	int rc = KTLS_WANT_READ;

	seal(&attacker, record);
	attacker_send_raw(&attacker, record, PIECE);
	if (polling_conn(attacker.victim, KTLS_POLL_READ, POLLING_SHORT_MS))
		cr_assert_eq(ktls_conn_read(attacker.victim, &byte, 1, KTLS_NOW, &n),
			     KTLS_WANT_READ);
	shutdown(attacker.fd, SHUT_WR);
	while (rc == KTLS_WANT_READ) {
		cr_assert_eq(polling_conn(attacker.victim, KTLS_POLL_READ, POLLING_PATIENCE_MS),
			     KTLS_POLL_READ);
		cr_assert(calls++ < 3);
		rc = ktls_conn_read(attacker.victim, &byte, 1, KTLS_NOW, &n);
	}
	cr_assert(rc == KTLS_CLOSED || rc < 0, "%s", ktls_strerrorname(rc));
	attacker_free(&attacker);
}

/* Writes where WRITE was said. */
static void write_where_said(struct ktls_conn *conn, size_t *sent)
{
	static uint8_t bytes[1 << 16];
	size_t len = STREAM_LEN - *sent, n;
	int rc;

	if (len > sizeof(bytes))
		len = sizeof(bytes);
	if (!(polling_conn(conn, KTLS_POLL_WRITE, 0) & KTLS_POLL_WRITE))
		return;
	for (size_t i = 0; i < len; i++)
		bytes[i] = kit_byte(*sent + i);
	rc = ktls_conn_write(conn, bytes, len, KTLS_NOW, &n);
	cr_assert(!rc || rc == KTLS_WANT_WRITE, "%s", ktls_conn_error(conn));
	*sent += n;
}

static void read_some(struct ktls_conn *conn, size_t *seen)
{
	static uint8_t bytes[5000];
	size_t n;

	if (!(polling_conn(conn, KTLS_POLL_READ, 0) & KTLS_POLL_READ))
		return;
	cr_assert_geq(ktls_conn_read(conn, bytes, sizeof(bytes), KTLS_NOW, &n), 0);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(bytes[i], kit_byte(*seen + i), "byte %zu", *seen + i);
	*seen += n;
}

void polling_a_full_socket(enum ktls_protocol protocol, enum ktls_offload tx)
{
	struct pair_options options = PAIR_OPTIONS_USER;
	size_t sent = 0, seen = 0;
	struct pair pair;

	options.protocol = protocol;
	options.buffer_bytes = 16384;
	options.tx[PAIR_SERVER] = tx;
	pair = pair_open(&options);
	/* A reader that is slower, so that the writer meets a full socket. */
	for (int round = 0; sent < STREAM_LEN; round++) {
		write_where_said(pair.conn[PAIR_SERVER], &sent);
		if (round % 2)
			read_some(pair.conn[PAIR_CLIENT], &seen);
	}
	while (seen < sent) {
		/* What TCP has not taken goes with the next call, which polling for READ alone asks
		 * for. */
		if (polling_conn(pair.conn[PAIR_SERVER], KTLS_POLL_READ, 0)) {
			uint8_t byte;
			size_t n;

			cr_assert_eq(ktls_conn_read(pair.conn[PAIR_SERVER], &byte, 1, KTLS_NOW, &n),
				     KTLS_WANT_READ);
		}
		read_some(pair.conn[PAIR_CLIENT], &seen);
	}
	cr_assert_eq(seen, STREAM_LEN);
	pair_close(&pair);
	pair_free(&pair);
}
