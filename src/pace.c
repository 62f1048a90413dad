/* SPDX-License-Identifier: MIT */

/*
 * How much may be written next, and in records of which size.
 *
 * A key protects only so many records (RFC 8446 5.5). The protections count them exactly, but
 * asking the kernel costs a system call: so it is asked rarely, and what one answer allows is spent
 * by estimate, never more than half of it at once, so that an estimate that was too low (the kernel
 * makes a record more where it likes) is found out long before the limit is passed by much.
 *
 * If the config wants it, a stream begins with small records, which a client can open as soon as
 * the first packets are in, and goes on with full ones; after a silence it begins again.
 */

#include "base/deadline.h"
#include "config.h"
#include "conn.h"

enum {
	/* Half of what RFC 8446 5.5 (AES-GCM: 2^24.5) and RFC 9147 4.5.3 (AES-CCM: 2^23) allow. */
	KEY_RECORDS_GCM = 11863283,
	KEY_RECORDS_CCM = 1 << 22,
	NS_PER_MS = 1000000,
};

uint64_t ktls_pace_key_records(const struct ktls_conn *conn)
{
	static const uint64_t defaults[_KTLS_CIPHER_N] = {
		[KTLS_AES_128_GCM] = KEY_RECORDS_GCM,
		[KTLS_AES_256_GCM] = KEY_RECORDS_GCM,
		[KTLS_AES_128_CCM] = KEY_RECORDS_CCM,
		[KTLS_CHACHA20_POLY1305] = UINT64_MAX,
	};

	if (!conn->protocol) /* plaintext */
		return UINT64_MAX;
	return conn->config->key_records ? conn->config->key_records : defaults[conn->cipher];
}

static uint64_t key_budget(struct ktls_conn *conn)
{
	uint64_t limit = ktls_pace_key_records(conn), made;

	if (!conn->pace.key_budget && limit != UINT64_MAX) {
		made = conn->half[KTLS_TX].protect->sequence(conn, KTLS_TX);
		conn->pace.key_budget = made < limit ? limit - made : 0;
	}
	return limit == UINT64_MAX ? limit : conn->pace.key_budget;
}

/* Of the present records' size, as many as may still be made of it; sets that size. */
static uint64_t choose_payload(struct ktls_conn *conn)
{
	const struct ktls_first_records *first = &conn->config->first_records;
	struct ktls_pace *pace = &conn->pace;
	uint64_t left;

	pace->payload = conn->payload_max;
	if (!first->payload || first->payload >= conn->payload_max)
		return UINT64_MAX;
	if (ktls_deadline_clock() - pace->moved_ns > (uint64_t)first->idle_ms * NS_PER_MS)
		pace->run_bytes = 0;
	if (pace->run_bytes >= first->bytes)
		return UINT64_MAX;
	pace->payload = first->payload;
	left = first->bytes - pace->run_bytes;
	/* To the kernel what is sent at once is one record, up to its own size. */
	if (conn->half[KTLS_TX].protect == &ktls_protect_kernel && left > pace->payload)
		return pace->payload;
	return left;
}

bool ktls_pace_key_is_spent(struct ktls_conn *conn)
{
	return !key_budget(conn);
}

uint64_t ktls_pace_next(struct ktls_conn *conn)
{
	uint64_t bytes = choose_payload(conn), records = key_budget(conn), allowed;

	if (records > 1)
		records /= 2;
	if (__builtin_mul_overflow(records, (uint64_t)conn->pace.payload, &allowed))
		return bytes;
	return bytes < allowed ? bytes : allowed;
}

void ktls_pace_moved(struct ktls_conn *conn, uint64_t n)
{
	struct ktls_pace *pace = &conn->pace;
	uint64_t records;

	if (!n)
		return;
	records = n / pace->payload + 1;
	pace->key_budget = pace->key_budget > records ? pace->key_budget - records : 0;
	if (conn->config->first_records.payload) {
		pace->run_bytes += n;
		pace->moved_ns = ktls_deadline_clock();
	}
}
