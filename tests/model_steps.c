/* SPDX-License-Identifier: MIT */

/* The calls that end, freeze, ask and set, the test's own deeds, and which of all is next; see
 * model.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "ktls/kern.h"
#include "model_judge.h"
#include "pool.h"

enum {
	FROZEN_MIN = 400,
	WANTS = 1u << KTLS_WANT_READ | 1u << KTLS_WANT_WRITE | 1u << KTLS_WANT_BUFFER,
};

static void step_shutdown(struct model *model, struct model_end *end)
{
	int expected = end->closed ? -ENOTCONN : model_gate(end), r;

	model_begin(model);
	r = ktls_conn_shutdown(end->conn, KTLS_NOW);
	model_note(model, end, "shutdown", 0, 0, r);
	if (expected == MODEL_GO_ON && end->shutdown_done)
		expected = 0;
	if (expected != MODEL_GO_ON) {
		model_judge_gated(model, end, r, expected);
		return;
	}
	end->end_begun = true;
	model_judge(model, end, r, 1u << KTLS_DONE | 1u << KTLS_WANT_WRITE | 1u << KTLS_WANT_BUFFER,
		    0, MODEL_MAY_END_TX);
	model_check(model, r || end->close_sent, "there was no close_notify");
	end->shutdown_done = !r;
}

/* It was open, and its socket may be gone now. */
static void judge_close(struct model *model, struct model_end *end, int r)
{
	end->end_begun = true;
	model_observe(model, end,
		      MODEL_MAY_MOVE | MODEL_MAY_DRAIN | MODEL_MAY_FAIL | MODEL_MAY_END_RX |
			      MODEL_MAY_END_TX);
	model_check(model, r != KTLS_WANT_BUFFER || model_may_lack_buffer(end),
		    "it lacks a buffer");
	model_check(model, r >= 0 || (end->state == KTLS_STATE_FAILED && r == end->failed),
		    "it answers %s", ktls_strerrorname(r));
	model_check(model,
		    !end->closed || end->state == KTLS_STATE_FAILED ||
			    (end->state == KTLS_STATE_CLOSED &&
			     r == (end->rx_end == KTLS_EOF ? KTLS_DONE : KTLS_CLOSED)),
		    "%s, whose reading ended by %s", ktls_state_name(end->state),
		    ktls_strerrorname(end->rx_end));
	end->shutdown_done |= r == KTLS_DONE || r == KTLS_CLOSED;
	end->orderly = r == KTLS_DONE;
}

static void step_close(struct model *model, struct model_end *end)
{
	bool frozen = end->state == KTLS_STATE_FROZEN, live = model_gate(end) == MODEL_GO_ON;
	int expected, fd = end->fd, r;

	expected = end->closed || frozen ? -ENOTCONN
		   : live		 ? MODEL_GO_ON
		   : end->failed	 ? end->failed
					 : 0;
	model_begin(model);
	r = ktls_conn_shutdown_and_close(end->conn, KTLS_NOW);
	model_note(model, end, "shutdown_and_close", 0, 0, r);
	if (!end->closed && !frozen && (expected != MODEL_GO_ON || r < 0 || !(1u << r & WANTS))) {
		end->closed = true;
		end->fd = -1;
		model_check(model, fcntl(fd, F_GETFD) < 0, "the socket is open");
	}
	if (expected == MODEL_GO_ON) {
		judge_close(model, end, r);
		return;
	}
	model_expect(model, r, expected);
	model->disturbed |= end->closed;
	model_observe(model, end, end->closed ? MODEL_MAY_FAIL : MODEL_MAY_NOTHING);
}

static bool holds_early_data(const struct model *model, const struct model_end *end)
{
	return end->index && end->info.early_data == KTLS_EARLY_DATA_ACCEPTED &&
	       end->early_got < model->early_len;
}

