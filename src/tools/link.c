/* SPDX-License-Identifier: MIT */

/*
 *   HANDSHAKE -> REQUEST -> RESPONSE -> REST -> CLOSE        any failure: gone
 *                    ^                   |
 *                    +-------------------+
 *
 * A server may end a connection at any time between two requests, and ours may be on its way then:
 * such a transfer was not begun, and is begun elsewhere (RFC 9112 9.3.1).
 */

#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "tool.h"

struct link *link_new(struct link_site *site, struct origin *origin)
{
	struct link *link = malloc(sizeof(*link));

	if (!link)
		return NULL;
	memset(link, 0, offsetof(struct link, request));
	link->site = site;
	link->origin = origin;
	link->op.user = link;
	link->reader = http_reader_new(HTTP_KIND_RESPONSE);
	return link->reader ? link : link_free(link);
}

struct link *link_free(struct link *link)
{
	if (!link)
		return NULL;
	ktls_conn_free(link->conn);
	http_reader_free(link->reader);
	free(link);
	return NULL;
}

/* -- How a transfer ends -- */

static enum link_news end_transfer(struct link *link, enum transfer_step step)
{
	link->step = step;
	link->state = LINK_REST;
	return LINK_NEWS_ENDED;
}

#define fail_transfer(link, ...) end_transfer(link, transfer_fail((link)->transfer, __VA_ARGS__))

static enum link_news fail_late(struct link *link, const char *doing)
{
	const struct link_site *site = link->site;

	if (ktls_deadline_in(0) >= site->deadline_ns)
		return fail_transfer(link, TOOL_EXIT_TIMEOUT, "%s: the time given has passed",
				     doing);
	return fail_transfer(link, TOOL_EXIT_TIMEOUT, "%s: nothing has come for %g s", doing,
			     (double)site->idle_ms / 1000);
}

static const char *say(const struct link *link, int result)
{
	const char *text = link->conn ? ktls_conn_error(link->conn) : "";

	return *text ? text : ktls_strerror(result);
}

/* What is worth another try: the server has ended a connection that it had kept for this one, and
 * has said nothing on it. */
static bool is_stale(const struct link *link, int result)
{
	bool ended = result == KTLS_EOF || result == KTLS_CLOSED || result == -EPIPE ||
		     result == -ECONNRESET;

	return ended && link->n_answered && !http_reader_started(link->reader);
}

static enum link_news go_stale(struct link *link)
{
	link->state = LINK_REST;
	return LINK_NEWS_STALE;
}

/* An op was started, or could not be. */
static enum link_news started(struct link *link, int r)
{
	if (!r)
		return LINK_NEWS_NONE;
	return fail_transfer(link, TOOL_EXIT_FAILED, "%s", ktls_strerror(r));
}

static uint64_t next_deadline(const struct link *link)
{
	const struct link_site *site = link->site;
	uint64_t idle_ns = site->idle_ms ? ktls_deadline_in(site->idle_ms) : KTLS_FOREVER;

	return idle_ns < site->deadline_ns ? idle_ns : site->deadline_ns;
}

/* -- The handshake -- */

static int dial(struct link *link)
{
	const struct address *address = link->origin->address;
	_cleanup_(origin_session_done) struct origin_session session =
		origin_take_session(link->origin);
	int r = ktls_conn_dial(&link->conn, link->site->config, address->host,
			       (uint16_t)strtoul(address->port, NULL, 10));

	/* One that is of no use is no reason to fail. */
	if (!r && session.data)
		ktls_conn_set_session(link->conn, session.data, session.len);
	return r ? r : ktls_ring_add(link->site->ring, link->conn);
}

enum link_news link_dial(struct link *link, struct transfer *transfer)
{
	int r;

	link->transfer = transfer;
	link->state = LINK_HANDSHAKE;
	r = dial(link);
	if (r)
		return fail_transfer(link, TOOL_EXIT_FAILED, "%s port %s: %s",
				     link->origin->address->host, link->origin->address->port,
				     say(link, r));
	link->site->n_connections++;
	return started(link, ktls_op_handshake(&link->op, link->conn, next_deadline(link)));
}

static bool is_connecting(const struct link *link)
{
	struct ktls_info info;

	return !ktls_conn_get_info(link->conn, &info, sizeof(info)) &&
	       info.state == KTLS_STATE_CONNECTING;
}

static int code_of(int result)
{
	if (result == -KTLS_E_NO_HOST || result == -KTLS_E_RESOLVER)
		return TOOL_EXIT_RESOLVE;
	if (result == -KTLS_E_BAD_TRUST)
		return TOOL_EXIT_TRUST;
	if (-result >= KTLS_E_PEER_NAME && -result <= KTLS_E_PEER_CERTIFICATE)
		return TOOL_EXIT_VERIFY;
	switch (result) {
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -ETIMEDOUT:
	case -EADDRNOTAVAIL:
	case -EACCES:
	case -EPERM:
		return TOOL_EXIT_CONNECT;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return TOOL_EXIT_FAILED;
	}
	return TOOL_EXIT_HANDSHAKE;
}

