/* SPDX-License-Identifier: MIT */

/*
 * The kernel refuses: each setsockopt of the hand-over fails with each errno, before anything was
 * handed over. That is a fact with its reason where the config only prefers the kernel, and the end
 * of the handshake where it requires it. The kernel here is pretended up to the call that fails;
 * kernel_offload.c has a real one, and refusals after a first success.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/sys.h"
#include "pair.h"
#include "refusal.h"

static struct ktls_sys real;

static int pretend_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	enum refusal_option option = refusal_option(level, name);

	if (option == REFUSAL_OPTIONS_N)
		return real.setsockopt(fd, level, name, value, len);
	errno = refusal[option];
	/* The ULP alone changes nothing; a key would. */
	cr_assert(errno || option == REFUSAL_ULP);
	return errno ? -1 : 0;
}

static int pretend_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level == IPPROTO_TCP && name == TCP_ULP && !refusal[REFUSAL_ULP]) {
		memcpy(value, "tls", *len = sizeof("tls"));
		return 0;
	}
	return real.getsockopt(fd, level, name, value, len);
}

/* What the probe would say of a kernel that can do everything. */
static const struct ktls_probe able;

static void install(void)
{
	real = ktls_sys;
	ktls_sys.setsockopt = pretend_setsockopt;
	ktls_sys.getsockopt = pretend_getsockopt;
}

TestSuite(unit, .init = install);

/* The ULP, or a key with it, is refused with the errno to one end. */
static void refuse(enum refusal_option option, int error)
{
	memset(refusal, 0, sizeof(refusal));
	refusal[REFUSAL_TX] = refusal[REFUSAL_RX] = EIO;
	refusal[option] = error;
	if (option == REFUSAL_TX)
		refusal[REFUSAL_RX] = error;
}

/* Every row: an option, an errno, and both protocols and roles. */
static void for_each_refusal(void (*check)(struct pair *, const struct refusal_case *),
			     enum ktls_offload when)
{
	for (int i = 0; i < REFUSAL_OPTIONS_N * REFUSAL_ERRORS_N * 4; i++) {
		struct refusal_case row = refusal_case(i);
		struct pair_options options = PAIR_OPTIONS_USER;

		refuse(row.option, row.error);
		options.protocol = row.protocol;
		if (row.option != REFUSAL_RX)
			options.tx[row.end] = when;
		if (row.option != REFUSAL_TX)
			options.rx[row.end] = when;
		options.probe = &able;
		struct pair pair = pair_new(&options);

		check(&pair, &row);
		pair_free(&pair);
	}
}

Test(unit, a_kernel_that_refuses_is_a_fact_where_it_is_only_preferred)
{
	for_each_refusal(refusal_is_a_fact, KTLS_OFFLOAD_AUTO);
	for_each_refusal(refusal_is_a_fact, KTLS_OFFLOAD_AT_ONCE);
}

Test(unit, a_kernel_that_refuses_fails_the_handshake_where_it_is_required)
{
	for_each_refusal(refusal_is_an_error, KTLS_OFFLOAD_REQUIRED);
}
