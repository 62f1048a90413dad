/* SPDX-License-Identifier: MIT */

/*
 * Peers that speak something else, stop in the middle, or are tampered with on the way: the
 * handshake ends with a code of its own, tells the peer where that has a meaning, and never hangs.
 *
 *   client conn -- side[0] ====loopback==== the test ====loopback==== side[1] -- server conn
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "pair.h"
#include "pki.h"

enum {
	PATIENCE_MS = 5000,
	STUCK_MS = 20, /* with nothing on its way, in one process */
	NO_ALERT = -1,
	STEP_CUT = 41, /* bytes between two places where the stream is cut, or changed */
	STEP_FLIP = 13,
	ALERT_LEN = 7,
	FLOOD = 100000,	  /* warning alerts */
	RECORDS_MAX = 64, /* of 16 KiB, of one message */
};

static struct ktls_config *configs[2];

static void make_configs(void)
{
	static const char *const names[] = { "localhost" };
	struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_pem authority = pki_authority();

	for (int end = 0; end < 2; end++) {
		cr_assert(!ktls_config_new(&configs[end], end ? KTLS_SERVER : KTLS_CLIENT));
		for (int d = 0; d < 2; d++)
			cr_assert(!ktls_config_set_offload(configs[end], d, KTLS_OFFLOAD_NEVER, 0));
	}
	cr_assert(!ktls_config_add_identity(configs[1], identity.chain.data, identity.chain.len,
					    identity.key.data, identity.key.len));
	cr_assert(!ktls_config_add_trust(configs[0], authority.data, authority.len));
	pki_identity_free(&identity);
}

static void free_configs(void)
{
	for (int end = 0; end < 2; end++)
		ktls_config_unref(configs[end]);
}

TestSuite(unit, .init = make_configs, .fini = free_configs);

static struct ktls_conn *new_conn(enum pair_end end, int fd)
{
	struct ktls_conn *conn;

	cr_assert(!ktls_conn_new(&conn, configs[end], fd), "%s", ktls_config_error(configs[end]));
	if (end == PAIR_CLIENT)
		cr_assert(!ktls_conn_set_server_name(conn, "localhost"));
	return conn;
}

/* A peer that says fixed bytes */