static void step_freeze(struct model *model, struct model_end *end)
{
	struct ktls_info before = end->info;
	int expected = model_gate(end), r;
	size_t len = 0;

	if (expected == MODEL_GO_ON && end->closed)
		expected = -ENOTCONN;
	if (expected == MODEL_GO_ON && holds_early_data(model, end))
		expected = -EBUSY;
	model_begin(model);
	r = ktls_conn_freeze(end->conn, NULL, 0, &len);
	model_note(model, end, "freeze into nothing", 0, len, r);
	model_judge_gated(model, end, r, expected == MODEL_GO_ON ? -ENOSPC : expected);
	if (expected != MODEL_GO_ON)
		return;
	model_check(model, len > FROZEN_MIN, "it would take %zu bytes", len);
	end->frozen = malloc(len);
	model_check(model, end->frozen, "no memory");
	model_begin(model);
	r = ktls_conn_freeze(end->conn, end->frozen, len, &end->frozen_len);
	model_note(model, end, "freeze", len, end->frozen_len, r);
	model_expect(model, r, 0);
	model_check(model, end->frozen_len <= len, "it took %zu", end->frozen_len);
	model_observe(model, end, MODEL_MAY_FREEZE);
	end->frozen_info = before;
}

/* It goes on as it was. */
static void check_thawed(struct model *model, struct model_end *end)
{
	const struct ktls_info was = end->frozen_info;

	end->state = was.state;
	end->info = was;
	model_observe(model, end, MODEL_MAY_NOTHING);
	for (int d = KTLS_TX; d < _KTLS_DIRECTION_N; d++)
		model_check(model, end->info.protection[d] == was.protection[d],
			    "direction %d is protected elsewhere", d);
	model_check(model,
		    end->info.resumed == was.resumed && end->info.early_data == was.early_data,
		    "it forgot how it began");
	free(end->frozen);
	end->frozen = NULL;
}

static void step_thaw(struct model *model, struct model_end *end)
{
	bool cut = !model_below(&model->random, 8), hit;
	struct ktls_conn *conn = NULL;
	int r;

	if (!end->frozen)
		return;
	model_begin(model);
	r = ktls_conn_thaw(&conn, end->config, end->fd, end->frozen, end->frozen_len - cut);
	model_note(model, end, cut ? "thaw without the last byte" : "thaw", end->frozen_len, 0, r);
	hit = model->faults.hit_key;
	if (cut || (r == -KTLS_E_BAD_FROZEN && hit)) {
		model_expect(model, r, -KTLS_E_BAD_FROZEN);
		return;
	}
	model_check(model, !r || (r == KTLS_WANT_BUFFER && model_may_lack_buffer(end)),
		    "it answers %s", ktls_strerrorname(r));
	if (r)
		return;
	ktls_conn_free(end->conn);
	end->conn = conn;
	end->fd = ktls_conn_get_fd(conn);
	end->verdict = 0; /* it was another's */
	check_thawed(model, end);
}

static void step_info(struct model *model, struct model_end *end)
{
	size_t size = model_below(&model->random, sizeof(struct ktls_info) + 1);
	struct ktls_info info = { 0 };
	int r;

	model_begin(model);
	r = ktls_conn_get_info(end->conn, &info, size);
	model_note(model, end, "get_info", size, 0, r);
	model_expect(model, r, size ? 0 : -EINVAL);
	/* The kernel's numbers are asked of the kernel. */
	model_check(model, model->faults.hit_key || !memcmp(&info, &end->info, size),
		    "info differs from itself");
}

static void step_get_session(struct model *model, struct model_end *end)
{
	bool possible =
		!end->index && end->tickets && end->peer->tickets && model_gate(end) == MODEL_GO_ON;
	size_t room = model_below(&model->random, 4) ? MODEL_SESSION_MAX : 0, len = 0;
	int r;

	model_begin(model);
	r = ktls_conn_get_session(end->conn, model->session, room, &len);
	model_note(model, end, "get_session", room, len, r);
	if (r != -ENODATA) {
		model_check(model, possible, "it answers %s", ktls_strerrorname(r));
		model_expect(model, r, room ? 0 : -ENOSPC);
		model_check(model, len, "it is empty");
	}
	if (!r) {
		model->session_len = len;
		model->session_name = model->name;
	}
	model_observe(model, end, MODEL_MAY_NOTHING);
}

