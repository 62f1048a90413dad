/* SPDX-License-Identifier: MIT */

/* Calls in random order, beside a model of what they may answer; see model.h. Userspace protection;
 * kernel_model.c does the same with the kernel's. */

#include <criterion/criterion.h>

#include "model.h"

enum {
	STEPS = 180000, /* some seconds */
};

Test(unit, no_call_answers_what_the_model_does_not_know)
{
	model_run(false, STEPS);
}
