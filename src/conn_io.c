/* SPDX-License-Identifier: MIT */

/*
 * Bytes. Each public call is one attempt, repeated with waits between until it is done or its
 * deadline has come; the attempts never wait, and are the same over both protections.
 */

#include <errno.h>

#include <ktls/socket.h>

#include "base/secret.h"
#include "base/sigpipe.h"
#include "base/sys.h"
#include "config.h"
#include "conn.h"
#include "handshake.h"
#include "lane.h"
#include "resume.h"
#include "wait.h"

enum {
	EMPTY_RECORDS_MAX = 32, /* in a row, before it is a flood */
	MESSAGES_PER_LOOK = 64, /* in a row that are no data, before we look at the clock */
};

int ktls_conn_handshake(struct ktls_conn *conn, uint64_t deadline_ns)
{
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	int r;

	if (!conn)
		return -EINVAL;
	if (ktls_lane_forbids(conn))
		return -EBUSY;
	r = ktls_conn_connect(conn, deadline_ns);
	if (r)
		return r;
	if (conn->state == KTLS_STATE_NEW && conn->config->insecure_plaintext)
		ktls_conn_open_plain(conn);
	if (conn->state == KTLS_STATE_NEW) {
		r = ktls_handshake_begin(conn);
		if (r < 0)
			return r;
	}
	if (conn->state != KTLS_STATE_HANDSHAKE)
		return ktls_conn_check_open(conn);
	for (;;) {
		r = ktls_handshake_step(conn, deadline_ns);
		if (!ktls_wait_is_want(r))
			return r;
		r = ktls_wait(conn, &waiter, r, 0);
		if (r)
			return r;
	}
}

/* Reading */

static int read_failed(struct ktls_conn *conn, int r, enum ktls_alert alert)
{
	return ktls_conn_fail_alert(
		conn, r, alert, "reading record %llu: %s%s%s",
		(unsigned long long)conn->half[KTLS_RX].protect->sequence(conn, KTLS_RX),
		ktls_strerror(r), alert == KTLS_ALERT_NONE ? "" : "; told the peer ",
		alert == KTLS_ALERT_NONE ? "" : ktls_alert_name(alert));
}

/* The rest of a record that a writer left behind: the peer may be waiting for it, as we for its
 * answer. What goes wrong with it the next write will hear. */
static void flush_quietly(struct ktls_conn *conn)
{
	int r = 0;

	ktls_protect_kernel_push(conn);
	if (conn->half[KTLS_TX].protect == &ktls_protect_user)
		r = ktls_protect_user.flush(conn);
	/* A socket tells of a reset once. */
	if (r == -ECONNRESET)
		conn->was_reset = true;
}

bool ktls_conn_has_rest(const struct ktls_conn *conn)
{
	const struct ktls_half *half = &conn->half[KTLS_TX];

	if (half->protect == &ktls_protect_kernel)
		return half->kernel.unpushed;
	return half->protect == &ktls_protect_user && half->user.start < half->user.end;
}

/* One record's worth. 0 with *ret_n 0: it was no data, go on. */
static int read_record(struct ktls_conn *conn, struct ktls_cursor *cursor, size_t *ret_n)
{
	struct ktls_half *half = &conn->half[KTLS_RX];
	struct ktls_cursor content = *cursor;
	enum ktls_alert alert = KTLS_ALERT_NONE;
	uint8_t type;
	bool ends;
	size_t n;
	int r;

	/* An end that began for TX is the writer's: what the peer sends meanwhile is read, or two
	 * that end at once would wait for each other. */
	if (conn->rekey.ending == KTLS_ENDING_RX)
		return ktls_rekey_end(conn);
	flush_quietly(conn);
	r = ktls_conn_promote(conn, KTLS_RX);
	if (r < 0)
		return r;
	r = half->protect->receive(conn, cursor, &type, &ends, &alert);
	if (r == KTLS_CLOSED && conn->was_reset)
		r = -ECONNRESET;
	if (r < 0)
		return read_failed(conn, r, alert);
	if (r == KTLS_CLOSED || r == KTLS_EOF)
		ktls_conn_end_rx(conn, r);
	if (r)
		return r;
	conn->polled.said = conn->polled.vain &= ~(1u << KTLS_RX);
	n = ktls_cursor_left(&content) - ktls_cursor_left(cursor);
	if (type != KERN_RECORD_DATA) {
		*cursor = content;
		return ktls_post_receive(conn, type, content, n, ends);
	}
	if (conn->post.header_len)
		return ktls_conn_fail_alert(
			conn, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
			"reading: data in the middle of a handshake message; told "
			"the peer unexpected_message");
	conn->post.empty = n ? 0 : conn->post.empty + 1;
	if (conn->post.empty > EMPTY_RECORDS_MAX)
		return ktls_conn_fail_alert(conn, -KTLS_E_PROTOCOL, KTLS_ALERT_UNEXPECTED_MESSAGE,
					    "reading: the peer sent %u empty records in a row",
					    conn->post.empty);
	half->bytes += n;
	if (n)
		ktls_post_calm(conn);
	ktls_resume_read(conn);
	*ret_n = n;
	return 0;
}

