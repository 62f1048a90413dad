/* SPDX-License-Identifier: MIT */

/*
 * The life of a session:
 *
 *   HANDSHAKE -> IDLE -> REQUEST -> RESPONSE -> IDLE ...
 *                 |  \_____________/    |
 *                 +------> CLOSE <------+        any failure -> LINGER
 *
 * A socket closed while bytes of the peer lie in it unread sends a reset, and that may destroy what
 * the peer has not read yet. So each end is: say that we end, read on for a while, then close.
 * After a failure the same is done below TLS, for the sake of the alert.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "session.h"
#include "tool.h"

enum {
	UNCOUNTED_MAX = 64,	  /* answers */
	UNCOUNTED_BODY = 1 << 16, /* bytes */
};

/* What came behind a request while that is answered. */
struct rest {
	size_t len;
	char data[];
};

struct session {
	struct session_shop *shop;
	struct ktls_conn *conn;
	int linger_fd;
	enum session_state state;
	bool ending;	 /* its op was cancelled for that */
	bool peer_ended; /* and so does not mind how we end */
	struct session *newer, *older;
	struct answer *answer;
	struct http_reader *reader; /* half a head */
	struct rest *rest;
	uint64_t end_ns; /* of REQUEST, by when the head must be whole; of LINGER */
	struct ktls_address address;
	struct peer *peer; /* that it counts for, or NULL */
	struct metrics_traffic counted;
	unsigned int uncounted; /* answers, since then */
	struct ktls_op op;
};

/* -- The thread's own -- */

int session_shop_init(struct session_shop *shop)
{
	struct session_site *site = shop->site;
	int r = cache_new(&shop->responses.cache, site->root_fd, site->mime);

	if (!r && site->access)
		r = access_log_new(&shop->log, site->access, site->metrics);
	return r;
}

static void take_out(struct session *session)
{
	struct session_list *list = &session->shop->sessions[session->state];

	if (session->newer)
		session->newer->older = session->older;
	else
		list->last = session->older;
	if (session->older)
		session->older->newer = session->newer;
	else
		list->first = session->newer;
	list->n--;
}

static void put_in(struct session *session, enum session_state state)
{
	struct session_list *list = &session->shop->sessions[state];

	session->state = state;
	session->newer = NULL;
	session->older = list->last;
	if (list->last)
		list->last->newer = session;
	else
		list->first = session;
	list->last = session;
	list->n++;
}

static void enter(struct session *session, enum session_state state)
{
	take_out(session);
	put_in(session, state);
}

static void return_answer(struct session *session)
{
	session->answer = answer_return(&session->shop->answers, session->answer);
}

/* NULL: no memory. */
static struct http_reader *borrow_reader(struct session *session)
{
	struct session_shop *shop = session->shop;

	if (session->reader)
		return session->reader;
	if (!shop->reader)
		shop->reader = http_reader_new(HTTP_KIND_REQUEST);
	return shop->reader;
}

/* The head in it is not needed any more. */
static void return_reader(struct session *session)
{
	struct session_shop *shop = session->shop;

	if (session->reader && !shop->reader) {
		shop->reader = session->reader;
		session->reader = NULL;
	}
	session->reader = http_reader_free(session->reader);
	if (shop->reader)
		http_reader_reset(shop->reader);
}

/* -- What is said of it -- */

static enum metrics_stage stage_of(const struct session *session)
{
	return session->state == SESSION_HANDSHAKE ? METRICS_HANDSHAKE : METRICS_OPEN;
}

static void count_traffic(struct session *session, const struct ktls_info *info)
{
	metrics_count_traffic(session->shop->site->metrics, &session->counted, info);
	session->uncounted = 0;
}

/* In the connection's words, or, where it has not failed, in the code's. */
static void say_failure(const struct session *session, int status)
{
	static const char *const doing[_SESSION_STATE_N] = {
		[SESSION_HANDSHAKE] = "handshake", [SESSION_IDLE] = "request",
		[SESSION_REQUEST] = "request",	   [SESSION_RESPONSE] = "response",
		[SESSION_CLOSE] = "closing",	   [SESSION_LINGER] = "closing",
	};
	const char *text = ktls_conn_error(session->conn);

	if (session->shop->site->verbose)
		fprintf(stderr, "%s: %s\n", doing[session->state],
			*text ? text : ktls_strerror(status));
}

