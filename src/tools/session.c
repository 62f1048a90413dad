/* SPDX-License-Identifier: MIT */

/*
 * The life of a session:
 *
 *   HANDSHAKE -> REQUEST -> RESPONSE -> FLUSH -> REQUEST ...
 *                   |                     |
 *                   +------> CLOSE <------+   our close_notify, and everything before it
 *                              |
 *                           LINGER            until the peer has seen it
 *
 * A socket closed while bytes of the peer lie in it unread sends a reset, and that may destroy what
 * the peer has not read yet. So each end is: say that we end, read on for a while, then close.
 * After a handshake that failed the same is done below TLS, for the sake of the alert.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "http.h"
#include "response.h"
#include "session.h"
#include "tool.h"

enum state {
	STATE_HANDSHAKE = 0,
	STATE_REQUEST,
	STATE_RESPONSE,
	STATE_FLUSH,
	STATE_CLOSE,
	STATE_LINGER,
	STATE_LINGER_RAW,
	_STATE_N,
};

struct session {
	struct session_site *site;
	struct ktls_conn *conn;
	int fd;
	enum state state;
	bool peer_ended;      /* and so does not mind how we end */
	uint64_t deadline_ns; /* of the present state */
	uint64_t progress;

	struct http_reader *reader;
	char input[SESSION_LIMIT_INPUT];
	size_t input_start, input_end;

	struct response response;
	unsigned int piece; /* that is being sent */
	uint64_t piece_sent;
	uint64_t sent; /* of the whole response */

	struct access_request access;
	char peer[KTLS_ADDRESS_TEXT_LEN]; /* empty until it is asked for */

	uint64_t turn_bytes;
	unsigned int turn_requests;

	struct metrics_traffic counted;
};

/* What a step of a state answers beside enum session_want: the state has changed, step on. */
enum {
	STEP_ON = SESSION_OVER + 1,
};

static void set_deadline(struct session *session, uint64_t timeout_ms)
{
	session->deadline_ns = ktls_deadline_in(timeout_ms);
}

static int enter(struct session *session, enum state state)
{
	static const uint64_t limits_ms[_STATE_N] = {
		[STATE_HANDSHAKE] = SESSION_LIMIT_HANDSHAKE_MS,
		[STATE_REQUEST] = SESSION_LIMIT_IDLE_MS,
		[STATE_RESPONSE] = SESSION_LIMIT_STALL_MS,
		[STATE_FLUSH] = SESSION_LIMIT_STALL_MS,
		[STATE_CLOSE] = SESSION_LIMIT_CLOSE_MS,
		[STATE_LINGER] = SESSION_LIMIT_LINGER_MS,
		[STATE_LINGER_RAW] = SESSION_LIMIT_LINGER_MS,
	};

	session->state = state;
	session->progress++;
	set_deadline(session, limits_ms[state]);
	return STEP_ON;
}

/* What a call waits for that is not done; SESSION_OVER for an end or an error. */
static int want_of(int status)
{
	switch (status) {
	case KTLS_WANT_READ:
		return SESSION_READ;
	case KTLS_WANT_WRITE:
		return SESSION_WRITE;
	case KTLS_WANT_BUFFER:
		return SESSION_BUFFER;
	}
	return SESSION_OVER;
}

/* In the connection's words, or, where it has not failed, in the code's. */
static void log_error(const struct session *session, int status, const char *what)
{
	const char *text = ktls_conn_error(session->conn);

	if (session->site->verbose)
		fprintf(stderr, "%s: %s\n", what, *text ? text : ktls_strerror(status));
}

/* A peer may write anything into its target; on our terminal it stays text. */
static void log_text(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c < 0x7f && c != '\\')
			fputc(c, stderr);
		else
			fprintf(stderr, "\\x%02x", c);
	}
}

static uint64_t body_sent(const struct session *session)
{
	uint64_t head_len = session->response.len - session->response.body_len;

	return session->sent > head_len ? session->sent - head_len : 0;
}

