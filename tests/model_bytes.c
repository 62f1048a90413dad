/* SPDX-License-Identifier: MIT */

/* The calls that move bytes and keys, with arguments by chance; see model.h. */

#include <errno.h>
#include <string.h>

#include "model_judge.h"

enum {
	PIECES_MAX = 300,
	CANARY = 0xA5,
};

/* Cuts a buffer to pieces, empty ones among them. */
static int some_pieces(struct model *model, const void *bytes, size_t len, struct iovec *ret_iov)
{
	int count = 1 + (int)model_below(&model->random,
					 model_below(&model->random, 8) ? 5 : PIECES_MAX - 1);
	size_t at = 0;

	for (int i = 0; i < count; i++) {
		size_t n = i + 1 == count ? len - at
					  : model_below(&model->random, (uint32_t)(len - at) + 1);

		if (i + 1 < count && !model_below(&model->random, 3))
			n = 0;
		ret_iov[i] = (struct iovec){ .iov_base = (uint8_t *)bytes + at, .iov_len = n };
		at += n;
	}
	return count;
}

void model_step_handshake(struct model *model, struct model_end *end)
{
	bool young = end->state == KTLS_STATE_NEW || end->state == KTLS_STATE_HANDSHAKE;
	unsigned int may_ask = end->verdict == KTLS_WANT_VERDICT ? 1u << KTLS_WANT_VERDICT : 0;
	int expected = model_gate(end), r;

	model_begin(model);
	r = ktls_conn_handshake(end->conn, KTLS_NOW);
	model_note(model, end, "handshake", 0, 0, r);
	if (!young) {
		model_judge_gated(model, end, r, expected == MODEL_GO_ON ? 0 : expected);
		return;
	}
	if (model->verdicts && !end->index && !end->verdict)
		may_ask = 1u << KTLS_WANT_VERDICT;
	if (end->verdict == KTLS_WANT_VERDICT)
		model_expect(model, r, KTLS_WANT_VERDICT);
	model_judge(model, end, r,
		    may_ask | 1u << KTLS_DONE | 1u << KTLS_WANT_READ | 1u << KTLS_WANT_WRITE, 0,
		    MODEL_MAY_OPEN);
	model_check(model, r || end->index || !model->verdicts || end->verdict == -EALREADY,
		    "nobody was asked");
	if (r == KTLS_WANT_VERDICT)
		end->verdict = r;
	model_check(model, (end->state == KTLS_STATE_OPEN) == (r == 0), "%s after that",
		    ktls_state_name(end->state));
}

static void check_read(struct model *model, struct model_end *end, size_t len, size_t n)
{
	const uint8_t *bytes = model_stream(model, end->peer, end->got);

	model_check(model, n <= len && model->buf[len] == CANARY, "%zu bytes were read for %zu", n,
		    len);
	for (size_t i = 0; memcmp(model->buf, bytes, n) && i < n; i++)
		model_check(model, model->buf[i] == bytes[i], "byte %llu is wrong",
			    (unsigned long long)(end->got + i));
	end->got += n;
}

void model_step_read(struct model *model, struct model_end *end)
{
	unsigned int allowed = 1u << KTLS_WANT_READ | 1u << KTLS_WANT_BUFFER | 1u << KTLS_EOF |
			       1u << KTLS_CLOSED | (end->may_end ? 1u << KTLS_WANT_WRITE : 0);
	size_t len = model_some_length(model), n = SIZE_MAX;
	bool pieces = !model_below(&model->random, 4);
	int expected = model_gate(end), count, r;
	struct iovec iov[PIECES_MAX];

	if (expected == MODEL_GO_ON && (end->rx_end || !len))
		expected = end->rx_end;
	model->buf[len] = CANARY;
	count = pieces ? some_pieces(model, model->buf, len, iov) : 0;
	model_begin(model);
	if (pieces)
		r = ktls_conn_readv(end->conn, iov, count, KTLS_NOW, &n);
	else
		r = ktls_conn_read(end->conn, model->buf, len, KTLS_NOW, &n);
	model_note(model, end, pieces ? "readv" : "read", len, n, r);
	check_read(model, end, len, n);
	if (expected != MODEL_GO_ON) {
		model_check(model, !n, "bytes came with it");
		model_judge_gated(model, end, r, expected);
		return;
	}
	model_check(model, (r == 0) == (n > 0), "%zu bytes came with that answer", n);
	model_judge(model, end, r, allowed | 1u << KTLS_DONE, 0,
		    MODEL_MAY_END_RX | (end->may_end ? MODEL_MAY_END_TX : 0));
}