static bool is_logged(const struct session_shop *shop)
{
	return shop->log || shop->site->verbose;
}

static void log_answer(struct session *session, const struct ktls_info *info)
{
	const struct answer *answer = session->answer;
	char protection[TOOL_PROTECTION_LEN], peer[KTLS_ADDRESS_TEXT_LEN] = "-";

	if (session->shop->log) {
		if (session->address.family)
			ktls_address_format(&session->address, peer, sizeof(peer));
		access_log_add(session->shop->log, &answer->access,
			       &(struct access_answer){ .peer = peer,
							.status = answer->response.status,
							.bytes = answer_body_sent(answer),
							.now = session->shop->now,
							.info = info });
	}
	if (session->shop->site->verbose) {
		tool_format_protection(info, protection, sizeof(protection));
		fprintf(stderr, "%.*s %u %llu %s\n", (int)answer->access.request_len,
			answer->access.request, answer->response.status,
			(unsigned long long)answer_body_sent(answer), protection);
	}
}

/* Asking a connection for its facts is two system calls where the kernel protects: of many small
 * answers in a row the traffic is counted once. */
static bool is_worth_counting(struct session *session, uint64_t body_sent)
{
	session->uncounted++;
	return session->uncounted >= UNCOUNTED_MAX || body_sent >= UNCOUNTED_BODY;
}

/* An answer is done, or was cut. */
static void account(struct session *session)
{
	struct session_site *site = session->shop->site;
	uint64_t body_sent = answer_body_sent(session->answer);
	struct ktls_info info = { 0 };

	site->requests++;
	site->bytes += body_sent;
	metrics_count_response(site->metrics, session->answer->response.status);
	if (!is_logged(session->shop) && !is_worth_counting(session, body_sent))
		return;
	/* It cannot fail for a connection that there is. */
	if (ktls_conn_get_info(session->conn, &info, sizeof(info)))
		return;
	count_traffic(session, &info);
	if (is_logged(session->shop))
		log_answer(session, &info);
}

/* -- Its end -- */

static void free_session(struct session *session)
{
	struct session_shop *shop = session->shop;
	struct ktls_info info;

	take_out(session);
	shop->n_sessions--;
	if (session->conn && !ktls_conn_get_info(session->conn, &info, sizeof(info)))
		count_traffic(session, &info);
	metrics_count(shop->site->metrics, METRICS_CLOSED);
	/* Before what its op has borrowed. */
	ktls_conn_free(session->conn);
	tool_fd_close(&session->linger_fd);
	peers_leave(shop->site->peers, session->peer);
	return_answer(session);
	return_reader(session);
	free(session->rest);
	free(session);
}

void session_shop_done(struct session_shop *shop)
{
	for (int state = 0; state < _SESSION_STATE_N; state++) {
		while (shop->sessions[state].first)
			free_session(shop->sessions[state].first);
	}
	answer_pool_done(&shop->answers);
	http_reader_free(shop->reader);
	cache_free(shop->responses.cache);
	access_log_free(shop->log);
}

static uint64_t in_ms(const struct session *session, uint64_t ms)
{
	return session->shop->now_ns + ms * 1000000;
}

/* An op was started, or could not be: then this is the end. */
static void started(struct session *session, int r)
{
	if (r)
		free_session(session);
}

static void close_orderly(struct session *session)
{
	struct session_shop *shop = session->shop;
	uint64_t timeout_ms = SESSION_LIMIT_CLOSE_MS;

	/* Who is ended to make room, or because the server ends, is given less time. */
	if (session->ending || shop->responses.closing)
		timeout_ms = SESSION_LIMIT_LINGER_MS;
	enter(session, SESSION_CLOSE);
	started(session, ktls_op_shutdown_and_close(&session->op, session->conn,
						    in_ms(session, timeout_ms)));
}

static void linger_on(struct session *session)
{
	started(session, ktls_op_poll(&session->op, session->shop->ring, session->linger_fd, POLLIN,
				      session->end_ns));
}

/* Something went wrong, and an alert may be on its way. */
static void fail(struct session *session, int status)
{
	struct session_site *site = session->shop->site;

	metrics_count_failure(site->metrics, stage_of(session), status);
	if (session->state == SESSION_RESPONSE)
		account(session);
	say_failure(session, status);
	if (!session->ending)
		session->linger_fd = dup(ktls_conn_get_fd(session->conn));
	if (session->linger_fd < 0 || shutdown(session->linger_fd, SHUT_WR)) {
		free_session(session);
		return;
	}
	session->conn = ktls_conn_free(session->conn);
	return_answer(session);
	enter(session, SESSION_LINGER);
	session->end_ns = in_ms(session, SESSION_LIMIT_LINGER_MS);
	linger_on(session);
}

