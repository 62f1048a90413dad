/* SPDX-License-Identifier: MIT */

/*
 * Records protected in the kernel: the key is set on the socket, and from then on plaintext goes
 * down and comes up. The kernel counts the records; this file only asks it.
 *
 * The kernel's tls may hold a record that TCP has not taken yet, and drops it when the socket is
 * closed or shut down: flush() compares what was accepted,
 * record by record, with what TCP has taken since the key was set, and is done only when they are
 * equal.
 */

#include <assert.h>
#include <errno.h>

#include "base/sys.h"
#include "conn.h"
#include "lane.h"

enum {
	WINDOW = 256,	      /* pieces that are handed down at once */
	FILE_CHUNK = 1 << 30, /* bytes of a file, fewer than one sendfile(2) takes */
};

static uint64_t sequence(const struct ktls_conn *conn, enum ktls_direction direction)
{
	const struct ktls_half *half = &conn->half[direction];
	uint64_t seq;

	if (kern_seq(conn->fd, direction, half->keys.protocol, half->keys.cipher, &seq) < 0)
		return half->kernel.first_seq;
	return seq;
}

static void set_reason(struct ktls_half *half, unsigned int reason, int error)
{
	half->reason = (uint16_t)reason;
	half->reason_errno = -error;
}

/* What can fail for TX alone comes before its first key, which cannot be taken back. */
static int prepare_tx(struct ktls_conn *conn, struct ktls_kernel *kernel)
{
	struct ktls_half *half = &conn->half[KTLS_TX];
	unsigned int reason;
	int r = 0;

	if (conn->payload_max < KERN_PAYLOAD_MAX)
		r = kern_set_payload_max(conn->fd, conn->payload_max, &reason);
	if (r < 0) {
		/* Too old for the option is too large in its records. */
		set_reason(half,
			   reason == KTLS_REASON_OLD_KERNEL ? KTLS_REASON_RECORD_SIZE : reason, r);
		return r;
	}
	r = kern_tcp_taken(conn->fd, &kernel->taken_before);
	if (r < 0)
		set_reason(half, kern_option_reason(-r), r);
	return r;
}

static int install(struct ktls_conn *conn, enum ktls_direction direction)
{
	struct ktls_half *half = &conn->half[direction];
	_cleanup_(kern_crypto_wipe) struct kern_crypto crypto;
	bool first = half->protect != &ktls_protect_kernel;
	struct ktls_kernel kernel = { 0 };
	unsigned int reason;
	uint64_t seq;
	int r;

	r = kern_prepare(&half->keys, &crypto);
	if (r < 0)
		return r;
	if (!first) {
		kernel = half->kernel;
		r = kern_seq(conn->fd, direction, half->keys.protocol, half->keys.cipher, &seq);
		if (r < 0)
			return r;
		kernel.records_before += seq - kernel.first_seq;
	} else if (direction == KTLS_TX) {
		r = prepare_tx(conn, &kernel);
		if (r < 0)
			return r;
	}
	r = kern_commit(conn->fd, direction, &crypto, &reason);
	if (r < 0) {
		/* On another socket this kernel took it (conn.c): it is not too old. */
		if (first && reason == KTLS_REASON_OLD_KERNEL && r == -EINVAL)
			reason = KTLS_REASON_ULP_BUSY;
		if (first)
			set_reason(half, reason, r);
		return r;
	}
	/* The point of no return: the key is the kernel's, and nobody else keeps it. */
	explicit_bzero(half->keys.key, sizeof(half->keys.key));
	kernel.first_seq = half->keys.seq;
	half->kernel = kernel;
	half->protect = &ktls_protect_kernel;
	half->reason = KTLS_REASON_NONE;
	half->reason_errno = 0;
	return 0;
}

static int send_records(struct ktls_conn *conn, uint8_t type, struct ktls_cursor *cursor)
{
	struct iovec iov[WINDOW];
	int count;

	if (ktls_lane_is_sending(conn))
		return KTLS_WANT_WRITE;
	while ((count = ktls_cursor_window(cursor, iov, WINDOW))) {
		size_t n;
		int r = kern_send(conn->fd, type, iov, count, &n);

		if (r < 0)
			return r == -EAGAIN ? KTLS_WANT_WRITE : r;
		conn->half[KTLS_TX].kernel.plain += n;
		conn->half[KTLS_TX].kernel.unpushed = false;
		ktls_cursor_advance(cursor, n);
	}
	return 0;
}

static int send_file(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		     uint64_t *ret_n)
{
	struct ktls_kernel *kernel = &conn->half[KTLS_TX].kernel;

	*ret_n = 0;
	kernel->unpushed = true;
	while (*ret_n < len) {
		uint64_t left = len - *ret_n;
		size_t n, chunk = left < FILE_CHUNK ? (size_t)left : FILE_CHUNK;
		int r = kern_send_file(conn->fd, file_fd, offset + *ret_n, chunk, &n);

		if (r < 0)
			return r == -EAGAIN ? KTLS_WANT_WRITE : r;
		if (!n)
			return -KTLS_E_FILE_SHORT;
		kernel->plain += n;
		*ret_n += n;
		/* Short is full: asking once more would only be told so. */
		if (n < chunk)
			return KTLS_WANT_WRITE;
	}
	kernel->unpushed = false;
	return 0;
}