/* What write, writev and sendfile have in common. */
static void judge_write(struct model *model, struct model_end *end, int expected, int r,
			uint64_t len, uint64_t n)
{
	model_check(model, n <= len && (r || n == len), "%llu bytes were taken of %llu",
		    (unsigned long long)n, (unsigned long long)len);
	if (expected != MODEL_GO_ON) {
		model_check(model, !n, "bytes were taken with it");
		model_judge_gated(model, end, r, expected);
		return;
	}
	end->accepted += n;
	model_judge(model, end, r, 1u << KTLS_DONE | 1u << KTLS_WANT_WRITE | 1u << KTLS_WANT_BUFFER,
		    end->close_sent ? -EPIPE : 0, end->may_end ? MODEL_MAY_END_TX : 0);
}

void model_step_write(struct model *model, struct model_end *end)
{
	const uint8_t *bytes = model_stream(model, end, end->accepted);
	size_t len = model_some_length(model), n = SIZE_MAX;
	bool pieces = !model_below(&model->random, 3);
	int count, r;
	struct iovec iov[PIECES_MAX];

	count = pieces ? some_pieces(model, bytes, len, iov) : 0;
	model_begin(model);
	if (pieces)
		r = ktls_conn_writev(end->conn, iov, count, KTLS_NOW, &n);
	else
		r = ktls_conn_write(end->conn, bytes, len, KTLS_NOW, &n);
	model_note(model, end, pieces ? "writev" : "write", len, n, r);
	judge_write(model, end, model_gate_write(end), r, len, n);
}

void model_step_sendfile(struct model *model, struct model_end *end)
{
	uint64_t offset = (uint64_t)(model_stream(model, end, end->accepted) - model->bytes) +
			  (uint64_t)MODEL_PERIOD * model_below(&model->random, 3);
	uint64_t len = model_some_length(model), n = UINT64_MAX;
	int expected = model_gate_write(end), fd = model->file_fd, refusal = 0, r;

	switch (model_below(&model->random, 16)) {
	case 0:
		len = MODEL_FILE_LEN - offset + 1 + model_below(&model->random, 100);
		refusal = -KTLS_E_FILE_SHORT;
		break;
	case 1:
		fd = model->no_file_fd;
		refusal = -EINVAL;
		break;
	case 2:
		offset = UINT64_MAX - model_below(&model->random, 100);
		refusal = -EINVAL;
		break;
	}
	model_begin(model);
	r = ktls_conn_sendfile(end->conn, fd, offset, len, KTLS_NOW, &n);
	model_note(model, end, "sendfile", len, n, r);
	/* The file is asked before anything is tried, and what it answers ends nothing. */
	if (expected == MODEL_GO_ON && !(end->may_end && end->close_sent && r == -EPIPE)) {
		if (model->faults.hit_file)
			expected = -model->faults.hit[0];
		else if (refusal)
			expected = refusal;
	}
	judge_write(model, end, expected, r, len, n);
}

void model_step_update_key(struct model *model, struct model_end *end)
{
	enum ktls_key_update update = model_below(&model->random, 12)
					      ? model_below(&model->random, _KTLS_KEY_UPDATE_N)
					      : _KTLS_KEY_UPDATE_N;
	uint64_t before = end->info.key_updates[KTLS_TX];
	int expected = model_gate_write(end), refusal = 0, r;

	if (update == _KTLS_KEY_UPDATE_N)
		expected = -EINVAL;
	else if (model->protocol == KTLS_TLS_1_2)
		refusal = -EOPNOTSUPP;
	else if (end->may_end && end->info.protection[KTLS_TX] == KTLS_PROTECTION_KERNEL)
		refusal = -KTLS_E_REKEY;
	if (expected == MODEL_GO_ON && refusal && !end->close_sent)
		expected = refusal;
	model_begin(model);
	r = ktls_conn_update_key(end->conn, update, KTLS_NOW);
	model_note(model, end, "update_key", update, 0, r);
	if (expected != MODEL_GO_ON) {
		model_judge_gated(model, end, r, expected);
		return;
	}
	model_judge(model, end, r, 1u << KTLS_DONE | 1u << KTLS_WANT_WRITE | 1u << KTLS_WANT_BUFFER,
		    end->close_sent && r != refusal ? -EPIPE : refusal,
		    end->may_end ? MODEL_MAY_END_TX : 0);
	model_check(model, r || end->info.key_updates[KTLS_TX] > before, "the key is the same");
	if (!r && update == KTLS_KEY_UPDATE_BOTH)
		end->asked_key = end->info.key_updates[KTLS_TX];
}