static void log_request(const struct session *session)
{
	const struct http_head *request = http_reader_head(session->reader);
	char protection[TOOL_PROTECTION_LEN] = "";
	struct ktls_info info;

	if (!session->site->verbose)
		return;
	if (!ktls_conn_get_info(session->conn, &info, sizeof(info)))
		tool_format_protection(&info, protection, sizeof(protection));
	log_text(request->method ? request->method : "-");
	fputc(' ', stderr);
	log_text(*request->target ? request->target : "-");
	fprintf(stderr, " %u %llu %s\n", session->response.status,
		(unsigned long long)body_sent(session), protection);
}

static const char *peer_text(struct session *session)
{
	struct ktls_address address;

	if (!*session->peer) {
		strcpy(session->peer, "-");
		if (!ktls_conn_get_peer_address(session->conn, &address)) {
			address.port = 0;
			ktls_address_format(&address, session->peer, sizeof(session->peer));
		}
	}
	return session->peer;
}

static void log_access(struct session *session)
{
	struct ktls_info info = { 0 };

	if (!session->site->log)
		return;
	ktls_conn_get_info(session->conn, &info, sizeof(info));
	access_log_add(session->site->log, &session->access,
		       &(struct access_answer){ .peer = peer_text(session),
						.status = session->response.status,
						.bytes = body_sent(session),
						.now = time(NULL),
						.info = &info });
}

static enum metrics_stage stage_of(const struct session *session)
{
	return session->state == STATE_HANDSHAKE ? METRICS_HANDSHAKE : METRICS_OPEN;
}

static void count_traffic(struct session *session)
{
	struct ktls_info info;

	if (session->site->metrics && !ktls_conn_get_info(session->conn, &info, sizeof(info)))
		metrics_count_traffic(session->site->metrics, &session->counted, &info);
}

/* A call is not done: what it waits for. An error ends the session, below TLS, where an alert may
 * be on its way. */
static int wait_or_fail(struct session *session, int status, const char *what)
{
	if (status >= 0)
		return want_of(status);
	metrics_count_failure(session->site->metrics, stage_of(session), status);
	if (session->state == STATE_RESPONSE)
		log_access(session);
	log_error(session, status, what);
	shutdown(session->fd, SHUT_WR);
	return enter(session, STATE_LINGER_RAW);
}

static int step_handshake(struct session *session)
{
	int status = ktls_conn_handshake(session->conn, KTLS_NOW);
	struct ktls_info info;

	/* It may also end without an error, by the peer's leaving. */
	if (status == KTLS_EOF || status == KTLS_CLOSED)
		metrics_count_failure(session->site->metrics, METRICS_HANDSHAKE, status);
	if (status != KTLS_DONE)
		return wait_or_fail(session, status, "handshake");
	if (!ktls_conn_get_info(session->conn, &info, sizeof(info)))
		metrics_count_handshake(session->site->metrics, &info);
	return enter(session, STATE_REQUEST);
}

static void note_request(struct session *session)
{
	if (session->site->log)
		access_request_set(&session->access, http_reader_head(session->reader));
}

static int answer_error(struct session *session, unsigned int status)
{
	note_request(session);
	response_make_error(&session->response, &session->site->responses, status, time(NULL));
	return enter(session, STATE_RESPONSE);
}

static unsigned int status_of_reader(int error)
{
	if (error == -ENAMETOOLONG)
		return 414;
	return error == -EMSGSIZE ? 431 : 400;
}

/* Refills the empty input; KTLS_DONE or what else the read answered. */
static int read_input(struct session *session)
{
	bool started = http_reader_started(session->reader);
	size_t n;
	int status;

	status =
		ktls_conn_read(session->conn, session->input, sizeof(session->input), KTLS_NOW, &n);
	if (status != KTLS_DONE)
		return status;
	session->progress++;
	session->input_start = 0;
	session->input_end = n;
	if (!started)
		set_deadline(session, SESSION_LIMIT_HEAD_MS);
	return KTLS_DONE;
}

