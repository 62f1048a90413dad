/* SPDX-License-Identifier: MIT */

/* A connection's whole life under a fault; see scenario.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "kit.h"
#include "pki.h"
#include "scenario.h"

enum {
	PATIENCE_MS = 8000,
	BLOCK_LEN = 16,	  /* the marker and seven digits */
	PEER_TURNS = 400, /* without the subject, at most */
	TURN_MS = 5,
};

enum peer_phase {
	PEER_HANDSHAKE = 0,
	PEER_READS,
	PEER_WRITES,
	PEER_READS_END,
	PEER_SHUTS,
	PEER_ENDED,
};

/* The peer, and what it is in the middle of. There is one at a time: the seam has no context. */
static struct {
	struct ktls_conn *conn;
	int *fd;
	enum peer_phase phase;
	uint64_t got, written;
	int rc;
} peer;

/* The byte at a place of either stream: the marker and the block's number, again and again. */
static char stream[SCENARIO_SENT + SCENARIO_REPLY];

static void fill_stream(void)
{
	char block[BLOCK_LEN + 1];

	for (size_t at = 0; at < sizeof(stream); at++) {
		if (at % BLOCK_LEN == 0)
			snprintf(block, sizeof(block), SEAM_MARKER "%07zu", at / BLOCK_LEN);
		stream[at] = block[at % BLOCK_LEN];
	}
}

/* The peer's life */

static int peer_reads(void)
{
	static char bytes[4096];
	size_t n;
	int rc = ktls_conn_read(peer.conn, bytes, sizeof(bytes), KTLS_NOW, &n);

	cr_assert(peer.got + n <= SCENARIO_SENT, "more came than was sent");
	cr_assert(!memcmp(bytes, stream + peer.got, n), "wrong bytes after %llu",
		  (unsigned long long)peer.got);
	peer.got += n;
	return rc;
}

static int peer_writes(void)
{
	size_t n;
	int rc = ktls_conn_write(peer.conn, stream + peer.written, SCENARIO_REPLY - peer.written,
				 KTLS_NOW, &n);

	peer.written += n;
	return rc;
}

/* As far as it goes. */
static void peer_turn(void)
{
	while (peer.conn && peer.phase < PEER_ENDED) {
		int rc = 0;

		switch (peer.phase) {
		case PEER_HANDSHAKE:
			rc = ktls_conn_handshake(peer.conn, KTLS_NOW);
			break;
		case PEER_READS:
			rc = peer_reads();
			break;
		case PEER_WRITES:
			rc = peer_writes();
			break;
		case PEER_READS_END:
			rc = peer_reads();
			break;
		case PEER_SHUTS:
			rc = ktls_conn_shutdown(peer.conn, KTLS_NOW);
			break;
		case PEER_ENDED:
			break;
		}
		if (rc == KTLS_WANT_READ || rc == KTLS_WANT_WRITE)
			return;
		if (rc == KTLS_EOF && peer.phase == PEER_READS_END)
			peer.rc = KTLS_EOF;
		else if (rc) {
			peer.rc = rc;
			peer.phase = PEER_ENDED;
			return;
		}
		if ((peer.phase == PEER_READS && peer.got < SCENARIO_SENT) ||
		    (peer.phase == PEER_READS_END && !rc))
			continue;
		peer.phase++;
	}
}

void scenario_close_peer(void)
{
	if (*peer.fd < 0)
		return;
	kit_vanish(*peer.fd);
	*peer.fd = -1;
	peer.conn = NULL;
}

