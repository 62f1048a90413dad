/* SPDX-License-Identifier: MIT */

/*
 * A response is whole when its length says so, or its last chunk, or, where neither tells, the
 * close_notify of TLS. A connection that just ends is never taken for the end of a file.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "http.h"
#include "output.h"
#include "tool.h"

static const char command[] = "ktls get";

struct transfer {
	const struct fetch *fetch;
	struct ktls_conn *conn;
	struct http_reader *reader;
	struct output output;
	uint64_t began_ns;
	uint64_t bytes;
};

static void free_conn(struct ktls_conn **conn)
{
	*conn = ktls_conn_free(*conn);
}

static void free_reader(struct http_reader **reader)
{
	*reader = http_reader_free(*reader);
}

static int fail_timeout(const char *what)
{
	return tool_fail(TOOL_EXIT_TIMEOUT, command, "%s: the time given has passed", what);
}

/* A connection to one of the host's addresses. */
static int connect_any(const struct fetch *fetch, struct ktls_conn **ret_conn)
{
	const struct address *address = &fetch->url->address;
	int code = TOOL_EXIT_CONNECT, r;

	r = ktls_conn_dial(ret_conn, fetch->config, address->host,
			   (uint16_t)strtoul(address->port, NULL, 10));
	if (r)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s port %s: %s", address->host,
				 address->port, ktls_strerror(r));
	r = ktls_conn_connect(*ret_conn, fetch->deadline_ns);
	if (!r)
		return 0;
	if (r == KTLS_TIMEDOUT)
		return tool_fail(TOOL_EXIT_TIMEOUT, command, "%s: no connection in time",
				 address->host);
	if (r == -KTLS_E_NO_HOST || r == -KTLS_E_RESOLVER)
		code = TOOL_EXIT_RESOLVE;
	return tool_fail(code, command, "%s", ktls_conn_error(*ret_conn));
}

static int fail_handshake(struct ktls_conn *conn, int status)
{
	int code = TOOL_EXIT_HANDSHAKE;

	if (status == KTLS_TIMEDOUT)
		return fail_timeout("handshake");
	if (-status >= KTLS_E_PEER_NAME && -status <= KTLS_E_PEER_CERTIFICATE)
		code = TOOL_EXIT_VERIFY;
	if (status == -KTLS_E_BAD_TRUST)
		code = TOOL_EXIT_TRUST;
	return tool_fail(code, command, "handshake: %s",
			 status < 0 ? ktls_conn_error(conn) : ktls_strerror(status));
}

static int send_request(struct transfer *transfer)
{
	const struct url *url = transfer->fetch->url;
	char request[FETCH_LIMIT_REQUEST];
	size_t n;
	int len, status;

	len = snprintf(request, sizeof(request),
		       "GET %s%.*s HTTP/1.1\r\n"
		       "Host: %.*s\r\n"
		       "User-Agent: ktls/%s\r\n"
		       "Accept: */*\r\n"
		       "Connection: close\r\n\r\n",
		       url->target_len && *url->target == '/' ? "" : "/", (int)url->target_len,
		       url->target, (int)url->authority_len, url->authority, ktls_version());
	if (len < 0 || (size_t)len >= sizeof(request))
		return tool_fail(TOOL_EXIT_URL, command, "the URL is too long");
	status = ktls_conn_write(transfer->conn, request, (size_t)len, transfer->fetch->deadline_ns,
				 &n);
	if (status == KTLS_TIMEDOUT)
		return fail_timeout("request");
	if (status)
		return tool_fail(TOOL_EXIT_TRANSFER, command, "request: %s",
				 ktls_conn_error(transfer->conn));
	return 0;
}

/* Only a 2xx brings what was asked for; 1xx announces that more will come. */
static int take_head(struct transfer *transfer)
{
	const struct http_head *head = http_reader_head(transfer->reader);
	const char *location = head->value[HTTP_FIELD_LOCATION];
	const char *path = transfer->fetch->path;
	int r;

	if (head->status / 100 == 1)
		return 0;
	if (head->status / 100 == 3)
		return tool_fail(TOOL_EXIT_STATUS, command,
				 "HTTP status %u: redirects are not followed; it leads to %s",
				 head->status, location && *location ? location : "nowhere");
	if (head->status / 100 != 2)
		return tool_fail(TOOL_EXIT_STATUS, command, "HTTP status %u", head->status);
	r = output_open(&transfer->output, path);
	if (r)
		return tool_fail(TOOL_EXIT_WRITE, command, "%s: %s", path, strerror(-r));
	return 0;
}

static int take_body(struct transfer *transfer, const char *buf, size_t len)
{
	int r = output_write(&transfer->output, buf, len);

	if (r)
		return tool_fail(TOOL_EXIT_WRITE, command, "%s: %s",
				 transfer->fetch->path ? transfer->fetch->path : "stdout",
				 strerror(-r));
	transfer->bytes += len;
	return 0;
}