static int step_request(struct session *session)
{
	for (;;) {
		size_t used, body_len;
		int event;

		if (session->input_start == session->input_end) {
			int status = read_input(session);

			session->peer_ended = status == KTLS_EOF || status == KTLS_CLOSED;
			if (session->peer_ended)
				return enter(session, STATE_CLOSE);
			if (status != KTLS_DONE)
				return wait_or_fail(session, status, "request");
		}
		event = http_reader_feed(session->reader, session->input + session->input_start,
					 session->input_end - session->input_start, &used,
					 &body_len);
		if (event < 0)
			return answer_error(session, status_of_reader(event));
		session->input_start += used;
		if (event == HTTP_EVENT_MORE)
			continue;
		note_request(session);
		response_make(&session->response, &session->site->responses,
			      http_reader_head(session->reader), time(NULL), ktls_deadline_in(0));
		if (session->response.entry)
			metrics_count(session->site->metrics, session->response.hit
								      ? METRICS_CACHE_HITS
								      : METRICS_CACHE_MISSES);
		return enter(session, STATE_RESPONSE);
	}
}

/* Counts what a write has moved. */
static void account(struct session *session, uint64_t n)
{
	if (!n)
		return;
	session->turn_bytes += n;
	session->progress += n;
	set_deadline(session, SESSION_LIMIT_STALL_MS);
}

/* One turn's worth of a piece, at most. */
static int send_piece(struct session *session, const struct response_piece *piece)
{
	uint64_t left = piece->len - session->piece_sent;
	uint64_t turn = SESSION_LIMIT_TURN_BYTES - session->turn_bytes;
	uint64_t n;
	int status;

	if (piece->data)
		status = ktls_conn_write(session->conn, piece->data + session->piece_sent, left,
					 KTLS_NOW, &n);
	else
		status = ktls_conn_sendfile(session->conn, session->response.file->fd,
					    piece->offset + session->piece_sent,
					    left < turn ? left : turn, KTLS_NOW, &n);
	if (status < 0)
		return status;
	session->piece_sent += n;
	session->sent += n;
	account(session, n);
	return status;
}

/* KTLS_DONE: all of it was accepted. */
static int send_pieces(struct session *session)
{
	const struct response *response = &session->response;

	while (session->piece < response->n_pieces) {
		const struct response_piece *piece = &response->pieces[session->piece];
		int status;

		/* The others' turn; the socket wakes us when it has room. */
		if (session->turn_bytes >= SESSION_LIMIT_TURN_BYTES)
			return KTLS_WANT_WRITE;
		status = send_piece(session, piece);
		if (status != KTLS_DONE)
			return status;
		if (session->piece_sent == piece->len) {
			session->piece++;
			session->piece_sent = 0;
		}
	}
	return KTLS_DONE;
}

static void finish_response(struct session *session)
{
	session->site->requests++;
	session->site->bytes += body_sent(session);
	log_access(session);
	metrics_count_response(session->site->metrics, session->response.status);
	count_traffic(session);
	log_request(session);
	response_done(&session->response);
	session->piece = 0;
	session->piece_sent = 0;
	session->sent = 0;
	http_reader_reset(session->reader);
}

static int step_response(struct session *session)
{
	int status = send_pieces(session);

	if (status != KTLS_DONE)
		return wait_or_fail(session, status, "response");
	finish_response(session);
	session->turn_requests++;
	return enter(session, session->response.keep_alive ? STATE_FLUSH : STATE_CLOSE);
}

/* What was accepted may still wait for room in the socket, while the peer waits for it before it
 * asks for more: a write of nothing says when it is gone. */
static int step_flush(struct session *session)
{
	size_t n;
	int status = ktls_conn_write(session->conn, "", 0, KTLS_NOW, &n);

	if (status != KTLS_DONE)
		return wait_or_fail(session, status, "response");
	enter(session, STATE_REQUEST);
	return session->turn_requests < SESSION_LIMIT_TURN_REQUESTS ? STEP_ON : SESSION_WRITE;
}