/* What belongs before the handshake. */
static void step_set(struct model *model, struct model_end *end)
{
	int late = end->index ? -EINVAL : -EISCONN, r;

	if (end->state == KTLS_STATE_NEW && !end->index)
		return;
	model_begin(model);
	r = ktls_conn_set_server_name(end->conn, "localhost");
	model_note(model, end, "set_server_name", 0, 0, r);
	model_expect(model, r, late);
	model_begin(model);
	r = ktls_conn_set_session(end->conn, model->session, model->session_len);
	model_note(model, end, "set_session", model->session_len, 0, r);
	model_expect(model, r, late);
	model_begin(model);
	r = ktls_conn_set_early_data(end->conn, model->bytes, 1);
	model_note(model, end, "set_early_data", 1, 0, r);
	model_check(model, r == late || r == -EINVAL, "it answers %s", ktls_strerrorname(r));
	model_observe(model, end, MODEL_MAY_NOTHING);
}

static void step_verdict(struct model *model, struct model_end *end)
{
	int expected = end->verdict == KTLS_WANT_VERDICT ? 0
		       : end->verdict			 ? end->verdict
							 : -EINVAL;
	int r;

	model_begin(model);
	r = ktls_conn_set_verdict(end->conn, 0);
	model_note(model, end, "set_verdict", 0, 0, r);
	model_expect(model, r, expected);
	if (!r)
		end->verdict = -EALREADY;
	model_observe(model, end, MODEL_MAY_NOTHING);
}

static void step_early_data(struct model *model, struct model_end *end)
{
	int expected = end->index ? model_gate(end) : -EINVAL, r;
	size_t len = model_some_length(model), n = 0, left;

	model_begin(model);
	r = ktls_conn_read_early_data(end->conn, model->buf, len, &n);
	model_note(model, end, "read_early_data", len, n, r);
	if (expected != MODEL_GO_ON) {
		model_judge_gated(model, end, r, expected);
		return;
	}
	model_expect(model, r, 0);
	left = holds_early_data(model, end) ? model->early_len - end->early_got : 0;
	model_check(model, n == (len < left ? len : left), "%zu bytes of the %zu that are left", n,
		    left);
	model_check(model, !memcmp(model->buf, model->bytes + end->early_got, n), "other bytes");
	end->early_got += n;
	model_observe(model, end, MODEL_MAY_NOTHING);
}

/* Others use the pool, too. */
static void step_hog(struct model *model, struct model_end *end)
{
	void **hog = &end->hog[model_below(&model->random, MODEL_HOG)];

	if (*hog) {
		ktls_pool_give(end->config->pool, *hog);
		*hog = NULL;
	} else if (!model_below(&model->random, 2)) {
		*hog = ktls_pool_take(end->config->pool);
	}
}

void model_release(struct model_end *end)
{
	for (int i = 0; i < MODEL_HOG; i++) {
		if (end->hog[i])
			ktls_pool_give(end->config->pool, end->hog[i]);
		end->hog[i] = NULL;
	}
}

void model_leave(struct model *model, struct model_end *end, bool reset)
{
	const struct linger linger = { .l_onoff = 1 };

	model_begin(model);
	if (reset && end->fd >= 0)
		setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	end->conn = ktls_conn_free(end->conn);
	model_note(model, end, reset ? "free, and a reset" : "free, and a close", 0, 0, 0);
	free(end->frozen);
	end->frozen = NULL;
	end->fd = -1;
}

static void step_leave(struct model *model, struct model_end *end)
{
	uint32_t how = model_below(&model->random, 12);

	if (!model->leaves || end->fd < 0 || how > 2)
		return;
	if (how < 2) {
		model_leave(model, end, how);
		return;
	}
	/* The kernel's tls would keep what it holds, and say nothing. */
	if (end->kernel)
		return;
	model_begin(model);
	shutdown(end->fd, SHUT_WR);
	model_note(model, end, "(the transport is cut)", 0, 0, 0);
	end->cut = true;
}