int ktls_conn_readv(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		    uint64_t deadline_ns, size_t *ret_n)
{
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	struct ktls_cursor cursor = { .iov = iov, .count = iovcnt };
	int r;

	if (!conn || !ret_n || iovcnt < 0 || (iovcnt && !iov))
		return -EINVAL;
	*ret_n = 0;
	r = ktls_conn_check_io(conn);
	if (r)
		return r;
	if (conn->rx_end) {
		flush_quietly(conn);
		return conn->rx_end;
	}
	if (!ktls_cursor_left(&cursor))
		return 0;
	for (;;) {
		r = read_record(conn, &cursor, ret_n);
		if (*ret_n || (r && !ktls_wait_is_want(r)))
			return r;
		if (r)
			r = ktls_wait(conn, &waiter, r, 0);
		else if (conn->post.messages % MESSAGES_PER_LOOK == 0)
			r = ktls_lane_has_others(conn) ? KTLS_WANT_READ
						       : ktls_wait_expired(&waiter);
		if (r)
			return r;
	}
}

int ktls_conn_read(struct ktls_conn *conn, void *buf, size_t len, uint64_t deadline_ns,
		   size_t *ret_n)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	if (!buf && len)
		return -EINVAL;
	return ktls_conn_readv(conn, &iov, 1, deadline_ns, ret_n);
}

/* Writing */

static int check_writable(const struct ktls_conn *conn)
{
	int r = ktls_conn_check_io(conn);

	if (r)
		return r;
	return conn->close_sent && !conn->rekey.ending ? -EPIPE : 0;
}

/* What comes before any application byte: what we owe, and the kernel if it is time. */
static int prepare_write(struct ktls_conn *conn, bool more)
{
	int r = ktls_post_settle(conn, more);

	return r ? r : ktls_conn_promote(conn, KTLS_TX);
}

static void count_written(struct ktls_conn *conn, uint64_t n)
{
	conn->half[KTLS_TX].bytes += n;
	ktls_pace_moved(conn, n);
	if (n)
		ktls_post_calm(conn);
}

/* As much as may go at once. 0 with something left: again. */
static int write_some(struct ktls_conn *conn, struct ktls_cursor *cursor, size_t *done)
{
	struct ktls_cursor part = *cursor;
	size_t n;
	int r;

	r = prepare_write(conn, ktls_cursor_left(cursor) > 0);
	if (r)
		return r < 0 ? ktls_conn_fail_io(conn, r, "writing") : r;
	ktls_cursor_limit(&part, ktls_pace_next(conn));
	n = ktls_cursor_left(&part);
	r = conn->half[KTLS_TX].protect->send(conn, KERN_RECORD_DATA, &part);
	n -= ktls_cursor_left(&part);
	ktls_cursor_advance(cursor, n);
	count_written(conn, n);
	*done += n;
	return r < 0 ? ktls_conn_fail_io(conn, r, "writing") : r;
}

