/* SPDX-License-Identifier: MIT */

/* The rules that no fault may break; see fault.h. */

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fault.h"
#include "kit.h"

enum {
	CALLS_MIN = 10, /* of a life; fewer would mean that the seam is not in use */
};

struct kind {
	const char *name;
	struct seam_fault fault;
};

/* A delay: the same bytes arrive. */
static const struct kind delays[] = {
	{ "EINTR",
	  { .calls = SEAM_BYTES | 1 << SEAM_POLL | 1 << SEAM_SETSOCKOPT,
	    .times = 1,
	    .error = EINTR } },
	{ "EINTR thrice",
	  { .calls = SEAM_BYTES | 1 << SEAM_POLL | 1 << SEAM_SETSOCKOPT,
	    .times = 3,
	    .error = EINTR } },
	{ "EAGAIN",
	  { .calls = 1 << SEAM_SENDMSG | 1 << SEAM_RECVMSG | 1 << SEAM_SENDFILE,
	    .times = 1,
	    .error = EAGAIN } },
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

static void check(const struct scenario_run *run, enum pair_end subject, enum fault_outcome outcome,
		  int error, const char *text)
{
	check_always(run, text);
	switch (outcome) {
	case FAULT_DELAY:
		check_delay(run, text);
		break;
	case FAULT_ERROR:
		check_error(run, subject, error, text);
		break;
	case FAULT_DEPARTURE:
		check_departure(run, subject, text);
		break;
	}
}

/* Lives again with the fault at the first call, at a later one, and so on, until there is no such
 * call. */
static void kind_at_every_call(const struct scenario *scenario, enum fault_outcome outcome,
			       const struct kind *kind, unsigned int stride)
{
	unsigned int fds = kit_count_fds();
	struct seam_fault fault = kind->fault;
	bool touched = true;

	for (; touched; fault.at += stride) {
		struct scenario_run run = scenario_run(scenario, &fault);

		touched = seam.touched;
		check(&run, scenario->subject, outcome, fault.error,
		      describe(&run, kind, fault.at));
		scenario_run_free(&run);
		cr_assert(kit_count_fds() == fds, "a descriptor leaked");
	}
	cr_assert(fault.at > CALLS_MIN, "only %u calls", fault.at);
}

void fault_at_every_call(const struct scenario *scenario, enum fault_outcome outcome,
			 unsigned int stride)
{
	static const struct {
		const struct kind *kinds;
		size_t n;
	} tables[] = {
		[FAULT_DELAY] = { delays, sizeof(delays) / sizeof(delays[0]) },
		[FAULT_ERROR] = { errors, sizeof(errors) / sizeof(errors[0]) },
		[FAULT_DEPARTURE] = { departures, sizeof(departures) / sizeof(departures[0]) },
	};

	for (size_t i = 0; i < tables[outcome].n; i++)
		kind_at_every_call(scenario, outcome, &tables[outcome].kinds[i], stride);
}

void fault_short_calls(const struct scenario *scenario, size_t at_most)
{
	const struct kind kind = { "short calls",
				   { .calls = SEAM_BYTES, .times = UINT_MAX, .at_most = at_most } };
	struct scenario_run run = scenario_run(scenario, &kind.fault);

	check(&run, scenario->subject, FAULT_DELAY, 0, describe(&run, &kind, 0));
	scenario_run_free(&run);
}
