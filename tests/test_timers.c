/* SPDX-License-Identifier: MIT */

/* Times, against a list that is searched. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "timers.h"

enum {
	TIMERS = 200,
	STEPS = 100000,
	TIMES = 64, /* few, so that many are equal */
	SEED = 20,
};

struct model {
	struct ktls_timers timers;
	struct ktls_timer timer[TIMERS];
	uint64_t at_ns[TIMERS];
	bool in[TIMERS];
};

static uint64_t earliest(const struct model *model)
{
	uint64_t at_ns = UINT64_MAX;

	for (int i = 0; i < TIMERS; i++)
		if (model->in[i] && model->at_ns[i] < at_ns)
			at_ns = model->at_ns[i];
	return at_ns;
}

static void expect_root(const struct model *model, int step)
{
	const struct ktls_timer *root = model->timers.root;
	uint64_t at_ns = earliest(model);

	cr_assert_eq(root ? root->at_ns : UINT64_MAX, at_ns, "at step %d", step);
	if (root)
		cr_assert(root >= model->timer && root < model->timer + TIMERS &&
				  model->in[root - model->timer],
			  "at step %d one that was removed is first", step);
}

static void add(struct model *model, int i, uint64_t at_ns)
{
	ktls_timers_add(&model->timers, &model->timer[i], at_ns);
	model->at_ns[i] = at_ns;
	model->in[i] = true;
}

static void take_out(struct model *model, int i)
{
	ktls_timers_remove(&model->timers, &model->timer[i]);
	cr_assert_null(model->timer[i].link);
	model->in[i] = false;
}

Test(timers, the_first_is_the_earliest_whatever_is_added_and_removed)
{
	static struct model model;

	srand(SEED);
	for (int step = 0; step < STEPS; step++) {
		int i = rand() % TIMERS;

		if (model.in[i])
			take_out(&model, i);
		else
			add(&model, i, (uint64_t)(rand() % TIMES));
		expect_root(&model, step);
	}
}

Test(timers, all_come_out_in_order)
{
	static struct model model;
	uint64_t last_ns = 0;

	srand(SEED);
	for (int i = 0; i < TIMERS; i++)
		add(&model, i, (uint64_t)rand());
	for (int i = 0; i < TIMERS; i++) {
		struct ktls_timer *root = model.timers.root;

		cr_assert(root && root->at_ns >= last_ns);
		last_ns = root->at_ns;
		take_out(&model, (int)(root - model.timer));
	}

	cr_assert_null(model.timers.root);
}

Test(timers, of_equal_times_each_is_first_once)
{
	static struct model model;

	for (int i = 0; i < TIMERS; i++)
		add(&model, i, 7);
	for (int i = 0; i < TIMERS; i++) {
		cr_assert_not_null(model.timers.root);
		take_out(&model, (int)(model.timers.root - model.timer));
	}

	cr_assert_null(model.timers.root);
}

Test(timers, one_that_is_in_no_heap_is_removed_for_nothing)
{
	struct ktls_timers timers = { NULL };
	struct ktls_timer in = { 0 }, never = { 0 };

	ktls_timers_add(&timers, &in, 1);
	ktls_timers_remove(&timers, &never);
	cr_assert_eq(timers.root, &in);

	ktls_timers_remove(&timers, &in);
	ktls_timers_remove(&timers, &in);
	cr_assert_null(timers.root);
}

Test(timers, the_ends_of_time_are_times)
{
	struct ktls_timers timers = { NULL };
	struct ktls_timer first = { 0 }, last = { 0 };

	ktls_timers_add(&timers, &last, UINT64_MAX);
	ktls_timers_add(&timers, &first, 0);

	cr_assert_eq(timers.root, &first);
	ktls_timers_remove(&timers, &first);
	cr_assert_eq(timers.root, &last);
}

/* As an idle connection's deadline: the root is moved behind all others, again and again. */
Test(timers, the_root_can_be_moved)
{
	static struct model model;

	for (int i = 0; i < TIMERS; i++)
		add(&model, i, (uint64_t)i);
	for (int step = 0; step < STEPS / 10; step++) {
		int i = (int)(model.timers.root - model.timer);

		cr_assert_eq(i, step % TIMERS);
		take_out(&model, i);
		add(&model, i, (uint64_t)(step + TIMERS));
		expect_root(&model, step);
	}
}