int ktls_conn_writev(struct ktls_conn *conn, const struct iovec *iov, int iovcnt,
		     uint64_t deadline_ns, size_t *ret_n)
{
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	struct ktls_cursor cursor = { .iov = iov, .count = iovcnt };
	int r;

	if (!conn || !ret_n || iovcnt < 0 || (iovcnt && !iov))
		return -EINVAL;
	*ret_n = 0;
	r = check_writable(conn);
	if (r)
		return r;
	for (;;) {
		r = write_some(conn, &cursor, ret_n);
		if (!r && ktls_cursor_left(&cursor))
			continue;
		if (!ktls_wait_is_want(r))
			return r;
		r = ktls_wait(conn, &waiter, r, *ret_n);
		if (r)
			return r;
	}
}

/* Pieces that may be sent whole, from where the cursor is. */
static int whole_pieces(const struct ktls_cursor *cursor)
{
	size_t left = ktls_cursor_left(cursor);
	int n = 0;

	for (; left && !cursor->skip && n < cursor->count && n < KTLS_STAGE_LIST_MAX; n++) {
		if (cursor->iov[n].iov_len > left)
			break;
		left -= cursor->iov[n].iov_len;
	}
	return n;
}

/* To the kernel what is sent at once is one record: many small pieces go at once. */
int ktls_stage_memory(struct ktls_conn *conn, const struct ktls_cursor *cursor,
		      struct ktls_stage *stage)
{
	int whole = whole_pieces(cursor);

	(void)conn;
	stage->list = whole > KTLS_STAGE_PIECES ? cursor->iov : NULL;
	stage->count =
		stage->list ? whole : ktls_cursor_window(cursor, stage->pieces, KTLS_STAGE_PIECES);
	return 0;
}

int ktls_conn_stage(struct ktls_conn *conn, const struct ktls_cursor *cursor,
		    struct ktls_stage *stage)
{
	struct ktls_cursor part = *cursor;
	int r = check_writable(conn);

	if (r)
		return r;
	r = prepare_write(conn, ktls_cursor_left(cursor) > 0);
	if (!r) {
		ktls_cursor_limit(&part, ktls_pace_next(conn));
		r = conn->half[KTLS_TX].protect->stage(conn, &part, stage);
	}
	return r < 0 ? ktls_conn_fail_io(conn, r, "writing") : r;
}

size_t ktls_conn_sent(struct ktls_conn *conn, struct ktls_cursor *cursor,
		      const struct ktls_stage *stage, size_t n)
{
	size_t left = ktls_cursor_left(cursor);

	conn->half[KTLS_TX].protect->sent(conn, cursor, stage, n);
	left -= ktls_cursor_left(cursor);
	count_written(conn, left);
	return left;
}

int ktls_conn_write(struct ktls_conn *conn, const void *buf, size_t len, uint64_t deadline_ns,
		    size_t *ret_n)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	if (!buf && len)
		return -EINVAL;
	return ktls_conn_writev(conn, &iov, 1, deadline_ns, ret_n);
}

/* Keys */

int ktls_conn_update_key(struct ktls_conn *conn, enum ktls_key_update update, uint64_t deadline_ns)
{
	uint8_t kind = update == KTLS_KEY_UPDATE_BOTH ? KTLS_REKEY_BOTH_WAYS : KTLS_REKEY_ONE_WAY;
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	bool asked;
	int r;

	if (!conn || update >= _KTLS_KEY_UPDATE_N)
		return -EINVAL;
	r = check_writable(conn);
	if (r)
		return r;
	if (conn->protocol != KTLS_TLS_1_3)
		return -EOPNOTSUPP;
	if (!ktls_rekey_possible(conn, KTLS_TX))
		return -KTLS_E_REKEY;
	/* One that was announced already, and says as much, is this one. */
	asked = conn->rekey.announced && conn->rekey.owed >= kind;
	while (!asked || conn->rekey.owed) {
		if (!asked && !conn->rekey.announced) {
			conn->rekey.owed = kind;
			asked = true;
		}
		r = ktls_post_settle(conn, false);
		if (r < 0)
			return ktls_conn_fail_io(conn, r, "changing our key");
		if (r)
			r = ktls_wait(conn, &waiter, r, 0);
		if (r)
			return r;
	}
	return 0;
}

/* Files */

/* -KTLS_E_FILE_SHORT if the range is not in the file; fatal where it was, when the range was begun.
 */