struct speech {
	const char *name;
	const char *bytes;
	size_t len;
	bool closes; /* then ends its side */
	int error;
	int alert; /* that it gets back */
};

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct speech to_server[] = {
	{ "HTTP", BYTES("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), false, -KTLS_E_NOT_TLS, 0 },
	{ "zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), false,
	  -KTLS_E_NOT_TLS, 0 },
	{ "SSH", BYTES("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), false, -KTLS_E_NOT_TLS, 0 },
	{ "SSLv2",
	  BYTES("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80\x03\x00\x80"
		"\x04\x00\x80\x05\x00\x80\x06\x00\x40\x07\x00\xc0\x11\x22\x33\x44\x55\x66\x77\x88"
		"\x99\xaa\xbb\xcc\xdd\xee\xff\x00"),
	  false, -KTLS_E_NOT_TLS, 0 },
	{ "nothing", BYTES(""), true, KTLS_CLOSED, NO_ALERT },
	{ "one byte", BYTES("\x16"), true, KTLS_CLOSED, NO_ALERT },
	{ "half a header", BYTES("\x16\x03\x01"), true, KTLS_CLOSED, NO_ALERT },
	{ "half a ClientHello", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), true,
	  KTLS_CLOSED, NO_ALERT },
	{ "a huge record", BYTES("\x16\x03\x01\xff\xff\x01\x00\x01\xfc\x03\x03"), false,
	  -KTLS_E_BAD_RECORD, 22 },
	{ "an empty handshake record", BYTES("\x16\x03\x01\x00\x00"), false, -KTLS_E_PROTOCOL, 10 },
	{ "an unknown message", BYTES("\x16\x03\x01\x00\x04\x63\x00\x00\x00"), false,
	  -KTLS_E_PROTOCOL, 10 },
	{ "a ClientHello of nothing", BYTES("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), false,
	  -KTLS_E_PROTOCOL, 50 },
	{ "data", BYTES("\x17\x03\x03\x00\x01\x00"), false, -KTLS_E_PROTOCOL, 10 },
	/* GnuTLS takes none before the ClientHello. */
	{ "an alert", BYTES("\x15\x03\x01\x00\x02\x02\x28"), false, -KTLS_E_PROTOCOL, 10 },
	{ "half an alert", BYTES("\x15\x03\x01\x00\x01\x02"), true, -KTLS_E_PROTOCOL, 10 },
	{ "close_notify", BYTES("\x15\x03\x01\x00\x02\x01\x00"), true, -KTLS_E_PROTOCOL, 10 },
};

static const struct speech to_client[] = {
	{ "HTTP", BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), false, -KTLS_E_NOT_TLS, 0 },
	{ "zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), false,
	  -KTLS_E_NOT_TLS, 0 },
	{ "SMTP", BYTES("220 mail.example.org ESMTP\r\n"), false, -KTLS_E_NOT_TLS, 0 },
	{ "nothing", BYTES(""), true, KTLS_CLOSED, NO_ALERT },
	{ "half a ServerHello", BYTES("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"), true,
	  KTLS_CLOSED, NO_ALERT },
	{ "a huge record", BYTES("\x16\x03\x03\xff\xff\x02\x00\x01\xfc\x03\x03"), false,
	  -KTLS_E_BAD_RECORD, 22 },
	{ "a ClientHello", BYTES("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), false,
	  -KTLS_E_PROTOCOL, 10 },
	{ "data", BYTES("\x17\x03\x03\x00\x01\x00"), false, -KTLS_E_PROTOCOL, 10 },
	{ "an alert", BYTES("\x15\x03\x03\x00\x02\x02\x46"), false, -KTLS_E_ALERT, NO_ALERT },
	{ "handshake_failure", BYTES("\x15\x03\x03\x00\x02\x02\x28"), false, -KTLS_E_ALERT,
	  NO_ALERT },
};

/* The last thing that came: the alert's number if it is a fatal one, else NO_ALERT. */
static int alert_received(int fd)
{
	uint8_t bytes[8192];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, bytes + len, sizeof(bytes) - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	if (len < ALERT_LEN || memcmp(bytes + len - ALERT_LEN + 3, "\0\2\2", 3) ||
	    bytes[len - ALERT_LEN] != 21)
		return NO_ALERT;
	return bytes[len - 1];
}

static void hear(enum pair_end end, const struct speech *speech)
{
	struct ktls_conn *conn;
	int fd[2], rc, alert;

	pair_sockets(fd, 0);
	conn = new_conn(end, fd[0]);
	cr_assert(send(fd[1], speech->bytes, speech->len, 0) == (ssize_t)speech->len);
	if (speech->closes)
		shutdown(fd[1], SHUT_WR);
	rc = ktls_conn_handshake(conn, ktls_deadline_in(PATIENCE_MS));
	cr_assert(rc == speech->error, "%s: %s, not %s: %s", speech->name, ktls_strerrorname(rc),
		  ktls_strerrorname(speech->error), ktls_conn_error(conn));
	cr_assert(*ktls_conn_error(conn));
	cr_assert(ktls_conn_handshake(conn, KTLS_NOW) == rc, "%s: later", speech->name);
	alert = alert_received(fd[1]);
	if (speech->alert)
		cr_assert(alert == speech->alert, "%s: alert %d, not %d", speech->name, alert,
			  speech->alert);
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

Test(unit, a_server_knows_what_is_no_client)
{
	for (size_t i = 0; i < sizeof(to_server) / sizeof(to_server[0]); i++)
		hear(PAIR_SERVER, &to_server[i]);
}

Test(unit, a_client_knows_what_is_no_server)
{
	for (size_t i = 0; i < sizeof(to_client) / sizeof(to_client[0]); i++)
		hear(PAIR_CLIENT, &to_client[i]);
}

/* Every byte that can begin a connection, and none of them a hang. */
Test(unit, whatever_the_first_byte_is_there_is_an_answer)
{
	for (int first = 0; first < 256; first++) {
		char bytes[64];
		struct speech speech = { "a first byte", bytes, sizeof(bytes), true, 0, 0 };
		struct ktls_conn *conn;
		int fd[2], rc;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)(first + (int)i * 37);
		pair_sockets(fd, 0);
		conn = new_conn(PAIR_SERVER, fd[0]);
		send(fd[1], speech.bytes, speech.len, 0);
		shutdown(fd[1], SHUT_WR);
		rc = ktls_conn_handshake(conn, ktls_deadline_in(PATIENCE_MS));
		cr_assert(rc < -KTLS_E_NO_NAME || rc == KTLS_CLOSED, "%d: %s", first,
			  ktls_strerrorname(rc));
		if (first < 20 || first > 23)
			cr_assert(rc == -KTLS_E_NOT_TLS, "%d: %s", first, ktls_strerrorname(rc));
		ktls_conn_free(conn);
		close(fd[0]);
		close(fd[1]);
	}
}

/* Warnings without end must not keep a call that may not wait. */
Test(unit, a_flood_of_warnings_is_no_handshake)
{
	static const char warning[] = "\x15\x03\x01\x00\x02\x01\x5a";
	struct ktls_conn *conn;
	int fd[2], rc = KTLS_WANT_READ;

	pair_sockets(fd, 0);
	conn = new_conn(PAIR_SERVER, fd[0]);
	for (int i = 0; i < FLOOD && rc == KTLS_WANT_READ; i++) {
		cr_assert(send(fd[1], warning, ALERT_LEN, MSG_NOSIGNAL) == ALERT_LEN);
		if (i % 1000 == 0)
			rc = ktls_conn_handshake(conn, KTLS_NOW);
	}
	cr_assert(rc == -KTLS_E_PROTOCOL, "%s: %s", ktls_strerrorname(rc), ktls_conn_error(conn));
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

/* A message may say that it is 16 MiB long; nobody waits for all of that. */
Test(unit, a_message_without_end_is_refused)
{
	static uint8_t record[5 + 16384] = "\x16\x03\x01\x40\x00\x01\xff\xff\xff";
	struct ktls_conn *conn;
	int fd[2], rc = KTLS_WANT_READ;

	pair_sockets(fd, 0);
	conn = new_conn(PAIR_SERVER, fd[0]);
	for (int i = 0; i < RECORDS_MAX && rc == KTLS_WANT_READ; i++) {
		cr_assert(send(fd[1], record, sizeof(record), MSG_NOSIGNAL) == sizeof(record));
		memset(record + 5, 'x', sizeof(record) - 5);
		rc = ktls_conn_handshake(conn, KTLS_NOW);
	}
	cr_assert(rc == -KTLS_E_PROTOCOL, "%s: %s", ktls_strerrorname(rc), ktls_conn_error(conn));
	ktls_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

/* A test in the middle */

struct middle {
	struct ktls_conn *conn[2];
	int side[2]; /* the connections' sockets */
	int fd[2];   /* ours: fd[i] is joined to side[i] */
	int rc[2];
	size_t passed[2]; /* bytes, by the end that they came from */
};

static struct middle middle_new(void)
{
	struct middle middle = { .rc = { KTLS_WANT_READ, KTLS_WANT_READ } };
	int fd[2];

	for (int end = 0; end < 2; end++) {
		pair_sockets(fd, 0);
		middle.side[end] = fd[0];
		middle.fd[end] = fd[1];
		middle.conn[end] = new_conn(end, fd[0]);
	}
	return middle;
}

static void middle_free(struct middle *middle)
{
	for (int end = 0; end < 2; end++) {
		ktls_conn_free(middle->conn[end]);
		close(middle->side[end]);
		close(middle->fd[end]);
	}
}

/* What is done to the stream of one end: cut, or a bit flipped, at a byte. */
struct tampering {
	enum pair_end from;
	bool cuts;
	size_t at;
};

/* Carries what came from an end. false: nothing came, or the stream is cut. */
static bool carry(struct middle *middle, enum pair_end from, const struct tampering *tampering)
{
	size_t *passed = &middle->passed[from];
	uint8_t bytes[4096];
	size_t room = sizeof(bytes);
	ssize_t n;

	if (tampering->from == from && tampering->cuts && tampering->at - *passed < room)
		room = tampering->at - *passed;
	if (!room) {
		shutdown(middle->fd[!from], SHUT_WR);
		return false;
	}
	n = recv(middle->fd[from], bytes, room, MSG_DONTWAIT);
	if (n <= 0) {
		if (!n)
			shutdown(middle->fd[!from], SHUT_WR);
		return false;
	}
	if (tampering->from == from && !tampering->cuts && tampering->at >= *passed &&
	    tampering->at < *passed + (size_t)n)
		bytes[tampering->at - *passed] ^= (uint8_t)(1 << tampering->at % 8);
	*passed += (size_t)n;
	cr_assert(send(middle->fd[!from], bytes, (size_t)n, MSG_NOSIGNAL) == n || errno == EPIPE ||
		  errno == ECONNRESET);
	return true;
}

static bool is_done(int rc)
{
	return rc != KTLS_WANT_READ && rc != KTLS_WANT_WRITE;
}

/* Both handshakes to their ends; an end that failed closes its side, as a program would. false:
 * both wait for more, as they must if a length was changed. */
static bool middle_handshake(struct middle *middle, const struct tampering *tampering)
{
	struct pollfd polls[2];

	while (!is_done(middle->rc[0]) || !is_done(middle->rc[1])) {
		bool moved = false;

		for (int end = 0; end < 2; end++) {
			if (is_done(middle->rc[end]))
				continue;
			middle->rc[end] = ktls_conn_handshake(middle->conn[end], KTLS_NOW);
			if (is_done(middle->rc[end]) && middle->rc[end])
				shutdown(middle->side[end], SHUT_WR);
		}
		for (int end = 0; end < 2; end++)
			moved |= carry(middle, end, tampering);
		if (moved)
			continue;
		for (int i = 0; i < 2; i++)
			polls[i] = (struct pollfd){ .fd = is_done(middle->rc[i]) ? -1
										 : middle->side[i],
						    .events = POLLIN };
		if (poll(polls, 2, STUCK_MS) <= 0)
			return is_done(middle->rc[0]) && is_done(middle->rc[1]);
	}
	return true;
}

static void limit_protocol(enum ktls_protocol protocol)
{
	for (int end = 0; end < 2; end++)
		cr_assert(!ktls_config_set_protocols(configs[end], protocol, protocol));
}

/* What an undisturbed handshake sends. */
static void measure(size_t ret_len[2])
{
	const struct tampering none = { .at = SIZE_MAX };
	struct middle middle = middle_new();

	cr_assert(middle_handshake(&middle, &none));
	cr_assert(!middle.rc[0] && !middle.rc[1]);
	carry(&middle, PAIR_CLIENT, &none);
	memcpy(ret_len, middle.passed, sizeof(middle.passed));
	middle_free(&middle);
}

static void cut_everywhere(enum ktls_protocol protocol)
{
	size_t len[2];

	limit_protocol(protocol);
	measure(len);
	for (int from = 0; from < 2; from++) {
		for (size_t at = 0; at < len[from]; at += STEP_CUT) {
			struct tampering cut = { .from = from, .cuts = true, .at = at };
			struct middle middle = middle_new();

			cr_assert(middle_handshake(&middle, &cut), "byte %zu of end %d: a hang", at,
				  from);
			cr_assert(middle.rc[!from] == KTLS_CLOSED, "byte %zu of end %d: %s: %s", at,
				  from, ktls_strerrorname(middle.rc[!from]),
				  ktls_conn_error(middle.conn[!from]));
			cr_assert(!middle.rc[from] || middle.rc[from] == KTLS_CLOSED,
				  "byte %zu of end %d: it says %s: %s", at, from,
				  ktls_strerrorname(middle.rc[from]),
				  ktls_conn_error(middle.conn[from]));
			middle_free(&middle);
		}
	}
}

Test(unit, a_peer_that_stops_anywhere_in_tls12_is_closed)
{
	cut_everywhere(KTLS_TLS_1_2);
}

Test(unit, a_peer_that_stops_anywhere_in_tls13_is_closed)
{
	cut_everywhere(KTLS_TLS_1_3);
}

/* A changed bit is noticed by one end and told to the other. What is not covered by the handshake's
 * hash (the version in a record's header, RFC 8446 5.1) does no harm. */
static void flip_everywhere(enum ktls_protocol protocol)
{
	size_t len[2], harmless = 0, tried = 0;

	limit_protocol(protocol);
	measure(len);
	for (int from = 0; from < 2; from++) {
		for (size_t at = 5; at < len[from]; at += STEP_FLIP) {
			struct tampering flip = { .from = from, .at = at };
			struct middle middle = middle_new();
			int failed = !middle_handshake(&middle, &flip);

			for (int end = 0; end < 2; end++) {
				int rc = middle.rc[end];

				cr_assert(!rc || !is_done(rc) || rc == KTLS_CLOSED ||
						  rc < -KTLS_E_NO_NAME,
					  "byte %zu of end %d: %s", at, from,
					  ktls_strerrorname(rc));
				failed += rc < 0;
			}
			harmless += !failed;
			tried++;
			middle_free(&middle);
		}
	}
	cr_assert(harmless * 20 < tried, "%zu of %zu changed bits went unseen", harmless, tried);
}

Test(unit, a_bit_changed_on_the_way_is_noticed_in_tls12)
{
	flip_everywhere(KTLS_TLS_1_2);
}

Test(unit, a_bit_changed_on_the_way_is_noticed_in_tls13)
{
	flip_everywhere(KTLS_TLS_1_3);
}