static enum link_news fail_handshake(struct link *link, int result)
{
	int code = code_of(result);

	if (result == KTLS_TIMEDOUT && is_connecting(link))
		return fail_transfer(link, TOOL_EXIT_TIMEOUT, "%s: no connection in time",
				     link->origin->address->host);
	if (result == KTLS_TIMEDOUT)
		return fail_late(link, "handshake");
	if (code == TOOL_EXIT_RESOLVE || code == TOOL_EXIT_CONNECT || code == TOOL_EXIT_FAILED)
		return fail_transfer(link, code, "%s", say(link, result));
	return fail_transfer(link, code, "handshake: %s", say(link, result));
}

/* -- Request and response -- */

static enum link_news ask(struct link *link)
{
	size_t len;
	enum transfer_step step;

	/* Somebody may want it afterwards. */
	step = transfer_ask(link->transfer, link->origin->first != NULL, link->request, &len);
	if (step != TRANSFER_MORE)
		return end_transfer(link, step);
	http_reader_reset(link->reader);
	link->usable = false;
	link->state = LINK_REQUEST;
	link->transfer->began_ns = ktls_deadline_in(0);
	return started(link, ktls_op_write(&link->op, link->conn, link->request, len,
					   next_deadline(link)));
}

enum link_news link_carry(struct link *link, struct transfer *transfer)
{
	link->transfer = transfer;
	return ask(link);
}

static enum link_news shaken(struct link *link, const struct ktls_event *event)
{
	struct ktls_info info;

	if (event->result != KTLS_DONE)
		return fail_handshake(link, event->result);
	if (!ktls_conn_get_info(link->conn, &info, sizeof(info)))
		link->site->n_resumed += info.resumed;
	return ask(link);
}

static enum link_news read_on(struct link *link)
{
	return started(link, ktls_op_read(&link->op, link->conn, link->buf, sizeof(link->buf),
					  next_deadline(link)));
}

static enum link_news asked(struct link *link, const struct ktls_event *event)
{
	if (event->result == KTLS_TIMEDOUT)
		return fail_late(link, "request");
	if (is_stale(link, event->result))
		return go_stale(link);
	if (event->result != KTLS_DONE)
		return fail_transfer(link, TOOL_EXIT_TRANSFER, "request: %s",
				     say(link, event->result));
	link->state = LINK_RESPONSE;
	return read_on(link);
}

/* The last ticket, for the origin's next connection. */
static void keep_session(struct link *link)
{
	char session[ORIGINS_LIMIT_SESSION];
	size_t len;

	if (link->site->sessions &&
	    !ktls_conn_get_session(link->conn, session, sizeof(session), &len)) {
		origin_keep_session(link->origin, session, len);
		explicit_bzero(session, len);
	}
}

static enum link_news take_step(struct link *link, enum transfer_step step)
{
	if (step == TRANSFER_MORE)
		return read_on(link);
	keep_session(link);
	link->usable = link->transfer->ended && link->transfer->keep_alive;
	link->n_answered++;
	return end_transfer(link, step);
}

static enum link_news answered(struct link *link, const struct ktls_event *event)
{
	struct transfer *transfer = link->transfer;

	switch (event->result) {
	case KTLS_DONE:
		return take_step(link, transfer_take(transfer, link->reader, link->buf, event->n));
	case KTLS_TIMEDOUT:
		return fail_late(link, "response");
	}
	if (is_stale(link, event->result))
		return go_stale(link);
	if (event->result == KTLS_EOF || event->result == KTLS_CLOSED)
		return take_step(link, transfer_take_end(transfer, link->reader,
							 event->result == KTLS_EOF));
	return fail_transfer(link, TOOL_EXIT_TRANSFER, "response: %s", say(link, event->result));
}

enum link_news link_go_on(struct link *link, const struct ktls_event *event)
{
	switch (link->state) {
	case LINK_HANDSHAKE:
		return shaken(link, event);
	case LINK_REQUEST:
		return asked(link, event);
	case LINK_RESPONSE:
		return answered(link, event);
	case LINK_REST:
	case LINK_CLOSE:
		break;
	}
	/* All is there; how the connection ends changes nothing for us. */
	return LINK_NEWS_GONE;
}

struct transfer *link_take_transfer(struct link *link)
{
	struct transfer *transfer = link->transfer;

	link->transfer = NULL;
	return transfer;
}

enum link_news link_close(struct link *link)
{
	/* Of one that has failed there is nothing to end. */
	if (!link->conn ||
	    ktls_op_shutdown(&link->op, link->conn, ktls_deadline_in(LINK_LIMIT_CLOSE_MS)))
		return LINK_NEWS_GONE;
	link->state = LINK_CLOSE;
	return LINK_NEWS_NONE;
}
