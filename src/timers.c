/* SPDX-License-Identifier: MIT */

/*
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986): each node's children are a list
 * through `next`, all of them later than it.
 */

#include <stddef.h>

#include "timers.h"

static void hang(struct ktls_timer **link, struct ktls_timer *timer)
{
	*link = timer;
	if (timer)
		timer->link = link;
}

/* Two heaps become one; either may be empty. Their roots hang nowhere. */
static struct ktls_timer *meld(struct ktls_timer *a, struct ktls_timer *b)
{
	struct ktls_timer *first, *second;

	if (!a || !b)
		return a ? a : b;
	first = b->at_ns < a->at_ns ? b : a;
	second = first == a ? b : a;
	hang(&second->next, first->child);
	hang(&first->child, second);
	return first;
}

static struct ktls_timer *pop(struct ktls_timer **list)
{
	struct ktls_timer *timer = *list;

	if (timer) {
		*list = timer->next;
		timer->next = NULL;
	}
	return timer;
}

/* A list of heaps becomes one: in pairs from the left, then all from the right. */
static struct ktls_timer *meld_all(struct ktls_timer *list)
{
	struct ktls_timer *pairs = NULL, *all = NULL;

	while (list) {
		struct ktls_timer *a = pop(&list), *b = pop(&list), *pair = meld(a, b);

		pair->next = pairs;
		pairs = pair;
	}
	while (pairs) {
		struct ktls_timer *pair = pop(&pairs);

		all = meld(all, pair);
	}
	return all;
}

void ktls_timers_add(struct ktls_timers *timers, struct ktls_timer *timer, uint64_t at_ns)
{
	*timer = (struct ktls_timer){ .at_ns = at_ns };
	hang(&timers->root, meld(timers->root, timer));
}

void ktls_timers_remove(struct ktls_timers *timers, struct ktls_timer *timer)
{
	struct ktls_timer *children;

	if (!timer->link)
		return;
	hang(timer->link, timer->next);
	children = meld_all(timer->child);
	hang(&timers->root, meld(timers->root, children));
	*timer = (struct ktls_timer){ 0 };
}