void scenario_reset_peer(void)
{
	const struct linger linger = { .l_onoff = 1 };

	if (*peer.fd >= 0)
		setsockopt(*peer.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	scenario_close_peer();
}

/* The subject's life */

static int subject_write(struct scenario_run *run, struct ktls_conn *conn)
{
	size_t n;
	int rc = ktls_conn_write(conn, stream, SCENARIO_WRITE_LEN, ktls_deadline_in(PATIENCE_MS),
				 &n);

	run->accepted += n;
	return rc;
}

static int subject_writev(struct scenario_run *run, struct ktls_conn *conn)
{
	char *at = stream + SCENARIO_WRITE_LEN;
	const struct iovec iov[] = {
		{ .iov_base = at, .iov_len = 1 },
		{ .iov_base = at + 1, .iov_len = 0 },
		{ .iov_base = at + 1, .iov_len = SCENARIO_WRITEV_LEN - 1 },
	};
	size_t n;
	int rc = ktls_conn_writev(conn, iov, 3, ktls_deadline_in(PATIENCE_MS), &n);

	run->accepted += n;
	return rc;
}

static int subject_sendfile(struct scenario_run *run, struct ktls_conn *conn, int file_fd)
{
	uint64_t n;
	int rc = ktls_conn_sendfile(conn, file_fd, SCENARIO_WRITE_LEN + SCENARIO_WRITEV_LEN,
				    SCENARIO_FILE_LEN, ktls_deadline_in(PATIENCE_MS), &n);

	run->accepted += n;
	return rc;
}

static int subject_read(struct ktls_conn *conn)
{
	static char bytes[7000];
	size_t got = 0, n;
	int rc = 0;

	while (!rc && got < SCENARIO_REPLY) {
		rc = ktls_conn_read(conn, bytes, sizeof(bytes), ktls_deadline_in(PATIENCE_MS), &n);
		cr_assert(got + n <= SCENARIO_REPLY, "more came than was sent");
		cr_assert(!memcmp(bytes, stream + got, n), "wrong bytes after %zu", got);
		got += n;
	}
	return rc;
}

static int subject_end(struct ktls_conn *conn)
{
	char byte;
	size_t n;
	int rc = ktls_conn_read(conn, &byte, 1, ktls_deadline_in(PATIENCE_MS), &n);

	return rc == KTLS_EOF ? 0 : rc ? rc : -1;
}

static int subject_step(const struct scenario *scenario, struct scenario_run *run)
{
	struct ktls_conn *conn = run->pair.conn[scenario->subject];

	switch (run->step) {
	case SCENARIO_HANDSHAKE:
		return ktls_conn_handshake(conn, ktls_deadline_in(PATIENCE_MS));
	case SCENARIO_WRITE:
		return subject_write(run, conn);
	case SCENARIO_WRITEV:
		return subject_writev(run, conn);
	case SCENARIO_SENDFILE:
		return subject_sendfile(run, conn, scenario->file_fd);
	case SCENARIO_READ:
		return subject_read(conn);
	case SCENARIO_SHUTDOWN:
		return ktls_conn_shutdown(conn, ktls_deadline_in(PATIENCE_MS));
	case SCENARIO_END:
		return subject_end(conn);
	case SCENARIO_DONE:
		break;
	}
	return 0;
}

/* What is left of the peer's life: the subject sends no more. */
static void end_peer(struct scenario_run *run, int subject_fd)
{
	if (run->rc)
		shutdown(subject_fd, SHUT_WR);
	for (int i = 0; i < PEER_TURNS && peer.conn && peer.phase < PEER_ENDED; i++) {
		struct pollfd pollfd = { .fd = *peer.fd, .events = POLLIN };

		peer_turn();
		poll(&pollfd, peer.phase < PEER_ENDED, TURN_MS);
		/* A subject that failed reads no more either. */
		if (run->rc && peer.phase == PEER_WRITES)
			break;
	}
	run->peer_rc = peer.rc;
	run->peer_got = peer.got;
}

static struct ktls_conn *new_end(const struct scenario *scenario, struct scenario_run *run,
				 enum pair_end end)
{
	struct ktls_conn **conn = &run->pair.conn[end];

	run->pair.config[end] = ktls_config_ref(scenario->config[end]);
	cr_assert(!ktls_conn_adopt(conn, run->pair.config[end], run->pair.fd[end]));
	if (end == PAIR_CLIENT)
		cr_assert(!ktls_conn_set_server_name(*conn, "localhost"));
	return *conn;
}

struct scenario_run scenario_run(const struct scenario *scenario, const struct seam_fault *fault)
{
	struct scenario_run run = {
		.pair.fd = { -1, -1 },
	};
	enum pair_end subject = scenario->subject;

	pair_sockets(run.pair.fd, scenario->buffer_bytes);
	memset(&peer, 0, sizeof(peer));
	peer.fd = &run.pair.fd[!subject];
	peer.conn = new_end(scenario, &run, !subject);
	seam_begin(run.pair.fd[subject], fault, peer_turn);
	new_end(scenario, &run, subject);
	while (run.step < SCENARIO_DONE) {
		run.rc = subject_step(scenario, &run);
		if (run.rc)
			break;
		run.step++;
	}
	end_peer(&run, run.pair.fd[subject]);
	return run;
}

void scenario_run_free(struct scenario_run *run)
{
	seam_end();
	pair_free(&run->pair);
}

/* What all runs share */

static int new_file(void)
{
	int fd = memfd_create("scenario", MFD_CLOEXEC);

	cr_assert(fd >= 0 && write(fd, stream, SCENARIO_SENT) == SCENARIO_SENT);
	return fd;
}

struct scenario scenario_new(enum ktls_protocol protocol, enum pair_end subject,
			     enum ktls_offload tx, enum ktls_offload rx)
{
	static const char *const names[] = { "localhost" };
	struct pki_identity identity = pki_issue(PKI_GOOD, false, names, 1);
	struct pki_pem authority = pki_authority();
	struct scenario scenario = { .subject = subject };

	fill_stream();
	scenario.file_fd = new_file();
	for (int end = 0; end < 2; end++) {
		struct ktls_config **config = &scenario.config[end];
		bool is_subject = (int)subject == end;

		cr_assert(!ktls_config_new(config, end ? KTLS_SERVER : KTLS_CLIENT));
		cr_assert(!ktls_config_set_protocols(*config, protocol, protocol));
		cr_assert(!ktls_config_set_offload(*config, KTLS_TX,
						   is_subject ? tx : KTLS_OFFLOAD_NEVER, 0));
		cr_assert(!ktls_config_set_offload(*config, KTLS_RX,
						   is_subject ? rx : KTLS_OFFLOAD_NEVER, 0));
	}
	cr_assert(!ktls_config_add_identity(scenario.config[PAIR_SERVER], identity.chain.data,
					    identity.chain.len, identity.key.data,
					    identity.key.len));
	cr_assert(!ktls_config_add_trust(scenario.config[PAIR_CLIENT], authority.data,
					 authority.len));
	pki_identity_free(&identity);
	return scenario;
}

void scenario_free(struct scenario *scenario)
{
	for (int end = 0; end < 2; end++)
		ktls_config_unref(scenario->config[end]);
	close(scenario->file_fd);
}

const char *scenario_step_name(enum scenario_step step)
{
	static const char *const names[] = { "handshake", "write",    "writev", "sendfile",
					     "read",	  "shutdown", "end",	"done" };

	return names[step];
}
