/* SPDX-License-Identifier: MIT */

/*
 * Every call to the system fails once, at every place of a connection's life: what is only a delay
 * changes no byte, what is an error ends the connection with that error, a peer that vanishes is
 * reported as such; nothing leaks, nothing hangs, and no plaintext is written without protection.
 * Userspace protection; kernel_faults.c does the same with the kernel's.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "kit.h"
#include "scenario.h"
#include "seam.h"

static const enum ktls_protocol protocols[] = { KTLS_TLS_1_2, KTLS_TLS_1_3 };

enum {
	SMALL_BUFFERS = 4096,
	CALLS_MIN = 15, /* of a life; fewer would mean that the seam is not in use */
};

struct kind {
	const char *name;
	struct seam_fault fault;
};

/* A delay: the same bytes arrive. */
static const struct kind delays[] = {
	{ "EINTR", { .calls = SEAM_BYTES | 1 << SEAM_POLL, .times = 1, .error = EINTR } },
	{ "EINTR thrice", { .calls = SEAM_BYTES | 1 << SEAM_POLL, .times = 3, .error = EINTR } },
	{ "EAGAIN",
	  { .calls = 1 << SEAM_SENDMSG | 1 << SEAM_RECVMSG, .times = 1, .error = EAGAIN } },
	{ "1 byte", { .calls = SEAM_BYTES, .times = 1, .at_most = 1 } },
	{ "5 bytes", { .calls = SEAM_BYTES, .times = 2, .at_most = 5 } },
	{ "1000 bytes", { .calls = SEAM_BYTES, .times = 3, .at_most = 1000 } },
};

/* An error: it is the answer. */
static const struct kind errors[] = {
	{ "EIO", { .calls = SEAM_ALL, .times = 1, .error = EIO } },
	{ "ENOMEM", { .calls = SEAM_ALL, .times = 1, .error = ENOMEM } },
	{ "ENOBUFS", { .calls = SEAM_ALL, .times = 1, .error = ENOBUFS } },
	{ "EBADF", { .calls = SEAM_ALL, .times = 1, .error = EBADF } },
};

static const struct kind departures[] = {
	{ "close", { .calls = SEAM_ALL, .times = 1, .happens = scenario_close_peer } },
	{ "reset", { .calls = SEAM_ALL, .times = 1, .happens = scenario_reset_peer } },
};

static struct scenario new_scenario(int which)
{
	struct scenario scenario = scenario_new(protocols[which % 2], which / 2, KTLS_OFFLOAD_NEVER,
						KTLS_OFFLOAD_NEVER);

	/* One of the lives waits at every turn. */
	if (which == 1)
		scenario.buffer_bytes = SMALL_BUFFERS;
	return scenario;
}

static const char *describe(const struct scenario_run *run, const struct kind *kind,
			    unsigned int at)
{
	static char text[768];

	snprintf(text, sizeof(text),
		 "%s at call %u (kind %d): %s answered %s, client: %s, server: %s; peer %s",
		 kind->name, at, seam.last_touched, scenario_step_name(run->step),
		 ktls_strerrorname(run->rc), ktls_conn_error(run->pair.conn[0]),
		 ktls_conn_error(run->pair.conn[1]), ktls_strerrorname(run->peer_rc));
	return text;
}

/* What no fault may break. */
static void check_always(const struct scenario_run *run, const char *text)
{
	cr_assert(!seam.leaked, "plaintext was written: %s", text);
	cr_assert(run->peer_rc != KTLS_EOF || run->peer_got == SCENARIO_SENT,
		  "a cut stream looked whole: %s", text);
	cr_assert(run->rc != KTLS_TIMEDOUT, "it hung: %s", text);
}

static void check_delay(const struct scenario_run *run, const char *text)
{
	cr_assert(run->step == SCENARIO_DONE, "%s", text);
	cr_assert(run->peer_rc == KTLS_EOF && run->peer_got == SCENARIO_SENT, "%s", text);
}

/* The error itself, of the connection or, where only the file was asked, of the call; or it was
 * of no importance (an alert that could not be sent). */
static void check_error(const struct scenario_run *run, enum pair_end subject, int error,
			const char *text)
{
	struct ktls_conn *conn = run->pair.conn[subject];
	struct ktls_info info;
	char byte;
	size_t n;

	if (run->step == SCENARIO_DONE) {
		check_delay(run, text);
		return;
	}
	cr_assert(run->rc == -error, "%s", text);
	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	if (seam.last_touched == SEAM_FSTAT) {
		cr_assert(info.state == KTLS_STATE_OPEN, "%s", text);
		return;
	}
	cr_assert(info.state == KTLS_STATE_FAILED, "%s", text);
	cr_assert(strstr(ktls_conn_error(conn), ktls_strerror(-error)), "%s", text);
	cr_assert(ktls_conn_read(conn, &byte, 1, KTLS_NOW, &n) == -error, "%s", text);
	cr_assert(ktls_conn_shutdown(conn, KTLS_NOW) == -error, "%s", text);
}

