/* SPDX-License-Identifier: MIT */

/* Calls in random order, beside a model of what they may answer; see model.h. Each direction goes
 * to the kernel by a random rule, or not. */

#include <criterion/criterion.h>

#include "kit.h"
#include "model.h"

enum {
	STEPS = 30000, /* less than a minute in an emulator */
};

Test(kernel, no_call_answers_what_the_model_does_not_know)
{
	kit_require_tls();
	model_run(true, STEPS);
}