/* The end of a message. *ret_whole: it was the one we wait for. */
static void take_end(struct transfer *transfer, bool *ret_whole)
{
	*ret_whole = http_reader_head(transfer->reader)->status / 100 != 1;
	if (!*ret_whole)
		http_reader_reset(transfer->reader);
}

static int take_bytes(struct transfer *transfer, char *buf, size_t len, bool *ret_whole)
{
	size_t at = 0;
	int event;

	do {
		size_t used, body_len;
		int r = 0;

		event = http_reader_feed(transfer->reader, buf + at, len - at, &used, &body_len);
		if (event < 0)
			return tool_fail(TOOL_EXIT_TRANSFER, command,
					 event == -EMSGSIZE ? "the response's head is too large"
							    : "the response is not HTTP");
		if (event == HTTP_EVENT_HEAD)
			r = take_head(transfer);
		else if (body_len)
			r = take_body(transfer, buf + at, body_len);
		if (r)
			return r;
		at += used;
		if (event == HTTP_EVENT_END)
			take_end(transfer, ret_whole);
	} while (!*ret_whole && (at < len || event == HTTP_EVENT_HEAD));
	return 0;
}

static int fail_cut(const struct transfer *transfer, const char *why)
{
	return tool_fail(TOOL_EXIT_PARTIAL, command, "truncated after %" PRIu64 " bytes: %s",
			 transfer->bytes, why);
}

/* The stream has ended before the message had. */
static int take_end_of_stream(struct transfer *transfer, int status)
{
	if (status == KTLS_CLOSED)
		return fail_cut(transfer, "the connection ended without close_notify");
	if (http_reader_finish(transfer->reader) != HTTP_EVENT_END)
		return fail_cut(transfer, "the peer closed before the response was complete");
	return 0;
}

static int receive(struct transfer *transfer)
{
	static char buf[FETCH_LIMIT_BUFFER];
	bool whole = false;

	while (!whole) {
		size_t n;
		int status = ktls_conn_read(transfer->conn, buf, sizeof(buf),
					    transfer->fetch->deadline_ns, &n);
		int r;

		if (status == KTLS_EOF || status == KTLS_CLOSED)
			return take_end_of_stream(transfer, status);
		if (status == KTLS_TIMEDOUT)
			return fail_timeout("response");
		if (status)
			return tool_fail(TOOL_EXIT_TRANSFER, command, "response: %s",
					 ktls_conn_error(transfer->conn));
		r = take_bytes(transfer, buf, n, &whole);
		if (r)
			return r;
	}
	return 0;
}

static void report(const struct transfer *transfer)
{
	double seconds = (double)(ktls_deadline_in(0) - transfer->began_ns) / 1e9;
	double rate = seconds > 0 ? (double)transfer->bytes / 1e6 / seconds : 0;
	char protection[TOOL_PROTECTION_LEN];
	struct ktls_info info;

	if (ktls_conn_get_info(transfer->conn, &info, sizeof(info)))
		return;
	tool_format_protection(&info, protection, sizeof(protection));
	fprintf(stderr, "%s %s %s %" PRIu64 " bytes %.3f s %.1f MB/s\n",
		ktls_protocol_name(info.protocol), info.suite, protection, transfer->bytes, seconds,
		rate);
}

/* Request and response, on a connection whose handshake is done. */
static int run_transfer(struct transfer *transfer)
{
	const char *path = transfer->fetch->path;
	int r;

	transfer->began_ns = ktls_deadline_in(0);
	r = send_request(transfer);
	if (!r)
		r = receive(transfer);
	if (r)
		return r;
	report(transfer);
	/* All is there; how the connection ends changes nothing for us. */
	if (ktls_conn_shutdown(transfer->conn, ktls_deadline_in(FETCH_LIMIT_CLOSE_MS)) < 0)
		tool_fail(0, command, "closing: %s", ktls_conn_error(transfer->conn));
	r = output_commit(&transfer->output);
	if (r)
		return tool_fail(TOOL_EXIT_WRITE, command, "%s: %s", path, strerror(-r));
	return TOOL_EXIT_OK;
}

int fetch_run(const struct fetch *fetch)
{
	_cleanup_(free_conn) struct ktls_conn *conn = NULL;
	_cleanup_(free_reader) struct http_reader *reader = http_reader_new(HTTP_KIND_RESPONSE);
	struct transfer transfer = { .fetch = fetch, .output = OUTPUT_NULL };
	int r;

	if (!reader)
		return tool_fail(TOOL_EXIT_FAILED, command, "%s", strerror(ENOMEM));
	r = connect_any(fetch, &conn);
	if (r)
		return r;
	r = ktls_conn_handshake(conn, fetch->deadline_ns);
	if (r)
		return fail_handshake(conn, r);
	transfer.conn = conn;
	transfer.reader = reader;
	r = run_transfer(&transfer);
	output_done(&transfer.output);
	return r;
}