static int step_close(struct session *session)
{
	int status = ktls_conn_shutdown(session->conn, KTLS_NOW);

	if (status < 0 && session->peer_ended)
		return SESSION_OVER;
	if (status != KTLS_DONE)
		return wait_or_fail(session, status, "closing");
	return enter(session, STATE_LINGER);
}

static int step_linger(struct session *session)
{
	int status;

	do {
		size_t n;

		status = ktls_conn_read(session->conn, session->input, sizeof(session->input),
					KTLS_NOW, &n);
		session->turn_bytes += n;
	} while (status == KTLS_DONE && session->turn_bytes < SESSION_LIMIT_TURN_BYTES);
	return status == KTLS_DONE ? SESSION_READ : want_of(status);
}

static int step_linger_raw(struct session *session)
{
	while (session->turn_bytes < SESSION_LIMIT_TURN_BYTES) {
		ssize_t n = recv(session->fd, session->input, sizeof(session->input), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? SESSION_READ : SESSION_OVER;
		session->turn_bytes += (uint64_t)n;
	}
	return SESSION_READ;
}

enum session_want session_step(struct session *session)
{
	static int (*const steps[_STATE_N])(struct session *) = {
		[STATE_HANDSHAKE] = step_handshake,   [STATE_REQUEST] = step_request,
		[STATE_RESPONSE] = step_response,     [STATE_FLUSH] = step_flush,
		[STATE_CLOSE] = step_close,	      [STATE_LINGER] = step_linger,
		[STATE_LINGER_RAW] = step_linger_raw,
	};
	int want = STEP_ON;

	session->turn_bytes = 0;
	session->turn_requests = 0;
	while (want == STEP_ON)
		want = steps[session->state](session);
	return (enum session_want)want;
}

bool session_expired(const struct session *session, uint64_t now_ns)
{
	return now_ns >= session->deadline_ns;
}

enum session_want session_expire(struct session *session)
{
	/* Lingering ends so, and a session between two requests. */
	if (session->state < STATE_LINGER &&
	    (session->state != STATE_REQUEST || http_reader_started(session->reader)))
		metrics_count_failure(session->site->metrics, stage_of(session), KTLS_TIMEDOUT);
	if (session->state != STATE_REQUEST)
		return SESSION_OVER;
	if (http_reader_started(session->reader))
		answer_error(session, 408);
	else
		enter(session, STATE_CLOSE);
	return session_step(session);
}

uint64_t session_progress(const struct session *session)
{
	return session->progress;
}

void session_stop(struct session *session)
{
	int status = KTLS_DONE;

	if (session->state == STATE_REQUEST && !http_reader_started(session->reader))
		status = ktls_conn_shutdown(session->conn, KTLS_NOW);
	if (status < 0)
		log_error(session, status, "stopping");
}

static int adopt(struct session *session, int fd)
{
	struct ktls_config *config = live_get(session->site->live);
	int r = ktls_conn_adopt(&session->conn, config, fd);

	ktls_config_unref(config);
	return r;
}

int session_new(struct session **ret_session, struct session_site *site, int fd)
{
	struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return -ENOMEM;
	session->site = site;
	session->reader = http_reader_new(HTTP_KIND_REQUEST);
	r = session->reader ? adopt(session, fd) : -ENOMEM;
	if (r) {
		session_free(session);
		return r;
	}
	session->fd = fd;
	enter(session, STATE_HANDSHAKE);
	*ret_session = session;
	return 0;
}

struct session *session_free(struct session *session)
{
	if (!session)
		return NULL;
	if (session->conn) {
		count_traffic(session);
		metrics_count(session->site->metrics, METRICS_CLOSED);
	}
	response_done(&session->response);
	http_reader_free(session->reader);
	ktls_conn_free(session->conn);
	free(session);
	return NULL;
}