static int check_range(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len)
{
	struct stat stat;

	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -EINVAL;
	if (ktls_sys.fstat(file_fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return -EINVAL;
	if (offset + len <= (uint64_t)stat.st_size)
		return 0;
	if (conn->file_end != offset + len)
		return -KTLS_E_FILE_SHORT;
	return ktls_conn_fail_alert(conn, -KTLS_E_FILE_SHORT, KTLS_ALERT_INTERNAL_ERROR,
				    "sending a file: it shrank to %lld bytes while bytes up to "
				    "%llu were on their way",
				    (long long)stat.st_size, (unsigned long long)(offset + len));
}

struct file_range {
	int fd;
	uint64_t offset, len;
	uint64_t turn; /* bytes of it, before others have theirs */
	uint64_t done;
};

/* As much as may go at once. 0 with something left: again. */
static int sendfile_some(struct ktls_conn *conn, struct ktls_sigpipe *sigpipe,
			 struct file_range *range)
{
	uint64_t n = 0, part = range->len - range->done, allowed;
	int r;

	r = prepare_write(conn, part > 0);
	if (r)
		return r < 0 ? ktls_conn_fail_io(conn, r, "sending a file") : r;
	if (conn->half[KTLS_TX].protect != &ktls_protect_user)
		ktls_sigpipe_hold(sigpipe);
	allowed = ktls_pace_next(conn);
	if (allowed > range->turn - range->done)
		allowed = range->turn - range->done;
	r = conn->half[KTLS_TX].protect->send_file(conn, range->fd, range->offset + range->done,
						   part < allowed ? part : allowed, &n);
	count_written(conn, n);
	range->done += n;
	if (r == -KTLS_E_FILE_SHORT)
		return ktls_conn_fail_alert(
			conn, r, KTLS_ALERT_INTERNAL_ERROR,
			"sending a file: it ends at %llu, before %llu: it shrank",
			(unsigned long long)(range->offset + range->done),
			(unsigned long long)(range->offset + range->len));
	return r < 0 ? ktls_conn_fail_io(conn, r, "sending a file") : r;
}

/* Until all is accepted, it must wait, or has had its turn. */
static int sendfile_on(struct ktls_conn *conn, struct ktls_sigpipe *sigpipe,
		       struct file_range *range)
{
	int r;

	do {
		r = sendfile_some(conn, sigpipe, range);
	} while (!r && range->done < range->len && range->done < range->turn);
	return r;
}

/* What must hold before any byte of the file goes. */
static int begin_sendfile(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len)
{
	int r = check_writable(conn);

	if (!r)
		r = check_range(conn, file_fd, offset, len);
	if (!r)
		conn->sendfile_seen = true;
	return r;
}

static void end_sendfile(struct ktls_conn *conn, const struct file_range *range)
{
	conn->file_end = range->done < range->len ? range->offset + range->len : 0;
}

int ktls_conn_sendfile(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
		       uint64_t deadline_ns, uint64_t *ret_n)
{
	_cleanup_(ktls_sigpipe_release) struct ktls_sigpipe sigpipe = { .held = false };
	struct ktls_waiter waiter = { .deadline_ns = deadline_ns };
	struct file_range range = { file_fd, offset, len, .turn = UINT64_MAX };
	int r;

	if (!conn || !ret_n)
		return -EINVAL;
	*ret_n = 0;
	r = begin_sendfile(conn, file_fd, offset, len);
	if (r)
		return r;
	do {
		r = sendfile_on(conn, &sigpipe, &range);
		if (!ktls_wait_is_want(r))
			break;
		r = ktls_wait(conn, &waiter, r, range.done);
	} while (!r);
	end_sendfile(conn, &range);
	*ret_n = range.done;
	return r;
}

int ktls_conn_sendfile_turn(struct ktls_conn *conn, int file_fd, uint64_t offset, uint64_t len,
			    uint64_t turn, uint64_t *ret_n)
{
	_cleanup_(ktls_sigpipe_release) struct ktls_sigpipe sigpipe = { .held = false };
	struct file_range range = { file_fd, offset, len, .turn = turn };
	int r = begin_sendfile(conn, file_fd, offset, len);

	*ret_n = 0;
	if (r)
		return r;
	r = sendfile_on(conn, &sigpipe, &range);
	end_sendfile(conn, &range);
	*ret_n = range.done;
	return r;
}