static void check_departure(const struct scenario_run *run, enum pair_end subject, const char *text)
{
	struct ktls_conn *conn = run->pair.conn[subject];
	struct ktls_info info;

	if (run->step == SCENARIO_DONE)
		return;
	cr_assert(!ktls_conn_get_info(conn, &info, sizeof(info)));
	cr_assert(run->rc == KTLS_CLOSED || run->rc == -ECONNRESET || run->rc == -EPIPE, "%s",
		  text);
	if (run->rc < 0 || run->step == SCENARIO_HANDSHAKE)
		cr_assert(info.state == KTLS_STATE_FAILED, "%s: %s", text,
			  ktls_state_name(info.state));
	else
		cr_assert(info.state == KTLS_STATE_CLOSING || info.state == KTLS_STATE_CLOSED,
			  "%s: %s", text, ktls_state_name(info.state));
}

/* Lives again with the fault at the first call, at the second, and so on, until there is no such
 * call. */
static void at_every_call(const struct kind *kind, int which,
			  void (*check)(const struct scenario_run *, enum pair_end, int,
					const char *))
{
	struct scenario scenario = new_scenario(which);
	unsigned int fds = kit_count_fds();
	struct seam_fault fault = kind->fault;
	bool touched = true;

	for (fault.at = 0; touched; fault.at++) {
		struct scenario_run run = scenario_run(&scenario, &fault);
		const char *text = describe(&run, kind, fault.at);

		touched = seam.touched;
		check_always(&run, text);
		check(&run, scenario.subject, fault.error, text);
		scenario_run_free(&run);
		cr_assert(kit_count_fds() == fds, "a descriptor leaked");
	}
	cr_assert(fault.at > CALLS_MIN, "only %u calls", fault.at);
	scenario_free(&scenario);
}

static void as_delay(const struct scenario_run *run, enum pair_end subject, int error,
		     const char *text)
{
	(void)subject;
	(void)error;
	check_delay(run, text);
}

static void as_departure(const struct scenario_run *run, enum pair_end subject, int error,
			 const char *text)
{
	(void)error;
	check_departure(run, subject, text);
}

/* The client of TLS 1.2, of TLS 1.3, and the servers. */
#define EACH_LIFE(what, kinds, check)                                         \
	Test(unit, what##_at_every_call_of_a_tls12_client)                    \
	{                                                                     \
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) \
			at_every_call(&kinds[i], 0, check);                   \
	}                                                                     \
	Test(unit, what##_at_every_call_of_a_tls13_client)                    \
	{                                                                     \
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) \
			at_every_call(&kinds[i], 1, check);                   \
	}                                                                     \
	Test(unit, what##_at_every_call_of_a_tls12_server)                    \
	{                                                                     \
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) \
			at_every_call(&kinds[i], 2, check);                   \
	}                                                                     \
	Test(unit, what##_at_every_call_of_a_tls13_server)                    \
	{                                                                     \
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) \
			at_every_call(&kinds[i], 3, check);                   \
	}

EACH_LIFE(delays, delays, as_delay)
EACH_LIFE(errors, errors, check_error)
EACH_LIFE(departures, departures, as_departure)

/* Every call is short, from the first to the last, over sockets that hold next to nothing. */
Test(unit, a_life_of_short_calls_moves_the_same_bytes)
{
	static const size_t lens[] = { 3, 17, 1500 };

	for (size_t i = 0; i < 4 * sizeof(lens) / sizeof(lens[0]); i++) {
		struct kind kind = {
			"short calls",
			{ .calls = SEAM_BYTES, .times = UINT_MAX, .at_most = lens[i / 4] }
		};
		struct scenario scenario = new_scenario((int)i % 4);

		scenario.buffer_bytes = i % 2 ? 2048 : 0;
		struct scenario_run run = scenario_run(&scenario, &kind.fault);

		check_always(&run, describe(&run, &kind, 0));
		check_delay(&run, describe(&run, &kind, 0));
		scenario_run_free(&run);
		scenario_free(&scenario);
	}
}

/* The witness of all the others: it does see plaintext. */
Test(unit, the_seam_sees_plaintext_on_a_bare_socket)
{
	static char text[] = "some " SEAM_MARKER "0000000";
	struct iovec iov[] = { { .iov_base = text, .iov_len = 8 },
			       { .iov_base = text + 8, .iov_len = sizeof(text) - 9 } };
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int fd[2];

	pair_sockets(fd, 0);
	seam_begin(fd[0], NULL, NULL);
	cr_assert(ktls_sys.sendmsg(fd[0], &msg, 0) == (ssize_t)sizeof(text) - 1);
	cr_assert(seam.leaked);
	seam_end();
	close(fd[0]);
	close(fd[1]);
}