static void sent(struct ktls_conn *conn, struct ktls_cursor *cursor, const struct ktls_stage *stage,
		 size_t n)
{
	(void)stage;
	conn->half[KTLS_TX].kernel.plain += n;
	ktls_cursor_advance(cursor, n);
}

static int flush(struct ktls_conn *conn)
{
	const struct ktls_half *half = &conn->half[KTLS_TX];
	const struct ktls_kernel *kernel = &half->kernel;
	uint64_t records, made, taken, seq;
	int r;

	r = kern_seq(conn->fd, KTLS_TX, half->keys.protocol, half->keys.cipher, &seq);
	if (r < 0)
		return r;
	r = kern_tcp_taken(conn->fd, &taken);
	if (r < 0)
		return r;
	records = kernel->records_before + seq - kernel->first_seq;
	made = kernel->plain +
	       records * kern_record_overhead(half->keys.protocol, half->keys.cipher);
	return taken - kernel->taken_before < made ? KTLS_WANT_WRITE : 0;
}

/* Before Linux 6.5 a record that sendfile(2) made goes to TCP without a push where the next page
 * found no room, and perhaps later: the next call would push it. Who rather reads now would wait
 * for an answer to what never left. */
void ktls_protect_kernel_push(struct ktls_conn *conn)
{
	struct ktls_half *half = &conn->half[KTLS_TX];
	int r;

	if (half->protect != &ktls_protect_kernel || !half->kernel.unpushed)
		return;
	r = flush(conn);
	kern_push(conn->fd);
	half->kernel.unpushed = r == KTLS_WANT_WRITE;
}

/* What an error of recvmsg(2) means (net/tls/tls_sw.c, tls_strp.c). */
static int receive_error(int r, enum ktls_alert *ret_alert)
{
	switch (-r) {
	case EBADMSG:
		*ret_alert = KTLS_ALERT_BAD_RECORD_MAC;
		return -KTLS_E_BAD_MAC;
	case EMSGSIZE:
		*ret_alert = KTLS_ALERT_RECORD_OVERFLOW;
		return -KTLS_E_BAD_RECORD;
	case EINVAL:
		*ret_alert = KTLS_ALERT_UNEXPECTED_MESSAGE;
		return -KTLS_E_BAD_RECORD;
	case EPROTO:
		*ret_alert = KTLS_ALERT_INTERNAL_ERROR;
		return r;
	case EKEYEXPIRED:
		*ret_alert = KTLS_ALERT_INTERNAL_ERROR;
		return -KTLS_E_REKEY;
	default:
		*ret_alert = KTLS_ALERT_NONE;
		return r;
	}
}

static int receive_record(const struct ktls_conn *conn, struct ktls_cursor *cursor,
			  uint8_t *ret_type, bool *ret_end)
{
	struct iovec iov[WINDOW];
	int count = ktls_cursor_window(cursor, iov, WINDOW);
	size_t n;
	int r = kern_recv(conn->fd, iov, count, ret_type, ret_end, &n);

	if (!r)
		ktls_cursor_advance(cursor, n);
	return r;
}

static int receive(struct ktls_conn *conn, struct ktls_cursor *cursor, uint8_t *ret_type,
		   bool *ret_end, enum ktls_alert *ret_alert)
{
	socklen_t len = sizeof(int);
	int r, pending;

	r = ktls_lane_receives(conn) ? ktls_lane_receive_record(conn, cursor, ret_type, ret_end)
				     : receive_record(conn, cursor, ret_type, ret_end);
	if (r == -EAGAIN)
		return KTLS_WANT_READ;
	/* A decryption error stays on the socket, and would be the answer to our alert too. Any
	 * other is left there: without it the kernel raises SIGPIPE when the socket is closed while
	 * its tls still holds a record of sendfile(2). */
	if (r == -EBADMSG)
		ktls_sys.getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &pending, &len);
	if (r < 0)
		return receive_error(r, ret_alert);
	return *ret_type == KERN_RECORD_NONE ? KTLS_CLOSED : 0;
}

/* The kernel keeps its key until the socket is closed; here is nothing but numbers. */
static void drop(struct ktls_conn *conn, enum ktls_direction direction)
{
	kern_keys_wipe(&conn->half[direction].keys);
}

const struct ktls_protect ktls_protect_kernel = {
	.protection = KTLS_PROTECTION_KERNEL,
	.install = install,
	.send = send_records,
	.send_file = send_file,
	.stage = ktls_stage_memory,
	.sent = sent,
	.flush = flush,
	.receive = receive,
	.sequence = sequence,
	.drop = drop,
};
