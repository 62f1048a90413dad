/* SPDX-License-Identifier: MIT */

/* What any call may answer where the model believes the connection to be; see model_judge.h. */

#include <errno.h>

#include "model_judge.h"

enum {
	BUFFERS_ENOUGH = 2, /* one for each direction */
};

void model_begin(struct model *model)
{
	model->step++;
	model_faults_begin(&model->faults);
}

void model_note(struct model *model, const struct model_end *end, const char *call, uint64_t asked,
		uint64_t n, int r)
{
	model_faults_end(&model->faults);
	model->lines[model->step % MODEL_LINES] = (struct model_line){
		.step = model->step,
		.end = end->index,
		.call = call,
		.asked = asked,
		.n = n,
		.answer = r,
		.hits = model->faults.hits,
		.state = end->state,
	};
}

/* What any call answers that needs keys. */
int model_gate(const struct model_end *end)
{
	switch (end->state) {
	case KTLS_STATE_CONNECTING:
	case KTLS_STATE_NEW:
	case KTLS_STATE_HANDSHAKE:
	case KTLS_STATE_FROZEN:
		return -ENOTCONN;
	case KTLS_STATE_OPEN:
	case KTLS_STATE_CLOSING:
	case KTLS_STATE_CLOSED:
		return MODEL_GO_ON;
	case KTLS_STATE_FAILED:
	case _KTLS_STATE_N:
		break;
	}
	return end->failed;
}

/* The same for one that writes. */
int model_gate_write(const struct model_end *end)
{
	int expected = model_gate(end);

	if (expected != MODEL_GO_ON)
		return expected;
	/* One that ends by itself first answers with that. */
	return end->close_sent && (!end->may_end || end->closed) ? -EPIPE : MODEL_GO_ON;
}

bool model_may_lack_buffer(const struct model_end *end)
{
	size_t held = 0;

	for (int i = 0; i < MODEL_HOG; i++)
		held += end->hog[i] != NULL;
	return end->pool < held + BUFFERS_ENOUGH;
}

void model_expect(const struct model *model, int r, int expected)
{
	model_check(model, r == expected, "it answers %s, and should %s", ktls_strerrorname(r),
		    ktls_strerrorname(expected));
}

/* A call that was tried: a condition among those allowed, `refusal`, or how it failed. */
void model_judge(struct model *model, struct model_end *end, int r, unsigned int allowed,
		 int refusal, unsigned int may)
{
	model_observe(model, end, may | MODEL_MAY_FAIL | MODEL_MAY_MOVE);
	if (end->state == KTLS_STATE_FAILED) {
		model_expect(model, r, end->failed);
		return;
	}
	if (r < 0 && r == refusal)
		return;
	model_check(model, r >= 0 && allowed & 1u << r, "it answers %s", ktls_strerrorname(r));
	model_check(model, r != KTLS_WANT_BUFFER || model_may_lack_buffer(end),
		    "it lacks a buffer, and there are %zu", end->pool);
}

void model_judge_gated(struct model *model, struct model_end *end, int r, int expected)
{
	model_expect(model, r, expected);
	model_observe(model, end, MODEL_MAY_NOTHING);
}

/* Small ones are as likely as large ones. */
uint32_t model_some_length(struct model *model)
{
	static const uint32_t most[] = { 1, 16, 1500, 1500, 17000, 17000, 40000, MODEL_LEN_MAX };

	return model_below(&model->random, most[model_below(&model->random, 8)] + 1);
}