/* -- Requests -- */

static void take_input(struct session *session, const char *data, size_t len);
static void send_on(struct session *session, bool flush);

/* What was read already comes first. */
static void read_on(struct session *session)
{
	struct rest *rest = session->rest;

	if (rest) {
		session->rest = NULL;
		take_input(session, rest->data, rest->len);
		free(rest);
		return;
	}
	if (session->reader) {
		enter(session, SESSION_REQUEST);
		started(session, ktls_op_receive(&session->op, session->conn, session->end_ns));
		return;
	}
	enter(session, SESSION_IDLE);
	started(session, ktls_op_receive(&session->op, session->conn,
					 in_ms(session, session->shop->site->idle_ms)));
}

/* The answer that the reader's head gets; or, with a status, that what was read gets. */
static void make_answer(struct session *session, const struct http_head *head, unsigned int status)
{
	struct session_shop *shop = session->shop;
	struct answer *answer = answer_borrow(&shop->answers);

	if (!answer) {
		free_session(session);
		return;
	}
	session->answer = answer;
	if (is_logged(shop))
		access_request_set(&answer->access, head);
	if (status) {
		response_make_error(&answer->response, &shop->responses, status, shop->now);
	} else {
		response_make(&answer->response, &shop->responses, head, shop->now, shop->now_ns);
		if (answer->response.looked_up)
			metrics_count(shop->site->metrics, answer->response.hit
								   ? METRICS_CACHE_HITS
								   : METRICS_CACHE_MISSES);
	}
	return_reader(session);
	enter(session, SESSION_RESPONSE);
	send_on(session, false);
}

static unsigned int status_of_reader(int error)
{
	if (error == -ENAMETOOLONG)
		return 414;
	return error == -EMSGSIZE ? 431 : 400;
}

/* Half a head: the reader is the session's until the other half has come. */
static void keep_half(struct session *session)
{
	if (!session->reader) {
		session->reader = session->shop->reader;
		session->shop->reader = NULL;
		session->end_ns = in_ms(session, session->shop->site->request_ms);
	}
	read_on(session);
}

/* False: no memory. */
static bool keep_rest(struct session *session, const char *data, size_t len)
{
	if (!len)
		return true;
	session->rest = malloc(sizeof(*session->rest) + len);
	if (!session->rest)
		return false;
	session->rest->len = len;
	memcpy(session->rest->data, data, len);
	return true;
}

static void take_input(struct session *session, const char *data, size_t len)
{
	struct http_reader *reader = borrow_reader(session);
	int event = HTTP_EVENT_MORE;
	size_t at = 0;

	while (reader && at < len && event == HTTP_EVENT_MORE) {
		size_t used, body_len;

		/* Only bodies are moved, and no request's is read. */
		event = http_reader_feed(reader, (char *)data + at, len - at, &used, &body_len);
		at += event < 0 ? 0 : used;
	}
	if (reader && event == HTTP_EVENT_MORE)
		keep_half(session);
	else if (!reader || (event >= 0 && !keep_rest(session, data + at, len - at)))
		free_session(session);
	else
		make_answer(session, http_reader_head(reader),
			    event < 0 ? status_of_reader(event) : 0);
}

/* -- Answers -- */

static void finish(struct session *session)
{
	bool keep_alive = session->answer->response.keep_alive;
	bool closing = session->shop->responses.closing;

	account(session);
	return_answer(session);
	/* What was asked for already is answered, even if the server ends. */
	if (keep_alive && !session->ending && (!closing || session->rest))
		read_on(session);
	else
		close_orderly(session);
}

/* `flush`: something that was accepted is not with TCP yet, so that even nothing more is written.
 */
static void send_on(struct session *session, bool flush)
{
	struct answer *answer = session->answer;
	uint64_t deadline_ns = in_ms(session, session->shop->site->send_ms);
	struct response_piece piece;
	int n = answer_next(answer, &piece);

	if (piece.len)
		started(session,
			ktls_op_sendfile(&session->op, session->conn, answer->response.file->fd,
					 piece.offset, piece.len, deadline_ns));
	else if (n || flush)
		started(session,
			ktls_op_writev(&session->op, session->conn, answer->iov, n, deadline_ns));
	else
		finish(session);
}

