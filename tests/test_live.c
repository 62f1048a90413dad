/* SPDX-License-Identifier: MIT */

/* A config that is replaced while others take it. */

#include <stdatomic.h>

#include <criterion/criterion.h>

#include "live.h"

static struct ktls_config *make_config(void)
{
	struct ktls_config *config;

	cr_assert_eq(ktls_config_new(&config, KTLS_SERVER), 0);
	return config;
}

Test(unit, who_took_it_keeps_it)
{
	struct ktls_config *old, *new;
	struct live live;

	live_init(&live, make_config());
	old = live_get(&live);
	live_set(&live, make_config());
	new = live_get(&live);

	cr_expect_neq(old, new);
	/* It is a good object still. */
	cr_expect_str_eq(ktls_config_error(old), "");
	ktls_config_unref(old);
	ktls_config_unref(new);
	live_done(&live);
}

static atomic_bool over;

static void *take(void *live)
{
	while (!atomic_load(&over))
		ktls_config_unref(live_get(live));
	return NULL;
}

Test(unit, threads_take_while_one_replaces)
{
	struct live live;
	pthread_t threads[2];

	live_init(&live, make_config());
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, take, &live), 0);
	for (int i = 0; i < 50; i++)
		live_set(&live, make_config());
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	live_done(&live);
}