void model_offer(struct model *model)
{
	struct model_end *end = &model->end[0];
	int r;

	if (!model->session_len || model->session_name != model->name)
		return;
	model_begin(model);
	r = ktls_conn_set_session(end->conn, model->session, 3);
	model_note(model, end, "set_session", 3, 0, r);
	model_expect(model, r, -KTLS_E_BAD_SESSION);
	model_begin(model);
	r = ktls_conn_set_session(end->conn, model->session, model->session_len);
	model_note(model, end, "set_session", model->session_len, 0, r);
	model_expect(model, r, 0);
	model->offered = true;
	model->early_len = model_below(&model->random, 2)
				   ? 1 + model_below(&model->random, MODEL_EARLY_MAX)
				   : 0;
	model_begin(model);
	r = ktls_conn_set_early_data(end->conn, model->bytes, model->early_len);
	model_note(model, end, "set_early_data", model->early_len, 0, r);
	model_expect(model, r, 0);
}

void model_step(struct model *model, struct model_end *end)
{
	static const struct {
		void (*call)(struct model *model, struct model_end *end);
		uint16_t young, open; /* how often, before the handshake is done and after */
	} table[] = {
		{ model_step_handshake, 600, 4 },
		{ model_step_read, 6, 300 },
		{ model_step_write, 6, 220 },
		{ model_step_sendfile, 4, 80 },
		{ model_step_update_key, 4, 60 },
		{ step_shutdown, 3, 5 },
		{ step_close, 1, 3 },
		{ step_freeze, 3, 15 },
		{ step_thaw, 0, 400 },
		{ step_info, 3, 6 },
		{ step_get_session, 3, 20 },
		{ step_set, 3, 6 },
		{ step_verdict, 40, 1 },
		{ step_early_data, 3, 20 },
		{ step_hog, 3, 20 },
		{ step_leave, 4, 12 },
	};
	bool young = end->state == KTLS_STATE_NEW || end->state == KTLS_STATE_HANDSHAKE;
	uint32_t sum = 0, at;
	size_t i = 0;

	if (!end->conn)
		return;
	if (end->state == KTLS_STATE_FAILED && !model_below(&model->random, 12)) {
		model_leave(model, end, false);
		return;
	}
	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++)
		sum += young ? table[k].young : table[k].open;
	at = model_below(&model->random, sum);
	while (at >= (young ? table[i].young : table[i].open))
		at -= young ? table[i].young : table[i].open, i++;
	table[i].call(model, end);
}

bool model_has_ended(const struct model_end *end)
{
	return !end->conn || end->closed ||
	       (end->shutdown_done && end->rx_end && end->state != KTLS_STATE_FROZEN &&
		end->state != KTLS_STATE_FAILED);
}

/* Bytes are on their way that no call must push. */
static bool must_only_read(const struct model *model, const struct model_end *end)
{
	const struct model_end *peer = end->peer;

	/* One that has read the end has no more reads to make. */
	return model->reads_first && !model->disturbed &&
	       ((end->got < peer->accepted && !peer->rx_end) ||
		(peer->got < end->accepted && !end->rx_end));
}

void model_step_to_end(struct model *model, struct model_end *end)
{
	if (model_has_ended(end))
		return;
	if (model_gate(end) == MODEL_GO_ON && !model_below(&model->random, 4))
		step_get_session(model, end);
	if (end->state == KTLS_STATE_FROZEN)
		step_thaw(model, end);
	else if (end->state == KTLS_STATE_FAILED)
		model_leave(model, end, false);
	else if (end->verdict == KTLS_WANT_VERDICT)
		step_verdict(model, end);
	else if (model_gate(end) != MODEL_GO_ON)
		model_step_handshake(model, end);
	else if (must_only_read(model, end))
		model_step_read(model, end);
	else if (end->ends_closed)
		step_close(model, end);
	else if (!end->rx_end && model_below(&model->random, 3))
		model_step_read(model, end);
	else
		step_shutdown(model, end);
}