/* -- Events -- */

static void handshake_done(struct session *session, const struct ktls_event *event)
{
	struct ktls_info info;

	if (event->result != KTLS_DONE) {
		fail(session, event->result);
		return;
	}
	if (!ktls_conn_get_info(session->conn, &info, sizeof(info)))
		metrics_count_handshake(session->shop->site->metrics, &info);
	read_on(session);
}

static void received(struct session *session, const struct ktls_event *event)
{
	switch (event->result) {
	case KTLS_DONE:
		take_input(session, event->data, event->n);
		return;
	case KTLS_EOF:
	case KTLS_CLOSED:
		session->peer_ended = true;
		close_orderly(session);
		return;
	case KTLS_TIMEDOUT:
		if (!session->reader) {
			close_orderly(session);
			return;
		}
		metrics_count_failure(session->shop->site->metrics, METRICS_OPEN, KTLS_TIMEDOUT);
		make_answer(session, http_reader_head(session->reader), 408);
		return;
	}
	if (session->ending)
		close_orderly(session);
	else
		fail(session, event->result);
}

static void sent(struct session *session, const struct ktls_event *event)
{
	bool late = event->result == KTLS_TIMEDOUT;

	answer_advance(session->answer, event->n);
	if (event->result == KTLS_DONE || (late && event->n >= session->shop->site->send_bytes))
		send_on(session, late);
	else
		fail(session, event->result);
}

static void closed(struct session *session, const struct ktls_event *event)
{
	if (event->result < 0 && !session->peer_ended) {
		metrics_count_failure(session->shop->site->metrics, METRICS_OPEN, event->result);
		say_failure(session, event->result);
	}
	free_session(session);
}

/* Reads away what the peer still sends. */
static void lingered(struct session *session, const struct ktls_event *event)
{
	char buf[16384];
	ssize_t n;

	if (event->result != KTLS_DONE) {
		free_session(session);
		return;
	}
	n = recv(session->linger_fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		linger_on(session);
	else
		free_session(session);
}

void session_go_on(struct session *session, const struct ktls_event *event)
{
	static void (*const steps[_SESSION_STATE_N])(struct session *,
						     const struct ktls_event *) = {
		[SESSION_HANDSHAKE] = handshake_done,
		[SESSION_IDLE] = received,
		[SESSION_REQUEST] = received,
		[SESSION_RESPONSE] = sent,
		[SESSION_CLOSE] = closed,
		[SESSION_LINGER] = lingered,
	};

	steps[session->state](session, event);
}

struct session *session_of(const struct ktls_op *op)
{
	return op->user;
}

struct session *session_newer(const struct session *session)
{
	return session->newer;
}

bool session_is_ending(const struct session *session)
{
	return session->ending;
}

void session_end(struct session *session)
{
	session->ending = true;
	/* If it has its event already, that comes, and does what is to be done. */
	ktls_op_cancel(&session->op);
}

/* Asks for the address if anybody wants to know; -errno: it is one that has enough. */
static int look_at_peer(struct session *session)
{
	struct session_shop *shop = session->shop;
	struct peers *peers = shop->site->peers;

	/* One of another family has none. */
	if ((!shop->log && !peers) || ktls_conn_get_peer_address(session->conn, &session->address))
		return 0;
	peers_strip(&session->address);
	return peers ? peers_enter(peers, &session->address, &session->peer) : 0;
}

void session_begin(struct session_shop *shop, struct ktls_conn *conn)
{
	struct session *session = calloc(1, sizeof(*session));

	metrics_count(shop->site->metrics, METRICS_ACCEPTED);
	if (session) {
		session->shop = shop;
		session->conn = conn;
		session->linger_fd = -EBADF;
		session->op.user = session;
	}
	if (!session || look_at_peer(session)) {
		metrics_count(shop->site->metrics, METRICS_REFUSED);
		ktls_conn_free(conn);
		free(session);
		return;
	}
	put_in(session, SESSION_HANDSHAKE);
	shop->n_sessions++;
	started(session,
		ktls_op_handshake(&session->op, conn, in_ms(session, shop->site->handshake_ms)));
}
