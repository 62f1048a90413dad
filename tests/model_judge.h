/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_JUDGE_H
#define TESTS_MODEL_JUDGE_H

/* How a call is made and judged; for the files that make calls (model_bytes.c, model_steps.c). */

#include <limits.h>

#include "model.h"

enum {
	MODEL_GO_ON = INT_MIN, /* no answer is sure: the call is tried */
};

/* Around a call of the library: it counts as a step, may meet faults, and is remembered. */
void model_begin(struct model *model);
void model_note(struct model *model, const struct model_end *end, const char *call, uint64_t asked,
		uint64_t n, int r);

/* What any call answers that needs keys. */
int model_gate(const struct model_end *end);
/* The same for one that writes. */
int model_gate_write(const struct model_end *end);

/* Not each direction is sure of a buffer. */
bool model_may_lack_buffer(const struct model_end *end);

/* The answer is this one. */
void model_expect(const struct model *model, int r, int expected);
/* The same, and nothing has changed. */
void model_judge_gated(struct model *model, struct model_end *end, int r, int expected);
/* A call that was tried answers one of the conditions in `allowed` (1u << ...), `refusal`, or how
 * the connection failed; 0: there is no refusal. */
void model_judge(struct model *model, struct model_end *end, int r, unsigned int allowed,
		 int refusal, unsigned int may);

/* 0 to MODEL_LEN_MAX; small ones are as likely as large ones. */
uint32_t model_some_length(struct model *model);

/* model_bytes.c */
void model_step_handshake(struct model *model, struct model_end *end);
void model_step_read(struct model *model, struct model_end *end);
void model_step_write(struct model *model, struct model_end *end);
void model_step_sendfile(struct model *model, struct model_end *end);
void model_step_update_key(struct model *model, struct model_end *end);

#endif
