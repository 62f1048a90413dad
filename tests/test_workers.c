/* SPDX-License-Identifier: MIT */

/* Threads begin and end; that they serve is seen in interop. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include <criterion/criterion.h>

#include "listen.h"
#include "tool.h"
#include "workers.h"

enum {
	THREADS = 3,
	LIMIT_MS = 30000,
};

static struct live live;
static struct session_site site = { .live = &live };

static void begin(void)
{
	static const char *const names[] = { "localhost" };
	struct ktls_config *config;

	cr_assert_eq(ktls_config_new(&config, KTLS_SERVER), 0);
	cr_assert_eq(ktls_config_add_identity_self_signed(config, names, 1), 0);
	live_init(&live, config);
	site.root_fd = open("/", O_PATH | O_DIRECTORY);
}

static void end(void)
{
	live_done(&live);
	close(site.root_fd);
}

TestSuite(unit, .init = begin, .fini = end);

static bool has_ended(const struct workers *workers, int timeout_ms)
{
	struct pollfd wait = { .fd = workers->end_fd, .events = POLLIN };

	return poll(&wait, 1, timeout_ms) == 1;
}

Test(unit, they_run_until_they_are_stopped)
{
	struct workers workers = WORKERS_NULL;
	uint64_t requests, bytes;
	int fd;

	cr_assert_eq(listen_open(&fd, "--listen", "127.0.0.1:0", 16), 0);
	cr_assert_eq(workers_init(&workers, THREADS), 0);
	cr_assert_eq(workers_start(&workers, THREADS, &site, fd), 0);
	cr_expect_eq(workers.n, THREADS);
	cr_expect(!has_ended(&workers, 0));

	cr_expect_eq(workers_stop(&workers, &requests, &bytes), 0);
	cr_expect_eq(requests, 0);
	cr_expect_eq(bytes, 0);
	cr_expect(has_ended(&workers, 0));
	workers_done(&workers);
	close(fd);
}

Test(unit, one_that_cannot_go_on_says_so)
{
	struct workers workers = WORKERS_NULL;
	uint64_t requests, bytes;
	int fd = open("/dev/null", O_RDONLY);

	cr_assert_eq(workers_init(&workers, THREADS), 0);
	cr_assert_eq(workers_start(&workers, THREADS, &site, fd), 0);
	cr_expect(has_ended(&workers, LIMIT_MS));
	cr_expect_lt(workers_stop(&workers, &requests, &bytes), 0);
	workers_done(&workers);
	close(fd);
}

Test(unit, none_were_started)
{
	struct workers workers = WORKERS_NULL;
	uint64_t requests, bytes;

	cr_expect_eq(workers_stop(&workers, &requests, &bytes), 0);
	workers_done(&workers);
}
